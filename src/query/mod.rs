//! Questions asked of a store of segments, or of a capture read on the spot.

pub mod text;
