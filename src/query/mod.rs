//! Questions asked of a store of segments, or of a capture read on the spot.

pub mod compare;
pub mod confidence;
pub mod ends;
pub mod filter;
pub mod group;
pub mod inflight;
pub mod latency;
pub mod phases;
pub mod quantity;
pub mod scan;
pub mod series;
pub mod span;
pub mod text;
pub mod why;

pub use crate::segment::Metric;
pub use filter::{Filter, FilterError};
pub use text::{ExchangeText, Text};
