//! An exchange under way: what is known of it so far, and how it is brought to its end.

use crate::anomaly::Anomaly;
use crate::exchange::policy::{Heads, Policy, Secrets};
use crate::exchange::{
    ConnectionKey, Evidence, Exchange, Facts, MessageFacts, MessageText, Network, State, Timing,
};
use crate::exchange::{asked, redact, route};
use crate::flow::Peer;
use crate::http::{Answering, Ended, Framing, Head, MessageEnd, Start, lines};
use crate::limits::{BODY_KEPT_BYTES_MAX, INTERIM_RESPONSES_MAX};
use crate::tcp::Path;
use crate::time::Timestamp;

/// Most room for a head, or for what is told of one, that is kept for the next one.
const HEAD_ROOM_BYTES_MAX: usize = 16_384;

/// Most room for a body that is kept for the next one.
const BODY_ROOM_BYTES_MAX: usize = 8_192;

/// Most room that is taken for a body because its length was announced.
const ANNOUNCED_ROOM_BYTES_MAX: usize = 1 << 16;

/// An exchange under way. Made to be reused, with the room of its buffers.
#[derive(Debug, Default)]
pub struct Pending {
    exchange: Exchange,
    /// Position of the request's first byte in its stream; of an orphan's first body byte.
    pub(super) offset: u64,
    /// How much of the response stream the client had received when it sent that byte.
    pub(super) acknowledged: u64,
    /// Where bytes that may have been requests were lost behind this one; the largest position
    /// where none were.
    pub(super) gap_after: u64,
    /// Whether a response may be that of a request before it which was lost.
    pub(super) is_doubtful: bool,
    /// What the method says about the response's body.
    pub(super) answering: Answering,
    request: Progress,
    response: Progress,
    /// What the network had done before it began.
    path: Path,
    /// Room for the bodies of the request and of the response.
    rooms: [Vec<u8>; 2],
    /// Whether secrets in its bodies stay as they are.
    keeps_secrets: bool,
}

/// How far a message came.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    begun_at: Timestamp,
    /// Latest time of its bytes so far; once over, of all its bytes.
    latest: Timestamp,
    /// Position past its last byte, once over.
    end: u64,
    /// How it ended, once over.
    ended: Option<Ended>,
}

/// Which message of an exchange.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Request,
    Response,
}

/// What a connection tells about its exchanges.
#[derive(Clone, Copy, Debug)]
pub(super) struct Circumstances {
    /// How long the handshake took, where it was seen.
    pub(super) connect_ns: Option<u64>,
    /// When the previous response of the connection ended.
    pub(super) previous_end: Option<Timestamp>,
}

impl Pending {
    /// Begins anew as the exchange number `index` of its connection, which is to be set.
    #[inline]
    pub(super) fn begin(&mut self, index: u32) -> &mut ConnectionKey {
        self.exchange.clear();
        self.exchange.facts.index = index;
        self.offset = 0;
        self.acknowledged = 0;
        self.gap_after = u64::MAX;
        self.is_doubtful = false;
        self.answering = Answering::Other;
        self.request = Progress::default();
        self.response = Progress::default();
        self.path = Path::default();
        &mut self.exchange.facts.connection
    }

    /// Notes what the network had done before the exchange began.
    pub(super) const fn depart(&mut self, path: &Path) {
        self.path = *path;
    }

    /// What was not seen of it.
    pub(super) const fn evidence(&mut self) -> &mut Evidence {
        &mut self.exchange.facts.evidence
    }

    /// Notes what the network did since it began.
    #[inline]
    pub(super) fn arrive(&mut self, path: &Path, client: Peer) {
        let before = self.path;
        let evidence = &mut self.exchange.facts.evidence;
        evidence.retransmissions = path.retransmissions.saturating_sub(before.retransmissions);
        evidence.stalled_ns = path.stalled_ns.saturating_sub(before.stalled_ns);
        evidence.drained_ns = path.drained_ns.saturating_sub(before.drained_ns);
        if path.copied_frames != before.copied_frames {
            self.exchange.facts.anomalies.add(Anomaly::DuplicateFrames);
        }
        if path.conflicts != before.conflicts {
            self.exchange.facts.anomalies.add(Anomaly::ConflictingBytes);
        }
        let evidence = &mut self.exchange.facts.evidence;
        evidence.network = Network::of(path, client);
    }

    /// Gives back room that an unusual exchange took, so that a pool of these stays small.
    #[inline]
    pub(super) fn trim(&mut self) {
        let Exchange { request, response, asked, .. } = &mut self.exchange;
        for (text, room) in [&mut *request, &mut *response].into_iter().zip(&mut self.rooms) {
            if let Some(mut body) = text.body.take()
                && body.capacity() <= BODY_ROOM_BYTES_MAX
            {
                body.clear();
                *room = body;
            }
        }
        for text in [&mut request.head, &mut response.head, asked] {
            if text.capacity() > HEAD_ROOM_BYTES_MAX {
                *text = Vec::new();
            }
        }
    }

    /// Bytes that are kept of the request's head.
    pub(super) const fn request_bytes(&self) -> usize {
        self.exchange.request.head.len() + self.exchange.asked.len()
    }

    pub(super) const fn facts(&self) -> &Facts {
        &self.exchange.facts
    }

    pub(super) const fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    pub(super) const fn note(&mut self, anomaly: Anomaly) {
        self.exchange.facts.anomalies.add(anomaly);
    }

    pub(super) const fn is_request_over(&self) -> bool {
        self.request.ended.is_some() || self.exchange.facts.request.is_none()
    }

    pub(super) const fn is_response_over(&self) -> bool {
        self.response.ended.is_some()
    }

    /// Position past the request's last byte; `None` while it is under way.
    pub(super) const fn request_end(&self) -> Option<u64> {
        match self.request.ended {
            Some(_) => Some(self.request.end),
            None => None,
        }
    }

    /// Whether its response, of which nothing was seen, may lie before position `end`.
    pub(super) const fn is_answered_before(&self, end: u64) -> bool {
        let facts = &self.exchange.facts;
        facts.request.is_some() && facts.response.is_none() && self.acknowledged < end
    }

    /// Whether a response can answer it whose first byte is at `offset` and whose packet
    /// acknowledged the requests up to `acknowledged`.
    pub(super) const fn may_be_answered(&self, offset: u64, acknowledged: u64) -> bool {
        self.offset < acknowledged && self.acknowledged <= offset
    }

    /// When the last byte of the response was seen, as far as it came.
    pub(super) const fn response_ended_at(&self) -> Option<Timestamp> {
        match self.exchange.facts.response {
            Some(_) => Some(self.response.latest),
            None => None,
        }
    }

    /// Whether a tunnel follows the response.
    pub(super) fn opens_tunnel(&self) -> bool {
        self.exchange.facts.response.is_some_and(|it| it.framing == Framing::Tunnel)
    }

    /// Takes the request's head.
    #[inline]
    pub(super) fn request_head(&mut self, head: &Head<'_>, policy: &Policy) {
        self.offset = head.offset;
        self.acknowledged = head.acknowledged;
        if let Start::Request { method, target } = head.start {
            self.answering = match method {
                b"HEAD" => Answering::Head,
                b"CONNECT" => Answering::Connect,
                _ => Answering::Other,
            };
            match policy.heads {
                Heads::Line => asked::write_head(head, policy.secrets, &mut self.exchange.asked),
                Heads::Route => {
                    route::write_route(target, &mut self.exchange.route);
                    self.exchange.request.head.extend_from_slice(lines::method(head.bytes));
                }
                Heads::Brief | Heads::Whole => {
                    route::write_route(target, &mut self.exchange.route);
                    keep_head(&mut self.exchange.request, head, policy);
                }
            }
        }
        let facts = &mut self.exchange.facts;
        facts.start = head.begun_at;
        facts.request = Some(message_facts(head));
        facts.anomalies.add_all(head.anomalies);
        self.request = Progress::begun(head);
    }

    /// Takes the head of the final response.
    #[inline]
    pub(super) fn response_head(&mut self, head: &Head<'_>, status: u16, policy: &Policy) {
        let facts = &mut self.exchange.facts;
        if facts.request.is_none() {
            facts.start = head.begun_at;
            facts.state = State::Orphan;
        }
        facts.status = status;
        facts.response = Some(message_facts(head));
        facts.anomalies.add_all(head.anomalies);
        self.response = Progress::begun(head);
        if policy.heads == Heads::Whole {
            keep_head(&mut self.exchange.response, head, policy);
        }
    }

    /// Takes the head of an interim response.
    pub(super) fn interim(&mut self, status: u16) {
        if self.exchange.interim.len() < INTERIM_RESPONSES_MAX {
            self.exchange.interim.push(status);
        } else {
            self.note(Anomaly::ManyInterim);
        }
    }

    /// Takes bytes of a body.
    pub(super) fn body(&mut self, part: Part, bytes: &[u8], policy: &Policy) {
        let Some(most) = policy.body_bytes_max else { return };
        let most = most.min(BODY_KEPT_BYTES_MAX);
        self.keeps_secrets = policy.secrets == Secrets::Kept;
        let Exchange { request, response, facts, .. } = &mut self.exchange;
        let [request_room, response_room] = &mut self.rooms;
        let (text, message, room) = match part {
            Part::Request => (request, facts.request, request_room),
            Part::Response => (response, facts.response, response_room),
        };
        let body = text.body.get_or_insert_with(|| {
            let mut body = std::mem::take(room);
            // As much as was announced, so that it need not move while it grows.
            let announced = message.map_or(0, |message| message.body_bytes);
            let announced = usize::try_from(announced).unwrap_or(usize::MAX);
            body.reserve(announced.min(most).min(ANNOUNCED_ROOM_BYTES_MAX));
            body
        });
        let room = most.saturating_sub(body.len()).min(bytes.len());
        body.extend_from_slice(bytes.get(..room).unwrap_or_default());
    }

    /// Takes it that the response has no body, whatever its fields say, and ended with its head.
    pub(super) const fn end_bodiless(&mut self) {
        if let Some(message) = &mut self.exchange.facts.response {
            message.framing = Framing::None;
            message.body_bytes = 0;
        }
        self.response.ended = Some(Ended::Whole);
    }

    /// Takes a message's end.
    #[inline]
    pub(super) fn end(&mut self, part: Part, end: &MessageEnd) {
        let facts = &mut self.exchange.facts;
        facts.anomalies.add_all(end.anomalies);
        let (message, progress) = match part {
            Part::Request => (&mut facts.request, &mut self.request),
            Part::Response => (&mut facts.response, &mut self.response),
        };
        if let Some(message) = message {
            message.measure(end);
        }
        progress.latest = progress.latest.max(end.at);
        progress.end = end.offset;
        progress.ended = Some(end.ended);
        if end.ended == Ended::TailLost {
            self.note(part.gap());
        }
    }

    /// Sets the state and the times, now that nothing more can come; `unfinished` is the state of
    /// an exchange that has no response yet or whose response did not end, `at` the time until
    /// which it was watched.
    #[inline]
    pub(super) fn close(&mut self, unfinished: State, at: Timestamp, about: Circumstances) {
        if !self.close_complete(about) {
            self.close_any(unfinished, at, about);
        }
        if !self.keeps_secrets {
            self.redact_bodies();
        }
    }

    /// As [`close`](Self::close), of a request and a response that came whole, one after the other:
    /// what that comes to, in fewer steps. Without effect, and `false`, of others.
    #[inline]
    fn close_complete(&mut self, about: Circumstances) -> bool {
        let (request, response) = (&self.request, &self.response);
        let facts = &mut self.exchange.facts;
        let is_ordered = request.begun_at <= request.latest
            && request.latest <= response.begun_at
            && response.begun_at <= response.latest;
        let is_whole = request.ended == Some(Ended::Whole) && response.ended == Some(Ended::Whole);
        let is_seen = facts.request.is_some() && facts.response.is_some();
        if !is_ordered || !is_whole || !is_seen || facts.anomalies.has(Anomaly::EarlyResponse) {
            return false;
        }
        facts.state = State::Complete;
        let wait = response.begun_at.since(request.latest);
        let blocked = match about.previous_end {
            Some(previous) if previous > request.latest => previous.since(request.latest).min(wait),
            _ => 0,
        };
        facts.timing = Timing {
            connect_ns: if facts.index == 0 { about.connect_ns } else { None },
            send_ns: Some(request.latest.since(request.begun_at)),
            blocked_ns: Some(blocked),
            wait_ns: Some(wait),
            receive_ns: Some(response.latest.since(response.begun_at)),
            total_ns: Some(response.latest.since(request.begun_at)),
        };
        true
    }

    /// As [`close`](Self::close), of whatever was seen.
    #[inline(never)]
    fn close_any(&mut self, unfinished: State, at: Timestamp, about: Circumstances) {
        let (request, response) = (self.request, self.response);
        let facts = &mut self.exchange.facts;
        let is_whole = |progress: Progress| progress.ended == Some(Ended::Whole);
        facts.state = match (facts.request.is_some(), facts.response.is_some()) {
            (false, _) => State::Orphan,
            (true, true) if is_whole(request) && is_whole(response) => State::Complete,
            (true, true) if response.ended.is_some() || unfinished == State::Unanswered => {
                State::Truncated
            }
            (true, _) => unfinished,
        };
        let sent_at = (facts.request.is_some() && is_whole(request)).then_some(request.latest);
        let answered_at = facts.response.is_some().then_some(response.begun_at);
        let ended_at = (facts.response.is_some() && is_whole(response)).then_some(response.latest);
        let mut stepped = false;
        let mut between = |from: Option<Timestamp>, to: Option<Timestamp>| {
            let (from, to) = (from?, to?);
            stepped |= to < from;
            Some(to.since(from))
        };
        let begun_at = facts.request.is_some().then_some(request.begun_at);
        let timing = &mut facts.timing;
        timing.send_ns = between(begun_at, sent_at);
        timing.receive_ns = between(answered_at, ended_at);
        timing.total_ns = between(begun_at, ended_at);
        timing.wait_ns = if facts.anomalies.has(Anomaly::EarlyResponse) {
            // What the server had not received it did not wait for, wherever the capture stood.
            sent_at.and(answered_at).map(|_| 0)
        } else {
            between(sent_at, answered_at)
        };
        timing.blocked_ns = timing.wait_ns.map(|wait| {
            let due = about.previous_end.zip(sent_at);
            due.map_or(0, |(previous, sent)| previous.since(sent).min(wait))
        });
        if facts.index == 0 && facts.request.is_some() {
            timing.connect_ns = about.connect_ns;
        }
        if facts.state != State::Complete && facts.state != State::Orphan {
            facts.watched_ns = at.since(facts.start);
        }
        if stepped {
            facts.anomalies.add(Anomaly::ClockStepped);
        }
    }

    /// Takes what is known of the response's body when the watching stopped inside it.
    pub(super) const fn interrupt(&mut self, end: &MessageEnd) {
        if let Some(message) = &mut self.exchange.facts.response {
            message.measure(end);
        }
        self.exchange.facts.anomalies.add_all(end.anomalies);
    }

    /// Notes that the response began before the request had ended: a packet of the response's
    /// first byte that acknowledged less than the whole request.
    pub(super) const fn note_early(&mut self, acknowledged: u64) {
        let is_early = match self.request.ended {
            None => true,
            Some(_) => acknowledged < self.request.end,
        };
        if self.exchange.facts.request.is_some() && is_early {
            self.note(Anomaly::EarlyResponse);
        }
    }

    fn redact_bodies(&mut self) {
        let Exchange { request, response, .. } = &mut self.exchange;
        for MessageText { head, body } in [request, response] {
            // Few bodies have secrets: only of these it is asked whether they are in a coding.
            if let Some(body) = body
                && let Some(redacted) = redact::redacted(body)
                && crate::http::lines::field(head, "content-encoding").is_none()
            {
                *body = redacted;
            }
        }
    }
}

impl Part {
    /// The anomaly of missing bytes in it.
    pub(super) const fn gap(self) -> Anomaly {
        match self {
            Self::Request => Anomaly::GapInRequest,
            Self::Response => Anomaly::GapInResponse,
        }
    }
}

impl MessageFacts {
    /// Takes the body's lengths from its end; one that was announced stands, however much came.
    const fn measure(&mut self, end: &MessageEnd) {
        if !matches!(self.framing, Framing::Length) {
            self.body_bytes = end.body_bytes;
        }
        self.body_seen_bytes = end.body_seen_bytes;
    }
}

impl Progress {
    const fn begun(head: &Head<'_>) -> Self {
        Self { begun_at: head.begun_at, latest: head.ended_at, end: 0, ended: None }
    }
}

fn message_facts(head: &Head<'_>) -> MessageFacts {
    let body_bytes = match head.framing {
        Framing::Length => head.length.unwrap_or(0),
        _ => 0,
    };
    MessageFacts {
        header_bytes: head.header_bytes,
        framing: head.framing,
        body_bytes,
        body_seen_bytes: 0,
    }
}

fn keep_head(text: &mut MessageText, head: &Head<'_>, policy: &Policy) {
    match (policy.heads, policy.secrets) {
        (Heads::Whole, Secrets::Redacted) => redact::write_head(head.bytes, &mut text.head),
        (Heads::Whole, Secrets::Kept) => text.head.extend_from_slice(head.bytes),
        (_, secrets) => asked::keep_lines(head, secrets, &mut text.head),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anomaly::Anomalies;
    use proptest::prelude::*;

    #[test]
    fn secrets_in_bodies_stay_only_where_asked_for() {
        let kept = |secrets: Secrets| {
            let policy = Policy { body_bytes_max: Some(100), secrets, ..Policy::default() };
            let mut pending = Pending::default();
            pending.begin(0);
            pending.body(Part::Request, br#"{"password":"open sesame"}"#, &policy);
            let about = Circumstances { connect_ns: None, previous_end: None };
            pending.close(State::Open, Timestamp::default(), about);
            pending.exchange().request.body.clone().unwrap()
        };
        assert_eq!(kept(Secrets::Redacted), br#"{"password":"[redacted]"}"#);
        assert_eq!(kept(Secrets::Kept), br#"{"password":"open sesame"}"#);
    }

    proptest! {
        #[test]
        fn a_complete_exchange_is_closed_as_any(
            times in proptest::collection::vec(prop_oneof![0..6_i64, any::<i64>()], 5),
            (index, connect, previous) in (0..2_u32, any::<bool>(), any::<bool>()),
            (ends, seen) in (proptest::collection::vec(any::<bool>(), 2), proptest::collection::vec(any::<bool>(), 3)),
        ) {
            let [begun_at, latest, response_begun_at, response_latest, previous_end] =
                times.try_into().map(|times: [i64; 5]| times.map(Timestamp::from_nanos)).unwrap();
            let progress = |begun_at, latest, is_whole: bool| {
                let ended = Some(if is_whole { Ended::Whole } else { Ended::TailLost });
                Progress { begun_at, latest, end: 0, ended }
            };
            let pending = || {
                let mut pending = Pending::default();
                pending.begin(index);
                pending.request = progress(begun_at, latest, ends[0]);
                pending.response = progress(response_begun_at, response_latest, ends[1]);
                let facts = &mut pending.exchange.facts;
                facts.request = seen[0].then(MessageFacts::default);
                facts.response = seen[1].then(MessageFacts::default);
                if seen[2] {
                    pending.note(Anomaly::EarlyResponse);
                }
                pending
            };
            let about = Circumstances {
                connect_ns: connect.then_some(7),
                previous_end: previous.then_some(previous_end),
            };
            let (mut short, mut long) = (pending(), pending());
            if short.close_complete(about) {
                long.close_any(State::Unanswered, Timestamp::default(), about);
            }
            prop_assert_eq!(short.facts(), long.facts());
        }
    }

    #[test]
    fn an_exchange_for_reuse_gives_back_unusual_room() {
        let mut pending = Pending::default();
        let Exchange { request, response, asked, .. } = &mut pending.exchange;
        for text in [&mut request.head, &mut response.head, asked] {
            text.resize(60_000, b'a');
        }
        pending.trim();
        let Exchange { request, response, asked, .. } = &pending.exchange;
        assert_eq!([&request.head, &response.head, asked].map(Vec::capacity), [0; 3]);
    }

    #[test]
    fn a_reused_exchange_keeps_nothing_of_the_last() {
        let mut pending = Pending::default();
        pending.begin(7);
        pending.interim(103);
        pending.note(Anomaly::Reset);
        pending.begin(8);
        assert_eq!(
            pending.exchange(),
            &Exchange { facts: Facts { index: 8, ..Facts::default() }, ..Exchange::default() }
        );
        assert_eq!(pending.facts().anomalies, Anomalies::NONE);
    }
}
