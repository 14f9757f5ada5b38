//! How many exchanges are under way at a time, whether Little's law holds of them, and a model of
//! what callers would have met that do not wait for answers.

use std::collections::BTreeMap;

use crate::exchange::{Facts, State};
use crate::limits::INTERVALS_MAX;
use crate::query::latency::Collector;
use crate::query::text::Text;
use crate::segment::{Latencies, Segment, SegmentError};
use crate::time::Timestamp;

/// The model adds at most so many made-up exchanges for the slowest one.
const MODELLED_MAX: u64 = 100_000;

/// One interval on its way.
#[derive(Clone, Copy, Debug, Default)]
struct Bin {
    /// Exchanges that begin in it.
    begun: u64,
    /// Nanoseconds that exchanges spend in it without filling it.
    partial_ns: u128,
    /// How many more exchanges fill it, and those after it, than filled the one before.
    step: i64,
}

/// One interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// When it begins.
    pub from: Timestamp,
    /// Exchanges that began in it.
    pub begun: u64,
    /// How many exchanges were under way in it, on average over its length.
    pub mean: f64,
}

/// Little's law: how many are under way is how often one begins times how long one takes
/// (J. D. C. Little, 1961).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Little {
    /// From the first start to the last end, in nanoseconds.
    pub span_ns: u64,
    /// Exchanges in it, orphans left out.
    pub exchanges: u64,
    /// Of these, those that were not seen to their end.
    pub unfinished: u64,
    /// How many were under way on average, by their own times; unfinished ones as long as they
    /// were watched.
    pub measured: f64,
    /// How often one began, per second.
    pub rate: f64,
    /// How long a complete one took on average, in nanoseconds.
    pub mean_ns: u64,
    /// What the law makes of these two.
    pub expected: f64,
}

/// What callers would have met that send at an even pace whether or not an answer has come: a
/// model, not a measurement. It is HdrHistogram's correction for coordinated omission.
#[derive(Clone, Debug, PartialEq)]
pub struct Paced {
    /// The pace: the median time between exchanges on one connection, in nanoseconds.
    pub interval_ns: u64,
    /// Percentiles: so many of 1000, as measured, and in the model, in nanoseconds.
    pub percentiles: [(u64, u64, u64); 3],
}

/// Collects when exchanges were under way.
#[derive(Clone, Debug)]
pub struct InFlight {
    every_ns: u64,
    bins: BTreeMap<i64, Bin>,
    is_overfull: bool,
    span: Option<(Timestamp, Timestamp)>,
    busy_ns: u128,
    exchanges: u64,
    unfinished: u64,
    totals: Latencies,
    spacings: Latencies,
}

impl InFlight {
    /// Nothing yet, in intervals of `every_ns` nanoseconds.
    #[must_use]
    pub fn new(every_ns: u64) -> Self {
        Self {
            every_ns: every_ns.clamp(1, 1 << 62),
            bins: BTreeMap::new(),
            is_overfull: false,
            span: None,
            busy_ns: 0,
            exchanges: 0,
            unfinished: 0,
            totals: Latencies::default(),
            spacings: Latencies::default(),
        }
    }

    /// How long an interval is, in nanoseconds.
    #[must_use]
    pub const fn every_ns(&self) -> u64 {
        self.every_ns
    }

    /// Whether there were more than [`INTERVALS_MAX`] intervals, so that levels are left out.
    #[must_use]
    pub const fn is_overfull(&self) -> bool {
        self.is_overfull
    }

    fn begin(&self, at: Timestamp) -> i64 {
        let every = i64::try_from(self.every_ns).unwrap_or(i64::MAX);
        at.as_nanos().saturating_sub(at.as_nanos().rem_euclid(every))
    }

    fn bin(&mut self, begin: i64) -> Option<&mut Bin> {
        if self.bins.len() >= INTERVALS_MAX && !self.bins.contains_key(&begin) {
            self.is_overfull = true;
            return None;
        }
        Some(self.bins.entry(begin).or_default())
    }

    fn record(&mut self, facts: &Facts) {
        if facts.state == State::Orphan {
            return;
        }
        let lasted_ns = facts.timing.total_ns.unwrap_or(facts.watched_ns);
        let (start, end) = (facts.start, facts.start.plus(lasted_ns));
        let (first, last) = self.span.unwrap_or((start, end));
        self.span = Some((first.min(start), last.max(end)));
        self.busy_ns = self.busy_ns.saturating_add(lasted_ns.into());
        self.exchanges += 1;
        match (facts.state, facts.timing.total_ns) {
            (State::Complete, Some(total_ns)) => self.totals.record(total_ns),
            _ => self.unfinished += 1,
        }
        if let Some(spacing_ns) =
            start.since(facts.connection.opened_at).checked_div(facts.index.into())
        {
            self.spacings.record(spacing_ns);
        }
        self.fill(start, end);
    }

    fn fill(&mut self, start: Timestamp, end: Timestamp) {
        let (from, until) = (self.begin(start), self.begin(end));
        let every = i64::try_from(self.every_ns).unwrap_or(i64::MAX);
        let next = from.saturating_add(every);
        let head_ns = Timestamp::from_nanos(next).min(end).since(start);
        if let Some(bin) = self.bin(from) {
            bin.begun += 1;
            bin.partial_ns += u128::from(head_ns);
        }
        if until > from {
            let tail_ns = end.since(Timestamp::from_nanos(until));
            if let Some(bin) = self.bin(until) {
                bin.partial_ns += u128::from(tail_ns);
            }
        }
        if until > next {
            if let Some(bin) = self.bin(next) {
                bin.step += 1;
            }
            if let Some(bin) = self.bin(until) {
                bin.step -= 1;
            }
        }
    }

    /// The intervals in which an exchange begins, ends, or is the first or last to fill one. In
    /// those between, as many are under way as fill both neighbours.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown of it")]
    pub fn levels(&self) -> Vec<Level> {
        let mut full = 0_i64;
        let level = |(&begin, bin): (&i64, &Bin)| {
            full += bin.step;
            Level {
                from: Timestamp::from_nanos(begin),
                begun: bin.begun,
                mean: full as f64 + bin.partial_ns as f64 / self.every_ns as f64,
            }
        };
        self.bins.iter().map(level).collect()
    }

    /// Little's law of all; `None` where no time passed.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown of it")]
    pub fn little(&self) -> Option<Little> {
        let (first, last) = self.span?;
        let span_ns = last.since(first);
        if span_ns == 0 {
            return None;
        }
        let mean_ns = self.totals.mean();
        let per_ns = self.exchanges as f64 / span_ns as f64;
        Some(Little {
            span_ns,
            exchanges: self.exchanges,
            unfinished: self.unfinished,
            measured: self.busy_ns as f64 / span_ns as f64,
            rate: per_ns * 1e9,
            mean_ns,
            expected: per_ns * mean_ns as f64,
        })
    }

    /// The model of callers that do not wait; `None` where no connection carried two exchanges,
    /// or the pace is so much faster than the slowest answer that it means nothing.
    #[must_use]
    pub fn paced(&self) -> Option<Paced> {
        let interval_ns = self.spacings.value_at_rank(self.spacings.count().div_ceil(2))?;
        if interval_ns == 0 || self.totals.max() / interval_ns > MODELLED_MAX {
            return None;
        }
        let measured = self.totals.to_hdr();
        let model = measured.clone_correct(interval_ns);
        let percentiles = [500, 990, 999].map(|mille| {
            let q = crate::query::latency::quantile(mille);
            (mille, measured.value_at_quantile(q), model.value_at_quantile(q))
        });
        Some(Paced { interval_ns, percentiles })
    }
}

impl Collector for InFlight {
    fn takes_summary(&self, _: Timestamp, _: Timestamp) -> bool {
        false
    }

    fn summary(&mut self, _: (Timestamp, Timestamp), _: &Segment) -> Result<(), SegmentError> {
        Ok(())
    }

    fn facts(&mut self, facts: &Facts, _: &mut dyn Text) {
        self.record(facts);
    }

    fn merge(&mut self, other: &Self) {
        for (&begin, more) in &other.bins {
            if let Some(bin) = self.bin(begin) {
                bin.begun += more.begun;
                bin.partial_ns += more.partial_ns;
                bin.step += more.step;
            }
        }
        self.is_overfull |= other.is_overfull;
        self.span = match (self.span, other.span) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (one, two) => one.or(two),
        };
        self.busy_ns = self.busy_ns.saturating_add(other.busy_ns);
        self.exchanges += other.exchanges;
        self.unfinished += other.unfinished;
        self.totals.merge(&other.totals);
        self.spacings.merge(&other.spacings);
    }
}

#[cfg(test)]
#[expect(clippy::cast_possible_wrap, clippy::cast_precision_loss, reason = "small numbers")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn facts(start: i64, total_ns: u64) -> Facts {
        let mut facts = Facts { start: Timestamp::from_nanos(start), ..Facts::default() };
        facts.timing.total_ns = Some(total_ns);
        facts
    }

    fn collected(every_ns: u64, exchanges: &[(i64, u64)]) -> InFlight {
        let mut all = InFlight::new(every_ns);
        exchanges.iter().for_each(|&(start, ns)| all.record(&facts(start, ns)));
        all
    }

    #[test]
    fn levels_and_the_law_of_a_small_case() {
        // Two side by side, and one that fills two intervals.
        let all = collected(10, &[(0, 5), (0, 5), (5, 30)]);
        let levels: Vec<(i64, u64, f64)> =
            all.levels().iter().map(|one| (one.from.as_nanos(), one.begun, one.mean)).collect();
        assert_eq!(levels, [(0, 3, 1.5), (10, 0, 1.0), (30, 0, 0.5)]);
        let law = all.little().expect("time passed");
        assert_eq!((law.span_ns, law.exchanges, law.mean_ns), (35, 3, 13));
        assert!((law.measured - 40.0 / 35.0).abs() < 1e-9);
        assert!((law.expected - 3.0 * 13.0 / 35.0).abs() < 1e-9);
    }

    #[test]
    fn a_stall_hides_what_an_even_pace_would_have_met() {
        let mut all = InFlight::new(1_000_000_000);
        for n in 0..1000_u32 {
            let mut one = facts(i64::from(n) * 10_000_000, 1_000_000);
            one.index = n;
            if n == 500 {
                one.timing.total_ns = Some(1_000_000_000);
            }
            all.record(&one);
        }
        let paced = all.paced().expect("a pace");
        assert!(paced.interval_ns.abs_diff(10_000_000) < 10_000);
        let [_, (_, measured, model), _] = paced.percentiles;
        assert!(measured < 2_000_000 && model > 500_000_000, "{measured} {model}");
        assert_eq!(InFlight::new(1).paced(), None);
    }

    proptest! {
        /// The levels hold all of the time that exchanges take, against a plain count.
        #[test]
        fn levels_agree_with_a_plain_count(
            exchanges in prop::collection::vec((0_i64..200, 0_u64..100), 1..40),
            every in 1_u64..50,
            at in any::<prop::sample::Index>(),
        ) {
            let all = collected(every, &exchanges);
            for level in all.levels() {
                let from = level.from.as_nanos();
                let until = from + every as i64;
                let inside: i64 = exchanges
                    .iter()
                    .map(|&(start, ns)| (start + ns as i64).min(until) - start.max(from))
                    .filter(|&ns| ns > 0)
                    .sum();
                prop_assert!((level.mean - inside as f64 / every as f64).abs() < 1e-6);
            }
            let (one, two) = exchanges.split_at(at.index(exchanges.len()));
            let mut merged = collected(every, two);
            merged.merge(&collected(every, one));
            prop_assert_eq!(merged.levels(), all.levels());
            prop_assert_eq!(merged.little(), all.little());
            prop_assert_eq!(merged.paced(), all.paced());
        }
    }
}
