//! Answers for programs: JSON Lines and the other formats.

pub mod json;
pub mod jsonl;
pub mod latency;
