//! Where frames come from: capture files of every common kind, one after the other.

mod error;
mod feed;
mod file;
mod files;
mod map;
mod pcap;
mod pcapng;
mod prefetch;
mod record;

pub use error::SourceError;
pub use file::{CaptureFile, is_capture};
pub use files::CaptureFiles;

use crate::ledger::Missed;
use crate::packet::Frame;

/// Something that lends frames, one at a time, in the order in which they were captured.
pub trait Source {
    /// The next frame, lent until the next call; `None` at the end.
    ///
    /// # Errors
    ///
    /// Where the capture cannot be read on; `None` follows, or frames where it can after all.
    fn next_frame(&mut self) -> Result<Option<Frame<'_>>, SourceError>;

    /// Frames lost before they came here, as far as the source knows: all since its start, not
    /// since the last call. Default: none.
    fn missed(&mut self) -> Missed {
        Missed::default()
    }
}

impl Source for CaptureFile {
    #[inline]
    fn next_frame(&mut self) -> Result<Option<Frame<'_>>, SourceError> {
        Self::next_frame(self)
    }

    fn missed(&mut self) -> Missed {
        Self::missed(self)
    }
}

#[cfg(test)]
mod tests;
