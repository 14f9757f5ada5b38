//! What it costs to cut a stream into messages.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use weir::http::{Answering, Input, MessageEvent, MessageParser, Side};
use weir::tcp::Data;
use weir::time::Timestamp;

mod traffic;

use traffic::{MTU_BYTES, request, response};

const MESSAGES: u32 = 1000;

/// A response of 1,800 bytes in chunks of 200.
fn chunked() -> Vec<u8> {
    let mut bytes = b"HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: application/json\r\n\
        Transfer-Encoding: chunked\r\n\r\n"
        .to_vec();
    for _ in 0..9 {
        bytes.extend(b"c8\r\n");
        bytes.extend([b'x'; 200]);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n\r\n");
    bytes
}

/// A browser's request: cookies and twenty more header fields.
fn browser(number: u32) -> Vec<u8> {
    let mut text = format!("GET /page/{number} HTTP/1.1\r\nHost: shop.test\r\n");
    for field in 0..20 {
        text.push_str(&format!("Sec-Browser-{field}: \"value\";v=\"{number}\"\r\n"));
    }
    text.push_str(&format!("Cookie: session={number:064x}; consent=all\r\n\r\n"));
    text.into_bytes()
}

/// Pushes a stream in packets of `cut` bytes; how many messages ended.
fn read(side: Side, stream: &[u8], cut: usize) -> u32 {
    let mut parser = MessageParser::new(side);
    let (mut offset, mut ended) = (0, 0);
    for bytes in stream.chunks(cut) {
        let at = Timestamp::from_nanos(0);
        let mut input = Input::data(Data { at, offset, acknowledged: 0, bytes });
        while let Some(event) = parser.advance(&mut input, Answering::Other) {
            ended += u32::from(matches!(black_box(event), MessageEvent::End(_)));
        }
        offset += bytes.len() as u64;
    }
    ended
}

fn http(c: &mut Criterion) {
    let requests: Vec<u8> = (0..MESSAGES).flat_map(request).collect();
    let browsers: Vec<u8> = (0..MESSAGES).flat_map(browser).collect();
    let responses = response().repeat(MESSAGES as usize);
    let in_chunks = chunked().repeat(MESSAGES as usize);
    let mut group = c.benchmark_group("http");
    group.throughput(Throughput::Elements(u64::from(MESSAGES)));
    for (name, side, stream, cut) in [
        ("requests", Side::Request, &requests, MTU_BYTES),
        ("requests of a browser", Side::Request, &browsers, MTU_BYTES),
        ("requests, 100 bytes a packet", Side::Request, &requests, 100),
        ("responses", Side::Response, &responses, MTU_BYTES),
        ("responses in chunks", Side::Response, &in_chunks, MTU_BYTES),
    ] {
        assert_eq!(read(side, stream, cut), MESSAGES, "{name}");
        group.bench_function(name, |b| b.iter(|| read(side, stream, cut)));
    }
    group.finish();
}

criterion_group!(benches, http);
criterion_main!(benches);
