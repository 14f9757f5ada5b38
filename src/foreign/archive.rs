//! HTTP archives, read entry by entry however long they are (HAR 1.2).

use std::io::{self, BufRead};

use memchr::memmem;
use serde_json::Value;

use super::{Told, begin, endpoint, finish, message, push_field, push_text};
use crate::anomaly::Anomaly;
use crate::exchange::{Exchange, Secrets, State, Timing};
use crate::limits::ARCHIVE_ENTRY_BYTES_MAX;
use crate::packet::Endpoint;
use crate::time::Timestamp;

/// Whether a file that begins so is an archive: an object whose first key is `log`.
pub(super) fn is_archive(first_bytes: &[u8]) -> bool {
    let text = first_bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first_bytes).trim_ascii_start();
    text.strip_prefix(b"{").is_some_and(|text| text.trim_ascii_start().starts_with(b"\"log\""))
}

/// Reads the entries of an archive.
pub(super) fn read(
    input: &mut dyn BufRead,
    secrets: Secrets,
    visit: &mut dyn FnMut(&Exchange),
) -> io::Result<Told> {
    let mut told = Told::default();
    let mut walk = Walk::default();
    let mut number = 0;
    loop {
        let bytes = input.fill_buf()?;
        if bytes.is_empty() {
            break;
        }
        let length = bytes.len();
        for &byte in bytes {
            let Some(entry) = walk.step(byte) else { continue };
            number += 1;
            match exchange(&entry, number, secrets) {
                Some(exchange) => {
                    told.exchanges += 1;
                    visit(&exchange);
                }
                None => told.skip(number),
            }
        }
        input.consume(length);
    }
    told.is_cut = walk.depth > 0;
    Ok(told)
}

/// Where a walk over the bytes of an archive stands: it finds the objects in `log.entries`.
#[derive(Debug, Default)]
struct Walk {
    depth: usize,
    quoting: Quoting,
    /// The last string outside of entries, as far as it matters.
    word: Vec<u8>,
    in_entries: bool,
    entry: Vec<u8>,
    is_too_long: bool,
}

/// Whether the walk is inside of a string.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Quoting {
    #[default]
    Outside,
    Inside,
    /// Behind a backslash.
    Escaped,
}

/// How deep the entries lie: the object, `log`, `entries`, the entry.
const ENTRY_DEPTH: usize = 4;

impl Walk {
    /// Takes one byte; an entry where it ends one. One that is too long is empty.
    fn step(&mut self, byte: u8) -> Option<Vec<u8>> {
        let in_entry = self.in_entries && self.depth >= ENTRY_DEPTH;
        if in_entry {
            self.keep(byte);
        }
        if self.quoting != Quoting::Outside {
            self.string(byte, in_entry);
            return None;
        }
        match byte {
            b'"' => {
                self.quoting = Quoting::Inside;
                self.word.clear();
            }
            b'{' | b'[' => {
                self.depth += 1;
                if self.depth == 3 && byte == b'[' && self.word == b"entries" {
                    self.in_entries = true;
                } else if self.in_entries && self.depth == ENTRY_DEPTH {
                    self.entry.clear();
                    self.is_too_long = false;
                    self.keep(byte);
                }
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                if in_entry && self.depth == ENTRY_DEPTH - 1 {
                    return Some(std::mem::take(&mut self.entry));
                }
                self.in_entries &= self.depth >= ENTRY_DEPTH - 1;
            }
            _ => {}
        }
        None
    }

    fn string(&mut self, byte: u8, in_entry: bool) {
        match byte {
            _ if self.quoting == Quoting::Escaped => self.quoting = Quoting::Inside,
            b'\\' => self.quoting = Quoting::Escaped,
            b'"' => self.quoting = Quoting::Outside,
            _ if !in_entry && self.word.len() < 16 => self.word.push(byte),
            _ => {}
        }
    }

    fn keep(&mut self, byte: u8) {
        self.is_too_long |= self.entry.len() >= ARCHIVE_ENTRY_BYTES_MAX;
        if self.is_too_long {
            self.entry = Vec::new();
        } else {
            self.entry.push(byte);
        }
    }
}

/// The exchange of an entry; `None` where it has no start or no request.
fn exchange(entry: &[u8], number: u64, secrets: Secrets) -> Option<Exchange> {
    let entry: Value = serde_json::from_slice(entry).ok()?;
    let request = entry.get("request").filter(|request| request.is_object())?;
    let response = entry.get("response").unwrap_or(&Value::Null);
    let own = entry.get("_weir");
    let timings = timings(&entry, own);
    let start = start(&entry, own.is_some())?;
    let url = text(request, "url");
    let (authority, target) = split(url);
    let address = text(&entry, "serverIPAddress");
    let server = endpoint(address, port(authority));
    let client = own.and_then(|own| own.get("client")?.as_str()?.parse().ok());
    let client = client.map_or_else(|| endpoint("", 0), socket);
    let mut exchange = begin(number, start, client, server);
    let is_orphan = own.is_some_and(|own| text(own, "state") == State::Orphan.name());
    if !is_orphan {
        let target = own.and_then(|own| own.get("target")?.as_str()).unwrap_or(target);
        exchange.request.head = request_head(request, target, authority);
        let body = size(request, "bodySize").unwrap_or(0);
        let facts = message(&exchange.request.head, size(request, "headersSize"), body);
        exchange.facts.request = Some(facts);
    }
    let status = response.get("status").and_then(Value::as_u64).unwrap_or(0);
    exchange.facts.status = u16::try_from(status).ok().filter(|status| *status < 1000).unwrap_or(0);
    if exchange.facts.status > 0 {
        exchange.response.head = response_head(response, exchange.facts.status);
        let content = || response.get("content").and_then(|content| size(content, "size"));
        let body = size(response, "bodySize").or_else(content).unwrap_or(0);
        let facts = message(&exchange.response.head, size(response, "headersSize"), body);
        exchange.facts.response = Some(facts);
    }
    state(&mut exchange, &entry, own, timings);
    finish(&mut exchange, secrets);
    Some(exchange)
}

/// Sets state, times and what Weir itself wrote of oddities.
fn state(exchange: &mut Exchange, entry: &Value, own: Option<&Value>, timing: Timing) {
    let facts = &mut exchange.facts;
    facts.timing = timing;
    facts.state = if facts.status == 0 { State::Unanswered } else { State::Complete };
    if let Some(own) = own {
        let name = text(own, "state");
        let known = State::ALL.into_iter().find(|state| state.name() == name);
        facts.state = known.unwrap_or(facts.state);
        let names = own.get("anomalies").and_then(Value::as_array).into_iter().flatten();
        facts.anomalies = names
            .filter_map(Value::as_str)
            .filter_map(|name| Anomaly::ALL.iter().copied().find(|odd| odd.name() == name))
            .collect();
        let interim = own.get("interim").and_then(Value::as_array).into_iter().flatten();
        exchange.interim = interim
            .filter_map(Value::as_u64)
            .filter_map(|status| u16::try_from(status).ok())
            .collect();
    } else if facts.state == State::Complete && facts.timing.total_ns.is_none() {
        facts.state = State::Truncated;
    }
    if facts.state != State::Complete {
        let watched = own.and_then(|own| own.pointer("/timing/watched_ns")?.as_u64());
        let time = entry.get("time").and_then(nanoseconds);
        facts.watched_ns = watched.or(time).unwrap_or(0);
        facts.timing.total_ns = None;
    }
}

/// When the first byte of the request was sent: behind the waiting, looking up and connecting
/// that a browser counts; Weir's own archives have it as it is.
fn start(entry: &Value, is_own: bool) -> Option<Timestamp> {
    let started: jiff::Timestamp = text(entry, "startedDateTime").parse().ok()?;
    let started = Timestamp::from_nanos(i64::try_from(started.as_nanosecond()).ok()?);
    let before = |key: &str| entry.get("timings").and_then(|timings| phase(timings, key));
    let phases = ["blocked", "dns", "connect"].map(|key| before(key).unwrap_or(0));
    let lead = if is_own { 0 } else { phases.into_iter().fold(0, u64::saturating_add) };
    Some(started.plus(lead))
}

fn timings(entry: &Value, own: Option<&Value>) -> Timing {
    if let Some(own) = own.and_then(|own| own.get("timing")) {
        let exact = |key: &str| own.get(key).and_then(Value::as_u64);
        return Timing {
            connect_ns: exact("connect_ns"),
            send_ns: exact("send_ns"),
            blocked_ns: exact("blocked_ns"),
            wait_ns: exact("wait_ns"),
            receive_ns: exact("receive_ns"),
            total_ns: exact("total_ns"),
        };
    }
    let Some(timings) = entry.get("timings") else { return Timing::default() };
    let [connect, send, wait, receive] =
        ["connect", "send", "wait", "receive"].map(|key| phase(timings, key));
    let sum = |left: Option<u64>, right: Option<u64>| Some(left?.saturating_add(right?));
    Timing {
        connect_ns: connect,
        send_ns: send,
        blocked_ns: None,
        wait_ns: wait,
        receive_ns: receive,
        total_ns: sum(sum(send, wait), receive),
    }
}

/// A phase in nanoseconds; `None` where it is -1 or missing.
fn phase(timings: &Value, key: &str) -> Option<u64> {
    timings.get(key).and_then(nanoseconds)
}

/// Milliseconds as nanoseconds; `None` where they are negative.
fn nanoseconds(value: &Value) -> Option<u64> {
    let nanos = value.as_f64().filter(|&milliseconds| milliseconds >= 0.0)? * 1e6;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative; a cast of what is too large gives the largest number"
    )]
    Some(nanos.round() as u64)
}

/// A length; `None` where it is -1 or missing.
fn size(value: &Value, key: &str) -> Option<u64> {
    value.get(key).and_then(Value::as_u64)
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Authority and target of an absolute URL.
fn split(url: &str) -> (&str, &str) {
    let Some((_, rest)) = url.split_once("://") else { return ("", url) };
    let rest = rest.split('#').next().unwrap_or_default();
    let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    (authority.rsplit('@').next().unwrap_or_default(), if target.is_empty() { "/" } else { target })
}

fn port(authority: &str) -> u16 {
    authority.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or(80)
}

fn socket(address: std::net::SocketAddr) -> Endpoint {
    endpoint(&address.ip().to_string(), address.port())
}

fn request_head(request: &Value, target: &str, authority: &str) -> Vec<u8> {
    let mut head = Vec::new();
    push_text(&mut head, text(request, "method").as_bytes());
    head.push(b' ');
    push_text(&mut head, target.as_bytes());
    head.push(b' ');
    push_version(&mut head, request);
    head.extend_from_slice(b"\r\n");
    let fields_at = head.len();
    push_headers(&mut head, request);
    // HTTP/2 has the authority in a field of its own kind, which is none of HTTP/1.
    let fields = head.get(fields_at..).unwrap_or_default().to_ascii_lowercase();
    let has_host = fields.starts_with(b"host:") || memmem::find(&fields, b"\nhost:").is_some();
    if !has_host && !authority.is_empty() {
        push_field(&mut head, b"Host", authority.as_bytes());
    }
    head.extend_from_slice(b"\r\n");
    head
}

fn response_head(response: &Value, status: u16) -> Vec<u8> {
    let mut head = Vec::new();
    push_version(&mut head, response);
    head.extend_from_slice(format!(" {status:03} ").as_bytes());
    push_text(&mut head, text(response, "statusText").as_bytes());
    head.extend_from_slice(b"\r\n");
    push_headers(&mut head, response);
    head.extend_from_slice(b"\r\n");
    head
}

/// Appends `HTTP/1.1`; browsers write `h2` and `http/2.0`.
fn push_version(head: &mut Vec<u8>, message: &Value) {
    let version = text(message, "httpVersion").to_ascii_uppercase();
    let version = match version.as_str() {
        "H2" => "HTTP/2",
        "H3" => "HTTP/3",
        version if version.starts_with("HTTP/") => version,
        _ => "HTTP/1.1",
    };
    push_text(head, version.as_bytes());
}

fn push_headers(head: &mut Vec<u8>, message: &Value) {
    for header in message.get("headers").and_then(Value::as_array).into_iter().flatten() {
        let name = text(header, "name");
        if !name.is_empty() && !name.starts_with(':') {
            push_field(head, name.as_bytes(), text(header, "value").as_bytes());
        }
    }
}
