//! Which exchanges a question is about, as the options say it.

use anyhow::Result;
use weir::exchange::Secrets;
use weir::query::group::Keys;
use weir::query::scan::{self, Question};
use weir::query::span::{Bound, Span};
use weir::query::{Filter, Metric};
use weir::segment::Store;
use weir::time::Timestamp;

use crate::args::{Grouping, Which};
use crate::exit::UsageError;

/// A question before the end of the data is known, which `-15m` counts from.
pub(crate) struct Asked {
    pub(crate) filter: Filter,
    since: Option<Bound>,
    until: Option<Bound>,
}

impl Asked {
    /// Reads the options.
    pub(crate) fn read(which: &Which) -> Result<Self> {
        let filter = match &which.filter {
            Some(expression) => Filter::parse(expression)
                .map_err(|error| UsageError(format!("--where: {error}")))?,
            None => Filter::default(),
        };
        Ok(Self {
            filter,
            since: bound("--since", which.since.as_deref())?,
            until: bound("--until", which.until.as_deref())?,
        })
    }

    /// Whether the end of the data has to be known first.
    pub(crate) fn is_relative(&self) -> bool {
        [self.since, self.until].into_iter().flatten().any(Bound::is_relative)
    }

    /// The question of a store.
    pub(crate) fn question_of(self, store: &Store) -> Result<Question> {
        let last = if self.is_relative() { scan::last_start(store)? } else { None };
        Ok(self.question(last))
    }

    /// The question, where the last exchange starts at `last`.
    pub(crate) fn question(self, last: Option<Timestamp>) -> Question {
        let last = last.unwrap_or_default();
        Question { filter: self.filter, span: Span::new(self.since, self.until, last) }
    }
}

impl Grouping {
    /// The keys; `None` where none were given.
    pub(crate) fn keys(&self) -> Result<Option<Keys>, UsageError> {
        let read = |text| Keys::parse(text).map_err(|error| UsageError(format!("--by: {error}")));
        self.by.as_deref().map(read).transpose()
    }

    /// The time; the total where none was given.
    pub(crate) fn metric(&self) -> Result<Metric, UsageError> {
        let Some(name) = self.metric.as_deref() else { return Ok(Metric::Total) };
        Metric::ALL.into_iter().find(|metric| metric.name() == name).ok_or_else(|| {
            let names = Metric::ALL.map(Metric::name).join(", ");
            UsageError(format!("--metric: `{name}` is no time: expected one of {names}"))
        })
    }
}

/// What becomes of the secrets in captures that are read on the spot.
pub(crate) const fn secrets(keep: bool) -> Secrets {
    if keep { Secrets::Kept } else { Secrets::Redacted }
}

fn bound(option: &str, text: Option<&str>) -> Result<Option<Bound>, UsageError> {
    let read = |text| Bound::parse(text).map_err(|error| UsageError(format!("{option}: {error}")));
    text.map(read).transpose()
}
