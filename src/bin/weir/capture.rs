//! `weir capture`: packets in, exchanges out, into segments or as lines.

use std::io::{Stdout, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result, bail};
use weir::exchange::{Exchange, Heads, Policy};
use weir::ledger::Ledger;
use weir::packet::Frame;
use weir::pipeline::{
    BlockOutput, FrameFilter, Options, Outcome, Output, Recorded, Recorder, Recording, Watch,
    run as run_pipeline,
};
use weir::query::group::Keys;
use weir::query::scan::Question;
use weir::report::list::Layout;
use weir::report::{self, Style};
use weir::segment::{About, Store};
use weir::source::CaptureFiles;
use weir::source::bpf::Program;
use weir::time::Timestamp;

use crate::args::CaptureArgs;
use crate::exit::{Exit, UsageError, complain};
use crate::otlp::{Exported, Exporter, Pace, Plan};
use crate::question::secrets;
use crate::{interrupt, list, live, open, progress, terminal};

/// Answers `weir capture`.
pub(crate) fn run(args: &CaptureArgs) -> Result<Exit> {
    let plan = Plan::make(args)?;
    if !args.live.interface.is_empty() {
        return live::run(args, plan);
    }
    let input = Input::look(args)?;
    let watch = Arc::new(Watch::default());
    let exporter = plan.map(|plan| plan.start(Pace::File, &watch)).transpose()?;
    let run = Run { args, input, limit: Limit::new(args.count, &watch), watch, exporter };
    let exit = match &args.write {
        Some(dir) => run.record(dir.clone()),
        None if args.json => run.print_json(),
        None => run.print_lines(),
    };
    run.finish(exit)
}

/// One reading of captures.
struct Run<'a> {
    args: &'a CaptureArgs,
    input: Input,
    watch: Arc<Watch>,
    limit: Limit,
    exporter: Option<Exporter>,
}

/// Where frames come from, looked at before anything is written.
struct Input {
    paths: Vec<PathBuf>,
    filter: Option<Program>,
}

impl Input {
    fn look(args: &CaptureArgs) -> Result<Self> {
        let (paths, filter) = args.split();
        let filter = filter.as_deref().map(Program::new).transpose();
        let filter = filter.map_err(|error| {
            // A capture that is not there may have been taken for the filter.
            let word = args.read.get(paths.len()).map(|word| word.display());
            let word = word.map(|word| word.to_string()).filter(|word| !word.contains(' '));
            let missing = word.map(|word| format!(" (and no file is named `{word}`)"));
            UsageError(format!("{error}{}", missing.unwrap_or_default()))
        })?;
        open::check_captures(paths)?;
        if let Some(dir) = args.write.as_ref().filter(|dir| dir.exists() && !dir.is_dir()) {
            bail!("cannot write segments to {}: it is not a directory", dir.display());
        }
        Ok(Self { paths: paths.to_vec(), filter })
    }
}

/// What of the messages a capture keeps.
pub(crate) fn policy(args: &CaptureArgs) -> Policy {
    Policy {
        heads: Heads::Whole,
        body_bytes_max: args.bodies.bytes_max(),
        secrets: secrets(args.keep_secrets),
    }
}

/// How the capture is configured, for the segments' headers: `ports 80, bodies none, secrets
/// redacted`. What did not change the exchanges, such as the size of segments, is not in it.
pub(crate) fn configuration(args: &CaptureArgs) -> String {
    let filter = if args.read.is_empty() { None } else { args.split().1 };
    let filter = filter.or_else(|| Some(args.filter.join(" ")).filter(|words| !words.is_empty()));
    let live = &args.live;
    let parts = [
        filter.map(|filter| format!("filter \"{filter}\"")),
        args.port.as_ref().map(|ports| format!("ports {ports}")),
        args.count.map(|count| format!("{count} exchanges at most")),
        live.snaplen.map(|bytes| format!("{bytes} bytes of each frame")),
        Some(match args.bodies.bytes_max() {
            None => "bodies none".to_owned(),
            Some(usize::MAX) => "bodies all".to_owned(),
            Some(bytes) => format!("bodies {bytes} bytes"),
        }),
        Some(if args.keep_secrets { "secrets kept" } else { "secrets redacted" }.to_owned()),
        live.max_memory.map(|bytes| format!("memory {bytes} bytes at most")),
        live.max_cpu.map(|percent| format!("processor {percent} % at most")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Counts exchanges of all workers, and stops the run at the number asked for.
pub(crate) struct Limit {
    /// How many more are wanted; `None`: all.
    left: Option<AtomicU64>,
    watch: Arc<Watch>,
}

impl Limit {
    pub(crate) fn new(count: Option<u64>, watch: &Arc<Watch>) -> Self {
        Self { left: count.map(AtomicU64::new), watch: Arc::clone(watch) }
    }

    /// Whether one more exchange is wanted.
    fn takes_one(&self) -> bool {
        let Some(left) = &self.left else { return true };
        let one_less = |left: u64| left.checked_sub(1);
        let before = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
        if before.is_ok_and(|left| left == 1) {
            self.watch.stop.store(true, Ordering::Relaxed);
        }
        before.is_ok()
    }
}

/// Passes on the exchanges that the limit allows.
pub(crate) struct Limited<'l, O> {
    pub(crate) limit: &'l Limit,
    pub(crate) output: O,
}

impl<O: Output> Output for Limited<'_, O> {
    fn exchange(&mut self, exchange: &Exchange) {
        if self.limit.takes_one() {
            self.output.exchange(exchange);
        }
    }

    fn tick(&mut self, now: Timestamp) {
        self.output.tick(now);
    }
}

/// A run that was brought to its end.
struct Done<O> {
    outputs: Vec<O>,
    ledger: Ledger,
    is_damaged: bool,
}

impl Run<'_> {
    /// Reads the captures into `outputs`, which get the exchanges that the limit allows.
    fn read<O: Output>(&self, policy: Policy, outputs: Vec<O>) -> Result<Done<O>> {
        let Self { args, input, watch, limit, exporter } = self;
        interrupt::stops(watch)?;
        let mut files = CaptureFiles::new(input.paths.iter().cloned());
        let progress = progress::show(watch, files.bytes_total());
        let options = Options { policy, ports: args.port.clone() };
        let passes = |frame: &Frame<'_>| input.filter.as_ref().is_none_or(|f| f.passes(frame));
        let filter = input.filter.is_some().then_some(&passes as FrameFilter<'_>);
        let outputs = outputs.into_iter().map(|output| {
            let output = Exported::new(output, exporter.as_ref());
            Limited { limit, output }
        });
        let outcome = run_pipeline(&mut files, &options, filter, watch, outputs.collect());
        drop(progress);
        let Outcome { ledger, outputs, mut errors, .. } = outcome?;
        errors.extend(files.take_errors());
        let mut complaints: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let unfiltered = input.filter.iter().flat_map(Program::errors);
        complaints.extend(unfiltered.map(|error| error.to_string()));
        complaints.iter().for_each(|text| complain(text));
        let outputs = outputs.into_iter().map(|limited| limited.output.into_output()).collect();
        Ok(Done { outputs, ledger, is_damaged: !complaints.is_empty() })
    }

    /// Ends the export, if there is one: it failed where the collector did not take everything.
    fn finish(self, exit: Result<Exit>) -> Result<Exit> {
        let account = self.exporter.map(Exporter::finish);
        account.iter().for_each(|account| eprintln!("{account}"));
        let is_whole = account.is_none_or(|account| account.is_whole());
        exit.map(|exit| if is_whole { exit } else { Exit::Failed })
    }

    /// Records into segments. Compression takes half of the time: it is spread over the cores.
    fn record(&self, dir: PathBuf) -> Result<Exit> {
        let paths = self.input.paths.iter();
        let sources: Vec<String> = paths.map(|path| path.display().to_string()).collect();
        let about = About {
            host: host_name(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            source: sources.join(" "),
            configuration: configuration(self.args),
            ..About::default()
        };
        let (rotate_bytes, rotate_ns) = (self.args.rotate.bytes, self.args.rotate.ns);
        let recorder = Recorder::start(Recording { dir, about, rotate_bytes, rotate_ns })
            .context("cannot start the recorder")?;
        let threads = self.args.workers.map_or_else(|| cores().min(4), usize::from);
        let done = self.read(policy(self.args), recorder.outputs(threads))?;
        done.outputs.into_iter().for_each(BlockOutput::finish);
        let recorded = recorder.seal(&done.ledger)?;
        summarize(&done.ledger, Some(&recorded));
        Ok(if done.is_damaged { Exit::Failed } else { Exit::Done })
    }

    /// Prints lines. One worker prints them in the order in which the exchanges are over.
    fn print_lines(&self) -> Result<Exit> {
        let lines = Lines {
            out: std::io::stdout(),
            layout: Layout::new(terminal::line_width(), terminal::style()),
            unwritten: Vec::new(),
            watch: Arc::clone(&self.watch),
            error: None,
        };
        // Spans tell more of a head than lines do.
        let heads = if self.exporter.is_some() { Heads::Whole } else { Heads::Line };
        let policy = Policy { heads, body_bytes_max: None, ..policy(self.args) };
        let done = self.read(policy, vec![lines])?;
        for mut lines in done.outputs {
            lines.write();
            if let Some(error) = lines.error.take() {
                return Err(error.into());
            }
        }
        summarize(&done.ledger, None);
        Ok(if done.is_damaged { Exit::Failed } else { Exit::Done })
    }

    /// Prints JSON Lines, sorted: the captures are read to their end first.
    fn print_json(&self) -> Result<Exit> {
        let dir = open::temporary_dir()?;
        let recorder = open::temporary_recorder(&dir)?;
        let threads = self.args.workers.map_or_else(|| cores().min(2), usize::from);
        let done = self.read(policy(self.args), recorder.outputs(threads))?;
        done.outputs.into_iter().for_each(BlockOutput::finish);
        recorder.seal(&done.ledger)?;
        let store = Store::open(&[dir.path()])?;
        // A capture that was interrupted is printed as far as it came.
        interrupt::forget();
        let (all, form) = (Question::default(), list::Form::Json(Keys::none()));
        let damaged = list::print(&store, &all, &form)?;
        summarize(&done.ledger, None);
        let exit = open::exit_code(done.is_damaged, &damaged);
        dir.close().context("cannot remove what was read from captures")?;
        Ok(exit)
    }
}

/// How many processors there are.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Prints a line an exchange, many at a time.
struct Lines {
    out: Stdout,
    layout: Layout,
    /// Lines that are not written yet.
    unwritten: Vec<u8>,
    watch: Arc<Watch>,
    error: Option<std::io::Error>,
}

/// Bytes of lines that are written at once.
const LINES_BYTES: usize = 64 << 10;

impl Output for Lines {
    fn exchange(&mut self, exchange: &Exchange) {
        report::list::line(exchange, &self.layout, &mut self.unwritten);
        if self.unwritten.len() >= LINES_BYTES {
            self.write();
        }
    }
}

/// Lines that were made are written also where a defect ends the run.
impl Drop for Lines {
    fn drop(&mut self) {
        self.write();
    }
}

impl Lines {
    /// Writes what is not written yet; without effect once nothing can be written.
    #[inline(never)]
    fn write(&mut self) {
        if self.error.is_none()
            && let Err(error) = self.out.write_all(&self.unwritten).and_then(|()| self.out.flush())
        {
            self.error = Some(error);
            self.watch.stop.store(true, Ordering::Relaxed);
        }
        self.unwritten.clear();
    }
}

/// Says where everything went, on standard error.
pub(crate) fn summarize(ledger: &Ledger, recorded: Option<&Recorded>) {
    eprint!("{}", report::ledger::ledger(ledger, Style::Plain));
    if let Some(Recorded { segments, bytes, exchanges }) = recorded {
        let size = report::units::size(*bytes);
        let count = report::units::counted(segments.len() as u64, "segment", "segments");
        let kept = report::units::counted(*exchanges, "exchange", "exchanges");
        eprintln!("{kept} in {count}, {size}");
    }
}

/// The name of this host, for the segments' headers; empty where it has none.
pub(crate) fn host_name() -> String {
    let name = rustix::system::uname();
    name.nodename().to_string_lossy().into_owned()
}
