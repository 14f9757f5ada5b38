//! The book of one connection: requests that wait, and which response answers which.
//!
//! A response answers the oldest unanswered request of its connection, but only one that it can
//! answer: its packet must acknowledge bytes of the request, and it must begin at or after the
//! byte of the response stream up to which the client had received when it sent the request.
//! After a gap in the responses these two numbers are what keeps the pairs from shifting
//! (RFC 9112 section 9.3.2, RFC 9293 section 3.4).

use std::collections::VecDeque;

use crate::anomaly::Anomaly;
use crate::exchange::conversation::Farewell;
use crate::exchange::desk::Around;
use crate::exchange::losses::Losses;
use crate::exchange::pending::{Circumstances, Part, Pending};
use crate::exchange::{Loss, Policy, State};
use crate::http::{Answering, Ended, Ending, Head, Input, MessageEnd, Start};
use crate::limits::PENDING_REQUESTS_MAX;
use crate::time::Timestamp;

/// The response that is under way.
#[derive(Debug, Default)]
enum Responding {
    #[default]
    Nothing,
    /// A response of which nothing more is wanted: an interim one, or one whose request was
    /// given up.
    Unheeded,
    /// The final response to the first pending request without one.
    ToRequest,
    /// A response whose request was never seen.
    Orphan(Box<Pending>),
}

/// Which request a response answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answered {
    /// The pending request at this place.
    Pending(usize),
    /// None that was seen.
    Nobody,
    /// One of several up to this place; which one, the gap hides.
    Ambiguous(usize),
}

/// What is known of the place in the responses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// No response was seen yet.
    #[default]
    Before,
    /// The last response answered the request that it was paired with.
    Certain,
    /// Since then responses may have passed unseen.
    Adrift,
}

/// Requests that wait for their responses, and what is known of the streams' places.
#[derive(Debug, Default)]
pub(super) struct Book {
    pending: VecDeque<Box<Pending>>,
    /// Bytes that are kept of the heads of pending requests.
    pending_bytes: usize,
    responding: Responding,
    /// Where the response under way, or the next one, begins, and what its packet acknowledged.
    boundary: (u64, u64),
    index: u32,
    previous_end: Option<Timestamp>,
    /// Where the latest gap in the requests ends; 0 where there was none.
    request_gap_end: u64,
    /// Where a request begins whose head is not whole yet, if there is one.
    unfinished_from: Option<u64>,
    place: Place,
    /// Where the latest gap in the responses ends that hid a place.
    response_gap_end: u64,
    /// Gaps that hid a place since the last request, and since the last response.
    lost: [bool; 2],
    /// Position past the last request that is over and done with.
    settled: u64,
    /// How far the responses had come.
    response_position: u64,
    /// How far the responses had come when a gap in the requests hid a place last.
    lost_request_at: Option<u64>,
    /// Whether the client sends requests before it has the responses to earlier ones.
    pipelines: bool,
    tunnel: bool,
    losses: Losses,
}

impl Book {
    /// Makes it the book of another connection; keeps the room of its list.
    pub(super) fn restart(&mut self) {
        let Self {
            pending,
            pending_bytes,
            responding,
            boundary,
            index,
            previous_end,
            request_gap_end,
            unfinished_from,
            place,
            response_gap_end,
            lost,
            settled,
            response_position,
            lost_request_at,
            pipelines,
            tunnel,
            losses,
        } = self;
        pending.clear();
        *responding = Responding::Nothing;
        *place = Place::Before;
        *losses = Losses::default();
        (*boundary, *lost) = ((0, 0), [false; 2]);
        (*index, *pending_bytes, *settled, *response_position) = (0, 0, 0, 0);
        (*request_gap_end, *response_gap_end) = (0, 0);
        (*unfinished_from, *lost_request_at, *previous_end) = (None, None, None);
        (*pipelines, *tunnel) = (false, false);
    }

    pub(super) fn open_exchanges(&self) -> usize {
        self.pending.len()
    }

    /// Whether no exchange is under way.
    pub(super) fn is_at_rest(&self) -> bool {
        self.pending.is_empty() && matches!(self.responding, Responding::Nothing)
    }

    pub(super) const fn pending_bytes(&self) -> usize {
        self.pending_bytes
    }

    pub(super) const fn is_tunnel(&self) -> bool {
        self.tunnel
    }

    /// Notes bytes of the requests that were never captured.
    pub(super) fn request_gap(&mut self, offset: u64, len: u64) {
        let gap_end = offset.saturating_add(len);
        self.request_gap_end = gap_end;
        if let Some(last) = self.pending.back_mut()
            && let Some(end) = last.request_end()
            && gap_end > end
        {
            last.gap_after = last.gap_after.min(offset.max(end));
        }
    }

    /// Notes that bytes that were never captured hide the place in the requests.
    pub(super) const fn lose_request_place(&mut self) {
        let [request, _] = &mut self.lost;
        *request = true;
        self.lost_request_at = Some(self.response_position);
    }

    /// Notes where a request begins whose head is not whole yet, if there is one.
    pub(super) const fn note_unfinished(&mut self, from: Option<u64>) {
        self.unfinished_from = from;
    }

    /// Notes how far the responses have come.
    pub(super) const fn reach(&mut self, position: u64) {
        self.response_position = position;
    }

    /// Notes that bytes that were never captured, up to `end`, hide the place in the responses.
    pub(super) const fn lose_response_place(&mut self, end: u64) {
        let [_, response] = &mut self.lost;
        *response = true;
        self.place = Place::Adrift;
        self.response_gap_end = end;
    }

    /// Notes that the next response is searched for. What is passed over may hide others, so the
    /// place is as uncertain as after a gap, unless no response had a place yet.
    pub(super) const fn search_response(&mut self) {
        if matches!(self.place, Place::Certain) {
            self.place = Place::Adrift;
        }
    }

    /// Notes a gap that is about to be read.
    pub(super) const fn begin_gap(&mut self, gap: Loss) {
        self.losses.begin_gap(gap);
    }

    /// Notes that the gap was read; what of it no body took lies between messages. `whole` says
    /// that it began where a message ends, so that the next one was lost with its first byte.
    pub(super) fn end_gap(&mut self, part: Part, whole: bool) {
        self.losses.end_gap(part, whole);
    }

    /// Notes where the next response begins at the earliest.
    pub(super) const fn at_boundary(&mut self, offset: u64, acknowledged: u64) {
        self.boundary = (offset, acknowledged);
    }

    /// Whether every request was seen and answered, so that no response can come.
    pub(super) fn expects_nothing(&self, requests_are_lost: bool) -> bool {
        self.pending.is_empty() && self.index > 0 && self.request_gap_end == 0 && !requests_are_lost
    }

    /// What the response under way, or the next one, answers.
    pub(super) fn answering(&self) -> Answering {
        if self.pending.is_empty() {
            return Answering::Other;
        }
        let (offset, acknowledged) = self.boundary;
        match self.plainly_answered(offset, acknowledged) {
            Some(request) if matches!(self.responding, Responding::Nothing) => request.answering,
            _ => self.answering_any(),
        }
    }

    #[inline(never)]
    fn answering_any(&self) -> Answering {
        let request = match &self.responding {
            Responding::Nothing => match self.answered(self.boundary.0, self.boundary.1) {
                Answered::Pending(place) => self.pending.get(place).map(Box::as_ref),
                Answered::Nobody | Answered::Ambiguous(_) => None,
            },
            Responding::ToRequest => first_unanswered(&self.pending).map(|(_, request)| request),
            Responding::Unheeded | Responding::Orphan(_) => None,
        };
        request.map_or(Answering::Other, |request| request.answering)
    }

    /// The first request of all, where it is plain that a response answers it whose first byte is at
    /// `offset` and whose packet acknowledged the requests up to `acknowledged`.
    #[inline]
    fn plainly_answered(&self, offset: u64, acknowledged: u64) -> Option<&Pending> {
        let first = self.pending.front()?;
        let is_plain = !first.is_response_over()
            && first.may_be_answered(offset, acknowledged)
            && !first.is_doubtful
            && self.place != Place::Adrift;
        is_plain.then_some(first)
    }

    /// Which request a response answers whose first byte is at `offset` and whose packet
    /// acknowledged the requests up to `acknowledged`.
    fn answered(&self, offset: u64, acknowledged: u64) -> Answered {
        let Some((place, request)) = first_unanswered(&self.pending) else {
            return Answered::Nobody;
        };
        if !request.may_be_answered(offset, acknowledged) {
            Answered::Nobody
        } else if request.is_doubtful {
            Answered::Ambiguous(place)
        } else if self.place != Place::Adrift {
            Answered::Pending(place)
        } else {
            self.answered_adrift((place, request), offset, acknowledged)
        }
    }

    /// As [`answered`](Self::answered), where responses may have passed unseen since the last one;
    /// the first request that fits is given.
    #[inline(never)]
    fn answered_adrift(
        &self,
        (first, mut request): (usize, &Pending),
        offset: u64,
        acknowledged: u64,
    ) -> Answered {
        // A request that was sent after the client had bytes that were lost: the earlier ones
        // were answered in the gap, unless the client does not wait for answers.
        let mut place = first;
        while let Some(next) = self.pending.get(place + 1)
            && next.may_be_answered(offset, acknowledged)
        {
            place += 1;
            request = next;
        }
        if self.pipelines && place > first {
            return Answered::Ambiguous(place);
        }
        // A request that was lost after this one may be the one that is answered here, or one of
        // which only a part was seen yet.
        let is_unfinished = self.unfinished_from.is_some_and(|from| from < acknowledged);
        if request.gap_after < acknowledged || is_unfinished {
            Answered::Ambiguous(place)
        } else {
            Answered::Pending(place)
        }
    }

    pub(super) fn request_head(&mut self, head: &Head<'_>, around: &mut Around<'_, '_>) {
        let mut request = self.open(around);
        request.request_head(head, around.desk.policy);
        let [lost, _] = &mut self.lost;
        if std::mem::take(lost) && head.found_by_search {
            request.note(Anomaly::GapBeforeRequest);
        }
        // A client that had nothing since a request was lost may not have waited for its answer.
        request.is_doubtful = self.lost_request_at.is_some_and(|at| head.acknowledged <= at);
        request.evidence().before_request = self.losses.take_unplaced(Part::Request);
        request.evidence().missing_before = self.losses.take_swallowed().into();
        if let Some(last) = self.pending.back() {
            self.pipelines |= head.acknowledged == last.acknowledged || self.place != Place::Adrift;
        }
        self.pending_bytes += request.request_bytes();
        self.pending.push_back(request);
        if self.pending.len() > PENDING_REQUESTS_MAX
            && let Some(mut oldest) = self.pending.pop_front()
        {
            oldest.note(Anomaly::Evicted);
            if matches!(self.responding, Responding::ToRequest) {
                self.responding = Responding::Unheeded;
            }
            self.emit(oldest, State::Unanswered, head.begun_at, around);
        }
    }

    /// Ends an orphan without its body, and tells whether there was one to end: it answers a HEAD
    /// request, since its client sent the next request, whose packet acknowledged so much, when
    /// it had the head alone.
    pub(super) fn end_bodiless(&mut self, acknowledged: u64, around: &mut Around<'_, '_>) -> bool {
        let Responding::Orphan(orphan) = &mut self.responding else { return false };
        let is_bodiless = !self.pipelines
            && acknowledged == orphan.offset
            && acknowledged == self.response_position;
        if is_bodiless && let Responding::Orphan(mut orphan) = std::mem::take(&mut self.responding)
        {
            orphan.end_bodiless();
            let at = orphan.response_ended_at().unwrap_or_default();
            self.emit(orphan, State::Orphan, at, around);
        }
        is_bodiless
    }

    #[inline]
    pub(super) fn body(&mut self, part: Part, bytes: &[u8], policy: &Policy) {
        if policy.body_bytes_max.is_some()
            && let Some(exchange) = self.under_way(part)
        {
            exchange.body(part, bytes, policy);
        }
    }

    pub(super) fn body_gap(&mut self, part: Part, len: u64) {
        let lost = self.losses.of_gap(len);
        if let Some(exchange) = self.under_way(part) {
            let evidence = exchange.evidence();
            let place = match part {
                Part::Request => &mut evidence.request,
                Part::Response => &mut evidence.response,
            };
            place.add(lost);
        }
    }

    /// Notes why a message ends before its framing says so.
    pub(super) fn note_ending(&mut self, part: Part, end: &MessageEnd, ending: Ending) {
        let anomaly = match (end.ended, ending) {
            (Ended::Early, Ending::Closed) => Anomaly::ClosedEarly,
            (Ended::Early, Ending::Reset) => Anomaly::Reset,
            _ => return,
        };
        if let Some(exchange) = self.under_way(part) {
            exchange.note(anomaly);
        }
    }

    pub(super) fn request_end(&mut self, end: &MessageEnd, around: &mut Around<'_, '_>) {
        let Some(request) = self.under_way(Part::Request) else { return };
        request.end(Part::Request, end);
        if request.is_response_over() {
            self.emit_finished(end.at, around);
        }
    }

    pub(super) fn response_head(&mut self, head: &Head<'_>, around: &mut Around<'_, '_>) {
        let Start::Response { status } = head.start else { return };
        let unplaced = self.losses.unplaced(Part::Response);
        let [_, is_lost] = self.lost;
        let is_regular = status >= 200 && !self.pipelines && !is_lost && unplaced.is_none();
        if is_regular
            && self.plainly_answered(head.offset, head.acknowledged).is_some()
            && let Some(request) = self.pending.front_mut()
        {
            request.response_head(head, status, around.desk.policy);
            request.evidence().before_response = unplaced;
            request.note_early(head.acknowledged);
            self.place = Place::Certain;
            self.responding = Responding::ToRequest;
        } else {
            self.response_head_any(head, status, around);
        }
    }

    /// As [`response_head`](Self::response_head), whatever was lost.
    #[inline(never)]
    fn response_head_any(&mut self, head: &Head<'_>, status: u16, around: &mut Around<'_, '_>) {
        let answered = self.answered(head.offset, head.acknowledged);
        if (100..200).contains(&status) && status != 101 {
            self.responding = Responding::Unheeded;
            if let Answered::Pending(place) = answered
                && let Some(request) = self.pending.get_mut(place)
            {
                request.interim(status);
            }
            return;
        }
        self.place = Place::Certain;
        let [_, lost] = &mut self.lost;
        let is_after_gap = std::mem::take(lost) && head.found_by_search;
        let given_up = match answered {
            Answered::Pending(place) => place,
            Answered::Nobody => 0,
            Answered::Ambiguous(last) => last + 1,
        };
        let lost = self.losses.take_unplaced(Part::Response);
        for _ in 0..given_up {
            let Some(mut request) = self.pending.pop_front() else { break };
            if !request.is_response_over() {
                request.evidence().response.add(lost);
            }
            let is_lost = request.is_answered_before(self.response_gap_end);
            if !request.is_response_over() && (!is_lost || answered != Answered::Pending(given_up))
            {
                request.note(Anomaly::AmbiguousPair);
            }
            self.emit(request, State::Unanswered, head.begun_at, around);
        }
        if let (Answered::Pending(_), Some(request)) = (answered, self.pending.front_mut()) {
            request.response_head(head, status, around.desk.policy);
            request.evidence().before_response = lost;
            request.note_early(head.acknowledged);
            if is_after_gap {
                request.note(Anomaly::GapBeforeResponse);
            }
            // How many messages a gap hid is not known, so later pairs may be shifted as well.
            let is_gapped =
                around.is_mid_stream || self.lost_request_at.is_some() || self.response_gap_end > 0;
            if self.pipelines && is_gapped {
                request.note(Anomaly::AmbiguousPair);
            }
            self.responding = Responding::ToRequest;
            return;
        }
        // Whose response it was, and with that how long it is, is not certain.
        self.place = Place::Adrift;
        let mut orphan = self.open(around);
        orphan.response_head(head, status, around.desk.policy);
        orphan.offset = head.offset.saturating_add(u64::from(head.header_bytes));
        if self.request_gap_end > self.settled {
            orphan.note(Anomaly::GapInRequest);
        }
        if is_after_gap {
            orphan.note(Anomaly::GapBeforeResponse);
        }
        orphan.evidence().before_response = lost;
        // The request that was lost is this one's.
        orphan.evidence().before_request = self.losses.take_unplaced(Part::Request);
        self.losses.take_swallowed();
        if answered != Answered::Nobody {
            orphan.note(Anomaly::AmbiguousPair);
        }
        self.responding = Responding::Orphan(orphan);
    }

    /// Takes the end of a response; `rest` is what its packet brings after it.
    pub(super) fn response_end(
        &mut self,
        end: &MessageEnd,
        rest: &Input<'_>,
        around: &mut Around<'_, '_>,
    ) {
        if let Some(exchange) = self.under_way(Part::Response) {
            exchange.end(Part::Response, end);
            if end.ended == Ended::Whole {
                if exchange.opens_tunnel() {
                    exchange.note(Anomaly::SwitchedProtocol);
                    self.tunnel = true;
                } else if !rest.bytes.is_empty() && !may_begin_response(rest.bytes) {
                    exchange.note(Anomaly::ExcessBytes);
                }
            }
        }
        match std::mem::take(&mut self.responding) {
            Responding::ToRequest => self.emit_finished(end.at, around),
            Responding::Orphan(orphan) => self.emit(orphan, State::Orphan, end.at, around),
            Responding::Unheeded | Responding::Nothing => {}
        }
    }

    /// Takes what is known of a response when the watching stops inside it.
    pub(super) fn interrupt_response(&mut self, end: &MessageEnd, around: &mut Around<'_, '_>) {
        if let Some(exchange) = self.under_way(Part::Response) {
            exchange.interrupt(end);
        }
        if let Responding::Orphan(orphan) = std::mem::take(&mut self.responding) {
            self.emit(orphan, State::Orphan, end.at, around);
        }
    }

    /// The server has finished: requests without a response will get none.
    pub(super) fn give_up_unanswered(&mut self, at: Timestamp, around: &mut Around<'_, '_>) {
        while let Some(first) = self.pending.front()
            && first.is_request_over()
        {
            let Some(mut request) = self.pending.pop_front() else { return };
            if !request.is_response_over() {
                request.note(Anomaly::ClosedEarly);
                self.note_unplaced(&mut request);
            }
            self.emit(request, State::Unanswered, at, around);
        }
    }

    /// Emits all that is under way, because there is no room for it; the connection goes on, and
    /// the place of its next response is not certain.
    pub(super) fn give_up(&mut self, at: Timestamp, around: &mut Around<'_, '_>) {
        if let Responding::Orphan(mut orphan) = std::mem::take(&mut self.responding) {
            orphan.note(Anomaly::Evicted);
            self.emit(orphan, State::Orphan, at, around);
        }
        self.close(Farewell::Evicted, at, around);
        if self.place != Place::Before {
            self.place = Place::Adrift;
        }
    }

    /// Emits all that is under way: the connection is over.
    pub(super) fn close(&mut self, cause: Farewell, at: Timestamp, around: &mut Around<'_, '_>) {
        let (unfinished, anomaly) = match cause {
            Farewell::Closed => (State::Unanswered, Some(Anomaly::ClosedEarly)),
            Farewell::Reset => (State::Unanswered, Some(Anomaly::Reset)),
            Farewell::Expired => (State::Unanswered, Some(Anomaly::Expired)),
            Farewell::Evicted => (State::Unanswered, Some(Anomaly::Evicted)),
            Farewell::CaptureEnded => (State::Open, None),
        };
        while let Some(mut exchange) = self.pending.pop_front() {
            if let Some(anomaly) = anomaly {
                exchange.note(anomaly);
            }
            self.note_unplaced(&mut exchange);
            self.emit(exchange, unfinished, at, around);
        }
    }

    /// Notes what was lost where the response of an exchange without one had to be.
    fn note_unplaced(&self, exchange: &mut Pending) {
        let lost = self.losses.unplaced(Part::Response);
        if exchange.facts().response.is_none() && !lost.is_none() {
            exchange.evidence().response = lost;
        }
    }

    /// The exchange whose request, or final response, is under way.
    fn under_way(&mut self, part: Part) -> Option<&mut Pending> {
        if part == Part::Request {
            let last = self.pending.back_mut().map(Box::as_mut);
            return last.filter(|request| !request.is_request_over());
        }
        match &mut self.responding {
            Responding::Nothing | Responding::Unheeded => None,
            Responding::ToRequest => {
                let (first, _) = first_unanswered(&self.pending)?;
                self.pending.get_mut(first).map(Box::as_mut)
            }
            Responding::Orphan(orphan) => Some(orphan),
        }
    }

    /// Opens the next exchange of the connection.
    #[inline]
    fn open(&mut self, around: &mut Around<'_, '_>) -> Box<Pending> {
        let exchange = around.open(self.index);
        self.index = self.index.saturating_add(1);
        exchange
    }

    /// Emits the exchanges at the front whose request and response are both over.
    fn emit_finished(&mut self, at: Timestamp, around: &mut Around<'_, '_>) {
        while let Some(first) = self.pending.front()
            && first.is_response_over()
            && first.is_request_over()
        {
            let Some(exchange) = self.pending.pop_front() else { return };
            self.emit(exchange, State::Unanswered, at, around);
        }
    }

    /// Closes the account of an exchange and hands it on.
    fn emit(
        &mut self,
        mut exchange: Box<Pending>,
        unfinished: State,
        at: Timestamp,
        around: &mut Around<'_, '_>,
    ) {
        let about =
            Circumstances { connect_ns: around.connect_ns, previous_end: self.previous_end };
        self.pending_bytes = self.pending_bytes.saturating_sub(exchange.request_bytes());
        if around.is_one_sided {
            exchange.note(Anomaly::OneSided);
        }
        if exchange.is_answered_before(self.response_gap_end) {
            exchange.note(Anomaly::GapInResponse);
        }
        self.settled = self.settled.max(exchange.request_end().unwrap_or(0));
        exchange.close(unfinished, at, about);
        exchange.arrive(around.path, around.client);
        self.previous_end = self.previous_end.max(exchange.response_ended_at());
        around.desk.hand_on(exchange);
    }
}

/// The first request whose response is not over, and its place: nearly always the first of all.
#[inline]
fn first_unanswered(pending: &VecDeque<Box<Pending>>) -> Option<(usize, &Pending)> {
    let first = pending.front()?;
    if first.is_response_over() { next_unanswered(pending) } else { Some((0, first)) }
}

#[inline(never)]
fn next_unanswered(pending: &VecDeque<Box<Pending>>) -> Option<(usize, &Pending)> {
    let mut requests = pending.iter().map(Box::as_ref).enumerate();
    requests.find(|(_, request)| !request.is_response_over())
}

/// Whether bytes may be the first of a response.
#[inline(never)]
fn may_begin_response(bytes: &[u8]) -> bool {
    b"HTTP/".starts_with(bytes.get(..bytes.len().min(5)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anomaly::Anomalies;
    use crate::exchange::{Desk, Exchange};
    use crate::flow::FlowKey;
    use crate::http::Framing;
    use crate::ledger::Ledger;
    use crate::packet::Endpoint;
    use crate::tcp::Path;
    use proptest::prelude::*;

    /// What may happen to a book.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        Request { acknowledged: u64, found_by_search: bool },
        RequestEnd,
        Response { status: u16, acknowledged: u64, found_by_search: bool },
        ResponseEnd { is_whole: bool },
        RequestGap(u64),
        ResponseGap(u64),
        LoseRequestPlace,
        LoseResponsePlace,
        SearchResponse,
    }

    fn step() -> impl Strategy<Value = Step> {
        let status = prop_oneof![4 => Just(200), 1 => Just(101), 1 => Just(103)];
        prop_oneof![
            4 => (0..40_u64, any::<bool>()).prop_map(|(acknowledged, found_by_search)| {
                Step::Request { acknowledged, found_by_search }
            }),
            4 => Just(Step::RequestEnd),
            6 => (status, 0..400_u64, any::<bool>()).prop_map(
                |(status, acknowledged, found_by_search)| Step::Response {
                    status,
                    acknowledged,
                    found_by_search,
                }
            ),
            4 => any::<bool>().prop_map(|is_whole| Step::ResponseEnd { is_whole }),
            1 => (0..30_u64).prop_map(Step::RequestGap),
            1 => (0..30_u64).prop_map(Step::ResponseGap),
            1 => Just(Step::LoseRequestPlace),
            1 => Just(Step::LoseResponsePlace),
            1 => Just(Step::SearchResponse),
        ]
    }

    /// Which way the heads of responses take.
    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Way {
        Short,
        Any,
    }

    fn head(start: Start<'_>, at: u64, acknowledged: u64, found_by_search: bool) -> Head<'_> {
        let begun_at = Timestamp::from_nanos(at.cast_signed());
        Head {
            bytes: b"",
            start,
            host: None,
            framing: Framing::None,
            length: None,
            offset: at,
            acknowledged,
            begun_at,
            ended_at: begun_at,
            header_bytes: 5,
            anomalies: Anomalies::NONE,
            found_by_search,
        }
    }

    fn end(at: u64, is_whole: bool) -> MessageEnd {
        MessageEnd {
            at: Timestamp::from_nanos(at.cast_signed()),
            offset: at,
            body_bytes: 0,
            body_seen_bytes: 0,
            ended: if is_whole { Ended::Whole } else { Ended::Early },
            anomalies: Anomalies::NONE,
            trailer_bytes: 0,
        }
    }

    /// The book and the exchanges that it gave, after each of some steps, ten bytes and ten
    /// nanoseconds apart.
    fn walk(steps: &[Step], way: Way) -> Vec<String> {
        let (policy, mut pool, mut ledger) = (Policy::default(), Vec::new(), Ledger::default());
        let (client, server) = (Endpoint::v4([10, 0, 0, 1], 1), Endpoint::v4([10, 0, 0, 2], 2));
        let (key, client) = FlowKey::between(&client, &server);
        let path = Path::default();
        let (mut book, mut story) = (Book::default(), Vec::new());
        for (offset, step) in (10_u64..).step_by(10).zip(steps) {
            let at = Timestamp::from_nanos(offset.cast_signed());
            let mut emitted = String::new();
            let mut emit = |exchange: &Exchange| emitted += &format!("{exchange:?}\n");
            let mut desk =
                Desk { policy: &policy, pool: &mut pool, ledger: &mut ledger, emit: &mut emit };
            let around = &mut Around {
                desk: &mut desk,
                key: &key,
                client,
                opened_at: Timestamp::default(),
                connect_ns: None,
                is_one_sided: false,
                is_mid_stream: false,
                path: &path,
            };
            match *step {
                Step::Request { acknowledged, found_by_search } => {
                    let start = Start::Request { method: b"HEAD", target: b"/" };
                    let head = head(start, offset, acknowledged, found_by_search);
                    book.request_head(&head, around);
                }
                Step::RequestEnd => book.request_end(&end(offset, true), around),
                Step::Response { status, acknowledged, found_by_search } => {
                    let start = Start::Response { status };
                    let head = head(start, offset, acknowledged, found_by_search);
                    book.at_boundary(offset, acknowledged);
                    assert_eq!(book.answering(), book.answering_any());
                    match way {
                        Way::Short => book.response_head(&head, around),
                        Way::Any => book.response_head_any(&head, status, around),
                    }
                }
                Step::ResponseEnd { is_whole } => {
                    let rest = Input::gap(0, 0, at);
                    book.response_end(&end(offset, is_whole), &rest, around);
                }
                Step::RequestGap(bytes) => {
                    book.begin_gap(Loss { bytes, acknowledged: 0 });
                    book.request_gap(offset, bytes);
                    book.end_gap(Part::Request, true);
                }
                Step::ResponseGap(bytes) => {
                    book.begin_gap(Loss { bytes, acknowledged: bytes });
                    book.end_gap(Part::Response, false);
                }
                Step::LoseRequestPlace => book.lose_request_place(),
                Step::LoseResponsePlace => book.lose_response_place(offset),
                Step::SearchResponse => book.search_response(),
            }
            story.push(format!("{step:?}: {book:?}\n{emitted}"));
        }
        story
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1024))]
        #[test]
        fn a_response_is_taken_as_whatever_was_lost(
            steps in proptest::collection::vec(step(), 1..24),
        ) {
            prop_assert_eq!(walk(&steps, Way::Short), walk(&steps, Way::Any));
        }
    }
}
