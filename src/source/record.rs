//! What a walk over a capture's bytes finds next, and the byte order it reads them in.

use std::fmt;

use crate::packet::LinkType;
use crate::time::Timestamp;

/// What stands at the start of a window of the capture's bytes.
pub(super) enum Step {
    /// A whole frame.
    Frame(Record),
    /// So many bytes, all in the window, that carry no frame.
    Pass(usize),
    /// So many bytes that carry no frame and need not be in the window.
    Skip(usize),
    /// Nothing yet: the window must hold at least so many bytes.
    Need(usize),
    /// What the format does not allow. Boxed, so that the steps of sound captures stay small.
    Damaged(Box<Damage>),
}

/// A frame's place in the window, and what its record says of it.
pub(super) struct Record {
    /// Length of the whole record, in bytes from the start of the window.
    pub(super) taken: usize,
    /// Where the frame's bytes start in the window.
    pub(super) start: usize,
    /// How many bytes of the frame were captured.
    pub(super) captured: usize,
    /// When it was stamped.
    pub(super) at: Timestamp,
    /// How long it was on the wire.
    pub(super) wire_len: u32,
    /// How its link header is to be read.
    pub(super) link: LinkType,
}

/// A field that cannot be.
#[derive(Debug)]
pub(super) struct Damage {
    pub(super) what: &'static str,
    pub(super) expected: String,
    pub(super) found: String,
}

impl Step {
    /// The step for a field that cannot be.
    #[cold]
    pub(super) fn damaged(
        what: &'static str,
        expected: &dyn fmt::Display,
        found: &dyn fmt::Display,
    ) -> Self {
        let (expected, found) = (expected.to_string(), found.to_string());
        Self::Damaged(Box::new(Damage { what, expected, found }))
    }
}

/// The byte order of the host that wrote the capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

impl Order {
    #[inline]
    pub(super) const fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }

    #[inline]
    pub(super) const fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    #[inline]
    pub(super) const fn u64(self, bytes: [u8; 8]) -> u64 {
        match self {
            Self::Little => u64::from_le_bytes(bytes),
            Self::Big => u64::from_be_bytes(bytes),
        }
    }

    /// A length or count of 32 bits.
    #[inline]
    pub(super) const fn len(self, bytes: [u8; 4]) -> usize {
        self.u32(bytes) as usize
    }
}
