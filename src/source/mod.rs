//! Where frames come from: capture files of every common kind, one after the other, and
//! interfaces, all at once.

mod ahead;
pub mod bpf;
mod error;
mod feed;
mod file;
mod files;
pub mod live;
mod map;
mod pcap;
mod pcapng;
mod record;
mod text;
pub(crate) mod socket;

pub use error::SourceError;
pub use file::{CaptureFile, is_capture};
pub use files::CaptureFiles;
pub use text::TextFile;

use crate::ledger::Missed;
use crate::limits::READ_FRAMES;
use crate::packet::Frame;
use crate::time::Timestamp;

/// How far a reading came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// There may be more at once.
    More,
    /// Nothing is waiting: every frame that was stamped before this was lent. Interfaces only; a
    /// file's time is told by its frames alone.
    Idle(Timestamp),
    /// Nothing will ever come.
    End,
}

/// Something that lends frames in the order in which they were captured.
pub trait Source {
    /// Lends the next frames to `take`, each for its call: some thousands at most, so that the
    /// caller can look up in between. An interface waits for frames, but not for long.
    ///
    /// # Errors
    ///
    /// Where the capture cannot be read on; [`Reading::End`] follows, or frames where it can
    /// after all.
    fn read(&mut self, take: &mut impl FnMut(&Frame<'_>)) -> Result<Reading, SourceError>;

    /// Asks for the end, and tells whether frames that were captured before are still to be
    /// read until [`Reading::End`]. Default: no, what was not read is not wanted.
    fn stop(&mut self) -> bool {
        false
    }

    /// Frames lost before they came here, as far as the source knows: all since its start, not
    /// since the last call. Default: none.
    fn missed(&mut self) -> Missed {
        Missed::default()
    }
}

impl Source for CaptureFile {
    #[inline]
    fn read(&mut self, take: &mut impl FnMut(&Frame<'_>)) -> Result<Reading, SourceError> {
        Ok(self.run(READ_FRAMES, take)?.map_or(Reading::End, |_| Reading::More))
    }

    fn missed(&mut self) -> Missed {
        Self::missed(self)
    }
}

#[cfg(test)]
mod tests;
