//! What is given up, step by step, where a budget of memory or processor time is reached.

use std::fmt;

use crate::exchange::{Heads, Policy};
use crate::limits::SHARDS;

/// How much is given up. Each step keeps what the ones before gave up.
///
/// ```text
/// 0 nothing ─▶ 1 bodies ─▶ 2 heads beyond start line and host ─▶ 3.. half of the flows, a
/// quarter, an eighth, a sixteenth: by a hash of their endpoints, both directions together
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reduction(u8);

/// The last step.
const STEPS: u8 = 6;

impl Reduction {
    /// Nothing is given up.
    pub const NONE: Self = Self(0);

    /// That step; the last one beyond it.
    #[must_use]
    pub const fn step(number: u8) -> Self {
        Self(if number > STEPS { STEPS } else { number })
    }

    /// The step's number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// The next step; the same at the last one.
    #[must_use]
    pub const fn more(self) -> Self {
        Self::step(self.0 + 1)
    }

    /// The step before; the same where nothing is given up.
    #[must_use]
    pub const fn less(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// What is kept of messages, of what was asked for.
    pub(super) const fn policy(self, asked: Policy) -> Policy {
        let body_bytes_max = if self.0 >= 1 { None } else { asked.body_bytes_max };
        let heads = match asked.heads {
            Heads::Whole if self.0 >= 2 => Heads::Brief,
            heads => heads,
        };
        Policy { heads, body_bytes_max, ..asked }
    }

    /// How many shards of flows are captured.
    pub(super) const fn shards(self) -> usize {
        SHARDS >> self.0.saturating_sub(2)
    }
}

impl fmt::Display for Reduction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("everything is kept"),
            1 => f.write_str("bodies are not kept"),
            2 => f.write_str("bodies and most of the heads are not kept"),
            _ => write!(f, "one flow in {} is captured, without bodies", SHARDS / self.shards()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_give_up_more_and_more() {
        let steps = std::iter::successors(Some(Reduction::NONE), |step| {
            Some(step.more()).filter(|next| next != step)
        });
        let asked = Policy { body_bytes_max: Some(9), ..Policy::default() };
        let kept: Vec<_> = steps
            .map(|step| {
                (step.shards(), step.policy(asked).body_bytes_max, step.policy(asked).heads)
            })
            .collect();
        let (whole, brief) = (Heads::Whole, Heads::Brief);
        let expected = [
            (16, Some(9), whole),
            (16, None, whole),
            (16, None, brief),
            (8, None, brief),
            (4, None, brief),
            (2, None, brief),
            (1, None, brief),
        ];
        assert_eq!(kept, expected);
        assert_eq!(Reduction::step(200).less().number(), 5);
        let line = Policy { heads: Heads::Line, ..asked };
        assert_eq!(Reduction::step(2).policy(line).heads, Heads::Line, "never more than asked");
    }
}
