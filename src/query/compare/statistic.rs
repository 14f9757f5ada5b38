//! Tests of two samples against each other, and the correction for their number.
//!
//! A sample is held as buckets, so ties are the rule and every test here allows for them:
//!
//! - **rank sum** (Mann and Whitney, 1947), with the normal approximation, the correction for
//!   ties and that for continuity: whether one sample tends to lie above the other;
//! - **tail**: the same among the tenth of both samples that lies highest. Given how many of each
//!   are there, any assignment is as likely as any other where nothing changed, so that the test
//!   is valid on its own; and what moves in the tail alone is not diluted by the rest;
//! - **share** (Fisher's exact test): whether more of one sample lies above a value, or is an
//!   error. Above the pooled quantile `q` this is Mathisen's and Mood's median test for any `q`.
//!
//! Many tests are held together by [`holm`]: the chance that any of them is wrong is bounded.

/// One bucket of two samples put together: value, samples before, samples after.
pub(super) type Pooled = (u64, u64, u64);

/// What a test says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Evidence {
    /// The probability of a difference at least so large, in either direction, by chance.
    pub(super) p: f64,
    /// Whether the later sample is the higher one.
    pub(super) is_up: bool,
}

impl Evidence {
    /// No evidence at all.
    const NONE: Self = Self { p: 1.0, is_up: false };
}

/// Puts two samples together, each ascending buckets of value and number.
pub(super) fn pool(before: &[(u64, u64)], after: &[(u64, u64)]) -> Vec<Pooled> {
    let mut pooled = Vec::with_capacity(before.len() + after.len());
    let mut left = before.iter().copied().peekable();
    let mut right = after.iter().copied().peekable();
    loop {
        let next = match (left.peek(), right.peek()) {
            (Some(&(one, _)), Some(&(two, _))) => one.min(two),
            (Some(&(one, _)), None) => one,
            (None, Some(&(two, _))) => two,
            (None, None) => return pooled,
        };
        let one = left.next_if(|&(value, _)| value == next).map_or(0, |(_, number)| number);
        let two = right.next_if(|&(value, _)| value == next).map_or(0, |(_, number)| number);
        pooled.push((next, one, two));
    }
}

/// The rank sum test.
pub(super) fn rank_sum(pooled: &[Pooled]) -> Evidence {
    let (mut before, mut after, mut ties) = (0.0, 0.0, 0.0);
    // Twice the number of pairs in which the later one is larger, ties counted half.
    let mut wins = 0.0;
    for &(_, one, two) in pooled {
        let (one, two) = (float(one), float(two));
        wins += two * (2.0 * before + one);
        before += one;
        after += two;
        let tied = one + two;
        ties += tied * (tied * tied - 1.0);
    }
    let all = before + after;
    if before == 0.0 || after == 0.0 || all < 2.0 {
        return Evidence::NONE;
    }
    let variance = before * after / 12.0 * ((all + 1.0) - ties / (all * (all - 1.0)));
    let distance = wins / 2.0 - before * after / 2.0;
    if variance <= 0.0 {
        return Evidence::NONE;
    }
    let z = (distance.abs() - 0.5).max(0.0) / variance.sqrt();
    Evidence { p: (2.0 * normal_above(z)).min(1.0), is_up: distance > 0.0 }
}

/// The rank sum test among those above the pooled quantile `mille / 1000`.
///
/// Where far more of one sample lie there, those that came in at the lower end make its tail look
/// low, though it is the higher one: the test says nothing where the shares speak against it.
pub(super) fn tail(pooled: &[Pooled], mille: u64) -> Evidence {
    let (within, shares) = (rank_sum(above(pooled, mille)), quantile(pooled, mille));
    let is_contradicted = shares.is_up != within.is_up && shares.p < CONTRADICTION;
    if is_contradicted { Evidence::NONE } else { within }
}

/// From which probability down a share contradicts.
const CONTRADICTION: f64 = 0.2;

/// Fisher's exact test of the shares above the pooled quantile `mille / 1000`.
pub(super) fn quantile(pooled: &[Pooled], mille: u64) -> Evidence {
    let count = |part: &[Pooled]| {
        part.iter().fold((0, 0), |(before, after), &(_, one, two)| (before + one, after + two))
    };
    let (before, after) = count(pooled);
    let (high_before, high_after) = count(above(pooled, mille));
    share((high_before, before), (high_after, after))
}

/// The buckets above the one that holds the pooled quantile.
fn above(pooled: &[Pooled], mille: u64) -> &[Pooled] {
    let all: u128 = pooled.iter().map(|&(_, one, two)| u128::from(one) + u128::from(two)).sum();
    let rank = (all * u128::from(mille)).div_ceil(1000);
    let mut below = 0;
    for (position, &(_, one, two)) in pooled.iter().enumerate() {
        below += u128::from(one) + u128::from(two);
        if below >= rank {
            return pooled.get(position + 1..).unwrap_or_default();
        }
    }
    &[]
}

/// Fisher's exact test of two shares, each a part of a whole: twice the smaller tail.
pub(super) fn share(before: (u64, u64), after: (u64, u64)) -> Evidence {
    let (lower, upper) = hypergeometric(before, after);
    let (part_before, part_after) =
        (float(before.0) * float(after.1), float(after.0) * float(before.1));
    Evidence { p: (2.0 * lower.min(upper)).min(1.0), is_up: part_after > part_before }
}

/// The probability that so many, or more, of the marked ones are in `after` by chance.
pub(super) fn share_above(before: (u64, u64), after: (u64, u64)) -> f64 {
    hypergeometric(before, after).1
}

/// `P(X <= x)` and `P(X >= x)`, where `x` of the marked ones fell into `after`, and any choice
/// of those that did was as likely.
fn hypergeometric(before: (u64, u64), after: (u64, u64)) -> (f64, f64) {
    let (drawn, all) = (after.1, before.1.saturating_add(after.1));
    let marked = before.0.saturating_add(after.0).min(all);
    let x = after.0.min(drawn);
    let least = drawn.saturating_sub(all - marked);
    let most = marked.min(drawn);
    if least >= most {
        return (1.0, 1.0);
    }
    // P(k + 1) / P(k).
    let ratio = |k: u64| {
        float(marked - k) / float(k + 1) * (float(drawn - k) / float(all - marked + k + 1 - drawn))
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between least and most"
    )]
    let mode = (((float(drawn) + 1.0) * (float(marked) + 1.0) / (float(all) + 2.0)) as u64)
        .clamp(least, most);
    // Weights relative to that of the mode, outwards until they no longer count.
    let (mut total, mut up_to, mut from) = (1.0, 0.0, 0.0);
    let mut place = |k: u64, weight: f64| {
        up_to += if k <= x { weight } else { 0.0 };
        from += if k >= x { weight } else { 0.0 };
    };
    place(mode, 1.0);
    let (mut weight, mut k) = (1.0, mode);
    while k < most && (weight > NEGLIGIBLE || k < x) && weight > 0.0 {
        weight *= ratio(k);
        k += 1;
        total += weight;
        place(k, weight);
    }
    (weight, k) = (1.0, mode);
    while k > least && (weight > NEGLIGIBLE || k > x) && weight > 0.0 {
        k -= 1;
        weight /= ratio(k);
        total += weight;
        place(k, weight);
    }
    (up_to / total, from / total)
}

/// Weights below this share of the largest one do not change a sum of 64-bit floats.
const NEGLIGIBLE: f64 = 1e-25;

/// The probability that a standard normal variable is above `z >= 0`.
pub(super) fn normal_above(z: f64) -> f64 {
    let density = (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt();
    if z < 3.0 {
        // The series of Abramowitz and Stegun 26.2.11.
        let (mut term, mut sum, mut odd) = (z, z, 1.0);
        while term > sum * 1e-17 {
            odd += 2.0;
            term *= z * z / odd;
            sum += term;
        }
        return (0.5 - density * sum).max(0.0);
    }
    // The continued fraction of 26.2.14, from a depth where nothing more changes.
    let fraction = (1..=60_u32).rev().fold(z, |below, k| z + f64::from(k) / below);
    density / fraction
}

/// Which of several tests hold together: Holm's procedure (1979) with a weight for each test, so
/// that the chance of any false one among them is at most `level`. In the order of the tests,
/// each a probability and its weight.
pub(super) fn holm(tests: &[(f64, f64)], level: f64) -> Vec<bool> {
    let mut order: Vec<usize> = (0..tests.len()).collect();
    let scaled = |&at: &usize| tests.get(at).map_or(f64::INFINITY, |&(p, weight)| p / weight);
    order.sort_by(|one, two| scaled(one).total_cmp(&scaled(two)));
    let mut left: f64 = tests.iter().map(|&(_, weight)| weight).sum();
    let mut held = vec![false; tests.len()];
    for at in order {
        let Some(&(p, weight)) = tests.get(at) else { break };
        if weight <= 0.0 || p > level * weight / left {
            break;
        }
        left -= weight;
        if let Some(place) = held.get_mut(at) {
            *place = true;
        }
    }
    held
}

#[expect(clippy::cast_precision_loss, reason = "a count of exchanges is far below 2^53")]
pub(super) const fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn near(one: f64, two: f64) -> bool {
        (one - two).abs() <= 1e-9 + two.abs() * 1e-6
    }

    #[test]
    fn normal_tails_agree_with_tables() {
        let check = |z: f64, expected: f64| {
            assert!((normal_above(z) / expected - 1.0).abs() < 1e-6, "{z}: {}", normal_above(z));
        };
        check(0.0, 0.5);
        check(1.0, 0.158_655_253_931);
        check(1.959_963_984_54, 0.025);
        check(2.999, 0.001_354_336_533);
        check(3.001, 0.001_345_472_713);
        check(6.0, 9.865_876_45e-10);
        check(10.0, 7.619_853_02e-24);
    }

    #[test]
    fn shares_agree_with_arithmetic_by_hand() {
        // Fisher's tea: three of four cups right, P(X >= 3) = 17 / 70.
        assert!(near(share_above((1, 4), (3, 4)), 17.0 / 70.0));
        assert!(near(share((1, 4), (3, 4)).p, 34.0 / 70.0));
        assert!(near(share((0, 5), (5, 5)).p, 2.0 / 252.0));
        assert!(near(share((0, 10), (0, 12)).p, 1.0));
        assert!(near(share((3, 3), (4, 4)).p, 1.0));
        assert!(share((0, 3), (1, 4)).is_up && !share((3, 4), (1, 4)).is_up);
        // Far out: C(1000, 500)^2-like sizes, without a trace of overflow.
        assert!(share((0, 1_000_000), (500, 1_000_000)).p < 1e-140);
    }

    #[test]
    fn rank_sums_agree_with_a_count_of_pairs() {
        // 1 2 3 against 2 3 4: of nine pairs the later is larger in six, with two ties (7 / 9).
        let pooled = pool(&[(1, 1), (2, 1), (3, 1)], &[(2, 1), (3, 1), (4, 1)]);
        let variance: f64 = 9.0 / 12.0 * (7.0 - 12.0 / 30.0);
        let expected = 2.0 * normal_above((7.0_f64 - 4.5 - 0.5) / variance.sqrt());
        let found = rank_sum(&pooled);
        assert!(near(found.p, expected) && found.is_up);
        assert_eq!(rank_sum(&pool(&[(5, 9)], &[(5, 7)])), Evidence::NONE);
        assert_eq!(rank_sum(&pool(&[], &[(5, 7)])), Evidence::NONE);
    }

    #[test]
    fn holm_steps_down_by_weight() {
        let check = |tests: &[(f64, f64)], expected: &[bool]| {
            assert_eq!(holm(tests, 0.05), expected);
        };
        check(&[], &[]);
        check(&[(0.04, 1.0)], &[true]);
        check(&[(0.03, 1.0), (0.04, 1.0)], &[false, false]);
        check(&[(0.02, 1.0), (0.04, 1.0)], &[true, true]);
        check(&[(0.03, 3.0), (0.04, 1.0)], &[true, true]);
        check(&[(0.03, 1.0), (0.03, 3.0)], &[true, true]);
        check(&[(0.02, 1.0), (0.9, 3.0)], &[false, false]);
    }

    proptest! {
        #[test]
        fn the_tails_of_a_share_hold_everything(
            (before, after) in ((0..60_u64, 0..60_u64), (0..60_u64, 0..60_u64)),
        ) {
            let before = (before.0.min(before.1), before.1);
            let after = (after.0.min(after.1), after.1);
            let (lower, upper) = hypergeometric(before, after);
            prop_assert!((0.0..=1.0 + 1e-9).contains(&lower));
            prop_assert!(lower + upper >= 1.0 - 1e-9);
            let (mirror_lower, mirror_upper) = hypergeometric(after, before);
            prop_assert!(near(lower, mirror_upper) && near(upper, mirror_lower));
        }

        #[test]
        fn turning_the_samples_around_turns_the_answer_around(
            before in prop::collection::vec((0..30_u64, 1..5_u64), 0..20),
            after in prop::collection::vec((0..30_u64, 1..5_u64), 0..20),
        ) {
            let sorted = |mut all: Vec<(u64, u64)>| {
                all.sort_unstable();
                all.dedup_by_key(|(value, _)| *value);
                all
            };
            let (before, after) = (sorted(before), sorted(after));
            let (one, two) = (pool(&before, &after), pool(&after, &before));
            for test in [rank_sum, |p: &[Pooled]| tail(p, 500), |p: &[Pooled]| quantile(p, 500)] {
                let (there, back) = (test(&one), test(&two));
                prop_assert!(near(there.p, back.p), "{there:?} {back:?}");
                prop_assert!(there.p >= 0.99 || there.is_up != back.is_up);
            }
        }
    }
}
