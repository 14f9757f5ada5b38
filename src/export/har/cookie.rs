//! Cookies as HAR lists them, out of the fields that carry them (RFC 6265 sections 4 and 5).

use super::super::json;
use super::{pair, separate};
use crate::http::lines;

/// Appends the cookies that a request sends, in their order.
pub(super) fn write_request(head: &[u8], out: &mut Vec<u8>) {
    let mut position = 0;
    for field in lines::fields(head) {
        if !field.name.eq_ignore_ascii_case(b"cookie") {
            continue;
        }
        for cookie in field.value.split(|&byte| byte == b';') {
            let (name, value) = name_and_value(cookie);
            if name.is_empty() && value.is_empty() {
                continue;
            }
            separate(position, out);
            position += 1;
            pair(out, name, value);
            out.push(b'}');
        }
    }
}

/// Appends the cookies that a response sets, in their order.
pub(super) fn write_response(head: &[u8], out: &mut Vec<u8>) {
    let fields = lines::fields(head).filter(|field| field.name.eq_ignore_ascii_case(b"set-cookie"));
    for (position, field) in fields.enumerate() {
        separate(position, out);
        let mut parts = field.value.split(|&byte| byte == b';');
        let (name, value) = name_and_value(parts.next().unwrap_or_default());
        pair(out, name, value);
        let mut seen: Vec<&[u8]> = Vec::new();
        for attribute in parts {
            let (name, value) = name_and_value(attribute);
            let Some(key) = key(name).filter(|key| !seen.contains(key)) else { continue };
            seen.push(key);
            write_attribute(key, value, out);
        }
        out.push(b'}');
    }
}

/// The attributes that HAR has a place for, by their names there.
fn key(name: &[u8]) -> Option<&'static [u8]> {
    const KEYS: [&[u8]; 5] = [b"path", b"domain", b"expires", b"httpOnly", b"secure"];
    KEYS.into_iter().find(|key| key.eq_ignore_ascii_case(name))
}

fn write_attribute(key: &[u8], value: &[u8], out: &mut Vec<u8>) {
    let expires = if key == b"expires" {
        match date(value) {
            Some(date) => Some(date),
            // A date that nobody can read is none: the header holds it as it was sent.
            None => return,
        }
    } else {
        None
    };
    out.extend_from_slice(b",\"");
    out.extend_from_slice(key);
    out.extend_from_slice(b"\":");
    match (key, expires) {
        (_, Some(date)) => json::string(out, date.as_bytes()),
        (b"httpOnly" | b"secure", None) => out.extend_from_slice(b"true"),
        _ => json::string(out, value),
    }
}

/// A cookie's date in RFC 3339: `Wed, 21 Oct 2026 07:28:00 GMT`, also with hyphens in it.
fn date(value: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(value).ok()?.replace('-', " ");
    let instant = jiff::fmt::rfc2822::DateTimeParser::new()
        .relaxed_weekday(true)
        .parse_timestamp(&text)
        .ok()?;
    Some(instant.to_string())
}

fn name_and_value(pair: &[u8]) -> (&[u8], &[u8]) {
    let equals = memchr::memchr(b'=', pair);
    let (name, value) = pair.split_at(equals.unwrap_or(pair.len()));
    (name.trim_ascii(), value.get(1..).unwrap_or_default().trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_listed_with_their_attributes() {
        let check = |write: fn(&[u8], &mut Vec<u8>), fields: &str, expected: &str| {
            let mut out = Vec::new();
            write(format!("x\r\n{fields}\r\n\r\n").as_bytes(), &mut out);
            assert_eq!(String::from_utf8(out).expect("UTF-8"), expected);
        };
        check(
            write_request,
            "Cookie: a=1; b=x=y;\r\ncookie: a=2; lone",
            concat!(
                r#"{"name":"a","value":"1"},{"name":"b","value":"x=y"},"#,
                r#"{"name":"a","value":"2"},{"name":"lone","value":""}"#
            ),
        );
        check(
            write_response,
            "Set-Cookie: a=1; Path=/; HttpOnly; expires=Wed, 21-Oct-2026 07:28:00 GMT; Path=/x",
            concat!(
                r#"{"name":"a","value":"1","path":"/","httpOnly":true,"#,
                r#""expires":"2026-10-21T07:28:00Z"}"#
            ),
        );
        check(
            write_response,
            "Set-Cookie: a=1; Expires=never; SECURE; SameSite=Lax; Domain=shop.test",
            r#"{"name":"a","value":"1","secure":true,"domain":"shop.test"}"#,
        );
    }
}
