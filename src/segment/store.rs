//! Segments found in directories, in the order of their names, and the repair of unsealed ones.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::ledger::Ledger;
use crate::segment::error::{Damage, SegmentError};
use crate::segment::format::About;
use crate::segment::reader::Segment;
use crate::segment::summary::Summary;
use crate::segment::writer::{SEALED, SegmentWriter, UNSEALED, lock, sync_dir};

/// The segments of some directories and files.
#[derive(Clone, Debug, Default)]
pub struct Store {
    paths: Vec<PathBuf>,
}

impl Store {
    /// Finds the segments in directories (`*.weir` and `*.weir.part`, not in their folders) and
    /// among files, sorted by name, each once.
    ///
    /// # Errors
    /// Where a path cannot be read.
    pub fn open<P: AsRef<Path>>(paths: &[P]) -> Result<Self, SegmentError> {
        let mut found = Vec::new();
        for path in paths {
            let path = path.as_ref();
            let failed = |error| SegmentError::io("open", path, error);
            if !fs::metadata(path).map_err(failed)?.is_dir() {
                found.push((path.to_owned(), real(path)));
                continue;
            }
            let real_dir = real(path);
            for entry in fs::read_dir(path).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let path = entry.path();
                if ends_with(&path, SEALED)
                    // A repair that was cut short may leave both names: the sealed one counts.
                    || (ends_with(&path, UNSEALED) && !sealed_path(&path).exists())
                {
                    // Only a link's own path leads elsewhere than the directory's.
                    let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
                    let real = if is_file { real_dir.join(entry.file_name()) } else { real(&path) };
                    found.push((path, real));
                }
            }
        }
        found.sort_by_cached_key(|(path, _)| (path.file_name().map(OsStr::to_owned), path.clone()));
        let mut seen = HashSet::new();
        let first = found.into_iter().filter_map(|(path, real)| seen.insert(real).then_some(path));
        let found = first.collect();
        Ok(Self { paths: found })
    }

    /// Whether the file of that name is a sealed segment.
    #[must_use]
    pub fn is_sealed_name(path: &Path) -> bool {
        ends_with(path, SEALED)
    }

    /// The files, sorted by name, which is by time.
    #[must_use]
    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// Opens one segment after the other. One that was sealed or deleted since the store was
    /// opened is found under its new name or passed over.
    pub fn segments(&self) -> impl Iterator<Item = Result<Segment, SegmentError>> {
        self.paths.iter().filter_map(|path| found(path, Segment::open))
    }

    /// Opens the segment at that position of [`Store::paths`] as [`Segment::open_briefly`] does;
    /// `None` where there is none, or it was deleted since the store was opened.
    #[must_use]
    pub fn segment_briefly(&self, position: usize) -> Option<Result<Segment, SegmentError>> {
        found(self.paths.get(position)?, Segment::open_briefly)
    }
}

/// Opens a segment, under its new name where it was sealed; `None` where it is gone.
fn found(
    path: &Path,
    open: fn(&Path) -> Result<Segment, SegmentError>,
) -> Option<Result<Segment, SegmentError>> {
    match open(path) {
        Err(error) if is_gone(&error) && ends_with(path, UNSEALED) => {
            Some(open(&sealed_path(path))).filter(|opened| match opened {
                Err(error) => !is_gone(error),
                Ok(_) => true,
            })
        }
        Err(error) if is_gone(&error) => None,
        opened => Some(opened),
    }
}

/// The path without links; the path itself where the system cannot tell.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

fn is_gone(error: &SegmentError) -> bool {
    matches!(error, SegmentError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
}

fn ends_with(path: &Path, end: &str) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(end.as_bytes())
}

/// The name that an unsealed segment gets when it is sealed.
fn sealed_path(path: &Path) -> PathBuf {
    path.with_extension("")
}

/// What a repair did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// The sealed file.
    pub path: PathBuf,
    /// Blocks that were kept.
    pub blocks: usize,
    /// Exchanges that were kept.
    pub exchanges: u64,
    /// What was found damaged, and left out.
    pub damage: Vec<Damage>,
}

/// Seals what a crash left open (`*.weir.part`): copies the whole blocks to a new file, builds the
/// summary from them, seals the copy and only then removes the original. The ledger counts no more
/// than the exchanges: what it said of frames and flows is lost.
///
/// # Errors
/// Where the segment is sealed already or being written, or a file cannot be read or written.
pub fn repair(path: &Path) -> Result<Repaired, SegmentError> {
    if !ends_with(path, UNSEALED) {
        return Err(SegmentError::Sealed { path: path.to_owned() });
    }
    let original = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .map_err(|error| SegmentError::io("open", path, error))?;
    lock(&original, path)?;
    let segment = Segment::open(path)?;
    let sealed_path = sealed_path(path);
    let repaired = if sealed_path.exists() && Segment::open(&sealed_path)?.is_sealed() {
        // An earlier repair came as far as sealing its copy.
        finished(&Segment::open(&sealed_path)?)
    } else if segment.is_sealed() && segment.damage().is_empty() {
        // The writer came as far as the footer, but not as far as the name.
        fs::rename(path, &sealed_path).map_err(|error| SegmentError::io("rename", path, error))?;
        sync_dir(&sealed_path)?;
        return Ok(finished(&Segment::open(&sealed_path)?));
    } else {
        copy(&segment, sealed_path)?
    };
    fs::remove_file(path).map_err(|error| SegmentError::io("remove", path, error))?;
    sync_dir(path)?;
    Ok(repaired)
}

fn finished(segment: &Segment) -> Repaired {
    Repaired {
        blocks: segment.blocks().len(),
        exchanges: segment.exchanges(),
        damage: segment.damage().to_vec(),
        path: segment.path().to_owned(),
    }
}

/// Copies the whole blocks of `segment` to a new one, which is sealed under that name.
fn copy(segment: &Segment, sealed_path: PathBuf) -> Result<Repaired, SegmentError> {
    let copy_path = sealed_path.with_extension("weir.repair");
    match fs::remove_file(&copy_path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(SegmentError::io("remove", &copy_path, error));
        }
        _ => {}
    }
    let about = About { repaired: true, ..segment.about().clone() };
    let mut writer = SegmentWriter::create_at(copy_path.clone(), sealed_path, &about)?;
    match fill(&mut writer, segment) {
        Ok(damage) => {
            let (blocks, exchanges) = (writer.blocks(), writer.exchanges());
            let exchanges_alone = writer.summary().exchanges();
            let ledger = Ledger { exchanges: exchanges_alone, ..Ledger::default() };
            let path = writer.seal(&ledger)?;
            Ok(Repaired { path, blocks, exchanges, damage })
        }
        Err(error) => {
            let _ = fs::remove_file(&copy_path);
            Err(error)
        }
    }
}

/// Copies the whole blocks and returns the damage of the others.
fn fill(writer: &mut SegmentWriter, segment: &Segment) -> Result<Vec<Damage>, SegmentError> {
    let mut damage = segment.damage().to_vec();
    for (position, info) in segment.blocks().iter().enumerate() {
        let mut summary = Summary::default();
        let found = segment.verify_block(position, &mut summary)?;
        if found.is_empty() {
            writer.append_raw(&segment.block_bytes(info)?, info)?;
            writer.add_summary(&summary);
        } else {
            damage.extend(found.into_iter().filter(|one| !segment.damage().contains(one)));
        }
    }
    Ok(damage)
}
