//! The paths of a question: segments as they are, captures read on the spot.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;
use weir::exchange::{Exchange, Policy, Secrets, State};
use weir::foreign;
use weir::ledger::Ledger;
use weir::pipeline::{Options, Outcome, Output, Recorder, Recording, Watch, run};
use weir::report::units;
use weir::segment::{About, SegmentError, Store};
use weir::source::{CaptureFile, CaptureFiles, TextFile, is_capture};

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
    /// HTTP archives and access logs.
    pub(crate) foreign: Vec<(PathBuf, foreign::Kind)>,
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
            } else if let Some(kind) = foreign_kind(path)? {
                once(path, &mut seen)?;
                subject.foreign.push((path.clone(), kind));
            } else {
                check_capture(path)?;
                once(path, &mut seen)?;
                subject.captures.push(path.clone());
            }
        }
        Ok(subject)
    }

    /// A store of everything: captures and what other tools wrote are read into segments that go
    /// when it is dropped.
    pub(crate) fn store(&self, reading: &Reading) -> Result<Opened> {
        let mut paths = self.segments.clone();
        let mut opened = Opened::default();
        if !self.captures.is_empty() || !self.foreign.is_empty() {
            let dir = temporary_dir()?;
            let recorder = temporary_recorder(&dir)?;
            let mut ledger = Ledger::default();
            if !self.captures.is_empty() {
                let outputs = (0..reading.workers.unwrap_or(1)).map(|_| recorder.output());
                let outcome = self.read(reading, outputs.collect())?;
                outcome.outputs.into_iter().for_each(weir::pipeline::BlockOutput::finish);
                opened.is_damaged = outcome.is_damaged;
                ledger += &outcome.ledger;
            }
            let mut output = recorder.output();
            for (path, kind) in &self.foreign {
                opened.is_damaged |= read_foreign(path, *kind, reading, &mut |exchange| {
                    count(&mut ledger, exchange.facts.state);
                    output.exchange(exchange);
                })?;
            }
            output.finish();
            recorder.seal(&ledger)?;
            paths.push(dir.path().to_owned());
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

/// The format of access logs that the user gave.
static LOG_FORMAT: OnceLock<foreign::Format> = OnceLock::new();

/// Bytes of a file that are looked at to learn whether another tool wrote it.
const LOOKED_AT_BYTES: usize = 16 << 10;

/// Remembers the format of access logs.
pub(crate) fn choose_log_format(format: Option<&str>) -> Result<()> {
    if let Some(format) = format {
        let format = foreign::Format::parse(format)
            .map_err(|error| UsageError(format!("--log-format: {error}")))?;
        let _ = LOG_FORMAT.set(format);
    }
    Ok(())
}

fn foreign_settings(secrets: Secrets) -> foreign::Settings {
    foreign::Settings { secrets, format: LOG_FORMAT.get().cloned() }
}

/// What another tool wrote into the file at `path`; `None` where it is a capture or unknown.
fn foreign_kind(path: &Path) -> Result<Option<foreign::Kind>> {
    // What cannot be looked at twice is left to the reading of captures.
    if !std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file()) {
        return Ok(None);
    }
    let file = TextFile::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut head = Vec::new();
    // A compressed file that is damaged is complained of by the reading of captures.
    let _ = file.take(LOOKED_AT_BYTES as u64).read_to_end(&mut head);
    Ok(foreign::kind(&head, &foreign_settings(Secrets::Redacted)))
}

/// Reads what another tool wrote; whether a part of it could not be read.
fn read_foreign(
    path: &Path,
    kind: foreign::Kind,
    reading: &Reading,
    visit: &mut dyn FnMut(&Exchange),
) -> Result<bool> {
    let cannot = || format!("cannot read {}", path.display());
    let mut input = BufReader::new(TextFile::open(path).with_context(cannot)?);
    let settings = foreign_settings(reading.policy.secrets);
    let told = foreign::read(kind, &mut input, &settings, visit).with_context(cannot)?;
    if let Some(first) = told.first_skipped {
        let what = match kind {
            foreign::Kind::Archive => units::counted(told.skipped, "entry", "entries"),
            foreign::Kind::AccessLog => units::counted(told.skipped, "line", "lines"),
        };
        let path = path.display();
        complain(&format!(
            "{path}: {what} could not be read and were skipped, first number {first}"
        ));
    }
    if told.is_cut {
        complain(&format!("{}: it ends before its end", path.display()));
    }
    Ok(told.is_cut)
}

/// Accounts for an exchange that came from no packets.
fn count(ledger: &mut Ledger, state: State) {
    let exchanges = &mut ledger.exchanges;
    exchanges.total += 1;
    match state {
        State::Complete => exchanges.complete += 1,
        State::Truncated => exchanges.truncated += 1,
        State::Unanswered => exchanges.unanswered += 1,
        State::Open => exchanges.open += 1,
        State::Orphan => exchanges.orphan += 1,
    }
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
