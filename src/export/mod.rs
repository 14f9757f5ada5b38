//! Answers for programs: JSON Lines and the other formats.

pub mod compare;
pub mod content;
pub mod csv;
pub mod curl;
pub mod ends;
pub mod har;
pub mod hdr;
pub mod inflight;
pub mod json;
pub mod jsonl;
pub mod latency;
pub mod ledger;
#[cfg(feature = "otlp")]
pub mod otlp;
pub mod packets;
#[cfg(feature = "parquet")]
pub mod parquet;
pub mod phases;
pub mod why;
