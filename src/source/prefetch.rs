//! The hint to the processor which bytes of a mapped capture will be read soon.

/// How far ahead of the walk the hint reaches, in bytes: some microseconds of work, which is
/// longer than memory takes to answer and short enough that the lines stay in the cache.
const AHEAD: usize = 4096;

/// Length of a cache line, in bytes.
const LINE: usize = 64;

/// How much is asked for at once, in bytes.
const STEP: usize = 8 * LINE;

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
            for line in 0..STEP / LINE {
                fetch(bytes, self.asked + line * LINE);
            }
            self.asked += STEP;
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[expect(unsafe_code, reason = "the intrinsic takes a raw pointer")]
fn fetch(bytes: &[u8], line: usize) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a prefetch is a hint that neither reads nor faults, whatever the address; SSE is
    // part of every x86-64 processor.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(bytes.as_ptr().wrapping_add(line).cast()) }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline]
const fn fetch(_bytes: &[u8], _line: usize) {}
