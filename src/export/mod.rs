//! Answers for programs: JSON Lines and the other formats.

pub mod content;
pub mod hdr;
pub mod inflight;
pub mod json;
pub mod jsonl;
pub mod latency;
pub mod ledger;
pub mod phases;
pub mod why;
