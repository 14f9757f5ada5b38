//! What a capture of interfaces tells while it runs: a line now and then, and the figures for it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use weir::anomaly::Anomaly;
use weir::exchange::{Exchange, State};
use weir::http::lines;
use weir::ledger::Ledger;
use weir::limits::METRIC_GROUPS_MAX;
use weir::pipeline::{Output, Watch};
use weir::report::units;
use weir::segment::{GroupKey, Latencies, Metric, Summary};
use weir::time::Timestamp;

use crate::budget::{self, Budget, Warden};
use crate::otlp::Counts;

/// What all workers saw, brought together once a second.
#[derive(Debug, Default)]
pub(crate) struct Board {
    /// Durations by group: the first that came, up to a bound.
    pub(crate) groups: BTreeMap<GroupKey, Latencies>,
    /// Durations of the groups that found no room.
    pub(crate) other: Latencies,
    /// Durations since the last status line.
    recent: Latencies,
    /// What is exported, if anything is.
    pub(crate) otlp: Option<Arc<Counts>>,
}

/// The board, for several threads.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedBoard(Arc<Mutex<Board>>);

impl SharedBoard {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Board> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Board {
    fn add(&mut self, summary: &Summary, recent: &Latencies) {
        self.recent.merge(recent);
        for (key, stats) in summary.groups() {
            let latencies = stats.latencies(Metric::Total);
            if let Some(known) = self.groups.get_mut(key) {
                known.merge(latencies);
            } else if latencies.count() == 0 {
                // Nothing of it was complete.
            } else if self.groups.len() < METRIC_GROUPS_MAX {
                self.groups.insert(key.clone(), latencies.clone());
            } else {
                self.other.merge(latencies);
            }
        }
        if let Some(stats) = summary.other() {
            self.other.merge(stats.latencies(Metric::Total));
        }
    }
}

/// Notes the durations of exchanges on their way to an output.
pub(crate) struct Tap<O> {
    pub(crate) output: O,
    board: SharedBoard,
    watch: Arc<Watch>,
    /// By group; `None`: nobody asks for groups.
    summary: Option<Summary>,
    recent: Latencies,
}

impl<O> Tap<O> {
    pub(crate) fn new(output: O, board: &SharedBoard, watch: &Arc<Watch>, groups: Groups) -> Self {
        let summary = (groups == Groups::Told).then(Summary::default);
        let watch = Arc::clone(watch);
        Self { output, board: board.clone(), watch, summary, recent: Latencies::default() }
    }
}

/// Whether durations are told by group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Groups {
    Told,
    Unused,
}

impl<O: Output> Output for Tap<O> {
    fn exchange(&mut self, exchange: &Exchange) {
        let facts = &exchange.facts;
        if let (State::Complete, Some(ns)) = (facts.state, facts.timing.total_ns) {
            self.recent.record(ns);
            if let Some(summary) = &mut self.summary {
                let method = lines::request_line(&exchange.request.head).method;
                summary.record_metric(facts, method, &exchange.route, Metric::Total);
            }
        }
        if self.watch.reduction.load(Ordering::Relaxed) == 0 {
            self.output.exchange(exchange);
        } else {
            // Rare enough for a copy.
            let mut marked = exchange.clone();
            marked.facts.anomalies.add(Anomaly::Reduced);
            self.output.exchange(&marked);
        }
    }

    fn tick(&mut self, now: Timestamp) {
        let summary = self.summary.as_mut().map(std::mem::take).unwrap_or_default();
        self.board.lock().add(&summary, &std::mem::take(&mut self.recent));
        self.output.tick(now);
    }
}

/// What this process takes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Own {
    /// Processor time since it began.
    pub(crate) cpu: Duration,
    /// Resident memory, rings included, in bytes.
    pub(crate) memory: u64,
    /// Of it, what was allocated, in bytes: neither rings nor files.
    pub(crate) allocated: u64,
}

impl Own {
    /// As of now.
    pub(crate) fn now() -> Self {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        let cpu = Duration::new(
            u64::try_from(time.tv_sec).unwrap_or(0),
            u32::try_from(time.tv_nsec).unwrap_or(0),
        );
        // Where memory is not told, none is better than a guess.
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let bytes = |name: &str| {
            let rest = status.lines().find_map(|line| line.strip_prefix(name));
            let number = rest.and_then(|rest| rest.trim().strip_suffix("kB"));
            let kibibytes = number.and_then(|number| number.trim().parse::<u64>().ok());
            kibibytes.unwrap_or(0).saturating_mul(1024)
        };
        Self { cpu, memory: bytes("VmRSS:"), allocated: bytes("RssAnon:") }
    }
}

/// Tells now and then how it goes, and ends the run after a while, until it is dropped.
pub(crate) struct Ticker {
    done: Option<Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// When a [`Ticker`] does what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// Between two lines; zero: none.
    pub(crate) stats: Duration,
    /// Until the end; `None`: the run ends otherwise.
    pub(crate) duration: Option<Duration>,
    /// What is looked after.
    pub(crate) budget: Budget,
}

impl Ticker {
    /// Starts to tell.
    pub(crate) fn start(times: Times, watch: &Arc<Watch>, board: &SharedBoard) -> Self {
        let (done, stopped) = bounded::<()>(1);
        let (watch, board) = (Arc::clone(watch), board.clone());
        let thread = std::thread::spawn(move || {
            let mut due = Due::new(times);
            loop {
                let wait = due.next().map(|at| at.saturating_duration_since(clock()));
                let ended = match wait {
                    Some(wait) => stopped.recv_timeout(wait) != Err(RecvTimeoutError::Timeout),
                    None => stopped.recv().is_err(),
                };
                if ended {
                    return;
                }
                due.work(&watch, &board);
            }
        });
        Self { done: Some(done), thread: Some(thread) }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        drop(self.done.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What a [`Ticker`] does next, and when.
struct Due {
    times: Times,
    interval: Interval,
    warden: Warden,
    line_at: Option<Instant>,
    end_at: Option<Instant>,
    look_at: Option<Instant>,
    looked_at: Instant,
}

impl Due {
    fn new(times: Times) -> Self {
        let now = clock();
        Self {
            interval: Interval { at: now, ledger: Ledger::default(), own: Own::now() },
            warden: Warden::new(times.budget),
            line_at: Some(times.stats).filter(|stats| !stats.is_zero()).map(|stats| now + stats),
            end_at: times.duration.map(|duration| now + duration),
            look_at: times.budget.is_any().then(|| now + budget::STEP),
            looked_at: now,
            times,
        }
    }

    fn next(&self) -> Option<Instant> {
        [self.line_at, self.end_at, self.look_at].into_iter().flatten().min()
    }

    /// Does what is due. What is late is not made up for.
    fn work(&mut self, watch: &Watch, board: &SharedBoard) {
        let now = clock();
        if self.end_at.take_if(|at| now >= *at).is_some() {
            watch.stop.store(true, Ordering::Relaxed);
        }
        if let Some(at) = self.look_at.as_mut().filter(|at| now >= **at) {
            *at = now + budget::STEP;
            let before = std::mem::replace(&mut self.looked_at, now);
            self.warden.look(now.saturating_duration_since(before), watch);
        }
        if let Some(at) = self.line_at.as_mut().filter(|at| now >= **at) {
            *at = now + self.times.stats;
            eprintln!("{}", self.interval.line(now, watch, board));
        }
    }
}

/// Where things stood at the last status line.
struct Interval {
    at: Instant,
    ledger: Ledger,
    own: Own,
}

impl Interval {
    /// The line for the time since the last one.
    fn line(&mut self, now: Instant, watch: &Watch, board: &SharedBoard) -> String {
        let (ledger, own) = (watch.ledger(), Own::now());
        let (recent, otlp) = {
            let mut board = board.lock();
            (std::mem::take(&mut board.recent), board.otlp.clone())
        };
        let seconds = now.saturating_duration_since(self.at).as_secs_f64().max(0.001);
        let news = ledger.since(&self.ledger);
        let per_second = |count: u64| rate(count, seconds);
        let mut line = format!(
            "{} exchanges/s, {} flows, {} frames/s",
            per_second(news.exchanges.total),
            units::count(ledger.flows.live),
            per_second(news.frames.seen),
        );
        let missed = news.missed.kernel + news.missed.interface;
        line.push_str(&format!(
            ", {} missed, {} in gaps",
            units::count(missed),
            units::size(news.bytes.gap)
        ));
        let unkept = load(&watch.unkept);
        if unkept > 0 {
            line.push_str(&format!(", {} exchanges not kept so far", units::count(unkept)));
        }
        if let Some(otlp) = otlp {
            line.push_str(&format!(", {}", otlp.account()));
        }
        if let (Some(p50), Some(p99)) = (at_quantile(&recent, 50), at_quantile(&recent, 99)) {
            let (p50, p99) = (units::duration(p50), units::duration(p99));
            line.push_str(&format!(", p50 {p50}, p99 {p99}"));
        }
        let share = own.cpu.saturating_sub(self.own.cpu).as_secs_f64() / seconds * 100.0;
        line.push_str(&format!("; own: {share:.1} % CPU, {}", units::size(own.memory)));
        *self = Self { at: now, ledger, own };
        line
    }
}

pub(crate) fn load(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

fn at_quantile(latencies: &Latencies, percent: u64) -> Option<u64> {
    latencies.value_at_rank((latencies.count() * percent).div_ceil(100))
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people has three digits")]
fn rate(count: u64, seconds: f64) -> String {
    let rate = count as f64 / seconds;
    if rate < 10.0 { format!("{rate:.1}") } else { format!("{rate:.0}") }
}

/// A clock that only goes on: status lines are about time on the wall.
#[expect(clippy::disallowed_methods, reason = "when a line is due is no matter of packet time")]
fn clock() -> Instant {
    Instant::now()
}
