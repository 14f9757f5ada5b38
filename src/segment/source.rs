//! Where a segment's bytes are read from: a mapping, or the file and its end.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use crate::segment::map::ReadMap;

/// Longest end of a file that is kept at hand: more than a footer of a few hundred groups takes.
const END_BYTES_MAX: u64 = 4 << 20;

/// The bytes of one segment.
#[derive(Debug)]
pub(super) enum Source {
    /// A sealed segment that is asked again and again.
    Mapped(ReadMap),
    /// An unsealed one: it may still grow or be truncated, and a short read is no signal. Or a
    /// sealed one of thousands, of which hardly more than the end is looked at.
    File {
        file: File,
        /// Its length when it was opened.
        len: u64,
        /// The last bytes, where they are at hand.
        end: Vec<u8>,
    },
    /// Bytes at hand.
    Bytes(Vec<u8>),
}

impl Source {
    /// The length of the file when it was opened.
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Mapped(map) => map.len() as u64,
            Self::File { len, .. } => *len,
            Self::Bytes(bytes) => bytes.len() as u64,
        }
    }

    /// Keeps the bytes of a file from `offset` on at hand where they are few.
    pub(super) fn keep_end(&mut self, offset: u64) -> io::Result<()> {
        let len = self.len().saturating_sub(offset);
        if len <= END_BYTES_MAX {
            let bytes = self.read(offset, len)?.into_owned();
            if let Self::File { end, .. } = self
                && bytes.len() as u64 == len
            {
                *end = bytes;
            }
        }
        Ok(())
    }

    /// `len` bytes from `offset` on, or as many of them as there are.
    pub(super) fn read(&self, offset: u64, len: u64) -> io::Result<Cow<'_, [u8]>> {
        let end = offset.saturating_add(len).min(self.len());
        let len = end.saturating_sub(offset);
        match self {
            Self::Mapped(map) => Ok(Cow::Borrowed(piece(map, offset, end))),
            Self::Bytes(bytes) => Ok(Cow::Borrowed(piece(bytes, offset, end))),
            Self::File { end: held, len, .. } if offset >= len - held.len() as u64 => {
                let begin = len - held.len() as u64;
                Ok(Cow::Borrowed(piece(held, offset - begin, end.saturating_sub(begin))))
            }
            Self::File { file, .. } => {
                let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
                let mut filled = 0;
                while let Some(room) = bytes.get_mut(filled..).filter(|room| !room.is_empty()) {
                    match file.read_at(room, offset + filled as u64) {
                        Ok(0) => break,
                        Ok(read) => filled += read,
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        Err(error) => return Err(error),
                    }
                }
                bytes.truncate(filled);
                Ok(Cow::Owned(bytes))
            }
        }
    }
}

fn piece(bytes: &[u8], offset: u64, end: u64) -> &[u8] {
    let (Ok(offset), Ok(end)) = (usize::try_from(offset), usize::try_from(end)) else {
        return &[];
    };
    bytes.get(offset..end).unwrap_or_default()
}
