//! A capture file mapped into memory: the one place where the source side trusts a file.

use std::fs::File;
use std::io;

use memmap2::{Advice, Mmap, UncheckedAdvice};

/// How much of the map is given back at a time, in bytes. It bounds the memory that
/// a pass over a large file shows.
const STRIDE: usize = 2 << 20;

/// A file's bytes, as long as the file was when it was opened.
///
/// **The risk:** if another process truncates the file while it is read, the pages behind its
/// new end cannot be read any more and the kernel ends us with SIGBUS. That is a crash, never
/// wrong data; it is made unlikely by looking at the file's length again at every stride, which
/// turns a truncation seen in time into an error. A file that grows is read to its first length.
#[derive(Debug)]
pub(super) struct Map {
    mapped: Mmap,
    file: File,
    /// Everything before this was given back.
    released: usize,
}

impl Map {
    /// Maps the whole of `file`, which must be a regular file.
    #[expect(unsafe_code, reason = "mapping a file is unsafe by its nature")]
    pub(super) fn open(file: File) -> io::Result<Self> {
        // SAFETY: the map is read-only and only plain bytes are read from it, so that no value a
        // writer could put there breaks a type; what a truncation does is told above.
        let mapped = unsafe { Mmap::map(&file)? };
        // Advice is only a hint: a kernel that does not take it reads as well, only slower.
        let _ = mapped.advise(Advice::Sequential);
        Ok(Self { mapped, file, released: 0 })
    }

    /// All bytes.
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.mapped
    }

    /// Gives back what lies before `position`, and tells the position at which this is due again.
    ///
    /// # Errors
    ///
    /// Where the file was made shorter, or its length cannot be asked.
    pub(super) fn slide(&mut self, position: usize) -> io::Result<usize> {
        let length = self.file.metadata()?.len();
        if length < self.mapped.len() as u64 {
            let message =
                format!("it was cut to {length} bytes while its {} were read", self.mapped.len());
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
        }
        self.release(position);
        let ahead = STRIDE.min(self.mapped.len().saturating_sub(position));
        Ok(position + ahead)
    }

    /// Gives the pages before `position` back to the kernel, whose cache still has them.
    #[expect(unsafe_code, reason = "the advice is unsafe for private maps, which this is not")]
    fn release(&mut self, position: usize) {
        let page_start = position - position % STRIDE;
        if page_start > self.released {
            let (from, len) = (self.released, page_start - self.released);
            // SAFETY: the map is shared with the file and never written, so that a page given
            // back reads the same bytes when it is touched again.
            let _ =
                unsafe { self.mapped.unchecked_advise_range(UncheckedAdvice::DontNeed, from, len) };
            self.released = page_start;
        }
    }
}
