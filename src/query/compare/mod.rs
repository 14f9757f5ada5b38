//! What moved between two captures: times, errors and sizes by group, and values in answers.

mod check;
mod decimal;
mod leaves;
mod routes;
mod statistic;
mod verdict;

pub use check::{Check, CheckError};
pub use routes::{Change, Contrast, Quantity, Recording, contrasts, percentile_of};
pub use verdict::{Finding, LEVEL, Test};
