//! The hint to the processor which bytes of a mapped capture will be read soon.

/// How far ahead of the walk the hint reaches, in bytes: some microseconds of work, which is
/// longer than memory takes to answer and short enough that the lines stay in the cache.
const AHEAD: usize = 4096;

/// Length of a cache line, in bytes.
const LINE: usize = 64;

/// Asks for the cache lines that start 4 KiB after `position` and within `span` bytes.
///
/// Record headers form a chain (each tells where the next one is), which the hardware cannot
/// foresee; asking for every line in sequence turns its misses into streaming.
#[inline]
pub(super) fn prefetch(bytes: &[u8], position: usize, span: usize) {
    let from = position.saturating_add(AHEAD).next_multiple_of(LINE);
    let to = position.saturating_add(AHEAD).saturating_add(span).min(bytes.len());
    for line in (from..to).step_by(LINE) {
        fetch(bytes, line);
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
