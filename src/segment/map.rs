//! Mappings of segment files: the one place of the storage side with `unsafe`.

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{Mmap, MmapMut};

/// A sealed segment, mapped for reading.
#[derive(Debug)]
pub(super) struct ReadMap(Mmap);

impl ReadMap {
    /// Maps the whole file.
    pub(super) fn new(file: &File) -> io::Result<Self> {
        // SAFETY: the file is a sealed segment. Weir never writes to one again and never makes it
        // shorter; a foreign program that does so while it is mapped breaks what the user was
        // told of sealed files, as with any mapped file.
        #[expect(unsafe_code, reason = "a mapping is shared with whoever else opens the file")]
        let map = unsafe { Mmap::map(file)? };
        Ok(Self(map))
    }
}

impl Deref for ReadMap {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// An unsealed segment, mapped for its one writer.
#[derive(Debug)]
pub(super) struct WriteMap(MmapMut);

impl WriteMap {
    /// Maps the first `len` bytes, all of which are reserved on the disk.
    pub(super) fn new(file: &File, len: u64) -> io::Result<Self> {
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?;
        // SAFETY: the file was created by this process under a name of its own and is locked;
        // other processes read it by system calls only. Its room is reserved, so that storing to
        // the mapping needs no block that the disk might not have.
        #[expect(unsafe_code, reason = "a mapping is shared with whoever else opens the file")]
        let map = unsafe { memmap2::MmapOptions::new().len(len).map_mut(file)? };
        Ok(Self(map))
    }

    /// Stores `rest` eight bytes behind `offset`, then `word` at `offset`, so that a reader who sees
    /// the word sees the rest. `false` where it does not fit or is not aligned.
    pub(super) fn publish(&mut self, offset: u64, word: [u8; 8], rest: &[u8]) -> bool {
        let place = usize::try_from(offset)
            .ok()
            .filter(|at| at % 8 == 0)
            .and_then(|at| self.0.get_mut(at..at.checked_add(8)?.checked_add(rest.len())?));
        let Some((first, room)) = place.and_then(|place| place.split_first_chunk_mut::<8>()) else {
            return false;
        };
        room.copy_from_slice(rest);
        // SAFETY: `first` is eight bytes that this writer alone stores to, valid for as long as it
        // is borrowed, and aligned: a mapping begins at a page and the offset is a multiple of 8.
        #[expect(unsafe_code, reason = "an atomic store into borrowed bytes")]
        let published = unsafe { AtomicU64::from_ptr(first.as_mut_ptr().cast()) };
        published.store(u64::from_ne_bytes(word), Ordering::Release);
        true
    }
}
