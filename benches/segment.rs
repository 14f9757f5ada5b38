//! What it costs to store an exchange, and to scan the stored ones by their columns.

#![expect(clippy::expect_used, reason = "a bench that cannot be set up has no result")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use weir::segment::{About, BlockBuilder, Segment, SegmentWriter};

mod exchanges;

use exchanges::some as exchanges_of;

fn segment(c: &mut Criterion) {
    let exchanges = exchanges_of(50_000);
    let mut group = c.benchmark_group("segment");
    group.throughput(Throughput::Elements(exchanges.len() as u64));
    let mut builder = BlockBuilder::new();
    group.bench_function("build", |bencher| {
        bencher.iter(|| {
            let mut bytes = 0;
            for exchange in &exchanges {
                builder.push(exchange);
                if builder.is_full() {
                    bytes += builder.finish().bytes();
                }
            }
            bytes + builder.finish().bytes()
        });
    });
    let dir = tempfile::tempdir().expect("a directory for the bench");
    let mut writer =
        SegmentWriter::create(dir.path(), &About::default()).expect("room for the bench");
    for exchange in &exchanges {
        builder.push(exchange);
        if builder.is_full() {
            writer.append(&builder.finish()).expect("room for the bench");
        }
    }
    writer.append(&builder.finish()).expect("room for the bench");
    let path = writer.seal(&weir::ledger::Ledger::default()).expect("room for the bench");
    let segment = Segment::open(&path).expect("what was sealed opens");
    group.bench_function("scan", |bencher| {
        bencher.iter(|| {
            let mut slow = 0;
            for position in 0..segment.blocks().len() {
                let block = segment.block(position).expect("what was sealed is whole");
                for row in 0..block.len() {
                    let late = block.timing(row).total_ns.is_some_and(|total| total > 2_000_000);
                    slow += usize::from(late && block.status(row) < 500);
                }
            }
            slow
        });
    });
    group.bench_function("summary", |bencher| {
        bencher.iter(|| segment.summary().expect("what was sealed is whole").groups().count());
    });
    group.finish();
}

criterion_group!(benches, segment);
criterion_main!(benches);
