//! Text files as a stream, decompressed on the way.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::feed::{Counted, Reader};
use super::file::{is_gzip, is_zstd};

/// A text file being read; in gzip or zstd it is decompressed on the way.
pub struct TextFile {
    reader: Reader,
}

impl TextFile {
    /// Opens the file at `path`. How it is compressed is told by its first bytes.
    ///
    /// # Errors
    ///
    /// Where it cannot be opened or read.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let mut head = Vec::new();
        (&mut file).take(4).read_to_end(&mut head)?;
        let (is_gzip, is_zstd) = (is_gzip(&head), is_zstd(&head));
        let counted = Counted::new(head, Box::new(file));
        let reader = match (is_gzip, is_zstd) {
            (true, _) => Reader::gzip(counted),
            (_, true) => Reader::zstd(counted)?,
            _ => Reader::Plain(counted),
        };
        Ok(Self { reader })
    }
}

impl Read for TextFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer)
    }
}
