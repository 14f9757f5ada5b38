//! The tests of the library from captures to exchanges, and of the command line.

mod filters;
mod live;
mod namespace;
mod public_captures;
mod run;
mod sandbox;
