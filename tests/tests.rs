//! The tests of the library from captures to exchanges, and of the command line.

mod dialogues;
mod filters;
mod live;
mod namespace;
mod own_captures;
mod public_captures;
mod run;
mod sandbox;
mod service;
mod tape;
