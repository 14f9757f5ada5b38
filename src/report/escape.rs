//! Captured bytes made fit for a terminal: nothing that a stranger chose is an order to it.

use std::fmt::{self, Write};

/// `bytes` as one line of text.
///
/// Control characters (the C1 ones too), line and paragraph separators, and every character that
/// turns the direction of text, joins or hides it, are shown by their number: `\n`, `\x1b`,
/// `\u{202e}`. Bytes that are not UTF-8 are shown as `\xf6`. A backslash that was sent stands as
/// it is, for the sake of reading: the exact bytes are in the JSON of the exchange.
#[must_use]
pub const fn escaped(bytes: &[u8]) -> Escaped<'_> {
    Escaped { bytes, lines: Lines::One }
}

/// The same as text of several lines: line feeds and tabs stay, and a carriage return before a
/// line feed is left out.
#[must_use]
pub const fn escaped_lines(bytes: &[u8]) -> Escaped<'_> {
    Escaped { bytes, lines: Lines::Kept }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lines {
    One,
    Kept,
}

/// Bytes that display escaped; made by [`escaped`].
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a> {
    bytes: &'a [u8],
    lines: Lines,
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Most text is plain, and goes as it is.
        if self.bytes.iter().all(|byte| matches!(byte, b' '..=b'~'))
            && let Ok(text) = std::str::from_utf8(self.bytes)
        {
            return f.pad(text);
        }
        // Padding needs the whole text; without it nothing is copied.
        if f.width().is_some() || f.precision().is_some() {
            let mut text = String::new();
            self.write(&mut text)?;
            return f.pad(&text);
        }
        self.write(f)
    }
}

impl Escaped<'_> {
    fn write(&self, out: &mut dyn Write) -> fmt::Result {
        for chunk in self.bytes.utf8_chunks() {
            let mut characters = chunk.valid().chars().peekable();
            while let Some(character) = characters.next() {
                match (self.lines, character) {
                    (Lines::Kept, '\n' | '\t') => out.write_char(character)?,
                    (Lines::Kept, '\r') if characters.peek() == Some(&'\n') => {}
                    (_, '\n') => out.write_str("\\n")?,
                    (_, '\r') => out.write_str("\\r")?,
                    (_, '\t') => out.write_str("\\t")?,
                    (_, '\0'..='\x1f' | '\x7f') => write!(out, "\\x{:02x}", u32::from(character))?,
                    _ if is_unsafe(character) => write!(out, "\\u{{{:x}}}", u32::from(character))?,
                    _ => out.write_char(character)?,
                }
            }
            for byte in chunk.invalid() {
                write!(out, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// Whether a character above U+007F acts on the text around it instead of standing for itself.
const fn is_unsafe(character: char) -> bool {
    matches!(
        character,
        '\u{80}'..='\u{9f}'
            | '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// At most `room` characters of `text`, the last one an ellipsis where it was cut.
#[must_use]
pub fn cut(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(room.saturating_sub(1)).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_could_act_is_shown_by_its_number() {
        let check = |bytes: &[u8], expected: &str| {
            assert_eq!(escaped(bytes).to_string(), expected);
        };
        check(b"plain \\ text", "plain \\ text");
        check(b"a\x1b[2J\x07\r\n\t\0", r"a\x1b[2J\x07\r\n\t\x00");
        check("größe\u{202e}abc\u{2066}".as_bytes(), r"größe\u{202e}abc\u{2066}");
        check("\u{85}\u{9b}31m\u{200b}\u{feff}".as_bytes(), r"\u{85}\u{9b}31m\u{200b}\u{feff}");
        check(b"gr\xf6\xdfe \xe2\x82", r"gr\xf6\xdfe \xe2\x82");
        assert_eq!(escaped_lines(b"a\r\nb\tc\rd\x1b").to_string(), "a\nb\tc\\rd\\x1b");
        assert_eq!(format!("{:>5}|", escaped(b"\n")), "   \\n|");
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("abcd", 4), "abcd");
    }

    proptest! {
        #[test]
        fn no_control_ever_comes_out(
            bytes: Vec<u8>,
            text in "\\PC{0,20}",
            odd in prop::collection::vec(any::<char>(), 0..20),
        ) {
            let odd: String = odd.into_iter().collect();
            for input in [&bytes[..], text.as_bytes(), odd.as_bytes()] {
                let line = escaped(input).to_string();
                prop_assert!(!line.chars().any(|c| c.is_control() || is_unsafe(c)));
                let lines = escaped_lines(input).to_string();
                let quiet = |c: char| c == '\n' || c == '\t' || !(c.is_control() || is_unsafe(c));
                prop_assert!(lines.chars().all(quiet));
            }
        }
    }
}
