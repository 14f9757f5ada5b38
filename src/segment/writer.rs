//! A segment being written: room reserved, blocks published one by one, sealed by rename.

use std::path::{Path, PathBuf};

use crate::ledger::Ledger;
use crate::segment::block::EncodedBlock;
use crate::segment::format::SegmentError;
use crate::time::Timestamp;

/// Where a segment comes from; kept in its header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// The time in the segment's name: of the capture's or the segment's first packet.
    pub started_at: Timestamp,
    /// Name of the host that captured; empty where unknown.
    pub host: String,
    /// Version of the program that wrote it.
    pub version: String,
    /// The interfaces or files that were read, as a person would name them.
    pub source: String,
}

/// Appends blocks to one segment.
#[derive(Debug)]
pub struct SegmentWriter {}

impl SegmentWriter {
    /// Creates a segment in `dir` (made with mode 0700 where it is not there), with mode 0600 and
    /// a name that ends in `.weir.part`.
    ///
    /// # Errors
    /// Where the directory or file cannot be made or the disk is full.
    pub fn create(_dir: &Path, _about: &About) -> Result<Self, SegmentError> {
        todo!()
    }

    /// Appends a block; once this returns, readers see it and a crash does not lose it.
    ///
    /// # Errors
    /// Where the disk is full; the segment can still be sealed.
    pub fn append(&mut self, _block: &EncodedBlock) -> Result<(), SegmentError> {
        todo!()
    }

    /// How many bytes were written so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        todo!()
    }

    /// How many exchanges were written so far.
    #[must_use]
    pub fn exchanges(&self) -> u64 {
        todo!()
    }

    /// Where the unsealed segment is.
    #[must_use]
    pub fn path(&self) -> &Path {
        todo!()
    }

    /// Writes the footer, brings everything to the disk and gives the file its final name,
    /// ending in `.weir`.
    ///
    /// # Errors
    /// Where the disk is full or the system refuses; the unsealed file stays.
    pub fn seal(self, _ledger: &Ledger) -> Result<PathBuf, SegmentError> {
        todo!()
    }
}
