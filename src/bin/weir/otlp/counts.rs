//! Where every exchange went that was to be exported.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use weir::report::units;

/// Counted while it goes on.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Exchanges that were to be sent.
    pub(super) offered: AtomicU64,
    /// Spans that the collector took.
    pub(super) sent: AtomicU64,
    /// Spans of accepted requests that the collector rejected.
    pub(super) rejected: AtomicU64,
    /// Spans that were given up.
    pub(super) dropped: AtomicU64,
    /// Exchanges with the collector itself, which are left out.
    pub(super) own: AtomicU64,
    /// Requests that failed, also those that were sent again.
    pub(super) failed: AtomicU64,
}

#[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "no exporter counts"))]
pub(super) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

impl Counts {
    /// As of now.
    pub(crate) fn account(&self) -> Account {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Account {
            offered: load(&self.offered),
            sent: load(&self.sent),
            rejected: load(&self.rejected),
            dropped: load(&self.dropped),
            own: load(&self.own),
            failed: load(&self.failed),
        }
    }
}

/// What it came to. At the end: offered = sent + rejected + dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) offered: u64,
    pub(crate) sent: u64,
    pub(crate) rejected: u64,
    pub(crate) dropped: u64,
    pub(crate) own: u64,
    pub(crate) failed: u64,
}

impl Account {
    /// The account of a run that has ended: what was neither sent nor rejected was dropped.
    #[cfg_attr(not(any(test, feature = "otlp")), expect(dead_code, reason = "no exporter ends"))]
    pub(super) const fn closed(self) -> Self {
        let dropped = self.offered.saturating_sub(self.sent).saturating_sub(self.rejected);
        Self { dropped, ..self }
    }

    /// Whether the collector took everything.
    pub(crate) const fn is_whole(&self) -> bool {
        self.sent == self.offered
    }
}

/// `otlp: sent 2,194, dropped 0, failed 0 requests`, and what is seldom behind it.
impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "otlp: sent {}, dropped {}, failed {}",
            units::count(self.sent),
            units::count(self.dropped),
            units::counted(self.failed, "request", "requests")
        )?;
        if self.rejected > 0 {
            write!(f, ", rejected by the collector {}", units::count(self.rejected))?;
        }
        if self.own > 0 {
            write!(f, ", left out {} with the collector itself", units::count(self.own))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_one_line() {
        let account = Account { offered: 2194, sent: 1000, failed: 1, ..Account::default() };
        assert_eq!(account.to_string(), "otlp: sent 1,000, dropped 0, failed 1 request");
        let closed = Account { rejected: 4, own: 2, ..account }.closed();
        let expected = "otlp: sent 1,000, dropped 1,190, failed 1 request, rejected by the \
                        collector 4, left out 2 with the collector itself";
        assert_eq!(closed.to_string(), expected);
        assert!(!closed.is_whole() && Account::default().is_whole());
    }
}
