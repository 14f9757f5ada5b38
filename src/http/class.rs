//! Of which classes bytes are, and where a byte stands: names, values, targets and texts are looked
//! at thirty-two bytes at a time, with whatever the processor has for that.

#![expect(clippy::inline_always, reason = "what looks is compiled for each kind of processor")]

/// Whether a byte may be in the name of a field or method as nearly all are: a letter, a digit,
/// `-` or `_`. The other bytes of a token (RFC 9110 section 5.6.2) are left to who reads the odd.
pub(super) const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// Whether a byte may be in a field's value (RFC 9110 section 5.5) or a reason phrase.
pub(super) const fn is_value_byte(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// Whether a byte may be in a request target: visible ASCII.
pub(super) const fn is_target_byte(byte: u8) -> bool {
    byte.is_ascii_graphic()
}

/// What is looked at at once.
pub(crate) type Chunk = [u8; 32];

/// Tells of a chunk which bytes are so, a bit each, the lowest for the first.
pub(crate) trait Look {
    /// Those that are not in a common name.
    fn names(chunk: &Chunk) -> u32;
    /// Those that are not in a value.
    fn values(chunk: &Chunk) -> u32;
    /// Those that are not in a target.
    fn targets(chunk: &Chunk) -> u32;
    /// Those that are `byte`.
    fn equal(chunk: &Chunk, byte: u8) -> u32;
    /// Those that are a blank, or a control character below it.
    fn blanks(chunk: &Chunk) -> u32;
    /// Those that may begin one of the pairs; `after` are the bytes one place behind.
    fn pairs(chunk: &Chunk, after: &Chunk, pairs: &Pairs) -> u32;
}

/// Pairs of bytes to look for, in eight groups: of each byte's lower and upper half, of which groups
/// it may be as the first and as the second of a pair, a bit each. What is of one group in all four
/// is taken for a pair of it, so that some are that are none.
#[derive(Debug)]
pub(crate) struct Pairs {
    first: Halves,
    second: Halves,
}

/// Of the lower and of the upper halves of bytes, of which groups they are; twice, as the
/// instruction wants it.
#[derive(Debug)]
struct Halves {
    lower: Chunk,
    upper: Chunk,
}

impl Pairs {
    /// No pair.
    pub(crate) const fn none() -> Self {
        const NONE: Halves = Halves { lower: [0; 32], upper: [0; 32] };
        Self { first: NONE, second: NONE }
    }

    /// Adds a pair to the group of that number, from 0 to 7, at compile time.
    pub(crate) const fn add(&mut self, pair: [u8; 2], group: u32) {
        self.first.add(pair[0], 1 << group);
        self.second.add(pair[1], 1 << group);
    }

    /// Whether these may be a pair.
    const fn has(&self, first: u8, second: u8) -> bool {
        self.first.groups(first) & self.second.groups(second) != 0
    }
}

impl Halves {
    #[expect(clippy::indexing_slicing, reason = "half a byte is below sixteen")]
    const fn add(&mut self, byte: u8, group: u8) {
        let (lower, upper) = ((byte & 15) as usize, (byte >> 4) as usize);
        self.lower[lower] |= group;
        self.lower[lower + 16] |= group;
        self.upper[upper] |= group;
        self.upper[upper + 16] |= group;
    }

    #[expect(clippy::indexing_slicing, reason = "half a byte is below sixteen")]
    const fn groups(&self, byte: u8) -> u8 {
        self.lower[(byte & 15) as usize] & self.upper[(byte >> 4) as usize]
    }
}

/// What is done with the best look that the processor has; `#[inline(always)]`, so that it is
/// compiled for that.
pub(crate) trait Looking {
    type Found;
    fn look<L: Look>(self) -> Self::Found;
}

/// Looks with the best that the processor has.
#[inline]
pub(crate) fn look<T: Looking>(looking: T) -> T::Found {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        return wide::look(looking);
    }
    look_narrowly(looking)
}

/// Looks with what every processor has; apart, so that its room on the stack is not taken by others.
#[inline(never)]
fn look_narrowly<T: Looking>(looking: T) -> T::Found {
    looking.look::<Narrow>()
}

/// Fewer bytes than a chunk has, and behind them zeros, which are in no class.
#[inline(always)]
pub(crate) fn padded(bytes: &[u8]) -> Chunk {
    let mut chunk = [0; 32];
    if let Some(place) = chunk.get_mut(..bytes.len()) {
        place.copy_from_slice(bytes);
    }
    chunk
}

/// Calls `found` with the place of every `byte`, in order.
#[inline(always)]
pub(crate) fn each<L: Look>(bytes: &[u8], byte: u8, mut found: impl FnMut(usize)) {
    let mut begin = 0;
    let mut rest = bytes;
    while !rest.is_empty() {
        let (mut places, after) = match rest.split_first_chunk() {
            Some((chunk, after)) => (L::equal(chunk, byte), after),
            // The zeros behind what is left are none of it.
            None => (L::equal(&padded(rest), byte) & !(u32::MAX << rest.len()), &[][..]),
        };
        while places != 0 {
            found(begin + places.trailing_zeros() as usize);
            places &= places - 1;
        }
        begin += size_of::<Chunk>();
        rest = after;
    }
}

/// The look that every processor has.
pub(super) struct Narrow;

/// A bit for each byte for which `has` does not hold.
#[inline(always)]
fn others(chunk: &Chunk, has: impl Fn(u8) -> bool) -> u32 {
    let bytes = chunk.iter().enumerate();
    bytes.fold(0, |bits, (at, &byte)| bits | u32::from(!has(byte)) << at)
}

impl Look for Narrow {
    #[inline(always)]
    fn names(chunk: &Chunk) -> u32 {
        others(chunk, is_name_byte)
    }

    #[inline(always)]
    fn values(chunk: &Chunk) -> u32 {
        others(chunk, is_value_byte)
    }

    #[inline(always)]
    fn targets(chunk: &Chunk) -> u32 {
        others(chunk, is_target_byte)
    }

    #[inline(always)]
    fn equal(chunk: &Chunk, byte: u8) -> u32 {
        others(chunk, |other| other != byte)
    }

    #[inline(always)]
    fn blanks(chunk: &Chunk) -> u32 {
        others(chunk, |byte| byte > b' ')
    }

    #[inline(always)]
    fn pairs(chunk: &Chunk, after: &Chunk, pairs: &Pairs) -> u32 {
        let both = chunk.iter().zip(after).enumerate();
        both.fold(0, |bits, (at, (&first, &second))| {
            bits | u32::from(pairs.has(first, second)) << at
        })
    }
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "instructions that not every processor has are marked so")]
mod wide {
    use std::arch::x86_64::{
        __m256i, _mm256_and_si256, _mm256_cmpeq_epi8, _mm256_cmpgt_epi8, _mm256_loadu_si256,
        _mm256_max_epu8, _mm256_min_epu8, _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8,
        _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_srli_epi16,
    };

    use super::{Chunk, Halves, Look, Looking, Pairs};

    /// The look of processors with AVX2; made by [`look`] alone.
    struct Wide;

    /// Looks with AVX2, which the caller has found to be there.
    #[inline]
    pub(super) fn look<T: Looking>(looking: T) -> T::Found {
        #[target_feature(enable = "avx2")]
        fn with_avx2<T: Looking>(looking: T) -> T::Found {
            looking.look::<Wide>()
        }
        // SAFETY: the one caller asked the processor for AVX2 just before.
        unsafe { with_avx2(looking) }
    }

    impl Look for Wide {
        #[inline(always)]
        fn names(chunk: &Chunk) -> u32 {
            // SAFETY: only `look` uses this type, where AVX2 is there.
            unsafe { names(chunk) }
        }

        #[inline(always)]
        fn values(chunk: &Chunk) -> u32 {
            // SAFETY: as above.
            unsafe { values(chunk) }
        }

        #[inline(always)]
        fn targets(chunk: &Chunk) -> u32 {
            // SAFETY: as above.
            unsafe { targets(chunk) }
        }

        #[inline(always)]
        fn equal(chunk: &Chunk, byte: u8) -> u32 {
            // SAFETY: as above.
            unsafe { equal(chunk, byte) }
        }

        #[inline(always)]
        fn blanks(chunk: &Chunk) -> u32 {
            // SAFETY: as above.
            unsafe { blanks(chunk) }
        }

        #[inline(always)]
        fn pairs(chunk: &Chunk, after: &Chunk, pairs: &Pairs) -> u32 {
            // SAFETY: as above.
            unsafe { pairs_of(chunk, after, pairs) }
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn load(chunk: &Chunk) -> __m256i {
        // SAFETY: the load reads the thirty-two bytes of the array, wherever it lies.
        unsafe { _mm256_loadu_si256(chunk.as_ptr().cast()) }
    }

    /// The kinds of bytes that matter to fields, a bit of a byte for each: which upper and which
    /// lower halves their bytes have, a bit for each half. Names consist of the first five kinds,
    /// and the others are in no value.
    const KINDS: [(u16, u16); 8] = [
        (1 << 0x3, 0x03ff),            // the digits
        (1 << 0x4 | 1 << 0x6, 0xfffe), // letters up to O
        (1 << 0x5 | 1 << 0x7, 0x07ff), // letters from P on
        (1 << 0x2, 1 << 0xd),          // `-`
        (1 << 0x5, 1 << 0xf),          // `_`
        (1 << 0x0, !(1 << 0x9)),       // controls but the tab
        (1 << 0x1, 0xffff),            // controls
        (1 << 0x7, 1 << 0xf),          // DEL
    ];

    /// The kinds that are in names, and the lowest that is in no value.
    const NAME: u8 = 0x1f;
    const CONTROL: u8 = 1 << 5;

    /// Of every half of a byte the kinds that have it, twice, as the instruction wants it.
    const UPPER: Chunk = kinds_of(Half::Upper);
    const LOWER: Chunk = kinds_of(Half::Lower);

    /// Four bits of a byte.
    #[derive(Clone, Copy)]
    enum Half {
        Upper,
        Lower,
    }

    #[expect(clippy::indexing_slicing, reason = "places beyond would not compile")]
    const fn kinds_of(part: Half) -> Chunk {
        let mut table = [0; 32];
        let mut at = 0;
        while at < 32 * 8 {
            let (half, kind) = (at / 8, at % 8);
            let halves = match part {
                Half::Upper => KINDS[kind].0,
                Half::Lower => KINDS[kind].1,
            };
            if halves >> (half % 16) & 1 == 1 {
                table[half] |= 1 << kind;
            }
            at += 1;
        }
        table
    }

    /// The kinds of the bytes; those above 127 are of none, by the instruction's own rule.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn kinds(chunk: &Chunk) -> __m256i {
        let bytes = load(chunk);
        let upper = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), _mm256_set1_epi8(0x0f));
        let lower = _mm256_shuffle_epi8(load(&LOWER), bytes);
        _mm256_and_si256(lower, _mm256_shuffle_epi8(load(&UPPER), upper))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn names(chunk: &Chunk) -> u32 {
        let kinds = _mm256_and_si256(kinds(chunk), _mm256_set1_epi8(NAME.cast_signed()));
        bits(_mm256_cmpeq_epi8(kinds, _mm256_setzero_si256()))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn values(chunk: &Chunk) -> u32 {
        let (kinds, control) = (kinds(chunk), _mm256_set1_epi8(CONTROL.cast_signed()));
        bits(_mm256_cmpeq_epi8(_mm256_max_epu8(kinds, control), kinds))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn targets(chunk: &Chunk) -> u32 {
        let bytes = load(chunk);
        // Bytes above 127 are negative numbers here.
        let low = _mm256_cmpgt_epi8(_mm256_set1_epi8(0x21), bytes);
        bits(_mm256_or_si256(low, _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(0x7f))))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn equal(chunk: &Chunk, byte: u8) -> u32 {
        bits(_mm256_cmpeq_epi8(load(chunk), _mm256_set1_epi8(byte.cast_signed())))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn blanks(chunk: &Chunk) -> u32 {
        bits(is_at_most(load(chunk), 0x20))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn pairs_of(chunk: &Chunk, after: &Chunk, pairs: &Pairs) -> u32 {
        let first = groups(load(chunk), &pairs.first);
        let second = groups(load(after), &pairs.second);
        let both = _mm256_and_si256(first, second);
        !bits(_mm256_cmpeq_epi8(both, _mm256_setzero_si256()))
    }

    /// Of which groups bytes are by both their halves.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn groups(bytes: __m256i, halves: &Halves) -> __m256i {
        let half = _mm256_set1_epi8(15);
        let lower = _mm256_and_si256(bytes, half);
        let upper = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), half);
        _mm256_and_si256(
            _mm256_shuffle_epi8(load(&halves.lower), lower),
            _mm256_shuffle_epi8(load(&halves.upper), upper),
        )
    }

    /// Which bytes are at most `most`.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn is_at_most(bytes: __m256i, most: i8) -> __m256i {
        _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, _mm256_set1_epi8(most)), bytes)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn bits(bytes: __m256i) -> u32 {
        _mm256_movemask_epi8(bytes).cast_unsigned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks for the places of a byte in others.
    struct Places<'b>(&'b [u8], u8);

    impl Looking for Places<'_> {
        type Found = Vec<usize>;

        fn look<L: Look>(self) -> Vec<usize> {
            let mut places = Vec::new();
            each::<L>(self.0, self.1, |place| places.push(place));
            places
        }
    }

    /// The bits of the blanks of a chunk.
    struct Blanks(Chunk);

    impl Looking for Blanks {
        type Found = u32;

        fn look<L: Look>(self) -> u32 {
            L::blanks(&self.0)
        }
    }

    /// The bits of the pairs of a chunk and of what is one place behind.
    struct Paired<'b>(&'b [u8; 33], &'b Pairs);

    impl Looking for Paired<'_> {
        type Found = u32;

        fn look<L: Look>(self) -> u32 {
            let Self(bytes, pairs) = self;
            L::pairs(bytes.first_chunk().unwrap(), bytes.last_chunk().unwrap(), pairs)
        }
    }

    #[test]
    fn pairs_are_found_wherever_they_begin() {
        let mut pairs = Pairs::none();
        pairs.add(*b"ey", 0);
        pairs.add(*b"rd", 7);
        pairs.add([0xe2, 0x9c], 3);
        for first in 0..=u8::MAX {
            for second in 0..=u8::MAX {
                let mut bytes = [b'.'; 33];
                let at = usize::from(first ^ second) % 32;
                bytes[at] = first;
                bytes[at + 1] = second;
                let is_pair = matches!(&[first, second], b"ey" | b"rd" | [0xe2, 0x9c]);
                let expected = u32::from(is_pair) << at;
                assert_eq!(look(Paired(&bytes, &pairs)), expected, "{first:#04x} {second:#04x}");
                assert_eq!(Paired(&bytes, &pairs).look::<Narrow>(), expected);
            }
        }
    }

    #[test]
    fn every_place_of_a_byte_is_found() {
        for byte in 0..=u8::MAX {
            for len in 0..70 {
                let bytes: Vec<u8> = (0..len).map(|at| byte ^ u8::from(at % 7 > 1)).collect();
                let expected: Vec<usize> = (0..len).filter(|at| at % 7 <= 1).collect();
                assert_eq!(look(Places(&bytes, byte)), expected, "{byte:#04x} in {len}");
                assert_eq!(Places(&bytes, byte).look::<Narrow>(), expected, "{byte:#04x}");
            }
            let mut chunk = [b'a'; 32];
            chunk[usize::from(byte % 32)] = byte;
            let expected = u32::from(byte <= b' ') << (byte % 32);
            assert_eq!(look(Blanks(chunk)), expected, "{byte:#04x}");
            assert_eq!(Blanks(chunk).look::<Narrow>(), expected, "{byte:#04x}");
        }
    }
}
