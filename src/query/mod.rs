//! Questions asked of a store of segments, or of a capture read on the spot.

pub mod compare;
pub mod confidence;
pub mod filter;
pub mod group;
pub mod latency;
pub mod quantity;
pub mod scan;
pub mod span;
pub mod text;

pub use crate::segment::Metric;
pub use filter::{Filter, FilterError};
pub use text::{ExchangeText, Text};
