//! The tests of the library from captures to exchanges, and of the command line.

#![expect(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may fail")]

mod allocation;
mod architecture;
mod damage;
mod dialogues;
mod own_captures;
mod filters;
mod live;
mod namespace;
mod properties;
mod public_captures;
mod run;
mod talk;
mod tape;
mod traps;
