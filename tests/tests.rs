//! The tests of the library from captures to exchanges, and of the command line.

#![expect(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may fail")]

mod allocation;
mod architecture;
mod damage;
mod dialogues;
mod big;
mod cli;
mod cli_capture;
mod cli_crash;
mod cli_failures;
mod cli_golden;
mod cli_memory;
mod cli_same;
mod filters;
mod live;
mod namespace;
mod properties;
mod export_curl;
mod export_har;
mod export_packets;
#[cfg(feature = "parquet")]
mod export_parquet;
mod foreign;
mod compare;
mod grouping;
mod hdr_readers;
mod own_captures;
mod public_captures;
mod run;
mod talk;
mod sandbox;
mod simulation;
mod service;
mod tape;
