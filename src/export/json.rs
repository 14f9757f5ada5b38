//! JSON by hand: strings of any bytes, numbers and instants, appended to a buffer (RFC 8259).

use std::fmt::{self, Write};

use crate::exchange::ExchangeId;
use crate::packet::Endpoint;
use crate::time::Timestamp;

/// Appends a string of bytes that a stranger chose, quoted.
///
/// Valid UTF-8 stays as it is, except for control characters (also U+007F to U+009F) and the
/// controls of bidirectional text, which are escaped so that a terminal takes no order from
/// them. Where the bytes are not UTF-8, every byte above 127 is escaped as the character of that
/// number (Latin-1), so that nothing is lost.
pub fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    inside(out, bytes);
    out.push(b'"');
}

/// Appends one string of two parts with a blank between them, each escaped as by [`string`].
pub fn string_of_two(out: &mut Vec<u8>, first: &[u8], second: &[u8]) {
    out.push(b'"');
    inside(out, first);
    out.push(b' ');
    inside(out, second);
    out.push(b'"');
}

/// Appends the inside of a string.
fn inside(out: &mut Vec<u8>, bytes: &[u8]) {
    // Without an early end the compiler looks at many bytes at once.
    if bytes.iter().fold(true, |plain, &byte| plain & is_plain(byte)) {
        out.extend_from_slice(bytes);
        return;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => text.chars().for_each(|character| escaped_char(out, character)),
        Err(_) => bytes.iter().for_each(|&byte| match byte {
            0x80.. => unicode_escape(out, u32::from(byte)),
            _ => escaped_char(out, char::from(byte)),
        }),
    }
}

/// Whether a byte stands for itself in a JSON string, whatever surrounds it.
const fn is_plain(byte: u8) -> bool {
    matches!(byte, b' ' | b'!' | b'#'..=b'[' | b']'..=b'~')
}

fn escaped_char(out: &mut Vec<u8>, character: char) {
    match character {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        '\0'..='\x1f' | '\x7f'..='\u{9f}' => unicode_escape(out, u32::from(character)),
        // Line and paragraph separators, and what turns the direction of the text around.
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            unicode_escape(out, u32::from(character));
        }
        _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

/// Appends `\u00e9`; only for characters below U+10000.
fn unicode_escape(out: &mut Vec<u8>, code: u32) {
    out.extend_from_slice(b"\\u");
    for shift in [12, 8, 4, 0] {
        let digit = char::from_digit(code >> shift & 15, 16).unwrap_or('0');
        out.push(u8::try_from(digit).unwrap_or(b'0'));
    }
}

/// Appends a whole number.
pub fn number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0_u8; 20];
    let mut used = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
        used += 1;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(digits.len() - used..).unwrap_or_default());
}

/// Appends a whole number, or `null`.
pub fn optional_number(out: &mut Vec<u8>, value: Option<u64>) {
    match value {
        Some(value) => number(out, value),
        None => out.extend_from_slice(b"null"),
    }
}

/// Appends the identity of an exchange, quoted.
pub fn id(out: &mut Vec<u8>, id: ExchangeId) {
    display(out, &id);
}

/// Appends an instant in RFC 3339, quoted.
pub fn timestamp(out: &mut Vec<u8>, at: Timestamp) {
    display(out, &at);
}

/// Appends `"10.0.0.1:51324"` or `"[2001:db8::2]:80"`.
pub fn endpoint(out: &mut Vec<u8>, endpoint: Endpoint) {
    let (high, low) = endpoint.words();
    // The common case by hand: formatting through the standard library takes four times as long.
    if high == 0 && low >> 32 == 0xffff {
        out.push(b'"');
        for shift in [24, 16, 8, 0] {
            number(out, low >> shift & 0xff);
            out.push(if shift == 0 { b':' } else { b'.' });
        }
        number(out, u64::from(endpoint.port()));
        out.push(b'"');
    } else {
        display(out, &endpoint);
    }
}

/// Appends what displays as plain characters, quoted.
fn display(out: &mut Vec<u8>, value: &dyn fmt::Display) {
    out.push(b'"');
    // Writing to a vector cannot fail.
    let _ = write!(Plain(out), "{value}");
    out.push(b'"');
}

/// A buffer that takes formatted text; twice as fast as `io::Write`.
struct Plain<'a>(&'a mut Vec<u8>);

impl Write for Plain<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn write_char(&mut self, character: char) -> fmt::Result {
        self.0.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_keep_every_byte() {
        let check = |bytes: &[u8], expected: &str| {
            let mut out = Vec::new();
            string(&mut out, bytes);
            assert_eq!(String::from_utf8(out).expect("JSON is UTF-8"), expected);
        };
        check(b"", "\"\"");
        check(b"a \"b\" \\", r#""a \"b\" \\""#);
        check(b"\x00\x08\n\r\t\x1b[2J\x7f", "\"\\u0000\\u0008\\n\\r\\t\\u001b[2J\\u007f\"");
        check("größe €".as_bytes(), "\"größe €\"");
        check(b"gr\xf6\xdfe", "\"gr\\u00f6\\u00dfe\"");
        check(b"\xc3\xb6 and \xf6", "\"\\u00c3\\u00b6 and \\u00f6\"");
        check("\u{85}\u{202e}\u{2066}x\u{2028}".as_bytes(), r#""\u0085\u202e\u2066x\u2028""#);
    }

    #[test]
    fn numbers_and_endpoints_read_as_displayed() {
        for value in [0, 7, 10, 99, 100, 12_345, u64::MAX] {
            let mut out = Vec::new();
            number(&mut out, value);
            assert_eq!(out, value.to_string().as_bytes());
        }
        let mut v6 = [0; 16];
        v6[15] = 1;
        for at in [Endpoint::v4([10, 0, 0, 200], 80), Endpoint::v6(v6, 65535)] {
            let mut out = Vec::new();
            endpoint(&mut out, at);
            assert_eq!(out, format!("\"{at}\"").as_bytes());
        }
    }
}
