//! The command line: one struct a command, with help that a stranger can use.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use weir::pipeline::Ports;
use weir::query::quantity;

/// Weir: HTTP exchanges, phases and honest percentiles from packets.
///
/// Reads captures (pcap, pcapng, .gz, .zst, or - for standard input) and its own segments alike:
/// every PATH may be either, or a directory of segments.
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

    /// When to use colour
    #[arg(
        long,
        value_name = "WHEN",
        default_value = "auto",
        global = true,
        hide_possible_values = true
    )]
    pub(crate) color: Color,
}

const AFTER_HELP: &str = "\
Examples:
  weir latency trace.pcap                     percentiles by route, with their confidence
  weir list trace.pcap --where 'status >= 500'
  weir capture -r trace.pcap -w segments      keep the exchanges, ask later
  weir help COMMAND                           more, with examples";

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
    List(ListArgs),
    Show(ShowArgs),
    Why(WhyArgs),
    Info(InfoArgs),
    Verify(VerifyArgs),
    Export(ExportArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
}

/// Packets in, exchanges out: into segments with -w, or a line each on standard output
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weir capture -r trace.pcap                     a line an exchange, as each completes
  weir capture -r trace.pcap --json | jq .       JSON Lines, sorted by start
  weir capture -r monday.pcap.gz -w segments     keep the exchanges in segments
  weir capture -r trace.pcap -w s --bodies 64K   keep up to 64 KiB of each body as well
  xz -dc old.pcap.xz | weir capture -r - -p 8080")]
pub(crate) struct CaptureArgs {
    /// Capture files, in the order given; - is standard input
    #[arg(short, long, value_name = "FILE", required = true, num_args = 1..)]
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

    /// Do not redact secrets (default: redact before anything is stored or printed)
    #[arg(long)]
    pub(crate) keep_secrets: bool,

    /// Start a new segment at this size or packet time
    #[arg(long, value_name = "SIZE,DURATION", default_value = "256M,1h", value_parser = rotation)]
    pub(crate) rotate: Rotation,

    /// Worker threads; results do not depend on it [default: what serves the work best]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16))]
    pub(crate) workers: Option<u8>,

    /// Print JSON Lines
    #[arg(long)]
    pub(crate) json: bool,

    /// Addresses and ports stay numbers (always so; accepted out of habit)
    #[arg(short, hide = true)]
    pub(crate) numeric: bool,

    /// A BPF expression, as for tcpdump: only frames that it matches
    #[arg(value_name = "FILTER", trailing_var_arg = true)]
    pub(crate) filter: Vec<String>,
}

/// Which exchanges a question is about; the same on every command
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// Only exchanges that match: 'status >= 500 and total > 200ms'
    #[arg(long = "where", value_name = "EXPR")]
    pub(crate) filter: Option<String>,

    /// Only exchanges that began then or later: RFC 3339, or -15m before the last one
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) since: Option<String>,

    /// Only exchanges that began before then
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) until: Option<String>,

    /// Do not redact what is read from captures on the spot (segments hold what they hold)
    #[arg(long)]
    pub(crate) keep_secrets: bool,

    /// Worker threads for reading captures; results do not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16), hide_short_help = true)]
    pub(crate) workers: Option<u8>,

    /// Print JSON Lines
    #[arg(long)]
    pub(crate) json: bool,
}

/// Percentiles by route, with their confidence
#[derive(Debug, Args)]
#[command(after_help = "\
A percentile reads 42.1 ms [41.8, 44.0]: the interval covers the true one in 95 of 100 samples,
widened by every exchange that was not seen to its end. Without an upper end the sample is too
small; the note under the table says how many exchanges it would take.

Examples:
  weir latency trace.pcap
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

    /// Group by: server, client, host, method, route, path, status, class, state, connection,
    /// request.header.NAME, response.header.NAME; several with commas; or none
    #[arg(long, value_name = "KEYS", default_value = "route")]
    pub(crate) by: String,

    /// Which phase: total, wait, blocked, send, receive, connect
    #[arg(long, value_name = "M", default_value = "total")]
    pub(crate) metric: String,

    /// A row an interval: 1s, 1m, 1h; intervals begin at whole multiples in UTC
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) every: Option<u64>,

    /// Where the time is spent, phase by phase: around the median, and from p99 on
    #[arg(long, conflicts_with_all = ["every", "metric"])]
    pub(crate) phases: bool,

    /// How many exchanges are under way, Little's law, and a model of callers that do not wait
    #[arg(long, conflicts_with_all = ["phases", "metric", "by"])]
    pub(crate) in_flight: bool,

    #[command(flatten)]
    pub(crate) which: Which,
}

/// One line an exchange, sorted by start
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weir list trace.pcap
  weir list segments --where 'route = \"POST /checkout\" and total > 200ms'
  weir list segments --json | jq -r '[.id, .path, .response.status] | @tsv'")]
pub(crate) struct ListArgs {
    /// Captures, segments, directories of segments, or - for standard input
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) which: Which,
}

/// One exchange in full: heads, phases, anomalies, and its bodies where they were kept
#[derive(Debug, Args)]
#[command(after_help = "\
Bodies are there where the capture kept them (weir capture --bodies); of a capture file read on
the spot they are kept for the answer.

Examples:
  weir show trace.pcap 7k3mq0
  weir show segments 7k3mq0x9t2hv4b6c --json")]
pub(crate) struct ShowArgs {
    /// Captures, segments or directories of segments, then the exchange's id or a unique prefix
    #[arg(value_name = "PATH... ID", required = true, num_args = 2..)]
    pub(crate) paths_and_id: Vec<PathBuf>,

    /// Do not redact what is read from captures on the spot
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

/// What is in there, and the ledger: where every frame, byte, flow and exchange went
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weir info trace.pcap
  weir info segments --json | jq .ledger")]
pub(crate) struct InfoArgs {
    /// Captures, segments, directories of segments, or - for standard input
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<PathBuf>,

    /// Worker threads for reading captures; results do not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16), hide_short_help = true)]
    pub(crate) workers: Option<u8>,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Checks checksums and counts; --repair seals what a crash left open
#[derive(Debug, Args)]
#[command(after_help = "\
Exit code 3 where damage was found: each is named by file, block and part.

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

/// Answers for programs
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weir export segments --format jsonl -o exchanges.jsonl
  weir export segments --format hgrm -o total.hgrm         percentiles for HdrHistogram's plotter
  weir export segments --format hgrm --by route -o DIR     a file a route
  weir export segments --format hlog --every 1m -o all.hlog")]
pub(crate) struct ExportArgs {
    /// Captures, segments, directories of segments, or - for standard input
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<PathBuf>,

    /// The format
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: ExportFormat,

    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "OUT")]
    pub(crate) output: Option<PathBuf>,

    /// hgrm, hlog: group by these keys [default: none for hgrm, route for hlog]
    #[arg(long, value_name = "KEYS")]
    pub(crate) by: Option<String>,

    /// hgrm, hlog: which phase: total, wait, blocked, send, receive, connect
    #[arg(long, value_name = "M", default_value = "total")]
    pub(crate) metric: String,

    /// hlog: a line an interval of this length [default: all of the time]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) every: Option<u64>,

    #[command(flatten)]
    pub(crate) which: Which,
}

/// What exports are written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// JSON Lines: one exchange a line, as `weir list --json` prints it
    Jsonl,
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

fn size_bytes(text: &str) -> Result<u64, String> {
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
    fn sizes_and_durations_are_read() {
        assert_eq!(bodies("64K"), Ok(Bodies::UpTo(65_536)));
        assert_eq!(rotation("1M,5m"), Ok(Rotation { bytes: 1 << 20, ns: 300_000_000_000 }));
        assert!(rotation("often").is_err());
    }
}
