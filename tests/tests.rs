//! The tests of the library from captures to exchanges, and of the command line.

mod big;
mod cli;
mod cli_capture;
mod cli_crash;
mod cli_failures;
mod cli_golden;
mod cli_memory;
mod cli_same;
mod filters;
mod own_captures;
mod public_captures;
mod run;
