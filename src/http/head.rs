//! A head read in place: start line, the fields that matter here, what is odd (RFC 9112 2 to 5).

use std::borrow::Cow;
use std::mem::MaybeUninit;

use memchr::memchr;

use crate::anomaly::{Anomalies, Anomaly};
use crate::http::event::{Side, Start};
use crate::http::length::{Fold, LengthFields};
use crate::http::{lines, plain};
use crate::limits::{
    HEADER_FIELDS_MAX, METHOD_TOKEN_BYTES_MAX, SEARCHED_LINE_BYTES_MAX, SEARCHED_METHOD_BYTES_MAX,
};

/// Fields that the fast reading has room for; heads with more are read line by line.
pub(super) const FAST_FIELDS: usize = 64;

/// The methods that servers are asked with in the field: of RFC 9110, RFC 5789, `WebDAV`, caches.
const METHODS_IN_USE: [&[u8]; 20] = [
    b"GET",
    b"HEAD",
    b"POST",
    b"PUT",
    b"DELETE",
    b"CONNECT",
    b"OPTIONS",
    b"TRACE",
    b"PATCH",
    b"QUERY",
    b"PROPFIND",
    b"PROPPATCH",
    b"MKCOL",
    b"COPY",
    b"MOVE",
    b"LOCK",
    b"UNLOCK",
    b"REPORT",
    b"SEARCH",
    b"PURGE",
];

/// How well it is known that a head stands at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// The message before it ended here: whatever resembles a head is one.
    Boundary,
    /// The place in the stream is unknown, but a packet starts here: the start line must be
    /// regular.
    PacketStart,
    /// Somewhere inside a packet, as any text may quote a head: all of it must be regular.
    Inside,
}

/// What a head says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading<'h> {
    /// The head's bytes.
    pub(super) bytes: &'h [u8],
    /// Its start line.
    pub(super) start: Start<'h>,
    /// The value of its first Host field.
    pub(super) host: Option<&'h [u8]>,
    /// The fields that decide the body's length.
    pub(super) lengths: LengthFields,
    /// What is odd, lengths apart.
    pub(super) anomalies: Anomalies,
}

/// What stands at the start of some bytes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found<'h> {
    /// A whole head.
    Whole(Reading<'h>),
    /// What may be the start of one.
    Partial,
    /// Something else.
    Other,
}

/// Reads the head at the start of `bytes`.
pub(super) fn read(side: Side, bytes: &[u8], trust: Trust) -> Found<'_> {
    match plain::read(side, bytes) {
        Some(reading) if is_trusted(&reading, trust) => Found::Whole(reading),
        Some(_) => Found::Other,
        None => read_other(side, bytes, trust),
    }
}

/// Reads a head that is not plain, or not whole.
pub(super) fn read_other(side: Side, bytes: &[u8], trust: Trust) -> Found<'_> {
    if matches!(bytes.first(), Some(b'\r' | b'\n')) {
        return Found::Other;
    }
    let found = match read_regular(side, bytes) {
        Ok(found) => found,
        // Inside of text there may be any number of candidates, and reading on after a refusal
        // would make them cost their square.
        Err(httparse::Error::TooManyHeaders) if trust == Trust::Inside => Found::Partial,
        Err(_) if trust == Trust::Inside => Found::Other,
        Err(_) => read_odd(side, bytes),
    };
    match found {
        Found::Whole(reading) if !is_trusted(&reading, trust) => Found::Other,
        Found::Partial if !may_begin(side, bytes, trust) => Found::Other,
        found => found,
    }
}

/// Reads what there is of a head that will never be whole: `None` without a whole start line.
/// A line that is not whole is not looked at.
pub(super) fn read_unfinished(side: Side, bytes: &[u8], trust: Trust) -> Option<Reading<'_>> {
    let whole_lines = memchr::memrchr(b'\n', bytes).map_or(0, |at| at + 1);
    let reading = read_lines(side, bytes.get(..whole_lines)?)?;
    is_trusted(&reading, trust).then_some(Reading { bytes, ..reading })
}

/// Whether the line at the start of `bytes`, whole or not, may begin a message.
pub(super) fn may_begin(side: Side, bytes: &[u8], trust: Trust) -> bool {
    if memchr(b'\n', bytes).is_some() {
        return start_line(side, bytes)
            .is_some_and(|line| trust == Trust::Boundary || line.is_regular());
    }
    if trust != Trust::Boundary && bytes.len() > SEARCHED_LINE_BYTES_MAX {
        return false;
    }
    match (side, trust) {
        (Side::Response, Trust::Boundary) => begins_alike(bytes, b"HTTP/"),
        (Side::Response, _) => begins_alike(bytes, b"HTTP/1."),
        (Side::Request, Trust::Boundary) => {
            let (method, _) = split_method(bytes);
            method.len() <= METHOD_TOKEN_BYTES_MAX && method.iter().copied().all(is_token_byte)
        }
        (Side::Request, _) => may_begin_request(bytes),
    }
}

/// Whether `bytes`, without a line end, may be the start of a regular request line. Much text
/// resembles the start of one, and a head that follows must not be taken for its rest: only
/// methods that are in use will do.
fn may_begin_request(bytes: &[u8]) -> bool {
    let (method, rest) = split_method(bytes);
    let Some(rest) = rest else {
        return METHODS_IN_USE.iter().any(|known| known.starts_with(method));
    };
    let (target, version) = rest.split_at(memchr(b' ', rest).unwrap_or(rest.len()));
    let is_target = match target.first() {
        None => version.is_empty(),
        Some(b'/') => true,
        Some(b'*') => target.len() == 1,
        Some(_) => method == b"CONNECT" || begins_alike(target, b"http"),
    };
    METHODS_IN_USE.contains(&method)
        && is_target
        && target.iter().all(|&byte| byte > b' ' && byte != 0x7f)
        && begins_alike(version, b" HTTP/1.")
        && version.len() <= b" HTTP/1.1\r".len()
}

/// Whether the request line or status line that `bytes` begin with is safe to have been put
/// together from several packets in a place where no head was expected.
pub(super) fn is_in_use(side: Side, bytes: &[u8]) -> bool {
    side == Side::Response || METHODS_IN_USE.contains(&split_method(bytes).0)
}

/// Whether one of the two is the start of the other.
pub(super) fn begins_alike(bytes: &[u8], prefix: &[u8]) -> bool {
    let len = bytes.len().min(prefix.len());
    bytes.get(..len) == prefix.get(..len)
}

/// The bytes up to the first blank, and what follows the blank where there is one.
fn split_method(bytes: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr(b' ', bytes) {
        Some(at) => {
            let (method, rest) = bytes.split_at(at);
            (method, rest.get(1..))
        }
        None => (bytes, None),
    }
}

/// Whether a head read at a place of that trust may be taken for one.
fn is_trusted(reading: &Reading<'_>, trust: Trust) -> bool {
    let (side, has) = (reading.side(), |anomaly| reading.anomalies.has(anomaly));
    match trust {
        Trust::Boundary => true,
        Trust::PacketStart => start_line(side, reading.bytes).is_some_and(|line| line.is_regular()),
        Trust::Inside => {
            !has(Anomaly::OddField)
                && !has(Anomaly::ObsoleteFold)
                && start_line(side, reading.bytes).is_some_and(|line| line.is_regular())
        }
    }
}

impl Reading<'_> {
    const fn side(&self) -> Side {
        match self.start {
            Start::Request { .. } => Side::Request,
            Start::Response { .. } => Side::Response,
        }
    }
}

/// The fast reading, in one pass by httparse: `None` where that refuses.
pub(super) fn read_regular(side: Side, bytes: &[u8]) -> Result<Found<'_>, httparse::Error> {
    let mut fields = [const { MaybeUninit::uninit() }; FAST_FIELDS];
    match side {
        Side::Request => {
            let mut request = httparse::Request::new(&mut []);
            let status = request.parse_with_uninit_headers(bytes, &mut fields)?;
            let (httparse::Status::Complete(len), Some(method), Some(target), Some(version)) =
                (status, request.method, request.path, request.version)
            else {
                return Ok(Found::Partial);
            };
            if method.len() > METHOD_TOKEN_BYTES_MAX {
                return Err(httparse::Error::Token);
            }
            let start = Start::Request { method: method.as_bytes(), target: target.as_bytes() };
            let head = bytes.split_at(len).0;
            let mut reading = summarize(head, start, version, request.headers);
            if !target.is_ascii() {
                reading.anomalies.add(Anomaly::OddStartLine);
            }
            Ok(Found::Whole(reading))
        }
        Side::Response => {
            let mut response = httparse::Response::new(&mut []);
            let status = httparse::ParserConfig::default().parse_response_with_uninit_headers(
                &mut response,
                bytes,
                &mut fields,
            )?;
            let (httparse::Status::Complete(len), Some(code), Some(version)) =
                (status, response.code, response.version)
            else {
                return Ok(Found::Partial);
            };
            if code < 100 {
                return Err(httparse::Error::Status);
            }
            let start = Start::Response { status: code };
            let head = bytes.split_at(len).0;
            Ok(Found::Whole(summarize(head, start, version, response.headers)))
        }
    }
}

/// Gathers what matters from the fields of a head that httparse accepts.
fn summarize<'h>(
    bytes: &'h [u8],
    start: Start<'h>,
    minor_version: u8,
    fields: &[httparse::Header<'h>],
) -> Reading<'h> {
    let mut host = None;
    let mut lengths = LengthFields::default();
    let mut is_bare = !bytes.ends_with(b"\r\n\r\n");
    for field in fields {
        // Two bytes before a field's name stands the CR of the line before it, if it has one.
        let at = field.name.as_ptr().addr().wrapping_sub(bytes.as_ptr().addr());
        is_bare |= bytes.get(at.wrapping_sub(2)) != Some(&b'\r');
        match field.name.len() {
            4 if host.is_none() && field.name.eq_ignore_ascii_case("host") => {
                host = Some(field.value);
            }
            14 if field.name.eq_ignore_ascii_case("content-length") => {
                lengths.content_length(field.value);
            }
            17 if field.name.eq_ignore_ascii_case("transfer-encoding") => {
                lengths.transfer_encoding(field.value, Fold::Straight);
            }
            _ => {}
        }
    }
    if minor_version == 0 {
        lengths.http_1_0();
    }
    let mut anomalies = Anomalies::NONE;
    if is_bare {
        anomalies.add(Anomaly::BareLineFeed);
    }
    Reading { bytes, start, host, lengths, anomalies }
}

/// The lenient reading of what httparse refuses.
#[cold]
fn read_odd(side: Side, bytes: &[u8]) -> Found<'_> {
    if !may_begin(side, bytes, Trust::Boundary) {
        return Found::Other;
    }
    match find_end(LineEnd::None, bytes).0 {
        Some(end) => read_lines(side, bytes.split_at(end).0).map_or(Found::Other, Found::Whole),
        None => Found::Partial,
    }
}

/// Reads a head of whole lines, with or without the blank one; `None` where the start line is not
/// one.
fn read_lines(side: Side, bytes: &[u8]) -> Option<Reading<'_>> {
    let StartLine { start, version, is_formed } = start_line(side, bytes)?;
    let mut anomalies = odd_lines(bytes);
    if !is_known(version) {
        anomalies.add(Anomaly::OddVersion);
    }
    let is_odd_target = matches!(start, Start::Request { target, .. } if !target.is_ascii());
    if is_odd_target || !is_formed {
        anomalies.add(Anomaly::OddStartLine);
    }
    let mut host = None;
    let mut lengths = LengthFields::default();
    for lines::Field { name, value } in lines::fields(bytes).take(HEADER_FIELDS_MAX) {
        if name.eq_ignore_ascii_case(b"host") {
            if let (None, Cow::Borrowed(value)) = (host, &value) {
                host = Some(*value);
            }
        } else if name.eq_ignore_ascii_case(b"content-length") {
            lengths.content_length(&value);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            let fold = match value {
                Cow::Borrowed(_) => Fold::Straight,
                Cow::Owned(_) => Fold::Folded,
            };
            lengths.transfer_encoding(&value, fold);
        }
    }
    if version == b"1.0" {
        lengths.http_1_0();
    }
    Some(Reading { bytes, start, host, lengths, anomalies })
}

/// What is odd about the line ends and the field lines of a head.
fn odd_lines(head: &[u8]) -> Anomalies {
    let mut anomalies = Anomalies::NONE;
    for (number, line) in head.split_inclusive(|&byte| byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let Some(line) = line.strip_suffix(b"\r") else {
            anomalies.add(Anomaly::BareLineFeed);
            odd_line(number, line, &mut anomalies);
            continue;
        };
        odd_line(number, line, &mut anomalies);
    }
    anomalies
}

/// Notes what is odd about one line of a head, given without its line end.
fn odd_line(number: usize, line: &[u8], anomalies: &mut Anomalies) {
    if number == 0 || line.is_empty() {
        return;
    }
    let value = if matches!(line.first(), Some(b' ' | b'\t')) {
        // A continuation needs a field before it.
        anomalies.add(if number == 1 { Anomaly::OddField } else { Anomaly::ObsoleteFold });
        line
    } else {
        let (name, value) = line.split_at(memchr(b':', line).unwrap_or(0));
        if name.is_empty() || !name.iter().copied().all(is_token_byte) {
            anomalies.add(Anomaly::OddField);
        }
        value
    };
    if !value.iter().copied().all(is_value_byte) {
        anomalies.add(Anomaly::OddField);
    }
}

/// A start line that may begin a message.
struct StartLine<'h> {
    start: Start<'h>,
    /// What follows `HTTP/`.
    version: &'h [u8],
    /// Whether it has the form of RFC 9112 section 3 or 4, bytes above 127 allowed.
    is_formed: bool,
}

impl StartLine<'_> {
    /// Whether it is worth trusting where no head was expected.
    fn is_regular(&self) -> bool {
        let is_short = match self.start {
            Start::Request { method, .. } => method.len() <= SEARCHED_METHOD_BYTES_MAX,
            Start::Response { .. } => true,
        };
        self.is_formed && is_short && is_known(self.version)
    }
}

/// Reads the first line of `head` leniently: a request line is a token, a target and a version, a
/// status line a version and three digits; `None` for anything else. The preface of HTTP/2 is
/// none of them.
fn start_line(side: Side, head: &[u8]) -> Option<StartLine<'_>> {
    match side {
        Side::Request => {
            let lines::RequestLine { method, target, version, .. } = lines::request_line(head);
            let is_method = !method.is_empty()
                && method.len() <= METHOD_TOKEN_BYTES_MAX
                && method.iter().copied().all(is_token_byte);
            let is_preface = (method, target) == (b"PRI", b"*") && version == b"2.0";
            if !is_method || is_preface || !version.first().is_some_and(u8::is_ascii_digit) {
                return None;
            }
            let is_formed = !target.is_empty()
                && target.iter().all(|&byte| byte > b' ' && byte != 0x7f)
                && line_length(head)
                    == method.len() + target.len() + version.len() + b"  HTTP/".len();
            Some(StartLine { start: Start::Request { method, target }, version, is_formed })
        }
        Side::Response => {
            let lines::StatusLine { version, status: digits, reason } = lines::status_line(head);
            let is_version =
                head.starts_with(b"HTTP/") && version.first().is_some_and(u8::is_ascii_digit);
            let status = match *digits {
                [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
                    [a, b, c].iter().fold(0, |n, digit| n * 10 + u16::from(digit - b'0'))
                }
                _ => return None,
            };
            if !is_version {
                return None;
            }
            let form = b"HTTP/".len() + version.len() + b" ".len() + digits.len();
            let separator = head.get(form);
            let is_formed = head.get(form - digits.len()..form) == Some(digits)
                && matches!(separator, Some(b' ' | b'\r' | b'\n'))
                && reason.iter().copied().all(is_value_byte);
            Some(StartLine { start: Start::Response { status }, version, is_formed })
        }
    }
}

/// Whether a version is one that RFC 9112 speaks of.
fn is_known(version: &[u8]) -> bool {
    version == b"1.1" || version == b"1.0"
}

/// The length of the first line without its line end.
fn line_length(head: &[u8]) -> usize {
    match memchr(b'\n', head) {
        Some(at) => match head.get(at.wrapping_sub(1)) {
            Some(b'\r') => at - 1,
            _ => at,
        },
        None => head.len(),
    }
}

/// Whether a byte may stand in a token (RFC 9110 section 5.6.2).
pub(super) const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// Whether a byte may stand in a field's value or a reason phrase.
const fn is_value_byte(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=0x7e | 0x80..)
}

/// How much of the line ends that end a head has been seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineEnd {
    /// None: inside a line.
    None,
    /// The LF of a line.
    Feed,
    /// The LF of a line, and a CR that may begin the blank line.
    FeedReturn,
}

/// Looks for the end of a head (CRLF CRLF, LF LF or a mix of them) in the bytes that follow those
/// which led to `line_end`: the position just past it, or how far it is seen now.
pub(super) fn find_end(mut line_end: LineEnd, bytes: &[u8]) -> (Option<usize>, LineEnd) {
    let mut rest = bytes;
    loop {
        if line_end == LineEnd::None {
            let Some(at) = memchr(b'\n', rest) else { return (None, LineEnd::None) };
            rest = rest.get(at + 1..).unwrap_or_default();
        }
        let Some((&first, after)) = rest.split_first() else {
            let seen = if line_end == LineEnd::None { LineEnd::Feed } else { line_end };
            return (None, seen);
        };
        match (line_end, first) {
            (_, b'\n') => return (Some(bytes.len() - after.len()), LineEnd::None),
            (LineEnd::None | LineEnd::Feed, b'\r') => {
                line_end = LineEnd::FeedReturn;
                rest = after;
            }
            _ => line_end = LineEnd::None,
        }
    }
}
