//! One exchange as a span, by OpenTelemetry's semantic conventions for HTTP servers.

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};

use super::ServerSpan;
use super::attributes::Attributes;
use super::context::{Context, span_id};
use crate::anomaly::Anomaly;
use crate::exchange::{Exchange, Facts, State};
use crate::http::lines::{self, RequestLine};
use crate::query::text;

/// The methods that the conventions know: those of RFC 9110, and PATCH (RFC 5789).
const METHODS: [&str; 9] =
    ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "CONNECT", "TRACE"];

/// Builds the span.
pub(super) fn of(exchange: &Exchange) -> ServerSpan {
    let facts = &exchange.facts;
    let head = exchange.request.head.as_slice();
    let line = lines::request_line(head);
    let known = METHODS.iter().copied().find(|method| method.as_bytes() == line.method);
    let method = known.unwrap_or("HTTP");
    let id = exchange.id();
    let context = Context::of(head, id);
    let mut attributes = Attributes::default();
    add_request(exchange, &line, known, &mut attributes);
    add_peers(facts, head, &mut attributes);
    add_response(exchange, &mut attributes);
    add_own(exchange, &mut attributes);
    let span = Span {
        trace_id: context.trace_id,
        span_id: span_id(id),
        trace_state: context.state,
        parent_span_id: context.parent_id,
        flags: context.flags,
        name: name(method, &exchange.route),
        kind: SpanKind::Server.into(),
        start_time_unix_nano: u64::try_from(facts.start.as_nanos()).unwrap_or(0),
        end_time_unix_nano: u64::try_from(facts.start.plus(lasted_ns(facts)).as_nanos())
            .unwrap_or(0),
        attributes: attributes.0,
        status: Some(status(facts)),
        ..Span::default()
    };
    ServerSpan { server: facts.connection.server, method, span }
}

fn name(method: &str, route: &str) -> String {
    if route.is_empty() { method.to_owned() } else { format!("{method} {route}") }
}

/// From the first byte to the last one seen: no end is invented. What did not end lasted as long
/// as it was watched; of an orphan only the response is known.
fn lasted_ns(facts: &Facts) -> u64 {
    match facts.state {
        State::Complete => facts.timing.total_ns.unwrap_or(0),
        State::Truncated | State::Unanswered | State::Open => facts.watched_ns,
        State::Orphan => facts.timing.receive_ns.unwrap_or(0),
    }
}

/// What the request says.
fn add_request(
    exchange: &Exchange,
    line: &RequestLine<'_>,
    known: Option<&str>,
    attributes: &mut Attributes,
) {
    attributes.text("http.request.method", known.unwrap_or("_OTHER").as_bytes());
    // It is required, and that of an orphan, whose request was never seen, is plain HTTP.
    attributes.text("url.scheme", scheme(line.target));
    let Some(message) = &exchange.facts.request else { return };
    if known.is_none() {
        attributes.text("http.request.method_original", line.method);
    }
    attributes.text("url.path", text::path(line.target));
    if let Some(query) = query(line.target) {
        attributes.text("url.query", query);
    }
    if is_template(&exchange.route, text::path(line.target)) {
        attributes.text("http.route", exchange.route.as_bytes());
    }
    if !line.version.is_empty() {
        attributes.text("network.protocol.version", line.version);
    }
    if let Some(agent) = lines::field(&exchange.request.head, "user-agent") {
        attributes.text("user_agent.original", &agent);
    }
    if exchange.facts.timing.send_ns.is_some() {
        attributes.number("http.request.body.size", message.body_bytes);
    }
}

/// Whether something in the path was found to vary: a path alone is no route, says the convention.
fn is_template(route: &str, path: &[u8]) -> bool {
    let uncut = route.strip_suffix("{...}").unwrap_or(route);
    uncut.contains('{') && !path.starts_with(uncut.as_bytes())
}

/// The scheme of a target in absolute form; else that of what is captured.
fn scheme(target: &[u8]) -> &[u8] {
    let is_https = target.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"https://"));
    if is_https { b"https" } else { b"http" }
}

fn query(target: &[u8]) -> Option<&[u8]> {
    let target = target.split(|&byte| byte == b'#').next()?;
    let at = memchr::memchr(b'?', target)?;
    target.get(at + 1..)
}

/// Who speaks: the server as the request names it, and both ends of the connection.
fn add_peers(facts: &Facts, head: &[u8], attributes: &mut Attributes) {
    let (client, server) = (facts.connection.client, facts.connection.server);
    let (client_ip, server_ip) = (client.ip().to_string(), server.ip().to_string());
    if let Some(host) = text::host(head) {
        let name = text::without_port(&host);
        let port = host.get(name.len() + 1..).and_then(|port| std::str::from_utf8(port).ok());
        let inside = name.strip_prefix(b"[").and_then(|name| name.strip_suffix(b"]"));
        attributes.text("server.address", inside.unwrap_or(name));
        attributes.number("server.port", port.and_then(|port| port.parse().ok()).unwrap_or(80));
    } else {
        attributes.text("server.address", server_ip.as_bytes());
        attributes.number("server.port", server.port().into());
    }
    for (prefix, ip, port) in [
        ("client", &client_ip, client.port()),
        ("network.peer", &client_ip, client.port()),
        ("network.local", &server_ip, server.port()),
    ] {
        attributes.text(&format!("{prefix}.address"), ip.as_bytes());
        attributes.number(&format!("{prefix}.port"), port.into());
    }
}

/// What the response says, and whether that is an error.
fn add_response(exchange: &Exchange, attributes: &mut Attributes) {
    let facts = &exchange.facts;
    if facts.status != 0 {
        attributes.number("http.response.status_code", facts.status.into());
    }
    if let (Some(message), Some(_)) = (&facts.response, facts.timing.receive_ns) {
        attributes.number("http.response.body.size", message.body_bytes);
    }
    if facts.class() == 5 {
        attributes.text("error.type", facts.status.to_string().as_bytes());
    } else if facts.state != State::Complete {
        let is = |anomaly: Anomaly| facts.anomalies.has(anomaly);
        let kind = match facts.state {
            _ if is(Anomaly::Reset) => "connection_reset",
            _ if is(Anomaly::Expired) => "timeout",
            state => state.name(),
        };
        attributes.text("error.type", kind.as_bytes());
    }
}

/// What only Weir says.
fn add_own(exchange: &Exchange, attributes: &mut Attributes) {
    let facts = &exchange.facts;
    attributes.text("weir.id", exchange.id().to_string().as_bytes());
    attributes.text("weir.state", facts.state.name().as_bytes());
    if !exchange.route.is_empty() {
        attributes.text("weir.route", exchange.route.as_bytes());
    }
    attributes.flag("weir.suspect", facts.anomalies.is_suspect());
    attributes.words("weir.anomalies", facts.anomalies.iter().map(Anomaly::name));
    let timing = &facts.timing;
    for (key, ns) in [
        ("weir.connect_ns", timing.connect_ns),
        ("weir.send_ns", timing.send_ns),
        ("weir.blocked_ns", timing.blocked_ns),
        ("weir.wait_ns", timing.wait_ns),
        ("weir.receive_ns", timing.receive_ns),
        ("weir.watched_ns", Some(facts.watched_ns).filter(|&ns| ns > 0)),
    ] {
        attributes.optional_number(key, ns);
    }
}

/// An error where the server answered with one, or where no whole answer was seen.
fn status(facts: &Facts) -> Status {
    let message = match facts.state {
        State::Complete => "",
        State::Truncated => "truncated: request or response did not end",
        State::Unanswered => "unanswered: the connection ended before a response began",
        State::Open => "open: the capture ended first",
        State::Orphan => "orphan: the request was never seen",
    };
    let is_error = facts.class() == 5 || facts.state != State::Complete;
    let code = if is_error { StatusCode::Error } else { StatusCode::Unset };
    Status { message: message.to_owned(), code: code.into() }
}
