//! The texts of a block: heads or bodies, one after the other, and where each ends.
//!
//! ```text
//! texts       the bytes of all texts, back to back; then their lengths as a column (see
//!             `column.rs`), each less the length that the numbers tell (header bytes, body bytes
//!             seen), signed; then the length of that column (u32). Heads have a length for every
//!             row, bodies for every row whose body was kept. Where all are empty the part is
//!             absent.
//! ```

use crate::segment::column::{self, ColumnEncoder, Sign};
use crate::segment::cursor::{Malformed, unzigzag, zigzag};

/// Collects the texts of a block.
#[derive(Debug, Default)]
pub(super) struct TextsBuilder {
    bytes: Vec<u8>,
    lengths: Vec<u64>,
}

impl TextsBuilder {
    /// Bytes of the texts so far.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Adds a text, of which the numbers tell that length.
    pub(super) fn push(&mut self, text: &[u8], told: u64) {
        self.bytes.extend_from_slice(text);
        self.lengths.push(zigzag((text.len() as u64).wrapping_sub(told).cast_signed()));
    }

    /// The raw part; `None` where all texts are empty.
    pub(super) fn finish(&mut self, encoder: &mut ColumnEncoder) -> Option<&[u8]> {
        if self.bytes.is_empty() {
            return None;
        }
        let end = self.bytes.len();
        encoder.encode(&self.lengths, Sign::Signed, &mut self.bytes);
        let column = u32::try_from(self.bytes.len() - end).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(&column.to_le_bytes());
        Some(&self.bytes)
    }

    /// Empties it and keeps its room.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.lengths.clear();
    }
}

/// The texts of a block, read back.
#[derive(Debug, Default)]
pub(super) struct Texts {
    bytes: Vec<u8>,
    /// Where the text of each row ends.
    ends: Vec<usize>,
}

impl Texts {
    /// Reads a raw part; `told` gives for each row the length that the numbers tell, `None` for a
    /// row without text.
    pub(super) fn decode(
        mut bytes: Vec<u8>,
        told: impl Iterator<Item = Option<u64>> + Clone,
    ) -> Result<Self, Malformed> {
        let short = || "a column of lengths expected at the end".to_owned();
        let (rest, len) = bytes.split_last_chunk().ok_or_else(short)?;
        let at = rest.len().checked_sub(u32::from_le_bytes(*len) as usize).ok_or_else(short)?;
        let column = rest.get(at..).unwrap_or_default();
        let lengths = column::decode(column, told.clone().flatten().count())?;
        bytes.truncate(at);
        let mut lengths = lengths.into_iter();
        let mut ends = Vec::with_capacity(lengths.len());
        let mut end = 0_u64;
        for told in told {
            if let (Some(told), Some(length)) = (told, told.and_then(|_| lengths.next())) {
                let length = told.wrapping_add(unzigzag(length).cast_unsigned());
                end = end.checked_add(length).filter(|&end| end <= bytes.len() as u64).ok_or_else(
                    || format!("texts of {} bytes expected, a longer one found", bytes.len()),
                )?;
            }
            ends.push(usize::try_from(end).unwrap_or(usize::MAX));
        }
        if end == bytes.len() as u64 {
            Ok(Self { bytes, ends })
        } else {
            Err(format!("texts of {} bytes expected, {end} found", bytes.len()))
        }
    }

    /// The text of a row; empty where there is none.
    pub(super) fn get(&self, row: usize) -> &[u8] {
        let begin = row.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied());
        match (begin, self.ends.get(row)) {
            (Some(begin), Some(&end)) => self.bytes.get(begin..end).unwrap_or_default(),
            _ => &[],
        }
    }
}
