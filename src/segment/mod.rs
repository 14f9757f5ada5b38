//! Files of exchanges: blocks of columns, written through a map, sealed by rename, read back
//! block by block.

mod block;
mod column;
mod cursor;
mod format;
mod latencies;
mod map;
mod reader;
mod store;
mod summary;
mod writer;

pub use block::{Block, BlockBuilder, EncodedBlock};
pub use format::{BlockInfo, Damage, Part, Place, SegmentError};
pub use latencies::Latencies;
pub use reader::Segment;
pub use store::{Repaired, Store, repair};
pub use summary::{GroupKey, GroupStats, Metric, Summary};
pub use writer::{About, SegmentWriter};
