//! Why an exchange is as it is: what of it was not seen, and how that is known, as sentences.

use crate::anomaly::Anomaly;
use crate::exchange::{ExchangeId, Facts, Loss, State};
use crate::query::why::{Neighbours, Reason};
use crate::report::units;

/// The chain of reasons, the state first, what stood around it last.
#[must_use]
pub fn reasons(facts: &Facts, around: &Neighbours) -> Vec<Reason> {
    let mut chain = Chain { facts, around, reasons: Vec::new() };
    chain.state();
    chain.lost();
    chain.coverage();
    chain.closing();
    chain.network();
    chain.surroundings();
    chain.reasons
}

struct Chain<'a> {
    facts: &'a Facts,
    around: &'a Neighbours,
    reasons: Vec<Reason>,
}

impl Chain<'_> {
    fn say(&mut self, name: &'static str, text: impl Into<String>) {
        self.reasons.push(Reason { name, text: text.into() });
    }

    fn has(&self, anomaly: Anomaly) -> bool {
        self.facts.anomalies.has(anomaly)
    }

    fn state(&mut self) {
        let watched = units::duration(self.facts.watched_ns);
        match self.facts.state {
            State::Complete if self.facts.anomalies.is_suspect() => self.say(
                "suspect",
                "Request and response were both followed to their ends, but bytes of them were \
                 lost on the way here: a time may begin or end at the wrong packet, so \
                 percentiles count it as suspect.",
            ),
            State::Complete => self.say(
                "complete",
                "Request and response were both seen to their ends: its times are what the \
                 packets say.",
            ),
            State::Truncated => {
                let part = match (self.facts.timing.send_ns, self.facts.response) {
                    (None, _) => "The end of the request was not seen",
                    (_, Some(_)) => "A response began, and its end was not seen",
                    _ => "The end of a message was not seen",
                };
                let text = format!("{part}. It was watched for {watched}.");
                self.say("truncated", text);
            }
            State::Unanswered => {
                let text = format!(
                    "No response to it was seen. It was watched for {watched}: it took at least \
                     so long."
                );
                self.say("unanswered", text);
            }
            State::Open => {
                let text = format!(
                    "The capture ended {watched} after it began, before its response had: it \
                     took at least so long."
                );
                self.say("open", text);
            }
            State::Orphan => self.say(
                "orphan",
                "A response was seen, and no request that it can answer: when the request was \
                 sent is not known.",
            ),
        }
    }

    /// What was lost of it, and whether its receiver had it.
    fn lost(&mut self) {
        let evidence = &self.facts.evidence;
        let (request, response) = (evidence.request, evidence.response);
        let (before_request, before_response) = (evidence.before_request, evidence.before_response);
        if !request.is_none() {
            let body = self.facts.request.map_or(0, |message| message.body_bytes);
            let what =
                format!("of the request's body of {} ", units::counted(body, "byte", "bytes"));
            self.loss("request_bytes_lost", &what, request, "server");
        }
        if !response.is_none() {
            let what = match self.facts.response {
                Some(message) => {
                    let body = units::counted(message.body_bytes, "byte", "bytes");
                    format!("of the response's body of {body} ")
                }
                None => "where its response had to be ".to_owned(),
            };
            self.loss("response_bytes_lost", &what, response, "client");
        }
        if !before_request.is_none() {
            let what = match self.facts.state {
                State::Orphan => "where its request had to be ",
                _ => "between the request before it and this one ",
            };
            self.loss("bytes_before_request_lost", what, before_request, "server");
        }
        if !before_response.is_none() {
            let what = "between the response before its own and its own ";
            self.loss("bytes_before_response_lost", what, before_response, "client");
        }
        if self.facts.evidence.missing_before > 0 {
            self.say(
                "exchange_missing_before",
                "The bytes lost before its request began where a request ends, so that at least \
                 one exchange lay there of which nothing was seen.",
            );
        }
        if self.has(Anomaly::CutFrames) {
            self.say(
                "frames_cut",
                "Its frames were captured and cut short by the snap length (tcpdump -s): a \
                 larger one would have kept them whole.",
            );
        }
        if self.has(Anomaly::UnfinishedHead) {
            self.say("head_unfinished", "A head of it ended before its blank line was seen.");
        }
        let unseen = [
            (Anomaly::GapInRequest, request.is_none(), "of the request"),
            (Anomaly::GapInResponse, response.is_none(), "of the response"),
        ];
        for (anomaly, is_unplaced, part) in unseen {
            if self.has(anomaly) && is_unplaced {
                let text = format!("Bytes {part} were never captured; how many is not known.");
                self.say("bytes_lost", text);
            }
        }
    }

    fn loss(&mut self, name: &'static str, what: &str, loss: Loss, receiver: &str) {
        let bytes = units::counted(loss.bytes, "byte", "bytes");
        let were = if loss.bytes == 1 { "was" } else { "were" };
        self.say(name, format!("{bytes} {what}{were} never captured."));
        if self.has(Anomaly::CutFrames) && loss.acknowledged == loss.bytes {
            return;
        }
        if loss.acknowledged >= loss.bytes {
            let text = format!(
                "The {receiver} acknowledged them, so they arrived: the capture lost them, not \
                 the network."
            );
            self.say("acknowledged", text);
        } else if loss.acknowledged > 0 {
            let some = units::count(loss.acknowledged);
            let text = format!(
                "The {receiver} acknowledged the first {some} of them, so those arrived and the \
                 capture lost them; of the rest no acknowledgment was seen."
            );
            self.say("partly_acknowledged", text);
        } else {
            let text = format!(
                "No acknowledgment of them by the {receiver} was seen: they were lost on the \
                 network, or the packets that would prove the contrary were lost here too."
            );
            self.say("not_acknowledged", text);
        }
    }

    /// What kind of view the capture had.
    fn coverage(&mut self) {
        if self.has(Anomaly::OneSided) {
            let seen = if self.facts.request.is_some() { "client" } else { "server" };
            let text = format!(
                "Only packets from the {seen} were captured on this connection: the other \
                 direction takes another way, or a mirror port or filter leaves it out."
            );
            self.say("one_sided", text);
        }
        if self.has(Anomaly::MidStream) {
            self.say(
                "mid_stream",
                "The connection was open before the capture saw it first: what came before is \
                 not known.",
            );
        }
        if self.has(Anomaly::AmbiguousPair) {
            self.say(
                "ambiguous_pair",
                "After bytes were lost several pipelined requests were waiting, and nothing in \
                 the packets says which of them the next response answered.",
            );
        }
    }

    /// What ended the connection.
    fn closing(&mut self) {
        let causes = [
            (Anomaly::Reset, "reset", "The connection was reset (RST) before it was over."),
            (
                Anomaly::ClosedEarly,
                "closed_early",
                "The connection was closed in order (FIN) before it was over.",
            ),
            (
                Anomaly::Expired,
                "expired",
                "No packet of the connection came for an hour, so it was no longer watched.",
            ),
            (
                Anomaly::Evicted,
                "evicted",
                "It was given up for lack of room: more connections, or more requests waiting on \
                 this one, than Weir keeps at once.",
            ),
        ];
        for (anomaly, name, text) in causes {
            if self.has(anomaly) {
                self.say(name, text);
            }
        }
    }

    /// What the network and the client did meanwhile.
    fn network(&mut self) {
        let evidence = self.facts.evidence;
        let (stalled_ns, drained_ns) = (evidence.stalled_ns, evidence.drained_ns);
        if self.has(Anomaly::DuplicateFrames) {
            self.say(
                "frames_copied",
                "Frames of the connection were captured more than once meanwhile (at several \
                 interfaces, or by a mirror port): the first copy of each counts, and none is \
                 taken for a retransmission.",
            );
        }
        if self.has(Anomaly::ConflictingBytes) {
            self.say(
                "conflicting_bytes",
                "Bytes of the connection came again as other bytes while the first ones waited for \
                 bytes before them: the first ones count.",
            );
        }
        if evidence.retransmissions > 0 {
            let text = format!(
                "{} on the connection while it was under way; it stood still for {} before them.",
                units::counted(
                    evidence.retransmissions.into(),
                    "retransmission",
                    "retransmissions"
                ),
                units::duration(stalled_ns)
            );
            self.say("retransmissions", text);
        }
        if drained_ns > 0 {
            let text = format!(
                "The client's window was shut for {}: it kept the response back, not the server.",
                units::duration(drained_ns)
            );
            self.say("client_drain", text);
        }
    }

    /// What came before and after on the connection.
    fn surroundings(&mut self) {
        let is_whole = self.facts.state == State::Complete && !self.facts.anomalies.is_suspect();
        if is_whole {
            return;
        }
        match &self.around.before {
            Some(before) => {
                let text = format!("Before it on the connection: {}.", told(before));
                self.say("before", text);
            }
            None if self.facts.index > 0 => {
                self.say("before", "What came before it on the connection is not stored here.");
            }
            None => self.say("before", "It is the first on its connection."),
        }
        match &self.around.after {
            Some(after) => {
                let later = units::duration(after.start.since(self.facts.start));
                let mut text =
                    format!("After it on the connection: {}, begun {later} later", told(after));
                if self.facts.state == State::Unanswered && after.response.is_some() {
                    text.push_str(
                        ". The connection went on, so this one was most likely answered and the \
                         answer not captured",
                    );
                }
                text.push('.');
                self.say("after", text);
            }
            None => self.say("after", "It is the last that was seen on its connection."),
        }
    }
}

/// An exchange in a few words.
fn told(facts: &Facts) -> String {
    let id: ExchangeId = facts.id();
    let status = match facts.status {
        0 => String::new(),
        status => format!(", status {status}"),
    };
    format!("number {} ({}{status}, id {id})", facts.index, facts.state.name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{Evidence, MessageFacts};
    use crate::time::Timestamp;

    fn names(facts: &Facts, around: &Neighbours) -> Vec<&'static str> {
        reasons(facts, around).iter().map(|reason| reason.name).collect()
    }

    #[test]
    fn the_chain_names_what_is_known() {
        let nobody = Neighbours::default();
        let whole = Facts { request: Some(MessageFacts::default()), ..Facts::default() };
        assert_eq!(names(&whole, &nobody), ["complete"]);

        let lost = Loss { bytes: 300, acknowledged: 300 };
        let evidence = Evidence { response: lost, ..Evidence::default() };
        let mut facts = Facts { state: State::Unanswered, evidence, ..whole };
        facts.anomalies.add(Anomaly::GapInResponse);
        let after = Facts {
            index: 1,
            start: Timestamp::from_nanos(5_000_000),
            response: Some(MessageFacts::default()),
            ..whole
        };
        let around = Neighbours { before: None, after: Some(after) };
        assert_eq!(
            names(&facts, &around),
            ["unanswered", "response_bytes_lost", "acknowledged", "before", "after"]
        );
        let text: Vec<String> = reasons(&facts, &around).into_iter().map(|r| r.text).collect();
        assert_eq!(text[1], "300 bytes where its response had to be were never captured.");
        assert_eq!(
            text[2],
            "The client acknowledged them, so they arrived: the capture lost them, not the network."
        );
        assert!(text[4].contains("begun 5.00 ms later. The connection went on"), "{}", text[4]);

        facts.evidence.response.acknowledged = 0;
        facts.anomalies.add(Anomaly::Reset);
        facts.state = State::Open;
        assert_eq!(
            names(&facts, &nobody),
            ["open", "response_bytes_lost", "not_acknowledged", "reset", "before", "after"]
        );
        facts.evidence.response.acknowledged = 100;
        assert!(names(&facts, &nobody).contains(&"partly_acknowledged"));
    }

    #[test]
    fn every_anomaly_of_loss_is_told() {
        let check = |anomaly: Anomaly, name: &str| {
            let mut facts = Facts { state: State::Truncated, ..Facts::default() };
            facts.anomalies.add(anomaly);
            assert!(names(&facts, &Neighbours::default()).contains(&name), "{name}");
        };
        check(Anomaly::GapInRequest, "bytes_lost");
        check(Anomaly::GapInResponse, "bytes_lost");
        check(Anomaly::OneSided, "one_sided");
        check(Anomaly::MidStream, "mid_stream");
        check(Anomaly::AmbiguousPair, "ambiguous_pair");
        check(Anomaly::Reset, "reset");
        check(Anomaly::ClosedEarly, "closed_early");
        check(Anomaly::Expired, "expired");
        check(Anomaly::Evicted, "evicted");
        check(Anomaly::CutFrames, "frames_cut");
        check(Anomaly::UnfinishedHead, "head_unfinished");
        check(Anomaly::DuplicateFrames, "frames_copied");
        check(Anomaly::ConflictingBytes, "conflicting_bytes");
    }
}
