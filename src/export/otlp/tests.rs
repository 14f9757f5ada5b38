//! Exchanges made by hand, and the spans that come of them.

use opentelemetry_proto::tonic::common::v1::any_value::Value;

use super::*;
use crate::anomaly::Anomaly;
use crate::exchange::{ConnectionKey, Facts, MessageFacts, State, Timing};
use crate::http::Framing;
use crate::limits::OTLP_NAMES_MAX;
use crate::time::Timestamp;

const START: i64 = 1_795_242_865_123_456_789;

fn exchange(request: &str, route: &str) -> Exchange {
    let message = MessageFacts { framing: Framing::None, ..MessageFacts::default() };
    let ns = Some(1_000_000);
    let facts = Facts {
        connection: ConnectionKey {
            client: Endpoint::v4([10, 0, 0, 1], 51324),
            server: Endpoint::v6([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2], 8080),
            opened_at: Timestamp::from_nanos(START),
        },
        start: Timestamp::from_nanos(START),
        request: Some(message),
        response: Some(message),
        status: 200,
        timing: Timing { send_ns: Some(0), receive_ns: Some(7), total_ns: ns, ..Timing::default() },
        ..Facts::default()
    };
    let mut exchange = Exchange { facts, route: route.to_owned(), ..Exchange::default() };
    exchange.request.head = format!("{request}\r\n\r\n").into_bytes();
    exchange
}

fn text(span: &ServerSpan, key: &str) -> Option<String> {
    let found = span.span.attributes.iter().find(|attribute| attribute.key == key)?;
    match found.value.clone()?.value? {
        Value::StringValue(text) => Some(text),
        Value::IntValue(number) => Some(number.to_string()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_server_is_the_one_that_the_request_names() {
    let check = |request: &str, address: &str, port: &str| {
        let span = ServerSpan::of(&exchange(request, "/"));
        let found = ["server.address", "server.port"].map(|key| text(&span, key));
        assert_eq!(found, [Some(address.to_owned()), Some(port.to_owned())], "{request}");
    };
    check("GET / HTTP/1.1\r\nHost: shop.test", "shop.test", "80");
    check("GET / HTTP/1.1\r\nHost: shop.test:81", "shop.test", "81");
    check("GET / HTTP/1.1\r\nHost: [::1]:81", "::1", "81");
    check("GET / HTTP/1.1\r\nHost: shop.test:", "shop.test", "80");
    check("GET http://a.test:90/ HTTP/1.1\r\nHost: b.test", "a.test", "90");
    check("GET / HTTP/1.0", "2001:db8::2", "8080");
}

#[test]
fn only_a_template_is_a_route() {
    let check = |path: &str, expected: Option<&str>| {
        let mut route = String::new();
        crate::exchange::route::write_route(path.as_bytes(), &mut route);
        let span = ServerSpan::of(&exchange(&format!("GET {path} HTTP/1.1"), &route));
        assert_eq!(text(&span, "http.route").as_deref(), expected, "{path}");
        assert_eq!(span.span.name, format!("GET {route}"));
        assert_eq!(text(&span, "weir.route"), Some(route));
    };
    check("/users/42?full=1", Some("/users/{int}"));
    check("/users", None);
    check("/users/{id}", None);
    check(&format!("/{}", "a".repeat(400)), None);
    check("*", None);
}

#[test]
fn what_is_not_whole_has_no_invented_end_and_is_an_error() {
    let check = |state: State, anomaly: Option<Anomaly>, lasted: u64, kind: &str| {
        let mut exchange = exchange("GET / HTTP/1.1", "/");
        exchange.facts.state = state;
        exchange.facts.watched_ns = 5_000;
        exchange.facts.timing.total_ns = None;
        exchange.facts.anomalies = anomaly.into_iter().collect();
        let span = ServerSpan::of(&exchange);
        let ns = span.span.end_time_unix_nano - span.span.start_time_unix_nano;
        assert_eq!((ns, text(&span, "error.type").as_deref()), (lasted, Some(kind)), "{state:?}");
        let status = span.span.status.expect("a status");
        assert_eq!((status.code, status.message.starts_with(state.name())), (2, true));
    };
    check(State::Truncated, None, 5_000, "truncated");
    check(State::Unanswered, Some(Anomaly::Reset), 5_000, "connection_reset");
    check(State::Unanswered, Some(Anomaly::Expired), 5_000, "timeout");
    check(State::Open, None, 5_000, "open");
    check(State::Orphan, None, 7, "orphan");
}

#[test]
fn a_request_that_carries_a_trace_is_part_of_it() {
    let parent = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let span = ServerSpan::of(&exchange(&format!("GET / HTTP/1.1\r\n{parent}"), "/")).span;
    assert_eq!(span.trace_id[..2], [0x4b, 0xf9]);
    assert_eq!((span.parent_span_id[7], span.flags), (0xb7, 0x301));
    let alone = ServerSpan::of(&exchange("GET / HTTP/1.1", "/")).span;
    assert_eq!(alone.span_id, span.span_id);
    assert!(alone.parent_span_id.is_empty() && alone.trace_id != span.trace_id);
}

#[test]
fn a_method_that_nobody_knows_is_told_as_such() {
    let span = ServerSpan::of(&exchange("get / HTTP/1.1", "/"));
    assert_eq!(text(&span, "http.request.method").as_deref(), Some("_OTHER"));
    assert_eq!(text(&span, "http.request.method_original").as_deref(), Some("get"));
    assert_eq!(span.span.name, "HTTP /");
}

#[test]
fn names_are_bounded_and_the_rest_is_named_by_its_method() {
    let mut names = Names::default();
    for number in 0..=OTLP_NAMES_MAX {
        let mut span =
            ServerSpan::of(&exchange("GET /x/1 HTTP/1.1", &format!("/x{number}/{{int}}")));
        let naming = names.admit(&mut span);
        if number < OTLP_NAMES_MAX {
            assert_eq!(naming, Naming::Kept);
        } else {
            assert_eq!((naming, span.span.name.as_str()), (Naming::Shortened, "GET"));
            assert_eq!(text(&span, "http.route"), None);
            assert!(text(&span, "weir.route").is_some());
        }
    }
    let mut known = ServerSpan::of(&exchange("GET /x/1 HTTP/1.1", "/x0/{int}"));
    assert_eq!(names.admit(&mut known), Naming::Kept);
}

#[test]
fn each_server_is_a_service_unless_one_is_named() {
    let one = exchange("GET / HTTP/1.1", "/");
    let mut other = one.clone();
    other.facts.connection.server = Endpoint::v4([10, 0, 0, 2], 80);
    let spans = || vec![ServerSpan::of(&one), ServerSpan::of(&other), ServerSpan::of(&one)];
    let services = |origin: &Origin| -> Vec<(String, usize)> {
        let request = origin.request(spans());
        let request = ExportTraceServiceRequest::decode(&*request).expect("a request");
        let names = request.resource_spans.iter().map(|service| {
            let attributes = &service.resource.as_ref().expect("a resource").attributes;
            assert_eq!(attributes[1].key, "host.name");
            let value = attributes[0].value.clone().and_then(|value| value.value);
            let Some(Value::StringValue(name)) = value else { panic!("no name") };
            (name, service.scope_spans[0].spans.len())
        });
        names.collect()
    };
    let origin = Origin { service: None, host: "here".to_owned() };
    let expected = [("10.0.0.2:80".to_owned(), 1), ("[2001:db8::2]:8080".to_owned(), 2)];
    assert_eq!(services(&origin), expected);
    let named = Origin { service: Some("shop".to_owned()), ..origin };
    assert_eq!(services(&named), [("shop".to_owned(), 3)]);
}

#[test]
fn an_answer_says_what_it_rejected() {
    assert_eq!(rejected(b""), Rejected::default());
    assert_eq!(rejected(b"<html>"), Rejected::default());
}
