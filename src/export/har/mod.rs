//! Exchanges as an HTTP Archive 1.2, written entry by entry so that memory stays bounded.

mod cookie;
mod url;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::content::{self, Content};
use super::json;
use super::jsonl::write_place;
use crate::exchange::redact::redact_body;
use crate::exchange::{Exchange, ExchangeId, MessageFacts, MessageText, Secrets, State, Timing};
use crate::http::lines;

/// What ends an archive, after the last entry.
pub const END: &[u8] = b"\n]}}\n";

/// An archive being written: the start, entries, then [`END`].
///
/// Strict readers find every number that HAR asks for: -1 where a phase or a length is not known,
/// status 0 and `_error` where no response was seen. What HAR has no place for stands in `_weir`:
/// identity, state, exact times, `blocked`, interim statuses, anomalies, and what was cut.
#[derive(Debug)]
pub struct Archive {
    entries: u64,
    secrets: Secrets,
}

impl Archive {
    /// An archive without entries. `secrets`: what becomes of those that come to light where a
    /// content coding is undone.
    #[must_use]
    pub const fn new(secrets: Secrets) -> Self {
        Self { entries: 0, secrets }
    }

    /// Appends what stands before the first entry.
    pub fn write_start(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"log\":{\"version\":\"1.2\",\"creator\":{\"name\":\"weir\",");
        out.extend_from_slice(b"\"version\":\"");
        out.extend_from_slice(env!("CARGO_PKG_VERSION").as_bytes());
        out.extend_from_slice(b"\"},\"entries\":[");
    }

    /// Appends one entry.
    pub fn write_exchange(&mut self, exchange: &Exchange, out: &mut Vec<u8>) {
        out.extend_from_slice(if self.entries == 0 { b"\n" } else { b",\n" });
        self.entries += 1;
        let facts = &exchange.facts;
        let mut notes = Vec::new();
        out.extend_from_slice(b"{\"startedDateTime\":");
        json::timestamp(out, facts.start);
        out.extend_from_slice(b",\"time\":");
        milliseconds(out, Some(sum(&facts.timing)));
        self.write_request(exchange, &mut notes, out);
        self.write_response(exchange, &mut notes, out);
        out.extend_from_slice(b",\"cache\":{}");
        write_timings(&facts.timing, out);
        out.extend_from_slice(b",\"serverIPAddress\":\"");
        out.extend_from_slice(facts.connection.server.ip().to_string().as_bytes());
        out.extend_from_slice(b"\",\"connection\":");
        json::id(out, ExchangeId::derive(&facts.connection, 0));
        if let Some(error) = error(exchange) {
            out.extend_from_slice(b",\"_error\":");
            json::string(out, error.as_bytes());
        }
        write_extension(exchange, &notes, out);
        out.push(b'}');
    }

    fn write_request(&self, exchange: &Exchange, notes: &mut Vec<String>, out: &mut Vec<u8>) {
        let head = exchange.request.head.as_slice();
        let line = lines::request_line(head);
        out.extend_from_slice(b",\"request\":{\"method\":");
        json::string(out, line.method);
        out.extend_from_slice(b",\"url\":");
        json::string(out, url::absolute(exchange).as_bytes());
        write_version(line.version, out);
        out.extend_from_slice(b",\"cookies\":[");
        cookie::write_request(head, out);
        write_headers(head, out);
        out.extend_from_slice(b",\"queryString\":[");
        url::write_query(line.target, out);
        out.push(b']');
        if let Some(content) = self.content(&exchange.request, "request", notes)
            && !content.bytes.is_empty()
        {
            out.extend_from_slice(b",\"postData\":{\"mimeType\":");
            write_media_type(head, out);
            write_text(&content, "_encoding", out);
            out.push(b'}');
        }
        write_sizes(exchange.facts.request.as_ref(), out);
        out.push(b'}');
    }

    fn write_response(&self, exchange: &Exchange, notes: &mut Vec<String>, out: &mut Vec<u8>) {
        let head = exchange.response.head.as_slice();
        let line = lines::status_line(head);
        let facts = exchange.facts.response.as_ref();
        out.extend_from_slice(b",\"response\":{\"status\":");
        json::number(out, u64::from(exchange.facts.status));
        out.extend_from_slice(b",\"statusText\":");
        json::string(out, line.reason);
        write_version(line.version, out);
        out.extend_from_slice(b",\"cookies\":[");
        cookie::write_response(head, out);
        write_headers(head, out);
        out.extend_from_slice(b",\"content\":{\"size\":");
        let content = self.content(&exchange.response, "response", notes);
        let is_coded = lines::field(head, "content-encoding").is_some();
        match (&content, facts) {
            (Some(content), Some(facts)) if facts.body_bytes > 0 && is_whole(content, facts) => {
                let size = content.bytes.len() as u64;
                json::number(out, size);
                if !content.undone.is_empty() {
                    out.extend_from_slice(b",\"compression\":");
                    signed_difference(out, size, facts.body_bytes);
                }
            }
            (_, Some(facts)) if !is_coded || facts.body_bytes == 0 => {
                json::number(out, facts.body_bytes);
            }
            _ => out.extend_from_slice(b"-1"),
        }
        out.extend_from_slice(b",\"mimeType\":");
        write_media_type(head, out);
        if let Some(content) = content.filter(|content| !content.bytes.is_empty()) {
            write_text(&content, "encoding", out);
        }
        out.extend_from_slice(b"},\"redirectURL\":");
        json::string(out, &lines::field(head, "location").unwrap_or_default());
        write_sizes(facts, out);
        if let Some(error) = error(exchange) {
            out.extend_from_slice(b",\"_error\":");
            json::string(out, error.as_bytes());
        }
        out.push(b'}');
    }

    /// The body with its content codings undone; `None` where none was kept.
    fn content<'m>(
        &self,
        message: &'m MessageText,
        which: &str,
        notes: &mut Vec<String>,
    ) -> Option<Content<'m>> {
        let mut content = content::decode(&message.head, message.body.as_deref()?);
        if !content.undone.is_empty() && self.secrets == Secrets::Redacted {
            // Before the coding was undone, nobody could see the secrets in it.
            redact_body(content.bytes.to_mut());
        }
        if let Some(shortfall) = &content.shortfall {
            notes.push(format!("{which} body: {shortfall}"));
        }
        Some(content)
    }
}

/// Whether the decoded content is that of the whole body.
fn is_whole(content: &Content<'_>, facts: &MessageFacts) -> bool {
    content.shortfall.is_none()
        && facts.body_seen_bytes == facts.body_bytes
        && (!content.undone.is_empty() || content.bytes.len() as u64 == facts.body_bytes)
}

/// Why there is no whole response; `None` where there is one.
const fn error(exchange: &Exchange) -> Option<&'static str> {
    match exchange.facts.state {
        State::Unanswered => Some("the connection ended before a response began"),
        State::Open if exchange.facts.response.is_none() => {
            Some("the capture ended before a response began")
        }
        State::Open => Some("the capture ended before the response did"),
        State::Truncated => Some("the request or the response did not end"),
        State::Complete | State::Orphan => None,
    }
}

fn write_version(version: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"httpVersion\":");
    if version.is_empty() {
        out.extend_from_slice(b"\"unknown\"");
    } else {
        json::string(out, &[b"HTTP/", version].concat());
    }
}

/// Appends the end of the cookies, and the headers in their order.
fn write_headers(head: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"],\"headers\":[");
    for (position, field) in lines::fields(head).enumerate() {
        separate(position, out);
        pair(out, field.name, &field.value);
        out.push(b'}');
    }
    out.push(b']');
}

/// Appends the lengths of head and body; -1 where the message was not seen.
fn write_sizes(facts: Option<&MessageFacts>, out: &mut Vec<u8>) {
    match facts {
        Some(facts) => {
            out.extend_from_slice(b",\"headersSize\":");
            json::number(out, u64::from(facts.header_bytes));
            out.extend_from_slice(b",\"bodySize\":");
            json::number(out, facts.body_bytes);
        }
        None => out.extend_from_slice(b",\"headersSize\":-1,\"bodySize\":-1"),
    }
}

fn write_media_type(head: &[u8], out: &mut Vec<u8>) {
    match lines::field(head, "content-type") {
        Some(value) => json::string(out, &value),
        None => out.extend_from_slice(b"\"x-unknown\""),
    }
}

/// Appends a body as text, or in base 64 under the key that says so.
fn write_text(content: &Content<'_>, encoding: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"text\":");
    if std::str::from_utf8(&content.bytes).is_ok() {
        json::string(out, &content.bytes);
        return;
    }
    out.push(b'"');
    out.extend_from_slice(BASE64.encode(&content.bytes).as_bytes());
    out.extend_from_slice(b"\",\"");
    out.extend_from_slice(encoding.as_bytes());
    out.extend_from_slice(b"\":\"base64\"");
}

/// The phases that HAR adds up: all that are known.
fn sum(timing: &Timing) -> u64 {
    [timing.connect_ns, timing.send_ns, timing.wait_ns, timing.receive_ns]
        .into_iter()
        .flatten()
        .fold(0, u64::saturating_add)
}

/// Appends the phases. The name lookup and TLS are not seen; `blocked` of HAR is the wait for a
/// connection, which is not either: that of Weir is a part of `wait` and stands in `_weir`.
fn write_timings(timing: &Timing, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"timings\":{\"blocked\":-1,\"dns\":-1,\"ssl\":-1");
    let phases: [(&[u8], Option<u64>); 4] = [
        (b",\"connect\":", timing.connect_ns),
        (b",\"send\":", timing.send_ns),
        (b",\"wait\":", timing.wait_ns),
        (b",\"receive\":", timing.receive_ns),
    ];
    for (key, nanos) in phases {
        out.extend_from_slice(key);
        milliseconds(out, nanos);
    }
    out.push(b'}');
}

/// Appends what HAR has no place for.
fn write_extension(exchange: &Exchange, notes: &[String], out: &mut Vec<u8>) {
    let facts = &exchange.facts;
    out.extend_from_slice(b",\"_weir\":{\"id\":");
    json::id(out, facts.id());
    write_place(facts, out);
    if facts.request.is_some() {
        let line = lines::request_line(&exchange.request.head);
        out.extend_from_slice(b",\"route\":");
        json::string_of_two(out, line.method, exchange.route.as_bytes());
        out.extend_from_slice(b",\"target\":");
        json::string(out, line.target);
    }
    let timing = facts.timing;
    let phases: [(&[u8], Option<u64>); 7] = [
        (b",\"timing\":{\"connect_ns\":", timing.connect_ns),
        (b",\"send_ns\":", timing.send_ns),
        (b",\"blocked_ns\":", timing.blocked_ns),
        (b",\"wait_ns\":", timing.wait_ns),
        (b",\"receive_ns\":", timing.receive_ns),
        (b",\"total_ns\":", timing.total_ns),
        (b",\"watched_ns\":", Some(facts.watched_ns).filter(|&watched| watched > 0)),
    ];
    for (key, nanos) in phases {
        out.extend_from_slice(key);
        json::optional_number(out, nanos);
    }
    out.push(b'}');
    write_framing(b",\"request\":", facts.request.as_ref(), out);
    write_framing(b",\"response\":", facts.response.as_ref(), out);
    out.extend_from_slice(b",\"interim\":[");
    for (position, &status) in exchange.interim.iter().enumerate() {
        separate(position, out);
        json::number(out, u64::from(status));
    }
    out.extend_from_slice(b"],\"anomalies\":[");
    for (position, anomaly) in facts.anomalies.iter().enumerate() {
        separate(position, out);
        json::string(out, anomaly.name().as_bytes());
    }
    out.extend_from_slice(b"],\"notes\":[");
    for (position, note) in notes.iter().enumerate() {
        separate(position, out);
        json::string(out, note.as_bytes());
    }
    out.extend_from_slice(b"]}");
}

fn write_framing(key: &[u8], facts: Option<&MessageFacts>, out: &mut Vec<u8>) {
    out.extend_from_slice(key);
    let Some(facts) = facts else {
        out.extend_from_slice(b"null");
        return;
    };
    out.extend_from_slice(b"{\"framing\":\"");
    out.extend_from_slice(facts.framing.name().as_bytes());
    out.extend_from_slice(b"\",\"body_seen_bytes\":");
    json::number(out, facts.body_seen_bytes);
    out.push(b'}');
}

/// Appends nanoseconds as milliseconds, exactly: `1.234567`; -1 where they are not known.
fn milliseconds(out: &mut Vec<u8>, nanos: Option<u64>) {
    let Some(nanos) = nanos else {
        out.extend_from_slice(b"-1");
        return;
    };
    json::number(out, nanos / 1_000_000);
    let rest = nanos % 1_000_000;
    if rest > 0 {
        let digits = format!(".{rest:06}");
        out.extend_from_slice(digits.trim_end_matches('0').as_bytes());
    }
}

fn signed_difference(out: &mut Vec<u8>, left: u64, right: u64) {
    if left < right {
        out.push(b'-');
    }
    json::number(out, left.abs_diff(right));
}

/// Appends `{"name":..,"value":..`, left open for more.
fn pair(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(b"{\"name\":");
    json::string(out, name);
    out.extend_from_slice(b",\"value\":");
    json::string(out, value);
}

fn separate(position: usize, out: &mut Vec<u8>) {
    if position > 0 {
        out.push(b',');
    }
}

#[cfg(test)]
mod tests;
