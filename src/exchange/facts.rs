//! The numbers of an exchange: endpoints, state, times, lengths, status and anomalies.

use crate::anomaly::Anomalies;
use crate::exchange::evidence::Evidence;
use crate::exchange::id::ExchangeId;
use crate::http::Framing;
use crate::packet::Endpoint;
use crate::time::Timestamp;

/// Which connection: its endpoints in their roles, and when it was first seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionKey {
    /// Who sends requests.
    pub client: Endpoint,
    /// Who answers.
    pub server: Endpoint,
    /// The time of the connection's first packet in the capture.
    pub opened_at: Timestamp,
}

/// How far an exchange came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum State {
    /// Request and response both seen to their end.
    #[default]
    Complete,
    /// Paired, but one of them did not end.
    Truncated,
    /// The connection ended before a response began.
    Unanswered,
    /// The capture ended first.
    Open,
    /// A response whose request was never seen.
    Orphan,
}

impl State {
    /// Every state, in the order of its value.
    pub const ALL: [Self; 5] =
        [Self::Complete, Self::Truncated, Self::Unanswered, Self::Open, Self::Orphan];

    /// Its name in JSON and in filters.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Truncated => "truncated",
            Self::Unanswered => "unanswered",
            Self::Open => "open",
            Self::Orphan => "orphan",
        }
    }
}

/// The lengths of one message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageFacts {
    /// Bytes of the head as sent, from the start line through the blank line.
    pub header_bytes: u32,
    /// How the body ends.
    pub framing: Framing,
    /// Bytes of the body after the chunked coding is removed and before content decoding, known
    /// from framing even where bytes were lost. Where the message did not end: as far as known.
    pub body_bytes: u64,
    /// Bytes of it that were captured.
    pub body_seen_bytes: u64,
}

/// The phases, in whole nanoseconds; `None` where an end was not seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// From the connection's SYN to the ACK that ends the handshake; only on the first exchange.
    pub connect_ns: Option<u64>,
    /// From the first byte of the request to its last.
    pub send_ns: Option<u64>,
    /// The part of `wait` in which an earlier response was still due or under way.
    pub blocked_ns: Option<u64>,
    /// From the last byte of the request to the first byte of the final response.
    pub wait_ns: Option<u64>,
    /// From the first byte of the final response to its last.
    pub receive_ns: Option<u64>,
    /// From the first byte of the request to the last byte of the response.
    pub total_ns: Option<u64>,
}

/// Every number of an exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Which connection carried it.
    pub connection: ConnectionKey,
    /// Which exchange of its connection, from 0.
    pub index: u32,
    /// The request's first byte; of an orphan, the response's first byte.
    pub start: Timestamp,
    /// How far it came.
    pub state: State,
    /// The request's lengths; `None` where it was not seen.
    pub request: Option<MessageFacts>,
    /// The final response's lengths; `None` where it was not seen.
    pub response: Option<MessageFacts>,
    /// Status code of the final response, 100 to 999; 0 where none was seen.
    pub status: u16,
    /// Its phases.
    pub timing: Timing,
    /// For `open`, `unanswered` and `truncated`: how long it was watched without having ended,
    /// in nanoseconds from `start` (it took at least so long). 0 otherwise.
    pub watched_ns: u64,
    /// What was odd.
    pub anomalies: Anomalies,
    /// What was not seen of it, and what the network did meanwhile.
    pub evidence: Evidence,
}

impl Facts {
    /// Its identity, derived from its connection and its index there.
    #[must_use]
    pub fn id(&self) -> ExchangeId {
        ExchangeId::derive(&self.connection, self.index)
    }

    /// The order in which exchanges are listed: by start, ties by client, server, index.
    #[must_use]
    pub fn order(&self) -> (Timestamp, Endpoint, Endpoint, u32, Timestamp) {
        let ConnectionKey { client, server, opened_at } = self.connection;
        (self.start, client, server, self.index, opened_at)
    }

    /// First digit of the status, 1 to 9; 0 where no response was seen.
    #[must_use]
    pub const fn class(&self) -> u8 {
        #[expect(clippy::cast_possible_truncation, reason = "a status has three digits")]
        let class = (self.status / 100) as u8;
        class
    }
}
