//! The thread that exports: gathers spans into requests, sends them, and tries again where that
//! helps.
//!
//! ```text
//!            taken, refused                        taken
//!            ┌────────────┐        given up        ┌───────────────┐
//!            ▼            │      ┌────────────▶  resting ──────────┘
//!         serving ────────┴──────┘              drops what comes;
//!            ▲    failed: tries again           then one attempt
//!            └───────────────────────────────────────┘
//! ```

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, after};
use weir::export::otlp::{Names, Naming, Origin, Rejected, ServerSpan};
use weir::limits::{
    OTLP_BATCH_BYTES_MAX, OTLP_BATCH_SPANS_MAX, OTLP_BATCH_WAIT, OTLP_FLUSH_WAIT, OTLP_NAMES_MAX,
    OTLP_REQUEST_WAIT, OTLP_REST_MAX, OTLP_REST_MIN, OTLP_RETRY_SPAN, OTLP_RETRY_WAIT_MIN,
};
use weir::pipeline::Watch;

use super::Pace;
use super::collector::{Answer, Collector, Failure, FailureKind};
use super::counts::{Counts, add};
use crate::exit::complain;

/// How often a wait looks whether the run is being stopped.
const STEP: Duration = Duration::from_millis(100);

/// The run whose exchanges are exported.
pub(super) struct Run {
    pace: Pace,
    end: Receiver<Instant>,
    watch: Arc<Watch>,
    end_at: Option<Instant>,
}

impl Run {
    /// One that ends at the instant that is told on `end`, or soon after `watch` says stop.
    pub(super) fn new(pace: Pace, end: Receiver<Instant>, watch: &Arc<Watch>) -> Self {
        Self { pace, end, watch: Arc::clone(watch), end_at: None }
    }

    /// When everything has to be over; `None` while nobody has asked for an end.
    fn end_at(&mut self) -> Option<Instant> {
        if let Ok(at) = self.end.try_recv() {
            self.end_at = Some(at);
        } else if self.end_at.is_none() && self.watch.stop.load(Ordering::Relaxed) {
            self.end_at = Some(clock() + OTLP_FLUSH_WAIT);
        }
        self.end_at
    }
}

/// The thread's state.
pub(super) struct Batches {
    queue: Receiver<ServerSpan>,
    collector: Collector,
    origin: Origin,
    names: Names,
    counts: Arc<Counts>,
    run: Run,
    has_served: bool,
    state: State,
    told: Told,
}

/// How it is going.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Requests are sent, and sent again.
    Serving,
    /// The collector is left alone for that long, until then.
    Resting { rest: Duration, until: Instant },
    /// The end has come, and the collector is not there: the rest is dropped.
    Over,
}

/// What the user was told already: each once.
#[derive(Debug, Default)]
struct Told {
    refused: bool,
    rejected: bool,
    names: bool,
}

impl Batches {
    pub(super) fn new(
        queue: Receiver<ServerSpan>,
        collector: Collector,
        origin: Origin,
        counts: &Arc<Counts>,
        run: Run,
    ) -> Self {
        Self {
            queue,
            collector,
            origin,
            names: Names::default(),
            counts: Arc::clone(counts),
            run,
            has_served: false,
            state: State::Serving,
            told: Told::default(),
        }
    }

    /// Works until no more spans can come.
    pub(super) fn run(mut self) {
        while let Some(batch) = self.gather() {
            self.deliver(batch);
        }
    }

    /// The spans of the next request; `None` when all were given out.
    fn gather(&mut self) -> Option<Vec<ServerSpan>> {
        let mut next = self.queue.recv().ok();
        let full_at = clock() + OTLP_BATCH_WAIT;
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while let Some(mut span) = next {
            if self.names.admit(&mut span) == Naming::Shortened && !self.told.names {
                self.told.names = true;
                let text = "names of spans are in use: further ones are without their route";
                complain(&format!("otlp: {OTLP_NAMES_MAX} {text}"));
            }
            bytes += span.encoded_bytes();
            batch.push(span);
            if batch.len() >= OTLP_BATCH_SPANS_MAX || bytes >= OTLP_BATCH_BYTES_MAX {
                break;
            }
            next = self.queue.recv_deadline(full_at).ok();
        }
        (!batch.is_empty()).then_some(batch)
    }

    /// Sends spans, or counts them as dropped.
    fn deliver(&mut self, batch: Vec<ServerSpan>) {
        let spans = batch.len() as u64;
        let is_resting = match self.state {
            State::Serving => false,
            State::Resting { until, .. } if clock() < until && self.run.end_at().is_none() => {
                return add(&self.counts.dropped, spans);
            }
            State::Resting { .. } => true,
            State::Over => return add(&self.counts.dropped, spans),
        };
        let request = self.origin.request(batch);
        // After a rest there is one attempt.
        let retry = if is_resting { Duration::ZERO } else { OTLP_RETRY_SPAN };
        let (give_up_at, mut wait) = (clock() + retry, OTLP_RETRY_WAIT_MIN);
        loop {
            let failure = match self.send(&request) {
                Answer::Taken(rejected) => return self.taken(spans, &rejected),
                Answer::Refused(why) => return self.refused(spans, &why),
                Answer::Failed(failure) => failure,
            };
            add(&self.counts.failed, 1);
            let asked = match failure.kind {
                FailureKind::Busy(asked) => asked,
                _ => None,
            };
            let is_worth_it = match failure.kind {
                FailureKind::Busy(_) | FailureKind::CutOff => true,
                // A collector may start later than a capture does, but a file does not wait.
                FailureKind::Unreachable => {
                    let may_come = self.has_served || self.run.pace == Pace::Interface;
                    may_come && self.run.end_at().is_none()
                }
                FailureKind::Silent => false,
            };
            let pause = asked.unwrap_or_default().max(jittered(wait));
            if !is_worth_it || !self.wait(pause, give_up_at) {
                add(&self.counts.dropped, spans);
                return self.rest(&failure, asked);
            }
            wait = (wait * 2).min(OTLP_REST_MAX);
        }
    }

    fn send(&mut self, request: &[u8]) -> Answer {
        let end = self.run.end_at();
        let left = end.map(|end| end.saturating_duration_since(clock()));
        let patience = left.unwrap_or(OTLP_REQUEST_WAIT).min(OTLP_REQUEST_WAIT);
        if patience.is_zero() {
            let why = "the end of the capture waits no longer".to_owned();
            return Answer::Failed(Failure { why, kind: FailureKind::Silent });
        }
        self.collector.send(request, patience)
    }

    fn taken(&mut self, spans: u64, rejected: &Rejected) {
        self.has_served = true;
        let count = rejected.spans.min(spans);
        add(&self.counts.sent, spans - count);
        add(&self.counts.rejected, count);
        if !rejected.message.is_empty() && !std::mem::replace(&mut self.told.rejected, true) {
            let url = self.collector.url();
            complain(&format!(
                "otlp: {url} rejected {count} of {spans} spans: {}",
                rejected.message
            ));
        }
        if std::mem::replace(&mut self.state, State::Serving) != State::Serving {
            complain(&format!("otlp: {} takes spans again", self.collector.url()));
        }
    }

    fn refused(&mut self, spans: u64, why: &str) {
        add(&self.counts.failed, 1);
        add(&self.counts.dropped, spans);
        if !std::mem::replace(&mut self.told.refused, true) {
            let url = self.collector.url();
            complain(&format!("otlp: {url} refused {spans} spans, which are dropped: {why}"));
        }
    }

    /// Waits so long; whether that can be done before both bounds.
    fn wait(&mut self, wait: Duration, give_up_at: Instant) -> bool {
        let Some(until) = clock().checked_add(wait).filter(|until| *until <= give_up_at) else {
            return false;
        };
        loop {
            let now = clock();
            if self.run.end_at().is_some_and(|end| until >= end) {
                return false;
            }
            if now >= until {
                return true;
            }
            let _ = after(STEP.min(until - now)).recv();
        }
    }

    /// Leaves the collector alone for a while: as long as it asked for, or longer each time.
    fn rest(&mut self, failure: &Failure, asked: Option<Duration>) {
        let rest = match self.state {
            State::Serving => {
                let url = self.collector.url();
                complain(&format!("otlp: {url}: {}; spans are dropped meanwhile", failure.why));
                OTLP_REST_MIN
            }
            State::Resting { rest, .. } => rest * 2,
            State::Over => return,
        };
        let rest = rest.min(OTLP_REST_MAX);
        let pause = asked.unwrap_or(rest).clamp(rest, OTLP_REST_MAX);
        let resting = State::Resting { rest, until: clock() + pause };
        self.state = if self.run.end_at().is_some() { State::Over } else { resting };
    }
}

/// A wait that is not the same for everybody: three quarters of it to five.
fn jittered(wait: Duration) -> Duration {
    let random = RandomState::new().hash_one(0_u8) % 512;
    wait * (768 + u32::try_from(random).unwrap_or(0)) / 1024
}

/// A clock that only goes on: how long a collector takes is about time on the wall.
#[expect(clippy::disallowed_methods, reason = "waiting for a collector is no packet time")]
pub(super) fn clock() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_differ_and_stay_near() {
        let waits: Vec<Duration> = (0..32).map(|_| jittered(Duration::from_secs(4))).collect();
        assert!(waits.iter().all(|wait| (3..6).contains(&wait.as_secs())), "{waits:?}");
        assert!(waits.iter().any(|wait| *wait != waits[0]));
    }
}
