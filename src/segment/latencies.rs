//! A histogram of nanoseconds with three significant digits, small while it holds few samples.

use std::borrow::Cow;

use crate::segment::cursor::{Cursor, Malformed, put_varint};

/// Buckets to each doubling, from the second doubling on; the first 2048 values have their own.
const PER_DOUBLING: u64 = 1024;

/// One more than the bucket of the largest number of 64 bits.
const BUCKETS: u16 = 55 * 1024;

/// Samples that wait to be sorted in, at least; a batch is cheaper than one by one.
const PENDING_MIN: usize = 256;

/// A histogram of nanoseconds with three significant digits at every magnitude: HDR's buckets for
/// a lowest value of 1 (2048 of width 1, then 1024 to each doubling). Exact under merging: however
/// samples are split and in whatever order they are merged, the result is equal, byte for byte.
///
/// Only buckets that hold samples take room, so that a thousand small ones stay small.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    /// Buckets that hold samples, ascending.
    buckets: Vec<u16>,
    /// Samples of each of `buckets`.
    counts: Vec<u64>,
    /// Buckets of samples that are not in `counts` yet, in any order.
    pending: Vec<u16>,
    count: u64,
    min: u64,
    max: u64,
    sum: u128,
}

impl Latencies {
    /// Adds one sample.
    pub fn record(&mut self, ns: u64) {
        self.min = if self.count == 0 { ns } else { self.min.min(ns) };
        self.max = self.max.max(ns);
        self.count = self.count.saturating_add(1);
        self.sum = self.sum.saturating_add(ns.into());
        self.pending.push(bucket(ns));
        if self.pending.len() >= self.buckets.len().max(PENDING_MIN) {
            self.settle();
        }
    }

    /// Adds every sample of `other`.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        self.settle();
        let other = other.settled();
        self.min = if self.count == 0 { other.min } else { self.min.min(other.min) };
        self.max = self.max.max(other.max);
        self.count = self.count.saturating_add(other.count);
        self.sum = self.sum.saturating_add(other.sum);
        if self.buckets.is_empty() {
            self.buckets.clone_from(&other.buckets);
            self.counts.clone_from(&other.counts);
        } else {
            self.add(other.buckets.iter().copied().zip(other.counts.iter().copied()));
        }
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
        let settled = self.settled();
        let (buckets, counts) = match settled {
            Cow::Borrowed(all) => (Cow::Borrowed(&all.buckets[..]), Cow::Borrowed(&all.counts[..])),
            Cow::Owned(all) => (Cow::Owned(all.buckets), Cow::Owned(all.counts)),
        };
        (0..buckets.len()).filter_map(move |at| {
            let (lowest, highest) = range(*buckets.get(at)?);
            Some((lowest, highest, *counts.get(at)?))
        })
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

    /// Sorts the pending samples in.
    pub(super) fn settle(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let mut pending = std::mem::take(&mut self.pending);
        pending.sort_unstable();
        self.add(pending.chunk_by(PartialEq::eq).filter_map(|run| {
            let &bucket = run.first()?;
            Some((bucket, run.len() as u64))
        }));
        pending.clear();
        self.pending = pending;
    }

    /// Adds samples by bucket, ascending.
    fn add(&mut self, more: impl Iterator<Item = (u16, u64)>) {
        let mut buckets = Vec::with_capacity(self.buckets.len());
        let mut counts = Vec::with_capacity(self.buckets.len());
        let mut old = self.buckets.iter().copied().zip(self.counts.iter().copied()).peekable();
        for (bucket, samples) in more {
            while let Some((earlier, held)) = old.next_if(|&(earlier, _)| earlier < bucket) {
                buckets.push(earlier);
                counts.push(held);
            }
            let held = old.next_if(|&(same, _)| same == bucket).map_or(0, |(_, held)| held);
            buckets.push(bucket);
            counts.push(held.saturating_add(samples));
        }
        for (later, held) in old {
            buckets.push(later);
            counts.push(held);
        }
        self.buckets = buckets;
        self.counts = counts;
    }

    fn settled(&self) -> Cow<'_, Self> {
        if self.pending.is_empty() {
            return Cow::Borrowed(self);
        }
        let mut settled = self.clone();
        settled.settle();
        Cow::Owned(settled)
    }

    /// Writes it: number of buckets; each one's distance to the one before and samples; then
    /// smallest, largest, and the low and high half of the sum.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let settled = self.settled();
        put_varint(out, settled.buckets.len() as u64);
        let mut before = 0;
        for (&bucket, &samples) in settled.buckets.iter().zip(&settled.counts) {
            put_varint(out, u64::from(bucket.wrapping_sub(before)));
            put_varint(out, samples);
            before = bucket;
        }
        if settled.count > 0 {
            put_varint(out, self.min);
            put_varint(out, self.max);
            #[expect(clippy::cast_possible_truncation, reason = "the halves of 128 bits")]
            {
                put_varint(out, self.sum as u64);
                put_varint(out, (self.sum >> 64) as u64);
            }
        }
    }

    /// Reads what [`Latencies::encode`] wrote.
    pub(super) fn decode(cursor: &mut Cursor<'_>) -> Result<Self, Malformed> {
        let len = cursor.count()?;
        let mut read = Self::default();
        let mut bucket = 0_u64;
        for at in 0..len {
            let distance = cursor.varint()?;
            bucket = bucket.saturating_add(distance);
            let samples = cursor.varint()?;
            let known = u16::try_from(bucket).ok().filter(|&bucket| bucket < BUCKETS);
            let Some(known) = known.filter(|_| (at == 0 || distance > 0) && samples > 0) else {
                return Err(format!("bucket {bucket} with {samples} samples found out of order"));
            };
            read.buckets.push(known);
            read.counts.push(samples);
            read.count = read.count.saturating_add(samples);
        }
        if read.count > 0 {
            read.min = cursor.varint()?;
            read.max = cursor.varint()?;
            let (low, high) = (cursor.varint()?, cursor.varint()?);
            read.sum = u128::from(high) << 64 | u128::from(low);
            let ends = (Some(&self::bucket(read.min)), Some(&self::bucket(read.max)));
            if ends != (read.buckets.first(), read.buckets.last()) {
                return Err(format!("{} to {} ns found beside other buckets", read.min, read.max));
            }
        }
        Ok(read)
    }
}

impl PartialEq for Latencies {
    fn eq(&self, other: &Self) -> bool {
        let (one, two) = (self.settled(), other.settled());
        let ends = |all: &Self| (all.count, all.min, all.max, all.sum);
        ends(&one) == ends(&two) && one.buckets == two.buckets && one.counts == two.counts
    }
}

impl Eq for Latencies {}

/// The bucket of a value: its eleven leading bits, and by how much they are shifted.
fn bucket(value: u64) -> u16 {
    let shift = (64 - value.leading_zeros()).saturating_sub(11);
    #[expect(clippy::cast_possible_truncation, reason = "at most 53 * 1024 + 2047")]
    let bucket = (u64::from(shift) * PER_DOUBLING + (value >> shift)) as u16;
    bucket
}

/// The lowest and highest value of a bucket.
fn range(bucket: u16) -> (u64, u64) {
    let bucket = u64::from(bucket);
    let shift = (bucket / PER_DOUBLING).saturating_sub(1);
    let lowest = (bucket - shift * PER_DOUBLING) << shift;
    (lowest, lowest + ((1 << shift) - 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
        fn ranks_agree_with_sorted_samples_and_with_hdr(
            mut samples in proptest::collection::vec(sample(), 1..600)
        ) {
            let mut latencies = of(&samples);
            let one = latencies.value_at_rank(1);
            latencies.settle();
            prop_assert_eq!(one, latencies.value_at_rank(1));
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
            prop_assert_eq!(Latencies::decode(&mut cursor), Ok(whole));
            prop_assert!(cursor.rest().is_empty());
        }

        #[test]
        fn garbage_is_refused_or_consistent(bytes: Vec<u8>) {
            if let Ok(latencies) = Latencies::decode(&mut Cursor::new(&bytes)) {
                let held: u64 =
                    latencies.buckets().fold(0, |all, (_, _, one)| all.saturating_add(one));
                prop_assert_eq!(held, latencies.count());
                prop_assert_eq!(latencies.count() == 0, latencies.value_at_rank(1).is_none());
            }
        }
    }
}
