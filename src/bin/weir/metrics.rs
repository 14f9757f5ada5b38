//! `--metrics`: Prometheus text over HTTP, served by one thread to one scraper at a time.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use weir::ledger::{Ledger, Skip};
use weir::limits::METRICS_REQUEST_BYTES_MAX;
use weir::pipeline::Watch;
use weir::segment::{GroupKey, Latencies};

use crate::otlp::Account;
use crate::status::{Own, SharedBoard, load};

/// How long a scraper may take, request and response each.
const PATIENCE: Duration = Duration::from_secs(2);

/// Upper bounds of the histogram's buckets, in seconds: those of OpenTelemetry's HTTP
/// conventions, and below them what local services take.
const BUCKETS: [f64; 17] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0,
    7.5, 10.0,
];

/// Where metrics will be served from; bound before privileges are given up.
pub(crate) struct Listener(TcpListener);

impl Listener {
    /// Takes the port.
    pub(crate) fn bind(address: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(address)
            .with_context(|| format!("cannot serve metrics on {address}"))?;
        Ok(Self(listener))
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.0.local_addr().ok()
    }

    /// Serves until the process ends.
    pub(crate) fn serve(self, watch: &Arc<Watch>, board: &SharedBoard) {
        let figures = Figures { watch: Arc::clone(watch), board: board.clone() };
        std::thread::spawn(move || {
            let mut registry = Registry::default();
            registry.register_collector(Box::new(figures));
            for stream in self.0.incoming() {
                match stream {
                    // A scraper that goes away is no concern of ours.
                    Ok(stream) => drop(answer(&stream, &registry)),
                    // Out of descriptors, most likely: not again at once.
                    Err(_) => std::thread::sleep(Duration::from_millis(100)),
                }
            }
        });
    }
}

fn answer(mut stream: &TcpStream, registry: &Registry) -> io::Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    let (status, kind, body) = match request(stream)? {
        Request::Metrics => {
            let mut body = String::new();
            text::encode(&mut body, registry).map_err(io::Error::other)?;
            ("200 OK", "application/openmetrics-text; version=1.0.0; charset=utf-8", body)
        }
        Request::Other => {
            ("404 Not Found", "text/plain; charset=utf-8", "Metrics are at /metrics\n".to_owned())
        }
        Request::Malformed => {
            ("400 Bad Request", "text/plain; charset=utf-8", "Ask: GET /metrics\n".to_owned())
        }
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Request {
    Metrics,
    Other,
    Malformed,
}

/// Reads a request's head, within a bound of time and size.
fn request(mut stream: &TcpStream) -> io::Result<Request> {
    let begun = clock();
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let left = PATIENCE.saturating_sub(clock().saturating_duration_since(begun));
        if left.is_zero() || head.len() > METRICS_REQUEST_BYTES_MAX {
            return Ok(Request::Malformed);
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut buffer)? {
            0 => return Ok(Request::Malformed),
            more => head.extend_from_slice(buffer.get(..more).unwrap_or_default()),
        }
    }
    Ok(asked(&head))
}

fn asked(head: &[u8]) -> Request {
    let line = head.split(|&byte| byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|&byte| byte == b' ');
    match (words.next(), words.next(), words.next()) {
        (Some(b"GET"), Some(target), Some(version)) if version.starts_with(b"HTTP/1.") => {
            let path = target.split(|&byte| byte == b'?').next();
            if path == Some(b"/metrics") { Request::Metrics } else { Request::Other }
        }
        _ => Request::Malformed,
    }
}

/// What is told, read anew for every scrape.
struct Figures {
    watch: Arc<Watch>,
    board: SharedBoard,
}

impl fmt::Debug for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Figures")
    }
}

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        encoder
            .encode_descriptor("weir_build", "Which weir this is.", None, MetricType::Info)?
            .encode_info(&[("version", env!("CARGO_PKG_VERSION"))])?;
        // The board before the ledger, as it is written after it: no exchange is in a histogram that
        // is not counted. Copied, so that nobody waits for a scraper.
        let (groups, other, otlp) = {
            let board = self.board.lock();
            (board.groups.clone(), board.other.clone(), board.otlp.clone())
        };
        let ledger = self.watch.ledger();
        counters(&mut encoder, &ledger, load(&self.watch.bytes), load(&self.watch.unkept))?;
        if let Some(otlp) = otlp {
            exported(&mut encoder, &otlp.account())?;
        }
        let reduction = self.watch.reduction.load(std::sync::atomic::Ordering::Relaxed);
        own(&mut encoder, &ledger, reduction)?;
        let mut metric = encoder.encode_descriptor(
            "http_server_request_duration_seconds",
            "First byte of the request to last byte of the response, of complete exchanges.",
            None,
            MetricType::Histogram,
        )?;
        for (key, latencies) in &groups {
            histogram(&mut metric.encode_family(&labels(key))?, latencies)?;
        }
        if other.count() > 0 {
            let labels =
                ["server", "method", "route", "status_class"].map(|name| (name, "{other}"));
            histogram(&mut metric.encode_family(&labels)?, &other)?;
        }
        Ok(())
    }
}

fn labels(key: &GroupKey) -> [(&'static str, String); 4] {
    let class = match key.class {
        0 => "none".to_owned(),
        class => format!("{class}xx"),
    };
    // Methods and routes are chosen by strangers; the encoder escapes what the format needs.
    let plain = |bytes: &[u8]| weir::report::escaped(bytes).to_string();
    [
        ("server", key.server.to_string()),
        ("method", plain(&key.method)),
        ("route", plain(key.route.as_bytes())),
        ("status_class", class),
    ]
}

/// Counters of the ledger, each by the kind of thing that was counted.
fn counters(
    encoder: &mut DescriptorEncoder<'_>,
    ledger: &Ledger,
    captured: u64,
    unkept: u64,
) -> fmt::Result {
    let Ledger { frames, missed, bytes, flows, exchanges } = ledger;
    let mut family = |name: &str, help: &str, label: &'static str, values: &[(&str, u64)]| {
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (value, count) in values {
            metric
                .encode_family(&[(label, *value)])?
                .encode_counter::<NoLabelSet, _, u64>(count, None)?;
        }
        Ok::<(), fmt::Error>(())
    };
    family(
        "weir_frames",
        "Frames captured, by what became of them.",
        "fate",
        &[
            ("packet", frames.packets),
            ("skipped", frames.skipped.iter().sum()),
            ("dropped", frames.dropped),
        ],
    )?;
    let skipped = Skip::ALL.map(|reason| (reason.name(), ledger.skipped(reason)));
    family("weir_frames_skipped", "Frames skipped, by reason.", "reason", &skipped)?;
    family(
        "weir_frames_missed",
        "Frames lost before weir saw them, by where.",
        "by",
        &[("kernel", missed.kernel), ("interface", missed.interface)],
    )?;
    family(
        "weir_stream_bytes",
        "Payload bytes of packets, by what became of them; gap: never captured.",
        "fate",
        &[
            ("delivered", bytes.delivered),
            ("duplicate", bytes.duplicate),
            ("refused", bytes.refused),
            ("gap", bytes.gap),
        ],
    )?;
    family(
        "weir_flows",
        "Connections, by what became of them; opened: all.",
        "event",
        &[
            ("opened", flows.opened),
            ("closed", flows.closed),
            ("expired", flows.expired),
            ("evicted", flows.evicted),
        ],
    )?;
    family(
        "weir_exchanges",
        "Exchanges, by state.",
        "state",
        &[
            ("complete", exchanges.complete),
            ("truncated", exchanges.truncated),
            ("unanswered", exchanges.unanswered),
            ("open", exchanges.open),
            ("orphan", exchanges.orphan),
        ],
    )?;
    let mut plain = |name: &str, help: &str, count: u64| {
        encoder
            .encode_descriptor(name, help, None, MetricType::Counter)?
            .encode_counter::<NoLabelSet, _, u64>(&count, None)
    };
    plain("weir_captured_bytes", "Bytes of the frames captured.", captured)?;
    plain("weir_exchanges_unkept", "Exchanges that could not be written: no room.", unkept)
}

/// What became of the spans for a collector.
fn exported(encoder: &mut DescriptorEncoder<'_>, account: &Account) -> fmt::Result {
    let help = "Spans for the collector, by what became of them; own: exchanges with it.";
    let mut metric =
        encoder.encode_descriptor("weir_otlp_spans", help, None, MetricType::Counter)?;
    for (fate, count) in [
        ("sent", account.sent),
        ("dropped", account.dropped),
        ("rejected", account.rejected),
        ("own", account.own),
    ] {
        metric
            .encode_family(&[("fate", fate)])?
            .encode_counter::<NoLabelSet, _, u64>(&count, None)?;
    }
    let help = "Requests to the collector that failed, also those that were sent again.";
    encoder
        .encode_descriptor("weir_otlp_requests_failed", help, None, MetricType::Counter)?
        .encode_counter::<NoLabelSet, _, u64>(&account.failed, None)
}

/// What the capture itself takes.
fn own(encoder: &mut DescriptorEncoder<'_>, ledger: &Ledger, reduction: u8) -> fmt::Result {
    let own = Own::now();
    encoder
        .encode_descriptor(
            "process_cpu_seconds",
            "Processor time of this process.",
            None,
            MetricType::Counter,
        )?
        .encode_counter::<NoLabelSet, _, f64>(&own.cpu.as_secs_f64(), None)?;
    encoder
        .encode_descriptor(
            "process_resident_memory_bytes",
            "Resident memory of this process, rings included.",
            None,
            MetricType::Gauge,
        )?
        .encode_gauge(&own.memory)?;
    encoder
        .encode_descriptor(
            "weir_reduction_step",
            "How much is given up for a budget: 0 nothing, 1 bodies, 2 heads, 3 and more flows.",
            None,
            MetricType::Gauge,
        )?
        .encode_gauge(&u64::from(reduction))?;
    encoder
        .encode_descriptor("weir_flows_live", "Connections open now.", None, MetricType::Gauge)?
        .encode_gauge(&ledger.flows.live)
}

fn histogram(
    metric: &mut prometheus_client::encoding::MetricEncoder<'_>,
    latencies: &Latencies,
) -> fmt::Result {
    let mut counts = [0; BUCKETS.len() + 1];
    for (_, highest, samples) in latencies.buckets() {
        let seconds = Duration::from_nanos(highest).as_secs_f64();
        let place = BUCKETS.partition_point(|bound| *bound < seconds);
        if let Some(count) = counts.get_mut(place) {
            *count += samples;
        }
    }
    let bounds = BUCKETS.into_iter().chain([f64::INFINITY]);
    let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
    let sum = u64::try_from(latencies.sum()).unwrap_or(u64::MAX);
    let sum = Duration::from_nanos(sum).as_secs_f64();
    metric.encode_histogram::<NoLabelSet>(sum, latencies.count(), &buckets, None)
}

/// A clock that only goes on, for waiting.
#[expect(clippy::disallowed_methods, reason = "a scraper's patience is no matter of packet time")]
fn clock() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_metrics_are_served() {
        let check = |head: &str, expected| assert_eq!(asked(head.as_bytes()), expected, "{head}");
        check("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", Request::Metrics);
        check("GET /metrics?x=1 HTTP/1.0\r\n\r\n", Request::Metrics);
        check("GET / HTTP/1.1\r\n\r\n", Request::Other);
        check("POST /metrics HTTP/1.1\r\n\r\n", Request::Malformed);
        check("\r\n\r\n", Request::Malformed);
    }

    #[test]
    fn the_text_tells_histograms_and_escapes_labels() {
        let board = SharedBoard::default();
        let mut latencies = Latencies::default();
        [400_000, 1_000_000, 30_000_000_000].into_iter().for_each(|ns| latencies.record(ns));
        let route = "/a\"b\\c\n".to_owned();
        let key = GroupKey { route, method: b"GET".to_vec(), class: 2, ..GroupKey::default() };
        board.lock().groups.insert(key, latencies);
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Figures { watch: Arc::default(), board }));
        let mut text = String::new();
        text::encode(&mut text, &registry).expect("text");
        let histogram: Vec<&str> =
            text.lines().filter(|line| line.starts_with("http_server")).collect();
        assert_eq!(histogram.len(), BUCKETS.len() + 3, "{text}");
        assert!(histogram.iter().all(|line| line.contains(r#"route="/a\"b"#)), "{text}");
        let bucket = |bound: &str| {
            let bound = format!("le=\"{bound}\"");
            let line = histogram.iter().find(|line| line.contains(&bound)).expect(&text);
            line.rsplit(' ').next().expect("a value").to_owned()
        };
        assert_eq!(["0.0005", "0.0025", "10.0", "+Inf"].map(bucket), ["1", "2", "2", "3"]);
        assert!(text.ends_with("# EOF\n"));
    }
}
