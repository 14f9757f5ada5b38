//! The thread that writes segments: takes blocks from the workers, appends, rotates and seals.

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::exchange::Exchange;
use crate::ledger::Ledger;
use crate::pipeline::dispatcher::Output;
use crate::segment::{About, BlockBuilder, EncodedBlock, SegmentError, SegmentWriter};

/// Blocks on their way to the recorder: about a megabyte each.
const BLOCKS_MAX: usize = 4;

/// zstd's level for everything: on heads, level 1 is both smaller and faster than level 3.
const LEVEL: i32 = 1;

/// Where segments go, and when a new one is begun.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The directory.
    pub dir: PathBuf,
    /// What every segment says of its origin; the time is each segment's own.
    pub about: About,
    /// Bytes after which a segment is sealed and the next begun.
    pub rotate_bytes: u64,
    /// Nanoseconds of packet time after which a segment is sealed and the next begun.
    pub rotate_ns: u64,
}

/// What was recorded.
#[derive(Debug, Default)]
pub struct Recorded {
    /// The sealed segments, in the order they were begun.
    pub segments: Vec<PathBuf>,
    /// Their bytes.
    pub bytes: u64,
    /// Exchanges in them.
    pub exchanges: u64,
}

/// The recorder's thread, and the way to it.
#[derive(Debug)]
pub struct Recorder {
    blocks: Sender<EncodedBlock>,
    thread: JoinHandle<Result<Open, SegmentError>>,
}

/// Encodes the exchanges of one worker into blocks and sends them to the recorder.
#[derive(Debug)]
pub struct BlockOutput {
    builder: BlockBuilder,
    blocks: Sender<EncodedBlock>,
    /// Whether the recorder is gone: it failed, and says why at the end.
    is_cut_off: bool,
}

impl Recorder {
    /// Starts the recorder. The first segment is created with its first block, so that a run that
    /// sees nothing writes nothing but an empty segment at the end.
    ///
    /// # Errors
    ///
    /// Where the thread cannot be started.
    pub fn start(recording: Recording) -> std::io::Result<Self> {
        let (blocks, inbox) = bounded(BLOCKS_MAX);
        let thread = std::thread::Builder::new()
            .name("recorder".to_owned())
            .spawn(move || record(recording, &inbox))?;
        Ok(Self { blocks, thread })
    }

    /// An output for one worker.
    #[must_use]
    pub fn output(&self) -> BlockOutput {
        BlockOutput {
            builder: BlockBuilder::new(LEVEL),
            blocks: self.blocks.clone(),
            is_cut_off: false,
        }
    }

    /// Seals the last segment with the account of the run. The outputs must be finished before.
    ///
    /// # Errors
    ///
    /// [`SegmentError`] where something could not be written; whole blocks that were, can be
    /// repaired.
    pub fn seal(self, ledger: &Ledger) -> Result<Recorded, SegmentError> {
        let Self { blocks, thread } = self;
        drop(blocks);
        let open = match thread.join() {
            Ok(open) => open?,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        open.seal(ledger)
    }
}

impl Output for BlockOutput {
    fn exchange(&mut self, exchange: &Exchange) {
        if self.is_cut_off {
            return;
        }
        self.builder.push(exchange);
        if self.builder.is_full() {
            self.send();
        }
    }
}

impl BlockOutput {
    fn send(&mut self) {
        if !self.builder.is_empty() {
            self.is_cut_off = self.blocks.send(self.builder.finish()).is_err();
        }
    }

    /// Sends what is left.
    pub fn finish(mut self) {
        if !self.is_cut_off {
            self.send();
        }
    }
}

/// The segment that is written, and what was before.
#[derive(Debug)]
struct Open {
    recording: Recording,
    writer: Option<(SegmentWriter, crate::time::Timestamp)>,
    recorded: Recorded,
}

fn record(recording: Recording, inbox: &Receiver<EncodedBlock>) -> Result<Open, SegmentError> {
    let mut open = Open { recording, writer: None, recorded: Recorded::default() };
    for block in inbox {
        open.append(&block)?;
    }
    Ok(open)
}

impl Open {
    fn append(&mut self, block: &EncodedBlock) -> Result<(), SegmentError> {
        let first_start = block.info().first_start;
        if let Some((writer, started_at)) = &self.writer
            && (writer.bytes().saturating_add(block.bytes()) > self.recording.rotate_bytes
                || block.info().last_start.since(*started_at) > self.recording.rotate_ns)
            && let Some((writer, _)) = self.writer.take()
        {
            // The account of the run is known at its end, and stands in the last segment.
            self.seal_one(writer, &Ledger::default())?;
        }
        if self.writer.is_none() {
            self.writer = Some((self.create(first_start)?, first_start));
        }
        if let Some((writer, _)) = &mut self.writer {
            writer.append(block)?;
        }
        Ok(())
    }

    fn create(&self, started_at: crate::time::Timestamp) -> Result<SegmentWriter, SegmentError> {
        let about = About { started_at, ..self.recording.about.clone() };
        SegmentWriter::create(&self.recording.dir, &about)
    }

    fn seal_one(&mut self, writer: SegmentWriter, ledger: &Ledger) -> Result<(), SegmentError> {
        self.recorded.exchanges += writer.exchanges();
        let path = writer.seal(ledger)?;
        self.recorded.bytes += file_bytes(&path);
        self.recorded.segments.push(path);
        Ok(())
    }

    fn seal(mut self, ledger: &Ledger) -> Result<Recorded, SegmentError> {
        let writer = match self.writer.take() {
            Some((writer, _)) => writer,
            None => self.create(self.recording.about.started_at)?,
        };
        self.seal_one(writer, ledger)?;
        Ok(self.recorded)
    }
}

fn file_bytes(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}
