//! The tests of the library from captures to exchanges, and of the command line.

mod export_curl;
mod export_har;
mod export_packets;
#[cfg(feature = "parquet")]
mod export_parquet;
mod own_captures;
mod public_captures;
mod run;
