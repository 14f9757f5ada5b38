//! How far the bytes of one class reach: names, values and targets are found sixteen bytes at a
//! time where the processor can compare so many.

/// Whether a byte may be in the name of a field or method as nearly all are: a letter, a digit,
/// `-` or `_`. The other bytes of a token (RFC 9110 section 5.6.2) are left to who reads the odd.
const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// Whether a byte may be in a field's value (RFC 9110 section 5.5) or a reason phrase.
const fn is_value_byte(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// Whether a byte may be in a request target: visible ASCII.
const fn is_target_byte(byte: u8) -> bool {
    byte.is_ascii_graphic()
}

/// How many of the first bytes may be in a common name.
#[inline]
pub(super) fn name_len(bytes: &[u8]) -> usize {
    run(bytes, wide::name_ends, is_name_byte)
}

/// How many of the first bytes may be in a value.
#[inline]
pub(super) fn value_len(bytes: &[u8]) -> usize {
    run(bytes, wide::value_ends, is_value_byte)
}

/// How many of the first bytes may be in a target.
#[inline]
pub(super) fn target_len(bytes: &[u8]) -> usize {
    run(bytes, wide::target_ends, is_target_byte)
}

/// Where runs of names and of values end in a chunk, a bit for each byte that is not of the class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ends {
    pub(super) names: u32,
    pub(super) values: u32,
}

/// Looks at so many bytes for both at once: most fields are in one look.
pub(super) const CHUNK_BYTES: usize = 32;

/// Where names and values end in a chunk.
#[inline]
pub(super) fn ends(chunk: &[u8; CHUNK_BYTES]) -> Ends {
    let ([low, high], []) = chunk.as_chunks() else { return Ends { names: 1, values: 1 } };
    Ends {
        names: wide::name_ends(low) | wide::name_ends(high) << 16,
        values: wide::value_ends(low) | wide::value_ends(high) << 16,
    }
}

/// How many of the first bytes are of a class: `ends` tells of sixteen bytes which are not, a bit
/// each, `has` of one byte whether it is.
#[inline]
fn run(bytes: &[u8], ends: impl Fn(&[u8; 16]) -> u32, has: impl Fn(u8) -> bool) -> usize {
    let mut at = 0;
    while let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let found = ends(chunk);
        if found != 0 {
            return at + found.trailing_zeros() as usize;
        }
        at += chunk.len();
    }
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|&byte| !has(byte)).unwrap_or(rest.len())
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "the intrinsics are marked so; SSE2 is part of every x86-64")]
mod wide {
    use std::arch::x86_64::{
        __m128i, _mm_andnot_si128, _mm_cmpeq_epi8, _mm_cmplt_epi8, _mm_loadu_si128, _mm_min_epu8,
        _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8, _mm_sub_epi8,
    };

    /// A bit for each byte that is not in the class of names.
    #[inline]
    pub(super) fn name_ends(chunk: &[u8; 16]) -> u32 {
        // SAFETY: the load reads the sixteen bytes of the array, and SSE2 is always there.
        unsafe {
            let bytes = _mm_loadu_si128(chunk.as_ptr().cast());
            let lower = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
            let letter = is_below(_mm_sub_epi8(lower, _mm_set1_epi8(0x61)), 25);
            let digit = is_below(_mm_sub_epi8(bytes, _mm_set1_epi8(0x30)), 9);
            let dash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x2d));
            let underscore = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x5f));
            let is_in = _mm_or_si128(_mm_or_si128(letter, digit), _mm_or_si128(dash, underscore));
            bits(is_in) ^ 0xffff
        }
    }

    /// A bit for each byte that is not in the class of values.
    #[inline]
    pub(super) fn value_ends(chunk: &[u8; 16]) -> u32 {
        // SAFETY: as above.
        unsafe {
            let bytes = _mm_loadu_si128(chunk.as_ptr().cast());
            let tab = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x09));
            let delete = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f));
            bits(_mm_or_si128(_mm_andnot_si128(tab, is_below(bytes, 0x1f)), delete))
        }
    }

    /// A bit for each byte that is not in the class of targets.
    #[inline]
    pub(super) fn target_ends(chunk: &[u8; 16]) -> u32 {
        // SAFETY: as above.
        unsafe {
            let bytes = _mm_loadu_si128(chunk.as_ptr().cast());
            // Bytes above 127 are negative numbers here.
            let low = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x21));
            bits(_mm_or_si128(low, _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f))))
        }
    }

    /// Which bytes are at most `most`.
    #[inline]
    unsafe fn is_below(bytes: __m128i, most: i8) -> __m128i {
        // SAFETY: arithmetic on registers.
        unsafe { _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(most)), bytes) }
    }

    #[inline]
    unsafe fn bits(bytes: __m128i) -> u32 {
        // SAFETY: arithmetic on registers.
        unsafe { _mm_movemask_epi8(bytes) }.cast_unsigned()
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod wide {
    /// A bit for each byte for which `has` does not hold.
    #[inline]
    fn ends(chunk: &[u8; 16], has: impl Fn(u8) -> bool) -> u32 {
        let bits = chunk.iter().enumerate();
        bits.fold(0, |bits, (at, &byte)| bits | u32::from(!has(byte)) << at)
    }

    #[inline]
    pub(super) fn name_ends(chunk: &[u8; 16]) -> u32 {
        ends(chunk, super::is_name_byte)
    }

    #[inline]
    pub(super) fn value_ends(chunk: &[u8; 16]) -> u32 {
        ends(chunk, super::is_value_byte)
    }

    #[inline]
    pub(super) fn target_ends(chunk: &[u8; 16]) -> u32 {
        ends(chunk, super::is_target_byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_at_every_place_is_classed_as_it_is_alone() {
        type Class = (fn(&[u8]) -> usize, fn(u8) -> bool);
        let classes: [Class; 3] =
            [(name_len, is_name_byte), (value_len, is_value_byte), (target_len, is_target_byte)];
        for (len, has) in classes {
            for byte in 0..=u8::MAX {
                for at in 0..40 {
                    let mut bytes = [b'a'; 40];
                    bytes[at] = byte;
                    let expected = if has(byte) { 40 } else { at };
                    assert_eq!(len(&bytes), expected, "{byte:#04x} at {at}");
                }
            }
            assert_eq!(len(b""), 0);
        }
    }

    #[test]
    fn both_ends_are_told_of_a_chunk() {
        for byte in 0..=u8::MAX {
            for at in 0..CHUNK_BYTES {
                let mut chunk = [b'a'; CHUNK_BYTES];
                chunk[at] = byte;
                let bit = |has: bool| if has { 0 } else { 1 << at };
                let expected =
                    Ends { names: bit(is_name_byte(byte)), values: bit(is_value_byte(byte)) };
                assert_eq!(ends(&chunk), expected, "{byte:#04x} at {at}");
            }
        }
    }
}
