//! Names that say a value is secret, and where query parameters and the keys of JSON text have such
//! a name, looked for thirty-two bytes at a time (RFC 8259 section 4).

#![expect(clippy::inline_always, reason = "what looks is compiled for each kind of processor")]

use crate::http::class::{self, Chunk, Look, Looking, Pairs};

/// Longest name of a secret, in bytes.
const NAME_BYTES_MAX: usize = 20;

/// Whether a query parameter, form field or JSON key of this name holds a secret.
pub(super) fn is_secret_name(name: &[u8]) -> bool {
    // By length first: most names end here, and each is asked of every request.
    names(name.len()).iter().any(|secret| name.eq_ignore_ascii_case(secret))
}

/// The names of secrets that are so long.
const fn names(len: usize) -> &'static [&'static [u8]] {
    match len {
        3 => &[b"key", b"pwd", b"sig", b"sid", b"jwt"],
        4 => &[b"auth"],
        5 => &[b"token"],
        6 => &[b"secret", b"apikey", b"passwd"],
        7 => &[b"api_key", b"api-key", b"session"],
        8 => &[b"password", b"id_token"],
        9 => &[b"signature", b"sessionid"],
        10 => &[b"auth_token", b"passphrase", b"session_id"],
        11 => &[b"card_number"],
        12 => &[b"access_token"],
        13 => &[b"client_secret", b"refresh_token", b"authorization"],
        14 => &[b"awsaccesskeyid"],
        15 => &[b"x-amz-signature"],
        16 => &[b"x-amz-credential", b"x-goog-signature"],
        20 => &[b"x-amz-security-token"],
        _ => &[],
    }
}

/// Of each length, with which letters the names of secrets end: a bit each, as [`letter`] gives
/// it.
static LAST_LETTERS: [u32; NAME_BYTES_MAX + 1] = last_letters();

const fn last_letters() -> [u32; NAME_BYTES_MAX + 1] {
    let mut table = [0; NAME_BYTES_MAX + 1];
    let mut places: &mut [u32] = &mut table;
    let mut len = 0;
    while let Some((place, rest)) = places.split_first_mut() {
        let mut secrets = names(len);
        while let [[.., last], more @ ..] = secrets {
            *place |= letter(*last);
            secrets = more;
        }
        places = rest;
        len += 1;
    }
    table
}

/// The bit of a letter in either case; other bytes share them.
#[inline(always)]
const fn letter(byte: u8) -> u32 {
    1 << (byte & 31)
}

/// Whether a URL or request target, the first `len` bytes of `text`, may hold a secret: user
/// information, or a query parameter of such a name. Where it holds one, it is told; of names only
/// length and last letter are looked at.
pub(super) fn may_hold_secret(text: &[u8], len: usize) -> bool {
    class::look(Parameters { text, len })
}

/// The query parameters of a URL, each to be looked at.
struct Parameters<'u> {
    text: &'u [u8],
    len: usize,
}

impl Looking for Parameters<'_> {
    type Found = bool;

    #[inline(always)]
    fn look<L: Look>(self) -> bool {
        let Self { text, len } = self;
        // Marks of the chunk before in the lower half, of the chunk that is looked at in the upper.
        let mut begins = 0_u64;
        let mut at = 0;
        let mut rest = text;
        while at < len {
            let last;
            let (chunk, after): (&Chunk, _) = if let Some(parts) = rest.split_first_chunk() {
                parts
            } else {
                last = class::padded(rest);
                (&last, &[][..])
            };
            let behind = u32::MAX.checked_shl(u32::try_from(len - at).unwrap_or(u32::MAX));
            let inside = !behind.unwrap_or(0);
            if L::equal(chunk, b'@') & inside != 0 {
                return true;
            }
            let parted = L::equal(chunk, b'?') | L::equal(chunk, b'&');
            begins = begins >> 32 | u64::from(parted) << 32;
            let mut equals = L::equal(chunk, b'=') & inside;
            while equals != 0 {
                let place = equals.trailing_zeros();
                equals &= equals - 1;
                // A name that began before the chunk before is longer than that of any secret.
                let before = begins & !(u64::MAX << (place + 32));
                let name_len = before.leading_zeros().saturating_sub(32 - place) as usize;
                let letter = (at + place as usize).checked_sub(1).and_then(|at| text.get(at));
                if may_be_secret(name_len, letter) {
                    return true;
                }
            }
            at += size_of::<Chunk>();
            rest = after;
        }
        false
    }
}

/// Whether a name so long that ends with that byte may be one of a secret.
#[inline(always)]
fn may_be_secret(len: usize, last: Option<&u8>) -> bool {
    let letters = LAST_LETTERS.get(len).copied().unwrap_or(0);
    last.is_some_and(|&last| letters & letter(last) != 0)
}

/// Calls `found` with the place of every colon that follows a quoted name of a secret, in order. In
/// JSON a colon follows a key, or is text of a string, which then does not follow a quote: one
/// inside of a string has a backslash before it, so that no part of a string is taken for a key.
pub(super) fn each_secret(json: &[u8], found: impl FnMut(usize)) {
    class::look(Keys { json, found });
}

/// The keys of a JSON text, each to be looked at.
struct Keys<'j, F> {
    json: &'j [u8],
    found: F,
}

/// With which two letters the names of secrets end, in either case; in groups by the last one, of
/// which a group has one or two.
static LAST_PAIRS: Pairs = last_pairs();

const fn last_pairs() -> Pairs {
    let mut pairs = Pairs::none();
    let mut len = 0;
    while len <= NAME_BYTES_MAX {
        let mut secrets = names(len);
        while let [[.., first, last], more @ ..] = secrets {
            let group = match last {
                b'y' => 0,
                b'd' => 1,
                b'g' | b'h' => 2,
                b't' => 3,
                b'n' => 4,
                b'e' => 5,
                b'r' => 6,
                _ => 7,
            };
            pairs.add([*first, *last], group);
            pairs.add([first.to_ascii_uppercase(), *last], group);
            pairs.add([*first, last.to_ascii_uppercase()], group);
            secrets = more;
        }
        len += 1;
    }
    pairs
}

/// Bytes that are looked at before the keys among them.
const STRIDE: usize = 2 * size_of::<Chunk>();

impl<F: FnMut(usize)> Looking for Keys<'_, F> {
    type Found = ();

    #[inline(always)]
    fn look<L: Look>(mut self) {
        let mut before = Marks::default();
        let mut begin = 0;
        let mut rest = self.json;
        while !rest.is_empty() {
            let last;
            let bytes: &[u8; STRIDE + 1] = if let Some(bytes) = rest.first_chunk() {
                bytes
            } else {
                let mut padded = [0; STRIDE + 1];
                if let Some(place) = padded.get_mut(..rest.len()) {
                    place.copy_from_slice(rest);
                }
                last = padded;
                &last
            };
            let marks = Marks::of::<L>(bytes);
            let mut keys = marks.keys(&before);
            while keys != 0 {
                let colon = begin + keys.trailing_zeros() as usize;
                keys &= keys - 1;
                if ends_with_secret_key(self.json.get(..colon).unwrap_or_default()) {
                    (self.found)(colon);
                }
            }
            before = marks;
            begin += STRIDE;
            rest = rest.get(STRIDE..).unwrap_or_default();
        }
    }
}

/// What stands where in a stride, a bit a byte.
#[derive(Clone, Copy, Default)]
struct Marks {
    quotes: u64,
    blanks: u64,
    colons: u64,
    /// Where the names of secrets may have their last letter but one.
    pairs: u64,
}

impl Marks {
    /// Of the bytes of a stride; one more is behind them.
    #[inline(always)]
    fn of<L: Look>(bytes: &[u8; STRIDE + 1]) -> Self {
        let [stride @ .., _] = bytes;
        let [_, after @ ..] = bytes;
        let ((low, high), (low_after, high_after)) = (halves(stride), halves(after));
        let both = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
        Self {
            quotes: both(L::equal(low, b'"'), L::equal(high, b'"')),
            blanks: both(L::blanks(low), L::blanks(high)),
            colons: both(L::equal(low, b':'), L::equal(high, b':')),
            pairs: both(
                L::pairs(low, low_after, &LAST_PAIRS),
                L::pairs(high, high_after, &LAST_PAIRS),
            ),
        }
    }

    /// The colons behind what may be the name of a secret; `before` is of the stride before.
    #[inline(always)]
    const fn keys(&self, before: &Self) -> u64 {
        let quoted = self.quotes << 1 | before.quotes >> 63;
        let spaced = self.blanks << 1 | before.blanks >> 63;
        let paired = self.pairs << 3 | before.pairs >> 61;
        // No name of a secret has two letters only, as `id` has.
        let short = self.quotes << 4 | before.quotes >> 60;
        self.colons & (quoted & paired & !short | spaced & !quoted)
    }
}

/// The chunks of a stride.
#[inline(always)]
fn halves(stride: &[u8; STRIDE]) -> (&Chunk, &Chunk) {
    match (stride.first_chunk(), stride.last_chunk()) {
        (Some(low), Some(high)) => (low, high),
        // A stride is two chunks.
        _ => (&[0; size_of::<Chunk>()], &[0; size_of::<Chunk>()]),
    }
}

/// Whether JSON text ends with a quoted key that names a secret.
fn ends_with_secret_key(text: &[u8]) -> bool {
    // Nearly every colon that follows a key follows its quote.
    let [quoted @ .., b'"'] = text.trim_ascii_end() else { return false };
    let longest = quoted.len().saturating_sub(NAME_BYTES_MAX);
    let Some(opening) =
        quoted.iter().skip(longest.saturating_sub(1)).rposition(|&byte| byte == b'"')
    else {
        return false;
    };
    let opening = longest.saturating_sub(1) + opening;
    let (before, name) = (quoted.get(..opening), quoted.get(opening + 1..));
    // A quote behind an odd number of backslashes is part of a longer name.
    let backslashes = before.unwrap_or_default().iter().rev().take_while(|&&byte| byte == b'\\');
    name.is_some_and(is_secret_name) && backslashes.count().is_multiple_of(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(json: &str) -> Vec<usize> {
        let mut colons = Vec::new();
        each_secret(json.as_bytes(), |colon| colons.push(colon));
        colons
    }

    #[test]
    fn every_name_of_a_secret_is_found_wherever_it_stands() {
        let secrets = (0..=NAME_BYTES_MAX).flat_map(names);
        for name in secrets.map(|name| std::str::from_utf8(name).unwrap()) {
            for (name, blank) in
                [(name.to_owned(), ""), (name.to_uppercase(), ""), (name.to_owned(), " ")]
            {
                let key = format!("\"{name}\"{blank}");
                for before in 0..140 {
                    let json = format!("{}{key}:\"x\"", "1".repeat(before));
                    assert_eq!(found(&json), [before + key.len()], "{json}");
                    let longer = json.replacen('"', "\"a", 1);
                    let expected = is_secret_name(format!("a{name}").as_bytes());
                    assert_eq!(!found(&longer).is_empty(), expected, "{longer}");
                }
            }
        }
    }
}
