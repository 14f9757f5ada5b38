//! The tests of the library from captures to exchanges, and of the command line.

mod dialogues;
mod big;
mod cli;
mod cli_crash;
mod cli_failures;
mod cli_golden;
mod cli_same;
mod filters;
mod live;
mod namespace;
mod properties;
mod export_curl;
mod export_har;
mod export_packets;
mod own_captures;
mod public_captures;
mod run;
mod talk;
mod sandbox;
mod tape;
