//! Questions asked of a store of segments, or of a capture read on the spot.

pub mod filter;
pub mod metric;
pub mod quantity;
pub mod text;

pub use filter::{BlockBounds, Filter, FilterError};
pub use metric::Metric;
pub use text::{ExchangeText, Text};
