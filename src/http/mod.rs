//! Stream bytes cut into HTTP/1 messages: heads, body lengths, the chunked coding (RFC 9112).

mod chunked;
pub(crate) mod class;
mod event;
mod head;
mod length;
pub mod lines;
mod parser;
mod plain;
mod rest;
mod search;

pub use event::{Answering, Ended, Ending, Head, Input, MessageEnd, MessageEvent, Side, Start};
pub use parser::MessageParser;

/// How the end of a message's body is known (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Framing {
    /// No body.
    #[default]
    None,
    /// Content-Length.
    Length,
    /// The chunked transfer coding.
    Chunked,
    /// The connection's end.
    Close,
    /// None: what follows is a tunnel (CONNECT, 101), counted and not parsed.
    Tunnel,
}

impl Framing {
    /// Every framing, in the order of its value.
    pub const ALL: [Self; 5] = [Self::None, Self::Length, Self::Chunked, Self::Close, Self::Tunnel];

    /// Its name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Length => "length",
            Self::Chunked => "chunked",
            Self::Close => "close",
            Self::Tunnel => "tunnel",
        }
    }
}

#[cfg(test)]
mod tests;
