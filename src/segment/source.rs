//! Where a segment's bytes are read from: a mapping where it is sealed, the file where it is not.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use crate::segment::map::ReadMap;

/// The bytes of one segment.
#[derive(Debug)]
pub(super) enum Source {
    /// A sealed segment.
    Mapped(ReadMap),
    /// An unsealed one: it may still grow or be truncated, and a short read is no signal.
    File(File, u64),
    /// Bytes at hand.
    Bytes(Vec<u8>),
}

impl Source {
    /// The length of the file when it was opened.
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Mapped(map) => map.len() as u64,
            Self::File(_, len) => *len,
            Self::Bytes(bytes) => bytes.len() as u64,
        }
    }

    /// `len` bytes from `offset` on, or as many of them as there are.
    pub(super) fn read(&self, offset: u64, len: u64) -> io::Result<Cow<'_, [u8]>> {
        let end = offset.saturating_add(len).min(self.len());
        let len = end.saturating_sub(offset);
        match self {
            Self::Mapped(map) => Ok(Cow::Borrowed(piece(map, offset, end))),
            Self::Bytes(bytes) => Ok(Cow::Borrowed(piece(bytes, offset, end))),
            Self::File(file, _) => {
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
