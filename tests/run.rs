//! Runs captures through the whole pipeline and gives the exchanges back.

use std::path::Path;

use weir::anomaly::Anomaly;
use weir::exchange::{Exchange, Facts, Heads, Policy, Secrets, State};
use weir::http::Framing;
use weir::pipeline::{Options, Output, Watch, run};
use weir::source::{CaptureFile, Source};

/// Everything a run gave: exchanges in listing order, and the ledger.
pub(crate) struct Seen {
    pub(crate) exchanges: Vec<Exchange>,
    pub(crate) ledger: weir::ledger::Ledger,
    pub(crate) errors: Vec<String>,
}

#[derive(Default)]
pub(crate) struct Collector(Vec<Exchange>);

impl Output for Collector {
    fn exchange(&mut self, exchange: &Exchange) {
        self.0.push(exchange.clone());
    }
}

/// Everything is kept, secrets too.
pub(crate) const KEEP_ALL: Policy =
    Policy { heads: Heads::Whole, body_bytes_max: Some(1 << 24), secrets: Secrets::Kept };

/// Heads alone are kept.
pub(crate) const KEEP_HEADS: Policy = Policy { body_bytes_max: None, ..KEEP_ALL };

/// Reads a capture file with so many workers.
pub(crate) fn capture(path: &Path, workers: usize) -> Seen {
    source(&mut CaptureFile::open(path).expect("a capture"), workers)
}

/// Reads any source with so many workers; the account must balance.
pub(crate) fn source(source: &mut impl Source, workers: usize) -> Seen {
    source_by(KEEP_ALL, source, workers)
}

/// As [`source`], and keeps what the policy says.
pub(crate) fn source_by(policy: Policy, source: &mut impl Source, workers: usize) -> Seen {
    let options = Options { policy, ports: None };
    let outputs = (0..workers).map(|_| Collector::default()).collect();
    let outcome = run(source, &options, None, &Watch::default(), outputs).expect("no panic");
    assert_eq!(outcome.ledger.imbalances(), [""; 0], "the ledger does not balance");
    let mut exchanges: Vec<Exchange> = outcome.outputs.into_iter().flat_map(|c| c.0).collect();
    exchanges.sort_by_key(|exchange| exchange.facts.order());
    assert_eq!(outcome.ledger.exchanges.total, exchanges.len() as u64);
    exchanges.iter().for_each(agrees_with_itself);
    Seen {
        exchanges,
        ledger: outcome.ledger,
        errors: outcome.errors.iter().map(ToString::to_string).collect(),
    }
}

/// What holds for every exchange, whatever it was made of.
fn agrees_with_itself(exchange: &Exchange) {
    let Facts { request, response, timing, state, anomalies, status, .. } = exchange.facts;
    let is_whole = timing.send_ns.is_some()
        && timing.wait_ns.is_some()
        && timing.receive_ns.is_some()
        && timing.total_ns.is_some();
    let agrees = match state {
        State::Complete => request.is_some() && response.is_some() && is_whole,
        State::Truncated => request.is_some() && response.is_some() && !is_whole,
        State::Unanswered => request.is_some() && response.is_none(),
        State::Open => request.is_some() && !is_whole,
        State::Orphan => request.is_none() && response.is_some(),
    };
    assert!(agrees, "{exchange:?}");
    assert!(timing.blocked_ns <= timing.wait_ns, "{exchange:?}");
    let is_early = anomalies.has(Anomaly::EarlyResponse);
    assert!(!is_early || timing.wait_ns.unwrap_or(0) == 0, "{exchange:?}");
    assert!(response.is_some() == (100..1000).contains(&status), "{exchange:?}");
    for message in [request, response].into_iter().flatten() {
        assert!(message.body_seen_bytes <= message.body_bytes, "{exchange:?}");
        assert!(message.framing != Framing::None || message.body_bytes == 0, "{exchange:?}");
    }
}

/// The exchanges as JSON.
pub(crate) fn json(exchanges: &[Exchange]) -> Vec<serde_json::Value> {
    let mut text = Vec::new();
    exchanges.iter().for_each(|exchange| weir::export::jsonl::write_exchange(exchange, &mut text));
    let lines = text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).expect("a line of JSON")).collect()
}
