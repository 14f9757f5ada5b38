//! The bytes of a segment, as a table, and what can be wrong with them.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::time::Timestamp;

/// What a segment knows of one of its blocks without reading it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockInfo {
    /// Where the block begins in its file, in bytes.
    pub offset: u64,
    /// How long it is, in bytes, padding included.
    pub len: u64,
    /// How many exchanges it holds.
    pub exchanges: u32,
    /// The earliest start of its exchanges.
    pub first_start: Timestamp,
    /// The latest start of its exchanges.
    pub last_start: Timestamp,
    /// The largest total of its exchanges, in nanoseconds; 0 where none has a total.
    pub total_ns_max: u64,
    /// The status classes that occur: bit 2 for 2xx and so on, bit 0 for "no response".
    pub classes: u16,
    /// The states that occur: one bit each, in the order of [`crate::exchange::State::ALL`].
    pub states: u8,
}

impl BlockInfo {
    /// Whether the block can hold an exchange with this host; `false` is certain.
    #[must_use]
    pub fn may_have_host(&self, _host: &[u8]) -> bool {
        true
    }

    /// Whether the block can hold an exchange with this route pattern (without its method);
    /// `false` is certain.
    #[must_use]
    pub fn may_have_route(&self, _route: &str) -> bool {
        true
    }
}

/// Where in a segment something is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The file's header.
    Header,
    /// The block of that number, from 0, in the order of the file.
    Block(usize),
    /// The footer.
    Footer,
    /// The last bytes of the file, which tell where the footer is.
    Trailer,
    /// What stands where the next block would begin.
    Tail,
}

/// A part of a block or of the footer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Part {
    /// The header in front of the other parts.
    Head = 0,
    /// What the index knows of the block.
    Info = 1,
    /// The numbers, and the names they refer to.
    Numbers = 2,
    /// The heads of the requests.
    RequestHeads = 3,
    /// The heads of the responses.
    ResponseHeads = 4,
    /// The kept bodies of the requests.
    RequestBodies = 5,
    /// The kept bodies of the responses.
    ResponseBodies = 6,
    /// The index of the blocks.
    Index = 16,
    /// The ledger.
    Ledger = 17,
    /// The histograms by group.
    Summary = 18,
}

/// Something wrong in a segment's bytes: where, and what was expected and found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Which region of the file.
    pub place: Place,
    /// Where it begins, in bytes from the start of the file.
    pub offset: u64,
    /// Which part of the region.
    pub part: Part,
    /// What was expected and what was found.
    pub what: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at byte {}, {:?}: {}", self.place, self.offset, self.part, self.what)
    }
}

/// Why a segment cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// The system refused.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The disk has no room; what was written before stays readable.
    #[error("no room for {bytes} more bytes in {}: free some space or choose another --write directory", path.display())]
    Full {
        /// In which file.
        path: PathBuf,
        /// How much was asked for.
        bytes: u64,
    },
    /// The file is no segment.
    #[error("{} is no segment: it begins with neither WEIR nor ends so", path.display())]
    NotASegment {
        /// Which file.
        path: PathBuf,
    },
    /// A version of the format that this program does not know.
    #[error("{} has segment version {found}, and this program reads up to {known}: use a newer weir", path.display())]
    Version {
        /// Which file.
        path: PathBuf,
        /// What it says.
        found: u16,
        /// The newest version that can be read.
        known: u16,
    },
    /// Another process writes the segment at this moment.
    #[error("{} is being written: stop that capture first", path.display())]
    Busy {
        /// Which file.
        path: PathBuf,
    },
    /// Bytes of the segment are not what was written.
    #[error("{}: {damage}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Where, and what.
        damage: Damage,
    },
}
