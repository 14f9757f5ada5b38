//! One exchange as one line of JSON: the fields and their order are a promise to users.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::json;
use crate::exchange::{Exchange, Facts, MessageFacts, MessageText, Timing};
use crate::http::lines::{self, RequestLine};
use crate::query::text;

/// Appends `exchange` as one line of JSON, line end included.
///
/// `host`, `route`, `path` and `request` are null where the request was not seen, `response`
/// where no response was. `body_seen_bytes` stands only where fewer bytes of a body were
/// captured than it has, `body` only where it was kept.
pub fn write_exchange(exchange: &Exchange, out: &mut Vec<u8>) {
    let facts = &exchange.facts;
    write_identity(facts, out);
    let line = lines::request_line(&exchange.request.head);
    write_names(exchange, &line, out);
    out.extend_from_slice(b",\"request\":");
    match &facts.request {
        Some(message) => write_request(message, &line, &exchange.request, out),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"response\":");
    match &facts.response {
        Some(message) => write_response(message, exchange, out),
        None => out.extend_from_slice(b"null"),
    }
    write_timing(&facts.timing, out);
    out.extend_from_slice(b",\"anomalies\":[");
    for (position, anomaly) in facts.anomalies.iter().enumerate() {
        separate(position, out);
        json::string(out, anomaly.name().as_bytes());
    }
    out.extend_from_slice(b"]}\n");
}

fn write_identity(facts: &Facts, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"id\":");
    json::id(out, facts.id());
    out.extend_from_slice(b",\"start\":");
    json::timestamp(out, facts.start);
    write_place(facts, out);
}

/// Appends the members that say whose exchange it is, and its state.
pub(super) fn write_place(facts: &Facts, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"client\":");
    json::endpoint(out, facts.connection.client);
    out.extend_from_slice(b",\"server\":");
    json::endpoint(out, facts.connection.server);
    out.extend_from_slice(b",\"index\":");
    json::number(out, u64::from(facts.index));
    out.extend_from_slice(b",\"state\":\"");
    out.extend_from_slice(facts.state.name().as_bytes());
    out.push(b'"');
}

/// Appends host, route and path: what the request names.
fn write_names(exchange: &Exchange, line: &RequestLine<'_>, out: &mut Vec<u8>) {
    if exchange.facts.request.is_none() {
        out.extend_from_slice(b",\"host\":null,\"route\":null,\"path\":null");
        return;
    }
    out.extend_from_slice(b",\"host\":");
    match text::host(&exchange.request.head) {
        Some(host) => json::string(out, &host),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"route\":");
    json::string_of_two(out, line.method, exchange.route.as_bytes());
    out.extend_from_slice(b",\"path\":");
    json::string(out, text::path(line.target));
}

fn write_request(
    facts: &MessageFacts,
    line: &RequestLine<'_>,
    text: &MessageText,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"{\"method\":");
    json::string(out, line.method);
    out.extend_from_slice(b",\"target\":");
    json::string(out, line.target);
    out.extend_from_slice(b",\"version\":");
    json::string(out, line.version);
    write_lengths(facts, text, out);
    write_body(text, out);
    out.push(b'}');
}

fn write_response(facts: &MessageFacts, exchange: &Exchange, out: &mut Vec<u8>) {
    let line = lines::status_line(&exchange.response.head);
    out.extend_from_slice(b"{\"status\":");
    json::number(out, u64::from(exchange.facts.status));
    out.extend_from_slice(b",\"reason\":");
    json::string(out, line.reason);
    out.extend_from_slice(b",\"version\":");
    json::string(out, line.version);
    // `interim` follows the framing and precedes the body: a long body comes last.
    write_lengths(facts, &exchange.response, out);
    out.extend_from_slice(b",\"interim\":[");
    for (position, &status) in exchange.interim.iter().enumerate() {
        separate(position, out);
        json::number(out, u64::from(status));
    }
    out.push(b']');
    write_body(&exchange.response, out);
    out.push(b'}');
}

/// Appends the header fields and the lengths.
fn write_lengths(facts: &MessageFacts, text: &MessageText, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"headers\":[");
    for (position, field) in lines::fields(&text.head).enumerate() {
        separate(position, out);
        out.push(b'[');
        json::string(out, field.name);
        out.push(b',');
        json::string(out, &field.value);
        out.push(b']');
    }
    out.extend_from_slice(b"],\"header_bytes\":");
    json::number(out, u64::from(facts.header_bytes));
    out.extend_from_slice(b",\"body_bytes\":");
    json::number(out, facts.body_bytes);
    if facts.body_seen_bytes < facts.body_bytes {
        out.extend_from_slice(b",\"body_seen_bytes\":");
        json::number(out, facts.body_seen_bytes);
    }
    out.extend_from_slice(b",\"framing\":\"");
    out.extend_from_slice(facts.framing.name().as_bytes());
    out.push(b'"');
}

/// Appends the body where it was kept: as text, or in base 64 where it is not UTF-8.
fn write_body(text: &MessageText, out: &mut Vec<u8>) {
    let Some(body) = &text.body else { return };
    out.extend_from_slice(b",\"body\":");
    if std::str::from_utf8(body).is_ok() {
        json::string(out, body);
    } else {
        out.push(b'"');
        out.extend_from_slice(BASE64.encode(body).as_bytes());
        out.extend_from_slice(b"\",\"body_encoding\":\"base64\"");
    }
}

fn write_timing(timing: &Timing, out: &mut Vec<u8>) {
    let Timing { connect_ns, send_ns, blocked_ns, wait_ns, receive_ns, total_ns } = *timing;
    let phases: [(&[u8], Option<u64>); 6] = [
        (b",\"timing\":{\"connect_ns\":", connect_ns),
        (b",\"send_ns\":", send_ns),
        (b",\"blocked_ns\":", blocked_ns),
        (b",\"wait_ns\":", wait_ns),
        (b",\"receive_ns\":", receive_ns),
        (b",\"total_ns\":", total_ns),
    ];
    for (key, nanos) in phases {
        out.extend_from_slice(key);
        json::optional_number(out, nanos);
    }
    out.push(b'}');
}

fn separate(position: usize, out: &mut Vec<u8>) {
    if position > 0 {
        out.push(b',');
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::anomaly::Anomaly;
    use crate::exchange::{ConnectionKey, State};
    use crate::http::Framing;
    use crate::packet::Endpoint;
    use crate::time::Timestamp;

    fn line_of(exchange: &Exchange) -> String {
        let mut out = Vec::new();
        write_exchange(exchange, &mut out);
        String::from_utf8(out).expect("JSON is UTF-8")
    }

    fn message(header_bytes: u32, framing: Framing, body_bytes: u64) -> MessageFacts {
        MessageFacts { header_bytes, framing, body_bytes, body_seen_bytes: body_bytes }
    }

    fn sample() -> Exchange {
        let mut server = [0; 16];
        server[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        server[15] = 2;
        let start = Timestamp::from_nanos(1_795_242_865_123_456_789);
        let mut exchange = Exchange {
            facts: Facts {
                connection: ConnectionKey {
                    client: Endpoint::v4([10, 0, 0, 1], 51324),
                    server: Endpoint::v6(server, 80),
                    opened_at: start,
                },
                start,
                request: Some(message(57, Framing::None, 0)),
                response: Some(message(38, Framing::Length, 12)),
                status: 200,
                timing: Timing {
                    connect_ns: None,
                    send_ns: Some(0),
                    blocked_ns: Some(0),
                    wait_ns: Some(1_234_567),
                    receive_ns: Some(0),
                    total_ns: Some(1_234_567),
                },
                anomalies: [Anomaly::GapInResponse].into_iter().collect(),
                ..Facts::default()
            },
            ..Exchange::default()
        };
        exchange.request.head = b"GET /cart?x=1 HTTP/1.1\r\nHost: shop.test\r\n\r\n".to_vec();
        exchange.response.head = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n".to_vec();
        exchange.interim = vec![100];
        exchange.route = "/cart".to_owned();
        exchange
    }

    #[test]
    fn an_exchange_reads_as_the_contract_says() {
        let exchange = sample();
        let expected = format!(
            concat!(
                r#"{{"id":"{}","start":"2026-11-21T06:34:25.123456789Z","#,
                r#""client":"10.0.0.1:51324","server":"[2001:db8::2]:80","index":0,"#,
                r#""state":"complete","host":"shop.test","route":"GET /cart","path":"/cart","#,
                r#""request":{{"method":"GET","target":"/cart?x=1","version":"1.1","#,
                r#""headers":[["Host","shop.test"]],"header_bytes":57,"body_bytes":0,"#,
                r#""framing":"none"}},"#,
                r#""response":{{"status":200,"reason":"OK","version":"1.1","#,
                r#""headers":[["Content-Length","12"]],"header_bytes":38,"body_bytes":12,"#,
                r#""framing":"length","interim":[100]}},"#,
                r#""timing":{{"connect_ns":null,"send_ns":0,"blocked_ns":0,"wait_ns":1234567,"#,
                r#""receive_ns":0,"total_ns":1234567}},"anomalies":["gap_in_response"]}}"#,
                "\n"
            ),
            exchange.id()
        );
        assert_eq!(line_of(&exchange), expected);
    }

    #[test]
    fn an_orphan_has_no_names_and_no_request() {
        let mut exchange = sample();
        exchange.facts.request = None;
        exchange.facts.state = State::Orphan;
        exchange.request.head.clear();
        let line = line_of(&exchange);
        assert!(line.contains(r#""state":"orphan","host":null,"route":null,"path":null,"#));
        assert!(line.contains(r#""request":null,"response":{"status":200"#));
    }

    #[test]
    fn bodies_and_missing_bytes_are_added_where_they_apply() {
        let mut exchange = sample();
        exchange.interim.clear();
        exchange.facts.response = Some(MessageFacts {
            header_bytes: 38,
            framing: Framing::Length,
            body_bytes: 12,
            body_seen_bytes: 3,
        });
        exchange.response.body = Some(b"a\"b".to_vec());
        exchange.request.body = Some(vec![0xff, 0x00]);
        let line = line_of(&exchange);
        assert!(line.contains(
            r#""body_bytes":12,"body_seen_bytes":3,"framing":"length","interim":[],"body":"a\"b"}"#
        ));
        assert!(line.contains(r#""framing":"none","body":"/wA=","body_encoding":"base64"}"#));
    }

    #[test]
    fn names_come_from_an_absolute_target() {
        let mut exchange = sample();
        exchange.request.head =
            b"GET http://other.test:8080/a?b HTTP/1.1\r\nHost: shop.test\r\n\r\n".to_vec();
        assert!(
            line_of(&exchange)
                .contains(r#""host":"other.test:8080","route":"GET /cart","path":"/a","#)
        );
    }

    /// What a JSON string must read back as, given the bytes it was written from.
    fn expected_text(bytes: &[u8]) -> String {
        std::str::from_utf8(bytes)
            .map_or_else(|_| bytes.iter().map(|&byte| char::from(byte)).collect(), str::to_owned)
    }

    proptest! {
        #[test]
        fn every_head_survives_the_way_through_json(
            request in prop::collection::vec(any::<u8>(), 0..200),
            fields in prop::collection::vec(("[A-Za-z]{1,8}", prop::collection::vec(any::<u8>(), 0..20)), 0..6),
        ) {
            let mut exchange = sample();
            exchange.request.head = request;
            let mut head = b"HTTP/1.1 200 OK\r\n".to_vec();
            for (name, value) in &fields {
                head.extend_from_slice(name.as_bytes());
                head.extend_from_slice(b": ");
                head.extend_from_slice(value);
                head.extend_from_slice(b"\r\n");
            }
            head.extend_from_slice(b"\r\n");
            exchange.response.head = head.clone();
            let line = line_of(&exchange);
            prop_assert!(line.ends_with('\n'));
            prop_assert!(!line.trim_end_matches('\n').contains(|c: char| c.is_control()));
            let value: serde_json::Value = serde_json::from_str(&line).expect("a line is JSON");
            for (which, bytes) in [("request", &exchange.request.head), ("response", &head)] {
                let read: Vec<(String, String)> =
                    serde_json::from_value(value[which]["headers"].clone()).expect("pairs");
                let expected: Vec<(String, String)> = lines::fields(bytes)
                    .map(|field| (expected_text(field.name), expected_text(&field.value)))
                    .collect();
                prop_assert_eq!(read, expected);
            }
            let target = lines::request_line(&exchange.request.head).target;
            prop_assert_eq!(value["request"]["target"].as_str(), Some(&*expected_text(target)));
        }
    }
}
