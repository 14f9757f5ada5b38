//! Answers for people: tables, plots, one exchange in full; everything escaped.

pub mod compare;
pub mod detail;
pub mod escape;
pub mod groups;
pub mod histogram;
pub mod ledger;
pub mod list;
mod pretty;
pub mod style;
pub mod table;
pub mod units;

pub use escape::escaped;
pub use style::Style;
