//! What can be wrong with a segment: where, in which part, what was expected and found.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::segment::summary::Metric;

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
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header => f.write_str("file header"),
            Self::Block(number) => write!(f, "block {number}"),
            Self::Footer => f.write_str("footer"),
            Self::Trailer => f.write_str("trailer"),
        }
    }
}

/// A part of a block or of the footer. Its value is its kind in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Part {
    /// The header in front of the other parts.
    Head = 0,
    /// What the index knows of the block.
    Info = 1,
    /// The numbers.
    Numbers = 2,
    /// The heads of the requests.
    RequestHeads = 3,
    /// The heads of the responses.
    ResponseHeads = 4,
    /// The kept bodies of the requests.
    RequestBodies = 5,
    /// The kept bodies of the responses.
    ResponseBodies = 6,
    /// The methods, routes and hosts that the numbers refer to.
    Names = 7,
    /// The index of the blocks.
    Index = 16,
    /// The ledger.
    Ledger = 17,
    /// The counts by group.
    Summary = 18,
    /// The histograms of totals by group.
    Totals = 19,
    /// Those of waits.
    Waits = 20,
    /// Those of the blocked part of waits.
    Blockings = 21,
    /// Those of the sending of requests.
    Sendings = 22,
    /// Those of the receiving of responses.
    Receivings = 23,
    /// Those of connecting.
    Connectings = 24,
    /// The zeros that fill up to a multiple of eight bytes.
    Padding = 254,
    /// A part of a kind that this version does not know.
    Unknown = 255,
}

impl Part {
    /// The part of that kind.
    #[must_use]
    pub const fn of_kind(kind: u8) -> Self {
        match kind {
            1 => Self::Info,
            2 => Self::Numbers,
            3 => Self::RequestHeads,
            4 => Self::ResponseHeads,
            5 => Self::RequestBodies,
            6 => Self::ResponseBodies,
            7 => Self::Names,
            16 => Self::Index,
            17 => Self::Ledger,
            18 => Self::Summary,
            19 => Self::Totals,
            20 => Self::Waits,
            21 => Self::Blockings,
            22 => Self::Sendings,
            23 => Self::Receivings,
            24 => Self::Connectings,
            _ => Self::Unknown,
        }
    }

    /// The footer's histograms of a metric.
    #[must_use]
    pub const fn times(metric: Metric) -> Self {
        match metric {
            Metric::Total => Self::Totals,
            Metric::Wait => Self::Waits,
            Metric::Blocked => Self::Blockings,
            Metric::Send => Self::Sendings,
            Metric::Receive => Self::Receivings,
            Metric::Connect => Self::Connectings,
        }
    }

    /// Its name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Head => "header",
            Self::Info => "info",
            Self::Numbers => "numbers",
            Self::RequestHeads => "request heads",
            Self::ResponseHeads => "response heads",
            Self::RequestBodies => "request bodies",
            Self::ResponseBodies => "response bodies",
            Self::Names => "names",
            Self::Index => "index",
            Self::Ledger => "ledger",
            Self::Summary => "summary",
            Self::Totals => "totals",
            Self::Waits => "waits",
            Self::Blockings => "blocked times",
            Self::Sendings => "sending times",
            Self::Receivings => "receiving times",
            Self::Connectings => "connecting times",
            Self::Padding => "padding",
            Self::Unknown => "unknown part",
        }
    }
}

/// Something wrong in a segment's bytes: where, and what was expected and found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Which region of the file.
    pub place: Place,
    /// Where the region begins, in bytes from the start of the file.
    pub offset: u64,
    /// Which part of the region.
    pub part: Part,
    /// What was expected and what was found.
    pub what: String,
}

/// `block 3 at byte 81920, request heads: checksum 0x0a.. expected, 0x1b.. found`.
impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.place, self.offset)?;
        if self.part != Part::Head {
            write!(f, ", {}", self.part.name())?;
        }
        write!(f, ": {}", self.what)
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
    #[error(
        "no room for {bytes} more bytes in {}: free some space or write to another disk",
        path.display()
    )]
    Full {
        /// In which file.
        path: PathBuf,
        /// How much was asked for.
        bytes: u64,
    },
    /// The file is no segment.
    #[error("{} is no segment: it does not begin with WEIR", path.display())]
    NotASegment {
        /// Which file.
        path: PathBuf,
    },
    /// A version of the format that this program does not know.
    #[error(
        "{} has segment version {found}, and this program reads version {known}: use a newer weir",
        path.display()
    )]
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
    /// The segment is sealed, and what was asked is only done to unsealed ones.
    #[error("{} is sealed already", path.display())]
    Sealed {
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

impl SegmentError {
    /// The system's refusal of `doing` on `path`.
    pub(super) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { doing, path: path.to_owned(), source }
    }
}
