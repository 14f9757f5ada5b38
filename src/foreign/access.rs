//! Access logs that carry times: a line an exchange.

use std::borrow::Cow;
use std::io::{self, BufRead};

use memchr::memmem;

use super::format::{Field, Format, Part};
use super::{Settings, Told, begin, endpoint, finish, message, push_field, push_text};
use crate::exchange::{Exchange, Secrets, State};
use crate::limits::LOG_LINE_BYTES_MAX;
use crate::time::Timestamp;

/// Lines at the start of a file that are looked at to learn what it is.
const LOOKED_AT_MAX: usize = 32;

/// The status that nginx logs where the client had gone before the answer.
const CLIENT_CLOSED: u16 = 499;

/// Whether any of the first lines is one of an access log with a time.
pub(super) fn is_log(first_bytes: &[u8], format: Option<&Format>) -> bool {
    let formats = formats(format);
    let lines = first_bytes.split(|&byte| byte == b'\n').take(LOOKED_AT_MAX);
    lines.into_iter().any(|line| parse(line, &formats).is_some())
}

fn formats(format: Option<&Format>) -> Vec<Format> {
    format.map_or_else(|| Format::usual().to_vec(), |format| vec![format.clone()])
}

/// Reads the lines of a log.
pub(super) fn read(
    input: &mut dyn BufRead,
    settings: &Settings,
    visit: &mut dyn FnMut(&Exchange),
) -> io::Result<Told> {
    let formats = formats(settings.format.as_ref());
    let mut told = Told::default();
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        let most = LOG_LINE_BYTES_MAX as u64;
        if io::Read::take(&mut *input, most).read_until(b'\n', &mut line)? == 0 {
            return Ok(told);
        }
        number += 1;
        if line.last() != Some(&b'\n') && line.len() >= LOG_LINE_BYTES_MAX {
            told.skip(number);
            while !line.is_empty() && line.last() != Some(&b'\n') {
                line.clear();
                io::Read::take(&mut *input, most).read_until(b'\n', &mut line)?;
            }
            continue;
        }
        let text = line.trim_ascii();
        // Comments, and the empty line that a rotation may leave, are no loss.
        if text.is_empty() || text.starts_with(b"#") {
            continue;
        }
        match parse(text, &formats).and_then(|parsed| parsed.exchange(number, settings.secrets)) {
            Some(exchange) => {
                told.exchanges += 1;
                visit(&exchange);
            }
            None => told.skip(number),
        }
    }
}

/// What a line says.
#[derive(Debug, Default)]
struct Line<'l> {
    client: &'l [u8],
    at: Option<Timestamp>,
    /// Whether that instant is the beginning, and not the end.
    is_begun: bool,
    request: Cow<'l, [u8]>,
    method: &'l [u8],
    target: &'l [u8],
    status: u16,
    body_bytes: u64,
    total_ns: Option<u64>,
    host: &'l [u8],
    referer: &'l [u8],
    user_agent: &'l [u8],
}

/// Reads a line in the first format that fits; `None` where none does or it has no time.
fn parse<'l>(line: &'l [u8], formats: &[Format]) -> Option<Line<'l>> {
    let line = line.trim_ascii();
    formats.iter().find_map(|format| {
        let parsed = fit(line, format)?;
        (parsed.total_ns.is_some() && parsed.at.is_some()).then_some(parsed)
    })
}

fn fit<'l>(line: &'l [u8], format: &Format) -> Option<Line<'l>> {
    let mut parsed = Line::default();
    let mut rest = line;
    let mut parts = format.parts.iter().peekable();
    while let Some(part) = parts.next() {
        match part {
            Part::Literal(literal) => rest = rest.strip_prefix(literal.as_slice())?,
            Part::Field(field) => {
                let end = match parts.peek() {
                    Some(Part::Literal(literal)) => end_of_value(rest, literal)?,
                    _ if field.is_word() || format.has_tail => {
                        memchr::memchr(b' ', rest).unwrap_or(rest.len())
                    }
                    _ => rest.len(),
                };
                let (value, after) = rest.split_at_checked(end)?;
                parsed.set(*field, value)?;
                rest = after;
            }
        }
    }
    if format.has_tail {
        parsed.tail(rest);
    }
    Some(parsed)
}

/// Where a value ends that `literal` follows; a quote in it may be escaped.
fn end_of_value(rest: &[u8], literal: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + memmem::find(rest.get(from..)?, literal)?;
        let before = rest.get(..at)?.iter().rev().take_while(|&&byte| byte == b'\\').count();
        if literal.first() != Some(&b'"') || before % 2 == 0 {
            return Some(at);
        }
        from = at + 1;
    }
}

impl<'l> Line<'l> {
    /// Takes a value; `None` where it cannot be one of the field.
    fn set(&mut self, field: Field, value: &'l [u8]) -> Option<()> {
        let word = || std::str::from_utf8(value).ok();
        match field {
            Field::Client => self.client = value,
            Field::LoggedAt | Field::BegunAt => {
                let text = word()?.trim_start_matches('[').trim_end_matches(']');
                let at = jiff::fmt::strtime::parse("%d/%b/%Y:%H:%M:%S %z", text).ok()?;
                self.at = timestamp(at.to_timestamp().ok()?);
                self.is_begun = field == Field::BegunAt;
            }
            Field::LoggedAtIso => self.at = timestamp(word()?.parse().ok()?),
            Field::LoggedAtEpoch => {
                let nanos = i64::try_from(decimal(value, 1_000_000_000)?).ok()?;
                self.at = Some(Timestamp::from_nanos(nanos));
            }
            Field::Request => self.request = unescaped(value),
            Field::Method => self.method = value,
            Field::Target => self.target = value,
            Field::Status => self.status = word()?.parse().ok().filter(|status| *status < 1000)?,
            Field::BodyBytes if value == b"-" => self.body_bytes = 0,
            Field::BodyBytes => self.body_bytes = word()?.parse().ok()?,
            Field::Seconds => self.total_ns = Some(decimal(value, 1_000_000_000)?),
            Field::Milliseconds => self.total_ns = Some(decimal(value, 1_000_000)?),
            Field::Microseconds => self.total_ns = Some(decimal(value, 1_000)?),
            Field::Host => self.host = value,
            Field::Referer => self.referer = value,
            Field::UserAgent => self.user_agent = value,
            Field::Ignored => {}
        }
        Some(())
    }

    /// Looks for the time behind the usual fields: `rt=0.123` or `request_time=0.123`, else the
    /// first number with a point (seconds, nginx's `$request_time`), else the first without one
    /// (microseconds, Apache's `%D`).
    fn tail(&mut self, tail: &[u8]) {
        let words = || {
            tail.split(|&byte| byte == b' ')
                .map(|word| word.strip_prefix(b"\"").unwrap_or(word))
                .map(|word| word.strip_suffix(b"\"").unwrap_or(word))
        };
        let named = words().find_map(|word| {
            let value =
                word.strip_prefix(b"rt=").or_else(|| word.strip_prefix(b"request_time="))?;
            decimal(value.strip_prefix(b"\"").unwrap_or(value), 1_000_000_000)
        });
        let seconds = || {
            let mut with_point = words().filter(|word| word.contains(&b'.'));
            with_point.find_map(|word| decimal(word, 1_000_000_000))
        };
        let microseconds = || words().find_map(|word| decimal(word, 1_000));
        let from_nginx = named.or_else(seconds);
        self.is_begun = from_nginx.is_none();
        self.total_ns = from_nginx.or_else(microseconds);
    }

    /// The exchange of the line; `None` where it names no request.
    fn exchange(&self, number: u64, secrets: Secrets) -> Option<Exchange> {
        let total_ns = self.total_ns?;
        let at = self.at?;
        let lead = i64::try_from(total_ns).ok()?;
        let start = if self.is_begun {
            at
        } else {
            Timestamp::from_nanos(at.as_nanos().saturating_sub(lead))
        };
        let client = endpoint(std::str::from_utf8(self.client).unwrap_or_default(), 0);
        let mut exchange = begin(number, start, client, endpoint("", 80));
        let head = &mut exchange.request.head;
        if self.request.is_empty() {
            push_text(head, self.method);
            head.push(b' ');
            push_text(head, self.target);
            head.extend_from_slice(b" HTTP/1.1");
        } else {
            push_text(head, &self.request);
        }
        // A line that is no request, such as `-` of a connection that sent none, is no exchange.
        head.contains(&b' ').then_some(())?;
        head.extend_from_slice(b"\r\n");
        for (name, value) in
            [("Host", self.host), ("Referer", self.referer), ("User-Agent", self.user_agent)]
        {
            if !value.is_empty() && value != b"-" {
                push_field(head, name.as_bytes(), value);
            }
        }
        head.extend_from_slice(b"\r\n");
        exchange.facts.request = Some(message(&exchange.request.head, None, 0));
        exchange.response.head = format!("HTTP/1.1 {:03} \r\n\r\n", self.status).into_bytes();
        let response = message(&exchange.response.head, None, self.body_bytes);
        exchange.facts.response = Some(response);
        exchange.facts.status = self.status;
        if self.status == CLIENT_CLOSED {
            // It took at least as long as the client waited.
            exchange.facts.state = State::Truncated;
            exchange.facts.watched_ns = total_ns;
        } else {
            exchange.facts.timing.total_ns = Some(total_ns);
        }
        finish(&mut exchange, secrets);
        Some(exchange)
    }
}

fn timestamp(at: jiff::Timestamp) -> Option<Timestamp> {
    i64::try_from(at.as_nanosecond()).ok().map(Timestamp::from_nanos)
}

/// A decimal number of units of `unit_ns` nanoseconds, exactly; `None` where it is none.
fn decimal(text: &[u8], unit_ns: u64) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) || fraction.len() > 9 {
        return None;
    }
    let parts = format!("{fraction:0<9}").parse::<u64>().ok()?;
    let part_ns = u128::from(parts) * u128::from(unit_ns) / 1_000_000_000;
    let whole_ns = whole.parse::<u64>().ok()?.checked_mul(unit_ns)?;
    whole_ns.checked_add(u64::try_from(part_ns).ok()?)
}

/// The value as it was before the log escaped it: `\x22`, `\"`, `\\`.
fn unescaped(value: &[u8]) -> Cow<'_, [u8]> {
    if !value.contains(&b'\\') {
        return Cow::Borrowed(value);
    }
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&byte, after)) = rest.split_first() {
        let hexadecimal = after
            .strip_prefix(b"x")
            .filter(|_| byte == b'\\')
            .and_then(|digits| std::str::from_utf8(digits.get(..2)?).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        rest = match (byte, hexadecimal, after.split_first()) {
            (b'\\', Some(code), _) => {
                out.push(code);
                after.get(3..).unwrap_or_default()
            }
            (b'\\', None, Some((&escaped, after))) => {
                out.push(escaped);
                after
            }
            _ => {
                out.push(byte);
                after
            }
        };
    }
    Cow::Owned(out)
}
