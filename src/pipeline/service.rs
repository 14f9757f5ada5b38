//! A recording that goes on for months: what it keeps, what it survives and what it tells.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::statvfs;

use crate::ledger::{Ledger, Skip};
use crate::limits::RESUME_ROOM_BYTES;
use crate::pipeline::run::Watch;
use crate::pipeline::shelf::{Keep, Shelf};
use crate::segment::{SegmentError, Store, repair};

/// How a recording is run as a service.
pub struct Service {
    /// How much is kept.
    pub keep: Keep,
    /// The run that is recorded: the account of each segment is read there, and what could not
    /// be kept is counted there.
    pub watch: Arc<Watch>,
    /// Set to begin a new segment; taken back when that was done.
    pub rotate: Arc<AtomicBool>,
    /// Learns what happens to the recording.
    pub notify: Box<dyn FnMut(RecorderNotice) + Send>,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("keep", &self.keep).finish_non_exhaustive()
    }
}

/// Something that happened to a recording; one line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecorderNotice {
    /// Nothing can be written for now.
    Stopped {
        /// Why not.
        reason: String,
    },
    /// Writing goes on.
    Resumed {
        /// Exchanges that were measured and not kept in the meantime.
        lost: u64,
    },
    /// What a crash or a full disk left open was sealed.
    Repaired {
        /// The sealed segment.
        path: PathBuf,
        /// Exchanges in it.
        exchanges: u64,
    },
    /// Something failed beside the writing, which goes on.
    Failed {
        /// What, and why.
        reason: String,
    },
}

impl fmt::Display for RecorderNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped { reason } => write!(
                f,
                "writing stopped: {reason}; measuring goes on, and writing when there is room"
            ),
            Self::Resumed { lost } => {
                write!(f, "writing again; {lost} exchanges were measured and not kept")
            }
            Self::Repaired { path, exchanges } => write!(
                f,
                "sealed what had been left open: {} with {exchanges} exchanges",
                path.display()
            ),
            Self::Failed { reason } => f.write_str(reason),
        }
    }
}

/// The state of a service beside the segment that is being written.
#[derive(Debug)]
pub(super) struct Keeper {
    pub(super) service: Service,
    shelf: Shelf,
    /// What the sealed segments account for.
    told: Ledger,
    /// Exchanges that were not kept since writing stopped; `None` while it goes on.
    outage: Option<u64>,
    /// Whether it was told that nothing more can be deleted.
    is_failure_told: bool,
}

impl Keeper {
    /// Takes over a directory: seals what was left open there, and deletes what is too much.
    pub(super) fn new(service: Service, dir: &Path) -> Result<Self, SegmentError> {
        let mut keeper = Self {
            service,
            shelf: Shelf::default(),
            told: Ledger::default(),
            outage: None,
            is_failure_told: false,
        };
        keeper.repair(dir);
        if dir.is_dir() {
            keeper.shelf = Shelf::open(dir)?;
        }
        Ok(keeper)
    }

    /// Seals what nobody writes any more.
    pub(super) fn repair(&mut self, dir: &Path) {
        let Ok(store) = Store::open(&[dir]) else { return };
        for path in store.paths().iter().filter(|path| !Store::is_sealed_name(path)) {
            match repair(path) {
                Ok(repaired) => {
                    let (path, exchanges) = (repaired.path.clone(), repaired.exchanges);
                    self.shelf.put(repaired.path);
                    (self.service.notify)(RecorderNotice::Repaired { path, exchanges });
                }
                // Another capture writes it.
                Err(SegmentError::Busy { .. }) => {}
                Err(error) => {
                    let reason = format!("{error}; `weir verify --repair` may help later");
                    (self.service.notify)(RecorderNotice::Failed { reason });
                }
            }
        }
    }

    /// Bytes of the largest segment that fits the budget several times.
    pub(super) const fn segment_bytes_max(&self) -> u64 {
        self.service.keep.bytes / 8
    }

    /// Sees to it that all segments take the budget at most, with `bytes` for the one that is
    /// being written; whether they do.
    pub(super) fn make_room(&mut self, bytes: u64) -> bool {
        // Footers may take a little more than what is reserved for them.
        let slack = self.service.keep.bytes / 32;
        let bytes = bytes.saturating_add(slack);
        let Some(rest) = self.service.keep.bytes.checked_sub(bytes) else { return false };
        let fits = self.shelf.shrink(rest);
        self.look(fits).unwrap_or(false)
    }

    /// Deletes what is too old.
    pub(super) fn forget(&mut self, now: crate::time::Timestamp) {
        let forgotten = self.shelf.forget(now, self.service.keep.ns);
        self.look(forgotten);
    }

    /// Tells the first of several failures in a row.
    fn look<T>(&mut self, result: Result<T, SegmentError>) -> Option<T> {
        match result {
            Ok(value) => {
                self.is_failure_told = false;
                Some(value)
            }
            Err(error) => {
                if !std::mem::replace(&mut self.is_failure_told, true) {
                    let reason = error.to_string();
                    (self.service.notify)(RecorderNotice::Failed { reason });
                }
                None
            }
        }
    }

    /// The account for a segment that is sealed now: what was added since the last one, and of
    /// exchanges those that it holds.
    pub(super) fn account(&self, exchanges: crate::ledger::Exchanges) -> Ledger {
        let mut account = self.service.watch.ledger().settled().since(&self.told);
        account.exchanges = exchanges;
        account
    }

    /// The account for the last segment: what no other tells of the whole.
    pub(super) fn rest(&self, whole: &Ledger) -> Ledger {
        let mut rest = whole.since(&self.told);
        // Fragments that waited in vain were told as fragments, and count as lost in the end.
        let moved = self.told.skipped(Skip::Fragment).saturating_sub(whole.skipped(Skip::Fragment));
        if let Some(lost) = rest.frames.skipped.get_mut(Skip::FragmentLost as usize) {
            *lost = lost.saturating_sub(moved);
        }
        rest
    }

    /// Takes a sealed segment.
    pub(super) fn sealed(&mut self, path: PathBuf, account: &Ledger) {
        self.told += account;
        self.shelf.put(path);
    }

    /// Notes that nothing can be written for now.
    pub(super) fn stop(&mut self, error: &SegmentError) {
        if self.outage.is_none() {
            self.outage = Some(0);
            (self.service.notify)(RecorderNotice::Stopped { reason: error.to_string() });
        }
    }

    /// Whether nothing can be written for now.
    pub(super) const fn is_stopped(&self) -> bool {
        self.outage.is_some()
    }

    /// Counts exchanges that are not kept.
    pub(super) fn lose(&mut self, exchanges: u64) {
        self.service.watch.unkept.fetch_add(exchanges, Ordering::Relaxed);
        if let Some(lost) = &mut self.outage {
            *lost = lost.saturating_add(exchanges);
        }
    }

    /// Whether it is worth trying to write again.
    pub(super) fn has_room(dir: &Path) -> bool {
        statvfs(dir)
            .map_or(true, |disk| disk.f_bavail.saturating_mul(disk.f_frsize) >= RESUME_ROOM_BYTES)
    }

    /// Notes that writing goes on.
    pub(super) fn resume(&mut self, dir: &Path) {
        if let Some(lost) = self.outage.take() {
            (self.service.notify)(RecorderNotice::Resumed { lost });
            self.repair(dir);
        }
    }

    /// Whether a new segment was asked for; asked once.
    pub(super) fn is_rotation_asked(&self) -> bool {
        self.service.rotate.swap(false, Ordering::Relaxed)
    }
}
