//! What moved between two captures: times, errors and sizes by group, and values in answers.

mod answers;
mod check;
mod crossing;
mod decimal;
mod leaves;
mod request;
mod routes;
mod statistic;
mod verdict;

pub use answers::{Answers, Content, Counts, ENOUGH};
pub use check::{Check, CheckError};
pub use crossing::{Example, Outcome, ValueChange, ValueReport};
pub use decimal::Decimal;
pub use leaves::{Shape, Value};
pub use request::Request;
pub use routes::{Change, Contrast, Quantity, Recording, contrasts, percentile_of};
pub use verdict::{Finding, LEVEL, Test};
