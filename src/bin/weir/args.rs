//! The command line: one struct a command, with help that a stranger can use.

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use weir::pipeline::Ports;
use weir::query::quantity;

use crate::live_args::{DevicesArgs, DoctorArgs, LiveArgs};

/// Weir: what a service answered over HTTP/1, and how fast, from packets alone
#[derive(Debug, Parser)]
#[command(name = "weir", version, max_term_width = 100, after_help = AFTER_HELP)]
#[command(
    disable_help_subcommand = false,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// When to use colour: auto, always or never
    #[arg(
        long,
        value_name = "WHEN",
        default_value = "auto",
        global = true,
        hide_possible_values = true,
        hide_default_value = true,
        display_order = 900
    )]
    pub(crate) color: Color,

    /// The format of access logs among the PATHs, as nginx or Apache has it (default: common or
    /// combined, and behind it `$request_time` in seconds or %D in microseconds)
    #[arg(long, value_name = "FORMAT", global = true)]
    pub(crate) log_format: Option<String>,
}

const AFTER_HELP: &str = "\
Every PATH is a capture (pcap or pcapng, also .gz and .zst; - is standard
input), a segment (.weir), or a directory of segments.

Examples:
  weir latency trace.pcap                      how fast was it, and how sure?
  weir list trace.pcap --where 'status >= 500'
  weir show trace.pcap 7k3mq0                  by the id that list prints
  weir capture -r trace.pcap -w segments       keep the exchanges, ask later
  weir help latency                            more of one command";

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Capture(CaptureArgs),
    Latency(LatencyArgs),
    Compare(CompareArgs),
    List(ListArgs),
    Show(ShowArgs),
    Why(WhyArgs),
    Info(InfoArgs),
    Verify(VerifyArgs),
    Export(ExportArgs),
    Devices(DevicesArgs),
    Doctor(DoctorArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
}

/// Packets in, exchanges out: into segments, or a line each
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("input").required(true))]
#[command(after_help = "\
Without -w, one line an exchange goes to standard output as each completes;
those of files with --json sorted by start. The summary goes to standard error.
On interfaces SIGINT and SIGTERM end the capture in order; with -w, SIGHUP
begins a new segment.
FILTER may follow the files of -r: the first word that neither is nor looks
like a file begins it.

Examples:
  sudo weir capture -i eth0 -p 80
  weir capture -i any -p 80 -w /var/lib/weir --keep 20G,30d --metrics :9090
  weir capture -r trace.pcap
  weir capture -r trace.pcap --json | jq .
  weir capture -r mon.pcap.gz tue.pcap -w segments   keep the exchanges
  weir capture -r trace.pcap -w segments --bodies 64K
  weir capture -r trace.pcap host 10.0.0.1 and port 80
  weir capture -r trace.pcap --otlp http://localhost:4318
  xz -dc old.pcap.xz | weir capture -r - -p 8080")]
pub(crate) struct CaptureArgs {
    /// Capture files, in the order given; - is standard input
    #[arg(short, long, value_name = "FILE", group = "input", num_args = 1..)]
    pub(crate) read: Vec<PathBuf>,

    /// Write segments to this directory
    #[arg(short, long, value_name = "DIR")]
    pub(crate) write: Option<PathBuf>,

    /// Only these ports, also inside VLAN tags and tunnels: 80,8000-8099
    #[arg(short, long, value_name = "PORTS")]
    pub(crate) port: Option<Ports>,

    /// Stop after this many exchanges
    #[arg(short, long, value_name = "N")]
    pub(crate) count: Option<u64>,

    /// Keep that much of each body: a size, all, or none
    #[arg(long, value_name = "SIZE", default_value = "none", value_parser = bodies)]
    pub(crate) bodies: Bodies,

    /// Do not redact secrets before they are stored or printed
    #[arg(long)]
    pub(crate) keep_secrets: bool,

    /// Start a new segment at this size or packet time
    #[arg(long, value_name = "SIZE,DURATION", default_value = "256M,1h", value_parser = rotation)]
    pub(crate) rotate: Rotation,

    /// Also send each exchange as a span to this OpenTelemetry collector: `http://localhost:4318`
    #[arg(long, value_name = "URL")]
    pub(crate) otlp: Option<String>,

    /// The service.name of the spans [default: each server's address and port]
    #[arg(long, value_name = "NAME", requires = "otlp")]
    pub(crate) otlp_service: Option<String>,

    /// Worker threads; results do not depend on it [default: what serves the work best]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16))]
    pub(crate) workers: Option<u8>,

    /// Print JSON Lines
    #[arg(long)]
    pub(crate) json: bool,

    /// Addresses and ports stay numbers (always so; accepted out of habit)
    #[arg(short, hide = true)]
    pub(crate) numeric: bool,

    /// Only frames that this matches: a BPF expression, as for tcpdump
    #[arg(value_name = "FILTER", trailing_var_arg = true)]
    pub(crate) filter: Vec<String>,

    #[command(flatten)]
    pub(crate) live: LiveArgs,
}

impl CaptureArgs {
    /// The capture files, and the filter: `-r` takes every word up to the next option, as in
    /// `-r monday.pcap tuesday.pcap tcp port 80`, so the first word that neither is nor looks
    /// like a file begins the filter.
    pub(crate) fn split(&self) -> (&[PathBuf], Option<String>) {
        let first = self.read.get(1..).unwrap_or_default();
        let files = 1 + first.iter().position(|word| !is_file(word)).unwrap_or(first.len());
        let (files, words) = self.read.split_at_checked(files).unwrap_or((&self.read, &[]));
        let words = words.iter().map(|word| word.to_string_lossy().into_owned());
        let filter: Vec<String> = words.chain(self.filter.iter().cloned()).collect();
        (files, Some(filter.join(" ")).filter(|filter| !filter.trim().is_empty()))
    }
}

/// Whether a word after `-r` is a file, or looks like one that is missing.
fn is_file(word: &Path) -> bool {
    let ends = [".pcap", ".pcapng", ".cap", ".gz", ".zst"];
    let text = word.to_string_lossy();
    text == "-"
        || text.contains('/') && !text.contains(' ')
        || ends.iter().any(|end| text.ends_with(end))
        || word.exists()
}

/// Which exchanges a question is about; the same on every command
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// Only exchanges that match: 'status >= 500 and total > 200ms'
    #[arg(long = "where", value_name = "EXPR", display_order = 100)]
    pub(crate) filter: Option<String>,

    /// Only exchanges that began then or later: 2026-11-21T06:30:00Z, or -15m for the last
    /// quarter of an hour of the data
    #[arg(long, value_name = "T", allow_hyphen_values = true, display_order = 101)]
    pub(crate) since: Option<String>,

    /// Only exchanges that began before then
    #[arg(long, value_name = "T", allow_hyphen_values = true, display_order = 102)]
    pub(crate) until: Option<String>,

    /// Do not redact what is read from captures (segments hold what they hold)
    #[arg(long, display_order = 105)]
    pub(crate) keep_secrets: bool,

    /// Worker threads for reading captures; results do not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16), display_order = 106)]
    pub(crate) workers: Option<u8>,

    /// Print JSON Lines
    #[arg(long, display_order = 107)]
    pub(crate) json: bool,
}

/// What exchanges are grouped by, and which of their times counts; the same on every command
#[derive(Debug, Args)]
pub(crate) struct Grouping {
    /// Group by: server, client, host, method, route, path, status, class, state, connection,
    /// request.header.NAME, response.header.NAME; several with commas
    #[arg(long, value_name = "KEYS", display_order = 103)]
    pub(crate) by: Option<String>,

    /// Which time: total, wait, blocked, send, receive, connect [default: total]
    #[arg(long, value_name = "M", display_order = 104)]
    pub(crate) metric: Option<String>,
}

/// Percentiles by route, with their confidence
#[derive(Debug, Args)]
#[command(after_help = "\
A percentile reads 42.1 ms [41.8, 44.0]: the interval holds the true one with
95 % confidence, widened by every exchange that was not seen whole. Without an
upper end the sample is too small: the note below the table says how many
exchanges it would take.

Of segments of several captures, exchanges that were captured at the client and
at the server are recognised and counted once, by the server's copy; a line
below the table says what the network took (with --json a last line
{\"both_ends\"}).

Examples:
  weir latency trace.pcap
  weir latency hostA/ hostB/ --by server,route
  weir latency segments --by host,route --where 'method = POST'
  weir latency segments --metric wait --since -15m
  weir latency trace.pcap --by request.header.x-tenant --json
  weir latency segments --every 1m --since -1h    over time, with a plot of p99
  weir latency segments --phases                  what the slow ones spend their time on
  weir latency segments --in-flight --every 10s   how many are under way at a time")]
pub(crate) struct LatencyArgs {
    /// Captures, segments, directories of segments, or - for standard input
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<PathBuf>,

    /// A row an interval: 1s, 1m, 1h; intervals begin at whole multiples in UTC
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) every: Option<u64>,

    /// Where the time is spent, phase by phase: around the median, and from p99 on
    #[arg(long, conflicts_with_all = ["every", "metric"])]
    pub(crate) phases: bool,

    /// How many exchanges are under way, Little's law, and a model of callers that do not wait
    #[arg(long, conflicts_with_all = ["phases", "metric", "by"])]
    pub(crate) in_flight: bool,

    /// Count exchanges that were captured at both ends twice, as list does
    #[arg(long)]
    pub(crate) count_copies: bool,

    #[command(flatten)]
    pub(crate) which: Which,

    #[command(flatten)]
    pub(crate) grouping: Grouping,
}

/// What moved between two captures: times, errors, sizes, answers
#[derive(Debug, Args)]
#[command(after_help = "\
A verdict stands where chance hardly explains a difference (all verdicts of a
comparison together are held to 5 %), and where it stands even if all that was
not seen whole speaks against it.

Answers to the same request (method, path, query and body in any order; where
that does not decide the answer, also what its connection changed before) are
compared value by value. What always differs, such as ids and times, is learned
from BEFORE against itself and left out. Bodies are there where the capture
kept them (weir capture --bodies), and in captures read on the spot.

--fail-if QUANTITY > +N% (or <, or a duration), of p50, p90, p99, mean, errors
(in percentage points), count or size, exits with 3 where a group changed so,
and by more than chance.

With --json a line a group: {\"by\", \"metric\", \"before\", \"after\",
\"change\", \"verdicts\", \"withheld\"}; a line a difference of values:
{\"route\", \"path\", \"difference\", \"count\", \"of\", \"before\", \"after\",
\"off_by_least\", \"off_by_most\", \"decided\", \"example\"}; and a last line
{\"values\"} of what could be compared.

Examples:
  weir compare before.pcap after.pcap
  weir compare monday tuesday --fail-if 'p99 > +10%' --fail-if 'errors > +1%'
  weir compare before.pcap after.pcap --where 'route ~ \"^POST /cart\"' --examples")]
pub(crate) struct CompareArgs {
    /// A capture, a segment, a directory of segments, or - for standard input
    #[arg(value_name = "BEFORE")]
    pub(crate) before: PathBuf,

    /// The same, later
    #[arg(value_name = "AFTER")]
    pub(crate) after: PathBuf,

    /// Group by: server, client, host, method, route, path, status, class, state,
    /// request.header.NAME, response.header.NAME; several with commas
    #[arg(long, value_name = "KEYS", default_value = "route")]
    pub(crate) by: String,

    /// Which phase: total, wait, blocked, send, receive, connect
    #[arg(long, value_name = "M", default_value = "total")]
    pub(crate) metric: String,

    /// Exit with 3 where a group changed so: 'p99 > +10%'; repeatable
    #[arg(long, value_name = "CHECK")]
    pub(crate) fail_if: Vec<String>,

    /// Show both sides of the first differences of values in full
    #[arg(long, conflicts_with = "json")]
    pub(crate) examples: bool,

    #[command(flatten)]
    pub(crate) which: Which,
}

/// One line an exchange, sorted by start
#[derive(Debug, Args)]
#[command(after_help = "\
A line has the start, the id, the status, the time that --metric names, the
client, the request and what was odd. --by puts values before the line, and in
JSON into a last member \"by\".

Examples:
  weir list trace.pcap
  weir list segments --where 'route = \"POST /checkout\" and total > 200ms'
  weir list segments --by request.header.user-agent --metric wait
  weir list segments --json | jq -r '[.id, .path, .response.status] | @tsv'")]
pub(crate) struct ListArgs {
    /// Captures, segments, directories of segments, or - for standard input
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<PathBuf>,

    /// Print what a directory holds, then new exchanges as a capture writes them, until
    /// interrupted
    #[arg(long)]
    pub(crate) follow: bool,

    #[command(flatten)]
    pub(crate) which: Which,

    #[command(flatten)]
    pub(crate) grouping: Grouping,
}

/// One exchange in full: times, heads, bodies, what was odd
#[derive(Debug, Args)]
#[command(
    override_usage = "weir show [OPTIONS] PATH... ID",
    after_help = "\
ID follows the time on each line of weir list; its beginning will do, if unique.
Segments hold the bodies that were kept (weir capture --bodies); from a capture
they are read on the spot.

Examples:
  weir show trace.pcap 7k3mq0
  weir show segments 7k3mq0x9t2hv4b6c --json"
)]
pub(crate) struct ShowArgs {
    /// Captures, segments or directories of segments, and the id last
    #[arg(value_name = "PATH... ID", required = true)]
    pub(crate) paths_and_id: Vec<PathBuf>,

    /// Do not redact what is read from captures (segments hold what they hold)
    #[arg(long)]
    pub(crate) keep_secrets: bool,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// What was not seen of an exchange, and how that is known
#[derive(Debug, Args)]
#[command(after_help = "\
For an exchange that is not complete, or that bytes were lost of: which bytes were never captured,
whether their receiver acknowledged them (then they arrived, and the capture lost them), what ended
the connection, and what came before and after on it.

Examples:
  weir list segments --where 'state != complete'
  weir why segments 7k3mq0
  weir why trace.pcap 7k3mq0x9t2hv4b6c --json")]
pub(crate) struct WhyArgs {
    /// Captures, segments or directories of segments, then the exchange's id or a unique prefix
    #[arg(value_name = "PATH... ID", required = true, num_args = 2..)]
    pub(crate) paths_and_id: Vec<PathBuf>,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// What is in there, and where every frame, byte and flow went
#[derive(Debug, Args)]
#[command(after_help = "\
The ledger is of everything; --where, --since, --until and --by add a count of
the exchanges that they choose.

Examples:
  weir info trace.pcap
  weir info segments --by server --where 'status >= 500'
  weir info segments --json | jq .ledger")]
pub(crate) struct InfoArgs {
    /// Captures, segments, directories of segments, or - for standard input
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) which: Which,

    #[command(flatten)]
    pub(crate) grouping: Grouping,
}

/// Checks segments; --repair seals what a crash left open
#[derive(Debug, Args)]
#[command(after_help = "\
Every checksum and count is checked. Damage is named by file, block and part,
and the exit code is 3.

Examples:
  weir verify segments
  weir verify segments --repair")]
pub(crate) struct VerifyArgs {
    /// Segments or directories of segments; captures are read to their end
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<PathBuf>,

    /// Seal segments that a crash left open, with all of their whole blocks
    #[arg(long)]
    pub(crate) repair: bool,

    /// Print JSON Lines
    #[arg(long)]
    pub(crate) json: bool,
}

/// Answers for browsers, spreadsheets, shells, Wireshark, notebooks
#[derive(Debug, Args)]
#[command(after_help = "\
Segments hold the bodies that were kept (weir capture --bodies); from a capture
they are read on the spot for har, curl and pcapng. Secrets are redacted unless
--keep-secrets.

Examples:
  weir export segments --format jsonl -o exchanges.jsonl
  weir export trace.pcap --format har --where 'status >= 500' -o failures.har
  weir export segments --format csv --since -15m > last.csv
  weir export trace.pcap --format curl --where 'path = \"/cart\"' | sh
  weir export trace.pcap --format pcapng --where 'total > 1s' -o slow.pcapng
  weir export segments --format parquet -o lake
  weir export segments --format hgrm -o total.hgrm         for HdrHistogram's plotter
  weir export segments --format hgrm --by route -o DIR     a file a route
  weir export segments --format hlog --every 1m -o all.hlog")]
pub(crate) struct ExportArgs {
    /// Captures, segments, directories of segments, or - for standard input
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<PathBuf>,

    /// What to write: jsonl, csv, har, curl, pcap, pcapng, parquet, hgrm, hlog
    #[arg(long, value_name = "FORMAT", hide_possible_values = true)]
    pub(crate) format: ExportFormat,

    /// Write to this file instead of standard output (parquet: to this directory)
    #[arg(short, long, value_name = "OUT")]
    pub(crate) output: Option<PathBuf>,

    /// hlog: a line an interval of this length [default: all of the time]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) every: Option<u64>,

    #[command(flatten)]
    pub(crate) which: Which,

    #[command(flatten)]
    pub(crate) grouping: Grouping,
}

/// What exports are written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// JSON Lines: one exchange a line, as `weir list --json` prints it
    Jsonl,
    /// HTTP Archive 1.2, for a browser's network panel
    Har,
    /// A row an exchange, for a spreadsheet; nothing in it is a formula
    Csv,
    /// A command an exchange, that sends its request again
    Curl,
    /// The packets, for Wireshark; pcapng names the exchange of each
    Pcapng,
    /// The packets of one link type, for older readers
    Pcap,
    /// A row an exchange, for `DuckDB`, Spark and the like: -o is a directory
    Parquet,
    /// Percentile distribution of HdrHistogram's tools, in milliseconds
    Hgrm,
    /// Interval log of HdrHistogram's tools (version 1.3), tagged by group
    Hlog,
}

/// Completions for a shell, on standard output
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  weir completions bash > /etc/bash_completion.d/weir")]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

/// Manual pages, written to a directory
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  weir man /usr/local/share/man/man1")]
pub(crate) struct ManArgs {
    /// The directory
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,
}

/// How much of each body is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bodies {
    None,
    All,
    UpTo(usize),
}

impl Bodies {
    /// Most bytes of a body that are kept; `None`: bodies are not kept.
    pub(crate) const fn bytes_max(self) -> Option<usize> {
        match self {
            Self::None => None,
            Self::All => Some(usize::MAX),
            Self::UpTo(bytes) => Some(bytes),
        }
    }
}

fn bodies(text: &str) -> Result<Bodies, String> {
    match text {
        "none" => Ok(Bodies::None),
        "all" => Ok(Bodies::All),
        size => {
            size_bytes(size).map(|bytes| Bodies::UpTo(usize::try_from(bytes).unwrap_or(usize::MAX)))
        }
    }
}

/// When a new segment is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rotation {
    pub(crate) bytes: u64,
    pub(crate) ns: u64,
}

fn rotation(text: &str) -> Result<Rotation, String> {
    let mut rotation = Rotation { bytes: 256 << 20, ns: 3_600_000_000_000 };
    for word in text.split(',') {
        if let Some(ns) = quantity::duration_ns(word) {
            rotation.ns = ns;
        } else {
            rotation.bytes = size_bytes(word)
                .map_err(|_| format!("`{word}` is neither a size (256M) nor a duration (1h)"))?;
        }
    }
    Ok(rotation)
}

fn duration(text: &str) -> Result<u64, String> {
    let ns = quantity::duration_ns(text).filter(|&ns| ns > 0);
    ns.ok_or_else(|| format!("`{text}` is no duration: write 500ms, 10s, 1m or 1h"))
}

pub(crate) fn size_bytes(text: &str) -> Result<u64, String> {
    quantity::size_bytes(text).ok_or_else(|| format!("`{text}` is no size: write 64K, 256M or 20G"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn words_after_the_files_are_the_filter() {
        let check = |line: &str, files: &[&str], filter: Option<&str>| {
            let words = ["weir", "capture"].into_iter().chain(line.split('_'));
            let cli = Cli::try_parse_from(words).expect(line);
            let Command::Capture(args) = cli.command else { panic!("{line}") };
            let files: Vec<PathBuf> = files.iter().map(PathBuf::from).collect();
            assert_eq!(args.split(), (files.as_slice(), filter.map(str::to_owned)), "{line}");
        };
        check("-r_a", &["a"], None);
        check("-r_a_-w_dir", &["a"], None);
        check("-r_a_b.pcap_c/d_Cargo.toml_-", &["a", "b.pcap", "c/d", "Cargo.toml", "-"], None);
        check("-r_a_tcp_port_80_--json", &["a"], Some("tcp port 80"));
        check(
            "-r_a_host_10.0.0.1_or_net_10.2.0.0/16",
            &["a"],
            Some("host 10.0.0.1 or net 10.2.0.0/16"),
        );
        check("-r_a_src net 10.2.0.0/16", &["a"], Some("src net 10.2.0.0/16"));
        check("-r_a_-w_dir_tcp_port_80", &["a"], Some("tcp port 80"));
        check(
            "-r_a_-r_b.pcap_-w_dir_tcp[tcpflags] & tcp-syn != 0",
            &["a", "b.pcap"],
            Some("tcp[tcpflags] & tcp-syn != 0"),
        );
    }

    #[test]
    fn sizes_and_durations_are_read() {
        assert_eq!(bodies("64K"), Ok(Bodies::UpTo(65_536)));
        assert_eq!(rotation("1M,5m"), Ok(Rotation { bytes: 1 << 20, ns: 300_000_000_000 }));
        assert!(rotation("often").is_err());
    }
}
