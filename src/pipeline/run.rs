//! A run: how it is asked for, watched and told of, and the one without threads.

#![expect(clippy::inline_always, reason = "each packet comes through")]

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::exchange::{Exchange, Policy};
use crate::ledger::Ledger;
use crate::packet::{Frame, Packet};
use crate::pipeline::dispatcher::{Dispatcher, Taker};
use crate::pipeline::ports::Ports;
use crate::pipeline::reduction::Reduction;
use crate::pipeline::threads::run_threads;
use crate::pipeline::worker::Worker;
use crate::source::{Source, SourceError};
use crate::time::Timestamp;

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
    pub(super) fn reduction(&self) -> Reduction {
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
    pub(super) fn account(&self, number: usize, account: &Ledger) {
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
    let mut dispatcher = Dispatcher::new(options, filter, watch);
    if outputs.len() > 1 {
        return run_threads(source, dispatcher, (options.policy, watch), outputs);
    }
    let Some(output) = outputs.first_mut() else { return Err(PipelineError::NoOutput) };
    let mut here = Here { worker: Worker::new(options.policy), output, watch };
    let (errors, end) = dispatcher.read(source, &mut here);
    let mut ledger = here.worker.finish(end, &mut |e: &Exchange| here.output.exchange(e));
    dispatcher.account(source, &mut ledger);
    Ok(Outcome { ledger, outputs, errors, span: dispatcher.span() })
}

/// The one worker of a run without threads.
struct Here<'r, O> {
    worker: Worker,
    output: &'r mut O,
    watch: &'r Watch,
}

impl<O: Output> Taker for Here<'_, O> {
    #[inline(always)]
    fn packet(&mut self, packet: &Packet<'_>) {
        self.worker.packet(packet, &mut |exchange: &Exchange| self.output.exchange(exchange));
    }

    #[cold]
    fn tick(&mut self, now: Timestamp) {
        let Self { worker, output, watch } = self;
        worker.reduce(watch.reduction(), now, &mut |e: &Exchange| output.exchange(e));
        worker.tick(now, &mut |exchange: &Exchange| output.exchange(exchange));
        watch.account(1, &worker.account());
        output.tick(now);
    }
}
