//! The command line of what is about interfaces: capturing them, and listing them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::Args;
use weir::pipeline::{Keep, Ports};
use weir::query::quantity;

use crate::args::size_bytes;

/// Smallest budget of `--keep`: segments take some room before anything is in them.
const KEEP_BYTES_MIN: u64 = 16 << 20;

/// What only a capture of interfaces takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Interfaces")]
pub(crate) struct LiveArgs {
    /// Capture this interface (weir devices lists them; any: all); repeatable
    #[arg(short, long, value_name = "IFACE", group = "input")]
    pub(crate) interface: Vec<String>,

    /// Bytes kept of each frame [default: whole frames, also offloaded ones]
    #[arg(short, long, value_name = "BYTES", requires = "interface", value_parser = snap_len)]
    pub(crate) snaplen: Option<usize>,

    /// Ring of each interface that the kernel fills while weir is busy
    #[arg(
        short = 'B',
        long,
        value_name = "SIZE",
        default_value = "64M",
        requires = "interface",
        value_parser = ring
    )]
    pub(crate) buffer: usize,

    /// Stop after that long
    #[arg(long, value_name = "D", requires = "interface", value_parser = duration)]
    pub(crate) duration: Option<Duration>,

    /// A status line that often; 0s: none
    #[arg(
        long,
        value_name = "D",
        default_value = "10s",
        requires = "interface",
        value_parser = duration
    )]
    pub(crate) stats: Duration,

    /// Keep that much and that long; beyond, the oldest sealed segments are deleted
    #[arg(long, value_name = "SIZE,DURATION", requires_all = ["interface", "write"], value_parser = keep)]
    pub(crate) keep: Option<Keep>,

    /// Serve Prometheus text on `http://ADDR/metrics`: 127.0.0.1:9090 or :9090
    #[arg(long, value_name = "ADDR", requires = "interface", value_parser = address)]
    pub(crate) metrics: Option<SocketAddr>,

    /// Memory that may be taken, rings included; beyond, less is kept: bodies go first, then
    /// heads, then flows
    #[arg(long, value_name = "SIZE", requires = "interface", value_parser = size_bytes)]
    pub(crate) max_memory: Option<u64>,

    /// Percent of one processor that may be taken; beyond, less is kept in the same order
    #[arg(long, value_name = "PERCENT", requires = "interface", value_parser = percent)]
    pub(crate) max_cpu: Option<u32>,

    /// Become this user once the interfaces are open (started as root)
    #[arg(long, value_name = "NAME", requires = "interface")]
    pub(crate) user: Option<String>,
}

/// The interfaces that can be captured
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weir devices
  weir devices --json | jq -r 'select(.status == \"running\") | .name'")]
pub(crate) struct DevicesArgs {
    /// Print JSON Lines
    #[arg(long)]
    pub(crate) json: bool,
}

/// Why a capture on an interface would or would not be trustworthy
#[derive(Debug, Args)]
#[command(after_help = "\
Captures for a moment and tells what that means: link type, offloads and snap
length, ring, timestamps, whether both directions are seen, VLAN tags and
tunnels, how much is TLS, and what was missed. Exit code 3 where something is
bad.

Examples:
  sudo weir doctor -i eth0
  weir doctor -i any -p 8080 --duration 10s")]
pub(crate) struct DoctorArgs {
    /// The interface
    #[arg(short, long, value_name = "IFACE", required = true)]
    pub(crate) interface: Vec<String>,

    /// As it would be captured: only these ports
    #[arg(short, long, value_name = "PORTS")]
    pub(crate) port: Option<Ports>,

    /// As it would be captured: bytes kept of each frame
    #[arg(short, long, value_name = "BYTES", value_parser = snap_len)]
    pub(crate) snaplen: Option<usize>,

    /// As it would be captured: the ring
    #[arg(short = 'B', long, value_name = "SIZE", default_value = "64M", value_parser = ring)]
    pub(crate) buffer: usize,

    /// How long to look
    #[arg(long, value_name = "D", default_value = "2s", value_parser = duration)]
    pub(crate) duration: Duration,

    /// Print JSON Lines: one finding each
    #[arg(long)]
    pub(crate) json: bool,

    /// As it would be captured: a BPF expression, as for tcpdump
    #[arg(value_name = "FILTER", trailing_var_arg = true)]
    pub(crate) filter: Vec<String>,
}

fn snap_len(text: &str) -> Result<usize, String> {
    match text.parse() {
        // As tcpdump has it.
        Ok(0) => Ok(weir::limits::FRAME_BYTES_MAX),
        Ok(bytes @ 64..=weir::limits::FRAME_BYTES_MAX) => Ok(bytes),
        _ => Err(format!(
            "`{text}` is no snap length: expected 64 to {} bytes, or 0 for whole frames",
            weir::limits::FRAME_BYTES_MAX
        )),
    }
}

fn ring(text: &str) -> Result<usize, String> {
    // A number alone is what tcpdump takes: KiB.
    let bytes = match text.parse::<u64>() {
        Ok(kibibytes) => kibibytes.saturating_mul(1024),
        Err(_) => size_bytes(text)?,
    };
    let bytes = usize::try_from(bytes).ok().filter(|bytes| (1 << 20..1 << 31).contains(bytes));
    bytes.ok_or_else(|| format!("`{text}` is no size of a ring: expected 1M to 2047M"))
}

fn duration(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    quantity::duration_ns(text)
        .map(Duration::from_nanos)
        .ok_or_else(|| format!("`{text}` is no duration: write 500ms, 10s, 5m or 1h"))
}

fn keep(text: &str) -> Result<Keep, String> {
    let mut keep = Keep::ALL;
    for word in text.split(',') {
        if let Some(ns) = quantity::duration_ns(word).or_else(|| days_ns(word)) {
            keep.ns = ns;
        } else {
            keep.bytes = size_bytes(word)
                .map_err(|_| format!("`{word}` is neither a size (20G) nor a duration (30d)"))?;
        }
    }
    if keep.bytes < KEEP_BYTES_MIN {
        return Err(format!("`{text}`: at least 16M, because segments reserve their room"));
    }
    Ok(keep)
}

/// Days, which elsewhere would be mistaken for calendar days.
fn days_ns(text: &str) -> Option<u64> {
    text.strip_suffix('d')?.parse::<u64>().ok()?.checked_mul(86_400_000_000_000)
}

fn percent(text: &str) -> Result<u32, String> {
    let number = text.strip_suffix('%').unwrap_or(text).parse().ok();
    number
        .filter(|percent| (1..=10_000).contains(percent))
        .ok_or_else(|| format!("`{text}` is no share: write 50 for half of one processor"))
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix(':').unwrap_or(text).parse();
    // Without an address, only this host may ask.
    let local = port.map(|port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    local
        .or_else(|_| text.parse())
        .map_err(|_| format!("`{text}` is no address: write 127.0.0.1:9090, [::1]:9090 or :9090"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_rings_and_addresses_are_read() {
        assert_eq!(keep("20G,7d"), Ok(Keep { bytes: 20 << 30, ns: 7 * 86_400_000_000_000 }));
        assert_eq!(keep("2h"), Ok(Keep { bytes: u64::MAX, ns: 7_200_000_000_000 }));
        assert!(keep("1M").is_err() && keep("long").is_err());
        assert_eq!(ring("64M"), Ok(64 << 20));
        assert_eq!(ring("4096"), Ok(4 << 20));
        assert!(ring("4G").is_err());
        assert_eq!(address(":90").map(|a| a.to_string()), Ok("127.0.0.1:90".to_owned()));
        assert_eq!(address("[::1]:90").map(|a| a.to_string()), Ok("[::1]:90".to_owned()));
        assert!(address("everywhere").is_err());
        assert_eq!(snap_len("0"), Ok(weir::limits::FRAME_BYTES_MAX));
        assert!(snap_len("10").is_err());
    }
}
