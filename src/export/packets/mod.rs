//! The packets of exchanges: copied from captures, or made anew from segments, for Wireshark.

mod synthesis;
mod wanted;
mod writer;

pub use synthesis::Synthesis;
pub use wanted::{TooMany, Wanted};
pub use writer::{Form, PacketWriter, PacketsError, Section};
