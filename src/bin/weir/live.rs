//! `weir capture -i`: interfaces in, exchanges out, for as long as it takes.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

use anyhow::{Context as _, Result};
use weir::exchange::{Exchange, Heads, Policy};
use weir::ledger::Ledger;
use weir::pipeline::{
    BlockOutput, Keep, Options, Output, Ports, Recorder, RecorderNotice, Recording, Service, Watch,
    run as run_pipeline,
};
use weir::query::group::Keys;
use weir::report;
use weir::report::list::Layout;
use weir::sandbox::{Interfaces as Use, Needs, confine};
use weir::segment::About;
use weir::source::live::{InterfaceCounts, Interfaces, Notice, Selection, Settings};
use weir::time::Timestamp;

use crate::args::CaptureArgs;
use crate::budget::Budget;
use crate::capture::{Limit, Limited, configuration, host_name, policy, summarize};
use crate::exit::{Exit, UsageError, complain};
use crate::list::Form;
use crate::live_args::LiveArgs;
use crate::metrics::Listener;
use crate::otlp::{Exported, Exporter, Pace, Plan};
use crate::printer::{Pen, Printer};
use crate::status::{Groups, SharedBoard, Tap, Ticker, Times, load};
use crate::{interrupt, terminal};

/// Bytes of lines that a worker collects before it has them printed.
const LINES_BYTES: usize = 64 << 10;

/// Answers `weir capture -i`.
pub(crate) fn run(args: &CaptureArgs, plan: Option<Plan>) -> Result<Exit> {
    let live = &args.live;
    check_budget(live)?;
    let notify = Box::new(|notice: Notice| complain(&notice.to_string()));
    let interfaces = Interfaces::open(&live.interface, settings(args), notify)?;
    let metrics = live.metrics.map(Listener::bind).transpose()?;
    let dir = args.write.as_deref().map(make_dir).transpose()?;
    // From here on nothing is opened that takes privileges, and threads may be started.
    let writes: Vec<PathBuf> = dir.into_iter().collect();
    let connects = plan.as_ref().map(Plan::ports).unwrap_or_default();
    let needs = Needs {
        user: live.user.as_deref(),
        writes: &writes,
        reads: &[],
        interfaces: Use::Captured,
        connects: &connects,
    };
    let confined = confine(&needs)?;
    let names = live.interface.join(", ");
    eprintln!("capturing {}; {confined}", report::escaped(names.as_bytes()));
    let run = Run::new(args, plan)?;
    if let Some(listener) = metrics {
        if let Some(address) = listener.address() {
            eprintln!("metrics on http://{address}/metrics");
        }
        listener.serve(&run.watch, &run.board);
    }
    let exit = match writes.first() {
        Some(dir) => run.record(interfaces, dir),
        None => run.print(interfaces),
    };
    run.finish();
    exit
}

/// What may be taken: memory is counted with the rings, which the kernel reserves at once.
fn budget(live: &LiveArgs) -> Budget {
    let rings = (live.buffer as u64).saturating_mul(live.interface.len() as u64);
    Budget { memory: live.max_memory, rings, cpu: live.max_cpu }
}

/// Least memory that a budget leaves beside the rings.
const MEMORY_BYTES_MIN: u64 = 32 << 20;

fn check_budget(live: &LiveArgs) -> Result<()> {
    let Budget { memory, rings, .. } = budget(live);
    if memory.is_some_and(|memory| memory < rings.saturating_add(MEMORY_BYTES_MIN)) {
        let text = format!(
            "--max-memory has to hold the rings ({}, see -B) and 32M beside them",
            report::units::size(rings)
        );
        return Err(UsageError(text).into());
    }
    Ok(())
}

fn settings(args: &CaptureArgs) -> Settings {
    let settings = Settings {
        ring_bytes: args.live.buffer,
        selection: selection(&args.filter, args.port.as_ref()),
        ..Settings::default()
    };
    Settings { snap_len: args.live.snaplen.unwrap_or(settings.snap_len), ..settings }
}

/// What the kernel passes: a filter stands for itself, and ports are looked at behind the decoder
/// as well.
pub(crate) fn selection(filter: &[String], ports: Option<&Ports>) -> Selection {
    let expression = filter.join(" ");
    match ports {
        _ if !expression.trim().is_empty() => Selection::Expression(expression),
        Some(ports) => Selection::Ports(ports.ranges().to_vec()),
        None => Selection::Everything,
    }
}

/// The directory for segments, which is there from now on.
fn make_dir(dir: &Path) -> Result<PathBuf> {
    use std::os::unix::fs::DirBuilderExt as _;
    if !dir.is_dir() {
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.with_context(|| format!("cannot make directory {}", dir.display()))?;
    }
    Ok(dir.to_owned())
}

/// What the parts of a run share.
struct Run<'a> {
    args: &'a CaptureArgs,
    watch: Arc<Watch>,
    board: SharedBoard,
    limit: Limit,
    exporter: Option<Exporter>,
}

impl<'a> Run<'a> {
    fn new(args: &'a CaptureArgs, plan: Option<Plan>) -> Result<Self> {
        let watch = Arc::new(Watch::default());
        let limit = Limit::new(args.count, &watch);
        let exporter = plan.map(|plan| plan.start(Pace::Interface, &watch)).transpose()?;
        let board = SharedBoard::default();
        board.lock().otlp = exporter.as_ref().map(|exporter| Arc::clone(exporter.counts()));
        Ok(Self { args, watch, board, limit, exporter })
    }

    /// Ends the export, if there is one. What was captured is kept by then.
    fn finish(self) {
        if let Some(account) = self.exporter.map(Exporter::finish) {
            eprintln!("{account}");
        }
    }

    /// How many workers. The capturing thread does the work itself where a thread more would only
    /// be in the way: with one processor, and with two where nothing is compressed and what is
    /// printed waits in a queue of its own. Else the work has threads of its own, so that a slow
    /// disk is not felt in the rings at once.
    fn workers(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let is_light = self.args.write.is_none();
        let workers = if is_light && cores <= 2 { 1 } else { cores.clamp(1, 4) };
        self.args.workers.map_or(workers, usize::from)
    }

    /// How much of the heads is kept: lines need little of them, the groups of metrics a route,
    /// everything else the whole.
    fn heads(&self) -> Heads {
        if self.args.write.is_some() || self.args.json || self.exporter.is_some() {
            Heads::Whole
        } else if self.args.live.metrics.is_some() {
            Heads::Brief
        } else {
            Heads::Line
        }
    }

    /// Captures until something ends it; gives the outputs and the account.
    fn capture<O: Output>(
        &self,
        mut interfaces: Interfaces,
        output: impl Fn() -> O,
    ) -> Result<(Vec<O>, Ledger)> {
        interrupt::stops(&self.watch)?;
        let groups = if self.args.live.metrics.is_some() { Groups::Told } else { Groups::Unused };
        let outputs = (0..self.workers()).map(|_| {
            let output = Exported::new(output(), self.exporter.as_ref());
            let output = Limited { limit: &self.limit, output };
            Tap::new(output, &self.board, &self.watch, groups)
        });
        let policy = Policy { heads: self.heads(), ..policy(self.args) };
        let options = Options { policy, ports: self.args.port.clone() };
        let counts = interfaces.counts();
        let live = &self.args.live;
        let budget = budget(live);
        let times = Times { stats: live.stats, duration: live.duration, budget };
        let ticker = Ticker::start(times, &self.watch, &self.board);
        let outcome = run_pipeline(&mut interfaces, &options, None, &self.watch, outputs.collect());
        drop(ticker);
        let outcome = outcome?;
        outcome.errors.iter().for_each(|error| complain(&error.to_string()));
        if counts.len() > 1 {
            counts.iter().for_each(tell_counts);
        }
        let outputs = outcome.outputs.into_iter().map(|tap| tap.output.output.into_output());
        Ok((outputs.collect(), outcome.ledger))
    }

    fn record(&self, interfaces: Interfaces, dir: &Path) -> Result<Exit> {
        let about = About {
            started_at: now(),
            host: host_name(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            source: self.args.live.interface.join(" "),
            configuration: configuration(self.args),
            ..About::default()
        };
        let rotate = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(signal_hook::consts::SIGHUP, Arc::clone(&rotate))
            .context("cannot listen for signals")?;
        let service = Service {
            keep: self.args.live.keep.unwrap_or(Keep::ALL),
            watch: Arc::clone(&self.watch),
            rotate,
            notify: Box::new(|notice: RecorderNotice| complain(&notice.to_string())),
        };
        let recording = Recording {
            dir: dir.to_owned(),
            about,
            rotate_bytes: self.args.rotate.bytes,
            rotate_ns: self.args.rotate.ns,
        };
        let recorder = Recorder::serve(recording, service)?;
        let (outputs, ledger) = self.capture(interfaces, || recorder.output())?;
        outputs.into_iter().for_each(BlockOutput::finish);
        let recorded = recorder.seal(&ledger);
        summarize(&ledger, recorded.as_ref().ok());
        let unkept = load(&self.watch.unkept);
        if unkept > 0 {
            complain(&format!("{unkept} exchanges were measured and not kept"));
        }
        recorded?;
        Ok(Exit::Done)
    }

    fn print(&self, interfaces: Interfaces) -> Result<Exit> {
        let form = if self.args.json {
            Form::Json(Keys::none())
        } else {
            Form::Lines(Layout::new(terminal::line_width(), terminal::style()))
        };
        let printer = Printer::start(std::io::stdout(), &self.watch);
        let lines = || Lines {
            form: form.clone(),
            is_terminal: std::io::stdout().is_terminal(),
            bytes: Vec::new(),
            pen: printer.pen(),
        };
        let (outputs, ledger) = self.capture(interfaces, lines)?;
        outputs.into_iter().for_each(|mut lines| lines.flush());
        let printed = printer.finish();
        summarize(&ledger, None);
        printed?;
        Ok(Exit::Done)
    }
}

/// Says what one of several interfaces gave.
fn tell_counts(counts: &InterfaceCounts) {
    eprintln!(
        "{}: {} frames, {} missed by the kernel, {} by the interface, lost {} times",
        report::escaped(counts.name.as_bytes()),
        load(&counts.received),
        load(&counts.dropped_by_kernel),
        load(&counts.dropped_by_interface),
        load(&counts.interruptions),
    );
}

/// Prints a line an exchange: on a terminal at once, else once a second at the latest. Several
/// workers print whole lines each.
struct Lines {
    form: Form,
    is_terminal: bool,
    bytes: Vec<u8>,
    pen: Pen,
}

impl Output for Lines {
    fn exchange(&mut self, exchange: &Exchange) {
        self.form.append(exchange, &mut self.bytes);
        if self.is_terminal || self.bytes.len() >= LINES_BYTES {
            self.flush();
        }
    }

    fn tick(&mut self, _: Timestamp) {
        self.flush();
    }
}

impl Lines {
    fn flush(&mut self) {
        let next = Vec::with_capacity(self.bytes.len());
        self.pen.print(std::mem::replace(&mut self.bytes, next));
    }
}

/// When the capture began, for the name of its first segment.
#[expect(clippy::disallowed_methods, reason = "no packet has told the time yet")]
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
