//! The tests of the library from captures to exchanges, and of the command line.

mod cli;
mod cli_golden;
mod filters;
mod own_captures;
mod public_captures;
mod run;
