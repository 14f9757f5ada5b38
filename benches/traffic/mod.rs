//! What the benches read: keep-alive connections that take turns.

#![allow(dead_code, reason = "each bench is a crate of its own and takes its part")]
#![allow(clippy::expect_used, reason = "a bench that cannot be set up has no result")]

use std::io::Write as _;

use etherparse::{PacketBuilder, PacketBuilderStep, TcpHeader};
use weir::time::Timestamp;

pub(crate) const CONNECTIONS: u16 = 64;
pub(crate) const ROUNDS: u32 = 100;
pub(crate) const EXCHANGES: u64 = CONNECTIONS as u64 * ROUNDS as u64;

/// Payload bytes of one packet.
pub(crate) const MTU_BYTES: usize = 1448;

pub(crate) fn request(number: u32) -> Vec<u8> {
    format!(
        "GET /api/items/{number} HTTP/1.1\r\nHost: shop.test\r\nUser-Agent: bench/1.0\r\n\
         Accept: application/json\r\nX-Request-Id: {number:016x}\r\n\r\n"
    )
    .into_bytes()
}

/// A response of two packets.
pub(crate) fn response() -> Vec<u8> {
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
pub(crate) fn frames() -> Vec<(Timestamp, Vec<u8>)> {
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
pub(crate) fn capture(frames: &[(Timestamp, Vec<u8>)]) -> tempfile::NamedTempFile {
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
