//! The thread that writes segments: takes blocks from the workers, appends, rotates and seals.

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::exchange::Exchange;
use crate::ledger::Ledger;
use crate::pipeline::run::Output;
use crate::pipeline::service::{Keeper, Service};
use crate::segment::{About, BlockBuilder, EncodedBlock, SegmentError, SegmentWriter};
use crate::time::Timestamp;

/// Blocks on their way to the recorder: about a megabyte each.
const BLOCKS_MAX: usize = 4;

/// Blocks that a lone worker fills and the recorder compresses: one of each, and one between them.
const UNCOMPRESSED_MAX: usize = 3;

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
    blocks: Sender<Delivery>,
    /// Builders that the recorder emptied.
    emptied: Receiver<Box<BlockBuilder>>,
    /// Blocks that the recorder wrote, for their room.
    written: Receiver<EncodedBlock>,
    thread: JoinHandle<Result<Open, SegmentError>>,
    pace: Pace,
}

/// What the recorder receives.
#[derive(Debug)]
enum Delivery {
    Block(EncodedBlock),
    /// A block that the recorder is to compress.
    Full(Box<BlockBuilder>),
    Tick(Timestamp),
}

/// When blocks are closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    /// When they are full.
    Full,
    /// Once a second of packet time as well, so that readers see what was recorded.
    Ticks,
}

/// Gathers the exchanges of one worker into blocks and sends them to the recorder.
#[derive(Debug)]
pub struct BlockOutput {
    builder: Box<BlockBuilder>,
    blocks: Sender<Delivery>,
    /// Blocks that were written, for their room.
    written: Receiver<EncodedBlock>,
    compression: Compression,
    pace: Pace,
    /// Whether the recorder is gone: it failed, and says why at the end.
    is_cut_off: bool,
}

/// Blocks that were written, whose room serves those to come: fresh room costs a fault a page.
#[derive(Debug)]
struct Rooms {
    give: Sender<EncodedBlock>,
    take: Receiver<EncodedBlock>,
}

/// Who compresses the blocks of a worker.
#[derive(Debug)]
enum Compression {
    /// It does itself, as do others beside it.
    Worker,
    /// The recorder does, and gives builders back; so many more may be made. While it has all of
    /// them to do, the worker compresses a block instead of waiting.
    Shared { emptied: Receiver<Box<BlockBuilder>>, spare: usize },
}

impl Compression {
    /// A builder to go on with while the recorder compresses; `None` where the worker is to.
    fn empty(&mut self) -> Option<Box<BlockBuilder>> {
        let Self::Shared { emptied, spare } = self else { return None };
        emptied.try_recv().ok().or_else(|| {
            *spare = spare.checked_sub(1)?;
            Some(Box::default())
        })
    }
}

impl Recorder {
    /// Starts the recorder. The first segment is created with its first block, so that a run that
    /// sees nothing writes nothing but an empty segment at the end.
    ///
    /// # Errors
    ///
    /// Where the thread cannot be started.
    pub fn start(recording: Recording) -> std::io::Result<Self> {
        Self::spawn(Open::new(recording, None), Pace::Full)
    }

    /// Starts the recorder as a service: blocks are closed every second, each segment carries the
    /// account of its time, old segments are deleted, and a full disk is waited for. The first
    /// segment is created at once, so that a directory that cannot be written to is told here.
    ///
    /// # Errors
    ///
    /// Where the directory cannot be read or written, or the thread cannot be started.
    pub fn serve(recording: Recording, service: Service) -> Result<Self, SegmentError> {
        let keeper = Keeper::new(service, &recording.dir)?;
        let dir = recording.dir.clone();
        let open = Open::begin(recording, keeper)?;
        Self::spawn(open, Pace::Ticks).map_err(|source| SegmentError::Io {
            doing: "start a thread for",
            path: dir,
            source,
        })
    }

    fn spawn(open: Open, pace: Pace) -> std::io::Result<Self> {
        let (blocks, inbox) = bounded(BLOCKS_MAX);
        let (give_back, emptied) = bounded(UNCOMPRESSED_MAX);
        let (give_room, written) = bounded(BLOCKS_MAX);
        let rooms = Rooms { give: give_room, take: written.clone() };
        let thread = std::thread::Builder::new()
            .name("recorder".to_owned())
            .spawn(move || open.record(&inbox, &give_back, &rooms))?;
        Ok(Self { blocks, emptied, written, thread, pace })
    }

    /// Outputs that keep so many threads at work (at least one). Of two, one is a lone worker and
    /// the other the recorder, and both compress: no packet is copied on its way to the worker. In
    /// all other numbers each worker compresses its own blocks.
    #[must_use]
    pub fn outputs(&self, threads: usize) -> Vec<BlockOutput> {
        if threads == 2 {
            let (emptied, spare) = (self.emptied.clone(), UNCOMPRESSED_MAX - 1);
            let compression = Compression::Shared { emptied, spare };
            return vec![BlockOutput { compression, ..self.output() }];
        }
        (0..threads.max(1)).map(|_| self.output()).collect()
    }

    /// An output for one worker.
    #[must_use]
    pub fn output(&self) -> BlockOutput {
        BlockOutput {
            builder: Box::default(),
            blocks: self.blocks.clone(),
            written: self.written.clone(),
            compression: Compression::Worker,
            pace: self.pace,
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
        let Self { blocks, thread, .. } = self;
        drop(blocks);
        let open = match thread.join() {
            Ok(open) => open?,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        open.seal(ledger)
    }
}

/// Compresses a block into the room of one that was written, where there is one.
fn finish(builder: &mut BlockBuilder, written: &Receiver<EncodedBlock>) -> EncodedBlock {
    if let Ok(block) = written.try_recv() {
        builder.reuse(block);
    }
    builder.finish()
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

    fn tick(&mut self, now: Timestamp) {
        if self.pace == Pace::Ticks && !self.is_cut_off {
            self.send();
            self.is_cut_off |= self.blocks.send(Delivery::Tick(now)).is_err();
        }
    }
}

impl BlockOutput {
    fn send(&mut self) {
        if self.builder.is_empty() {
            return;
        }
        let delivery = match self.compression.empty() {
            Some(empty) => Delivery::Full(std::mem::replace(&mut self.builder, empty)),
            None => Delivery::Block(finish(&mut self.builder, &self.written)),
        };
        self.is_cut_off = self.blocks.send(delivery).is_err();
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
    writer: Option<(SegmentWriter, Timestamp)>,
    recorded: Recorded,
    /// What a service does beyond writing.
    keeper: Option<Keeper>,
}

impl Open {
    fn new(recording: Recording, keeper: Option<Keeper>) -> Self {
        Self { recording, writer: None, recorded: Recorded::default(), keeper }
    }

    /// A service with its first segment.
    fn begin(mut recording: Recording, keeper: Keeper) -> Result<Self, SegmentError> {
        let limit = keeper.segment_bytes_max();
        recording.rotate_bytes = recording.rotate_bytes.min(limit);
        let started_at = recording.about.started_at;
        let mut open = Self::new(recording, Some(keeper));
        if let Some(keeper) = &mut open.keeper {
            keeper.make_room(SegmentWriter::reserved_by_first(&EncodedBlock::default()));
            keeper.forget(started_at);
        }
        let writer = open.create(started_at)?;
        open.writer = Some((writer, started_at));
        Ok(open)
    }

    fn record(
        mut self,
        inbox: &Receiver<Delivery>,
        give_back: &Sender<Box<BlockBuilder>>,
        rooms: &Rooms,
    ) -> Result<Self, SegmentError> {
        for delivery in inbox {
            let block = match delivery {
                Delivery::Block(block) => block,
                Delivery::Full(mut builder) => {
                    let block = finish(&mut builder, &rooms.take);
                    // Where nobody waits for it, the run is over.
                    let _ = give_back.try_send(builder);
                    block
                }
                Delivery::Tick(now) => {
                    self.tick(now);
                    continue;
                }
            };
            self.take(&block)?;
            // Where there is room enough, this one goes.
            let _ = rooms.give.try_send(block);
        }
        Ok(self)
    }

    /// Takes a block. Nothing that goes wrong ends a service.
    fn take(&mut self, block: &EncodedBlock) -> Result<(), SegmentError> {
        let exchanges = block.len() as u64;
        if let Some(keeper) = self.keeper.as_mut().filter(|keeper| keeper.is_stopped()) {
            keeper.lose(exchanges);
            return Ok(());
        }
        let Err(error) = self.append(block) else { return Ok(()) };
        let Some(keeper) = &mut self.keeper else { return Err(error) };
        keeper.stop(&error);
        keeper.lose(exchanges);
        // What is there is sealed while the room that was reserved for that is still there. Where
        // it is not, the unsealed file stays and is sealed later.
        let _ = self.rotate();
        Ok(())
    }

    /// Does what is due by time: rotation, deletion of what is old, a new attempt to write.
    fn tick(&mut self, now: Timestamp) {
        let Self { recording, writer, keeper: Some(keeper), .. } = self else { return };
        keeper.forget(now);
        if keeper.is_stopped() {
            if Keeper::has_room(&recording.dir) {
                self.try_again(now);
            }
            return;
        }
        let is_asked = keeper.is_rotation_asked();
        let is_due = |(writer, started_at): &(SegmentWriter, Timestamp)| {
            writer.exchanges() > 0 && (is_asked || now.since(*started_at) > recording.rotate_ns)
        };
        if writer.as_ref().is_some_and(is_due)
            && let Err(error) = self.rotate()
            && let Some(keeper) = &mut self.keeper
        {
            keeper.stop(&error);
        }
    }

    fn try_again(&mut self, now: Timestamp) {
        if let Ok(writer) = self.create(now) {
            self.writer = Some((writer, now));
            if let Some(keeper) = &mut self.keeper {
                keeper.resume(&self.recording.dir);
            }
        }
    }

    /// Seals the segment that is being written; the next is created when there is something for
    /// it.
    fn rotate(&mut self) -> Result<(), SegmentError> {
        let Some((writer, _)) = self.writer.take() else { return Ok(()) };
        // Without a service, the account of the run is known at its end, and stands in the last
        // segment.
        let account = self
            .keeper
            .as_ref()
            .map_or_else(Ledger::default, |keeper| keeper.account(writer.summary().exchanges()));
        self.seal_one(writer, &account)
    }

    fn append(&mut self, block: &EncodedBlock) -> Result<(), SegmentError> {
        let first_start = block.info().first_start;
        if let Some((writer, started_at)) = &self.writer
            && writer.exchanges() > 0
            && (writer.bytes().saturating_add(block.bytes()) > self.recording.rotate_bytes
                || block.info().last_start.since(*started_at) > self.recording.rotate_ns)
        {
            self.rotate()?;
        }
        self.keep_within_budget(block)?;
        if self.writer.is_none() {
            self.writer = Some((self.create(first_start)?, first_start));
        }
        if let Some((writer, _)) = &mut self.writer {
            writer.append(block)?;
        }
        Ok(())
    }

    /// Deletes old segments until there is room for the block, within what may be kept.
    fn keep_within_budget(&mut self, block: &EncodedBlock) -> Result<(), SegmentError> {
        let Some(keeper) = &mut self.keeper else { return Ok(()) };
        let by_first = SegmentWriter::reserved_by_first(block);
        let bytes = match &self.writer {
            Some((writer, _)) => writer.reserved_with(block),
            None => by_first,
        };
        if keeper.make_room(bytes) {
            return Ok(());
        }
        self.rotate()?;
        if self.keeper.as_mut().is_none_or(|keeper| keeper.make_room(by_first)) {
            return Ok(());
        }
        Err(SegmentError::Full { path: self.recording.dir.clone(), bytes: block.bytes() })
    }

    fn create(&self, started_at: Timestamp) -> Result<SegmentWriter, SegmentError> {
        let about = About { started_at, ..self.recording.about.clone() };
        SegmentWriter::create(&self.recording.dir, &about)
    }

    fn seal_one(&mut self, writer: SegmentWriter, ledger: &Ledger) -> Result<(), SegmentError> {
        let exchanges = writer.exchanges();
        let path = writer.seal(ledger)?;
        self.recorded.exchanges += exchanges;
        self.recorded.bytes += file_bytes(&path);
        if let Some(keeper) = &mut self.keeper {
            keeper.sealed(path.clone(), ledger);
        }
        self.recorded.segments.push(path);
        Ok(())
    }

    fn seal(mut self, ledger: &Ledger) -> Result<Recorded, SegmentError> {
        let ledger =
            self.keeper.as_ref().map_or_else(|| ledger.clone(), |keeper| keeper.rest(ledger));
        let writer = if let Some((writer, _)) = self.writer.take() {
            writer
        } else {
            self.keep_within_budget(&EncodedBlock::default())?;
            self.create(self.recording.about.started_at)?
        };
        self.seal_one(writer, &ledger)?;
        Ok(self.recorded)
    }
}

fn file_bytes(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}
