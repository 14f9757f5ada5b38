//! Two captures compared group by group: counts, errors, times and sizes, with a verdict where
//! one is justified.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;

use crate::exchange::{Facts, State};
use crate::limits::GROUPS_MAX;
use crate::query::compare::statistic::float;
use crate::query::compare::verdict::{self, Finding, Side, Test};
use crate::query::group::{Keys, Values};
use crate::query::latency::{Latency, PERCENTILES, Percentile, Row};
use crate::query::text::Text;
use crate::segment::{Latencies, Metric};

/// The exchanges of one capture by group: their times, errors and sizes.
#[derive(Clone, Debug)]
pub struct Recording {
    latency: Latency,
    sizes: HashMap<Vec<u8>, Latencies, RandomState>,
    encoded: Vec<u8>,
}

impl Recording {
    /// Nothing yet, by `keys`, of the phase `metric`.
    #[must_use]
    pub fn new(keys: Keys, metric: Metric) -> Self {
        Self { latency: Latency::new(keys, metric), sizes: HashMap::default(), encoded: Vec::new() }
    }

    /// Adds one exchange. The sizes of at most [`GROUPS_MAX`] groups are kept.
    pub fn record(&mut self, facts: &Facts, text: &mut dyn Text) {
        self.latency.record_facts(facts, text);
        let Some(response) = facts.response.filter(|_| facts.state == State::Complete) else {
            return;
        };
        self.latency.keys().encode(facts, text, &mut self.encoded);
        if let Some(sizes) = self.sizes.get_mut(&self.encoded) {
            sizes.record(response.body_bytes);
        } else if self.sizes.len() < GROUPS_MAX {
            self.sizes.entry(self.encoded.clone()).or_default().record(response.body_bytes);
        }
    }

    /// What it groups by.
    #[must_use]
    pub const fn keys(&self) -> &Keys {
        self.latency.keys()
    }

    /// Which phase it is about.
    #[must_use]
    pub const fn metric(&self) -> Metric {
        self.latency.metric()
    }
}

/// A quantity that is told before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// Complete exchanges.
    Count,
    /// The share of statuses of 500 or more.
    Errors,
    /// The median time.
    P50,
    /// The ninetieth percentile of the times.
    P90,
    /// The ninety-ninth percentile of the times.
    P99,
    /// The mean time.
    Mean,
    /// The median size of a response body.
    Size,
}

impl Quantity {
    /// Those that can be checked, in the order in which they are listed.
    pub const ALL: [Self; 7] =
        [Self::Count, Self::Errors, Self::P50, Self::P90, Self::P99, Self::Mean, Self::Size];

    /// Its name in checks and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Errors => "errors",
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P99 => "p99",
            Self::Mean => "mean",
            Self::Size => "size",
        }
    }

    /// The tests that can justify saying that it changed, the closest first.
    const fn tests(self) -> &'static [Test] {
        match self {
            Self::Count => &[],
            Self::Errors => &[Test::Errors],
            Self::P50 => &[Test::P50, Test::Whole],
            Self::P90 => &[Test::P90, Test::Whole],
            Self::P99 => &[Test::P99, Test::Tail, Test::Whole],
            Self::Mean => &[Test::Whole, Test::Tail],
            Self::Size => &[Test::Sizes],
        }
    }
}

/// A quantity before and after, and its change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// Nanoseconds, bytes or exchanges; of errors the share in percent.
    pub before: f64,
    /// The same after.
    pub after: f64,
    /// In percent of `before`; of errors, in percentage points. Infinite where it was nothing.
    pub percent: f64,
    /// The 95 % interval of `percent`, where there is one: its lower end, and its upper end,
    /// which is `None` where it is open.
    pub interval: Option<(f64, Option<f64>)>,
}

/// One group before and after.
#[derive(Clone, Debug)]
pub struct Contrast {
    /// One value a key.
    pub values: Values,
    /// Its row before; `None` where it is new.
    pub before: Option<Row>,
    /// Its row after; `None` where it is gone.
    pub after: Option<Row>,
    /// Sizes of the response bodies of its complete exchanges, before and after.
    pub sizes: [Latencies; 2],
    /// What differs by more than chance, certain or not.
    pub findings: Vec<Finding>,
}

/// Compares two recordings, which have the same keys and the same metric: the groups with a
/// verdict first, then those with the most exchanges, ties by their values.
#[must_use]
pub fn contrasts(before: &Recording, after: &Recording) -> Vec<Contrast> {
    let mut paired: BTreeMap<Values, (Option<Row>, Option<Row>)> = BTreeMap::new();
    for row in before.latency.rows() {
        let values = row.values.clone();
        paired.entry(values).or_default().0 = Some(row);
    }
    for row in after.latency.rows() {
        let values = row.values.clone();
        paired.entry(values).or_default().1 = Some(row);
    }
    let sizes = |recording: &Recording| -> HashMap<Values, Latencies> {
        let decoded = recording.sizes.iter();
        decoded.map(|(encoded, sizes)| (Keys::values(encoded), sizes.clone())).collect()
    };
    let (mut sizes_before, mut sizes_after) = (sizes(before), sizes(after));
    let mut contrasts: Vec<Contrast> = paired
        .into_iter()
        .map(|(values, (before, after))| Contrast {
            sizes: [&mut sizes_before, &mut sizes_after]
                .map(|sizes| sizes.remove(&values).unwrap_or_default()),
            values,
            before,
            after,
            findings: Vec::new(),
        })
        .collect();
    judge(&mut contrasts);
    contrasts.sort_by(|one, two| {
        let order = |contrast: &Contrast| {
            let count = |row: &Option<Row>| row.as_ref().map_or(0, Row::total);
            (contrast.verdicts().next().is_some(), count(&contrast.before) + count(&contrast.after))
        };
        order(two).cmp(&order(one)).then_with(|| one.values.cmp(&two.values))
    });
    contrasts
}

/// Tests all groups that both sides hold.
fn judge(contrasts: &mut [Contrast]) {
    let mut tested = Vec::new();
    let mut sides = Vec::new();
    for contrast in contrasts {
        if let (Some(before), Some(after)) = (&contrast.before, &contrast.after) {
            let [sizes_before, sizes_after] = &contrast.sizes;
            sides.push((Side::new(before, sizes_before), Side::new(after, sizes_after)));
            tested.push(&mut contrast.findings);
        }
    }
    for (place, findings) in tested.into_iter().zip(verdict::judge(&sides)) {
        *place = findings;
    }
}

impl Contrast {
    /// The findings that stand whatever was not seen.
    pub fn verdicts(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.is_certain)
    }

    /// The findings that fall if what was not seen whole speaks against them.
    pub fn withheld(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| !finding.is_certain)
    }

    /// Whether a verdict says that this quantity changed, and in the direction in which it did.
    #[must_use]
    pub fn has_moved(&self, quantity: Quantity) -> bool {
        let Some(change) = self.change(quantity) else { return false };
        let tests = quantity.tests();
        let verdict = tests.iter().find_map(|test| self.verdicts().find(|one| one.test == *test));
        let rose = change.after > change.before;
        let fell = change.after < change.before;
        verdict.is_some_and(|verdict| if verdict.is_up { rose } else { fell })
    }

    /// A quantity before and after; `None` where a side has none.
    #[must_use]
    pub fn change(&self, quantity: Quantity) -> Option<Change> {
        if quantity == Quantity::Count {
            let count = |row: &Option<Row>| row.as_ref().map_or(0.0, |row| float(row.count));
            return Some(Change::relative(count(&self.before), count(&self.after), None));
        }
        let (before, after) = (self.before.as_ref()?, self.after.as_ref()?);
        match quantity {
            Quantity::Errors => Some(errors(before, after)),
            Quantity::Mean => {
                Some(Change::relative(float(before.mean_ns?), float(after.mean_ns?), None))
            }
            Quantity::Size => {
                let [one, two] = self.sizes.each_ref().map(median);
                Some(Change::relative(float(one?), float(two?), None))
            }
            Quantity::P50 => percentile(before, after, "50"),
            Quantity::P90 => percentile(before, after, "90"),
            Quantity::P99 => percentile(before, after, "99"),
            Quantity::Count => None,
        }
    }
}

fn median(sizes: &Latencies) -> Option<u64> {
    sizes.value_at_rank(sizes.count().div_ceil(2))
}

impl Change {
    fn relative(before: f64, after: f64, interval: Option<(f64, Option<f64>)>) -> Self {
        let moved = after - before;
        let percent = if moved.abs() > 0.0 { moved / before * 100.0 } else { 0.0 };
        Self { before, after, percent, interval }
    }
}

/// The percentile of that name in a row.
#[must_use]
pub fn percentile_of<'r>(row: &'r Row, name: &str) -> Option<&'r Percentile> {
    let position = PERCENTILES.iter().position(|(known, _)| *known == name)?;
    row.percentiles.get(position)
}

/// The change of a percentile. Its interval combines those of both sides as Zou and Donner do
/// (*Statistics in Medicine* 27, 2008), on the logarithms, because it is a ratio.
fn percentile(before: &Row, after: &Row, name: &str) -> Option<Change> {
    let (before, after) = (percentile_of(before, name)?, percentile_of(after, name)?);
    let (one, two) = (float(before.ns?), float(after.ns?));
    let ends = |percentile: &Percentile| {
        (float(percentile.low_ns.unwrap_or(0)), percentile.high_ns.map_or(f64::INFINITY, float))
    };
    let ((one_low, one_high), (two_low, two_high)) = (ends(before), ends(after));
    let away = |from: f64, to: f64| (to / from).ln();
    let percent = |log: f64| (log.exp() - 1.0) * 100.0;
    let ratio = away(one, two);
    let low = percent(ratio - away(two_low, two).hypot(away(one, one_high)));
    let high = percent(ratio + away(two, two_high).hypot(away(one_low, one)));
    let interval = (one > 0.0 && two > 0.0)
        .then(|| (low.max(-100.0), Some(high).filter(|high| high.is_finite())));
    Some(Change::relative(one, two, interval))
}

/// The change of the share of errors, in percentage points, with the interval of Newcombe
/// (*Statistics in Medicine* 17, 1998, method 10), made of the score intervals of both sides.
fn errors(before: &Row, after: &Row) -> Change {
    let (one, one_low, one_high) = score(before.errors, before.total());
    let (two, two_low, two_high) = score(after.errors, after.total());
    let low = (two - one) - (two - two_low).hypot(one_high - one);
    let high = (two - one) + (two_high - two).hypot(one - one_low);
    Change { before: one, after: two, percent: two - one, interval: Some((low, Some(high))) }
}

/// A share in percent and its 95 % score interval (Wilson, 1927).
fn score(part: u64, whole: u64) -> (f64, f64, f64) {
    const Z: f64 = 1.959_964;
    if whole == 0 {
        return (0.0, 0.0, 100.0);
    }
    let (share, whole) = (float(part) / float(whole), float(whole));
    let middle = share + Z * Z / (2.0 * whole);
    let reach = Z * (share * (1.0 - share) / whole + Z * Z / (4.0 * whole * whole)).sqrt();
    let scale = 100.0 / (1.0 + Z * Z / whole);
    let (low, high) = ((middle - reach) * scale, (middle + reach) * scale);
    let share = share * 100.0;
    (share, low.clamp(0.0, share), high.clamp(share, 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{Exchange, MessageFacts, Timing};
    use crate::query::text::ExchangeText;

    fn add(recording: &mut Recording, path: &str, status: u16, total_ns: u64) {
        let mut exchange = Exchange::default();
        exchange.facts.request = Some(MessageFacts::default());
        exchange.facts.response =
            Some(MessageFacts { body_bytes: total_ns / 1000, ..MessageFacts::default() });
        exchange.facts.status = status;
        exchange.facts.timing = Timing { total_ns: Some(total_ns), ..Timing::default() };
        exchange.request.head = format!("GET {path} HTTP/1.1\r\n\r\n").into_bytes();
        exchange.route = path.to_owned();
        recording.record(&exchange.facts.clone(), &mut ExchangeText::new(&exchange));
    }

    fn recordings() -> (Recording, Recording) {
        let new = || Recording::new(Keys::default(), Metric::Total);
        let (mut before, mut after) = (new(), new());
        for n in 0..1000_u64 {
            let ns = 1_000_000 + (n * 7919 % 1000) * 1000;
            add(&mut before, "/same", 200, ns);
            add(&mut after, "/same", 200, ns);
            add(&mut before, "/slow", 200, ns);
            add(&mut after, "/slow", if n < 100 { 500 } else { 200 }, ns * 2);
        }
        add(&mut before, "/gone", 200, 1);
        add(&mut after, "/new", 200, 1);
        (before, after)
    }

    #[test]
    fn what_moved_is_told_first_and_what_did_not_is_no_verdict() {
        let (before, after) = recordings();
        let contrasts = contrasts(&before, &after);
        let routes: Vec<String> = contrasts
            .iter()
            .map(|one| String::from_utf8(one.values[0].clone().expect("a route")).expect("text"))
            .collect();
        assert_eq!(routes, ["GET /slow", "GET /same", "GET /gone", "GET /new"]);
        let (slow, same, gone) = (&contrasts[0], &contrasts[1], &contrasts[2]);
        for quantity in Quantity::ALL {
            assert_eq!(slow.has_moved(quantity), quantity != Quantity::Count, "{quantity:?}");
            assert!(!same.has_moved(quantity), "{quantity:?}");
        }
        let p50 = slow.change(Quantity::P50).expect("times");
        assert!((p50.percent - 100.0).abs() < 1.0, "{p50:?}");
        let (low, high) = p50.interval.expect("an interval");
        assert!(low > 80.0 && low < 100.0 && high.expect("closed") < 120.0, "{p50:?}");
        let errors = slow.change(Quantity::Errors).expect("shares");
        assert!((errors.percent - 10.0).abs() < 1e-9);
        // Newcombe's method 10 by hand: [8.24, 12.01].
        let (low, high) = errors.interval.expect("an interval");
        assert!((low - 8.24).abs() < 0.02 && (high.expect("closed") - 12.01).abs() < 0.02);
        assert!(gone.after.is_none() && gone.change(Quantity::P99).is_none());
        assert!(gone.findings.is_empty());
    }
}
