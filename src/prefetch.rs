//! Hints to the processor which memory will be used soon.

/// Length of a cache line, in bytes.
pub(crate) const LINE: usize = 64;

/// Says that the cache line of `place`, which may be no valid address, will be used soon.
#[cfg(target_arch = "x86_64")]
#[inline]
#[expect(unsafe_code, reason = "the intrinsic takes a raw pointer")]
pub(crate) fn line(place: *const u8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a prefetch is a hint that neither reads nor faults, whatever the address; SSE is
    // part of every x86-64 processor.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(place.cast()) }
}

/// Says that the cache line of `place`, which may be no valid address, will be used soon.
#[cfg(not(target_arch = "x86_64"))]
#[inline]
pub(crate) const fn line(_place: *const u8) {}

/// Says that `item` will be used soon.
#[inline]
pub(crate) fn all_of<T>(item: &T) {
    let start = std::ptr::from_ref(item).cast::<u8>();
    for at in (0..size_of::<T>()).step_by(LINE) {
        line(start.wrapping_add(at));
    }
    line(start.wrapping_add(size_of::<T>().saturating_sub(1)));
}
