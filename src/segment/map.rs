//! Mappings of sealed segments: the one place of the storage side with `unsafe`.

use std::fs::File;
use std::io;
use std::ops::Deref;

use memmap2::Mmap;

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
