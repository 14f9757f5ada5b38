//! `--max-memory` and `--max-cpu`: looked at every second; reaching one gives something up, and
//! some time well below takes it back.

use std::sync::atomic::Ordering;
use std::time::Duration;

use weir::pipeline::{Reduction, Watch};

use crate::exit::complain;
use crate::status::Own;

/// How often it is looked.
pub(crate) const STEP: Duration = Duration::from_secs(1);

/// Looks below three quarters of every budget before a step is taken back.
const CALM_LOOKS: u32 = 10;

/// What a capture may take.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Budget {
    /// Bytes of memory: what it allocated, and the rings.
    pub(crate) memory: Option<u64>,
    /// Of them, the rings.
    pub(crate) rings: u64,
    /// Percent of one processor.
    pub(crate) cpu: Option<u32>,
}

impl Budget {
    /// Whether there is any.
    pub(crate) const fn is_any(&self) -> bool {
        self.memory.is_some() || self.cpu.is_some()
    }
}

/// Compares what is taken with what may be.
#[derive(Debug)]
pub(crate) struct Warden {
    budget: Budget,
    before: Own,
    reduction: Reduction,
    calm: u32,
}

/// How much of a budget is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fill {
    /// Less than three quarters.
    Calm,
    /// Up to all of it.
    Near,
    /// More than it.
    Over,
}

fn fill(taken: u128, budget: u128) -> Fill {
    if taken > budget {
        Fill::Over
    } else if taken.saturating_mul(4) > budget.saturating_mul(3) {
        Fill::Near
    } else {
        Fill::Calm
    }
}

impl Warden {
    pub(crate) fn new(budget: Budget) -> Self {
        Self { budget, before: Own::now(), reduction: Reduction::NONE, calm: 0 }
    }

    /// Looks, after so long, and tells the run and the user of a change.
    pub(crate) fn look(&mut self, after: Duration, watch: &Watch) {
        let own = Own::now();
        let (reduction, reason) = self.next(own, after);
        if reduction != self.reduction {
            self.reduction = reduction;
            watch.reduction.store(reduction.number(), Ordering::Relaxed);
            complain(&format!("{reason}: {reduction}"));
        }
    }

    /// What to give up now, and why.
    fn next(&mut self, own: Own, after: Duration) -> (Reduction, &'static str) {
        let before = std::mem::replace(&mut self.before, own);
        let memory = self.budget.memory.map_or(Fill::Calm, |most| {
            fill(own.allocated.saturating_add(self.budget.rings).into(), most.into())
        });
        let cpu = self.budget.cpu.map_or(Fill::Calm, |percent| {
            let spent = own.cpu.saturating_sub(before.cpu).as_nanos() * 100;
            fill(spent, after.as_nanos().saturating_mul(percent.into()))
        });
        if memory == Fill::Over || cpu == Fill::Over {
            self.calm = 0;
            let reason = if memory == Fill::Over {
                "the budget of memory is reached"
            } else {
                "the budget of processor time is reached"
            };
            return (self.reduction.more(), reason);
        }
        self.calm = if memory == Fill::Calm && cpu == Fill::Calm { self.calm + 1 } else { 0 };
        if self.calm >= CALM_LOOKS {
            self.calm = 0;
            return (self.reduction.less(), "well below the budgets again");
        }
        (self.reduction, "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_taken_at_once_and_taken_back_after_a_while() {
        let budget = Budget { memory: Some(100 << 20), rings: 20 << 20, cpu: Some(50) };
        let mut warden =
            Warden { budget, before: Own::default(), reduction: Reduction::NONE, calm: 0 };
        let mut cpu = Duration::ZERO;
        let mut look = |mebibytes: u64, percent: u64, expected: u8| {
            cpu += Duration::from_millis(percent * 10);
            let own = Own { cpu, memory: 0, allocated: mebibytes << 20 };
            let (reduction, _) = warden.next(own, STEP);
            warden.reduction = reduction;
            assert_eq!(reduction.number(), expected, "{mebibytes} MiB, {percent} %");
        };
        look(80, 50, 0);
        look(81, 10, 1);
        look(10, 51, 2);
        look(90, 90, 3);
        for _ in 0..9 {
            look(40, 30, 3);
        }
        look(40, 40, 3);
        for _ in 0..9 {
            look(40, 30, 3);
        }
        look(40, 30, 2);
    }
}
