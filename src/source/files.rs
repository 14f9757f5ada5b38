//! Several captures as one source, in the order given.

use std::collections::VecDeque;
use std::path::PathBuf;

use super::error::SourceError;
use super::file::CaptureFile;
use super::{Reading, Source};
use crate::ledger::Missed;
use crate::limits::READ_FRAMES;
use crate::packet::Frame;

/// Captures read one after the other. One that cannot be read, or not to its end, does not keep
/// the next from being read: its error is kept for the end.
pub struct CaptureFiles {
    waiting: VecDeque<PathBuf>,
    current: Option<CaptureFile>,
    errors: Vec<SourceError>,
    /// Bytes of the captures that were read before the current one.
    bytes_before: u64,
    bytes_total: Option<u64>,
    missed_before: Missed,
}

impl CaptureFiles {
    /// The captures at `paths`, each opened when its turn comes; `-` is standard input.
    #[must_use]
    pub fn new(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        let waiting: VecDeque<_> = paths.into_iter().collect();
        let length = |path: &PathBuf| {
            path.metadata().ok().filter(std::fs::Metadata::is_file).map(|about| about.len())
        };
        let bytes_total = waiting.iter().map(length).sum();
        let missed_before = Missed::default();
        let (current, errors) = (None, Vec::new());
        Self { waiting, current, errors, bytes_before: 0, bytes_total, missed_before }
    }

    /// Why captures could not be read, or not to their ends, so far and not taken before.
    #[must_use]
    pub fn take_errors(&mut self) -> Vec<SourceError> {
        std::mem::take(&mut self.errors)
    }

    /// Bytes read so far, of [`Self::bytes_total`].
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.bytes_before + self.current.as_ref().map_or(0, CaptureFile::bytes_read)
    }

    /// Length of all captures together; `None` where one of them is a pipe or missing.
    #[must_use]
    pub const fn bytes_total(&self) -> Option<u64> {
        self.bytes_total
    }

    /// Goes on to the next capture that can be opened; false where none is left.
    #[cold]
    fn open_next(&mut self) -> bool {
        if let Some(ended) = self.current.take() {
            self.bytes_before += ended.bytes_read();
            add(&mut self.missed_before, &ended.missed());
        }
        while let Some(path) = self.waiting.pop_front() {
            match CaptureFile::open(&path) {
                Ok(file) => {
                    self.current = Some(file);
                    return true;
                }
                Err(error) => self.errors.push(error),
            }
        }
        false
    }
}

impl Source for CaptureFiles {
    /// Never an error: [`CaptureFiles::take_errors`] has them.
    #[inline]
    fn read(&mut self, take: &mut impl FnMut(&Frame<'_>)) -> Result<Reading, SourceError> {
        let mut left = READ_FRAMES;
        while left > 0 {
            match self.current.as_mut().map(|current| current.run(left, take)) {
                Some(Ok(Some(count))) => left -= count,
                None | Some(Ok(None)) if !self.open_next() => return Ok(Reading::End),
                None | Some(Ok(None)) => {}
                Some(Err(error)) => self.errors.push(error),
            }
        }
        Ok(Reading::More)
    }

    fn missed(&mut self) -> Missed {
        let mut sum = self.missed_before.clone();
        if let Some(current) = &self.current {
            add(&mut sum, &current.missed());
        }
        sum
    }
}

fn add(sum: &mut Missed, more: &Missed) {
    sum.kernel = sum.kernel.saturating_add(more.kernel);
    sum.interface = sum.interface.saturating_add(more.interface);
}
