//! The paths of a question: segments as they are, captures read on the spot.

use std::collections::HashSet;
use std::fs::File;
use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;
use weir::exchange::Policy;
use weir::ledger::Ledger;
use weir::pipeline::{Options, Outcome, Output, Recorder, Recording, Watch, run};
use weir::segment::{About, SegmentError, Store};
use weir::source::{CaptureFile, CaptureFiles, is_capture};

use crate::exit::{Exit, Interrupted, UsageError, complain};
use crate::{interrupt, progress};

/// The first bytes of a segment.
const SEGMENT_MAGIC: &[u8] = b"WEIR";

/// What a question's paths are.
#[derive(Debug, Default)]
pub(crate) struct Subject {
    /// Segments and directories of them.
    pub(crate) segments: Vec<PathBuf>,
    /// Capture files; `-` is standard input.
    pub(crate) captures: Vec<PathBuf>,
}

impl Subject {
    /// Looks at every path, so that a wrong one is told before anything is printed.
    pub(crate) fn look(paths: &[PathBuf]) -> Result<Self> {
        let mut subject = Self::default();
        let mut seen = HashSet::new();
        for path in paths {
            if path.as_os_str() == "-" {
                once(path, &mut seen)?;
                subject.captures.push(path.clone());
            } else if path.is_dir() {
                let store = Store::open(&[path])?;
                if store.paths().is_empty() {
                    bail!("{} holds no segment: expected files named *.weir", path.display());
                }
                subject.segments.push(path.clone());
            } else if is_segment(path)? {
                subject.segments.push(path.clone());
            } else {
                check_capture(path)?;
                once(path, &mut seen)?;
                subject.captures.push(path.clone());
            }
        }
        Ok(subject)
    }

    /// A store of everything: captures are read into segments that go when it is dropped.
    pub(crate) fn store(&self, reading: &Reading) -> Result<Opened> {
        let mut paths = self.segments.clone();
        let mut opened = Opened::default();
        if !self.captures.is_empty() {
            let dir = temporary_dir()?;
            let recorder = temporary_recorder(&dir)?;
            let outputs = (0..reading.workers.unwrap_or(1)).map(|_| recorder.output()).collect();
            let outcome = self.read(reading, outputs)?;
            outcome.outputs.into_iter().for_each(weir::pipeline::BlockOutput::finish);
            recorder.seal(&outcome.ledger)?;
            paths.push(dir.path().to_owned());
            opened.is_damaged = outcome.is_damaged;
            opened.temporary = Some(dir);
        }
        opened.store = Store::open(&paths)?;
        Ok(opened)
    }

    /// Reads the captures, one worker an output. What cannot be read is complained of.
    pub(crate) fn read<O: Output>(
        &self,
        reading: &Reading,
        outputs: Vec<O>,
    ) -> Result<Captured<O>> {
        let watch = Arc::new(Watch::default());
        let stopped = interrupt::stops(&watch)?;
        let mut files = CaptureFiles::new(self.captures.iter().cloned());
        let progress = progress::show(&watch, files.bytes_total());
        let options = Options { policy: reading.policy, ports: None };
        let outcome = run(&mut files, &options, None, &watch, outputs);
        drop(progress);
        let Outcome { ledger, outputs, mut errors, .. } = outcome?;
        if stopped.load(Ordering::Relaxed) {
            return Err(Interrupted.into());
        }
        errors.extend(files.take_errors());
        errors.iter().for_each(|error| complain(&error.to_string()));
        Ok(Captured { ledger, outputs, is_damaged: !errors.is_empty() })
    }
}

/// How captures are read on the spot.
pub(crate) struct Reading {
    /// What is kept for the answer.
    pub(crate) policy: Policy,
    /// Worker threads; `None`: one, which is fastest for what is read from a file.
    pub(crate) workers: Option<u8>,
}

/// What reading captures gave.
pub(crate) struct Captured<O> {
    pub(crate) ledger: Ledger,
    pub(crate) outputs: Vec<O>,
    /// Whether a part could not be read.
    pub(crate) is_damaged: bool,
}

/// A store, and what reading captures into it gave.
#[derive(Default)]
pub(crate) struct Opened {
    pub(crate) store: Store,
    pub(crate) is_damaged: bool,
    temporary: Option<TempDir>,
}

impl Opened {
    /// Whether the segment at `path` is only there for this answer.
    pub(crate) fn is_temporary(&self, path: &Path) -> bool {
        self.temporary.as_ref().is_some_and(|dir| path.starts_with(dir.path()))
    }

    /// Removes what was only there for the answer, and gives the exit code.
    pub(crate) fn close(self, damaged: &[SegmentError]) -> Result<Exit> {
        if let Some(dir) = self.temporary {
            dir.close().context("cannot remove what was read from captures")?;
        }
        Ok(exit_code(self.is_damaged, damaged))
    }
}

/// Complains of damage, and gives the exit code of a command that answered in spite of it.
pub(crate) fn exit_code(is_damaged: bool, damaged: &[SegmentError]) -> Exit {
    damaged.iter().for_each(|damage| complain(&damage.to_string()));
    if is_damaged || !damaged.is_empty() { Exit::Failed } else { Exit::Done }
}

/// A directory for what is read from captures; it goes with the value.
pub(crate) fn temporary_dir() -> Result<TempDir> {
    tempfile::Builder::new()
        .prefix("weir-")
        .tempdir()
        .context("cannot make a directory for what is read from captures: set TMPDIR to one")
}

/// A recorder into that directory.
pub(crate) fn temporary_recorder(dir: &TempDir) -> Result<Recorder> {
    let recording = Recording {
        dir: dir.path().to_owned(),
        about: About::default(),
        rotate_bytes: u64::MAX,
        rotate_ns: u64::MAX,
    };
    Recorder::start(recording).context("cannot start the recorder")
}

/// Whether the file at `path` is a segment, by its first bytes, or by its name where it is empty
/// of them (an unsealed one may be).
fn is_segment(path: &Path) -> Result<bool> {
    // What is read from a pipe is gone, so only files are looked into; segments are never pipes.
    if std::fs::metadata(path).is_ok_and(|about| !about.is_file()) {
        return Ok(false);
    }
    let mut file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut magic = [0; 4];
    let mut filled = 0;
    while let Some(rest) = magic.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest).with_context(|| format!("cannot read {}", path.display()))? {
            0 => break,
            more => filled += more,
        }
    }
    if is_capture(&magic) {
        return Ok(false);
    }
    let name = path.as_os_str().as_encoded_bytes();
    Ok(magic == *SEGMENT_MAGIC || name.ends_with(b".weir") || name.ends_with(b".weir.part"))
}

/// Fails where one of the captures is none, or is given twice.
pub(crate) fn check_captures(paths: &[PathBuf]) -> Result<()> {
    let mut seen = HashSet::new();
    for path in paths {
        if path.as_os_str() != "-" {
            check_capture(path)?;
        }
        once(path, &mut seen)?;
    }
    Ok(())
}

/// Fails where the capture at `path` was seen before: its exchanges would count twice. So it does
/// where standard input has nothing to give.
fn once(path: &Path, seen: &mut HashSet<PathBuf>) -> Result<(), UsageError> {
    if path.as_os_str() == "-" && std::io::stdin().is_terminal() {
        let text = "standard input (-) is a terminal: pipe a capture into it";
        return Err(UsageError(text.to_owned()));
    }
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    if seen.insert(real) {
        return Ok(());
    }
    Err(UsageError(match path.to_str() {
        Some("-") => "standard input (-) can be read once".to_owned(),
        _ => format!("{} is given twice: its exchanges would count twice", path.display()),
    }))
}

/// Fails where the file at `path` is no capture. What cannot be looked at twice, a pipe, is left
/// to the reading.
fn check_capture(path: &Path) -> Result<()> {
    if path.is_dir() {
        bail!("{} is a directory: expected a capture file", path.display());
    }
    if is_segment(path)? {
        bail!(
            "{} is a segment: it holds exchanges already, so ask it with weir list or weir latency",
            path.display()
        );
    }
    let is_file = std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    if is_file || !path.exists() {
        CaptureFile::open(path)?;
    }
    Ok(())
}
