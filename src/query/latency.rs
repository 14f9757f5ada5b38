//! Percentiles by group, with their confidence, and every exchange that they do not count.

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::exchange::{Exchange, Facts, State};
use crate::http::lines;
use crate::limits::GROUPS_MAX;
use crate::query::confidence::Sample;
use crate::query::group::{Key, Keys, Values};
use crate::query::text::{ExchangeText, Text};
use crate::segment::{GroupStats, Latencies, Metric, Segment, SegmentError, Summary};
use crate::time::Timestamp;

/// The percentiles that are told: name, and how many of 1000 exchanges are not slower.
pub const PERCENTILES: [(&str, u64); 4] = [("50", 500), ("90", 900), ("99", 990), ("99.9", 999)];

/// What collects exchanges for an answer, one by one or from the summaries of segments.
pub trait Collector {
    /// Whether the summary of a segment whose exchanges start between `first` and `last` can be
    /// taken instead of its exchanges.
    fn takes_summary(&self, first: Timestamp, last: Timestamp) -> bool;

    /// Adds everything that the summary of such a segment holds.
    ///
    /// # Errors
    ///
    /// Where the segment cannot be read.
    fn summary(
        &mut self,
        span: (Timestamp, Timestamp),
        segment: &Segment,
    ) -> Result<(), SegmentError>;

    /// Adds one exchange by its numbers and its text.
    fn facts(&mut self, facts: &Facts, text: &mut dyn Text);

    /// Adds everything of `other`, which was made for the same question.
    fn merge(&mut self, other: &Self);
}

impl Collector for Latency {
    fn takes_summary(&self, _: Timestamp, _: Timestamp) -> bool {
        self.takes_summaries()
    }

    fn summary(
        &mut self,
        _: (Timestamp, Timestamp),
        segment: &Segment,
    ) -> Result<(), SegmentError> {
        self.record_segment(segment)
    }

    fn facts(&mut self, facts: &Facts, text: &mut dyn Text) {
        self.record_facts(facts, text);
    }

    fn merge(&mut self, other: &Self) {
        Self::merge(self, other);
    }
}

/// Collects the times of exchanges by group. The answer depends on neither the order of recording
/// nor on how the exchanges were spread over segments.
#[derive(Clone, Debug)]
pub struct Latency {
    keys: Keys,
    metric: Metric,
    /// Whether the keys are those of summaries, so that all is in `summary` and not in `groups`.
    is_summarised: bool,
    groups: Groups<Tally>,
    summary: Summary,
    encoded: Vec<u8>,
}

impl Latency {
    /// Nothing yet, by `keys`, of the phase `metric`.
    #[must_use]
    pub fn new(keys: Keys, metric: Metric) -> Self {
        Self {
            is_summarised: keys.are_summarised(),
            keys,
            metric,
            groups: Groups::default(),
            summary: Summary::default(),
            encoded: Vec::new(),
        }
    }

    /// What it groups by.
    #[must_use]
    pub const fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Which phase it is about.
    #[must_use]
    pub const fn metric(&self) -> Metric {
        self.metric
    }

    /// Whether the summaries of segments can be taken instead of their exchanges.
    #[must_use]
    pub const fn takes_summaries(&self) -> bool {
        self.is_summarised
    }

    /// Adds one exchange.
    pub fn record(&mut self, exchange: &Exchange) {
        if self.takes_summaries() {
            let method = lines::method(&exchange.request.head);
            self.summary.record_metric(&exchange.facts, method, &exchange.route, self.metric);
        } else {
            self.record_facts(&exchange.facts, &mut ExchangeText::new(exchange));
        }
    }

    /// Adds one exchange by its numbers and its text.
    pub fn record_facts(&mut self, facts: &Facts, text: &mut dyn Text) {
        if self.takes_summaries() {
            // Through a summary also here, so that a capture read on the spot gives the answer
            // that its segments give, even where there are more groups than are kept.
            let (method, route) = text.method_and_route();
            self.summary.record_metric(facts, method, route, self.metric);
        } else {
            self.keys.encode(facts, text, &mut self.encoded);
            self.groups.place(&self.encoded).record(facts, self.metric);
        }
    }

    /// Adds everything that a segment's summary holds. Only where [`Latency::takes_summaries`]
    /// says so; by other keys a summary counts as one group without values.
    pub fn record_summary(&mut self, summary: &Summary) {
        self.summary.merge(summary);
    }

    /// Adds everything that a segment's summary says of the metric, as
    /// [`Latency::record_summary`] does.
    ///
    /// # Errors
    ///
    /// Where the segment cannot be read.
    pub fn record_segment(&mut self, segment: &Segment) -> Result<(), SegmentError> {
        segment.add_summary(self.metric, &mut self.summary)
    }

    /// Adds everything of `other`, which has the same keys and the same metric.
    pub fn merge(&mut self, other: &Self) {
        self.summary.merge(&other.summary);
        self.groups.merge(&other.groups);
    }

    /// The groups, those with the most complete exchanges first, ties by their values.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        let groups = self.all_groups();
        let mut found: Vec<(Values, Box<Tally>)> = groups
            .kept
            .into_iter()
            .map(|(encoded, tally)| (Keys::values(&encoded), tally))
            .collect();
        if let Some(other) = groups.other {
            let other_values = vec![Some(b"{other}".to_vec()); self.keys.as_slice().len()];
            found.push((other_values, other));
        }
        found.sort_by(|(values, tally), (other_values, other)| {
            let counts = other.latencies.count().cmp(&tally.latencies.count());
            counts.then_with(|| values.cmp(other_values))
        });
        let strangers = self.strangers(&found);
        let rows = found.into_iter().zip(strangers);
        rows.map(|((values, tally), strangers)| Row::new(values, *tally, strangers)).collect()
    }

    /// Everything as one group without values.
    #[must_use]
    pub fn whole(&self) -> Row {
        let mut whole = Tally::default();
        self.groups.kept.values().chain(&self.groups.other).for_each(|tally| whole.merge(tally));
        self.summary.stats().for_each(|(_, stats)| whole.add_stats(stats, self.metric));
        Row::new(Vec::new(), whole, 0)
    }

    /// The groups recorded one by one, and those of the summary.
    fn all_groups(&self) -> Groups<Tally> {
        let mut groups = self.groups.clone();
        let mut encoded = Vec::new();
        for (key, stats) in self.summary.stats() {
            let tally = match key {
                Some(key) => {
                    self.keys.encode_summarised(key, &mut encoded);
                    groups.place(&encoded)
                }
                None => groups.other.get_or_insert_default(),
            };
            tally.add_stats(stats, self.metric);
        }
        groups
    }

    /// Per row: exchanges counted in other rows that may belong to it. The route of an orphan is
    /// unknown, so it may be of any; so is the status of an exchange without a response, and both
    /// of one of which nothing was seen.
    fn strangers(&self, rows: &[(Values, Box<Tally>)]) -> Vec<u64> {
        let keys = self.keys.as_slice();
        let orphans: Vec<bool> = keys.iter().map(Key::is_of_request).collect();
        let censored: Vec<bool> = keys.iter().map(Key::is_of_response).collect();
        let neither: Vec<bool> =
            orphans.iter().zip(&censored).map(|(one, other)| *one || *other).collect();
        let mut strangers = vec![0_u64; rows.len()];
        for (from, (values, tally)) in rows.iter().enumerate() {
            let mut unseen = Values::new();
            if tally.missing_before > 0 {
                let seen = values
                    .iter()
                    .zip(&neither)
                    .map(|(value, is_unseen)| value.as_ref().filter(|_| !is_unseen).cloned());
                unseen.extend(seen);
            }
            let kinds = [
                (values, &orphans, tally.orphans),
                (values, &censored, tally.unanswered + tally.open),
                (&unseen, &neither, tally.missing_before),
            ];
            for (values, unknown, count) in kinds.into_iter().filter(|(.., count)| *count > 0) {
                for (to, (others, _)) in rows.iter().enumerate().filter(|(to, _)| *to != from) {
                    if let Some(place) = strangers.get_mut(to)
                        && may_be(values, others, unknown)
                    {
                        *place = place.saturating_add(count);
                    }
                }
            }
        }
        strangers
    }
}

/// Whether an exchange with `values` may in truth have `others`, where a missing value of the
/// `unknown` keys stands for any.
fn may_be(values: &Values, others: &Values, unknown: &[bool]) -> bool {
    values
        .iter()
        .zip(others)
        .zip(unknown)
        .all(|((value, other), &unknown)| value == other || (unknown && value.is_none()))
}

/// The groups, at most [`GROUPS_MAX`]: beyond it those that come last (longest values first) go
/// to `other`. The first ones of a whole are among the first ones of every part of it, so that
/// neither the order of recording nor that of merging matters.
#[derive(Clone, Debug, Default)]
pub(crate) struct Groups<T> {
    pub(crate) kept: HashMap<Vec<u8>, Box<T>, RandomState>,
    /// The last key of `kept` where that is full.
    last: Option<Vec<u8>>,
    pub(crate) other: Option<Box<T>>,
}

/// What can take another of its kind in.
pub(crate) trait Merge {
    /// Adds everything of `other`.
    fn merge(&mut self, other: &Self);
}

impl<T: Merge + Default> Groups<T> {
    pub(crate) fn merge(&mut self, other: &Self) {
        for (encoded, tally) in &other.kept {
            self.place(encoded).merge(tally);
        }
        if let Some(tally) = &other.other {
            self.other.get_or_insert_default().merge(tally);
        }
    }

    pub(crate) fn place(&mut self, key: &[u8]) -> &mut T {
        if self.kept.len() >= GROUPS_MAX && !self.kept.contains_key(key) {
            let order = |key: &[u8]| (key.len(), key.to_vec());
            let last = self.last.take();
            let last = last.or_else(|| self.kept.keys().max_by_key(|key| order(key)).cloned());
            if let Some(last) = last {
                if order(key) > order(&last) {
                    self.last = Some(last);
                    return self.other.get_or_insert_default();
                }
                if let Some(evicted) = self.kept.remove(&last) {
                    self.other.get_or_insert_default().merge(&evicted);
                }
            }
        }
        self.kept.entry_ref(key).or_default()
    }
}

/// The counts and times of one group.
#[derive(Clone, Debug, Default)]
struct Tally {
    errors: u64,
    unanswered: u64,
    open: u64,
    truncated: u64,
    suspect: u64,
    orphans: u64,
    missing_before: u64,
    latencies: Latencies,
}

impl Tally {
    fn record(&mut self, facts: &Facts, metric: Metric) {
        self.errors += u64::from(facts.status >= 500);
        self.missing_before += u64::from(facts.evidence.missing_before);
        match facts.state {
            State::Complete => {
                self.suspect += u64::from(facts.anomalies.is_suspect());
                if let Some(ns) = metric.of(&facts.timing) {
                    self.latencies.record(ns);
                }
            }
            State::Truncated => self.truncated += 1,
            State::Unanswered => self.unanswered += 1,
            State::Open => self.open += 1,
            State::Orphan => self.orphans += 1,
        }
    }

    fn add_stats(&mut self, stats: &GroupStats, metric: Metric) {
        self.errors += stats.errors;
        self.unanswered += stats.state(State::Unanswered);
        self.open += stats.state(State::Open);
        self.truncated += stats.state(State::Truncated);
        self.suspect += stats.suspect;
        self.orphans += stats.state(State::Orphan);
        self.missing_before += stats.missing_before;
        self.latencies.merge(stats.latencies(metric));
    }
}

impl Merge for Tally {
    fn merge(&mut self, other: &Self) {
        self.errors += other.errors;
        self.unanswered += other.unanswered;
        self.open += other.open;
        self.truncated += other.truncated;
        self.suspect += other.suspect;
        self.orphans += other.orphans;
        self.missing_before += other.missing_before;
        self.latencies.merge(&other.latencies);
    }
}

/// One group: its counts, its times, and how far they can be trusted.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// One value a key, in the order of the keys; `{other}` where groups were too many.
    pub values: Values,
    /// Complete exchanges that have the metric: all of them, except that only the first exchange
    /// of a connection has `connect`. The percentiles count these.
    pub count: u64,
    /// Exchanges of any state with a status of 500 or more.
    pub errors: u64,
    /// Exchanges whose connection ended before a response began.
    pub unanswered: u64,
    /// Exchanges that the capture's end cut off.
    pub open: u64,
    /// Exchanges of which a message did not end.
    pub truncated: u64,
    /// Of the complete ones: those that a gap touched.
    pub suspect: u64,
    /// Responses of this group whose requests were never seen.
    pub orphans: u64,
    /// Exchanges that are proven to have been, of this group or possibly of it, whose times were
    /// not seen: its orphans; orphans, unanswered and open exchanges of other groups, where the
    /// part that would tell their group was not seen; and those of which neither message was
    /// seen, but a gap that begins where a request ends.
    pub missing: u64,
    /// The smallest time, exact; `None` where `count` is 0.
    pub min_ns: Option<u64>,
    /// The mean, exact, rounded down; `None` where `count` is 0.
    pub mean_ns: Option<u64>,
    /// The largest time, exact; `None` where `count` is 0.
    pub max_ns: Option<u64>,
    /// In the order of [`PERCENTILES`].
    pub percentiles: [Percentile; PERCENTILES.len()],
    /// The times themselves.
    pub latencies: Latencies,
}

/// A percentile and its 95 % interval, exact to three significant digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Percentile {
    /// The time of rank `ceil(q * count)`; `None` where there is no complete exchange.
    pub ns: Option<u64>,
    /// The lower end: 0 where the sample holds nothing else against it; `None` like `ns`.
    pub low_ns: Option<u64>,
    /// The upper end; `None` where it is open.
    pub high_ns: Option<u64>,
}

impl Row {
    fn new(values: Values, tally: Tally, strangers: u64) -> Self {
        let Tally {
            errors,
            unanswered,
            open,
            truncated,
            suspect,
            orphans,
            missing_before,
            latencies,
        } = tally;
        let count = latencies.count();
        let some = |ns: u64| (count > 0).then_some(ns);
        let mut row = Self {
            values,
            count,
            errors,
            unanswered,
            open,
            truncated,
            suspect: suspect.min(count),
            orphans,
            missing: orphans.saturating_add(missing_before).saturating_add(strangers),
            min_ns: some(latencies.min()),
            mean_ns: some(latencies.mean()),
            max_ns: some(latencies.max()),
            percentiles: [Percentile::default(); PERCENTILES.len()],
            latencies,
        };
        row.percentiles = percentiles(&row.latencies, row.sample());
        row
    }

    /// How many of its exchanges were seen how far.
    #[must_use]
    pub const fn sample(&self) -> Sample {
        Sample {
            complete: self.count,
            suspect: self.suspect,
            censored: self.unanswered.saturating_add(self.open),
            truncated: self.truncated,
            missing: self.missing,
        }
    }

    /// How many exchanges of any state.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.count
            .saturating_add(self.unanswered)
            .saturating_add(self.open)
            .saturating_add(self.truncated)
            .saturating_add(self.orphans)
    }
}

fn percentiles(latencies: &Latencies, sample: Sample) -> [Percentile; PERCENTILES.len()] {
    let mut below = 0_u64;
    let buckets: Vec<(u64, u64, u64)> = latencies
        .buckets()
        .map(|(lowest, highest, samples)| {
            below = below.saturating_add(samples);
            (below, lowest, highest)
        })
        .collect();
    // The first bucket that reaches the rank holds it.
    let at = |rank: u64| {
        let position = buckets.partition_point(|&(reached, ..)| reached < rank);
        buckets.get(position).map(|&(_, lowest, highest)| {
            (lowest.max(latencies.min()), highest.min(latencies.max()))
        })
    };
    PERCENTILES.map(|(_, mille)| {
        if sample.complete == 0 {
            return Percentile::default();
        }
        let rank = u128::from(sample.complete) * u128::from(mille);
        let rank = u64::try_from(rank.div_ceil(1000)).unwrap_or(u64::MAX);
        let ranks = sample.ranks(quantile(mille));
        Percentile {
            ns: at(rank).map(|(_, highest)| highest),
            low_ns: Some(ranks.low.and_then(at).map_or(0, |(lowest, _)| lowest)),
            high_ns: ranks.high.and_then(at).map(|(_, highest)| highest),
        }
    })
}

/// The quantile, between 0 and 1, of so many of 1000.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "at most 1000")]
pub fn quantile(mille: u64) -> f64 {
    mille as f64 / 1000.0
}

#[cfg(test)]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "small numbers"
)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::anomaly::Anomaly;
    use crate::exchange::{MessageFacts, Timing};

    fn exchange(path: &str, status: u16, total_ns: u64) -> Exchange {
        let mut exchange = Exchange::default();
        exchange.facts.request = Some(MessageFacts::default());
        exchange.facts.response = Some(MessageFacts::default());
        exchange.facts.status = status;
        exchange.facts.timing = Timing { total_ns: Some(total_ns), ..Timing::default() };
        exchange.request.head = format!("GET {path} HTTP/1.1\r\n\r\n").into_bytes();
        exchange.route = path.to_owned();
        exchange
    }

    fn unseen(path: &str, state: State) -> Exchange {
        let mut exchange = exchange(path, 0, 0);
        exchange.facts.state = state;
        exchange.facts.timing = Timing::default();
        exchange.facts.response = None;
        if state == State::Orphan {
            exchange.facts.response = exchange.facts.request.take();
            exchange.facts.status = 200;
            exchange.request.head.clear();
            exchange.route.clear();
        }
        exchange
    }

    fn latency(by: &str, exchanges: &[Exchange]) -> Latency {
        let mut latency = Latency::new(Keys::parse(by).expect("keys"), Metric::Total);
        for exchange in exchanges {
            latency.record(exchange);
        }
        latency
    }

    fn name(row: &Row) -> String {
        let text = |value: &Option<Vec<u8>>| {
            value.as_ref().map_or("-".into(), |v| String::from_utf8_lossy(v).into_owned())
        };
        row.values.iter().map(text).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn groups_come_by_count_and_then_by_value() {
        let exchanges = [
            exchange("/b", 200, 5),
            exchange("/a", 200, 7),
            exchange("/c", 500, 9),
            exchange("/c", 200, 11),
            unseen("/z", State::Open),
        ];
        let rows = latency("route", &exchanges).rows();
        let names: Vec<String> = rows.iter().map(name).collect();
        assert_eq!(names, ["GET /c", "GET /a", "GET /b", "GET /z"]);
        assert_eq!((rows[0].count, rows[0].errors), (2, 1));
        assert_eq!(
            (rows[0].min_ns, rows[0].mean_ns, rows[0].max_ns),
            (Some(9), Some(10), Some(11))
        );
        assert_eq!((rows[3].count, rows[3].open, rows[3].min_ns), (0, 1, None));
        assert_eq!(rows[3].percentiles, [Percentile::default(); 4]);
        // The path is no key of summaries: the same answer comes from the other table.
        let by_path: Vec<String> = latency("path", &exchanges)
            .rows()
            .iter()
            .map(|row| format!("GET {}", name(row)))
            .collect();
        assert_eq!(by_path, names);
    }

    #[test]
    fn nothing_lost_leaves_the_sampling_interval() {
        let exchanges: Vec<Exchange> =
            (1..=100).map(|n| exchange("/", 200, n * 1_000_000)).collect();
        let [median, p90, p99, _] = latency("route", &exchanges).rows()[0].percentiles;
        let near = |found: Option<u64>, millis: u64| {
            found.expect("a value").abs_diff(millis * 1_000_000) <= millis * 1_000
        };
        assert!(near(median.ns, 50) && near(median.low_ns, 40) && near(median.high_ns, 61));
        assert!(near(p90.ns, 90) && near(p90.low_ns, 84) && near(p90.high_ns, 96), "{p90:?}");
        assert!(near(p99.ns, 99) && p99.high_ns.is_none());
    }

    #[test]
    fn what_was_not_seen_widens_the_groups_that_it_may_belong_to() {
        let many = |path: &'static str| (1..=100).map(move |n| exchange(path, 200, n));
        let mut exchanges: Vec<Exchange> = many("/a").chain(many("/b")).collect();
        let missing = |by: &str, exchanges: &[Exchange]| -> Vec<(String, u64)> {
            latency(by, exchanges).rows().iter().map(|row| (name(row), row.missing)).collect()
        };
        exchanges.push(unseen("", State::Orphan));
        let all = |names: &[(&str, u64)]| -> Vec<(String, u64)> {
            names.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
        };
        assert_eq!(missing("route", &exchanges), all(&[("GET /a", 1), ("GET /b", 1), ("-", 1)]));
        assert_eq!(missing("status", &exchanges), all(&[("200", 1)]));
        exchanges.push(unseen("/a", State::Open));
        assert_eq!(missing("route", &exchanges), all(&[("GET /a", 1), ("GET /b", 1), ("-", 1)]));
        assert_eq!(
            missing("path,status", &exchanges),
            all(&[("/a|200", 2), ("/b|200", 1), ("-|200", 1), ("/a|-", 0)])
        );
        // Two exchanges of unknown length move the ends of the median of /a by two ranks.
        let row = &latency("path,status", &exchanges).rows()[0];
        assert_eq!(row.percentiles[0].low_ns, Some(39));
        assert_eq!(row.percentiles[0].high_ns, Some(62));
        exchanges.iter_mut().take(3).for_each(|exchange| {
            exchange.facts.anomalies.add(Anomaly::GapInResponse);
        });
        let row = &latency("path,status", &exchanges).rows()[0];
        assert_eq!(row.suspect, 3);
        assert_eq!(row.percentiles[0].low_ns, Some(36));
        assert_eq!(row.percentiles[0].high_ns, Some(65));
    }

    #[test]
    fn too_many_groups_end_in_other_whatever_the_order() {
        let mut exchanges: Vec<Exchange> =
            (0..1500).map(|n| exchange(&format!("/{n}"), 200, n)).collect();
        let rows = latency("path", &exchanges).rows();
        assert_eq!(rows.len(), GROUPS_MAX + 1);
        assert_eq!((name(&rows[0]), rows[0].count), ("{other}".to_owned(), 500));
        exchanges.reverse();
        assert_eq!(latency("path", &exchanges).rows(), rows);
    }

    /// Exchanges of every state on a few routes.
    fn any_exchanges() -> impl Strategy<Value = Vec<Exchange>> {
        let path = prop::sample::select(vec!["/a", "/b", "/c/{int}"]);
        let one = (path, prop::sample::select(vec![200, 404, 500]), 0..3_000_000_u64, 0..9_usize);
        let one = one.prop_map(|(path, status, ns, state)| match State::ALL.get(state) {
            Some(State::Complete) | None => exchange(path, status, ns),
            Some(&state) => unseen(path, state),
        });
        prop::collection::vec(one, 1..200)
    }

    proptest! {
            #[test]
            fn percentiles_are_those_of_the_sorted_times(
                mut times in prop::collection::vec(0..5_000_000_000_u64, 1..400),
            ) {
                let exchanges: Vec<Exchange> =
                    times.iter().map(|&ns| exchange("/", 200, ns)).collect();
                let row = latency("route", &exchanges).rows().remove(0);
                times.sort_unstable();
                for ((_, mille), percentile) in PERCENTILES.iter().zip(row.percentiles) {
                    let rank = (times.len() * *mille as usize).div_ceil(1000);
                    let exact = times[rank - 1];
                    let found = percentile.ns.expect("a value");
                    prop_assert!(found >= exact && found - exact <= exact / 1000);
                    prop_assert!(percentile.low_ns.expect("a value") <= exact);
                    prop_assert!(percentile.high_ns.is_none_or(|high| high >= exact));
                    let ranks = row.sample().ranks(quantile(*mille));
                    if let Some(low) = ranks.low {
                        prop_assert!(percentile.low_ns.expect("a value") <= times[low as usize - 1]);
                    }
                    if let Some(high) = ranks.high {
                        prop_assert!(percentile.high_ns.expect("closed") >= times[high as usize - 1]);
                    }
                }
            }

            #[test]
            fn any_split_gives_the_same_rows_from_exchanges_and_from_summaries(
                exchanges in any_exchanges(),
                at in 0.0..1.0_f64,
                by in prop::sample::select(vec!["route", "server,class", "method", "status,path"]),
            ) {
                let whole = latency(by, &exchanges);
                let (one, two) = exchanges.split_at((exchanges.len() as f64 * at) as usize);
                let mut merged = latency(by, two);
                merged.merge(&latency(by, one));
                prop_assert_eq!(merged.rows(), whole.rows());
                prop_assert_eq!(whole.whole().total(), exchanges.len() as u64);
                let total: u64 = whole.rows().iter().map(Row::total).sum();
                prop_assert_eq!(total, exchanges.len() as u64);
                if whole.takes_summaries() {
                    let mut from_summaries = latency(by, &[]);
                    for part in [two, one] {
                        let mut summary = Summary::default();
                        for exchange in part {
     summary.record(exchange);
    }
                        from_summaries.record_summary(&summary);
                    }
                    prop_assert_eq!(from_summaries.rows(), whole.rows());
                }
            }
        }
}
