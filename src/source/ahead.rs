//! Hints which bytes of a mapped capture will be read soon.

use crate::prefetch::{self, LINE};

/// How far ahead of the walk the hint reaches, in bytes: some microseconds of work, which is
/// longer than memory takes to answer and short enough that the lines stay in the cache.
const AHEAD: usize = 4096;

/// How much is asked for at once, in bytes.
const STEP: usize = 8 * LINE;

/// How much the kernel usually maps for one page that is touched, in bytes, and to which address it
/// is aligned (`fault_around_bytes`).
const MAPPED_AT_ONCE: usize = 64 << 10;

/// Asks for what lies some KiB ahead of a walk.
///
/// Record headers form a chain (each tells where the next one is), which the hardware cannot
/// foresee; asking for every line in sequence turns its misses into streaming.
#[derive(Debug)]
pub(super) struct Ahead {
    /// Everything before this place was asked for.
    asked: usize,
}

impl Ahead {
    /// One that has asked for nothing yet.
    #[inline]
    pub(super) const fn new() -> Self {
        Self { asked: 0 }
    }

    /// One that asks for nothing: what it walks over is in the cache.
    #[inline]
    pub(super) const fn idle() -> Self {
        Self { asked: usize::MAX }
    }

    /// Notes that the walk over `bytes` is about to pass `position`.
    #[inline]
    pub(super) fn pass(&mut self, bytes: &[u8], position: usize) {
        // What a record longer than this has left is read in order, if at all.
        self.asked = self.asked.max(position & !(LINE - 1));
        while self.asked < position + AHEAD {
            // A hint about a page that is not mapped yet would be lost.
            if (bytes.as_ptr().addr() + self.asked) % MAPPED_AT_ONCE < STEP {
                std::hint::black_box(bytes.get(self.asked).copied());
            }
            for line in 0..STEP / LINE {
                prefetch::line(bytes.as_ptr().wrapping_add(self.asked + line * LINE));
            }
            self.asked += STEP;
        }
    }
}
