//! The sealed segments of a directory that a service writes, and which of them have to go.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::segment::{Segment, SegmentError, Store};
use crate::time::Timestamp;

/// How much of what was recorded is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Bytes that all segments may take together, the one that is being written included.
    pub bytes: u64,
    /// Nanoseconds of packet time since the last exchange of a segment began.
    pub ns: u64,
}

impl Keep {
    /// Everything.
    pub const ALL: Self = Self { bytes: u64::MAX, ns: u64::MAX };
}

/// A sealed segment.
#[derive(Debug)]
struct Sealed {
    path: PathBuf,
    bytes: u64,
    last_start: Timestamp,
}

/// The sealed segments of a directory, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    sealed: VecDeque<Sealed>,
    bytes: u64,
}

impl Shelf {
    /// What is there from before.
    pub(super) fn open(dir: &Path) -> Result<Self, SegmentError> {
        let mut shelf = Self::default();
        for path in Store::open(&[dir])?.paths() {
            if Store::is_sealed_name(path) {
                shelf.put(path.clone());
            }
        }
        Ok(shelf)
    }

    /// Adds the newest.
    pub(super) fn put(&mut self, path: PathBuf) {
        let bytes = fs::metadata(&path).map_or(0, |metadata| metadata.len());
        // A segment that cannot be read goes when its turn comes by size.
        let last_start = Segment::open(&path).ok().and_then(|segment| {
            let starts = segment.blocks().iter().map(|block| block.last_start);
            starts.max().or(Some(segment.about().started_at))
        });
        self.bytes = self.bytes.saturating_add(bytes);
        let last_start = last_start.unwrap_or(Timestamp::MAX);
        self.sealed.push_back(Sealed { path, bytes, last_start });
    }

    /// Bytes of all together.
    #[cfg(test)]
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Deletes the oldest until all together take `bytes_max` at most; whether they do.
    pub(super) fn shrink(&mut self, bytes_max: u64) -> Result<bool, SegmentError> {
        while self.bytes > bytes_max {
            if !self.remove_oldest()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Deletes those whose last exchange began longer than `ns` before `now`, oldest first.
    pub(super) fn forget(&mut self, now: Timestamp, ns: u64) -> Result<(), SegmentError> {
        while self.sealed.front().is_some_and(|oldest| now.since(oldest.last_start) > ns) {
            self.remove_oldest()?;
        }
        Ok(())
    }

    /// Deletes the oldest; `false` where there is none. One that is gone already is as good.
    fn remove_oldest(&mut self) -> Result<bool, SegmentError> {
        let Some(oldest) = self.sealed.pop_front() else { return Ok(false) };
        self.bytes = self.bytes.saturating_sub(oldest.bytes);
        match fs::remove_file(&oldest.path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                // It still takes its room, and is the next to go.
                let path = oldest.path.clone();
                self.bytes = self.bytes.saturating_add(oldest.bytes);
                self.sealed.push_front(oldest);
                Err(SegmentError::Io { doing: "delete", path, source })
            }
            _ => Ok(true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_first_and_what_is_gone_already_is_no_error() {
        let dir = tempfile::tempdir().expect("a directory");
        for (name, bytes) in [("a", 100), ("b", 200), ("c", 300)] {
            fs::write(dir.path().join(format!("{name}.weir")), vec![0; bytes]).expect("written");
        }
        let left = || {
            let entries = fs::read_dir(dir.path()).expect("a directory");
            let mut names: Vec<_> =
                entries.map(|entry| entry.expect("an entry").file_name()).collect();
            names.sort();
            names
        };
        let mut shelf = Shelf::open(dir.path()).expect("readable");
        assert_eq!(shelf.bytes(), 600);
        assert!(shelf.shrink(600).expect("nothing to do"));
        assert_eq!(left().len(), 3);
        fs::remove_file(dir.path().join("a.weir")).expect("there");
        assert!(shelf.shrink(500).expect("a is gone"));
        assert_eq!((shelf.bytes(), left().len()), (500, 2));
        assert!(shelf.shrink(499).expect("b goes"));
        assert_eq!((shelf.bytes(), left()), (300, vec!["c.weir".into()]));
        assert!(!shelf.shrink(0).is_ok_and(|fits| !fits), "an empty shelf takes nothing");
        assert_eq!(left().len(), 0);
    }
}
