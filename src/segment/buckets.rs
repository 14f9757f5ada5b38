//! HDR's buckets of nanoseconds: which one a value falls into, and counts of the many.

/// Buckets to each doubling, from the second doubling on; the first 2048 values have their own.
const PER_DOUBLING: u64 = 1024;

/// One more than the bucket of the largest number of 64 bits.
pub(super) const BUCKETS: u16 = 55 * 1024;

/// Buckets of a page.
pub(super) const PAGE_BUCKETS: usize = 16;

/// How many pages hold all buckets.
pub(super) const PAGES: usize = BUCKETS as usize / PAGE_BUCKETS;

/// The bucket of a value: its eleven leading bits, and by how much they are shifted.
pub(super) fn bucket(value: u64) -> u16 {
    let shift = (64 - value.leading_zeros()).saturating_sub(11);
    #[expect(clippy::cast_possible_truncation, reason = "at most 53 * 1024 + 2047")]
    let bucket = (u64::from(shift) * PER_DOUBLING + (value >> shift)) as u16;
    bucket
}

/// The lowest and highest value of a bucket.
pub(super) fn range(bucket: u16) -> (u64, u64) {
    let bucket = u64::from(bucket);
    let shift = (bucket / PER_DOUBLING).saturating_sub(1);
    let lowest = (bucket - shift * PER_DOUBLING) << shift;
    (lowest, lowest + ((1 << shift) - 1))
}

const fn page_of(bucket: u16) -> usize {
    bucket as usize / PAGE_BUCKETS
}

/// Counts by bucket where many have one. A page is there once one of its buckets holds a sample,
/// so that adding to a bucket is a lookup, and counts of the same magnitude stand together.
#[derive(Clone, Debug)]
pub(super) struct Pages {
    /// Where in `counts` each page is, plus one; 0 where it is not.
    places: Box<[u16]>,
    counts: Vec<[u64; PAGE_BUCKETS]>,
}

impl Default for Pages {
    fn default() -> Self {
        Self { places: vec![0; PAGES].into(), counts: Vec::new() }
    }
}

impl Pages {
    /// The counts of a page; `None` where there is no such page.
    pub(super) fn page(&mut self, page: usize) -> Option<&mut [u64; PAGE_BUCKETS]> {
        let place = self.places.get_mut(page)?;
        if *place == 0 {
            self.counts.push([0; PAGE_BUCKETS]);
            *place = u16::try_from(self.counts.len()).ok()?;
        }
        self.counts.get_mut(usize::from(*place) - 1)
    }

    /// Adds samples to a bucket.
    pub(super) fn add(&mut self, bucket: u16, samples: u64) {
        let page = self.page(page_of(bucket));
        let count = page.and_then(|page| page.get_mut(usize::from(bucket) % PAGE_BUCKETS));
        if let Some(count) = count {
            *count = count.saturating_add(samples);
        }
    }

    /// The buckets that hold samples, ascending, and how many they hold.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u16, u64)> + '_ {
        let pages = (0_u16..).step_by(PAGE_BUCKETS).zip(&self.places);
        let there = pages.filter_map(|(first, place)| {
            let counts = self.counts.get(usize::from(*place).checked_sub(1)?)?;
            Some((first, counts))
        });
        there.flat_map(|(first, counts)| {
            (first..).zip(counts).filter(|(_, count)| **count > 0).map(|(at, count)| (at, *count))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn buckets_are_those_of_hdr() {
        let mut hdr = hdrhistogram::Histogram::<u64>::new(3).unwrap();
        hdr.auto(true);
        hdr.record(1 << 62).unwrap();
        for shift in 0..63 {
            for value in [0, 1, 2, 1023, 1024, 1025, 2047, 2048, 2049, 0x7fff_ffff_ffff_ffff] {
                let value = value >> (shift / 2) << shift >> 1;
                let (lowest, highest) = range(bucket(value));
                assert_eq!(lowest, hdr.lowest_equivalent(value), "{value}");
                assert_eq!(highest, hdr.highest_equivalent(value), "{value}");
            }
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
        assert_eq!(range(BUCKETS - 1).1, u64::MAX);
    }

    proptest! {
        #[test]
        fn pages_are_a_map(
            added in proptest::collection::vec((0..BUCKETS, 1_u64..1000), 0..300)
        ) {
            let mut pages = Pages::default();
            let mut map = BTreeMap::new();
            for (bucket, samples) in added {
                pages.add(bucket, samples);
                *map.entry(bucket).or_default() += samples;
            }
            prop_assert!(pages.iter().eq(map.iter().map(|(bucket, count)| (*bucket, *count))));
            let there: BTreeSet<u16> = map.into_keys().map(|bucket| bucket / 16).collect();
            prop_assert_eq!(there.len(), pages.counts.len());
        }
    }
}
