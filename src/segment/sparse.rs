//! Counts by bucket where few of many have one: a table by hash.

use crate::segment::buckets::{PAGE_BUCKETS, PAGES};

/// Slots of the smallest table.
const SLOTS_MIN: usize = 4;

/// Bits of a slot that are its bucket.
const BUCKET_BITS: u32 = 16;

/// The most samples that a slot has room for: slots are small, since each exchange changes one that
/// was not used for long.
const SAMPLES_MAX: u32 = u32::MAX >> BUCKET_BITS;

/// Buckets that hold samples before pages are thought of.
const MANY_MIN: usize = 512;

/// One of so many buckets in a page holds samples, at least, where pages are better: they then
/// take about twice the room.
const MANY_SHARE: usize = 3;

/// Counts by bucket. Made for counting: only what is read in order is sorted, when it is read.
#[derive(Clone, Debug, Default)]
pub(super) struct Sparse {
    /// A power of two of them, or none; each the samples of a bucket above the bucket, or 0 where
    /// it is free. At least a quarter of them is.
    slots: Vec<u32>,
    len: usize,
}

impl Sparse {
    /// Adds samples, at least one, to a bucket. `false`, and nothing is added, where that is
    /// better left to [`Pages`](super::buckets::Pages): for most buckets around hold samples, or
    /// so many are in one that a slot has no room.
    #[inline]
    pub(super) fn add(&mut self, bucket: u16, samples: u64) -> bool {
        if let Some(slot) = self.slot(bucket) {
            if *slot == 0 {
                return self.insert(bucket, samples);
            }
            let held = u64::from(*slot >> BUCKET_BITS);
            let all = u32::try_from(held.saturating_add(samples)).unwrap_or(u32::MAX);
            if all <= SAMPLES_MAX {
                *slot = all << BUCKET_BITS | u32::from(bucket);
                return true;
            }
            return false;
        }
        self.insert(bucket, samples)
    }

    /// The slot of a bucket, or the free one where it belongs; `None` where there are no slots.
    #[inline]
    fn slot(&mut self, bucket: u16) -> Option<&mut u32> {
        let mask = self.slots.len().checked_sub(1)?;
        // Multiplied by the golden ratio, buckets that stand in a row are far apart.
        let mut at = (u32::from(bucket).wrapping_mul(0x9e37_79b1) >> BUCKET_BITS) as usize & mask;
        while self.slots.get(at).is_some_and(|&slot| slot != 0 && bucket_of(slot) != bucket) {
            at = (at + 1) & mask;
        }
        self.slots.get_mut(at)
    }

    /// Adds a bucket that holds no samples yet.
    fn insert(&mut self, bucket: u16, samples: u64) -> bool {
        let Some(samples) = u32::try_from(samples).ok().filter(|&it| it <= SAMPLES_MAX) else {
            return false;
        };
        if self.len >= self.slots.len() / 4 * 3 && !self.grow() {
            return false;
        }
        if let Some(slot) = self.slot(bucket) {
            *slot = samples << BUCKET_BITS | u32::from(bucket);
            self.len += 1;
        }
        true
    }

    /// Doubles the slots; `false` where pages are better.
    #[cold]
    fn grow(&mut self) -> bool {
        if self.len >= MANY_MIN && self.pages() * PAGE_BUCKETS <= MANY_SHARE * self.len {
            return false;
        }
        let room = (self.slots.len() * 2).max(SLOTS_MIN);
        let old = std::mem::replace(&mut self.slots, vec![0; room]);
        for held in old.into_iter().filter(|&slot| slot != 0) {
            if let Some(slot) = self.slot(bucket_of(held)) {
                *slot = held;
            }
        }
        true
    }

    /// How many pages would hold its buckets.
    fn pages(&self) -> usize {
        let mut there = [false; PAGES];
        for (bucket, _) in self.iter() {
            if let Some(page) = there.get_mut(usize::from(bucket) / PAGE_BUCKETS) {
                *page = true;
            }
        }
        there.into_iter().filter(|&is_there| is_there).count()
    }

    /// The buckets that hold samples, in no order, and how many they hold.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u16, u64)> + '_ {
        self.slots.iter().filter(|&&slot| slot != 0).map(|&slot| parts(slot))
    }

    /// The buckets that hold samples, ascending, and how many they hold.
    pub(super) fn sorted(&self) -> impl Iterator<Item = (u16, u64)> + use<> {
        let held = self.slots.iter().filter(|&&slot| slot != 0);
        let mut by_bucket: Vec<u32> = held.map(|slot| slot.rotate_right(BUCKET_BITS)).collect();
        by_bucket.sort_unstable();
        by_bucket.into_iter().map(|slot| parts(slot.rotate_left(BUCKET_BITS)))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the lowest bits are meant")]
const fn bucket_of(slot: u32) -> u16 {
    slot as u16
}

fn parts(slot: u32) -> (u16, u64) {
    (bucket_of(slot), u64::from(slot >> BUCKET_BITS))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::segment::buckets::BUCKETS;

    proptest! {
        #[test]
        fn it_is_a_map(
            added in proptest::collection::vec((0..BUCKETS, 1_u64..30), 0..2000),
            factor in prop::sample::select(vec![1_u16, 16, 256, 1024]),
        ) {
            let mut sparse = Sparse::default();
            let mut map = BTreeMap::new();
            for (bucket, samples) in added {
                let bucket = bucket / factor * factor;
                prop_assert!(sparse.add(bucket, samples));
                *map.entry(bucket).or_default() += samples;
            }
            let all: Vec<(u16, u64)> = map.into_iter().collect();
            prop_assert_eq!(sparse.sorted().collect::<Vec<_>>(), all.clone());
            let mut unsorted: Vec<_> = sparse.iter().collect();
            unsorted.sort_unstable();
            prop_assert_eq!(&unsorted, &all);
            prop_assert_eq!(sparse.len, all.len());
            let mut pages: Vec<_> = all.iter().map(|(bucket, _)| bucket / 16).collect();
            pages.dedup();
            prop_assert_eq!(sparse.pages(), pages.len());
        }
    }

    #[test]
    fn what_pages_hold_better_is_left_to_them() {
        let mut sparse = Sparse::default();
        let taken = (0..2000).take_while(|&bucket| sparse.add(bucket, 1)).count();
        assert_eq!(taken, 768, "three quarters of the first thousand slots");
        assert_eq!(sparse.sorted().count(), 768, "what was refused is not there");
        let (mut full, most) = (Sparse::default(), u64::from(SAMPLES_MAX));
        assert!(!full.add(7, most + 1));
        assert!(!full.add(7, u64::MAX));
        assert!(full.add(7, most));
        assert!(!full.add(7, 1) && !full.add(7, u64::MAX));
        assert_eq!(full.sorted().collect::<Vec<_>>(), [(7, most)]);
    }
}
