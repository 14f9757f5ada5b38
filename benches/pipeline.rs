//! What a frame costs on its way: decoded, put in order, parsed, and all the way to exchanges.

#![expect(clippy::expect_used, reason = "a bench that cannot be set up has no result")]

use std::hint::black_box;
use std::io::Write as _;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use etherparse::{PacketBuilder, PacketBuilderStep, TcpHeader};
use weir::decode::{Decoded, Decoder};
use weir::exchange::{Exchange, Policy};
use weir::flow::Peer;
use weir::http::{Answering, Input, MessageParser, Side};
use weir::ledger::Bytes;
use weir::packet::{Endpoint, Flags, Frame, LinkType, Packet};
use weir::pipeline::{Options, Output, Watch, run};
use weir::source::CaptureFile;
use weir::tcp::{Connection, Data, Outlet, Sink, StreamEvent};
use weir::time::Timestamp;

const CONNECTIONS: u16 = 64;
const ROUNDS: u32 = 100;
const EXCHANGES: u64 = CONNECTIONS as u64 * ROUNDS as u64;

/// Payload bytes of one packet.
const MTU_BYTES: usize = 1448;

fn request(number: u32) -> Vec<u8> {
    format!(
        "GET /api/items/{number} HTTP/1.1\r\nHost: shop.test\r\nUser-Agent: bench/1.0\r\n\
         Accept: application/json\r\nX-Request-Id: {number:016x}\r\n\r\n"
    )
    .into_bytes()
}

/// A response of two packets.
fn response() -> Vec<u8> {
    let body = vec![b'x'; 1800];
    let mut bytes = format!(
        "HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend(body);
    bytes
}

/// Keep-alive connections that take turns, as Ethernet frames, 10 us apart.
fn frames() -> Vec<(Timestamp, Vec<u8>)> {
    let mut frames = Vec::new();
    let mut at = 1_795_242_865_000_000_000;
    let (client, server) = ([10, 0, 0, 1], [10, 0, 0, 2]);
    let mut next: Vec<(u32, u32)> = vec![(1, 1); usize::from(CONNECTIONS)];
    for round in 0..ROUNDS {
        for (number, (sent, received)) in (40_000..).zip(next.iter_mut()) {
            let mut push = |packet: PacketBuilderStep<TcpHeader>, payload: &[u8]| {
                let mut frame = Vec::new();
                packet.write(&mut frame, payload).expect("a vector takes everything");
                frames.push((Timestamp::from_nanos(at), frame));
                at += 10_000;
            };
            let bytes = request(round);
            let up = PacketBuilder::ethernet2([1; 6], [2; 6]).ipv4(client, server, 64);
            push(up.tcp(number, 80, *sent, 64_000).ack(*received), &bytes);
            *sent += u32::try_from(bytes.len()).expect("short");
            for bytes in response().chunks(MTU_BYTES) {
                let down = PacketBuilder::ethernet2([2; 6], [1; 6]).ipv4(server, client, 64);
                push(down.tcp(80, number, *received, 64_000).ack(*sent), bytes);
                *received += u32::try_from(bytes.len()).expect("short");
            }
        }
    }
    frames
}

/// Writes the frames as a capture: classic, in nanoseconds.
fn capture(frames: &[(Timestamp, Vec<u8>)]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    let mut bytes: Vec<u8> = Vec::new();
    for word in [0xa1b2_3c4d, 0x0004_0002, 0, 0, 262_144, 1_u32] {
        bytes.extend(word.to_le_bytes());
    }
    for (at, frame) in frames {
        let nanos = at.as_nanos();
        let len = i64::try_from(frame.len()).expect("short");
        for word in [nanos / 1_000_000_000, nanos % 1_000_000_000, len, len] {
            bytes.extend(u32::try_from(word).expect("this century").to_le_bytes());
        }
        bytes.extend(frame);
    }
    file.write_all(&bytes).expect("room");
    file
}

/// Takes streams and keeps nothing.
struct Void;

impl Sink for Void {
    fn stream(&mut self, side: Peer, event: StreamEvent<'_>) {
        black_box((side, event));
    }
}

/// Takes exchanges and counts them.
#[derive(Default)]
struct Count(u64);

impl Output for Count {
    fn exchange(&mut self, exchange: &Exchange) {
        black_box(exchange);
        self.0 += 1;
    }
}

fn decode(c: &mut Criterion, frames: &[(Timestamp, Vec<u8>)]) {
    let mut group = c.benchmark_group("decode");
    group.throughput(Throughput::Elements(frames.len() as u64));
    group.bench_function("ethernet, IPv4", |b| {
        b.iter(|| {
            let mut decoder = Decoder::new();
            for (at, bytes) in frames {
                let wire_len = u32::try_from(bytes.len()).expect("short");
                let frame = Frame { at: *at, bytes, wire_len, link: LinkType(1) };
                let decoded = decoder.decode(&frame);
                assert!(matches!(black_box(decoded), Decoded::Packet(_)));
            }
        });
    });
    group.finish();
}

fn reassembly(c: &mut Criterion) {
    const PACKETS: u32 = 10_000;
    let payload = vec![b'x'; MTU_BYTES];
    let step = u32::try_from(MTU_BYTES).expect("short");
    let packet = |number: u32| Packet {
        at: Timestamp::from_nanos(i64::from(number) * 1000),
        source: Endpoint::v4([10, 0, 0, 1], 40_000),
        target: Endpoint::v4([10, 0, 0, 2], 80),
        seq: number.wrapping_mul(step),
        ack: 1,
        flags: Flags::ACK,
        window: 1000,
        payload: &payload,
        cut: 0,
    };
    let mut group = c.benchmark_group("reassembly");
    group.throughput(Throughput::Elements(u64::from(PACKETS)));
    // Each block of eight packets reversed: seven of eight come early.
    for (name, reversed) in [("in order", 0), ("reversed by eights", 7)] {
        group.bench_function(name, |b| {
            b.iter(|| {
                let mut connection = Connection::new(Timestamp::from_nanos(0));
                let (mut bytes, mut held_bytes) = (Bytes::default(), 0);
                for number in 0..PACKETS {
                    let mut sink = Void;
                    let mut out =
                        Outlet { sink: &mut sink, bytes: &mut bytes, held_bytes: &mut held_bytes };
                    connection.push(Peer::Low, &packet(number ^ reversed), &mut out);
                }
                black_box(bytes)
            });
        });
    }
    group.finish();
}

fn http(c: &mut Criterion) {
    const MESSAGES: u32 = 1000;
    let responses: Vec<u8> = (0..MESSAGES).flat_map(|_| response()).collect();
    let requests: Vec<u8> = (0..MESSAGES).flat_map(request).collect();
    let mut group = c.benchmark_group("http");
    group.throughput(Throughput::Elements(u64::from(MESSAGES)));
    for (name, side, stream) in
        [("requests", Side::Request, &requests), ("responses", Side::Response, &responses)]
    {
        group.bench_function(name, |b| {
            b.iter(|| {
                let mut parser = MessageParser::new(side);
                let mut offset = 0;
                for bytes in stream.chunks(MTU_BYTES) {
                    let at = Timestamp::from_nanos(0);
                    let mut input = Input::data(Data { at, offset, acknowledged: 0, bytes });
                    while let Some(event) = parser.advance(&mut input, Answering::Other) {
                        black_box(event);
                    }
                    offset += bytes.len() as u64;
                }
            });
        });
    }
    group.finish();
}

fn pipeline(c: &mut Criterion, capture: &tempfile::NamedTempFile) {
    let mut group = c.benchmark_group("pipeline");
    group.throughput(Throughput::Elements(EXCHANGES));
    for workers in [1, 2] {
        group.bench_function(format!("capture to exchanges, {workers} workers"), |b| {
            b.iter(|| {
                let mut source = CaptureFile::open(capture.path()).expect("a capture");
                let options = Options { policy: Policy::default(), ports: None };
                let outputs = (0..workers).map(|_| Count::default()).collect();
                let watch = Watch::default();
                let outcome = run(&mut source, &options, None, &watch, outputs).expect("a run");
                assert_eq!(outcome.ledger.exchanges.complete, EXCHANGES);
            });
        });
    }
    group.finish();
}

fn all(c: &mut Criterion) {
    let frames = frames();
    decode(c, &frames);
    reassembly(c);
    http(c);
    pipeline(c, &capture(&frames));
}

criterion_group!(benches, all);
criterion_main!(benches);
