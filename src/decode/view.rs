//! The part of a frame that a layer has before it: the bytes at hand, and how many the wire had.

use crate::ledger::Skip;

/// Bytes from a header's start to the end of what encloses it.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    /// What was captured.
    pub(super) bytes: &'a [u8],
    /// How many bytes the wire carried; never fewer than `bytes` holds.
    pub(super) wire: usize,
}

impl<'a> View<'a> {
    /// The first `N` bytes.
    #[inline]
    pub(super) fn header<const N: usize>(self) -> Result<&'a [u8; N], Skip> {
        self.bytes.first_chunk().ok_or_else(|| self.lacks(N))
    }

    /// Why `needed` bytes cannot be read: the capture cut them off, or they never were.
    #[cold]
    pub(super) const fn lacks(self, needed: usize) -> Skip {
        if needed > self.wire { Skip::Malformed } else { Skip::Cut }
    }

    /// What follows the first `len` bytes. Nothing may be at hand of it where the frame was cut.
    #[inline]
    pub(super) fn after(self, len: usize) -> Result<Self, Skip> {
        let Some(wire) = self.wire.checked_sub(len) else { return Err(Skip::Malformed) };
        Ok(Self { bytes: self.bytes.get(len..).unwrap_or_default(), wire })
    }

    /// The first `len` bytes, as a header says: what follows is padding. Where it says more than
    /// the wire had, it is believed: mirrors that shorten frames leave the inner lengths as they
    /// were, and the missing bytes count as cut.
    #[inline]
    pub(super) fn limit(self, len: usize) -> Self {
        Self { bytes: self.bytes.get(..len).unwrap_or(self.bytes), wire: len }
    }
}
