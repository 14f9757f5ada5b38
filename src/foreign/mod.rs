//! What other tools wrote, read as exchanges: HTTP archives, and access logs that carry times.
//!
//! Such an exchange has what the tool wrote of it and nothing more: phases that it did not write
//! are not known, its endpoints are those that it names, and each stands on a connection of its
//! own. What cannot be read is counted and told, never an error.

mod access;
mod archive;
mod format;

use std::io::{self, BufRead};
use std::net::IpAddr;

use crate::exchange::{ConnectionKey, Exchange, Facts, MessageFacts, Secrets, redact, route};
use crate::http::{Framing, lines};
use crate::packet::Endpoint;
use crate::time::Timestamp;

pub use format::{Format, FormatError};

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An HTTP archive (HAR 1.1 to 1.3).
    Archive,
    /// An access log of nginx, Apache or their kin.
    AccessLog,
}

/// How such files are read.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What becomes of secrets in the heads.
    pub secrets: Secrets,
    /// The format of access logs; `None`: the common or combined one with a time behind it.
    pub format: Option<Format>,
}

/// What reading a file gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Exchanges that were read.
    pub exchanges: u64,
    /// Lines or entries that could not be read.
    pub skipped: u64,
    /// The first of them, counted from 1.
    pub first_skipped: Option<u64>,
    /// Whether an archive ended before its end.
    pub is_cut: bool,
}

impl Told {
    fn skip(&mut self, number: u64) {
        self.skipped += 1;
        self.first_skipped.get_or_insert(number);
    }
}

/// What a file is that begins with these bytes (some kilobytes serve best); `None` where it is
/// neither.
#[must_use]
pub fn kind(first_bytes: &[u8], settings: &Settings) -> Option<Kind> {
    if archive::is_archive(first_bytes) {
        return Some(Kind::Archive);
    }
    access::is_log(first_bytes, settings.format.as_ref()).then_some(Kind::AccessLog)
}

/// Reads `input` to its end, and lends each exchange to `visit`.
///
/// # Errors
///
/// Where `input` cannot be read; what came before was visited.
pub fn read(
    kind: Kind,
    input: &mut dyn BufRead,
    settings: &Settings,
    visit: &mut dyn FnMut(&Exchange),
) -> io::Result<Told> {
    match kind {
        Kind::Archive => archive::read(input, settings.secrets, visit),
        Kind::AccessLog => access::read(input, settings, visit),
    }
}

/// The exchange of the connection that is only its own: `number` tells it from others that began
/// in the same instant.
fn begin(number: u64, start: Timestamp, client: Endpoint, server: Endpoint) -> Exchange {
    let connection = ConnectionKey { client, server, opened_at: start };
    let index = u32::try_from(number).unwrap_or(u32::MAX);
    Exchange {
        facts: Facts { connection, index, start, ..Facts::default() },
        ..Exchange::default()
    }
}

/// Redacts the heads, and derives the route.
fn finish(exchange: &mut Exchange, secrets: Secrets) {
    if secrets == Secrets::Redacted {
        for text in [&mut exchange.request, &mut exchange.response] {
            let mut redacted = Vec::with_capacity(text.head.len());
            redact::write_head(&text.head, &mut redacted);
            text.head = redacted;
        }
    }
    let target = lines::request_line(&exchange.request.head).target.to_vec();
    route::write_route(&target, &mut exchange.route);
}

/// A message whose head was made anew.
fn message(head: &[u8], header_bytes: Option<u64>, body_bytes: u64) -> MessageFacts {
    let header_bytes = header_bytes.unwrap_or(head.len() as u64);
    MessageFacts {
        header_bytes: u32::try_from(header_bytes).unwrap_or(u32::MAX),
        framing: if body_bytes > 0 { Framing::Length } else { Framing::None },
        body_bytes,
        body_seen_bytes: body_bytes,
    }
}

/// Appends `text` to a head without what would end its line.
fn push_text(head: &mut Vec<u8>, text: &[u8]) {
    head.extend(text.iter().map(|&byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }));
}

/// Appends a field line.
fn push_field(head: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    push_text(head, name);
    head.extend_from_slice(b": ");
    push_text(head, value);
    head.extend_from_slice(b"\r\n");
}

/// An address as text, with a port; 0.0.0.0 where the text is none.
fn endpoint(address: &str, port: u16) -> Endpoint {
    match address.trim_start_matches('[').trim_end_matches(']').parse() {
        Ok(IpAddr::V4(address)) => Endpoint::v4(address.octets(), port),
        Ok(IpAddr::V6(address)) => Endpoint::v6(address.octets(), port),
        Err(_) => Endpoint::v4([0; 4], port),
    }
}

#[cfg(test)]
mod tests;
