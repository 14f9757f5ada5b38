//! Exchanges to be measured with.

use weir::exchange::{ConnectionKey, Exchange, Facts, MessageFacts, Timing};
use weir::http::Framing;
use weir::packet::Endpoint;
use weir::time::Timestamp;

/// Exchanges of a JSON interface on 64 connections: twenty routes, whole microseconds.
pub(crate) fn some(count: u32) -> Vec<Exchange> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut noise = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    (0..count)
        .map(|n| {
            let route = noise(20);
            let spread = noise(13);
            let (wait, body) = (1_000 * (500 + noise(1 << spread)), 700 + noise(500));
            let request = format!(
                "GET /api/v1/{route}/items/{} HTTP/1.1\r\nHost: api.shop.test\r\nUser-Agent: \
                 Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: application/json\r\nX-Request-Id: \
                 {:016x}\r\n\r\n",
                noise(100_000),
                noise(u64::MAX),
            );
            let response = format!(
                "HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Sat, 21 Nov 2026 06:34:25 GMT\r\n\
                 Content-Type: application/json\r\nContent-Length: {body}\r\n\r\n",
            );
            let connection = n % 64;
            let lengths = |head: &str, framing, body_bytes| MessageFacts {
                header_bytes: u32::try_from(head.len()).unwrap_or(0),
                framing,
                body_bytes,
                body_seen_bytes: body_bytes,
            };
            let facts = Facts {
                connection: ConnectionKey {
                    client: Endpoint::v4(
                        [10, 0, 0, 1],
                        u16::try_from(40_000 + connection).unwrap_or(0),
                    ),
                    server: Endpoint::v4([10, 0, 0, 2], 80),
                    opened_at: Timestamp::from_nanos(i64::from(connection) * 1_000),
                },
                index: n / 64,
                start: Timestamp::from_nanos(1_000_000 + i64::from(n) * 50_000),
                request: Some(lengths(&request, Framing::None, 0)),
                response: Some(lengths(&response, Framing::Length, body)),
                status: 200,
                timing: Timing {
                    send_ns: Some(0),
                    blocked_ns: Some(0),
                    wait_ns: Some(wait),
                    receive_ns: Some(0),
                    total_ns: Some(wait),
                    connect_ns: None,
                },
                ..Facts::default()
            };
            let mut exchange = Exchange { facts, ..Exchange::default() };
            exchange.request.head = request.into_bytes();
            exchange.response.head = response.into_bytes();
            exchange.route = format!("/api/v1/{route}/items/{{int}}");
            exchange
        })
        .collect()
}
