//! The fast reading of a head as nearly all are: lines that end in CRLF, names without odd
//! bytes, no folds (RFC 9112 sections 3 to 5). Whatever is not so is left to the other readings.

use crate::anomaly::Anomalies;
use crate::http::class;
use crate::http::event::{Side, Start};
use crate::http::head::{FAST_FIELDS, Reading};
use crate::http::length::{Fold, LengthFields};
use crate::limits::METHOD_TOKEN_BYTES_MAX;

/// Reads the whole head at the start of `bytes`; `None` where it is not whole or not plain. What
/// it gives is what the regular reading gives.
#[inline]
pub(super) fn read(side: Side, bytes: &[u8]) -> Option<Reading<'_>> {
    let (start, minor_version, mut rest) = match side {
        Side::Request => request_line(bytes)?,
        Side::Response => status_line(bytes)?,
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
        let (name, after) = rest.split_at(class::name_len(rest));
        let [b':', after @ ..] = after else { return None };
        let (value, after) = after.split_at(class::value_len(after));
        let [b'\r', b'\n', next @ ..] = after else { return None };
        match name.len() {
            0 => return None,
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

/// The start, the minor version's digit, and what follows the line.
type StartLine<'h> = (Start<'h>, u8, &'h [u8]);

#[inline]
fn request_line(bytes: &[u8]) -> Option<StartLine<'_>> {
    let (method, rest) = bytes.split_at(class::name_len(bytes));
    let [b' ', rest @ ..] = rest else { return None };
    let (target, rest) = rest.split_at(class::target_len(rest));
    let [b' ', b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ (b'0' | b'1'), b'\r', b'\n', rest @ ..] =
        rest
    else {
        return None;
    };
    let is_plain = !method.is_empty() && !target.is_empty();
    let start = Start::Request { method, target };
    (is_plain && method.len() <= METHOD_TOKEN_BYTES_MAX).then_some((start, *minor, rest))
}

#[inline]
fn status_line(bytes: &[u8]) -> Option<StartLine<'_>> {
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
        [b' ', rest @ ..] => rest.split_at(class::value_len(rest)).1,
        rest => rest,
    };
    let [b'\r', b'\n', rest @ ..] = rest else { return None };
    Some((Start::Response { status }, *minor, rest))
}
