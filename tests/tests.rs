//! The tests of the library from captures to exchanges, and of the command line.

mod grouping;
mod hdr_readers;
mod own_captures;
mod public_captures;
mod run;
mod simulation;
