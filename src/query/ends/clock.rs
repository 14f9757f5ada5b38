//! How far two clocks are apart, from what both ends say of the same exchanges.
//!
//! The server's end of an exchange lies inside the client's: a request is seen by the client's
//! host before it is by the server's, and a response after. So each exchange brackets the
//! difference of the clocks between the difference of its starts and that of its ends, however
//! long the network took and whatever was sent again. The true difference lies in every bracket.

/// Where the difference of two clocks must lie, in nanoseconds, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bracket {
    pub(super) low: i64,
    pub(super) high: i64,
}

impl Bracket {
    /// Between two differences in either order, widened by `slack` nanoseconds on both sides.
    pub(super) fn between(one: i64, other: i64, slack: i64) -> Self {
        Self {
            low: one.min(other).saturating_sub(slack),
            high: one.max(other).saturating_add(slack),
        }
    }

    /// The part that both hold; `None` where there is none.
    pub(super) fn common(self, other: Self) -> Option<Self> {
        let (low, high) = (self.low.max(other.low), self.high.min(other.high));
        (low <= high).then_some(Self { low, high })
    }

    /// Its middle.
    pub(super) const fn middle(self) -> i64 {
        i64::midpoint(self.low, self.high)
    }

    pub(super) const fn holds(self, difference: i64) -> bool {
        self.low <= difference && difference <= self.high
    }
}

/// The differences that most brackets hold: where they meet. `None`
/// where fewer than `least` agree, or no more than half `of` the exchanges that had a say.
pub(super) fn agreed(brackets: &[Bracket], least: usize, of: usize) -> Option<Bracket> {
    let opened = brackets.iter().map(|bracket| (bracket.low, false));
    let closed = brackets.iter().map(|bracket| (bracket.high, true));
    let mut edges: Vec<(i64, bool)> = opened.chain(closed).collect();
    edges.sort_unstable();
    let (mut depth, mut deepest, mut low) = (0_usize, 0_usize, 0_i64);
    let mut between = None;
    for (at, closes) in edges {
        if closes {
            // The first edge that closes after the deepest place opened is its other end.
            if depth == deepest && between.is_none() {
                between = Some((low, at));
            }
            depth = depth.saturating_sub(1);
        } else {
            depth += 1;
            if depth > deepest {
                (deepest, low, between) = (depth, at, None);
            }
        }
    }
    let (low, high) = between?;
    let enough = deepest >= least && deepest * 2 > of;
    enough.then_some(Bracket { low, high })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brackets(all: &[(i64, i64)]) -> Vec<Bracket> {
        all.iter().map(|&(one, other)| Bracket::between(one, other, 0)).collect()
    }

    #[test]
    fn the_difference_is_where_most_agree() {
        let check = |all: &[(i64, i64)], expected| {
            assert_eq!(agreed(&brackets(all), 3, all.len()).map(Bracket::middle), expected);
        };
        check(&[(90, 120), (130, 100), (95, 110)], Some(105));
        check(&[(90, 120), (100, 130), (95, 110), (500, 700), (-9, -3)], Some(105));
        check(&[(5, 5), (5, 5), (5, 5)], Some(5));
        // Two are too few, and so is half of them.
        check(&[(90, 120), (100, 130)], None);
        check(&[(0, 1), (0, 1), (0, 1), (5, 6), (7, 8), (9, 10)], None);
        check(&[], None);
    }
}
