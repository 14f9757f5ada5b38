//! The fast reading of a head as nearly all are: lines that end in CRLF, names without odd
//! bytes, no folds (RFC 9112 sections 3 to 5). Whatever is not so is left to the other readings.

#![expect(clippy::inline_always, reason = "the reading is compiled for each kind of processor")]

use crate::anomaly::Anomalies;
use crate::http::class::{self, Look, Looking};
use crate::http::event::{Side, Start};
use crate::http::head::{FAST_FIELDS, Reading};
use crate::http::length::{Fold, LengthFields};
use crate::limits::METHOD_TOKEN_BYTES_MAX;

/// Reads the whole head at the start of `bytes`; `None` where it is not whole or not plain. What
/// it gives is what the regular reading gives.
#[inline]
pub(super) fn read(side: Side, bytes: &[u8]) -> Option<Reading<'_>> {
    class::look(Plain { side, bytes })
}

/// A head to be read.
struct Plain<'h> {
    side: Side,
    bytes: &'h [u8],
}

impl<'h> Looking for Plain<'h> {
    type Found = Option<Reading<'h>>;

    #[inline(always)]
    fn look<L: Look>(self) -> Option<Reading<'h>> {
        read_with::<L>(self.side, self.bytes)
    }
}

#[inline(always)]
fn read_with<L: Look>(side: Side, bytes: &[u8]) -> Option<Reading<'_>> {
    let (start, minor_version, mut rest) = match side {
        Side::Request => request_line::<L>(bytes)?,
        Side::Response => status_line::<L>(bytes)?,
    };
    let mut host = None;
    let mut lengths = LengthFields::default();
    for _ in 0..=FAST_FIELDS {
        if let [b'\r', b'\n', after @ ..] = rest {
            if minor_version == b'0' {
                lengths.http_1_0();
            }
            let bytes = bytes.split_at(bytes.len() - after.len()).0;
            return Some(Reading { bytes, start, host, lengths, anomalies: Anomalies::NONE });
        }
        let (name, value, next) = field::<L>(rest)?;
        match name.len() {
            4 if host.is_none() && name.eq_ignore_ascii_case(b"host") => {
                host = Some(value.trim_ascii());
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                lengths.content_length(value.trim_ascii());
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                lengths.transfer_encoding(value.trim_ascii(), Fold::Straight);
            }
            _ => {}
        }
        rest = next;
    }
    None
}

/// The name and the value of the field at the start of `bytes`, and what follows its line.
#[inline(always)]
fn field<L: Look>(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let padded;
    let chunk = if let Some(chunk) = bytes.first_chunk() {
        chunk
    } else {
        padded = class::padded(bytes);
        &padded
    };
    // A name that fills the chunk goes on behind it; the value behind a colon is looked for in
    // the same chunk first.
    let name_len = L::names(chunk).trailing_zeros();
    let value_ends = L::values(chunk).checked_shr(name_len + 1).unwrap_or(0);
    let (name, rest) = match name_len {
        0 => return None,
        32 => bytes.split_at(class::name_len::<L>(bytes)),
        len => bytes.split_at_checked(len as usize)?,
    };
    let [b':', rest @ ..] = rest else { return None };
    let value_len = match value_ends {
        0 => class::value_len::<L>(rest),
        ends => ends.trailing_zeros() as usize,
    };
    let (value, rest) = rest.split_at_checked(value_len)?;
    let [b'\r', b'\n', next @ ..] = rest else { return None };
    Some((name, value, next))
}

/// The start, the minor version's digit, and what follows the line.
type StartLine<'h> = (Start<'h>, u8, &'h [u8]);

#[inline(always)]
fn request_line<L: Look>(bytes: &[u8]) -> Option<StartLine<'_>> {
    let (method, rest) = bytes.split_at(class::name_len::<L>(bytes));
    let [b' ', rest @ ..] = rest else { return None };
    let (target, rest) = rest.split_at(class::target_len::<L>(rest));
    let [
        b' ',
        b'H',
        b'T',
        b'T',
        b'P',
        b'/',
        b'1',
        b'.',
        minor @ (b'0' | b'1'),
        b'\r',
        b'\n',
        rest @ ..,
    ] = rest
    else {
        return None;
    };
    let is_plain = !method.is_empty() && !target.is_empty();
    let start = Start::Request { method, target };
    (is_plain && method.len() <= METHOD_TOKEN_BYTES_MAX).then_some((start, *minor, rest))
}

#[inline(always)]
fn status_line<L: Look>(bytes: &[u8]) -> Option<StartLine<'_>> {
    let [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ (b'0' | b'1'), b' ', rest @ ..] = bytes
    else {
        return None;
    };
    let [hundreds @ b'1'..=b'9', tens @ b'0'..=b'9', ones @ b'0'..=b'9', rest @ ..] = rest else {
        return None;
    };
    let digits = [hundreds, tens, ones].map(|digit| u16::from(digit - b'0'));
    let status = digits.into_iter().fold(0, |number, digit| number * 10 + digit);
    let rest = match rest {
        [b' ', rest @ ..] => rest.split_at(class::value_len::<L>(rest)).1,
        rest => rest,
    };
    let [b'\r', b'\n', rest @ ..] = rest else { return None };
    Some((Start::Response { status }, *minor, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]
        #[test]
        fn what_is_plain_reads_as_the_regular_reading_has_it((side, bytes) in heads()) {
            if let Some(reading) = read(side, &bytes) {
                let Ok(Found::Whole(regular)) = read_regular(side, &bytes) else {
                    return Err(TestCaseError::fail(format!("only plain: {bytes:?}")));
                };
                prop_assert_eq!(format!("{reading:?}"), format!("{regular:?}"));
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
    }
}
