//! What it costs to ask: footers merged into percentiles, and exchanges sifted by their columns.

#![expect(clippy::expect_used, reason = "a bench that cannot be set up has no result")]

use std::ops::ControlFlow;
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use weir::exchange::Exchange;
use weir::ledger::Ledger;
use weir::query::ends;
use weir::query::group::Keys;
use weir::query::latency::Latency;
use weir::query::scan::{self, Question};
use weir::query::{Filter, Metric};
use weir::segment::{About, BlockBuilder, SegmentWriter, Store};
use weir::time::Timestamp;

mod exchanges;

/// Segments of the store whose footers are merged: an hour of a quiet service each.
const SEGMENTS: usize = 48;

/// Exchanges of each of them.
const EXCHANGES: usize = 20_000;

fn write(dir: &Path, number: usize, exchanges: &[Exchange]) {
    let number = i64::try_from(number).unwrap_or(0);
    let about = About { started_at: Timestamp::from_nanos(number), ..About::default() };
    let mut writer = SegmentWriter::create(dir, &about).expect("room for the bench");
    let mut builder = BlockBuilder::new();
    for exchange in exchanges {
        builder.push(exchange);
        if builder.is_full() {
            writer.append(&builder.finish()).expect("room for the bench");
        }
    }
    writer.append(&builder.finish()).expect("room for the bench");
    writer.seal(&Ledger::default()).expect("room for the bench");
}

fn query(c: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a directory for the bench");
    let mut exchanges = exchanges::some(u32::try_from(SEGMENTS * EXCHANGES).unwrap_or(0));
    // Three classes of each of the twenty routes: sixty groups.
    for (exchange, number) in exchanges.iter_mut().zip(0_u32..) {
        exchange.facts.status = match number % 100 {
            0 => 500,
            1..3 => 404,
            _ => 200,
        };
    }
    for (number, part) in exchanges.chunks(EXCHANGES).enumerate() {
        write(dir.path(), number, part);
    }
    let store = Store::open(&[dir.path()]).expect("what was written");
    let mut group = c.benchmark_group("query");
    group.sample_size(20);
    group.throughput(Throughput::Elements(SEGMENTS as u64));
    let empty = Latency::new(Keys::default(), Metric::Total);
    group.bench_function("latency from footers", |bencher| {
        bencher.iter(|| {
            let question = Question::default();
            let (_, scanned, _) =
                ends::latency(&store, &question, &empty).expect("what was written");
            scanned.matched
        });
    });
    group.throughput(Throughput::Elements((SEGMENTS * EXCHANGES) as u64));
    for (name, expression) in [
        ("list by times", "wait > 1h"),
        ("list by status and time", "status >= 500 and total < 1us"),
        ("list by client", "client.port = 1"),
    ] {
        let filter = Filter::parse(expression).expect("an expression");
        let question = Question { filter, ..Question::default() };
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let listed = scan::sorted(&store, &question, &mut |_| ControlFlow::Continue(()));
                listed.expect("what was written").matched
            });
        });
    }
    group.finish();
}

criterion_group!(benches, query);
criterion_main!(benches);
