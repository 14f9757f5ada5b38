//! The tests of the library from captures to exchanges, and of the command line.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::pedantic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails, and numbers of tests are small"
)]

mod allocation;
mod architecture;
mod big;
mod cli;
mod cli_capture;
mod cli_crash;
mod cli_failures;
mod cli_golden;
mod cli_memory;
mod cli_same;
mod clock;
#[cfg(feature = "otlp")]
mod collector;
mod compare;
mod damage;
mod dialogues;
mod ends;
mod export_curl;
mod export_har;
#[cfg(feature = "otlp")]
mod export_otlp;
mod export_packets;
#[cfg(feature = "parquet")]
mod export_parquet;
mod filters;
mod fleet;
mod foreign;
mod grouping;
mod hdr_readers;
mod hoarders;
mod live;
mod namespace;
mod own_captures;
mod properties;
mod public_captures;
mod run;
mod sandbox;
mod service;
mod simulation;
mod talk;
mod tape;
mod traps;
