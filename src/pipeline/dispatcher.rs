//! Reads frames, decodes them, and gives each packet to the worker that owns its flow.

#![expect(clippy::inline_always, reason = "each frame comes through: calls would copy the packet")]

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crossbeam_channel::{Receiver, Select, Sender, bounded};

use crate::decode::Decoder;
use crate::exchange::{Exchange, Policy};
use crate::flow::FlowKey;
use crate::ledger::{Ledger, Skip};
use crate::limits::{FLOW_IDLE_NS, SHARDS};
use crate::packet::{Frame, Packet};
use crate::pipeline::batch::Batch;
use crate::pipeline::ports::Ports;
use crate::pipeline::reduction::Reduction;
use crate::pipeline::worker::Worker;
use crate::source::{Reading, Source, SourceError};
use crate::time::Timestamp;

/// How often flows that are over by time are looked for, in nanoseconds of packet time.
const TICK_NS: u64 = 1_000_000_000;

/// How long packets may wait for the company of others while some keep coming, in nanoseconds: a
/// worker that is woken for each few takes longer to wake than to work.
const HOLD_NS: u64 = 10_000_000;

/// Batches on their way to one worker; enough to ride out a block's compression.
const BATCHES_MAX: usize = 16;

/// What is captured and what is kept.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What of the messages is kept.
    pub policy: Policy,
    /// Only packets of these ports; `None`: of all.
    pub ports: Option<Ports>,
}

/// Decides which frames are read at all.
pub type FrameFilter<'f> = &'f dyn Fn(&Frame<'_>) -> bool;

/// How a run is watched and stopped from outside.
#[derive(Debug, Default)]
pub struct Watch {
    /// Set to stop the run: what is under way is ended as at the end of a capture. Frames that
    /// an interface captured before are still read; a file is left where it is.
    pub stop: AtomicBool,
    /// Frames seen so far.
    pub frames: AtomicU64,
    /// Captured bytes seen so far.
    pub bytes: AtomicU64,
    /// Frames seen so far that carried a packet which was given to its flow.
    pub packets: AtomicU64,
    /// Frames that the kernel had no room for, as of the last second.
    pub missed_by_kernel: AtomicU64,
    /// Frames that interfaces or their drivers dropped, as of the last second.
    pub missed_by_interface: AtomicU64,
    /// How much is given up for a budget: the number of a [`Reduction`]. Heeded from the next
    /// second on.
    pub reduction: AtomicU8,
    /// Exchanges that were measured and could not be kept: the disk was full.
    pub unkept: AtomicU64,
    /// The accounts as of the last second: the first is that of the frames, then one a worker.
    accounts: Mutex<Vec<Ledger>>,
}

impl Watch {
    fn reduction(&self) -> Reduction {
        Reduction::step(self.reduction.load(Ordering::Relaxed))
    }

    /// Where everything went so far, as of the last second of packet time. Flows that are open
    /// count as live, and bytes that are held in wait for others are in no account yet: those
    /// that are told balance.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        let mut sum = Ledger::default();
        let accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.iter().for_each(|account| sum += account);
        drop(accounts);
        let settled = sum.settled();
        let live = sum.flows.opened.saturating_sub(settled.flows.opened);
        let mut ledger = Ledger { bytes: settled.bytes, ..sum };
        ledger.flows.live = live;
        ledger
    }

    /// Replaces one of the accounts.
    fn account(&self, number: usize, account: &Ledger) {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if accounts.len() <= number {
            accounts.resize_with(number + 1, Ledger::default);
        }
        if let Some(place) = accounts.get_mut(number) {
            place.clone_from(account);
        }
    }
}

/// Takes the exchanges of one worker.
pub trait Output: Send {
    /// Takes an exchange, lent for the call.
    fn exchange(&mut self, exchange: &Exchange);

    /// Learns that packet time has come to `now`. Called about once a second of it.
    fn tick(&mut self, now: Timestamp) {
        let _ = now;
    }
}

/// What a run leaves.
#[derive(Debug)]
pub struct Outcome<O> {
    /// Where everything went.
    pub ledger: Ledger,
    /// The outputs, as given.
    pub outputs: Vec<O>,
    /// What could not be read; everything else was.
    pub errors: Vec<SourceError>,
    /// Times of the earliest and the latest frame; `None` where there was none.
    pub span: Option<(Timestamp, Timestamp)>,
}

/// Why a run did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// A worker thread panicked: a defect of Weir. What the others kept is sealed.
    #[error("worker {0} panicked: this is a defect of weir; what was recorded before is kept")]
    Panicked(usize),
    /// A run needs at least one output.
    #[error("no output was given to the pipeline")]
    NoOutput,
}

/// Reads `source` to its end with one worker an output.
///
/// # Errors
///
/// [`PipelineError`] where a thread panicked or no output was given. What the source could not
/// read is in [`Outcome::errors`].
pub fn run<S: Source, O: Output>(
    source: &mut S,
    options: &Options,
    filter: Option<FrameFilter<'_>>,
    watch: &Watch,
    mut outputs: Vec<O>,
) -> Result<Outcome<O>, PipelineError> {
    let mut intake = Intake::new(options, filter, watch);
    if outputs.len() > 1 {
        return run_threads(source, intake, outputs);
    }
    let Some(output) = outputs.first_mut() else { return Err(PipelineError::NoOutput) };
    let mut worker = Worker::new(options.policy);
    let (errors, end) = intake.read(source, &mut |order| match order {
        Order::Packet(packet) => {
            worker.packet(packet, &mut |exchange: &Exchange| output.exchange(exchange));
        }
        Order::Tick(now) => {
            worker.reduce(watch.reduction(), now, &mut |e: &Exchange| output.exchange(e));
            worker.tick(now, &mut |exchange: &Exchange| output.exchange(exchange));
            watch.account(1, &worker.account());
            output.tick(now);
        }
        Order::Flush => {}
    });
    let mut ledger = worker.finish(end, &mut |exchange: &Exchange| output.exchange(exchange));
    intake.account(source, &mut ledger);
    Ok(Outcome { ledger, outputs, errors, span: intake.span() })
}

/// What the intake hands on.
enum Order<'p> {
    Packet(&'p Packet<'p>),
    Tick(Timestamp),
    /// What is held back for company goes on: nothing is coming, or it has waited long enough.
    Flush,
}

/// What a worker's thread receives.
enum Delivery {
    Batch(Batch),
    Tick(Timestamp),
    End(Timestamp),
}

/// Turns frames into packets and ticks, and accounts for the frames.
struct Intake<'r> {
    options: &'r Options,
    filter: Option<FrameFilter<'r>>,
    watch: &'r Watch,
    decoder: Decoder,
    ledger: Ledger,
    bytes: u64,
    /// Times of the earliest and the latest frame, the one after the other while there is none.
    span: (Timestamp, Timestamp),
    /// How far time has come: to the latest frame, or beyond it where the source says so.
    now: Timestamp,
    tick_at: Timestamp,
    /// A stamp far ahead of all others, until another confirms it.
    leapt_to: Option<Timestamp>,
    /// How many shards of flows are captured; the packets of the others are dropped here.
    shards: usize,
    /// Whether a tick was given since the source was last asked for what it lost.
    has_ticked: bool,
    /// When what was held back was handed on last, as the source tells the time.
    flushed_at: Timestamp,
}

impl<'r> Intake<'r> {
    fn new(options: &'r Options, filter: Option<FrameFilter<'r>>, watch: &'r Watch) -> Self {
        Self {
            options,
            filter,
            watch,
            decoder: Decoder::new(),
            ledger: Ledger::default(),
            bytes: 0,
            span: (Timestamp::MAX, Timestamp::MIN),
            now: Timestamp::MIN,
            tick_at: Timestamp::MIN,
            leapt_to: None,
            shards: SHARDS,
            has_ticked: false,
            flushed_at: Timestamp::MIN,
        }
    }

    fn span(&self) -> Option<(Timestamp, Timestamp)> {
        (self.span.0 <= self.span.1).then_some(self.span)
    }

    /// Reads to the end, and says what could not be read and when the end was.
    fn read<S: Source>(
        &mut self,
        source: &mut S,
        hand_on: &mut impl FnMut(Order<'_>),
    ) -> (Vec<SourceError>, Timestamp) {
        let mut errors = Vec::new();
        let mut is_stopping = false;
        loop {
            match source.read(&mut |frame| self.take(frame, hand_on)) {
                Ok(Reading::More) => {}
                Ok(Reading::Idle(through)) => {
                    if self.is_flush_due(through) {
                        hand_on(Order::Flush);
                    }
                    self.advance(through, hand_on);
                }
                Ok(Reading::End) => break,
                Err(error) => errors.push(error),
            }
            if std::mem::take(&mut self.has_ticked) {
                self.look_for_loss(source);
            }
            if self.look() && !std::mem::replace(&mut is_stopping, true) && !source.stop() {
                break;
            }
        }
        self.look();
        let end = if self.now == Timestamp::MIN { Timestamp::default() } else { self.now };
        (errors, end)
    }

    /// Brings the watch up to date; whether the run is to stop.
    fn look(&self) -> bool {
        self.watch.frames.store(self.ledger.frames.seen, Ordering::Relaxed);
        self.watch.packets.store(self.ledger.frames.packets, Ordering::Relaxed);
        self.watch.bytes.store(self.bytes, Ordering::Relaxed);
        self.watch.stop.load(Ordering::Relaxed)
    }

    /// Whether what is held back for company goes on `now`: it has waited, or the clock stepped.
    fn is_flush_due(&mut self, now: Timestamp) -> bool {
        let is_due = now < self.flushed_at || now.since(self.flushed_at) >= HOLD_NS;
        if is_due {
            self.flushed_at = now;
        }
        is_due
    }

    #[inline(always)]
    fn take(&mut self, frame: &Frame<'_>, hand_on: &mut impl FnMut(Order<'_>)) {
        self.bytes += frame.bytes.len() as u64;
        self.ledger.frames.seen += 1;
        let (earliest, latest) = &mut self.span;
        *earliest = frame.at.min(*earliest);
        *latest = frame.at.max(*latest);
        self.advance(frame.at, hand_on);
        self.frame(frame, hand_on);
    }

    fn look_for_loss<S: Source>(&self, source: &mut S) {
        let missed = source.missed();
        self.watch.missed_by_kernel.store(missed.kernel, Ordering::Relaxed);
        self.watch.missed_by_interface.store(missed.interface, Ordering::Relaxed);
        self.watch.account(0, &Ledger { missed, ..self.ledger.clone() });
    }

    /// Moves time on, never back, and ticks where a second of it has passed. A leap that would
    /// expire flows needs a second stamp to confirm it: one wrong stamp must not end them all.
    #[inline]
    fn advance(&mut self, at: Timestamp, hand_on: &mut impl FnMut(Order<'_>)) {
        // A tick is never further off than a second.
        if at < self.tick_at {
            self.leapt_to = None;
            self.now = at.max(self.now);
        } else {
            self.stride(at, hand_on);
        }
    }

    /// Moves time on to the next tick, or by a leap.
    #[cold]
    fn stride(&mut self, at: Timestamp, hand_on: &mut impl FnMut(Order<'_>)) {
        if at.since(self.now) >= FLOW_IDLE_NS && self.now != Timestamp::MIN {
            let leapt_to = self.leapt_to.replace(at);
            if leapt_to.is_none_or(|before| before.since(at).max(at.since(before)) >= FLOW_IDLE_NS)
            {
                return;
            }
        }
        self.leapt_to = None;
        self.now = at.max(self.now);
        if self.now >= self.tick_at {
            self.tick_at = self.now.plus(TICK_NS);
            self.has_ticked = true;
            self.shards = self.watch.reduction().shards();
            hand_on(Order::Tick(self.now));
        }
    }

    #[inline(always)]
    fn frame(&mut self, frame: &Frame<'_>, hand_on: &mut impl FnMut(Order<'_>)) {
        if self.filter.is_some_and(|passes| !passes(frame)) {
            self.ledger.skip(Skip::Filtered);
            return;
        }
        // Each in a place of its own: moving packets to a common one costs as much as reading them.
        let (plain, other);
        let packet = if let Some(found) = Decoder::plain(frame) {
            plain = found;
            &plain
        } else {
            match self.decoder.decode_layers(frame) {
                Ok(found) => {
                    other = found;
                    &other
                }
                Err(reason) => return self.ledger.skip(reason),
            }
        };
        if self.options.ports.as_ref().is_some_and(|ports| !ports.watch(packet)) {
            return self.ledger.skip(Skip::Filtered);
        }
        if self.shards < SHARDS {
            let (key, _) = FlowKey::between(&packet.source, &packet.target);
            if key.shard() >= self.shards {
                self.ledger.frames.dropped += 1;
                return;
            }
        }
        self.ledger.frames.packets += 1;
        hand_on(Order::Packet(packet));
    }

    /// Adds what the frames came to.
    fn account<S: Source>(&mut self, source: &mut S, ledger: &mut Ledger) {
        let lost = self.decoder.finish();
        let skipped = &mut self.ledger.frames.skipped;
        if let Some(waiting) = skipped.get_mut(Skip::Fragment as usize) {
            *waiting = waiting.saturating_sub(lost);
        }
        if let Some(gone) = skipped.get_mut(Skip::FragmentLost as usize) {
            *gone += lost;
        }
        *ledger += &self.ledger;
        ledger.missed = source.missed();
    }
}

/// The sending end of a worker's queue, with the batch that is being filled.
struct Queue {
    batch: Batch,
    deliveries: Sender<Delivery>,
    returned: Receiver<Batch>,
}

impl Queue {
    fn push(&mut self, packet: &Packet<'_>) {
        self.batch.push(packet);
        if self.batch.is_full() {
            self.flush();
        }
    }

    /// Sends what is in the batch. A worker that is gone has panicked: it is told at the end.
    fn flush(&mut self) {
        if !self.batch.is_empty() {
            let empty = self.returned.try_recv().unwrap_or_default();
            let full = std::mem::replace(&mut self.batch, empty);
            self.send(Delivery::Batch(full));
        }
    }

    fn send(&self, delivery: Delivery) {
        let _ = self.deliveries.send(delivery);
    }
}

fn run_threads<S: Source, O: Output>(
    source: &mut S,
    mut intake: Intake<'_>,
    outputs: Vec<O>,
) -> Result<Outcome<O>, PipelineError> {
    let (policy, watch) = (intake.options.policy, intake.watch);
    let workers = outputs.len();
    std::thread::scope(|scope| {
        let mut queues = Vec::with_capacity(workers);
        let mut threads = Vec::with_capacity(workers);
        for (number, output) in outputs.into_iter().enumerate() {
            let (deliveries, inbox) = bounded(BATCHES_MAX);
            let (give_back, returned) = bounded(BATCHES_MAX);
            queues.push(Queue { batch: Batch::default(), deliveries, returned });
            let work = move || work(policy, output, (&inbox, &give_back), (watch, number));
            threads.push(scope.spawn(work));
        }
        let (errors, end) = intake.read(source, &mut |order| match order {
            Order::Packet(packet) => {
                let (key, _) = FlowKey::between(&packet.source, &packet.target);
                if let Some(queue) = queues.get_mut(key.shard() % workers) {
                    queue.push(packet);
                }
            }
            Order::Tick(now) => {
                for queue in &mut queues {
                    queue.flush();
                    queue.send(Delivery::Tick(now));
                }
            }
            Order::Flush => queues.iter_mut().for_each(Queue::flush),
        });
        for queue in &mut queues {
            queue.flush();
            queue.send(Delivery::End(end));
        }
        drop(queues);
        let mut ledger = Ledger::default();
        let mut outputs = Vec::with_capacity(workers);
        for (number, thread) in threads.into_iter().enumerate() {
            let (output, account) = thread.join().map_err(|_| PipelineError::Panicked(number))?;
            ledger += &account;
            outputs.push(output);
        }
        intake.account(source, &mut ledger);
        Ok(Outcome { ledger, outputs, errors, span: intake.span() })
    })
}

/// Waits for the next delivery; `None` where there will be no more.
///
/// A bare `recv` yields its processor several times before it sleeps. Where the processors are busy
/// each of these yields is a switch to another thread and back, many thousand a second; waiting
/// through a selection sleeps at once.
fn receive(inbox: &Receiver<Delivery>) -> Option<Delivery> {
    if let Ok(delivery) = inbox.try_recv() {
        return Some(delivery);
    }
    let mut select = Select::new();
    select.recv(inbox);
    select.select().recv(inbox).ok()
}

/// A worker's thread: takes deliveries until the end.
fn work<O: Output>(
    policy: Policy,
    mut output: O,
    (inbox, give_back): (&Receiver<Delivery>, &Sender<Batch>),
    (watch, number): (&Watch, usize),
) -> (O, Ledger) {
    let mut worker = Worker::new(policy);
    let mut end = Timestamp::default();
    while let Some(delivery) = receive(inbox) {
        match delivery {
            Delivery::Batch(mut batch) => {
                for packet in batch.packets() {
                    worker.packet(&packet, &mut |exchange: &Exchange| output.exchange(exchange));
                }
                batch.clear();
                let _ = give_back.try_send(batch);
            }
            Delivery::Tick(now) => {
                worker.reduce(watch.reduction(), now, &mut |e: &Exchange| output.exchange(e));
                worker.tick(now, &mut |exchange: &Exchange| output.exchange(exchange));
                watch.account(number + 1, &worker.account());
                output.tick(now);
            }
            Delivery::End(at) => end = at,
        }
    }
    let ledger = worker.finish(end, &mut |exchange: &Exchange| output.exchange(exchange));
    (output, ledger)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seldom_packets_are_handed_on_at_once_and_frequent_ones_together() {
        let check = |idle_at_ms: &[i64], flushed_at_ms: &[i64]| {
            let (options, watch) = (Options::default(), Watch::default());
            let mut intake = Intake::new(&options, None, &watch);
            let at = |ms: i64| Timestamp::from_nanos(ms * 1_000_000);
            let flushed: Vec<i64> =
                idle_at_ms.iter().copied().filter(|&ms| intake.is_flush_due(at(ms))).collect();
            assert_eq!(flushed, flushed_at_ms, "{idle_at_ms:?}");
        };
        check(&[0, 10, 20, 500], &[0, 10, 20, 500]);
        check(&[0, 4, 8, 12, 16, 20, 24], &[0, 12, 24]);
        // The clock stepped back by an hour: nothing waits for it to come round.
        check(&[3_600_000, 1, 5, 11], &[3_600_000, 1, 11]);
    }
}
