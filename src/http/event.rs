//! What goes into a message parser and what comes out of it: stream input, message events.

use crate::anomaly::Anomalies;
use crate::http::Framing;
use crate::tcp::{Absence, Data};
use crate::time::Timestamp;

/// Which messages a stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Requests: the stream from the client to the server.
    Request,
    /// Responses: the stream from the server to the client.
    Response,
}

/// What a response answers; it decides the length of the response's body (RFC 9112 section 6.3).
/// A request parser takes no notice of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Answering {
    /// A HEAD request: the response has no body, whatever its fields say.
    Head,
    /// A CONNECT request: a 2xx response opens a tunnel.
    Connect,
    /// Any other request, or one that was never seen.
    #[default]
    Other,
}

/// Why a stream brings nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// The sender finished in order (FIN).
    Closed,
    /// The connection was reset.
    Reset,
    /// Weir stopped watching: the capture ended, or the flow was expired or evicted.
    Cut,
}

/// What the stream brought next: the bytes of one packet, or a gap.
/// [`MessageParser::advance`](super::MessageParser::advance) takes from its front.
#[derive(Clone, Copy, Debug)]
pub struct Input<'i> {
    /// When the packet was captured; of a gap, when it was certain, or when the packet was
    /// captured whose bytes were cut off.
    pub at: Timestamp,
    /// Stream position of what is left.
    pub offset: u64,
    /// How far the packet acknowledged the other direction's stream; 0 for a gap.
    pub acknowledged: u64,
    /// The bytes that are left; empty for a gap.
    pub bytes: &'i [u8],
    /// The bytes of the gap that are left; 0 for data.
    pub gap: u64,
    /// Why the bytes of the gap are not at hand.
    pub absence: Absence,
}

impl<'i> Input<'i> {
    /// The bytes of one packet.
    #[must_use]
    pub const fn data(data: Data<'i>) -> Self {
        let Data { at, offset, acknowledged, bytes } = data;
        Self { at, offset, acknowledged, bytes, gap: 0, absence: Absence::Missed }
    }

    /// `len` bytes that were never captured, from stream position `offset` on.
    #[must_use]
    pub const fn gap(len: u64, offset: u64, at: Timestamp) -> Self {
        Self { at, offset, acknowledged: 0, bytes: &[], gap: len, absence: Absence::Missed }
    }

    /// Whether nothing is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.gap == 0
    }

    /// Takes up to `len` bytes from the front.
    pub(super) fn take(&mut self, len: usize) -> &'i [u8] {
        let (taken, rest) = self.bytes.split_at(len.min(self.bytes.len()));
        self.bytes = rest;
        self.offset = self.offset.saturating_add(taken.len() as u64);
        taken
    }

    /// Takes up to `len` bytes of the gap and says how many.
    pub(super) fn take_gap(&mut self, len: u64) -> u64 {
        let taken = len.min(self.gap);
        self.gap -= taken;
        self.offset = self.offset.saturating_add(taken);
        taken
    }
}

/// What a message parser found next. One message is a `Head`, any number of `Body` and `BodyGap`,
/// and an `End`; `Unparsed` stands outside of messages.
///
/// Every byte of the input is in exactly one place: in `Head::bytes` (or past the kept part of a
/// head that is too long), in a `Body`, in the chunked coding's own lines, or in an `Unparsed`.
#[derive(Clone, Copy, Debug)]
pub enum MessageEvent<'p> {
    /// A message's head is complete (or will never be: anomaly `UnfinishedHead`).
    Head(Head<'p>),
    /// Bytes of the body, with the chunked coding removed.
    Body(&'p [u8]),
    /// So many bytes of the body were never captured.
    BodyGap(u64),
    /// The message is over.
    End(&'p MessageEnd),
    /// So many captured bytes belong to no message: garbage, bytes skipped while searching,
    /// excess after a message, empty lines between messages. Bytes of gaps are never in it.
    ///
    /// Where it directly follows an `End`: the parser searches afterwards
    /// ([`is_searching`](super::MessageParser::is_searching)) if the bytes were excess, and is at
    /// a boundary still if they were mere empty lines.
    Unparsed(u64),
}

/// A message's head.
#[derive(Clone, Copy, Debug)]
pub struct Head<'p> {
    /// From the start line through the blank line, as sent; empty lines before it are left out.
    /// Shorter than that under the anomalies `UnfinishedHead` and `HeadTooLong`.
    pub bytes: &'p [u8],
    /// What the start line says; slices of `bytes`.
    pub start: Start<'p>,
    /// Value of the first Host field.
    pub host: Option<&'p [u8]>,
    /// How the body ends.
    pub framing: Framing,
    /// The value of Content-Length where there is a valid one, also where it does not decide.
    pub length: Option<u64>,
    /// Stream position of the first byte.
    pub offset: u64,
    /// How far the packet with the first byte acknowledged the other direction's stream.
    pub acknowledged: u64,
    /// When the packet with the first byte was captured.
    pub begun_at: Timestamp,
    /// Latest time of the head's bytes.
    pub ended_at: Timestamp,
    /// Length of the head on the wire, kept or not.
    pub header_bytes: u32,
    /// What was odd up to here.
    pub anomalies: Anomalies,
    /// Whether the parser had lost its place and found this head by searching.
    pub found_by_search: bool,
}

/// What the start line of a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start<'p> {
    /// A request line.
    Request {
        /// The method, in the case it was sent.
        method: &'p [u8],
        /// The request target as sent.
        target: &'p [u8],
    },
    /// A status line.
    Response {
        /// The status code, 100 to 999.
        status: u16,
    },
}

/// The end of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageEnd {
    /// Latest time of the message's bytes.
    pub at: Timestamp,
    /// Stream position just past the message.
    pub offset: u64,
    /// Length of the body without the chunked coding, captured or not, as far as known.
    pub body_bytes: u64,
    /// Bytes of it that were captured.
    pub body_seen_bytes: u64,
    /// How it ended.
    pub ended: Ended,
    /// What was odd after the head.
    pub anomalies: Anomalies,
    /// Bytes of the trailer fields with their line ends (RFC 9112 section 7.1.2).
    pub trailer_bytes: u32,
}

/// How a message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ended {
    /// Its last byte was seen.
    Whole,
    /// The framing says that it ended, but its last byte was missed, so nobody knows when.
    TailLost,
    /// It was closed, reset, cut or its framing lost before its end.
    Early,
}
