//! Packets of a connection put in order: data, gaps and ends of each direction (RFC 9293).

mod connection;
mod path;
mod reassembler;
mod remains;
mod seq;

pub use connection::{Connection, Foreseen, Outlet, Sink, Verdict};
pub use path::Path;
pub use remains::Remains;
pub use seq::Seq;

use crate::time::Timestamp;

/// What a direction's stream brings next, in the order of its bytes.
#[derive(Clone, Copy, Debug)]
pub enum StreamEvent<'a> {
    /// Bytes, captured once.
    Data(Data<'a>),
    /// Bytes that are not at hand.
    Gap {
        /// How many.
        len: u64,
        /// Position of the first of them in its stream.
        offset: u64,
        /// How many of them, from the first on, the receiver had acknowledged by then: those
        /// arrived, and only the capture has not seen them.
        acknowledged: u64,
        /// When their absence was certain (never earlier than the bytes before them); where the
        /// snap length cut them off, when their packet was captured.
        at: Timestamp,
        /// Why they are not at hand.
        absence: Absence,
    },
    /// The sender finished (FIN), or the flow was closed, expired or evicted in order.
    End {
        /// When.
        at: Timestamp,
    },
    /// The connection was reset by either side.
    Reset {
        /// When.
        at: Timestamp,
    },
}

/// Why bytes of a stream are not at hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Absence {
    /// Their packet was never captured, and nobody knows when it passed.
    #[default]
    Missed,
    /// Their packet was captured, and the snap length cut them off: they passed when it did.
    Cut,
}

/// A run of stream bytes that one packet carried first.
#[derive(Clone, Copy, Debug)]
pub struct Data<'a> {
    /// When that packet was captured.
    pub at: Timestamp,
    /// Position of the first byte in its stream; 0 is the first byte after the SYN, or the first
    /// byte seen where the connection was open before.
    pub offset: u64,
    /// How far the packet acknowledged the other direction's stream: its sender had received
    /// every byte there below this position.
    pub acknowledged: u64,
    /// The bytes.
    pub bytes: &'a [u8],
}
