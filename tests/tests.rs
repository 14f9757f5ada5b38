//! The tests of the library from captures to exchanges, and of the command line.

mod big;
mod cli;
mod cli_crash;
mod cli_failures;
mod cli_golden;
mod cli_same;
mod dialogues;
mod export_curl;
mod export_har;
mod export_packets;
mod filters;
mod live;
mod namespace;
mod own_captures;
mod properties;
mod public_captures;
mod run;
mod sandbox;
mod service;
mod talk;
mod tape;
