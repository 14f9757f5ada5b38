//! Questions asked of a store of segments, or of a capture read on the spot.

pub mod filter;
pub mod quantity;
pub mod text;

pub use crate::segment::Metric;
pub use filter::{Filter, FilterError};
pub use text::{ExchangeText, Text};
