//! One state per connection: the key that finds it and the table that keeps it within bounds.

mod closed;
mod key;
mod table;

pub use closed::ClosedFlows;
pub use key::{FlowKey, KeyHash, KeyHasher, Peer};
pub use table::{FlowTable, SlotId};
