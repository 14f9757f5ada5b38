//! The tests of the library from captures to exchanges, and of the command line.

mod filters;
mod public_captures;
mod run;
