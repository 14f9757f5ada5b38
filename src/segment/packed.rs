//! A histogram as a footer holds it: checked where it stands, and added without being unpacked.
//!
//! ```text
//! histogram   varint length of its pages, then the pages; where there are any: smallest and
//!             largest sample, low and high half of the sum, each a varint
//! page        u8: the lower 5 bits how many pages lie between it and the one before (31: a
//!             varint follows, of those beyond 31), the upper 3 bits the width W of a count:
//!             0, 1, 2, 4, 8, 16, 32 or 64 bits;
//!             u16: a bit for each of the page's 16 buckets that holds samples, never 0;
//!             for each of these in W bits its samples less one, lowest bits first; then zeros up
//!             to a whole byte
//! ```
//!
//! Buckets are those of HDR for three significant digits and a lowest value of 1: see
//! [`super::Latencies`]. Most of a histogram is pages whose counts need two or four bits.

use crate::segment::buckets::{PAGE_BUCKETS, PAGES, bucket};
use crate::segment::cursor::{Cursor, Malformed, put_bytes, put_varint};

/// Bits of a count, by its code of three bits.
const fn width(code: u8) -> u32 {
    1 << code >> 1
}

/// The largest distance in a page's first byte; it says that more follows.
const FAR: u8 = 31;

/// What is known of all samples of a histogram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ends {
    /// The smallest, exact.
    pub(super) min: u64,
    /// The largest, exact.
    pub(super) max: u64,
    pub(super) sum: u128,
}

/// A histogram of which every byte was checked.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Packed<'a> {
    pages: &'a [u8],
    /// How many buckets hold samples.
    buckets: usize,
    ends: Ends,
}

/// Sixteen buckets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page<'a> {
    /// Which one.
    pub(super) number: usize,
    /// Which of its buckets hold samples, bit 0 the lowest.
    pub(super) mask: u16,
    width: u32,
    counts: &'a [u8],
}

impl<'a> Packed<'a> {
    /// Checks what [`pack`] wrote.
    pub(super) fn read(cursor: &mut Cursor<'a>) -> Result<Self, Malformed> {
        let mut read = Self { pages: cursor.bytes()?, ..Self::default() };
        let mut walk = Walk::new(read.pages);
        let mut edges = None;
        while let Some(page) = walk.next()? {
            read.buckets += page.mask.count_ones() as usize;
            let base = page.number * PAGE_BUCKETS;
            let lowest = base + page.mask.trailing_zeros() as usize;
            let highest = base + PAGE_BUCKETS - 1 - page.mask.leading_zeros() as usize;
            edges = Some((edges.map_or(lowest, |(first, _)| first), highest));
        }
        if let Some(edges) = edges {
            let (min, max) = (cursor.varint()?, cursor.varint()?);
            let (low, high) = (cursor.varint()?, cursor.varint()?);
            read.ends = Ends { min, max, sum: u128::from(high) << 64 | u128::from(low) };
            if edges != (usize::from(bucket(min)), usize::from(bucket(max))) {
                return Err(format!("{min} to {max} ns found beside other buckets"));
            }
        }
        Ok(read)
    }

    /// How many buckets hold samples.
    pub(super) const fn buckets(&self) -> usize {
        self.buckets
    }

    /// All zeros where there is no sample.
    pub(super) const fn ends(&self) -> Ends {
        self.ends
    }

    /// Its pages, ascending.
    pub(super) fn pages(&self) -> impl Iterator<Item = Page<'a>> {
        let mut walk = Walk::new(self.pages);
        std::iter::from_fn(move || walk.next().ok().flatten())
    }

    /// The buckets that hold samples, ascending, and how many they hold.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u16, u64)> {
        self.pages().flat_map(|page| {
            let base = page.number * PAGE_BUCKETS;
            page.counts().map(move |(at, samples)| {
                #[expect(clippy::cast_possible_truncation, reason = "below 2^16: it was checked")]
                let bucket = (base + at) as u16;
                (bucket, samples)
            })
        })
    }
}

impl<'a> Page<'a> {
    /// Adds its samples to the counts of that page, and returns how many they are.
    #[inline]
    pub(super) fn add_to(self, room: &mut [u64; PAGE_BUCKETS]) -> u64 {
        let mut count = 0_u64;
        for (at, samples) in self.counts() {
            count = count.saturating_add(samples);
            if let Some(place) = room.get_mut(at % PAGE_BUCKETS) {
                *place = place.saturating_add(samples);
            }
        }
        count
    }

    /// Which of its buckets hold samples, from 0, and how many.
    #[inline]
    pub(super) fn counts(self) -> Counts<'a> {
        Counts { mask: self.mask, width: self.width, word: word(self.counts), rest: self.counts }
    }
}

/// Goes through the counts of a page.
pub(super) struct Counts<'a> {
    mask: u16,
    width: u32,
    /// The counts that are left, where each is less than a byte.
    word: u64,
    /// Those that are left otherwise.
    rest: &'a [u8],
}

impl Iterator for Counts<'_> {
    type Item = (usize, u64);

    #[inline]
    fn next(&mut self) -> Option<(usize, u64)> {
        if self.mask == 0 {
            return None;
        }
        let at = self.mask.trailing_zeros() as usize;
        self.mask &= self.mask - 1;
        let less_one = if self.width < 8 {
            let value = self.word & ((1 << self.width) - 1);
            self.word >>= self.width;
            value
        } else {
            let (count, rest) = self.rest.split_at_checked(self.width as usize / 8)?;
            self.rest = rest;
            word(count)
        };
        Some((at, less_one.saturating_add(1)))
    }
}

/// The first eight bytes as a number, lowest first; missing ones are zeros.
#[inline]
fn word(bytes: &[u8]) -> u64 {
    match bytes.first_chunk() {
        Some(word) => u64::from_le_bytes(*word),
        None => bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// Goes through pages that may be malformed.
struct Walk<'a> {
    rest: &'a [u8],
    /// The least number that the next page can have.
    least: usize,
}

impl<'a> Walk<'a> {
    const fn new(pages: &'a [u8]) -> Self {
        Self { rest: pages, least: 0 }
    }

    #[inline]
    fn next(&mut self) -> Result<Option<Page<'a>>, Malformed> {
        // Most pages are near the one before; thousands of them are read for every footer.
        if let [first, low, high, rest @ ..] = self.rest
            && first & FAR != FAR
        {
            let mask = u16::from_le_bytes([*low, *high]);
            if let Some(page) = self.page(usize::from(first & FAR), mask, first >> 5, rest) {
                return Ok(Some(page));
            }
        }
        self.next_checked()
    }

    /// The next page, or what is wrong with it.
    #[cold]
    fn next_checked(&mut self) -> Result<Option<Page<'a>>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let mut cursor = Cursor::new(self.rest);
        let first = cursor.u8()?;
        let mut distance = u64::from(first & FAR);
        if distance == u64::from(FAR) {
            distance = distance.saturating_add(cursor.varint()?);
        }
        let distance = usize::try_from(distance).unwrap_or(PAGES);
        let (mask, rest) = (cursor.u16()?, cursor.rest());
        let page = self.page(distance, mask, first >> 5, rest);
        let wrong = || {
            let number = distance.saturating_add(self.least);
            let left = rest.len();
            format!("page {number} of a histogram, buckets {mask:#06x}, found with {left} bytes")
        };
        page.map(Some).ok_or_else(wrong)
    }

    /// Takes the counts of a page from `rest`; `None` where there is no such page.
    #[inline]
    fn page(&mut self, distance: usize, mask: u16, code: u8, rest: &'a [u8]) -> Option<Page<'a>> {
        let number = distance.saturating_add(self.least);
        if number >= PAGES || mask == 0 {
            return None;
        }
        let width = width(code);
        let (counts, rest) = rest.split_at_checked(bytes(mask, width))?;
        (self.rest, self.least) = (rest, number + 1);
        Some(Page { number, mask, width, counts })
    }
}

/// Bytes that the counts of a page take.
#[inline]
const fn bytes(mask: u16, width: u32) -> usize {
    (mask.count_ones() * width).div_ceil(8) as usize
}

/// Writes a histogram of those buckets, which ascend, each with at least one sample.
pub(super) fn pack(buckets: impl Iterator<Item = (u16, u64)>, ends: Ends, out: &mut Vec<u8>) {
    let mut pages = Vec::new();
    let mut least = 0;
    let mut number = 0;
    let mut mask = 0;
    let mut counts = [0_u64; PAGE_BUCKETS];
    let mut len = 0;
    for (bucket, samples) in buckets {
        let bucket = usize::from(bucket);
        if mask != 0 && number != bucket / PAGE_BUCKETS {
            put_page(number - least, mask, counts.get(..len).unwrap_or_default(), &mut pages);
            least = number + 1;
            (mask, len) = (0, 0);
        }
        number = bucket / PAGE_BUCKETS;
        mask |= 1_u16 << (bucket % PAGE_BUCKETS);
        if let Some(count) = counts.get_mut(len) {
            *count = samples.saturating_sub(1);
            len += 1;
        }
    }
    if mask != 0 {
        put_page(number - least, mask, counts.get(..len).unwrap_or_default(), &mut pages);
    }
    put_bytes(out, &pages);
    if !pages.is_empty() {
        put_varint(out, ends.min);
        put_varint(out, ends.max);
        #[expect(clippy::cast_possible_truncation, reason = "the halves of 128 bits")]
        {
            put_varint(out, ends.sum as u64);
            put_varint(out, (ends.sum >> 64) as u64);
        }
    }
}

fn put_page(distance: usize, mask: u16, counts: &[u64], out: &mut Vec<u8>) {
    let most = counts.iter().copied().max().unwrap_or(0);
    let bits = 64 - most.leading_zeros();
    let code = (0..7).find(|&code| width(code) >= bits).unwrap_or(7);
    let width = width(code);
    let near = u8::try_from(distance).ok().filter(|&distance| distance < FAR);
    out.push(near.unwrap_or(FAR) | code << 5);
    if near.is_none() {
        put_varint(out, (distance - usize::from(FAR)) as u64);
    }
    out.extend_from_slice(&mask.to_le_bytes());
    if width >= 8 {
        for count in counts {
            out.extend(count.to_le_bytes().iter().take(width as usize / 8));
        }
    } else {
        let word = counts.iter().rev().fold(0_u64, |word, count| word << width | count);
        out.extend(word.to_le_bytes().iter().take(bytes(mask, width)));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::segment::buckets::{BUCKETS, range};

    fn packed(map: &BTreeMap<u16, u64>) -> Vec<u8> {
        let ends = match (map.keys().next(), map.keys().next_back()) {
            (Some(&first), Some(&last)) => {
                Ends { min: range(first).0, max: range(last).1, sum: u128::MAX - 7 }
            }
            _ => Ends::default(),
        };
        let mut bytes = Vec::new();
        pack(map.iter().map(|(bucket, count)| (*bucket, *count)), ends, &mut bytes);
        bytes
    }

    /// Counts of every width, over near and far buckets.
    fn histogram() -> impl Strategy<Value = BTreeMap<u16, u64>> {
        let far = 0..BUCKETS;
        let near = 20_000_u16..20_200;
        let count = (0_u32..64, any::<u64>()).prop_map(|(shift, count)| (count >> shift).max(1));
        let few = 1_u64..5;
        let one = (prop_oneof![1 => far, 4 => near], prop_oneof![1 => count, 3 => few]);
        proptest::collection::vec(one, 0..400).prop_map(|all| all.into_iter().collect())
    }

    proptest! {
        #[test]
        fn a_histogram_comes_back(map in histogram(), behind: Vec<u8>) {
            let mut bytes = packed(&map);
            let len = bytes.len();
            bytes.extend_from_slice(&behind);
            let mut cursor = Cursor::new(&bytes);
            let read = Packed::read(&mut cursor).expect("what was packed");
            prop_assert_eq!(bytes.len() - cursor.rest().len(), len);
            prop_assert_eq!(read.buckets(), map.len());
            prop_assert!(read.iter().eq(map.iter().map(|(bucket, count)| (*bucket, *count))));
            for page in read.pages() {
                let (mut added, mut expected) = ([7; PAGE_BUCKETS], [7_u64; PAGE_BUCKETS]);
                let count = page.add_to(&mut added);
                page.counts().for_each(|(at, n)| expected[at] = expected[at].saturating_add(n));
                prop_assert_eq!(added, expected);
                let sum = page.counts().fold(0_u64, |sum, (_, n)| sum.saturating_add(n));
                prop_assert_eq!(count, sum);
            }
        }

        /// Whatever is read from any bytes has as many buckets as it says, ascending, in room
        /// that its bytes bound.
        #[test]
        fn any_bytes_are_refused_or_a_histogram(
            map in histogram(),
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        ) {
            let mut bytes = packed(&map);
            for (at, value) in changes {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            if let Ok(read) = Packed::read(&mut Cursor::new(&bytes)) {
                let found: Vec<(u16, u64)> = read.iter().collect();
                prop_assert_eq!(found.len(), read.buckets());
                prop_assert!(found.len() <= bytes.len() * PAGE_BUCKETS);
                prop_assert!(found.windows(2).all(|two| two[0].0 < two[1].0));
                prop_assert!(found.iter().all(|(bucket, count)| *bucket < BUCKETS && *count > 0));
            }
        }

        #[test]
        fn garbage_is_refused_quietly(bytes: Vec<u8>) {
            let _ = Packed::read(&mut Cursor::new(&bytes));
        }
    }

    #[test]
    fn small_counts_take_few_bits() {
        let ones: BTreeMap<u16, u64> = (160..176).map(|bucket| (bucket, 1)).collect();
        // Length, page, mask, ends.
        assert_eq!(packed(&ones).len(), 1 + 1 + 2 + (2 + 2 + 10 + 10));
        let fours: BTreeMap<u16, u64> = (160..176).map(|bucket| (bucket, 4)).collect();
        assert_eq!(packed(&fours).len(), packed(&ones).len() + 4);
    }
}
