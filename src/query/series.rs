//! Percentiles over time: a row an interval, each with its confidence (`--every`).

use std::collections::{BTreeMap, HashMap};

use crate::exchange::Facts;
use crate::limits::INTERVALS_MAX;
use crate::query::group::{Keys, Values};
use crate::query::latency::{Collector, Latency, Row};
use crate::query::text::Text;
use crate::segment::{Metric, Segment, SegmentError};
use crate::time::Timestamp;

/// Collects the times of exchanges by interval and group. Intervals begin at multiples of their
/// length since the Unix epoch, so that those of two captures agree.
#[derive(Clone, Debug)]
pub struct Series {
    every_ns: u64,
    empty: Latency,
    intervals: BTreeMap<i64, Latency>,
    is_overfull: bool,
    /// The earliest and the latest start.
    span: Option<(Timestamp, Timestamp)>,
}

/// The rows of one group, one an interval, in the order of time.
#[derive(Clone, Debug, PartialEq)]
pub struct Track {
    /// The group over all of the time.
    pub whole: Row,
    /// When each interval begins, and its row; intervals without an exchange are left out.
    pub intervals: Vec<(Timestamp, Row)>,
}

impl Series {
    /// Nothing yet, by `keys`, of the phase `metric`, in intervals of `every_ns` nanoseconds.
    #[must_use]
    pub fn new(keys: Keys, metric: Metric, every_ns: u64) -> Self {
        Self {
            every_ns: every_ns.max(1),
            empty: Latency::new(keys, metric),
            intervals: BTreeMap::new(),
            is_overfull: false,
            span: None,
        }
    }

    /// What it groups by.
    #[must_use]
    pub const fn keys(&self) -> &Keys {
        self.empty.keys()
    }

    /// Which phase it is about.
    #[must_use]
    pub const fn metric(&self) -> Metric {
        self.empty.metric()
    }

    /// How long an interval is, in nanoseconds.
    #[must_use]
    pub const fn every_ns(&self) -> u64 {
        self.every_ns
    }

    /// Whether there were more than [`INTERVALS_MAX`] intervals, so that exchanges are left out.
    #[must_use]
    pub const fn is_overfull(&self) -> bool {
        self.is_overfull
    }

    /// The earliest and the latest start of its exchanges; `None` where there is none.
    #[must_use]
    pub const fn span(&self) -> Option<(Timestamp, Timestamp)> {
        self.span
    }

    fn reach(&mut self, first: Timestamp, last: Timestamp) {
        let (earliest, latest) = self.span.unwrap_or((first, last));
        self.span = Some((earliest.min(first), latest.max(last)));
    }

    /// When the interval of an instant begins.
    fn begin(&self, at: Timestamp) -> i64 {
        let every = i64::try_from(self.every_ns).unwrap_or(i64::MAX);
        at.as_nanos().saturating_sub(at.as_nanos().rem_euclid(every))
    }

    fn interval(&mut self, at: Timestamp) -> Option<&mut Latency> {
        let begin = self.begin(at);
        if self.intervals.len() >= INTERVALS_MAX && !self.intervals.contains_key(&begin) {
            self.is_overfull = true;
            return None;
        }
        Some(self.intervals.entry(begin).or_insert_with(|| self.empty.clone()))
    }

    /// Everything in one interval.
    #[must_use]
    pub fn whole(&self) -> Latency {
        let mut whole = self.empty.clone();
        self.intervals.values().for_each(|latency| whole.merge(latency));
        whole
    }

    /// The groups over time, those with the most complete exchanges first.
    #[must_use]
    pub fn tracks(&self) -> Vec<Track> {
        let mut by_values: HashMap<Values, Vec<(Timestamp, Row)>> = HashMap::new();
        for (&begin, latency) in &self.intervals {
            for row in latency.rows() {
                let place = by_values.entry(row.values.clone()).or_default();
                place.push((Timestamp::from_nanos(begin), row));
            }
        }
        let rows = self.whole().rows().into_iter();
        rows.map(|whole| {
            let intervals = by_values.remove(&whole.values).unwrap_or_default();
            Track { whole, intervals }
        })
        .collect()
    }

    /// All groups together over time.
    #[must_use]
    pub fn total(&self) -> Track {
        let row =
            |(&begin, latency): (&i64, &Latency)| (Timestamp::from_nanos(begin), latency.whole());
        Track { whole: self.whole().whole(), intervals: self.intervals.iter().map(row).collect() }
    }
}

impl Collector for Series {
    fn takes_summary(&self, first: Timestamp, last: Timestamp) -> bool {
        self.empty.takes_summaries() && self.begin(first) == self.begin(last)
    }

    fn summary(
        &mut self,
        (first, last): (Timestamp, Timestamp),
        segment: &Segment,
    ) -> Result<(), SegmentError> {
        self.reach(first, last);
        match self.interval(first) {
            Some(interval) => interval.record_segment(segment),
            None => Ok(()),
        }
    }

    fn facts(&mut self, facts: &Facts, text: &mut dyn Text) {
        self.reach(facts.start, facts.start);
        if let Some(interval) = self.interval(facts.start) {
            interval.record_facts(facts, text);
        }
    }

    fn merge(&mut self, other: &Self) {
        self.is_overfull |= other.is_overfull;
        if let Some((first, last)) = other.span {
            self.reach(first, last);
        }
        for (&begin, latency) in &other.intervals {
            if let Some(interval) = self.interval(Timestamp::from_nanos(begin)) {
                interval.merge(latency);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::exchange::{Exchange, MessageFacts};
    use crate::query::ExchangeText;

    fn exchange(start: i64, path: &str, total_ns: u64) -> Exchange {
        let mut exchange = Exchange::default();
        exchange.facts.start = Timestamp::from_nanos(start);
        exchange.facts.request = Some(MessageFacts::default());
        exchange.facts.response = Some(MessageFacts::default());
        exchange.facts.status = 200;
        exchange.facts.timing.total_ns = Some(total_ns);
        exchange.request.head = format!("GET {path} HTTP/1.1\r\n\r\n").into_bytes();
        exchange.route = path.to_owned();
        exchange
    }

    fn series(every_ns: u64, exchanges: &[Exchange]) -> Series {
        let mut series = Series::new(Keys::default(), Metric::Total, every_ns);
        for exchange in exchanges {
            series.facts(&exchange.facts, &mut ExchangeText::new(exchange));
        }
        series
    }

    #[test]
    fn intervals_begin_at_multiples_of_their_length() {
        let exchanges = [
            exchange(-1, "/a", 1),
            exchange(0, "/a", 2),
            exchange(9, "/b", 3),
            exchange(25, "/a", 4),
        ];
        let series = series(10, &exchanges);
        let tracks = series.tracks();
        let begins = |track: &Track| -> Vec<(i64, u64)> {
            track.intervals.iter().map(|(at, row)| (at.as_nanos(), row.count)).collect()
        };
        assert_eq!(begins(&tracks[0]), [(-10, 1), (0, 1), (20, 1)]);
        assert_eq!(begins(&tracks[1]), [(0, 1)]);
        assert_eq!(begins(&series.total()), [(-10, 1), (0, 2), (20, 1)]);
        assert!(series.takes_summary(Timestamp::from_nanos(20), Timestamp::from_nanos(29)));
        assert!(!series.takes_summary(Timestamp::from_nanos(19), Timestamp::from_nanos(20)));
    }

    #[test]
    fn too_many_intervals_are_told() {
        let many = i64::try_from(INTERVALS_MAX).unwrap() + 1;
        let exchanges: Vec<Exchange> = (0..many).map(|n| exchange(n, "/a", 1)).collect();
        assert!(series(1, &exchanges).is_overfull());
        assert!(!series(1, &exchanges[1..]).is_overfull());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        /// Any split merges to the same tracks, and the intervals together are the whole.
        #[test]
        fn any_split_merges_to_the_same(
            times in prop::collection::vec((0_i64..400, 0_u64..5000, any::<bool>()), 1..120),
            every in 1_u64..200,
        ) {
            let exchanges: Vec<Exchange> = times
                .iter()
                .map(|&(start, ns, b)| exchange(start, if b { "/b" } else { "/a" }, ns))
                .collect();
            let whole = series(every, &exchanges);
            let parts: Vec<bool> = times.iter().map(|&(_, ns, _)| ns % 3 == 0).collect();
            let part = |which: bool| -> Vec<Exchange> {
                let chosen = exchanges.iter().zip(&parts).filter(|&(_, &part)| part == which);
                chosen.map(|(exchange, _)| exchange.clone()).collect()
            };
            let mut merged = series(every, &part(true));
            merged.merge(&series(every, &part(false)));
            prop_assert_eq!(merged.tracks(), whole.tracks());
            let mut latency = Latency::new(Keys::default(), Metric::Total);
            exchanges.iter().for_each(|exchange| latency.record(exchange));
            prop_assert_eq!(whole.whole().rows(), latency.rows());
        }
    }
}
