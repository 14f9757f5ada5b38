//! How far a percentile can be trusted: order-statistic intervals, widened by what was not seen.
//!
//! Let `N` exchanges be drawn from what the server does, and `X(r)` be the `r`-th fastest of
//! them. The number of draws below the true quantile `q` is binomial, so that for ranks `l < h`
//!
//! ```text
//! P(X(l) <= true quantile <= X(h)) >= P(l <= Bin(N, q) < h)
//! ```
//!
//! whatever the distribution is (David and Nagaraja, *Order Statistics*, 3rd edition, 2003,
//! section 7.1; Hahn and Meeker, *Statistical Intervals*, 1991, section 5.2). `l` is the largest
//! rank with `P(Bin < l) <= 2.5 %`, `h` the smallest with `P(Bin >= h) <= 2.5 %`, both exact.
//!
//! Of the `N` exchanges some were not seen to their end, or not seen at all. `n` are complete; of
//! these `s` are suspect: their times may be wrong. `c` are censored (unanswered or open), `t`
//! truncated, `m` missing. So `N = n + c + t + m`, and `u = s + c + t + m` times are unknown. Were
//! all of those the fastest, `X(l)` would be the known time of rank `l - u`; were they the
//! slowest, `X(h)` would be the known time of rank `h`. The ranks that can be looked up are those
//! among all `n` complete times, the suspect ones included: leaving `s` times out lowers no rank
//! by more than `s` and raises none, so that the times of rank `l - u` and `h + s` among the `n`
//! enclose them.
//!
//! Missing are those that the streams prove. A response whose request was lost (an orphan) is
//! one; the bytes that its packet acknowledged are the request's. A request whose response was
//! lost is seen itself, and censored. Of an exchange of which both messages were lost, a gap in
//! the requests tells that begins where a message ends, is long enough for a request, and is
//! followed by another request before any orphan: at least one lay there, and one is counted.
//! What was lost together with the end of its connection leaves no trace in an exchange, and is
//! only in the ledger's gap bytes; loss that does not depend on how long an exchange takes moves
//! no percentile.
//!
//! Where `l - u < 1` nothing holds the lower end but 0; where `h > n - s` nothing
//! holds the upper end, and it is open.

/// What each end of an interval may miss: 2.5 %, so that 95 % lie between.
const TAIL: f64 = 0.025;

/// How many exchanges of a group were seen how far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Complete exchanges, suspect ones included.
    pub complete: u64,
    /// Of the complete ones: those touched by a gap.
    pub suspect: u64,
    /// Unanswered and open ones.
    pub censored: u64,
    /// Those of which a message did not end.
    pub truncated: u64,
    /// Those that are known to have been, and were not seen.
    pub missing: u64,
}

/// The ends of an interval, as ranks among the complete exchanges in ascending order, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ranks {
    /// The lower end; `None` where nothing holds it but 0.
    pub low: Option<u64>,
    /// The upper end; `None` where it is open.
    pub high: Option<u64>,
}

impl Sample {
    /// The exchanges whose times are unknown.
    #[must_use]
    pub const fn uncertain(&self) -> u64 {
        self.suspect
            .saturating_add(self.censored)
            .saturating_add(self.truncated)
            .saturating_add(self.missing)
    }

    /// The 95 % interval of the quantile `q` (between 0 and 1).
    #[must_use]
    pub fn ranks(&self, q: f64) -> Ranks {
        let unseen = self.uncertain().saturating_sub(self.suspect);
        let (low, high) = binomial_ranks(self.complete.saturating_add(unseen), q);
        let low = low.checked_sub(self.uncertain()).filter(|&rank| rank > 0);
        let known = self.complete.saturating_sub(self.suspect);
        let high = high.filter(|&rank| rank <= known).map(|rank| rank + self.suspect);
        Ranks { low: low.filter(|&rank| rank <= self.complete), high }
    }

    /// How many complete exchanges it takes for the quantile `q` (between 0 and 1, exclusively)
    /// to have an upper end, if as many are uncertain as in this sample.
    #[must_use]
    pub fn needed(&self, q: f64) -> u64 {
        let uncertain = self.uncertain();
        let closed = |certain: u64| {
            let total = certain.saturating_add(uncertain);
            binomial_ranks(total, q).1.is_some_and(|high| high <= certain)
        };
        let mut enough = 1;
        while !closed(enough) && enough < u64::MAX / 4 {
            enough *= 2;
        }
        let mut short = enough / 2;
        while enough - short > 1 {
            let middle = short + (enough - short) / 2;
            if closed(middle) {
                enough = middle;
            } else {
                short = middle;
            }
        }
        enough.saturating_add(self.suspect)
    }
}

/// The largest rank `l` with `P(Bin(total, q) < l) <= 2.5 %` (0 where there is none from 1 on),
/// and the smallest rank `h <= total` with `P(Bin(total, q) >= h) <= 2.5 %`, if there is one.
#[expect(clippy::cast_precision_loss, reason = "a count of exchanges is far below 2^53")]
fn binomial_ranks(total: u64, q: f64) -> (u64, Option<u64>) {
    if total == 0 || !(q > 0.0 && q < 1.0) {
        return (0, None);
    }
    let odds = q / (1.0 - q);
    // Neighbouring probabilities stand to each other as these two, P(k + 1) to P(k): one division
    // a step, each of which waits for the one before.
    let sides = |k: u64| ((total - k) as f64 * odds, (k + 1) as f64);
    let up = |weight: f64, k: u64| weight * sides(k).0 / sides(k).1;
    let down = |weight: f64, k: u64| weight * sides(k).1 / sides(k).0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to total")]
    let mode = (((total + 1) as f64 * q).floor() as u64).min(total);

    // Probabilities relative to that of the mode, summed from the far ends inwards would be best;
    // summed outwards their error stays near 1e-13, since they shrink geometrically.
    let (mut below, mut above) = (0.0, 0.0);
    let (mut weight, mut k) = (1.0, mode);
    // They shrink: after the first that changes nothing none does.
    while k > 0 && weight > 0.0 {
        k -= 1;
        weight = down(weight, k);
        if below + weight <= below {
            break;
        }
        below += weight;
    }
    (weight, k) = (1.0, mode);
    while k < total && weight > 0.0 {
        weight = up(weight, k);
        k += 1;
        if above + weight <= above {
            break;
        }
        above += weight;
    }
    let allowed = TAIL * (below + 1.0 + above);
    (lower_rank(mode, below, allowed, (&up, &down)), upper_rank((mode, total), above, allowed, &up))
}

/// From the weight of a rank to that of its neighbour; the lower rank of both is given.
type Step<'s> = dyn Fn(f64, u64) -> f64 + 's;

/// Walks from the mode to the largest rank with at most `allowed` below it.
fn lower_rank(mode: u64, mut below: f64, allowed: f64, (up, down): (&Step<'_>, &Step<'_>)) -> u64 {
    let (mut rank, mut weight) = (mode, 1.0);
    if below <= allowed {
        while below + weight <= allowed {
            below += weight;
            weight = up(weight, rank);
            rank += 1;
        }
        return rank;
    }
    while below > allowed && rank > 0 {
        rank -= 1;
        weight = down(weight, rank);
        below -= weight;
    }
    rank
}

/// Walks from the mode to the smallest rank with at most `allowed` at and above it.
fn upper_rank((mode, total): (u64, u64), above: f64, allowed: f64, up: &Step<'_>) -> Option<u64> {
    // `from` is what lies at `rank` and above it, `weight` the probability of `rank` itself.
    let (mut rank, mut weight, mut from) = (mode, 1.0, above + 1.0);
    while from > allowed {
        if rank == total {
            return None;
        }
        from -= weight;
        weight = up(weight, rank);
        rank += 1;
    }
    Some(rank)
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

    /// The ranks by whole numbers: `q` is `numerator / denominator`, and every probability is
    /// multiplied by `denominator ^ total`.
    fn exact(total: u32, numerator: u128, denominator: u128) -> (u64, Option<u64>) {
        let mut choose = 1_u128;
        let weights: Vec<u128> = (0..=total)
            .map(|k| {
                if k > 0 {
                    choose = choose * u128::from(total - k + 1) / u128::from(k);
                }
                choose * numerator.pow(k) * (denominator - numerator).pow(total - k)
            })
            .collect();
        let all: u128 = weights.iter().sum();
        assert_eq!(all, denominator.pow(total));
        let within = |tail: u128| tail * 40 <= all;
        let below = |rank: u32| weights[..rank as usize].iter().sum::<u128>();
        let low = (0..=total).rev().find(|&rank| within(below(rank))).expect("0 has none below");
        let high = (0..=total).find(|&rank| within(all - below(rank)));
        (u64::from(low), high.map(u64::from))
    }

    #[test]
    fn ranks_agree_with_whole_number_arithmetic() {
        for total in 1..=60 {
            assert_eq!(binomial_ranks(total.into(), 0.5), exact(total, 1, 2), "{total}");
        }
        for total in 1..=34 {
            assert_eq!(binomial_ranks(total.into(), 0.9), exact(total, 9, 10), "{total}");
        }
        for total in 1..=17 {
            assert_eq!(binomial_ranks(total.into(), 0.99), exact(total, 99, 100), "{total}");
        }
    }

    #[test]
    fn ranks_agree_with_printed_tables() {
        // The median of 100: ranks 40 and 61, as in the tables of Hahn and Meeker.
        assert_eq!(binomial_ranks(100, 0.5), (40, Some(61)));
        assert_eq!(binomial_ranks(0, 0.5), (0, None));
        assert_eq!(binomial_ranks(5, 0.5), (0, None));
        assert_eq!(binomial_ranks(6, 0.5), (1, Some(6)));
    }

    /// Sums of probabilities by logarithms, slow and plain.
    fn brute(total: u64, q: f64) -> Vec<f64> {
        let ln_choose: Vec<f64> = (0..total)
            .scan(0.0_f64, |sum, k| {
                *sum += ((total - k) as f64).ln() - ((k + 1) as f64).ln();
                Some(*sum)
            })
            .collect();
        let mut below = vec![0.0];
        for k in 0..=total {
            let ln = if k == 0 { 0.0 } else { ln_choose[k as usize - 1] };
            let p = (ln + k as f64 * q.ln() + (total - k) as f64 * (1.0 - q).ln()).exp();
            below.push(below[k as usize] + p);
        }
        below
    }

    proptest! {
        #[test]
        fn ranks_leave_at_most_their_share_outside(total in 1..3000_u64, q in 0.01..0.9995_f64) {
            let below = brute(total, q);
            let (low, high) = binomial_ranks(total, q);
            let near = 1e-9;
            prop_assert!(below[low as usize] <= TAIL + near);
            prop_assert!(below[low as usize + 1] > TAIL - near);
            let from = |rank: u64| 1.0 - below[rank as usize];
            match high {
                Some(high) => {
                    prop_assert!(from(high) <= TAIL + near);
                    prop_assert!(from(high - 1) > TAIL - near);
                }
                None => prop_assert!(from(total) > TAIL - near),
            }
        }

        #[test]
        fn what_is_uncertain_only_widens(
            complete in 1..2000_u64,
            suspect in 0..20_u64,
            censored in 0..20_u64,
            truncated in 0..20_u64,
            missing in 0..20_u64,
            q in prop::sample::select(vec![0.5, 0.9, 0.99, 0.999]),
        ) {
            let suspect = suspect.min(complete);
            let sample = Sample { complete, suspect, censored, truncated, missing };
            let sure = Sample { complete, ..Sample::default() };
            let (wide, narrow) = (sample.ranks(q), sure.ranks(q));
            let high = |ranks: Ranks| ranks.high.unwrap_or(u64::MAX);
            prop_assert!(wide.low.unwrap_or(0) <= narrow.low.unwrap_or(0));
            prop_assert!(high(wide) >= high(narrow));
            prop_assert!(wide.high.is_none_or(|rank| rank <= complete));
        }

        /// Whatever the unknown times are, the interval of the whole is inside the one that was
        /// told.
        #[test]
        fn the_interval_of_the_whole_truth_is_inside(
            known in prop::collection::vec(0..1000_u64, 1..300),
            suspect in prop::collection::vec((0..1000_u64, 0..1000_u64), 0..6),
            hidden in prop::collection::vec(0..1000_u64, 0..6),
            q in prop::sample::select(vec![0.5, 0.9, 0.99]),
        ) {
            let mut seen: Vec<u64> =
                known.iter().copied().chain(suspect.iter().map(|pair| pair.0)).collect();
            let mut truth: Vec<u64> = known
                .iter()
                .copied()
                .chain(suspect.iter().map(|pair| pair.1))
                .chain(hidden.iter().copied())
                .collect();
            seen.sort_unstable();
            truth.sort_unstable();
            let sample = Sample {
                complete: seen.len() as u64,
                suspect: suspect.len() as u64,
                missing: hidden.len() as u64,
                ..Sample::default()
            };
            let told = sample.ranks(q);
            let (low, high) = binomial_ranks(truth.len() as u64, q);
            let at = |values: &[u64], rank: u64| values[rank as usize - 1];
            if let Some(rank) = told.low {
                prop_assert!(at(&seen, rank) <= at(&truth, low));
            }
            if let (Some(rank), Some(high)) = (told.high, high) {
                prop_assert!(at(&seen, rank) >= at(&truth, high));
            }
            prop_assert!(told.high.is_none() || high.is_some());
        }
    }

    #[test]
    fn the_number_needed_is_the_first_that_closes_the_interval() {
        let check = |sample: Sample, q: f64, expected: u64| {
            assert_eq!(sample.needed(q), expected, "{sample:?} {q}");
            let with = |complete: u64| Sample { complete, ..sample }.ranks(q).high;
            assert!(with(expected).is_some());
            assert!(with(expected - 1).is_none());
        };
        // The smallest n with q^n <= 0.025.
        let sure = Sample::default();
        check(sure, 0.5, 6);
        check(sure, 0.9, 36);
        check(sure, 0.99, 368);
        check(sure, 0.999, 3688);
        check(Sample { censored: 1, ..sure }, 0.5, 8);
        check(Sample { suspect: 3, ..sure }, 0.99, 874);
    }

    #[test]
    fn a_billion_exchanges_are_no_trouble() {
        let (low, high) = binomial_ranks(1_000_000_000, 0.5);
        // The normal approximation is good to a few ranks here: 1.959964 standard deviations.
        let distance = (1.959_964 * 15_811.388_3) as u64;
        assert!(low.abs_diff(500_000_000 - distance) <= 2, "{low}");
        assert!(high.expect("closed").abs_diff(500_000_001 + distance) <= 2, "{high:?}");
    }
}
