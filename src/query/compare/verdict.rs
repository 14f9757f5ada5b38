//! Which differences of the groups of two captures are more than chance.
//!
//! Every group that both captures hold is tested for its times, errors, unanswered requests and
//! sizes. All tests of all groups are held together: the chance that any verdict of a whole
//! comparison is false is at most [`LEVEL`], whatever the number of groups. Exchanges are taken
//! as independent of each other, as in the intervals of percentiles.
//!
//! A verdict must also stand where everything that was not seen whole speaks against it: for
//! *slower*, every uncertain exchange before counts as the slowest, every one after as the
//! fastest. Where it falls by that, it is withheld, and the share that was not seen is told.

use crate::query::compare::statistic::{self, Evidence, Pooled};
use crate::query::confidence::Sample;
use crate::query::latency::Row;
use crate::segment::Latencies;

/// The chance that a comparison holds any false verdict: 5 %.
pub const LEVEL: f64 = 0.05;

/// What is tested of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Test {
    /// All times: whether one capture's tend to be higher (rank sum).
    Whole,
    /// The tenth of the times that is highest: the same among them.
    Tail,
    /// How many times lie above the median of both.
    P50,
    /// How many lie above the ninetieth percentile of both.
    P90,
    /// How many lie above the ninety-ninth percentile of both.
    P99,
    /// The share of statuses of 500 or more.
    Errors,
    /// The share of requests whose connection ended before a response began.
    Unanswered,
    /// All sizes of response bodies (rank sum).
    Sizes,
}

impl Test {
    /// Every test, each with its share of [`LEVEL`]: the most goes where changes mostly show.
    const ALL: [(Self, f64); 8] = [
        (Self::Whole, 0.40),
        (Self::Tail, 0.20),
        (Self::P50, 0.05),
        (Self::P90, 0.05),
        (Self::P99, 0.10),
        (Self::Errors, 0.10),
        (Self::Unanswered, 0.05),
        (Self::Sizes, 0.05),
    ];

    /// Its name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Whole => "times",
            Self::Tail => "tail",
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P99 => "p99",
            Self::Errors => "errors",
            Self::Unanswered => "unanswered",
            Self::Sizes => "sizes",
        }
    }

    /// Whether it is about times.
    #[must_use]
    pub const fn is_of_times(self) -> bool {
        matches!(self, Self::Whole | Self::Tail | Self::P50 | Self::P90 | Self::P99)
    }
}

/// A difference that chance alone hardly explains.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Finding {
    /// What differs.
    pub test: Test,
    /// Whether it rose.
    pub is_up: bool,
    /// The probability of so large a difference by chance, of this test alone.
    pub p: f64,
    /// Whether it stands whatever the exchanges were that were not seen whole. Where it does
    /// not, it is no verdict.
    pub is_certain: bool,
}

/// One side of a comparison, as the tests need it.
#[derive(Clone, Debug, Default)]
pub(super) struct Side {
    /// Times of complete exchanges: value and number, ascending.
    pub(super) times: Vec<(u64, u64)>,
    /// Sizes in the same way.
    pub(super) sizes: Vec<(u64, u64)>,
    pub(super) sample: Sample,
    pub(super) errors: u64,
    pub(super) unanswered: u64,
    pub(super) total: u64,
}

impl Side {
    pub(super) fn new(row: &Row, sizes: &Latencies) -> Self {
        let numbers = |all: &Latencies| all.buckets().map(|(low, _, count)| (low, count)).collect();
        Self {
            times: numbers(&row.latencies),
            sizes: numbers(sizes),
            sample: row.sample(),
            errors: row.errors,
            unanswered: row.unanswered,
            total: row.total(),
        }
    }

    /// The times where every uncertain exchange was at `extreme`.
    fn times_with(&self, extreme: Extreme) -> Vec<(u64, u64)> {
        let Sample { suspect, .. } = self.sample;
        let mut times = self.times.clone();
        // The times of the suspect ones are unknown: the ones that help most are taken away.
        if extreme == Extreme::Highest {
            times.reverse();
        }
        let mut left = suspect;
        while let Some((_, count)) = times.last_mut().filter(|_| left > 0) {
            let taken = left.min(*count);
            *count -= taken;
            left -= taken;
            if *count == 0 {
                times.pop();
            }
        }
        let unknown = (extreme.value(), self.sample.uncertain());
        times.push(unknown);
        times.sort_unstable();
        times
    }
}

/// Where the uncertain times are put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extreme {
    Lowest,
    Highest,
}

impl Extreme {
    const fn value(self) -> u64 {
        match self {
            Self::Lowest => 0,
            Self::Highest => u64::MAX,
        }
    }
}

/// What differs in each of the groups, given before and after, all of them held together.
pub(super) fn judge(groups: &[(Side, Side)]) -> Vec<Vec<Finding>> {
    let mut tests = Vec::with_capacity(groups.len() * Test::ALL.len());
    for (position, (before, after)) in groups.iter().enumerate() {
        let times = statistic::pool(&before.times, &after.times);
        for (test, weight) in Test::ALL {
            // A share of nothing, before and after, can never be found to differ, which is known
            // from the sum of both: it takes no part of the level.
            let is_void = match test {
                Test::Errors => before.errors + after.errors == 0,
                Test::Unanswered => before.unanswered + after.unanswered == 0,
                Test::Sizes => before.sizes.len().max(after.sizes.len()) < 2,
                _ => false,
            };
            if !is_void {
                tests.push((position, test, weight, evidence(test, &times, before, after)));
            }
        }
    }
    let weighed: Vec<(f64, f64)> =
        tests.iter().map(|&(.., weight, evidence)| (evidence.p, weight)).collect();
    let all: f64 = weighed.iter().map(|&(_, weight)| weight).sum();
    let mut findings = vec![Vec::new(); groups.len()];
    for (held, (position, test, weight, evidence)) in
        statistic::holm(&weighed, LEVEL).into_iter().zip(tests)
    {
        let (Some((before, after)), Some(found)) =
            (groups.get(position), findings.get_mut(position))
        else {
            continue;
        };
        if held {
            let worst = worst_case(test, evidence.is_up, before, after);
            let is_certain = worst.is_none_or(|worst| {
                worst.is_up == evidence.is_up && worst.p <= (LEVEL * weight / all).max(evidence.p)
            });
            found.push(Finding { test, is_up: evidence.is_up, p: evidence.p, is_certain });
        }
    }
    findings
}

fn evidence(test: Test, times: &[Pooled], before: &Side, after: &Side) -> Evidence {
    match test {
        Test::Whole => statistic::rank_sum(times),
        Test::Tail => statistic::tail(times, 900),
        Test::P50 => statistic::quantile(times, 500),
        Test::P90 => statistic::quantile(times, 900),
        Test::P99 => statistic::quantile(times, 990),
        Test::Errors => {
            statistic::share((before.errors, before.total), (after.errors, after.total))
        }
        Test::Unanswered => {
            statistic::share((before.unanswered, before.total), (after.unanswered, after.total))
        }
        Test::Sizes => statistic::rank_sum(&statistic::pool(&before.sizes, &after.sizes)),
    }
}

/// The evidence where whatever is uncertain speaks against the finding; `None` where nothing is.
fn worst_case(test: Test, is_up: bool, before: &Side, after: &Side) -> Option<Evidence> {
    if test.is_of_times() {
        if before.sample.uncertain() + after.sample.uncertain() == 0 {
            return None;
        }
        let (first, second) = if is_up {
            (Extreme::Highest, Extreme::Lowest)
        } else {
            (Extreme::Lowest, Extreme::Highest)
        };
        let times = statistic::pool(&before.times_with(first), &after.times_with(second));
        return Some(evidence(test, &times, before, after));
    }
    let (lost_before, lost_after) = (before.sample.missing, after.sample.missing);
    if test == Test::Sizes || lost_before + lost_after == 0 {
        return None;
    }
    // Each missing exchange would have raised the share of one side, and lowered the other's.
    let worst = |side: &Side, lost: u64, raises: bool| {
        let part = if test == Test::Errors { side.errors } else { side.unanswered };
        (part + if raises { lost } else { 0 }, side.total + lost)
    };
    Some(statistic::share(worst(before, lost_before, is_up), worst(after, lost_after, !is_up)))
}

#[cfg(test)]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "small numbers"
)]
mod tests {
    use super::*;

    /// A stream of numbers from a seed: `SplitMix64`.
    struct Random(u64);

    impl Random {
        fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ mixed >> 31
        }

        /// Between 0 and 1, both excluded.
        fn share(&mut self) -> f64 {
            ((self.next() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
        }

        /// The standard normal distribution, by Box and Muller.
        fn normal(&mut self) -> f64 {
            (-2.0 * self.share().ln()).sqrt() * (std::f64::consts::TAU * self.share()).cos()
        }

        /// A lognormal time: a median of 20 ms, and a spread of `sigma` in the logarithm.
        fn time(&mut self, sigma: f64) -> u64 {
            (20e6 * (sigma * self.normal()).exp()) as u64
        }
    }

    fn side(times: impl IntoIterator<Item = u64>, errors: u64) -> Side {
        // Three digits, as histograms keep them.
        let mut times: Vec<u64> = times.into_iter().map(|ns| ns & !(ns >> 10)).collect();
        times.sort_unstable();
        let total = times.len() as u64;
        let times: Vec<(u64, u64)> =
            times.chunk_by(PartialEq::eq).map(|run| (run[0], run.len() as u64)).collect();
        let sizes = vec![(100, total / 2), (200, total - total / 2)];
        let sample = Sample { complete: total, ..Sample::default() };
        Side { times, sizes, sample, errors, total, ..Side::default() }
    }

    fn plain(random: &mut Random, count: u64, sigma: f64) -> Side {
        let errors = (0..count).filter(|_| random.share() < 0.02).count() as u64;
        side((0..count).map(|_| random.time(sigma)), errors)
    }

    /// Two halves of one capture: fifty routes of all sizes, a thousand times.
    #[test]
    fn two_halves_of_one_capture_seldom_raise_an_alarm() {
        let mut alarms = 0;
        for seed in 0..1000 {
            let mut random = Random(seed);
            let groups: Vec<(Side, Side)> = (0..50)
                .map(|route| {
                    let count = 10 + route * route / 12;
                    let sigma = 0.2 + 0.03 * route as f64;
                    (plain(&mut random, count, sigma), plain(&mut random, count, sigma))
                })
                .collect();
            alarms += u64::from(judge(&groups).iter().any(|findings| !findings.is_empty()));
        }
        assert!(alarms <= 50, "{alarms} of 1000");
    }

    /// One route of fifty has 5,000 exchanges, and its times change by `change`: how often of
    /// `seeds` is it found to be slower?
    fn found(seeds: u64, sigma: f64, change: &dyn Fn(u64) -> u64) -> u64 {
        let mut found = 0;
        for seed in 0..seeds {
            let mut random = Random(seed ^ 0xf0f0);
            let mut groups: Vec<(Side, Side)> = (0..49)
                .map(|_| (plain(&mut random, 60, sigma), plain(&mut random, 60, sigma)))
                .collect();
            let before = plain(&mut random, 5000, sigma);
            let after = side((0..5000).map(|_| change(random.time(sigma))), 100);
            groups.push((before, after));
            let findings = judge(&groups).pop().expect("the last route");
            found += u64::from(findings.iter().any(|one| one.test.is_of_times() && one.is_up));
        }
        found
    }

    #[test]
    fn a_tenth_more_at_the_tail_is_found() {
        let slower = |ns: u64| ns + ns / 10;
        let seeds = 50;
        // The whole route is slower, be its times close together or far apart.
        for sigma in [0.3, 0.6, 1.0] {
            let found = found(seeds, sigma, &slower);
            assert!(found * 10 >= seeds * 8, "the whole at {sigma}: {found} of {seeds}");
        }
        // Only its slowest tenth is.
        for sigma in [0.3, 0.6] {
            let from = (20e6 * (1.2816_f64 * sigma).exp()) as u64;
            let tail = |ns: u64| if ns > from { slower(ns) } else { ns };
            let found = found(seeds, sigma, &tail);
            assert!(found * 10 >= seeds * 8, "the tail at {sigma}: {found} of {seeds}");
        }
    }

    /// Some times are as slow as ever, the others slower: nothing may look faster by that.
    #[test]
    fn what_is_slower_never_looks_faster() {
        for seed in 0..50 {
            let mut random = Random(seed ^ 0x51_0e);
            let times: Vec<u64> = (0..600).map(|_| random.time(0.2)).collect();
            for percent in [2, 3, 5, 10, 30] {
                let slow = |n: usize| n.is_multiple_of(20);
                let before = times.iter().enumerate();
                let before = before.map(|(n, ns)| if slow(n) { ns * 10 } else { *ns });
                let after = times
                    .iter()
                    .enumerate()
                    .map(|(n, ns)| if slow(n) { ns * 10 } else { ns + ns * percent / 100 });
                let found = judge(&[(side(before, 0), side(after, 0))]);
                assert!(found[0].iter().all(|one| one.is_up), "{seed} {percent} {found:?}");
            }
        }
    }

    #[test]
    fn errors_and_unanswered_requests_are_found() {
        let mut random = Random(7);
        let before = plain(&mut random, 1000, 0.4);
        let more = Side { errors: before.errors + 60, ..before.clone() };
        let found = judge(&[(before.clone(), more)]);
        assert!(matches!(found[0][..], [Finding { test: Test::Errors, is_up: true, .. }]));
        let lost = Side {
            unanswered: 120,
            total: 1120,
            sample: Sample { censored: 120, ..before.sample },
            ..before.clone()
        };
        let found = judge(&[(before, lost)]);
        assert!(matches!(found[0][..], [Finding { test: Test::Unanswered, is_up: true, .. }]));
    }

    #[test]
    fn what_was_not_seen_can_withhold_a_verdict() {
        let mut random = Random(11);
        let before = plain(&mut random, 2000, 0.4);
        let mut after = side((0..2000).map(|_| random.time(0.4) * 23 / 20), before.errors);
        let verdict = |after: &Side| {
            let found = judge(&[(before.clone(), after.clone())]);
            found[0].iter().map(|one| (one.test, one.is_certain)).collect::<Vec<_>>()
        };
        assert!(verdict(&after).contains(&(Test::Whole, true)));
        after.sample.missing = 20;
        assert!(verdict(&after).contains(&(Test::Whole, true)));
        after.sample.suspect = 400;
        assert!(verdict(&after).contains(&(Test::Whole, false)));
    }
}
