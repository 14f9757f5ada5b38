//! Segments found in directories, in the order of their names, and the repair of unsealed ones.

use std::path::{Path, PathBuf};

use crate::segment::format::{Damage, SegmentError};
use crate::segment::reader::Segment;

/// The segments of some directories and files.
#[derive(Clone, Debug, Default)]
pub struct Store {
    paths: Vec<PathBuf>,
}

impl Store {
    /// Finds the segments in directories (`*.weir` and `*.weir.part`, not in their folders) and
    /// among files, sorted by name, each once.
    ///
    /// # Errors
    /// Where a path cannot be read.
    pub fn open<P: AsRef<Path>>(_paths: &[P]) -> Result<Self, SegmentError> {
        todo!()
    }

    /// The files, sorted by name, which is by time.
    #[must_use]
    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// Opens one segment after the other.
    pub fn segments(&self) -> impl Iterator<Item = Result<Segment, SegmentError>> {
        self.paths.iter().map(|path| Segment::open(path))
    }
}

/// What a repair did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// The sealed file.
    pub path: PathBuf,
    /// Blocks that were kept.
    pub blocks: usize,
    /// Exchanges that were kept.
    pub exchanges: u64,
    /// What was found damaged, and left out.
    pub damage: Vec<Damage>,
}

/// Seals what a crash left open: keeps the whole blocks, builds the summary from them, writes the
/// footer and gives the file its final name.
///
/// # Errors
/// Where the segment is sealed already or being written, or the file cannot be read or written.
pub fn repair(_path: &Path) -> Result<Repaired, SegmentError> {
    todo!()
}
