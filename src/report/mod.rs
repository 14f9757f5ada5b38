//! Answers for people: tables, plots, one exchange in full; everything escaped.

mod columns;
pub mod compare;
pub mod detail;
pub mod ends;
pub mod escape;
pub mod groups;
pub mod histogram;
pub mod inflight;
pub mod ledger;
pub mod list;
pub mod phases;
mod pretty;
pub mod reasons;
mod sentence;
pub mod series;
pub mod style;
pub mod table;
pub mod units;
pub mod why;

pub use escape::escaped;
pub use style::Style;
