//! A segment being written: room reserved, blocks published one by one, sealed by rename.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, FlockOperation, fallocate, flock};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use crate::ledger::Ledger;
use crate::segment::builder::EncodedBlock;
use crate::segment::column::Packer;
use crate::segment::error::{Part, SegmentError};
use crate::segment::format::{
    About, RegionBuilder, RegionKind, encode_ledger, published_word, trailer,
};
use crate::segment::info::{BlockInfo, encode_index};
use crate::segment::summary::{Metric, Summary};

/// The end of the name of a sealed segment.
pub(super) const SEALED: &str = ".weir";

/// The end of the name of an unsealed segment.
pub(super) const UNSEALED: &str = ".weir.part";

/// Room that is reserved at first; each further step doubles it.
const STEP_MIN: u64 = 1 << 20;

/// Most room that is reserved in one step, beyond what a block needs.
const STEP_MAX: u64 = 16 << 20;

/// Room that is kept for the footer, so that a full disk does not keep a segment from being
/// sealed. A footer of many groups may need more, and then waits for a repair.
const FOOTER_ROOM: u64 = 256 << 10;

/// More than the header of a segment takes.
const HEADER_BYTES_MAX: u64 = 64 << 10;

/// Names that are tried before giving up: as many segments may begin in one nanosecond.
const NAMES_MAX: u32 = 10_000;

/// Appends blocks to one segment.
#[derive(Debug)]
pub struct SegmentWriter {
    path: PathBuf,
    sealed_path: PathBuf,
    file: File,
    /// Bytes of the file that are reserved.
    reserved: u64,
    /// Where the next region goes.
    end: u64,
    exchanges: u64,
    blocks: Vec<BlockInfo>,
    summary: Summary,
}

impl SegmentWriter {
    /// Creates a segment in `dir` (made with mode 0700 where it is not there), with mode 0600 and
    /// a name made of `about.started_at`, ending in `.weir.part`. It stays locked until it is
    /// sealed or dropped.
    ///
    /// # Errors
    /// Where the directory or file cannot be made or the disk is full.
    pub fn create(dir: &Path, about: &About) -> Result<Self, SegmentError> {
        if !dir.is_dir() {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
            made.map_err(|error| SegmentError::io("make directory", dir, error))?;
        }
        let stem = about.started_at.to_string().replace(':', "").replacen('-', "", 2);
        for attempt in 0..NAMES_MAX {
            let name = match attempt {
                0 => stem.clone(),
                more => format!("{stem}-{more}"),
            };
            let sealed_path = dir.join(format!("{name}{SEALED}"));
            if sealed_path.exists() {
                continue;
            }
            let path = dir.join(format!("{name}{UNSEALED}"));
            match Self::create_at(path, sealed_path, about) {
                Err(SegmentError::Io { source, .. })
                    if source.kind() == io::ErrorKind::AlreadyExists => {}
                created => return created,
            }
        }
        Err(SegmentError::io("name a segment in", dir, io::ErrorKind::AlreadyExists.into()))
    }

    /// Creates a segment at `path`, to be renamed to `sealed_path`.
    pub(super) fn create_at(
        path: PathBuf,
        sealed_path: PathBuf,
        about: &About,
    ) -> Result<Self, SegmentError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        let file = options.open(&path).map_err(|error| SegmentError::io("create", &path, error))?;
        let written = lock(&file, &path).and_then(|()| {
            let header = about.encode();
            let reserved = STEP_MIN + header.len() as u64;
            reserve(&file, &path, 0, reserved)?;
            publish(&file, &path, 0, first_word(&header), &[&header])?;
            Ok((reserved, header.len() as u64))
        });
        match written {
            Ok((reserved, end)) => Ok(Self {
                path,
                sealed_path,
                file,
                reserved,
                end,
                exchanges: 0,
                blocks: Vec::new(),
                summary: Summary::default(),
            }),
            Err(error) => {
                // Nothing was recorded in it yet, and an empty file would only puzzle.
                let _ = fs::remove_file(&path);
                Err(error)
            }
        }
    }

    /// Appends a block; once this returns, readers see it and a crash does not lose it.
    ///
    /// # Errors
    /// Where the disk is full; the segment holds what it held and can still be sealed.
    pub fn append(&mut self, block: &EncodedBlock) -> Result<(), SegmentError> {
        if block.is_empty() {
            return Ok(());
        }
        self.append_pieces(&block.region.pieces(), &block.info)?;
        block.groups.add_to(&mut self.summary);
        Ok(())
    }

    /// Appends the bytes of a block, whose summary the caller adds.
    pub(super) fn append_raw(
        &mut self,
        bytes: &[u8],
        info: &BlockInfo,
    ) -> Result<(), SegmentError> {
        self.append_pieces(&[bytes], info)
    }

    /// Appends a block whose bytes are these pieces.
    fn append_pieces(&mut self, pieces: &[&[u8]], info: &BlockInfo) -> Result<(), SegmentError> {
        let len = pieces.iter().map(|piece| piece.len() as u64).sum();
        self.make_room(len + FOOTER_ROOM)?;
        let first = pieces.first().copied().unwrap_or_default();
        let word = published_word(first, info.offset, self.end);
        publish(&self.file, &self.path, self.end, word, pieces)?;
        let offset = self.end;
        self.end += len;
        self.exchanges += u64::from(info.exchanges);
        let number = self.blocks.len();
        self.blocks.push(BlockInfo { offset, len, number, ..info.clone() });
        Ok(())
    }

    /// Adds to the summary that the footer will carry.
    pub(super) fn add_summary(&mut self, summary: &Summary) {
        self.summary.merge(summary);
    }

    /// Sees to it that `more` bytes after the end are reserved.
    fn make_room(&mut self, more: u64) -> Result<(), SegmentError> {
        let needed = self.end.saturating_add(more);
        if needed <= self.reserved {
            return Ok(());
        }
        let wanted = self.wanted(needed);
        // Where the disk has no room for a whole step, it may have some for what is needed now.
        let reserved = match reserve(&self.file, &self.path, self.reserved, wanted) {
            Ok(()) => wanted,
            Err(SegmentError::Full { .. }) => {
                reserve(&self.file, &self.path, self.reserved, needed)?;
                needed
            }
            Err(error) => return Err(error),
        };
        self.reserved = reserved;
        Ok(())
    }

    /// How much is reserved where `needed` is more than there is: a step of room at least.
    fn wanted(&self, needed: u64) -> u64 {
        let step = self.reserved.clamp(STEP_MIN, STEP_MAX);
        needed.max(self.reserved.saturating_add(step))
    }

    /// How many bytes were written so far.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.end
    }

    /// Bytes that the file takes on the disk, room for what is to come included.
    #[must_use]
    pub const fn reserved(&self) -> u64 {
        self.reserved
    }

    /// Bytes that the file will take at most once `block` is appended.
    #[must_use]
    pub fn reserved_with(&self, block: &EncodedBlock) -> u64 {
        let needed = self.end.saturating_add(block.bytes() + FOOTER_ROOM);
        if needed <= self.reserved { self.reserved } else { self.wanted(needed) }
    }

    /// Bytes that a new segment takes at most with `block` in it.
    #[must_use]
    pub fn reserved_by_first(block: &EncodedBlock) -> u64 {
        let needed = HEADER_BYTES_MAX + block.bytes() + FOOTER_ROOM;
        needed.max(2 * STEP_MIN) + STEP_MIN
    }

    /// How many blocks were written so far.
    pub(super) const fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// How many exchanges were written so far.
    #[must_use]
    pub const fn exchanges(&self) -> u64 {
        self.exchanges
    }

    /// Where the unsealed segment is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was recorded so far, by group.
    #[must_use]
    pub const fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Writes the footer, brings everything to the disk and gives the file its final name,
    /// ending in `.weir`.
    ///
    /// # Errors
    /// Where the disk is full or the system refuses; the unsealed file stays.
    pub fn seal(mut self, ledger: &Ledger) -> Result<PathBuf, SegmentError> {
        let mut packer = Packer::new(3);
        let mut builder = RegionBuilder::default();
        builder.part(Part::Index, &encode_index(&self.blocks), &mut packer);
        builder.part(Part::Ledger, &encode_ledger(ledger), &mut packer);
        let summary = self.summary.encode();
        builder.part(Part::Summary, &summary.groups, &mut packer);
        for (metric, times) in Metric::ALL.into_iter().zip(&summary.times) {
            builder.quick_part(Part::times(metric), times, &mut packer);
        }
        let footer = builder.finish(RegionKind::Footer, 0);
        let trailer = trailer(self.end);
        self.make_room((footer.len() + trailer.len()) as u64)?;
        let end = self.end + footer.len() as u64;
        let [header, stored] = footer.pieces();
        let word = published_word(header, 0, self.end);
        publish(&self.file, &self.path, self.end, word, &[header, stored])?;
        publish(&self.file, &self.path, end, first_word(&trailer), &[&trailer])?;
        let Self { path, sealed_path, file, .. } = self;
        let failed = |doing| {
            let path = &path;
            move |error| SegmentError::io(doing, path, error)
        };
        file.set_len(end + trailer.len() as u64).map_err(failed("truncate"))?;
        file.sync_all().map_err(failed("sync"))?;
        fs::rename(&path, &sealed_path).map_err(failed("rename"))?;
        sync_dir(&sealed_path)?;
        Ok(sealed_path)
    }
}

/// Locks an unsealed segment, so that nobody else writes it or repairs it.
pub(super) fn lock(file: &File, path: &Path) -> Result<(), SegmentError> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => Err(SegmentError::Busy { path: path.to_owned() }),
        // A file system without locks has no other process to keep out that would heed them.
        Ok(()) | Err(Errno::NOTSUP | Errno::NOSYS | Errno::INVAL | Errno::NOLCK) => Ok(()),
        Err(error) => Err(SegmentError::io("lock", path, error.into())),
    }
}

/// Brings the name of a file to the disk.
pub(super) fn sync_dir(path: &Path) -> Result<(), SegmentError> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(|error| SegmentError::io("sync directory", dir, error))
}

fn first_word(bytes: &[u8]) -> [u8; 8] {
    bytes.first_chunk().copied().unwrap_or_default()
}

/// Writes `pieces` to `at` in reserved room, one after the other, with `word` in the place of their
/// first eight bytes, which are of the first piece; that is written last, so that a reader who sees
/// the word sees the rest.
fn publish(
    file: &File,
    path: &Path,
    at: u64,
    word: [u8; 8],
    pieces: &[&[u8]],
) -> Result<(), SegmentError> {
    // Written by calls and not through a mapping: whole pages that are written need not be cleared
    // first, nor does each cost a fault, which together are dearer than the copy.
    let mut skipped = word.len();
    let mut end = at;
    let mut written = Ok(());
    for piece in pieces {
        let rest = piece.get(skipped..).unwrap_or_default();
        written = written.and_then(|()| file.write_all_at(rest, end + skipped as u64));
        skipped = 0;
        end += piece.len() as u64;
    }
    written
        .and_then(|()| file.write_all_at(&word, at))
        .map_err(|error| failed_for_room(error, "write", path, end - at))
}

/// The error of a step that needed so many bytes of room.
fn failed_for_room(error: io::Error, doing: &'static str, path: &Path, bytes: u64) -> SegmentError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            SegmentError::Full { path: path.to_owned(), bytes }
        }
        _ => SegmentError::io(doing, path, error),
    }
}

/// Reserves the bytes from `from` to `to` on the disk; where that fails, the file keeps its
/// length, since some file systems leave what they had reserved until then.
fn reserve(file: &File, path: &Path, from: u64, to: u64) -> Result<(), SegmentError> {
    let bytes = to - from;
    let full = || SegmentError::Full { path: path.to_owned(), bytes };
    // Beyond the limit of a shell's `ulimit -f` the system would send a signal.
    if getrlimit(Resource::Fsize).current.is_some_and(|most| to > most) {
        return Err(full());
    }
    let reserved = match fallocate(file, FallocateFlags::empty(), from, bytes) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => write_zeros(file, from, to),
        other => other.map_err(io::Error::from),
    };
    reserved.map_err(|error| {
        let _ = file.set_len(from);
        failed_for_room(error, "reserve room in", path, bytes)
    })
}

/// Reserves by writing, where the file system cannot reserve otherwise.
fn write_zeros(file: &File, from: u64, to: u64) -> io::Result<()> {
    let zeros = vec![0; 1 << 20];
    let mut at = from;
    while at < to {
        let len = usize::try_from(to - at).unwrap_or(usize::MAX).min(zeros.len());
        file.write_all_at(zeros.get(..len).unwrap_or_default(), at)?;
        at += len as u64;
    }
    Ok(())
}
