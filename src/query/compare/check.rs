//! Checks of a pipeline: `p99 > +10%`, `errors > +1%`, `p50 > +5ms`, `count < -50%`.

use crate::query::compare::routes::{Change, Contrast, Quantity};
use crate::query::quantity;

/// A change that a user does not want.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    quantity: Quantity,
    operator: Operator,
    limit: Limit,
    source: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Above,
    Below,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Limit {
    /// Percent of what it was; of errors, percentage points.
    Percent(f64),
    /// Nanoseconds more or less.
    Nanoseconds(f64),
}

/// A check that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is no check: {expected}")]
pub struct CheckError {
    found: String,
    expected: &'static str,
}

impl Check {
    /// Reads `QUANTITY > +N%` or `QUANTITY < -N%`; times also take durations: `p99 > +5ms`.
    ///
    /// # Errors
    ///
    /// Where it is something else, with what was expected.
    pub fn parse(source: &str) -> Result<Self, CheckError> {
        let error = |expected| CheckError { found: source.to_owned(), expected };
        let at = source.find(['>', '<']).ok_or_else(|| {
            error("expected a quantity, > or <, and a change, such as 'p99 > +10%'")
        })?;
        let (name, rest) = source.split_at(at);
        let operator = if rest.starts_with('>') { Operator::Above } else { Operator::Below };
        let name = name.trim().to_ascii_lowercase();
        let quantity = Quantity::ALL.into_iter().find(|quantity| quantity.name() == name);
        let quantity = quantity
            .ok_or_else(|| error("expected count, errors, p50, p90, p99, mean or size first"))?;
        let change = rest.get(1..).unwrap_or_default().trim();
        let (sign, size) = match change.split_at_checked(1) {
            Some(("-", size)) => (-1.0, size.trim()),
            Some(("+", size)) => (1.0, size.trim()),
            _ => (1.0, change),
        };
        let limit = if let Some(number) = size.strip_suffix('%') {
            let number = number.trim().parse::<f64>().ok();
            number.filter(|number| number.is_finite() && *number >= 0.0).map(Limit::Percent)
        } else {
            let is_time = !matches!(quantity, Quantity::Count | Quantity::Errors | Quantity::Size);
            let ns = quantity::duration_ns(size).filter(|_| is_time);
            ns.map(|ns| Limit::Nanoseconds(super::statistic::float(ns)))
        };
        let limit = match limit {
            Some(Limit::Percent(percent)) => Limit::Percent(sign * percent),
            Some(Limit::Nanoseconds(ns)) => Limit::Nanoseconds(sign * ns),
            None => return Err(error("expected a change such as +10% or, of times, +5ms")),
        };
        Ok(Self { quantity, operator, limit, source: source.trim().to_owned() })
    }

    /// What it is about.
    #[must_use]
    pub const fn quantity(&self) -> Quantity {
        self.quantity
    }

    /// The change that trips it in this group: beyond the limit, and justified by a verdict.
    /// A count is what it is, and needs none.
    #[must_use]
    pub fn trips(&self, contrast: &Contrast) -> Option<Change> {
        let change = contrast.change(self.quantity)?;
        let (found, limit) = match self.limit {
            Limit::Percent(limit) => (change.percent, limit),
            Limit::Nanoseconds(limit) => (change.after - change.before, limit),
        };
        let is_beyond = match self.operator {
            Operator::Above => found > limit,
            Operator::Below => found < limit,
        };
        let is_fact = self.quantity == Quantity::Count;
        (is_beyond && (is_fact || contrast.has_moved(self.quantity))).then_some(change)
    }
}

/// The check as it was written.
impl std::fmt::Display for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_read() {
        let check = |source: &str, quantity, operator, limit| {
            let read = Check::parse(source).expect(source);
            assert_eq!((read.quantity, read.operator, read.limit), (quantity, operator, limit));
        };
        check("p99 > +10%", Quantity::P99, Operator::Above, Limit::Percent(10.0));
        check(" P50>5ms ", Quantity::P50, Operator::Above, Limit::Nanoseconds(5e6));
        check("errors > +0.5 %", Quantity::Errors, Operator::Above, Limit::Percent(0.5));
        check("count < -50%", Quantity::Count, Operator::Below, Limit::Percent(-50.0));
        check("mean > + 10%", Quantity::Mean, Operator::Above, Limit::Percent(10.0));
        for wrong in ["", "p99", "p98 > 1%", "p99 > ten", "errors > 5ms", "p99 > +10", "p99 > --1%"]
        {
            assert!(Check::parse(wrong).is_err(), "{wrong}");
        }
    }
}
