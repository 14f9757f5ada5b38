//! Entries as strict readers want them: numbers always there, bodies decoded, bombs cut.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::anomaly::Anomaly;
use crate::exchange::{ConnectionKey, Facts};
use crate::http::Framing;
use crate::limits::DECODED_BODY_BYTES_MAX;
use crate::packet::Endpoint;
use crate::time::Timestamp;

fn entry_of(exchange: &Exchange) -> Value {
    let mut archive = Archive::new(Secrets::Redacted);
    let mut out = Vec::new();
    archive.write_start(&mut out);
    archive.write_exchange(exchange, &mut out);
    archive.write_exchange(exchange, &mut out);
    out.extend_from_slice(END);
    har::from_slice(&out).expect("the har crate reads it");
    let value: Value = serde_json::from_slice(&out).expect("JSON");
    assert_eq!(value["log"]["entries"].as_array().map(Vec::len), Some(2));
    value["log"]["entries"][1].clone()
}

fn sample() -> Exchange {
    let mut exchange = Exchange {
        facts: Facts {
            connection: ConnectionKey {
                client: Endpoint::v4([10, 0, 0, 1], 51324),
                server: Endpoint::v4([10, 0, 0, 2], 80),
                opened_at: Timestamp::default(),
            },
            start: Timestamp::from_nanos(1_795_242_865_123_456_789),
            request: Some(message(57, 0)),
            response: Some(message(38, 12)),
            status: 200,
            timing: Timing {
                connect_ns: Some(1_000),
                send_ns: Some(0),
                blocked_ns: Some(234_000),
                wait_ns: Some(1_234_567),
                receive_ns: Some(10_000_000),
                total_ns: Some(11_234_567),
            },
            anomalies: [Anomaly::GapInResponse].into_iter().collect(),
            ..Facts::default()
        },
        route: "/cart".to_owned(),
        interim: vec![103],
        ..Exchange::default()
    };
    exchange.request.head = b"GET /cart?x=1 HTTP/1.1\r\nHost: shop.test\r\n\r\n".to_vec();
    exchange.response.head =
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 12\r\n\r\n".to_vec();
    exchange.response.body = Some(b"twelve bytes".to_vec());
    exchange
}

fn message(header_bytes: u32, body_bytes: u64) -> MessageFacts {
    let framing = Framing::Length;
    MessageFacts { header_bytes, framing, body_bytes, body_seen_bytes: body_bytes }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("written");
    encoder.finish().expect("finished")
}

/// A response with this body in gzip.
fn gzipped(body: &[u8]) -> Exchange {
    let mut exchange = sample();
    let coded = gzip(body);
    exchange.response.head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n".to_vec();
    exchange.facts.response = Some(message(38, coded.len() as u64));
    exchange.response.body = Some(coded);
    exchange
}

#[test]
fn an_entry_has_every_number() {
    let entry = entry_of(&sample());
    assert_eq!(entry["startedDateTime"], "2026-11-21T06:34:25.123456789Z");
    assert_eq!(entry["time"], 11.235_567);
    assert_eq!(
        entry["timings"],
        serde_json::json!({"blocked": -1, "dns": -1, "ssl": -1, "connect": 0.001, "send": 0,
            "wait": 1.234_567, "receive": 10})
    );
    assert_eq!(entry["request"]["url"], "http://shop.test/cart?x=1");
    assert_eq!(entry["response"]["content"]["text"], "twelve bytes");
    assert_eq!(entry["response"]["content"]["size"], 12);
    assert_eq!(entry["serverIPAddress"], "10.0.0.2");
    assert_eq!(entry["_weir"]["timing"]["blocked_ns"], 234_000);
    assert_eq!(entry["_weir"]["interim"], serde_json::json!([103]));
    assert_eq!(entry["_weir"]["anomalies"], serde_json::json!(["gap_in_response"]));
    assert_eq!(entry.get("_error"), None);
}

#[test]
fn an_unanswered_request_has_status_0_and_an_error() {
    let mut exchange = sample();
    exchange.facts.state = State::Unanswered;
    exchange.facts.status = 0;
    exchange.facts.response = None;
    exchange.facts.timing = Timing { send_ns: Some(2_000_000), ..Timing::default() };
    exchange.response.clear();
    let entry = entry_of(&exchange);
    assert_eq!(entry["time"], 2);
    assert_eq!(entry["timings"]["wait"], -1);
    assert_eq!(entry["response"]["status"], 0);
    assert_eq!(entry["response"]["bodySize"], -1);
    assert_eq!(entry["response"]["content"]["size"], -1);
    assert_eq!(entry["_error"], "the connection ended before a response began");
    assert_eq!(entry["response"]["_error"], entry["_error"]);
}

#[test]
fn an_orphan_has_a_url_all_the_same() {
    let mut exchange = sample();
    exchange.facts.state = State::Orphan;
    exchange.facts.request = None;
    exchange.request.clear();
    let entry = entry_of(&exchange);
    assert_eq!(entry["request"]["url"], "http://10.0.0.2:80/");
    assert_eq!(entry["request"]["headersSize"], -1);
    assert_eq!(entry["response"]["status"], 200);
}

#[test]
fn codings_are_undone_and_binary_bodies_are_base_64() {
    let entry = entry_of(&gzipped(&[b'a'; 1000]));
    let content = &entry["response"]["content"];
    assert_eq!(content["size"], 1000);
    assert_eq!(content["text"], "a".repeat(1000));
    let sizes = ("compression", "bodySize");
    let saved = content[sizes.0].as_i64().zip(entry["response"][sizes.1].as_i64());
    assert_eq!(saved.map(|(saved, body)| saved + body), Some(1000));
    let mut exchange = sample();
    exchange.response.body = Some(b"\xff\x00twelve by".to_vec());
    let content = &entry_of(&exchange)["response"]["content"];
    assert_eq!(content["encoding"], "base64");
    assert_eq!(content["text"], "/wB0d2VsdmUgYnk=");
}

#[test]
fn a_bomb_is_cut_and_noted() {
    let entry = entry_of(&gzipped(&vec![0; DECODED_BODY_BYTES_MAX + 1]));
    let content = &entry["response"]["content"];
    assert_eq!(content["size"], -1);
    let note = format!("response body: cut at {DECODED_BODY_BYTES_MAX} bytes of decoded content");
    assert_eq!(entry["_weir"]["notes"], serde_json::json!([note]));
}

#[test]
fn secrets_in_a_coded_body_stay_secret() {
    let entry = entry_of(&gzipped(br#"{"password":"hunter2"}"#));
    let text = entry["response"]["content"]["text"].as_str().expect("text");
    assert!(!text.contains("hunter2") && text.contains("password"), "{text}");
}

proptest! {
    #[test]
    fn any_heads_give_an_archive_that_is_read(
        request in prop::collection::vec(any::<u8>(), 0..200),
        response in prop::collection::vec(any::<u8>(), 0..200),
        body in prop::option::of(prop::collection::vec(any::<u8>(), 0..50)),
        state in prop::sample::select(State::ALL.to_vec()),
    ) {
        let mut exchange = sample();
        exchange.facts.state = state;
        exchange.request.head = request;
        exchange.request.body = body.clone();
        exchange.response.head = response;
        exchange.response.body = body;
        let entry = entry_of(&exchange);
        prop_assert!(entry["request"]["url"].is_string());
    }
}
