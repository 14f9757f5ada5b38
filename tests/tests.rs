//! The tests of the library from captures to exchanges, and of the command line.

mod dialogues;
mod public_captures;
mod run;
mod tape;
