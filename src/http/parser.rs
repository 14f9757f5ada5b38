//! One direction's stream cut into messages, in pulls: input in, events out (RFC 9112).

use crate::http::event::{Answering, Ending, Input, MessageEvent, Side};
use crate::time::Timestamp;

/// Cuts one direction of a connection into messages.
///
/// Feed an [`Input`] to [`advance`](Self::advance) until it returns `None`, then the next one; at
/// the end call [`finish`](Self::finish) until it returns `None`. Any event may be followed by a
/// call of [`search`](Self::search) to reject it.
#[derive(Debug)]
pub struct MessageParser {
    side: Side,
}

impl MessageParser {
    /// A parser at a message boundary.
    #[must_use]
    pub const fn new(side: Side) -> Self {
        Self { side }
    }

    /// A parser that does not know its place in the stream and looks for a plausible head.
    #[must_use]
    pub const fn searching(side: Side) -> Self {
        Self { side }
    }

    /// Takes from the front of `input` and tells what it found; `None` once `input` is used up.
    ///
    /// `answering` is looked at when a response's head is complete.
    pub fn advance<'p, 'i: 'p>(
        &'p mut self,
        input: &mut Input<'i>,
        answering: Answering,
    ) -> Option<MessageEvent<'p>> {
        let _ = (input.take(0), input.take_gap(0), answering, self.side);
        None
    }

    /// Tells what the end of the stream makes of an unfinished message; `None` once there is
    /// nothing left to tell, and the parser is at a boundary.
    ///
    /// A body that the connection's end delimits is whole with [`Ending::Closed`] and early with
    /// the others; every other body that is unfinished is early.
    pub fn finish(
        &mut self,
        ending: Ending,
        at: Timestamp,
        answering: Answering,
    ) -> Option<MessageEvent<'_>> {
        let _ = (ending, at, answering, self.side);
        None
    }

    /// Gives up the current place: no `End` will come for a message that was begun, and from now
    /// on the parser looks for the next plausible head.
    pub const fn search(&mut self) {}

    /// Whether the parser is at a boundary with nothing of a message seen.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        true
    }

    /// Whether the parser has lost its place and looks for a plausible head.
    #[must_use]
    pub const fn is_searching(&self) -> bool {
        false
    }

    /// Bytes of an unfinished head that are held.
    #[must_use]
    pub const fn held_bytes(&self) -> usize {
        0
    }
}
