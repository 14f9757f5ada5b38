//! The fast reading of a head as nearly all are: lines that end in CRLF, names without odd
//! bytes, no folds (RFC 9112 sections 3 to 5). Whatever is not so is left to the other readings.

#![expect(clippy::inline_always, reason = "the reading is compiled for each kind of processor")]

use crate::anomaly::Anomalies;
use crate::http::class::{self, Chunk, Look, Looking};
use crate::http::event::{Side, Start};
use crate::http::head::{FAST_FIELDS, Reading};
use crate::http::length::{Fold, LengthFields};
use crate::http::rest::Rest;
use crate::limits::METHOD_TOKEN_BYTES_MAX;

/// Reads the whole head at the start of `bytes`; `None` where it is not whole or not plain. What
/// it gives is what the regular reading gives.
#[inline(always)]
pub(super) fn read(side: Side, bytes: &[u8]) -> Option<Reading<'_>> {
    let mut parts = Parts::UNKNOWN;
    if !class::look(Plain { side, bytes, parts: &mut parts }) {
        return None;
    }
    parts.reading(bytes)
}

/// A head to be read.
struct Plain<'p, 'h> {
    side: Side,
    bytes: &'h [u8],
    parts: &'p mut Parts<'h>,
}

/// The parts of a head that matter here. The search writes each where it stands when it is found, so
/// that it has little to carry from line to line.
struct Parts<'h> {
    start: Start<'h>,
    is_http_1_0: bool,
    /// The values of the fields, as they stand behind the colon.
    host: Option<&'h [u8]>,
    length: Option<&'h [u8]>,
    coding: Option<&'h [u8]>,
    /// How long the head is.
    len: usize,
}

impl Looking for Plain<'_, '_> {
    /// Whether the head is whole and plain.
    type Found = bool;

    #[inline(always)]
    fn look<L: Look>(self) -> bool {
        self.find::<L>().is_some()
    }
}

impl Plain<'_, '_> {
    #[inline(always)]
    fn find<L: Look>(self) -> Option<()> {
        let Self { side, bytes, parts } = self;
        let mut room = [0; size_of::<Chunk>()];
        let head = Rest::of(bytes, &mut room);
        let mut rest = match side {
            Side::Request => request_line::<L>(head, parts)?,
            Side::Response => status_line::<L>(head, parts)?,
        };
        for _ in 0..FAST_FIELDS {
            let Some((name_len, line, next)) = field::<L>(rest) else { break };
            if matches!(name_len, 0 | 4 | 14 | 17) {
                parts.note(name_len, line)?;
            }
            rest = next;
        }
        let body = rest.behind_of(b"\r\n")?;
        parts.len = bytes.len() - body.bytes.len();
        Some(())
    }
}

impl<'h> Parts<'h> {
    const UNKNOWN: Self = Self {
        start: Start::Response { status: 0 },
        is_http_1_0: false,
        host: None,
        length: None,
        coding: None,
        len: 0,
    };

    /// Takes in the line of a field with a name of that length, which only fields that matter and
    /// few others have; `None` where a head should not have it.
    #[inline(always)]
    fn note(&mut self, name_len: usize, line: &'h [u8]) -> Option<()> {
        let (name, [_, value @ ..]) = line.split_at_checked(name_len)? else { return None };
        let place = match name_len {
            0 => return None,
            4 if is_named(name, b"host") && self.host.is_none() => &mut self.host,
            14 if is_named(name, b"content-length") => &mut self.length,
            17 if is_named(name, b"transfer-encoding") => &mut self.coding,
            _ => return Some(()),
        };
        place.replace(value).is_none().then_some(())
    }

    /// What the parts of the head that `bytes` begin with say.
    #[inline(always)]
    fn reading(self, bytes: &'h [u8]) -> Option<Reading<'h>> {
        let mut lengths = LengthFields::default();
        if let Some(value) = self.length {
            lengths.content_length(trimmed(value));
        }
        if let Some(value) = self.coding {
            // A copy, so that the address of the fields is taken for this alone.
            let mut with_coding = lengths;
            with_coding.transfer_encoding(trimmed(value), Fold::Straight);
            lengths = with_coding;
        }
        if self.is_http_1_0 {
            lengths.http_1_0();
        }
        Some(Reading {
            bytes: bytes.get(..self.len)?,
            start: self.start,
            host: self.host.map(trimmed),
            lengths,
            anomalies: Anomalies::NONE,
        })
    }
}

/// The field whose line is first: how long its name is, its line without CRLF, and what follows.
#[inline(always)]
fn field<'h, 'l, L: Look>(rest: Rest<'h, 'l>) -> Option<(usize, &'h [u8], Rest<'h, 'l>)> {
    let (name_ends, value_ends) = rest.field_ends::<L>();
    // What ends a value ends a name as well.
    let (name_len, end) = match value_ends {
        0 => long_field::<L>(rest, name_ends)?,
        ends => (name_ends.trailing_zeros() as usize, ends.trailing_zeros() as usize),
    };
    if rest.bytes.get(name_len) != Some(&b':') {
        return None;
    }
    let (line, rest) = rest.split(end)?;
    Some((name_len, line, rest.behind_of(b"\r\n")?))
}

/// How long the name and the line are that are first and fill a chunk, in which the name ends so.
#[inline(always)]
fn long_field<L: Look>(rest: Rest<'_, '_>, name_ends: u32) -> Option<(usize, usize)> {
    let seen = size_of::<Chunk>();
    let name_len = match name_ends {
        0 => seen + rest.behind(seen)?.name_len::<L>(),
        ends => ends.trailing_zeros() as usize,
    };
    let seen = seen.max(name_len);
    Some((name_len, seen + rest.behind(seen)?.value_len::<L>()))
}

/// Whether a name is `expected`, which is in lower case, in any case. Of the bytes in names only
/// letters differ by the bit of lower case alone.
#[inline(always)]
fn is_named<const N: usize>(name: &[u8], expected: &[u8; N]) -> bool {
    name.first_chunk::<N>().is_some_and(|name| {
        name.iter().zip(expected).fold(0, |odd, (byte, other)| odd | (byte | 0x20) ^ other) == 0
    })
}

/// A value without the blanks around it: nearly all have one before them, and no other.
#[inline(always)]
fn trimmed(value: &[u8]) -> &[u8] {
    match value {
        [b' ', text @ ..] if matches!(text, [first, .., last] if *first > b' ' && *last > b' ') => {
            text
        }
        _ => value.trim_ascii(),
    }
}

/// Finds the parts of the request line, and gives what follows it.
#[inline(always)]
fn request_line<'h, 'l, L: Look>(
    head: Rest<'h, 'l>,
    parts: &mut Parts<'h>,
) -> Option<Rest<'h, 'l>> {
    let (method, rest) = head.split(head.name_len::<L>())?;
    let rest = rest.behind_of(b" ")?;
    let (target, rest) = rest.split(rest.target_len::<L>())?;
    let is_plain = !method.is_empty() && !target.is_empty();
    if !is_plain || method.len() > METHOD_TOKEN_BYTES_MAX {
        return None;
    }
    parts.start = Start::Request { method, target };
    let behind_1_1 = rest.behind_of(b" HTTP/1.1\r\n");
    parts.is_http_1_0 = behind_1_1.is_none();
    behind_1_1.or_else(|| rest.behind_of(b" HTTP/1.0\r\n"))
}

/// Finds the parts of the status line, and gives what follows it.
#[inline(always)]
fn status_line<'h, 'l, L: Look>(head: Rest<'h, 'l>, parts: &mut Parts<'h>) -> Option<Rest<'h, 'l>> {
    let behind_1_1 = head.behind_of(b"HTTP/1.1 ");
    parts.is_http_1_0 = behind_1_1.is_none();
    let rest = behind_1_1.or_else(|| head.behind_of(b"HTTP/1.0 "))?;
    let (&[hundreds @ b'1'..=b'9', tens @ b'0'..=b'9', ones @ b'0'..=b'9'], rest) =
        rest.split_chunk()?
    else {
        return None;
    };
    let digits = [hundreds, tens, ones].map(|digit| u16::from(digit - b'0'));
    let status = digits.into_iter().fold(0, |number, digit| number * 10 + digit);
    parts.start = Start::Response { status };
    match rest.behind_of(b" ") {
        Some(reason) => reason.behind(reason.value_len::<L>())?.behind_of(b"\r\n"),
        None => rest.behind_of(b"\r\n"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::http::class::Narrow;
    use crate::http::head::{Found, read_regular};

    /// Heads that are plain but for what the bytes put in at some places make of them.
    fn heads() -> impl Strategy<Value = (Side, Vec<u8>)> {
        let start = prop_oneof![
            "(GET|POST|OPTIONS|M-SEARCH|frob) (/[a-z0-9/?=&%]{0,20}|\\*|http://a/) HTTP/1\\.[012]"
                .prop_map(|line| (Side::Request, line)),
            "HTTP/1\\.[012] [0-9]{2,4}( [A-Za-z ]{0,12})?".prop_map(|line| (Side::Response, line)),
        ];
        let field = prop_oneof![
            "[A-Za-z-]{1,20}:[ \t]{0,2}[ -~]{0,40}",
            "(Host|host|hOST): ?[a-z.]{0,10} {0,2}",
            "(Content-Length|content-length): ?[0-9]{0,3}(, [0-9])?",
            "Transfer-Encoding: (chunked|gzip, chunked|identity)",
        ];
        let fields = proptest::collection::vec(field, 0..8);
        let odd = proptest::collection::vec((any::<usize>(), any::<u8>()), 0..2);
        (start, fields, odd, 0_usize..20).prop_map(|((side, start), fields, odd, body)| {
            let mut head = start.into_bytes();
            for field in fields {
                head.extend_from_slice(b"\r\n");
                head.extend_from_slice(field.as_bytes());
            }
            head.extend_from_slice(b"\r\n\r\n");
            head.resize(head.len() + body, b'x');
            for (at, byte) in odd {
                let at = at % head.len();
                head[at] = byte;
            }
            (side, head)
        })
    }

    /// The reading with the look that every processor has.
    fn read_narrowly(side: Side, bytes: &[u8]) -> Option<Reading<'_>> {
        let mut parts = Parts::UNKNOWN;
        let is_plain = Plain { side, bytes, parts: &mut parts }.look::<Narrow>();
        is_plain.then(|| parts.reading(bytes)).flatten()
    }

    /// The regular reading of a whole head.
    fn read_regularly(side: Side, bytes: &[u8]) -> Option<Reading<'_>> {
        match read_regular(side, bytes) {
            Ok(Found::Whole(reading)) => Some(reading),
            _ => None,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]
        #[test]
        fn what_is_plain_reads_as_the_regular_reading_has_it((side, bytes) in heads()) {
            let plain = read(side, &bytes).map(|reading| format!("{reading:?}"));
            let narrow = read_narrowly(side, &bytes).map(|reading| format!("{reading:?}"));
            prop_assert_eq!(&narrow, &plain);
            if plain.is_some() {
                let regular = read_regularly(side, &bytes).map(|reading| format!("{reading:?}"));
                prop_assert_eq!(plain, regular);
            }
        }
    }

    #[test]
    fn lines_may_end_anywhere_in_the_chunks_that_are_looked_at() {
        let check = |side: Side, head: &str| {
            let plain = read(side, head.as_bytes()).map(|reading| format!("{reading:?}"));
            let narrow = read_narrowly(side, head.as_bytes()).map(|it| format!("{it:?}"));
            let regular = read_regularly(side, head.as_bytes()).map(|it| format!("{it:?}"));
            assert!(plain.is_some() && plain == regular && narrow == regular, "{head:?}");
        };
        let names = [1, 4, 14, 17].into_iter().chain(27..37).chain(60..68);
        for (name, value) in names.flat_map(|name| (0..70).map(move |value| (name, value))) {
            let (name, value) = ("n".repeat(name), "v".repeat(value));
            for body in [0, 1, 5, 40] {
                let rest = format!("{name}:{value}\r\n\r\n{}", "b".repeat(body));
                check(
                    Side::Response,
                    &format!("HTTP/1.1 200 {value}\r\nContent-Length: 7\r\n{rest}"),
                );
                check(Side::Request, &format!("GET /{value} HTTP/1.1\r\nHost: a.test\r\n{rest}"));
            }
        }
    }

    #[test]
    fn heads_as_clients_and_servers_send_them_are_plain() {
        let check = |side, head: &str| assert!(read(side, head.as_bytes()).is_some(), "{head:?}");
        check(Side::Request, "GET /a?b=c HTTP/1.1\r\nHost: shop.test\r\nAccept: */*\r\n\r\n");
        check(Side::Request, "GET / HTTP/1.0\r\n\r\nbody");
        check(Side::Response, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX: \r\n\r\nabc");
        check(Side::Response, "HTTP/1.1 204\r\nServer:\tx\r\n\r\n");
        let other = |side, head: &str| assert!(read(side, head.as_bytes()).is_none(), "{head:?}");
        other(Side::Request, "GET / HTTP/1.1\r\nHost: a\r\n");
        other(Side::Request, "GET / HTTP/1.1\nHost: a\n\n");
        other(Side::Request, "GET / HTTP/1.1\r\nHost : a\r\n\r\n");
        other(Side::Request, "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n");
        other(Side::Response, "HTTP/1.1 099 No\r\n\r\n");
        other(Side::Response, "HTTP/1.1 200 OK\r\n: x\r\n\r\n");
        let fields = |count| format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(count));
        check(Side::Response, &fields(FAST_FIELDS));
        other(Side::Response, &fields(FAST_FIELDS + 1));
    }
}
