//! Bytes of a connection that were never captured, until it is known which exchange lacks them.

use crate::exchange::Loss;
use crate::exchange::pending::Part;

/// The shortest request line with its blank line has so many bytes.
const REQUEST_BYTES_MIN: u64 = 18;

/// What is known of bytes that were never captured.
#[derive(Debug, Default)]
pub(super) struct Losses {
    /// What of the gap under way no body has taken.
    gap: Loss,
    /// Lost outside of bodies since the message before, in requests and in responses.
    unplaced: [Loss; 2],
    /// Whether a request is proven to have been lost whole since the last one that was seen.
    swallowed: bool,
}

impl Losses {
    /// Notes a gap that is about to be read.
    pub(super) const fn begin_gap(&mut self, gap: Loss) {
        self.gap = gap;
    }

    /// Takes the first `len` bytes of that gap: a body lacks them.
    pub(super) const fn of_gap(&mut self, len: u64) -> Loss {
        self.gap.take(len)
    }

    /// Notes that the gap was read; what of it no body took lies between messages. `whole` says
    /// that it began where a message ends, so that the next one was lost with its first byte.
    pub(super) fn end_gap(&mut self, part: Part, whole: bool) {
        let rest = std::mem::take(&mut self.gap);
        if let Some(unplaced) = self.unplaced.get_mut(part as usize) {
            unplaced.add(rest);
        }
        self.swallowed |= whole && part == Part::Request && rest.bytes >= REQUEST_BYTES_MIN;
    }

    /// What was lost outside of bodies since the message before.
    #[inline]
    pub(super) fn unplaced(&self, part: Part) -> Loss {
        self.unplaced.get(part as usize).copied().unwrap_or_default()
    }

    /// The same, which the next message is said to lack from now on.
    #[inline]
    pub(super) fn take_unplaced(&mut self, part: Part) -> Loss {
        self.unplaced.get_mut(part as usize).map(std::mem::take).unwrap_or_default()
    }

    /// Whether a request is proven to have been lost whole since this was asked last.
    #[inline]
    pub(super) const fn take_swallowed(&mut self) -> bool {
        std::mem::replace(&mut self.swallowed, false)
    }
}
