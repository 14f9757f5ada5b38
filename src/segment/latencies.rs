//! A histogram of nanoseconds with three significant digits, small while it holds few samples.

use crate::segment::buckets::{Pages, bucket, range};
use crate::segment::packed::{Ends, Packed, pack};
use crate::segment::sparse::Sparse;

/// A histogram of nanoseconds with three significant digits at every magnitude: HDR's buckets for
/// a lowest value of 1 (2048 of width 1, then 1024 to each doubling). Exact under merging: however
/// samples are split and in whatever order they are merged, the result is equal, byte for byte.
///
/// Only buckets that hold samples take room, so that a thousand small ones stay small.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    held: Held,
    count: u64,
    min: u64,
    max: u64,
    sum: u128,
}

/// Samples by bucket.
#[derive(Clone, Debug)]
enum Held {
    Few(Sparse),
    Many(Pages),
}

impl Default for Held {
    fn default() -> Self {
        Self::Few(Sparse::default())
    }
}

impl Latencies {
    /// Adds one sample.
    #[inline]
    pub fn record(&mut self, ns: u64) {
        self.min = if self.count == 0 { ns } else { self.min.min(ns) };
        self.max = self.max.max(ns);
        self.count = self.count.saturating_add(1);
        self.sum = self.sum.saturating_add(ns.into());
        self.add(bucket(ns), 1);
    }

    /// Adds every sample of `other`.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            self.clone_from(other);
            return;
        }
        self.note(Ends { min: other.min, max: other.max, sum: other.sum });
        self.count = self.count.saturating_add(other.count);
        match &other.held {
            Held::Few(few) => few.iter().for_each(|(bucket, samples)| self.add(bucket, samples)),
            Held::Many(pages) => {
                pages.iter().for_each(|(bucket, samples)| self.add(bucket, samples));
            }
        }
    }

    /// Adds every sample of a histogram of a footer.
    pub(super) fn merge_packed(&mut self, other: &Packed<'_>) {
        if other.buckets() == 0 {
            return;
        }
        self.note(other.ends());
        let mut count = self.count;
        if let Held::Many(held) = &mut self.held {
            for page in other.pages() {
                let Some(room) = held.page(page.number) else { continue };
                count = count.saturating_add(page.add_to(room));
            }
        } else {
            for (bucket, samples) in other.iter() {
                count = count.saturating_add(samples);
                self.add(bucket, samples);
            }
        }
        self.count = count;
    }

    /// Takes the smallest, the largest and the sum of further samples in, before they are counted.
    fn note(&mut self, more: Ends) {
        self.min = if self.count == 0 { more.min } else { self.min.min(more.min) };
        self.max = self.max.max(more.max);
        self.sum = self.sum.saturating_add(more.sum);
    }

    /// How many samples.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The smallest sample, exact; 0 where there is none.
    #[must_use]
    pub const fn min(&self) -> u64 {
        self.min
    }

    /// The largest sample, exact; 0 where there is none.
    #[must_use]
    pub const fn max(&self) -> u64 {
        self.max
    }

    /// The sum of the samples, exact.
    #[must_use]
    pub const fn sum(&self) -> u128 {
        self.sum
    }

    /// The mean, exact and rounded down; 0 where there is no sample.
    #[must_use]
    pub fn mean(&self) -> u64 {
        let mean = self.sum.checked_div(self.count.into()).unwrap_or(0);
        u64::try_from(mean).unwrap_or(u64::MAX)
    }

    /// The value that so many of 1000 do not pass, as [`Self::value_at_rank`] of its rank;
    /// `None` where there is none.
    #[must_use]
    pub fn value_at_mille(&self, mille: u64) -> Option<u64> {
        let rank = (u128::from(self.count()) * u128::from(mille)).div_ceil(1000);
        self.value_at_rank(u64::try_from(rank).unwrap_or(u64::MAX).max(1))
    }

    /// The value of the sample of that rank in ascending order, from 1, as the upper end of its
    /// bucket but never more than the largest sample; `None` where there is no such rank.
    #[must_use]
    pub fn value_at_rank(&self, rank: u64) -> Option<u64> {
        if rank == 0 || rank > self.count {
            return None;
        }
        let mut below = 0_u64;
        for (_, highest, samples) in self.buckets() {
            below = below.saturating_add(samples);
            if below >= rank {
                return Some(highest.min(self.max));
            }
        }
        None
    }

    /// The buckets that hold samples, ascending: lowest value, highest value, samples.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64, u64)> + '_ {
        self.counts().map(|(bucket, samples)| {
            let (lowest, highest) = range(bucket);
            (lowest, highest, samples)
        })
    }

    /// The buckets that hold samples, ascending, and how many they hold.
    fn counts(&self) -> Box<dyn Iterator<Item = (u16, u64)> + '_> {
        match &self.held {
            Held::Many(pages) => Box::new(pages.iter()),
            Held::Few(few) => Box::new(few.sorted()),
        }
    }

    /// The same as a histogram of the `hdrhistogram` crate, each sample as the lowest value of
    /// its bucket.
    ///
    /// # Panics
    /// Never: three digits are within the bounds of that crate.
    #[must_use]
    pub fn to_hdr(&self) -> hdrhistogram::Histogram<u64> {
        #[expect(clippy::expect_used, reason = "three digits are within the 0 to 5 it takes")]
        let mut histogram = hdrhistogram::Histogram::new(3).expect("three digits");
        histogram.auto(true);
        for (lowest, _, samples) in self.buckets() {
            // It fails only where a value passes the bound, and an automatic one has none.
            let _ = histogram.record_n(lowest, samples);
        }
        histogram
    }

    /// Adds samples, at least one, to a bucket.
    #[inline]
    fn add(&mut self, bucket: u16, samples: u64) {
        match &mut self.held {
            Held::Many(pages) => pages.add(bucket, samples),
            Held::Few(few) => {
                if !few.add(bucket, samples) {
                    self.add_paged(bucket, samples);
                }
            }
        }
    }

    /// Turns what it holds into pages, and adds samples to a bucket.
    #[cold]
    fn add_paged(&mut self, bucket: u16, samples: u64) {
        let mut pages = Pages::default();
        if let Held::Few(few) = &self.held {
            few.iter().for_each(|(bucket, samples)| pages.add(bucket, samples));
        }
        pages.add(bucket, samples);
        self.held = Held::Many(pages);
    }

    /// Writes it as `packed.rs` tells.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        pack(self.counts(), Ends { min: self.min, max: self.max, sum: self.sum }, out);
    }
}

impl PartialEq for Latencies {
    fn eq(&self, other: &Self) -> bool {
        let ends = |all: &Self| (all.count, all.min, all.max, all.sum);
        ends(self) == ends(other) && self.counts().eq(other.counts())
    }
}

impl Eq for Latencies {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::segment::cursor::{Cursor, Malformed};

    fn decoded(cursor: &mut Cursor<'_>) -> Result<Latencies, Malformed> {
        let mut read = Latencies::default();
        read.merge_packed(&Packed::read(cursor)?);
        Ok(read)
    }

    fn of(samples: &[u64]) -> Latencies {
        let mut latencies = Latencies::default();
        for &ns in samples {
            latencies.record(ns);
        }
        latencies
    }

    fn encoded(latencies: &Latencies) -> Vec<u8> {
        let mut bytes = Vec::new();
        latencies.encode(&mut bytes);
        bytes
    }

    /// Values of every magnitude, with many that repeat.
    fn sample() -> impl Strategy<Value = u64> {
        prop_oneof![0_u64..50, (0_u32..64, any::<u64>()).prop_map(|(shift, value)| value >> shift)]
    }

    #[test]
    fn a_bucket_has_room_for_any_number_of_samples() {
        let mut latencies = of(&[7, 1_000_000]);
        for _ in 0..100_000 {
            latencies.record(1_500);
        }
        let [p0, p50, p100] = [0, 500, 1000].map(|mille| latencies.value_at_mille(mille));
        assert_eq!((p0, p50, p100), (Some(7), Some(1_500), Some(1_000_000)));
        assert_eq!((latencies.count(), latencies.sum()), (100_002, 151_000_007));
        latencies.merge(&latencies.clone());
        assert_eq!(latencies.value_at_rank(3), Some(1_500));
        assert_eq!((latencies.count(), latencies.min()), (200_004, 7));
    }

    proptest! {
        #[test]
        fn ranks_agree_with_sorted_samples_and_with_hdr(
            mut samples in proptest::collection::vec(sample(), 1..600)
        ) {
            let latencies = of(&samples);
            let hdr = latencies.to_hdr();
            samples.sort_unstable();
            prop_assert_eq!(latencies.count(), samples.len() as u64);
            prop_assert_eq!(latencies.min(), samples[0]);
            prop_assert_eq!(latencies.max(), samples[samples.len() - 1]);
            prop_assert_eq!(latencies.sum(), samples.iter().map(|&ns| u128::from(ns)).sum());
            prop_assert_eq!(latencies.value_at_rank(0), None);
            prop_assert_eq!(latencies.value_at_rank(samples.len() as u64 + 1), None);
            for (rank, &exact) in (1..).zip(&samples) {
                let value = latencies.value_at_rank(rank).unwrap();
                prop_assert_eq!(value, hdr.highest_equivalent(exact).min(latencies.max()));
                prop_assert!(value >= exact && value - exact <= exact / 1024);
            }
            prop_assert_eq!(hdr.len(), latencies.count());
        }

        /// Samples close together, so many that pages take the place of lists.
        #[test]
        fn pages_and_lists_merge_to_the_same(
            samples in proptest::collection::vec((20_000_u64..40_000, 0_usize..3), 1000..6000),
            few in proptest::collection::vec(sample(), 0..40),
        ) {
            let mut parts = [const { Vec::new() }; 4];
            samples.iter().for_each(|&(ns, part)| parts[part].push(ns));
            parts[3] = few;
            let all: Vec<u64> = parts.iter().flatten().copied().collect();
            let (whole, mut sorted) = (of(&all), all);
            sorted.sort_unstable();
            let (mut merged, mut packed) = (Latencies::default(), Latencies::default());
            for part in &parts {
                merged.merge(&of(part));
                let bytes = encoded(&of(part));
                packed.merge_packed(&Packed::read(&mut Cursor::new(&bytes)).expect("packed"));
            }
            let mut backwards = Latencies::default();
            parts.iter().rev().for_each(|part| backwards.merge(&of(part)));
            for one in [&merged, &packed, &backwards] {
                prop_assert_eq!(one, &whole);
                prop_assert_eq!(encoded(one), encoded(&whole));
            }
            prop_assert_eq!(merged.count(), sorted.len() as u64);
            prop_assert_eq!(merged.to_hdr(), whole.to_hdr());
            for (rank, &exact) in (1..).zip(&sorted).step_by(97) {
                let value = merged.value_at_rank(rank).unwrap();
                prop_assert!(value >= exact && value - exact <= exact / 1024);
            }
        }

        #[test]
        fn any_split_in_any_order_merges_to_the_same(
            samples in proptest::collection::vec((sample(), 0_usize..5), 0..1500),
            order in Just([0_usize, 1, 2, 3, 4]).prop_shuffle(),
        ) {
            let whole = of(&samples.iter().map(|&(ns, _)| ns).collect::<Vec<_>>());
            let mut parts = [const { Vec::new() }; 5];
            for &(ns, part) in &samples {
                parts[part].push(ns);
            }
            let mut merged = Latencies::default();
            for part in order {
                merged.merge(&of(&parts[part]));
            }
            prop_assert_eq!(&merged, &whole);
            let bytes = encoded(&merged);
            prop_assert_eq!(&bytes, &encoded(&whole));
            let mut cursor = Cursor::new(&bytes);
            prop_assert_eq!(decoded(&mut cursor), Ok(whole));
            prop_assert!(cursor.rest().is_empty());
        }

        #[test]
        fn garbage_is_refused_or_consistent(bytes: Vec<u8>) {
            if let Ok(latencies) = decoded(&mut Cursor::new(&bytes)) {
                let held: u64 =
                    latencies.buckets().fold(0, |all, (_, _, one)| all.saturating_add(one));
                prop_assert_eq!(held, latencies.count());
                prop_assert_eq!(latencies.count() == 0, latencies.value_at_rank(1).is_none());
            }
        }
    }

    #[test]
    fn many_samples_are_held_in_pages_and_few_in_a_list() {
        let many = of(&(0..100_000).map(|n| 20_000 + n % 70_000).collect::<Vec<u64>>());
        assert!(matches!(many.held, Held::Many(_)));
        let spread = of(&(0..600).map(|n| (1 << 40) + (n << 34)).collect::<Vec<u64>>());
        assert!(matches!(spread.held, Held::Few(_)));
    }
}
