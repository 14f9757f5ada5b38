//! What it costs to find the TCP packet in a frame, and the flow of a packet.

#![expect(clippy::expect_used, reason = "a bench that cannot be set up has no result")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use etherparse::{PacketBuilder, VlanId};
use weir::decode::Decoder;
use weir::flow::{FlowKey, FlowTable, KeyHasher};
use weir::packet::{Endpoint, Frame, LinkType};
use weir::time::Timestamp;

mod traffic;

const FRAMES: usize = 10_000;
const SEQ: u32 = 1_000_000;
const WINDOW: u16 = 64_000;

/// The same packet below other layers.
fn shapes() -> Vec<(&'static str, Vec<u8>)> {
    let payload = [b'x'; traffic::MTU_BYTES];
    let ethernet = || PacketBuilder::ethernet2([1; 6], [2; 6]);
    let (client, server) = ([10, 0, 0, 1], [10, 0, 0, 2]);
    let plain = ethernet().ipv4(client, server, 64).tcp(40_000, 80, SEQ, WINDOW).ack(1);
    let tagged = ethernet().single_vlan(VlanId::try_new(7).expect("below 4096"));
    let tagged = tagged.ipv6([1; 16], [2; 16], 64).tcp(40_000, 80, SEQ, WINDOW).ack(1);
    let mut inner = Vec::new();
    plain.write(&mut inner, &payload).expect("a vector takes everything");
    // VXLAN (RFC 7348): flags, then the network.
    let mut tunnelled = vec![8, 0, 0, 0, 0, 0, 42, 0];
    tunnelled.extend(&inner);
    let tunnel = ethernet().ipv4([10, 9, 0, 1], [10, 9, 0, 2], 64).udp(50_000, 4789);
    let mut outer = Vec::new();
    tunnel.write(&mut outer, &tunnelled).expect("a vector takes everything");
    let mut tags = Vec::new();
    tagged.write(&mut tags, &payload).expect("a vector takes everything");
    vec![("ethernet, IPv4", inner), ("VLAN, IPv6", tags), ("VXLAN, IPv4", outer)]
}

fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    group.throughput(Throughput::Elements(FRAMES as u64));
    for (name, bytes) in shapes() {
        group.bench_function(name, |b| {
            b.iter(|| {
                let mut decoder = Decoder::new();
                for number in 0..FRAMES {
                    let wire_len = u32::try_from(bytes.len()).expect("short");
                    let at = Timestamp::from_nanos(i64::try_from(number).expect("few"));
                    let bytes = black_box(&bytes);
                    let frame = Frame { at, bytes, wire_len, link: LinkType(1) };
                    let decoded = decoder.decode(&frame);
                    assert!(black_box(decoded).is_ok());
                }
            });
        });
    }
    group.finish();
}

fn flow(c: &mut Criterion) {
    let mut group = c.benchmark_group("flow");
    for flows in [64_u32, 100_000] {
        let key = |number: u32| {
            let [_, a, b, port] = number.to_be_bytes();
            let client = Endpoint::v4([10, 1, a, b], 40_000 + u16::from(port));
            FlowKey::between(&client, &Endpoint::v4([10, 0, 0, 2], 80)).0
        };
        let (mut table, hasher) = (FlowTable::new(1 << 18), KeyHasher::default());
        for number in 0..flows {
            let key = key(number);
            table.open(hasher.hash(&key), key, Timestamp::from_nanos(0), number).expect("room");
        }
        // In an order that no cache foresees.
        let asked: Vec<FlowKey> =
            (0..10_000_u32).map(|n| key(n.wrapping_mul(2_654_435_761) % flows)).collect();
        group.throughput(Throughput::Elements(asked.len() as u64));
        group.bench_function(format!("find and note, {flows} open"), |b| {
            b.iter(|| {
                for (n, key) in (1..).zip(&asked) {
                    black_box(table.see(hasher.hash(key), key, Timestamp::from_nanos(n)));
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, decode, flow);
criterion_main!(benches);
