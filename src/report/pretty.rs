//! Bodies laid out for reading: JSON indented as it was sent, text by lines, the rest in short.

use std::fmt::Write;

use crate::report::escape::{escaped, escaped_lines};
use crate::report::units;

/// Bytes of a binary body that are shown.
const BINARY_SHOWN: usize = 16;

/// A body as text of one or more lines, each ended by a line feed, and everything escaped.
#[must_use]
pub(crate) fn body(bytes: &[u8]) -> String {
    // A body that was cut may end inside a character: only its end is forgiven.
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(bytes.get(..error.valid_up_to()).unwrap_or_default()).ok()
        }
        Err(_) => None,
    };
    match text {
        Some(text) if !looks_binary(text) => {
            let laid_out = json(text);
            let shown = laid_out.as_deref().unwrap_or(text);
            let mut out = escaped_lines(shown.as_bytes()).to_string();
            if !out.ends_with('\n') {
                out.push('\n');
            }
            out
        }
        _ => binary(bytes),
    }
}

/// Whether text holds control characters that no text file has.
fn looks_binary(text: &str) -> bool {
    text.bytes().any(|byte| byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b))
}

fn binary(bytes: &[u8]) -> String {
    let mut out = format!("binary, {}:", units::size(bytes.len() as u64));
    let shown = bytes.get(..BINARY_SHOWN).unwrap_or(bytes);
    for byte in shown {
        let _ = write!(out, " {byte:02x}");
    }
    if shown.len() < bytes.len() {
        out.push_str(" …");
    }
    let printable: Vec<u8> =
        shown.iter().map(|&byte| if byte.is_ascii_graphic() { byte } else { b'.' }).collect();
    let _ = writeln!(out, "  {}", escaped(&printable));
    out
}

/// JSON indented by two blanks, with its members in the order and its numbers in the digits that
/// were sent; `None` where the text is no JSON object or array.
#[must_use]
pub(crate) fn json(text: &str) -> Option<String> {
    let text = text.trim();
    if !text.starts_with(['{', '[']) {
        return None;
    }
    // The library checks, and bounds the depth; the text itself is what is laid out, since a
    // value read and written again could lose digits, order and repeated names.
    serde_json::from_str::<serde_json::Value>(text).ok()?;
    let mut out = String::with_capacity(text.len() * 2);
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut after_backslash = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if in_string {
            out.push(character);
            in_string = after_backslash || character != '"';
            after_backslash = character == '\\' && !after_backslash;
            continue;
        }
        match character {
            '"' => {
                in_string = true;
                out.push(character);
            }
            '{' | '[' => {
                out.push(character);
                while characters.next_if(char::is_ascii_whitespace).is_some() {}
                if let Some(close) = characters.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(close);
                } else {
                    depth += 1;
                    new_line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(character);
            }
            ',' => {
                out.push(character);
                new_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            _ if character.is_ascii_whitespace() => {}
            _ => out.push(character),
        }
    }
    out.push('\n');
    Some(out)
}

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    (0..depth).for_each(|_| out.push_str("  "));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn json_keeps_order_digits_and_repeated_names() {
        let check = |text: &str, expected: &str| assert_eq!(json(text).as_deref(), Some(expected));
        check(
            r#" {"b":1.10,"a":[1e3,{ }, [ ]],"b":"x: {\"y\"},\\"} "#,
            "{\n  \"b\": 1.10,\n  \"a\": [\n    1e3,\n    {},\n    []\n  ],\n  \"b\": \"x: {\\\"y\\\"},\\\\\"\n}\n",
        );
        check("[]", "[]\n");
        for text in ["", "7", "\"x\"", "{", "{]", "[1,]"] {
            assert_eq!(json(text), None, "{text}");
        }
        assert_eq!(json(&"[".repeat(100_000)), None);
    }

    #[test]
    fn other_bodies_are_text_or_binary() {
        assert_eq!(body(b"a\r\nb\x1b[2J"), "a\nb\\x1b[2J\n");
        assert_eq!(body("größ".as_bytes()), "größ\n");
        assert_eq!(body(&"größe".as_bytes()[..3]), "gr\n");
        assert_eq!(
            body(b"\x89PNG\r\n\x1a\n0123456789"),
            "binary, 18 B: 89 50 4e 47 0d 0a 1a 0a 30 31 32 33 34 35 36 37 …  .PNG....01234567\n"
        );
        assert_eq!(body(b"\0"), "binary, 1 B: 00  .\n");
    }

    proptest! {
        #[test]
        fn laid_out_json_means_the_same(value in any_json()) {
            let text = value.to_string();
            if let Some(laid_out) = json(&text) {
                let read: serde_json::Value = serde_json::from_str(&laid_out).expect("JSON");
                prop_assert_eq!(read, value);
            }
        }

        #[test]
        fn any_body_is_shown_without_controls(bytes: Vec<u8>) {
            let shown = body(&bytes);
            prop_assert!(shown.chars().all(|c| c == '\n' || c == '\t' || !c.is_control()));
        }
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            any::<i64>().prop_map(serde_json::Value::from),
            any::<bool>().prop_map(serde_json::Value::from),
            "\\PC{0,8}".prop_map(serde_json::Value::from),
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
                prop::collection::vec(("\\PC{0,4}", inner), 0..4)
                    .prop_map(|pairs| pairs.into_iter().collect::<serde_json::Map<_, _>>().into()),
            ]
        })
    }
}
