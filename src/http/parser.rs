//! One direction's stream cut into messages, in pulls: input in, events out (RFC 9112).

use memchr::memchr;

use crate::anomaly::{Anomalies, Anomaly};
use crate::http::Framing;
use crate::http::chunked::{Chunks, Framed};
use crate::http::event::{
    Answering, Ended, Ending, Head, Input, MessageEnd, MessageEvent, Side, Start,
};
use crate::http::head::{self, Found, LineEnd, Reading, Trust};
use crate::http::length::Sender;
use crate::http::{plain, search};
use crate::limits::{HEAD_BYTES_MAX, HEAD_SKIPPED_BYTES_MAX, METHOD_TOKEN_BYTES_MAX};
use crate::tcp::Absence;
use crate::time::Timestamp;

/// Cuts one direction of a connection into messages.
///
/// Feed an [`Input`] to [`advance`](Self::advance) until it returns `None`, then the next one; at
/// the end call [`finish`](Self::finish) until it returns `None`. Any event may be followed by a
/// call of [`search`](Self::search) to reject it.
#[derive(Debug)]
pub struct MessageParser {
    side: Side,
    /// Whether empty lines came since the last message.
    is_after_blank_lines: bool,
    /// The head that is being collected, or that the last event lent.
    held: Option<Box<HeldHead>>,
    message: Message,
}

/// The place in the stream, and what has been seen of the current message.
#[derive(Debug)]
struct Message {
    place: Place,
    /// What its end will tell, as far as it is known.
    end: MessageEnd,
}

/// Where in the stream the parser stands.
///
/// ```text
///  Boundary ──▶ (Head) ──▶ Length | Chunked | Close ──▶ Ending ──▶ Boundary
///     │                          │ gap, broken             │
///     ▼                          ▼                         ▼ place lost
///  Searching ──▶ Found ──▶ (Head) …                     Searching
/// ```
#[derive(Clone, Copy, Debug)]
enum Place {
    /// Between two messages.
    Boundary,
    /// Unknown.
    Searching,
    /// Before a head that was found by searching.
    Found(Trust),
    /// In a head that is split over packets; it is held.
    Head(Trust),
    /// In a body of known length, so many bytes before its end.
    Length(u64),
    /// In a chunked body.
    Chunked(Chunks),
    /// In a body that ends with the connection.
    Close,
    /// Past a message whose end has not been told yet.
    Ending(Ended, After),
}

/// What follows a message's end.
#[derive(Clone, Copy, Debug)]
enum After {
    /// The next message.
    Boundary,
    /// Nobody knows.
    Searching,
}

/// What a held head led to.
enum Collected {
    /// It is not whole yet.
    Part,
    /// So many bytes are of no head.
    Unparsed(u64),
    /// It is whole.
    Whole,
    /// It will never be whole; these anomalies say why.
    Unfinished(Anomalies),
}

impl MessageParser {
    /// A parser at a message boundary.
    #[must_use]
    pub const fn new(side: Side) -> Self {
        Self::at(side, Place::Boundary)
    }

    /// A parser that does not know its place in the stream and looks for a plausible head.
    #[must_use]
    pub const fn searching(side: Side) -> Self {
        Self::at(side, Place::Searching)
    }

    const fn at(side: Side, place: Place) -> Self {
        let end = MessageEnd {
            at: Timestamp::MIN,
            offset: 0,
            body_bytes: 0,
            body_seen_bytes: 0,
            ended: Ended::Whole,
            anomalies: Anomalies::NONE,
            trailer_bytes: 0,
        };
        let message = Message { place, end };
        Self { side, is_after_blank_lines: false, held: None, message }
    }

    /// Takes from the front of `input` and tells what it found; `None` once `input` is used up.
    ///
    /// `answering` is looked at when a response's head is complete.
    #[inline]
    pub fn advance<'p, 'i: 'p>(
        &'p mut self,
        input: &mut Input<'i>,
        answering: Answering,
    ) -> Option<MessageEvent<'p>> {
        match self.message.place {
            _ if self.held.is_some() => self.next_other(input, answering),
            Place::Ending(ended, after) => Some(MessageEvent::End(self.message.end(ended, after))),
            _ if input.is_empty() => None,
            _ => self.next(input, answering),
        }
    }

    /// Tells what nearly all messages consist of.
    fn next<'p, 'i: 'p>(
        &'p mut self,
        input: &mut Input<'i>,
        answering: Answering,
    ) -> Option<MessageEvent<'p>> {
        match self.message.place {
            Place::Boundary => {
                if let Some(reading) = &plain::read(self.side, input.bytes)
                    && reading.bytes.len() <= HEAD_BYTES_MAX
                {
                    return Some(self.open(reading, input, Trust::Boundary, answering));
                }
            }
            Place::Length(left) if input.gap == 0 => {
                return Some(MessageEvent::Body(self.message.part(input, left)));
            }
            _ => {}
        }
        self.next_other(input, answering)
    }

    /// Tells what is not so common.
    #[inline(never)]
    fn next_other<'p, 'i: 'p>(
        &'p mut self,
        input: &mut Input<'i>,
        answering: Answering,
    ) -> Option<MessageEvent<'p>> {
        if !matches!(self.message.place, Place::Head(_)) {
            self.held = None;
        }
        loop {
            let event = match self.message.place {
                Place::Ending(ended, after) => {
                    return Some(MessageEvent::End(self.message.end(ended, after)));
                }
                _ if input.is_empty() => return None,
                Place::Boundary => self.begin(input, Trust::Boundary, answering),
                Place::Found(trust) => self.begin(input, trust, answering),
                Place::Searching => self.look(input),
                Place::Head(trust) => match self.collect(input, trust) {
                    Collected::Part => None,
                    Collected::Unparsed(len) => Some(MessageEvent::Unparsed(len)),
                    Collected::Whole => return Some(self.release(answering)),
                    Collected::Unfinished(anomalies) => {
                        return Some(self.release_unfinished(anomalies, answering));
                    }
                },
                Place::Length(left) if input.gap == 0 => {
                    Some(MessageEvent::Body(self.message.part(input, left)))
                }
                Place::Length(_) | Place::Chunked(_) | Place::Close => {
                    self.message.body(input, self.side)
                }
            };
            if event.is_some() {
                return event;
            }
        }
    }

    /// Tells what the end of the stream makes of an unfinished message; `None` once there is
    /// nothing left to tell, and the parser is at a boundary.
    ///
    /// A response's body that the connection's end delimits is whole with [`Ending::Closed`] and
    /// early with the others; every other message that is unfinished ends early. A message ends
    /// with its last byte, so `at` shows in no event.
    pub fn finish(
        &mut self,
        ending: Ending,
        at: Timestamp,
        answering: Answering,
    ) -> Option<MessageEvent<'_>> {
        let _ = at;
        match self.message.place {
            Place::Head(_) => {
                return Some(self.release_unfinished(Anomalies::NONE, answering));
            }
            Place::Boundary | Place::Searching | Place::Found(_) => {
                *self = Self::new(self.side);
                return None;
            }
            Place::Ending(..) | Place::Length(_) | Place::Chunked(_) | Place::Close => {}
        }
        self.held = None;
        let ended = match self.message.place {
            Place::Ending(ended, _) => ended,
            Place::Close if ending == Ending::Closed && self.side == Side::Response => Ended::Whole,
            _ => Ended::Early,
        };
        Some(MessageEvent::End(self.message.end(ended, After::Boundary)))
    }

    /// Gives up the current place: no `End` will come for a message that was begun, and from now
    /// on the parser looks for the next plausible head.
    pub fn search(&mut self) {
        self.held = None;
        self.is_after_blank_lines = false;
        self.message.place = Place::Searching;
    }

    /// Whether the parser is at a boundary with nothing of a message seen.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        matches!(self.message.place, Place::Boundary)
    }

    /// Whether the parser has lost its place and looks for a plausible head.
    #[must_use]
    pub const fn is_searching(&self) -> bool {
        match self.message.place {
            Place::Searching | Place::Found(_) => true,
            Place::Head(trust) => !matches!(trust, Trust::Boundary),
            _ => false,
        }
    }

    /// Whether the next event may be a head: what a response answers matters only then.
    #[must_use]
    pub const fn awaits_head(&self) -> bool {
        matches!(
            self.message.place,
            Place::Boundary | Place::Searching | Place::Found(_) | Place::Head(_)
        )
    }

    /// Where in the stream the head begins that is held until it is whole; `None` where none is.
    #[must_use]
    pub fn held_from(&self) -> Option<u64> {
        let held = self.held.as_ref().filter(|_| matches!(self.message.place, Place::Head(_)));
        held.map(|held| held.origin.offset)
    }

    /// Bytes of an unfinished head that are held.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.held.as_ref().map_or(0, |held| held.bytes.len())
    }

    /// Whether `len` bytes more are in the middle of a body of known length, and not its last.
    #[inline]
    #[must_use]
    pub const fn awaits_body(&self, len: usize) -> bool {
        matches!(self.message.place, Place::Length(left) if left > len as u64)
            && self.held.is_none()
    }

    /// Passes over `len` bytes that came at `at`, where they are [awaited](Self::awaits_body), as
    /// [`advance`](Self::advance) does without telling of them; gives the position past them.
    #[inline]
    pub fn pass_body(&mut self, at: Timestamp, len: usize) -> u64 {
        let Message { place, end } = &mut self.message;
        let len = len as u64;
        if let Place::Length(left) = place {
            *left -= len;
        }
        end.offset += len;
        end.at = at.max(end.at);
        end.body_bytes = end.body_bytes.saturating_add(len);
        end.body_seen_bytes = end.body_seen_bytes.saturating_add(len);
        end.offset
    }

    /// Takes a head that was read in place.
    #[inline]
    fn open<'i>(
        &mut self,
        reading: &Reading<'i>,
        input: &mut Input<'i>,
        trust: Trust,
        answering: Answering,
    ) -> MessageEvent<'i> {
        let mut origin = self.origin(input, trust);
        origin.header_bytes = u32::try_from(reading.bytes.len()).unwrap_or(u32::MAX);
        input.take(reading.bytes.len());
        self.message.end.offset = input.offset;
        MessageEvent::Head(self.message.open(reading, &origin, answering))
    }

    /// Where a head comes from that begins here.
    #[inline]
    fn origin(&mut self, input: &Input<'_>, trust: Trust) -> Origin {
        let mut origin = Origin::of(input, trust);
        if std::mem::take(&mut self.is_after_blank_lines) {
            origin.anomalies.add(Anomaly::LeadingBlankLines);
        }
        origin
    }

    /// At the start of a message: reads a head in place, or begins to hold one.
    fn begin<'i>(
        &mut self,
        input: &mut Input<'i>,
        trust: Trust,
        answering: Answering,
    ) -> Option<MessageEvent<'i>> {
        let is_line_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
        if input.bytes.first().is_some_and(is_line_end) {
            let len = input.bytes.iter().take_while(|byte| is_line_end(byte)).count();
            self.is_after_blank_lines = true;
            return Some(self.message.unparsed(input, len));
        }
        let found = match trust {
            _ if input.gap > 0 => Found::Other,
            // That it is plain was tried.
            Trust::Boundary => head::read_other(self.side, input.bytes, trust),
            _ => head::read(self.side, input.bytes, trust),
        };
        match found {
            Found::Whole(reading) if reading.bytes.len() <= HEAD_BYTES_MAX => {
                return Some(self.open(&reading, input, trust, answering));
            }
            Found::Whole(_) | Found::Partial => {
                self.held = Some(Box::new(HeldHead::new(self.origin(input, trust))));
                self.message.place = Place::Head(trust);
            }
            Found::Other => self.search(),
        }
        None
    }

    /// In an unknown place: passes over the bytes up to the next plausible head.
    fn look<'i>(&mut self, input: &mut Input<'i>) -> Option<MessageEvent<'i>> {
        if input.gap > 0 {
            self.message.take_gap(input, u64::MAX);
            return None;
        }
        let Some((at, trust)) = search::find(self.side, input.bytes) else {
            return Some(self.message.unparsed(input, input.bytes.len()));
        };
        self.message.place = Place::Found(trust);
        (at > 0).then(|| self.message.unparsed(input, at))
    }

    /// In a head that is split over packets: holds its bytes until it is whole.
    fn collect(&mut self, input: &mut Input<'_>, trust: Trust) -> Collected {
        let Some(held) = self.held.as_deref_mut() else {
            self.search();
            return Collected::Part;
        };
        if input.gap > 0 {
            let gap = gap_in(self.side, input.absence);
            return Collected::Unfinished([gap].into_iter().collect());
        }
        let known = held.origin.header_bytes;
        let (taken, is_whole) = held.take(input.bytes);
        if !held.is_plausible(self.side, trust, is_whole) {
            // What this packet brought is looked at afresh, what came before is lost.
            self.search();
            if known == 0 {
                self.message.pass(input, taken);
                return Collected::Unparsed(taken as u64);
            }
            return Collected::Unparsed(u64::from(known));
        }
        held.origin.ended_at = held.origin.ended_at.max(input.at);
        input.take(taken);
        self.message.end.offset = input.offset;
        if is_whole {
            Collected::Whole
        } else if held.is_hopeless() {
            Collected::Unfinished(Anomalies::NONE)
        } else {
            Collected::Part
        }
    }

    /// Lends the held head, which is whole.
    fn release(&mut self, answering: Answering) -> MessageEvent<'_> {
        let Self { side, held, message, .. } = self;
        let Some(held) = held.as_deref_mut() else { return MessageEvent::Unparsed(0) };
        if held.origin.header_bytes as usize > held.bytes.len() {
            held.keep_whole_lines();
        }
        // Each line was plausible when it came, so the boundary's rules suffice here.
        let reading = match head::read(*side, &held.bytes, Trust::Boundary) {
            Found::Whole(reading) => Some(reading),
            _ => head::read_unfinished(*side, &held.bytes, Trust::Boundary),
        };
        if let Some(reading) = reading {
            return MessageEvent::Head(message.open(&reading, &held.origin, answering));
        }
        message.place = Place::Searching;
        MessageEvent::Unparsed(u64::from(held.origin.header_bytes))
    }

    /// Lends what there is of the held head, to which nothing will be added; without a whole
    /// start line its bytes belong to no message.
    fn release_unfinished(
        &mut self,
        anomalies: Anomalies,
        answering: Answering,
    ) -> MessageEvent<'_> {
        let Self { side, held, message, .. } = self;
        let trust = match message.place {
            Place::Head(trust) => trust,
            _ => Trust::Boundary,
        };
        message.place = Place::Searching;
        let Some(held) = held.as_deref_mut() else { return MessageEvent::Unparsed(0) };
        let Some(reading) = head::read_unfinished(*side, &held.bytes, trust) else {
            return MessageEvent::Unparsed(u64::from(held.origin.header_bytes));
        };
        held.origin.anomalies.add_all(anomalies);
        held.origin.anomalies.add(Anomaly::UnfinishedHead);
        let unfinished = message.open(&reading, &held.origin, answering);
        message.place = Place::Ending(Ended::Early, After::Searching);
        MessageEvent::Head(unfinished)
    }
}

impl Message {
    /// Begins the message that `reading` is the head of.
    #[inline]
    fn open<'h>(
        &mut self,
        reading: &Reading<'h>,
        origin: &Origin,
        answering: Answering,
    ) -> Head<'h> {
        let Reading { bytes, start, host, lengths, mut anomalies } = *reading;
        let body = lengths.decide(match start {
            Start::Request { .. } => Sender::Request,
            Start::Response { status } => Sender::Response(status, answering),
        });
        anomalies.add_all(body.anomalies);
        anomalies.add_all(origin.anomalies);
        self.place = match (body.framing, body.length) {
            (Framing::None, _) if body.is_lost => Place::Ending(Ended::Early, After::Searching),
            (Framing::Length, Some(length)) if length > 0 => Place::Length(length),
            (Framing::Chunked, _) => Place::Chunked(Chunks::new()),
            (Framing::Close, _) => Place::Close,
            (Framing::None | Framing::Length | Framing::Tunnel, _) => {
                Place::Ending(Ended::Whole, After::Boundary)
            }
        };
        self.end = MessageEnd {
            at: origin.ended_at,
            offset: self.end.offset,
            body_bytes: 0,
            body_seen_bytes: 0,
            ended: Ended::Whole,
            anomalies: Anomalies::NONE,
            trailer_bytes: 0,
        };
        Head {
            bytes,
            start,
            host,
            framing: body.framing,
            length: body.length,
            offset: origin.offset,
            acknowledged: origin.acknowledged,
            begun_at: origin.begun_at,
            ended_at: origin.ended_at,
            header_bytes: origin.header_bytes,
            anomalies,
            found_by_search: origin.found_by_search,
        }
    }

    /// In a body: takes what belongs to it.
    fn body<'i>(&mut self, input: &mut Input<'i>, side: Side) -> Option<MessageEvent<'i>> {
        if input.gap > 0 {
            self.end.anomalies.add(gap_in(side, input.absence));
        }
        match self.place {
            Place::Length(left) => {
                let len = self.gap(input, left);
                self.place = match (left - len, input.absence) {
                    (0, Absence::Missed) => Place::Ending(Ended::TailLost, After::Boundary),
                    (0, Absence::Cut) => Place::Ending(Ended::Whole, After::Boundary),
                    (left, _) => Place::Length(left),
                };
                Some(MessageEvent::BodyGap(len))
            }
            Place::Close if side == Side::Request && input.gap > 0 => self.lose(),
            Place::Close => Some(self.run(input, u64::MAX).1),
            Place::Chunked(mut chunks) => {
                let event = self.chunk(&mut chunks, input);
                self.end.trailer_bytes = chunks.trailer_bytes();
                if matches!(self.place, Place::Chunked(_)) {
                    self.place = Place::Chunked(chunks);
                }
                event
            }
            _ => None,
        }
    }

    /// In a chunked body: takes a run of data, or the framing up to the next one.
    fn chunk<'i>(
        &mut self,
        chunks: &mut Chunks,
        input: &mut Input<'i>,
    ) -> Option<MessageEvent<'i>> {
        if let Some(left) = chunks.data_left() {
            let (len, event) = self.run(input, left);
            chunks.take_data(len);
            return Some(event);
        }
        if input.gap > 0 {
            return self.lose();
        }
        let (len, framed) = chunks.read(input.bytes, &mut self.end.anomalies);
        if len > 0 {
            self.pass(input, len);
            self.end.at = self.end.at.max(input.at);
        }
        match framed {
            Framed::On => None,
            Framed::End => {
                self.place = Place::Ending(Ended::Whole, After::Boundary);
                None
            }
            Framed::Broken => {
                self.end.anomalies.add(Anomaly::InvalidChunk);
                self.lose()
            }
        }
    }

    /// Takes up to `left` bytes of the body, seen or not.
    fn run<'i>(&mut self, input: &mut Input<'i>, left: u64) -> (u64, MessageEvent<'i>) {
        if input.gap > 0 {
            let len = self.gap(input, left);
            return (len, MessageEvent::BodyGap(len));
        }
        let bytes = self.seen(input, left);
        (bytes.len() as u64, MessageEvent::Body(bytes))
    }

    /// Takes up to `left` bytes of the body that were never captured, and says how many.
    fn gap(&mut self, input: &mut Input<'_>, left: u64) -> u64 {
        let len = self.take_gap(input, left);
        if input.absence == Absence::Cut {
            self.end.at = self.end.at.max(input.at);
        }
        self.end.body_bytes = self.end.body_bytes.saturating_add(len);
        len
    }

    /// Takes up to `left` bytes of the body that were captured.
    #[inline]
    fn seen<'i>(&mut self, input: &mut Input<'i>, left: u64) -> &'i [u8] {
        let bytes = self.pass(input, usize::try_from(left).unwrap_or(usize::MAX));
        let (end, len) = (&mut self.end, bytes.len() as u64);
        end.at = end.at.max(input.at);
        end.body_bytes = end.body_bytes.saturating_add(len);
        end.body_seen_bytes = end.body_seen_bytes.saturating_add(len);
        bytes
    }

    /// In a body that ends after `left` bytes: takes captured bytes of it.
    #[inline]
    fn part<'i>(&mut self, input: &mut Input<'i>, left: u64) -> &'i [u8] {
        let bytes = self.seen(input, left);
        self.place = match left - bytes.len() as u64 {
            0 => Place::Ending(Ended::Whole, After::Boundary),
            left => Place::Length(left),
        };
        bytes
    }

    /// Ends the message because its framing is lost.
    const fn lose<'i>(&mut self) -> Option<MessageEvent<'i>> {
        self.place = Place::Ending(Ended::Early, After::Searching);
        None
    }

    /// The end of the message, behind which is what follows it.
    #[inline]
    const fn end(&mut self, ended: Ended, after: After) -> &MessageEnd {
        self.place = match after {
            After::Boundary => Place::Boundary,
            After::Searching => Place::Searching,
        };
        self.end.ended = ended;
        &self.end
    }

    fn take_gap(&mut self, input: &mut Input<'_>, len: u64) -> u64 {
        let taken = input.take_gap(len);
        self.end.offset = input.offset;
        taken
    }

    /// Takes up to `len` bytes from the front.
    #[inline]
    fn pass<'i>(&mut self, input: &mut Input<'i>, len: usize) -> &'i [u8] {
        let taken = input.take(len);
        self.end.offset = input.offset;
        taken
    }

    fn unparsed<'i>(&mut self, input: &mut Input<'i>, len: usize) -> MessageEvent<'i> {
        MessageEvent::Unparsed(self.pass(input, len).len() as u64)
    }
}

/// Where a head came from.
#[derive(Clone, Copy, Debug)]
struct Origin {
    offset: u64,
    acknowledged: u64,
    begun_at: Timestamp,
    ended_at: Timestamp,
    header_bytes: u32,
    found_by_search: bool,
    anomalies: Anomalies,
}

impl Origin {
    fn of(input: &Input<'_>, trust: Trust) -> Self {
        Self {
            offset: input.offset,
            acknowledged: input.acknowledged,
            begun_at: input.at,
            ended_at: input.at,
            header_bytes: 0,
            found_by_search: trust != Trust::Boundary,
            anomalies: Anomalies::NONE,
        }
    }
}

/// A head that is split over packets.
#[derive(Debug)]
struct HeldHead {
    /// Its first bytes, up to [`HEAD_BYTES_MAX`].
    bytes: Vec<u8>,
    origin: Origin,
    line_end: LineEnd,
    /// Length of the start line with its end, once that is whole.
    start_line: Option<usize>,
    /// How much had been read when a head found by searching was last checked.
    checked: usize,
}

impl HeldHead {
    const fn new(origin: Origin) -> Self {
        Self { bytes: Vec::new(), origin, line_end: LineEnd::None, start_line: None, checked: 0 }
    }

    /// Takes from the front of `bytes` what belongs to the head: how many, and whether it is
    /// whole with them.
    fn take(&mut self, bytes: &[u8]) -> (usize, bool) {
        let (end, line_end) = head::find_end(self.line_end, bytes);
        self.line_end = line_end;
        let taken = bytes.split_at(end.unwrap_or(bytes.len())).0;
        let room = HEAD_BYTES_MAX.saturating_sub(self.bytes.len());
        let kept = taken.split_at(room.min(taken.len())).0;
        if self.start_line.is_none() {
            self.start_line = memchr(b'\n', kept).map(|at| self.bytes.len() + at + 1);
        }
        self.bytes.extend_from_slice(kept);
        let len = u32::try_from(taken.len()).unwrap_or(u32::MAX);
        self.origin.header_bytes = self.origin.header_bytes.saturating_add(len);
        if self.bytes.len() < self.origin.header_bytes as usize {
            self.origin.anomalies.add(Anomaly::HeadTooLong);
        }
        (taken.len(), end.is_some())
    }

    /// Whether what is held may still be a head. Each part is looked at a bounded number of
    /// times, however the head is split.
    fn is_plausible(&mut self, side: Side, trust: Trust, is_whole: bool) -> bool {
        match self.start_line {
            None if self.checked > METHOD_TOKEN_BYTES_MAX && trust == Trust::Boundary => {
                return true;
            }
            None => {
                self.checked = self.bytes.len();
                return head::may_begin(side, &self.bytes, trust);
            }
            Some(len) if self.checked < len => {
                let is_split = self.checked > 0;
                self.checked = len;
                let is_safe =
                    trust == Trust::Boundary || !is_split || head::is_in_use(side, &self.bytes);
                if !is_safe || !head::may_begin(side, &self.bytes, trust) {
                    return false;
                }
            }
            Some(_) => {}
        }
        if trust == Trust::Boundary || !is_whole && self.bytes.len() / 2 < self.checked {
            return true;
        }
        self.checked = self.bytes.len();
        !matches!(head::read(side, &self.bytes, trust), Found::Other)
    }

    /// Whether so much came without an end that none is awaited any more.
    fn is_hopeless(&self) -> bool {
        let skipped = u64::from(self.origin.header_bytes).saturating_sub(self.bytes.len() as u64);
        skipped > HEAD_SKIPPED_BYTES_MAX
            || self.start_line.is_none() && self.bytes.len() >= HEAD_BYTES_MAX
    }

    /// Drops the line that the bound cut.
    fn keep_whole_lines(&mut self) {
        let len = memchr::memrchr(b'\n', &self.bytes).map_or(0, |at| at + 1);
        self.bytes.truncate(len);
    }
}

/// The anomaly of a gap in a message of that side.
const fn gap_in(side: Side, absence: Absence) -> Anomaly {
    match (absence, side) {
        (Absence::Cut, _) => Anomaly::CutFrames,
        (Absence::Missed, Side::Request) => Anomaly::GapInRequest,
        (Absence::Missed, Side::Response) => Anomaly::GapInResponse,
    }
}
