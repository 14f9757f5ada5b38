//! The span of time that a question covers: `--since` and `--until`.

use crate::query::quantity;
use crate::time::Timestamp;

/// One end of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// An instant.
    At(Timestamp),
    /// So many nanoseconds before the start of the last exchange of the data: time is packet
    /// time, so a capture of last year has its last quarter of an hour too.
    BeforeEnd(u64),
}

impl Bound {
    /// Reads RFC 3339 (`2026-11-21T06:34:25Z`; without an offset it is UTC) or a duration before
    /// the end (`-15m`).
    ///
    /// # Errors
    ///
    /// What was found and what is expected, as a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let read = match text.strip_prefix('-') {
            Some(duration) => quantity::duration_ns(duration).map(Self::BeforeEnd),
            None => quantity::instant(text).map(Self::At),
        };
        read.ok_or_else(|| {
            format!(
                "`{text}` is no time: expected RFC 3339 such as `2026-11-21T06:34:25Z`, \
                 or a duration before the last exchange such as `-15m`"
            )
        })
    }

    /// The instant it stands for, where the last exchange starts at `last`.
    #[must_use]
    pub fn resolve(self, last: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::BeforeEnd(ns) => {
                let ns = i64::try_from(ns).unwrap_or(i64::MAX);
                Timestamp::from_nanos(last.as_nanos().saturating_sub(ns))
            }
        }
    }

    /// Whether the end of the data has to be known.
    #[must_use]
    pub const fn is_relative(self) -> bool {
        matches!(self, Self::BeforeEnd(_))
    }
}

/// A span of time: exchanges that start at `since` or later, and before `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first instant inside; `None` where the span begins with the data.
    pub since: Option<Timestamp>,
    /// The first instant outside; `None` where the span ends with the data.
    pub until: Option<Timestamp>,
}

impl Span {
    /// All time.
    pub const ALL: Self = Self { since: None, until: None };

    /// The span between two bounds, where the last exchange starts at `last`.
    #[must_use]
    pub fn new(since: Option<Bound>, until: Option<Bound>, last: Timestamp) -> Self {
        let resolve = |bound: Option<Bound>| bound.map(|bound| bound.resolve(last));
        Self { since: resolve(since), until: resolve(until) }
    }

    /// Whether an exchange that starts at `start` is inside.
    #[must_use]
    pub fn holds(&self, start: Timestamp) -> bool {
        self.since.is_none_or(|since| start >= since) && self.until.is_none_or(|end| start < end)
    }

    /// Whether a block whose exchanges start between `first` and `last` reaches into it.
    #[must_use]
    pub fn reaches(&self, first: Timestamp, last: Timestamp) -> bool {
        self.since.is_none_or(|since| last >= since) && self.until.is_none_or(|end| first < end)
    }

    /// Whether every exchange that starts between `first` and `last` is inside.
    #[must_use]
    pub fn covers(&self, first: Timestamp, last: Timestamp) -> bool {
        self.holds(first) && self.holds(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_absolute_or_before_the_last_exchange() {
        let last = Timestamp::from_nanos(1_000_000_000_000);
        let check = |text: &str, expected: Option<i64>| {
            let found = Bound::parse(text).ok().map(|bound| bound.resolve(last).as_nanos());
            assert_eq!(found, expected, "{text}");
        };
        check("-15m", Some(100_000_000_000));
        check("-1.5s", Some(998_500_000_000));
        check("1970-01-01T00:00:01Z", Some(1_000_000_000));
        for text in ["15m", "-15", "", "-", "yesterday"] {
            check(text, None);
        }
    }

    #[test]
    fn a_span_holds_its_first_instant_and_not_its_last() {
        let at = Timestamp::from_nanos;
        let span = Span { since: Some(at(10)), until: Some(at(20)) };
        let inside: Vec<i64> = (0..30).filter(|&nanos| span.holds(at(nanos))).collect();
        assert_eq!(inside, (10..20).collect::<Vec<_>>());
        for first in 0..30 {
            for last in first..30 {
                let each: Vec<bool> = (first..=last).map(|nanos| span.holds(at(nanos))).collect();
                assert_eq!(span.reaches(at(first), at(last)), each.contains(&true));
                assert_eq!(span.covers(at(first), at(last)), !each.contains(&false));
            }
        }
        assert!(Span::ALL.covers(Timestamp::MIN, Timestamp::MAX));
    }
}
