//! What it costs to put a connection's packets in order.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use weir::flow::Peer;
use weir::ledger::Bytes;
use weir::packet::{Endpoint, Flags, Packet};
use weir::tcp::{Connection, Outlet, Sink, StreamEvent};
use weir::time::Timestamp;

mod traffic;

const PACKETS: u32 = 10_000;
/// Packets by number, in the order in which they are seen.
type Order = fn(u32) -> Vec<u32>;

/// Takes streams and keeps nothing.
struct Void;

impl Sink for Void {
    fn stream(&mut self, side: Peer, event: StreamEvent<'_>) {
        black_box((side, event));
    }
}

fn packet(number: u32, payload: &[u8]) -> Packet<'_> {
    let step = u32::try_from(traffic::MTU_BYTES).unwrap_or(0);
    Packet {
        at: Timestamp::from_nanos(i64::from(number) * 1000),
        source: Endpoint::v4([10, 0, 0, 1], 40_000),
        target: Endpoint::v4([10, 0, 0, 2], 80),
        seq: number.wrapping_mul(step),
        ack: 1,
        flags: Flags::ACK,
        window: 1000,
        id: 0,
        payload,
        cut: 0,
    }
}

/// What the receiver says of the bytes up to this packet.
fn acknowledgment(number: u32) -> Packet<'static> {
    let there = packet(number, &[]);
    Packet { source: there.target, target: there.source, seq: 1, ack: there.seq, ..there }
}

fn reassembly(c: &mut Criterion) {
    let payload = vec![b'x'; traffic::MTU_BYTES];
    let mut group = c.benchmark_group("reassembly");
    group.throughput(Throughput::Elements(u64::from(PACKETS)));
    // Of each block of eight packets reversed seven come early; of a hundred one was never seen,
    // and one comes twice.
    let orders: [(&str, Order); 4] = [
        ("in order", |n| vec![n]),
        ("reversed by eights", |n| vec![n ^ 7]),
        ("one of a hundred lost", |n| if n % 100 == 50 { vec![] } else { vec![n] }),
        ("one of a hundred repeated", |n| if n % 100 == 50 { vec![n, n] } else { vec![n] }),
    ];
    for (name, order) in orders {
        let numbers: Vec<u32> = (0..PACKETS).flat_map(order).collect();
        group.bench_function(name, |b| {
            b.iter(|| {
                let mut connection = Connection::new(Timestamp::from_nanos(0));
                let (mut bytes, mut held_bytes) = (Bytes::default(), 0);
                for number in &numbers {
                    let mut sink = Void;
                    let mut out =
                        Outlet { sink: &mut sink, bytes: &mut bytes, held_bytes: &mut held_bytes };
                    connection.push(Peer::Low, &packet(*number, &payload), &mut out);
                    if number % 8 == 0 {
                        connection.push(Peer::High, &acknowledgment(*number), &mut out);
                    }
                }
                black_box(bytes)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, reassembly);
criterion_main!(benches);
