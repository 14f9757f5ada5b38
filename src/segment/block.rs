//! A compressed run of exchanges in columns: built on any thread, read column by column.

use crate::exchange::{Exchange, Facts};
use crate::segment::format::SegmentError;
use crate::segment::summary::Summary;

/// Collects exchanges and encodes them; its buffers serve the next block.
#[derive(Debug)]
pub struct BlockBuilder {}

impl BlockBuilder {
    /// An empty builder; `level` is zstd's (1 is Weir's default).
    #[must_use]
    pub fn new(_level: i32) -> Self {
        todo!()
    }

    /// Adds one exchange.
    pub fn push(&mut self, _exchange: &Exchange) {
        todo!()
    }

    /// How many exchanges it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        todo!()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a bound of `limits.rs` for one block is reached: it is time to finish.
    #[must_use]
    pub fn is_full(&self) -> bool {
        todo!()
    }

    /// Encodes what it holds and empties it. An empty block may be appended and writes nothing.
    pub fn finish(&mut self) -> EncodedBlock {
        todo!()
    }
}

/// A block ready to be appended to a segment.
#[derive(Debug)]
pub struct EncodedBlock {
    summary: Summary,
}

impl EncodedBlock {
    /// How many exchanges it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        todo!()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes it takes in a file.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        todo!()
    }

    /// Its share of the segment's summary.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.summary
    }
}

/// A block read back: its numbers, and its heads and bodies once they are loaded. A row is the
/// position of an exchange in the block, from 0; a row past the end answers as an empty exchange.
#[derive(Debug)]
pub struct Block {}

impl Block {
    /// How many exchanges it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        todo!()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every number of the exchange.
    #[must_use]
    pub fn facts(&self, _row: usize) -> Facts {
        todo!()
    }

    /// The method; empty without request.
    #[must_use]
    pub fn method(&self, _row: usize) -> &[u8] {
        todo!()
    }

    /// The route pattern, without the method; empty without request.
    #[must_use]
    pub fn route(&self, _row: usize) -> &str {
        todo!()
    }

    /// The host that the request names; empty where it names none.
    #[must_use]
    pub fn host(&self, _row: usize) -> &[u8] {
        todo!()
    }

    /// Statuses of the interim responses, in order.
    #[must_use]
    pub fn interim(&self, _row: usize) -> &[u16] {
        todo!()
    }

    /// Reads the heads; does nothing where they are loaded.
    ///
    /// # Errors
    /// Where the file cannot be read or the heads are damaged.
    pub fn load_heads(&mut self) -> Result<(), SegmentError> {
        todo!()
    }

    /// Reads the bodies; does nothing where they are loaded.
    ///
    /// # Errors
    /// Where the file cannot be read or the bodies are damaged.
    pub fn load_bodies(&mut self) -> Result<(), SegmentError> {
        todo!()
    }

    /// The request's head; empty where it was not seen, not kept, or heads are not loaded.
    #[must_use]
    pub fn request_head(&self, _row: usize) -> &[u8] {
        todo!()
    }

    /// The response's head; empty where it was not seen, not kept, or heads are not loaded.
    #[must_use]
    pub fn response_head(&self, _row: usize) -> &[u8] {
        todo!()
    }

    /// The request's target as sent; empty where heads are not loaded.
    #[must_use]
    pub fn target(&self, _row: usize) -> &[u8] {
        todo!()
    }

    /// The request's kept body; `None` where none was kept or bodies are not loaded.
    #[must_use]
    pub fn request_body(&self, _row: usize) -> Option<&[u8]> {
        todo!()
    }

    /// The response's kept body; `None` where none was kept or bodies are not loaded.
    #[must_use]
    pub fn response_body(&self, _row: usize) -> Option<&[u8]> {
        todo!()
    }

    /// The exchange in full into `exchange`, loading heads and bodies where they are not.
    ///
    /// # Errors
    /// Where the file cannot be read or heads or bodies are damaged.
    pub fn exchange(&mut self, _row: usize, _exchange: &mut Exchange) -> Result<(), SegmentError> {
        todo!()
    }
}
