//! What an exchange costs from its frames on: read, decoded, put in order, parsed, paired, stored.

#![expect(clippy::expect_used, reason = "a bench that cannot be set up has no result")]

use std::hint::black_box;
use std::path::PathBuf;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use weir::exchange::{Exchange, Policy};
use weir::pipeline::{Options, Output, Recorder, Recording, Watch, run};
use weir::segment::About;
use weir::source::CaptureFile;

mod traffic;

use traffic::EXCHANGES;

/// Takes exchanges and counts them.
#[derive(Default)]
struct Count(u64);

impl Output for Count {
    fn exchange(&mut self, exchange: &Exchange) {
        black_box(exchange);
        self.0 += 1;
    }
}

/// Everything is kept: heads, and bodies where they are asked for.
fn record(source: &mut CaptureFile, bodies: Option<usize>, dir: PathBuf) {
    let about = About::default();
    let recording = Recording { dir, about, rotate_bytes: 1 << 30, rotate_ns: u64::MAX };
    let recorder = Recorder::start(recording).expect("a thread");
    let policy = Policy { body_bytes_max: bodies, ..Policy::default() };
    let options = Options { policy, ports: None };
    let watch = Watch::default();
    let outcome = run(source, &options, None, &watch, vec![recorder.output()]).expect("a run");
    for output in outcome.outputs {
        output.finish();
    }
    let recorded = recorder.seal(&outcome.ledger).expect("room");
    black_box(recorded);
    assert_eq!(outcome.ledger.exchanges.complete, EXCHANGES);
}

fn pipeline(c: &mut Criterion) {
    let capture = traffic::capture(&traffic::frames());
    let open = || CaptureFile::open(capture.path()).expect("a capture");
    let mut group = c.benchmark_group("pipeline");
    group.throughput(Throughput::Elements(EXCHANGES));
    for workers in [1, 2] {
        group.bench_function(format!("capture to exchanges, {workers} workers"), |b| {
            b.iter(|| {
                let options = Options { policy: Policy::default(), ports: None };
                let outputs = (0..workers).map(|_| Count::default()).collect();
                let watch = Watch::default();
                let outcome = run(&mut open(), &options, None, &watch, outputs).expect("a run");
                assert_eq!(outcome.ledger.exchanges.complete, EXCHANGES);
            });
        });
    }
    for (name, bodies) in [("heads", None), ("heads and bodies", Some(usize::MAX))] {
        group.bench_function(format!("capture to segment, {name}"), |b| {
            b.iter(|| {
                let dir = tempfile::tempdir().expect("room");
                record(&mut open(), bodies, dir.path().to_owned());
            });
        });
    }
    group.finish();
}

criterion_group!(benches, pipeline);
criterion_main!(benches);
