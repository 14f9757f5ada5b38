//! A segment opened for reading: sealed through a map, unsealed up to its last whole block.

use std::path::Path;

use crate::ledger::Ledger;
use crate::segment::block::Block;
use crate::segment::format::{BlockInfo, Damage, SegmentError};
use crate::segment::summary::Summary;
use crate::segment::writer::About;

/// One segment, open for reading.
#[derive(Debug)]
pub struct Segment {}

impl Segment {
    /// Opens a segment, sealed or not. Damage does not fail it: what is readable is read, and
    /// [`Segment::damage`] tells the rest.
    ///
    /// # Errors
    /// Where the file cannot be read, is no segment, or has an unknown version.
    pub fn open(_path: &Path) -> Result<Self, SegmentError> {
        todo!()
    }

    /// Which file.
    #[must_use]
    pub fn path(&self) -> &Path {
        todo!()
    }

    /// Whether it was sealed: its footer is whole.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        todo!()
    }

    /// Where it comes from; empty where the header is damaged.
    #[must_use]
    pub fn about(&self) -> &About {
        todo!()
    }

    /// Its blocks, in the order of the file.
    #[must_use]
    pub fn blocks(&self) -> &[BlockInfo] {
        todo!()
    }

    /// Reads the numbers of a block.
    ///
    /// # Errors
    /// Where there is no such block, the file cannot be read, or the block is damaged.
    pub fn block(&self, _number: usize) -> Result<Block, SegmentError> {
        todo!()
    }

    /// The summary: from the footer, or from all blocks where there is no whole one.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn summary(&self) -> Result<Summary, SegmentError> {
        todo!()
    }

    /// The ledger of the run up to the sealing; `None` where it was not sealed or is damaged.
    #[must_use]
    pub fn ledger(&self) -> Option<&Ledger> {
        todo!()
    }

    /// The damage that opening found.
    #[must_use]
    pub fn damage(&self) -> &[Damage] {
        todo!()
    }

    /// Reads everything and returns all damage; empty where the segment is whole.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn verify(&self) -> Result<Vec<Damage>, SegmentError> {
        todo!()
    }
}
