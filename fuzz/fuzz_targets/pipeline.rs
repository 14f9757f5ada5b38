//! The input is a capture, read to its exchanges: nothing panics, the account balances, and every
//! exchange agrees with itself.

#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use weir::anomaly::Anomaly;
use weir::exchange::{Exchange, Heads, Policy, Secrets, State};
use weir::pipeline::{Options, Output, Watch, run};
use weir::source::CaptureFile;

const POLICY: Policy =
    Policy { heads: Heads::Whole, body_bytes_max: Some(1 << 20), secrets: Secrets::Redacted };

#[derive(Default)]
struct Check {
    line: Vec<u8>,
    exchanges: u64,
}

impl Output for Check {
    fn exchange(&mut self, exchange: &Exchange) {
        self.exchanges += 1;
        let facts = &exchange.facts;
        let timing = facts.timing;
        assert_eq!(facts.request.is_none(), facts.state == State::Orphan);
        if facts.state == State::Complete {
            assert!(timing.send_ns.is_some() && timing.wait_ns.is_some());
            assert!(timing.receive_ns.is_some() && timing.total_ns.is_some());
        }
        assert!(timing.blocked_ns <= timing.wait_ns);
        if facts.anomalies.has(Anomaly::EarlyResponse) {
            assert!(timing.wait_ns.unwrap_or(0) == 0);
        }
        self.line.clear();
        weir::export::jsonl::write_exchange(exchange, &mut self.line);
        assert!(self.line.ends_with(b"}\n"));
        assert!(!self.line[..self.line.len() - 1].iter().any(|&byte| byte < b' '));
    }
}

fuzz_target!(|input: &[u8]| {
    // A bomb of compressed frames is the reader's to end, not this target's.
    if input.starts_with(&[0x1f, 0x8b]) || matches!(input, [_, 0xb5 | 0x2a, ..]) {
        return;
    }
    let Ok(mut capture) = CaptureFile::from_reader(Cursor::new(input.to_vec()), "input") else {
        return;
    };
    let options = Options { policy: POLICY, ports: None };
    let outputs = vec![Check::default()];
    let outcome = run(&mut capture, &options, None, &Watch::default(), outputs).unwrap();
    assert_eq!(outcome.ledger.imbalances(), [""; 0]);
    assert_eq!(outcome.ledger.exchanges.total, outcome.outputs[0].exchanges);
});
