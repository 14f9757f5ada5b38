//! Files of exchanges: blocks of columns, written through a map, sealed by rename, read back
//! block by block.

mod block;
mod buckets;
mod builder;
mod column;
mod cursor;
mod error;
mod format;
mod groups;
mod info;
mod latencies;
mod map;
mod numbers;
mod packed;
mod reader;
mod source;
mod sparse;
mod store;
mod summary;
mod texts;
mod writer;

pub use block::Block;
pub use builder::{BlockBuilder, EncodedBlock, host_of};
pub use error::{Damage, Part, Place, SegmentError};
pub use format::About;
pub use info::BlockInfo;
pub use latencies::Latencies;
pub use numbers::Glance;
pub use reader::Segment;
pub use store::{Repaired, Store, repair};
pub use summary::{GroupKey, GroupStats, Metric, Summary};
pub use writer::SegmentWriter;

#[cfg(test)]
mod tests;
