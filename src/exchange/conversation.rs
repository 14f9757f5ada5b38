//! The HTTP on one connection: a message parser for each direction, and the book that pairs.

use crate::exchange::Loss;
use crate::exchange::book::Book;
use crate::exchange::desk::{Around, Desk};
use crate::exchange::pending::Part;
use crate::flow::{FlowKey, Peer};
use crate::http::{Answering, Ending, Input, MessageEvent, MessageParser, Side};
use crate::packet::Direction;
use crate::tcp::{Path, Sink, StreamEvent};
use crate::time::Timestamp;

/// Why a conversation is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Farewell {
    /// The connection was closed in order, or a new one took its endpoints.
    Closed,
    /// It was reset.
    Reset,
    /// It was idle too long.
    Expired,
    /// It was given up for lack of room.
    Evicted,
    /// The capture ended.
    CaptureEnded,
}

/// The HTTP on one connection.
#[derive(Debug)]
pub struct Conversation {
    client: Option<Peer>,
    requests: MessageParser,
    responses: MessageParser,
    book: Book,
    /// What the network did so far.
    path: Path,
    /// Where the latest gap in what the lower and the higher peer sent ends, of those before it
    /// was known who the client is; 0 where there was none.
    early_gaps: [u64; 2],
}

/// What of a conversation works on its streams.
struct Parts<'a> {
    requests: &'a mut MessageParser,
    responses: &'a mut MessageParser,
    book: &'a mut Book,
}

/// A conversation that listens to its connection.
pub struct Ear<'a, 'd> {
    /// Who listens.
    pub conversation: &'a mut Conversation,
    /// What it works with.
    pub desk: &'a mut Desk<'d>,
    /// The endpoints.
    pub key: &'a FlowKey,
    /// When the connection was first seen.
    pub opened_at: Timestamp,
    /// Who opened the connection, where the handshake told.
    pub client: Option<Peer>,
    /// How long the handshake took, in nanoseconds, where it was seen.
    pub connect_ns: Option<u64>,
    /// Whether packets of both directions were captured.
    pub coverage: Coverage,
}

/// Which directions of a connection were captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// Both.
    Both,
    /// Only one.
    OneSided,
}

impl Default for Conversation {
    fn default() -> Self {
        Self {
            client: None,
            requests: MessageParser::searching(Side::Request),
            responses: MessageParser::searching(Side::Response),
            book: Book::default(),
            path: Path::default(),
            early_gaps: [0; 2],
        }
    }
}

impl Conversation {
    /// Makes it the conversation of another connection, of which nothing was heard yet. What it
    /// had under way is to be closed before.
    pub fn restart(&mut self) {
        let Self { client, requests, responses, book, path, early_gaps } = self;
        *client = None;
        *requests = MessageParser::searching(Side::Request);
        *responses = MessageParser::searching(Side::Response);
        book.restart();
        *path = Path::default();
        *early_gaps = [0; 2];
    }

    /// Whether `side` is in the middle of a body of known length, of which `len` bytes more are not
    /// the last.
    #[inline]
    #[must_use]
    pub fn awaits_body(&self, side: Peer, len: usize) -> bool {
        let parser = if self.client == Some(side) { &self.requests } else { &self.responses };
        self.client.is_some() && parser.awaits_body(len) && !self.book.is_tunnel()
    }

    /// Takes `len` bytes of a body that nobody keeps, which came at `at`, where they are
    /// [awaited](Self::awaits_body): what the stream's event of them would come to.
    #[inline]
    pub fn pass_body(&mut self, side: Peer, at: Timestamp, len: usize) {
        if self.client == Some(side) {
            self.requests.pass_body(at, len);
        } else {
            let position = self.responses.pass_body(at, len);
            self.book.reach(position);
        }
    }

    /// Learns what is known of the network.
    #[inline]
    pub const fn learn(&mut self, path: &Path) {
        self.path = *path;
    }

    /// Whether nothing is under way, so that the end of a stream or of the connection tells nothing.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        let Self { client, requests, responses, book, .. } = self;
        let is_between = requests.is_idle() && responses.is_idle();
        book.is_at_rest() && (is_between || client.is_none() || book.is_tunnel())
    }

    /// Exchanges under way.
    #[must_use]
    pub fn open_exchanges(&self) -> usize {
        self.book.open_exchanges()
    }

    /// Bytes of unfinished heads, and of the heads of requests that wait.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.requests.held_bytes() + self.responses.held_bytes() + self.book.pending_bytes()
    }
}

impl Sink for Ear<'_, '_> {
    #[inline]
    fn stream(&mut self, side: Peer, event: StreamEvent<'_>) {
        let Some(client) = self.conversation.client.or_else(|| self.meet(side, &event)) else {
            match event {
                StreamEvent::Data(data) => {
                    self.desk.ledger.bytes.unparsed += data.bytes.len() as u64;
                }
                StreamEvent::Gap { offset, len, .. } => {
                    let [low, high] = &mut self.conversation.early_gaps;
                    *(if side == Peer::Low { low } else { high }) = offset.saturating_add(len);
                }
                StreamEvent::End { .. } | StreamEvent::Reset { .. } => {}
            }
            return;
        };
        self.hear(if side == client { Direction::ToServer } else { Direction::ToClient }, event);
    }

    fn path(&mut self, path: &Path) {
        self.conversation.learn(path);
    }
}

impl<'d> Ear<'_, 'd> {
    /// Learns who the client is: from the handshake, or from who speaks HTTP.
    fn meet(&mut self, side: Peer, event: &StreamEvent<'_>) -> Option<Peer> {
        let conversation = &mut *self.conversation;
        if let Some(client) = self.client {
            conversation.requests = MessageParser::new(Side::Request);
            conversation.responses = MessageParser::new(Side::Response);
            conversation.client = Some(client);
            return Some(client);
        }
        let StreamEvent::Data(data) = event else { return None };
        let client = match speaker(data.bytes)? {
            Side::Request => side,
            Side::Response => side.other(),
        };
        conversation.client = Some(client);
        // What was lost before may have been requests, and responses to them.
        let [low, high] = conversation.early_gaps;
        let (requests, responses) = if client == Peer::Low { (low, high) } else { (high, low) };
        if responses > 0 {
            conversation.book.reach(responses);
            conversation.book.lose_response_place(responses);
        }
        if requests > 0 {
            conversation.book.lose_request_place();
        }
        Some(client)
    }

    fn hear(&mut self, direction: Direction, event: StreamEvent<'_>) {
        if self.conversation.book.is_tunnel() {
            if let StreamEvent::Data(data) = event {
                self.desk.ledger.bytes.tunnel += data.bytes.len() as u64;
            }
            return;
        }
        match (direction, event) {
            (Direction::ToServer, StreamEvent::Data(data)) => self.requests(Input::data(data)),
            (Direction::ToClient, StreamEvent::Data(data)) => {
                self.responses(Input::data(data));
                self.conversation.book.reach(data.offset + data.bytes.len() as u64);
            }
            (Direction::ToServer, StreamEvent::Gap { len, offset, acknowledged, absence, at }) => {
                let Conversation { requests, book, .. } = &mut *self.conversation;
                let is_whole = requests.is_idle();
                book.begin_gap(Loss { bytes: len, acknowledged });
                self.requests(Input { absence, ..Input::gap(len, offset, at) });
                let book = &mut self.conversation.book;
                book.request_gap(offset, len);
                book.end_gap(Part::Request, is_whole);
                if self.conversation.requests.is_searching() {
                    self.conversation.book.lose_request_place();
                }
            }
            (Direction::ToClient, StreamEvent::Gap { len, offset, acknowledged, absence, at }) => {
                self.conversation.book.begin_gap(Loss { bytes: len, acknowledged });
                self.responses(Input { absence, ..Input::gap(len, offset, at) });
                self.conversation.book.reach(offset.saturating_add(len));
                self.conversation.book.end_gap(Part::Response, false);
                if self.conversation.responses.is_searching() {
                    self.conversation.book.lose_response_place(offset.saturating_add(len));
                }
            }
            (direction, StreamEvent::End { at }) => {
                self.finish(direction, Ending::Closed, at);
                if direction == Direction::ToClient {
                    let (parts, mut around) = self.split();
                    parts.book.give_up_unanswered(at, &mut around);
                }
            }
            (direction, StreamEvent::Reset { at }) => self.finish(direction, Ending::Reset, at),
        }
    }

    /// Gives up what is held, because there is no room for it: requests that wait are over, and
    /// the streams are searched for their next heads.
    pub fn give_up(&mut self, at: Timestamp) {
        let (Parts { requests, responses, book }, mut around) = self.split();
        let unfinished = requests.held_bytes() + responses.held_bytes();
        around.desk.ledger.bytes.unparsed += unfinished as u64;
        requests.search();
        responses.search();
        book.give_up(at, &mut around);
    }

    /// Brings everything that is under way to its end: the connection is over.
    pub fn close(&mut self, cause: Farewell, at: Timestamp) {
        let ending = if cause == Farewell::Reset { Ending::Reset } else { Ending::Cut };
        if self.conversation.client.is_some() && !self.conversation.book.is_tunnel() {
            self.finish(Direction::ToServer, ending, at);
            self.finish(Direction::ToClient, ending, at);
        }
        let (parts, mut around) = self.split();
        parts.book.close(cause, at, &mut around);
    }

    /// The conversation, and what its book needs to know.
    fn split(&mut self) -> (Parts<'_>, Around<'_, 'd>) {
        let Self { conversation, desk, key, opened_at, client, connect_ns, coverage } = self;
        let Conversation { client: speaker, requests, responses, book, path, .. } =
            &mut **conversation;
        let around = Around {
            desk,
            key,
            client: speaker.unwrap_or(Peer::Low),
            opened_at: *opened_at,
            connect_ns: *connect_ns,
            is_one_sided: *coverage == Coverage::OneSided,
            is_mid_stream: client.is_none(),
            path,
        };
        (Parts { requests, responses, book }, around)
    }

    fn requests(&mut self, mut input: Input<'_>) {
        let (Parts { requests, responses, book, .. }, mut around) = self.split();
        while let Some(event) = requests.advance(&mut input, Answering::Other) {
            match &event {
                MessageEvent::Head(head) => {
                    if book.end_bodiless(head.acknowledged, &mut around) {
                        *responses = MessageParser::new(Side::Response);
                    }
                    book.request_head(head, &mut around);
                }
                MessageEvent::Body(bytes) => {
                    book.body(Part::Request, bytes, around.desk.policy);
                }
                MessageEvent::BodyGap(len) => book.body_gap(Part::Request, *len),
                MessageEvent::End(end) => book.request_end(end, &mut around),
                MessageEvent::Unparsed(len) => around.desk.ledger.bytes.unparsed += len,
            }
        }
    }

    fn responses(&mut self, mut input: Input<'_>) {
        let (Parts { requests, responses, book, .. }, mut around) = self.split();
        book.note_unfinished(requests.held_from());
        loop {
            let mut answering = Answering::Other;
            if responses.awaits_head() {
                if responses.is_searching() {
                    book.search_response();
                }
                if responses.is_idle() || responses.is_searching() {
                    book.at_boundary(input.offset, input.acknowledged);
                }
                if !input.is_empty() {
                    answering = book.answering();
                }
            }
            let event = responses.advance(&mut input, answering);
            let Some(event) = &event else { return };
            match event {
                MessageEvent::Head(head) => {
                    if head.found_by_search && book.expects_nothing(requests.is_searching()) {
                        // Text inside a body whose framing was lost, not a head.
                        around.desk.ledger.bytes.unparsed += u64::from(head.header_bytes);
                        responses.search();
                    } else {
                        book.response_head(head, &mut around);
                    }
                }
                MessageEvent::Body(bytes) => {
                    book.body(Part::Response, bytes, around.desk.policy);
                }
                MessageEvent::BodyGap(len) => book.body_gap(Part::Response, *len),
                MessageEvent::End(end) => {
                    book.response_end(end, &input, &mut around);
                    if book.is_tunnel() {
                        around.desk.ledger.bytes.tunnel += input.bytes.len() as u64;
                        return;
                    }
                }
                MessageEvent::Unparsed(len) => around.desk.ledger.bytes.unparsed += len,
            }
        }
    }

    /// Lets a parser tell what the end of its stream makes of an unfinished message.
    fn finish(&mut self, direction: Direction, ending: Ending, at: Timestamp) {
        let (Parts { requests, responses, book, .. }, mut around) = self.split();
        let nothing = Input::gap(0, 0, at);
        let parser = match direction {
            Direction::ToServer => requests,
            Direction::ToClient => responses,
        };
        while let Some(event) = parser.finish(ending, at, book.answering()) {
            match (direction, event) {
                (_, MessageEvent::Unparsed(len)) => around.desk.ledger.bytes.unparsed += len,
                (Direction::ToServer, MessageEvent::Head(head)) => {
                    book.request_head(&head, &mut around);
                }
                (Direction::ToClient, MessageEvent::Head(head)) => {
                    book.response_head(&head, &mut around);
                }
                (Direction::ToServer, MessageEvent::End(end)) => {
                    book.note_ending(Part::Request, end, ending);
                    book.request_end(end, &mut around);
                }
                (Direction::ToClient, MessageEvent::End(end)) if ending == Ending::Cut => {
                    book.interrupt_response(end, &mut around);
                }
                (Direction::ToClient, MessageEvent::End(end)) => {
                    book.note_ending(Part::Response, end, ending);
                    book.response_end(end, &nothing, &mut around);
                }
                (_, MessageEvent::Body(_) | MessageEvent::BodyGap(_)) => {}
            }
        }
    }
}

/// Which messages the sender of a stream speaks, by the bytes at the start of a packet.
fn speaker(bytes: &[u8]) -> Option<Side> {
    // A request line may end in a packet of its own, which begins like a response as well.
    if bytes.starts_with(b"HTTP/1.") && bytes.get(8) == Some(&b' ') {
        return Some(Side::Response);
    }
    let bytes = bytes.trim_ascii_start();
    let blank = memchr::memchr(b' ', bytes.get(..33.min(bytes.len()))?)?;
    let (method, rest) = bytes.split_at(blank);
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    if method.is_empty() || !method.iter().all(is_token) {
        return None;
    }
    let line_end = memchr::memchr(b'\n', rest);
    let line = rest.get(..line_end.unwrap_or(rest.len()))?;
    // A start line that fills the packet may name its version in the next one.
    let is_known =
        [&b"GET"[..], b"POST", b"PUT", b"HEAD", b"DELETE", b"PATCH", b"OPTIONS"].contains(&method);
    let has_version = memchr::memmem::find(line, b" HTTP/1.").is_some();
    (has_version || (line_end.is_none() && is_known)).then_some(Side::Request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speakers_are_told_by_their_first_bytes() {
        let check = |bytes: &str, expected: Option<Side>| {
            assert_eq!(speaker(bytes.as_bytes()), expected, "{bytes:?}");
        };
        check("HTTP/1.1 200 OK\r\n", Some(Side::Response));
        check("HTTP/1.1\r\nHost: a\r\n", None);
        check("HTTP/1.", None);
        check("GET / HTTP/1.1\r\nHost: a\r\n", Some(Side::Request));
        check("frob /x HTTP/1.0\n", Some(Side::Request));
        check("POST /a-long-target", Some(Side::Request));
        check("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", None);
        check("hello world and more\n", None);
        check("\x16\x03\x01\x02\x00\x01", None);
        check("", None);
    }
}
