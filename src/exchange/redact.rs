//! Secrets taken out of heads and bodies before anything is stored or printed.

#![expect(clippy::inline_always, reason = "what looks is compiled for each kind of processor")]

use memchr::{memchr, memmem};

use crate::exchange::keys;
use crate::http::class::{self, Look, Looking};

/// What stands for a secret.
pub const REDACTED: &[u8] = b"[redacted]";

/// How the value of a field is treated.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Treatment {
    Keep,
    /// The whole value is secret.
    Whole,
    /// The first word names a scheme, the rest is secret (RFC 9110 section 11.4).
    Credentials,
    /// `name=value` pairs: the names stay (RFC 6265 section 4.2).
    Cookies,
    /// The first pair is `name=value`, attributes follow (RFC 6265 section 4.1).
    SetCookie,
    /// A URL, whose query may hold secrets.
    Url,
    /// A folded part of a secret value.
    Drop,
}

/// Appends `head` to `out` with the values of secret fields, cookies and query parameters
/// replaced. Names, order and line ends stay; folded parts of a secret value go with it.
pub fn write_head(head: &[u8], out: &mut Vec<u8>) {
    let start_line = memchr(b'\n', head).map_or(head.len(), |at| at + 1);
    write_url(head.get(..start_line).unwrap_or_default(), out);
    let lines = head.get(start_line..).unwrap_or_default();
    class::look(Fields { lines, out, copied: 0, begun: 0, drops_folds: false });
}

/// The lines after a start line on their way to `out`.
struct Fields<'h> {
    lines: &'h [u8],
    out: &'h mut Vec<u8>,
    /// What is copied, so that lines which stay as they are go together.
    copied: usize,
    /// Where the line under way begins.
    begun: usize,
    /// Whether a line that goes on with the one before it goes with its secret.
    drops_folds: bool,
}

impl Looking for Fields<'_> {
    type Found = ();

    #[inline(always)]
    fn look<L: Look>(mut self) {
        class::each::<L>(self.lines, b'\n', |at| self.line(at + 1));
        self.line(self.lines.len());
        self.out.extend_from_slice(self.lines.get(self.copied..).unwrap_or_default());
    }
}

impl Fields<'_> {
    /// Takes the line that ends there.
    #[inline(always)]
    fn line(&mut self, end: usize) {
        let line = self.lines.get(self.begun..end).unwrap_or_default();
        let is_fold = matches!(line.first(), None | Some(b' ' | b'\t'));
        let treatment = if is_fold {
            (self.drops_folds && !line.is_empty()).then_some(Treatment::Drop)
        } else if may_be_treated(line) {
            Some(treatment(line)).filter(|&treatment| treatment != Treatment::Keep)
        } else {
            None
        };
        if let Some(treatment) = treatment {
            self.out.extend_from_slice(self.lines.get(self.copied..self.begun).unwrap_or_default());
            write_line(line, treatment, self.out);
            self.copied = end;
        }
        if !is_fold {
            self.drops_folds = treatment.is_some_and(|it| it != Treatment::Url);
        }
        self.begun = end;
    }
}

/// How the names of fields begin that are not kept as they are.
const BEGINNINGS: [[u8; 4]; 20] = [
    *b"cont", *b"cook", *b"set-", *b"auth", *b"prox", *b"priv", *b"refe", *b"loca", *b"api-",
    *b"apik", *b"toke", *b"x-ap", *b"x-au", *b"x-ac", *b"x-se", *b"x-cs", *b"x-xs", *b"x-am",
    *b"x-va", *b"x-go",
];

/// [`BEGINNINGS`] as numbers, each where [`slot`] tells and 0 elsewhere: one look instead of a
/// comparison with each, which of them is needed nobody foresees.
static SLOTS: [u32; 128] = slots();

#[expect(clippy::indexing_slicing, reason = "done at compile time, which would fail")]
const fn slots() -> [u32; 128] {
    let mut slots = [0; 128];
    let mut at = 0;
    while at < BEGINNINGS.len() {
        let word = u32::from_le_bytes(BEGINNINGS[at]);
        assert!(
            slots[slot(word)] == 0,
            "another factor is needed, so that each has a slot of its own"
        );
        slots[slot(word)] = word;
        at += 1;
    }
    slots
}

#[inline(always)]
const fn slot(word: u32) -> usize {
    (word.wrapping_mul(FACTOR) >> 25) as usize
}

/// Found by trying: with it no two of [`BEGINNINGS`] have the same slot.
const FACTOR: u32 = 0xc2a0_2693;

/// Whether the name of a field that is not kept as it is may begin so: most names end here.
#[inline(always)]
fn may_be_treated(line: &[u8]) -> bool {
    let Some(&begin) = line.first_chunk::<4>() else { return false };
    // Makes letters small, and of other bytes such as are looked at closer.
    let word = u32::from_le_bytes(begin) | 0x2020_2020;
    if SLOTS.get(slot(word)) != Some(&word) {
        // Blanks before a name are passed over.
        return begin.first().is_some_and(u8::is_ascii_whitespace);
    }
    word != u32::from_le_bytes(*b"cont")
        || line.get(9).is_some_and(|byte| byte.eq_ignore_ascii_case(&b'o'))
}

/// How the field of this line is treated, by its name.
fn treatment(line: &[u8]) -> Treatment {
    let name = line.split_at(memchr(b':', line).unwrap_or(0)).0.trim_ascii();
    let is = |word: &[u8]| name.eq_ignore_ascii_case(word);
    match name.len() {
        6 if is(b"cookie") => Treatment::Cookies,
        10 if is(b"set-cookie") => Treatment::SetCookie,
        13 if is(b"authorization") => Treatment::Credentials,
        19 if is(b"proxy-authorization") => Treatment::Credentials,
        7 if is(b"referer") || is(b"api-key") => {
            if is(b"referer") {
                Treatment::Url
            } else {
                Treatment::Whole
            }
        }
        8 if is(b"location") => Treatment::Url,
        16 if is(b"content-location") => Treatment::Url,
        _ if name.len() >= 5 && has_secret_name(name) => Treatment::Whole,
        _ => Treatment::Keep,
    }
}

/// Whether a field of no standard has a name that says its value is secret.
fn has_secret_name(name: &[u8]) -> bool {
    // Most names begin otherwise: look closer only at `X-...` and at the words themselves.
    if !matches!(name.first(), Some(b'x' | b'X' | b'a' | b'A' | b't' | b'T' | b'p' | b'P')) {
        return false;
    }
    let words: [&[u8]; 14] = [
        b"x-api-key",
        b"x-apikey",
        b"apikey",
        b"x-auth-token",
        b"x-access-token",
        b"x-session-token",
        b"x-csrf-token",
        b"x-xsrf-token",
        b"x-amz-security-token",
        b"x-vault-token",
        b"x-goog-api-key",
        b"private-token",
        b"token",
        b"x-secret",
    ];
    words.iter().any(|word| name.eq_ignore_ascii_case(word))
}

fn write_line(line: &[u8], treatment: Treatment, out: &mut Vec<u8>) {
    if treatment == Treatment::Drop {
        return;
    }
    let Some(colon) = memchr(b':', line).filter(|_| treatment != Treatment::Keep) else {
        out.extend_from_slice(line);
        return;
    };
    let (name, value) = line.split_at(colon + 1);
    let text = value.trim_ascii();
    let end = value.len() - value.trim_ascii_end().len();
    out.extend_from_slice(name);
    out.push(b' ');
    match treatment {
        Treatment::Keep | Treatment::Drop => out.extend_from_slice(text),
        Treatment::Whole => out.extend_from_slice(REDACTED),
        Treatment::Credentials => {
            if let Some(blank) = memchr(b' ', text) {
                out.extend_from_slice(text.get(..=blank).unwrap_or_default());
            }
            out.extend_from_slice(REDACTED);
        }
        Treatment::Cookies => write_pairs(text, usize::MAX, out),
        Treatment::SetCookie => write_pairs(text, 1, out),
        Treatment::Url => write_url(text, out),
    }
    out.extend_from_slice(value.get(value.len() - end..).unwrap_or_default());
}

/// Writes `a=b; c=d` with the values of the first `secret` pairs replaced.
fn write_pairs(text: &[u8], secret: usize, out: &mut Vec<u8>) {
    for (position, pair) in text.split(|&byte| byte == b';').enumerate() {
        if position > 0 {
            out.push(b';');
        }
        match memchr(b'=', pair).filter(|_| position < secret) {
            Some(equals) => {
                out.extend_from_slice(pair.get(..=equals).unwrap_or_default());
                out.extend_from_slice(REDACTED);
            }
            None => out.extend_from_slice(pair),
        }
    }
}

/// Writes text that holds a URL or request target: user information and the values of secret
/// query parameters are replaced.
pub(super) fn write_url(text: &[u8], out: &mut Vec<u8>) {
    write_target(text, text.len(), out);
}

/// As [`write_url`], of the first `len` bytes of a text. Those behind it spare a copy of it.
#[inline]
pub(super) fn write_target(text: &[u8], len: usize, out: &mut Vec<u8>) {
    let Some(target) = text.get(..len) else { return };
    if keys::may_hold_secret(text, len) {
        write_secret_url(target, out);
    } else {
        out.extend_from_slice(target);
    }
}

/// As [`write_url`], of text that may hold a secret: byte by byte.
#[inline(never)]
fn write_secret_url(text: &[u8], out: &mut Vec<u8>) {
    let text = write_authority(text, out);
    let Some(question) = memchr(b'?', text) else {
        out.extend_from_slice(text);
        return;
    };
    // What is copied, and where the parameter under way begins and its name ended.
    let (mut copied, mut begun, mut equals) = (0, question + 1, None);
    let mut at = begun;
    loop {
        let byte = text.get(at).copied();
        match byte {
            Some(b'=') => {
                equals.get_or_insert(at);
            }
            None | Some(b'&' | b' ' | b'\t' | b'\r' | b'\n' | b'#') => {
                if let Some(equals) = equals.take()
                    && text.get(begun..equals).is_some_and(keys::is_secret_name)
                {
                    out.extend_from_slice(text.get(copied..=equals).unwrap_or_default());
                    out.extend_from_slice(REDACTED);
                    copied = at;
                }
                begun = at + 1;
                if byte != Some(b'&') {
                    break;
                }
            }
            Some(_) => {}
        }
        at += 1;
    }
    out.extend_from_slice(text.get(copied..).unwrap_or_default());
}

/// Writes what comes before the authority and the redacted user information, if there is any;
/// returns what follows.
fn write_authority<'a>(text: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    if memchr(b'@', text).is_none() {
        return text;
    }
    let Some(scheme) = memmem::find(text, b"://") else { return text };
    let start = scheme + 3;
    let after = text.get(start..).unwrap_or_default();
    let end = after.iter().position(|byte| b"/?# \t\r\n".contains(byte)).unwrap_or(after.len());
    match memchr::memrchr(b'@', after.get(..end).unwrap_or_default()) {
        Some(at) => {
            out.extend_from_slice(text.get(..start).unwrap_or_default());
            out.extend_from_slice(REDACTED);
            after.get(at..).unwrap_or_default()
        }
        None => text,
    }
}

fn write_parameter(parameter: &[u8], out: &mut Vec<u8>) {
    match memchr(b'=', parameter) {
        Some(equals) if keys::is_secret_name(parameter.get(..equals).unwrap_or_default()) => {
            out.extend_from_slice(parameter.get(..=equals).unwrap_or_default());
            out.extend_from_slice(REDACTED);
        }
        _ => out.extend_from_slice(parameter),
    }
}

/// Replaces the secrets of a kept JSON or form body in place: string values of keys, and values
/// of fields, whose names say so. A body in a content coding or of another form stays as it is.
pub fn redact_body(body: &mut Vec<u8>) {
    if let Some(redacted) = redacted(body) {
        *body = redacted;
    }
}

/// A JSON or form body without its secrets, as [`redact_body`] tells; `None` where it has none.
#[must_use]
pub fn redacted(body: &[u8]) -> Option<Vec<u8>> {
    match body.trim_ascii_start().first() {
        Some(b'{' | b'[') => redacted_json(body),
        Some(_) if is_form(body) => Some(redacted_form(body)),
        _ => None,
    }
}

fn is_form(body: &[u8]) -> bool {
    memchr(b'=', body).is_some()
        && body.iter().all(|byte| byte.is_ascii_alphanumeric() || b"%&=+-_.~*@".contains(byte))
}

fn redacted_form(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    for (position, parameter) in body.split(|&byte| byte == b'&').enumerate() {
        if position > 0 {
            out.push(b'&');
        }
        write_parameter(parameter, &mut out);
    }
    out
}

fn redacted_json(body: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut copied = 0;
    keys::each_secret(body, |colon| {
        let after = body.get(colon + 1..).unwrap_or_default().trim_ascii_start();
        if colon < copied || after.first() != Some(&b'"') {
            return;
        }
        let open = body.len() - after.len();
        out.extend_from_slice(body.get(copied..=open).unwrap_or_default());
        out.extend_from_slice(REDACTED);
        copied = string_end(body, open + 1);
    });
    if copied == 0 {
        return None;
    }
    out.extend_from_slice(body.get(copied..).unwrap_or_default());
    Some(out)
}

/// Where the JSON string whose text begins at `at` ends: its closing quote, or the body's end.
fn string_end(body: &[u8], mut at: usize) -> usize {
    while let Some(&byte) = body.get(at) {
        match byte {
            b'"' => return at,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    body.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn head(text: &str) -> String {
        let mut out = Vec::new();
        write_head(text.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn secret_fields_lose_their_values_and_keep_their_names() {
        let check = |line: &str, expected: &str| {
            let text = format!("GET / HTTP/1.1\r\n{line}\r\nHost: a\r\n\r\n");
            assert_eq!(head(&text), format!("GET / HTTP/1.1\r\n{expected}\r\nHost: a\r\n\r\n"));
        };
        check("Authorization: Bearer abc.def", "Authorization: Bearer [redacted]");
        check("authorization:abc", "authorization: [redacted]");
        check("Cookie: sid=1; theme=dark", "Cookie: sid=[redacted]; theme=[redacted]");
        check("Set-Cookie: sid=1; Path=/; Secure", "Set-Cookie: sid=[redacted]; Path=/; Secure");
        check("X-Api-Key: 123", "X-Api-Key: [redacted]");
        check("Authorization: Basic abc\r\n def", "Authorization: Basic [redacted]");
        check(
            "Referer: http://u:p@a/?token=1&b=2",
            "Referer: http://[redacted]@a/?token=[redacted]&b=2",
        );
        check("X-Token-Count: 3", "X-Token-Count: 3");
        check("Accept: a", "Accept: a");
    }

    #[test]
    fn every_secret_field_is_known_by_how_it_begins() {
        for name in [
            "Cookie",
            "Set-Cookie",
            "Authorization",
            "Proxy-Authorization",
            "Referer",
            "Location",
            "Content-Location",
            "Api-Key",
            "ApiKey",
            "Token",
            "Private-Token",
            "X-Api-Key",
            "X-ApiKey",
            "X-Auth-Token",
            "X-Access-Token",
            "X-Session-Token",
            "X-Secret",
            "X-CSRF-Token",
            "X-XSRF-Token",
            "X-Amz-Security-Token",
            "X-Vault-Token",
            "X-Goog-Api-Key",
        ] {
            for name in [name.to_owned(), name.to_lowercase(), name.to_uppercase()] {
                let line = format!("{name}: a\r\n");
                assert!(treatment(line.as_bytes()) != Treatment::Keep, "{name}");
                assert!(may_be_treated(line.as_bytes()), "{name}");
            }
        }
        for name in
            ["Content-Length", "Content-Type", "Host", "Accept", "User-Agent", "X-Request-Id"]
        {
            assert!(!may_be_treated(format!("{name}: a\r\n").as_bytes()), "{name}");
        }
    }

    #[test]
    fn secret_query_parameters_lose_their_values() {
        assert_eq!(
            head("GET /a?x=1&api_key=SECRET&y=2 HTTP/1.1\r\n\r\n"),
            "GET /a?x=1&api_key=[redacted]&y=2 HTTP/1.1\r\n\r\n"
        );
        assert_eq!(head("GET /a?token=S HTTP/1.1\n\n"), "GET /a?token=[redacted] HTTP/1.1\n\n");
        assert_eq!(head("HTTP/1.1 200 OK\r\n\r\n"), "HTTP/1.1 200 OK\r\n\r\n");
    }

    #[test]
    fn bodies_lose_secret_values() {
        let check = |body: &str, expected: &str| {
            let mut bytes = body.as_bytes().to_vec();
            redact_body(&mut bytes);
            assert_eq!(String::from_utf8(bytes).unwrap(), expected);
        };
        check(
            r#"{"user":"a","password" : "p\"q","n":{"token":"t"}}"#,
            r#"{"user":"a","password" : "[redacted]","n":{"token":"[redacted]"}}"#,
        );
        check(r#"{"total":1.5,"items":["token"]}"#, r#"{"total":1.5,"items":["token"]}"#);
        check("user=a&password=b", "user=a&password=[redacted]");
        check("<a token=\"1\">", "<a token=\"1\">");
    }

    /// Walks the strings of a JSON text; one that is followed by a colon is a key.
    fn redact_by_strings(body: &mut Vec<u8>) {
        let mut out = Vec::new();
        let mut copied = 0;
        let mut at = 0;
        let mut secret_key = false;
        while let Some(open) = body.get(at..).and_then(|rest| memchr(b'"', rest)).map(|n| at + n) {
            let close = string_end(body, open + 1);
            let text = body.get(open + 1..close).unwrap_or_default();
            let after = body.get(close + 1..).unwrap_or_default().trim_ascii_start();
            if after.first() == Some(&b':') {
                let value = after.get(1..).unwrap_or_default().trim_ascii_start();
                secret_key = keys::is_secret_name(text) && value.first() == Some(&b'"');
            } else if secret_key {
                out.extend_from_slice(body.get(copied..=open).unwrap_or_default());
                out.extend_from_slice(REDACTED);
                copied = close;
                secret_key = false;
            }
            at = close + 1;
        }
        if copied > 0 {
            out.extend_from_slice(body.get(copied..).unwrap_or_default());
            *body = out;
        }
    }

    /// Line by line, each treated by its name.
    fn write_by_lines(head: &[u8], out: &mut Vec<u8>) {
        let mut rest = head;
        let mut dropping_folds = false;
        let mut is_start_line = true;
        while !rest.is_empty() {
            let end = memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
            let (line, after) = rest.split_at(end);
            rest = after;
            if is_start_line {
                write_url(line, out);
                is_start_line = false;
                continue;
            }
            if matches!(line.first(), Some(b' ' | b'\t')) {
                if !dropping_folds {
                    out.extend_from_slice(line);
                }
                continue;
            }
            let treatment = treatment(line);
            dropping_folds = treatment != Treatment::Keep && treatment != Treatment::Url;
            write_line(line, treatment, out);
        }
    }

    proptest! {
        #[test]
        fn heads_are_redacted_as_line_by_line(
            head in "(GET /(a\\?token=b&c=d)? HTTP/1.1\r?\n)?((Cookie|set-cookie|X-Api-Key|Host|Referer|\x0cToken|:|Accept| |\t)?(: ?(a=b; c=d|Basic x|http://u:p@h/?key=v|z))?\r?\n?){0,8}",
        ) {
            let (mut runs, mut lines) = (Vec::new(), Vec::new());
            write_head(head.as_bytes(), &mut runs);
            write_by_lines(head.as_bytes(), &mut lines);
            prop_assert_eq!(String::from_utf8(runs), String::from_utf8(lines), "{:?}", head);
        }

        #[test]
        fn json_is_redacted_as_by_walking_its_strings(
            pieces in proptest::collection::vec(
                prop_oneof![
                    Just(r#""token":"#), Just(r#""token" : "#), Just(r#""name":"#),
                    Just(r#""a\"token":"#), Just(r#""\"token\":x","#), Just(r#"":x","#),
                    Just(r#""secret","#), Just(r#""12:30","#), Just("7,"), Just("{"), Just("}"),
                    Just(r#""p\\","#), Just("[1,2]"), Just(r#""session":"a:b","#), Just("\n"),
                ],
                0..40,
            ),
        ) {
            // Every key has a value, as in JSON.
            let is_key = |piece: &str| piece.contains(r#"":"#) || piece.contains(r#"" :"#);
            let mut text = String::from("{");
            for piece in pieces {
                if text.trim_end().ends_with(':') && is_key(piece) {
                    text.push_str(r#""v","#);
                }
                text.push_str(piece);
            }
            text.push_str(r#""end"}"#);
            let (mut fast, mut model) = (text.clone().into_bytes(), text.clone().into_bytes());
            redact_body(&mut fast);
            redact_by_strings(&mut model);
            prop_assert_eq!(String::from_utf8(fast), String::from_utf8(model), "{}", text);
        }

        #[test]
        fn urls_without_secrets_are_told_from_others(
            text in "(GET |http://|/)?(u:p@|[a-z]{0,30}|\\?|&|=|#| |@|://|(&|\\?|;)(KEY|key|keys|sid|[a-z]{3}|token|tokem|passphrase|xpassphrase|session_id|x-amz-security-token|x-amz-security-tokens)=?[a-z]{0,12}){0,9}",
        ) {
            let (mut found, mut model) = (Vec::new(), Vec::new());
            write_url(text.as_bytes(), &mut found);
            write_secret_url(text.as_bytes(), &mut model);
            prop_assert_eq!(String::from_utf8_lossy(&found), String::from_utf8_lossy(&model));
            for behind in ["?key=", "key=x", "=", "u@", "                                "] {
                let mut found = Vec::new();
                write_target([text.as_str(), behind].concat().as_bytes(), text.len(), &mut found);
                prop_assert_eq!(String::from_utf8_lossy(&found), String::from_utf8_lossy(&model));
            }
        }

        #[test]
        fn a_secret_never_survives(name in "[A-Za-z-]{1,12}", secret in "[0-9]{12,20}") {
            let text = format!(
                "GET /?a=b&token={secret} HTTP/1.1\r\n{name}: x\r\nAuthorization: Basic {secret}\r\nCookie: {name}={secret}; b={secret}\r\n\r\n"
            );
            prop_assert!(!head(&text).contains(&secret));
        }

        #[test]
        fn any_bytes_are_taken(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut out = Vec::new();
            write_head(&bytes, &mut out);
            redact_body(&mut bytes);
        }
    }
}
