//! The tests of the library from captures to exchanges, and of the command line.

#![expect(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may fail")]

mod allocation;
mod architecture;
mod damage;
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod dialogues;
mod big;
mod cli;
mod cli_capture;
mod cli_crash;
mod cli_failures;
mod cli_golden;
mod cli_memory;
mod cli_same;
mod export_curl;
mod export_har;
mod export_packets;
#[cfg(feature = "parquet")]
mod export_parquet;
mod fleet;
mod foreign;
mod compare;
mod filters;
mod live;
mod namespace;
mod own_captures;
mod properties;
mod public_captures;
mod run;
mod talk;
mod sandbox;
mod service;
mod tape;
mod grouping;
mod hdr_readers;
mod simulation;
mod traps;
