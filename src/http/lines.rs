//! The lines of a stored head, read leniently: start line and fields (RFC 9112 sections 2 to 5).

use std::borrow::Cow;

use memchr::memchr;

/// A request line: `GET /cart?x=1 HTTP/1.1`. Parts that are missing are empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestLine<'a> {
    /// The method token.
    pub method: &'a [u8],
    /// The request target as sent, blanks included where the line has more than two.
    pub target: &'a [u8],
    /// What follows `HTTP/`; empty where the line carries no version.
    pub version: &'a [u8],
    /// The lines after it.
    pub rest: &'a [u8],
}

/// A status line: `HTTP/1.1 200 OK`. Parts that are missing are empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatusLine<'a> {
    /// What follows `HTTP/`.
    pub version: &'a [u8],
    /// The status code's digits as sent.
    pub status: &'a [u8],
    /// The reason phrase.
    pub reason: &'a [u8],
}

/// One field: its name as sent, its value without surrounding blanks and with folds undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name, in the case it was sent.
    pub name: &'a [u8],
    /// The value.
    pub value: Cow<'a, [u8]>,
}

/// Reads the request line at the start of `head`.
#[must_use]
pub fn request_line(head: &[u8]) -> RequestLine<'_> {
    let (line, after) = next_line(head);
    let (method, rest) = split_at_blank(line);
    // The common end of the line, before any search for it.
    if let Some((target, [b' ', b'H', b'T', b'T', b'P', b'/', version @ ..])) =
        rest.split_last_chunk::<9>().map(|(target, end)| (target, end.as_slice()))
        && !target.is_empty()
        && !version.contains(&b' ')
    {
        return RequestLine { method, target: target.trim_ascii(), version, rest: after };
    }
    match memchr::memmem::rfind(rest, b" HTTP/") {
        Some(at) => {
            let (target, version) = rest.split_at(at);
            RequestLine {
                method,
                target: target.trim_ascii(),
                version: version.get(6..).unwrap_or_default().trim_ascii(),
                rest: after,
            }
        }
        None => RequestLine { method, target: rest.trim_ascii(), version: b"", rest: after },
    }
}

/// The method of the request line at the start of `head`, as [`request_line`] reads it.
#[must_use]
pub fn method(head: &[u8]) -> &[u8] {
    let end = head.iter().position(|byte| matches!(byte, b' ' | b'\n'));
    let (method, rest) = head.split_at(end.unwrap_or(head.len()));
    if rest.first() == Some(&b'\n') { method.strip_suffix(b"\r").unwrap_or(method) } else { method }
}

/// Reads the status line at the start of `head`.
#[must_use]
pub fn status_line(head: &[u8]) -> StatusLine<'_> {
    let (line, _) = next_line(head);
    let (protocol, rest) = split_at_blank(line);
    let version = protocol.strip_prefix(b"HTTP/").unwrap_or(protocol);
    let (status, reason) = split_at_blank(rest.trim_ascii_start());
    StatusLine { version, status, reason: reason.trim_ascii() }
}

/// Reads the fields of `head`, in order, duplicates kept; a line without a colon is a field with
/// that name and no value.
#[must_use]
pub fn fields(head: &[u8]) -> Fields<'_> {
    Fields { rest: next_line(head).1 }
}

/// The value of the first field of that name (any case), if there is one.
#[must_use]
pub fn field<'a>(head: &'a [u8], name: &str) -> Option<Cow<'a, [u8]>> {
    field_of(next_line(head).1, name)
}

/// As [`field`], of the lines after the start line.
#[must_use]
pub fn field_of<'a>(lines: &'a [u8], name: &str) -> Option<Cow<'a, [u8]>> {
    let mut fields = Fields { rest: lines };
    // The field as nearly all are written, before the reading that takes any; often the first.
    if let Some(value) = value_of_first(lines, name) {
        return Some(Cow::Borrowed(value));
    }
    // Lines that begin otherwise are passed over unread, unless a line that goes on with them
    // follows, or they begin with a blank themselves.
    while let Some(line) = fields.rest.get(..name.len())
        && !line.eq_ignore_ascii_case(name.as_bytes())
        && !matches!(line.first(), Some(b' ' | b'\t' | b'\r' | b'\n'))
    {
        let after = next_line(fields.rest).1;
        if matches!(after.first(), Some(b' ' | b'\t')) {
            break;
        }
        fields.rest = after;
    }
    if let Some(value) = value_of_first(fields.rest, name) {
        return Some(Cow::Borrowed(value));
    }
    fields.find(|field| field.name.eq_ignore_ascii_case(name.as_bytes())).map(|field| field.value)
}

/// The value of the first of these lines, where it is a field of that name (any case) without a
/// blank before its colon and no line goes on with it.
fn value_of_first<'a>(lines: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let (found, rest) = lines.split_at_checked(name.len())?;
    let [b':', value @ ..] = rest else { return None };
    if !found.eq_ignore_ascii_case(name.as_bytes()) {
        return None;
    }
    let (value, after) = next_line(value);
    (!matches!(after.first(), Some(b' ' | b'\t'))).then(|| value.trim_ascii())
}

/// Iterates over the fields of a head; made by [`fields`].
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        let (line, mut rest) = next_line(self.rest);
        if line.is_empty() {
            self.rest = &[];
            return None;
        }
        let (name, value) = match memchr(b':', line) {
            Some(at) => {
                let (name, value) = line.split_at(at);
                (name.trim_ascii(), value.get(1..).unwrap_or_default().trim_ascii())
            }
            None => (line.trim_ascii(), <&[u8]>::default()),
        };
        let mut value = Cow::Borrowed(value);
        // A line that begins with a blank continues the value before it (RFC 9112 section 5.2).
        while matches!(rest.first(), Some(b' ' | b'\t')) {
            let (folded, after) = next_line(rest);
            if folded.trim_ascii().is_empty() && after.is_empty() {
                break;
            }
            let value = value.to_mut();
            value.push(b' ');
            value.extend_from_slice(folded.trim_ascii());
            rest = after;
        }
        self.rest = rest;
        Some(Field { name, value })
    }
}

/// The first line of `bytes` without its line end (CRLF or LF), and what follows it.
fn next_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    match memchr(b'\n', bytes) {
        Some(at) => {
            let (line, rest) = bytes.split_at(at);
            (line.strip_suffix(b"\r").unwrap_or(line), rest.get(1..).unwrap_or_default())
        }
        None => (bytes, &[]),
    }
}

/// Bytes of a word that is looked through one by one.
const SHORT_WORD: usize = 9;

fn split_at_blank(line: &[u8]) -> (&[u8], &[u8]) {
    // Methods and versions are short: that search is over before another is set up.
    let is_short = line.iter().take(SHORT_WORD).position(|&byte| byte == b' ');
    let at = is_short.or_else(|| memchr(b' ', line)).unwrap_or(line.len());
    let (first, rest) = line.split_at(at);
    (first, rest.strip_prefix(b" ").unwrap_or(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_lines_are_split_leniently() {
        let check = |head: &str, method: &str, target: &str, version: &str| {
            let line = request_line(head.as_bytes());
            let expected = RequestLine {
                method: method.as_bytes(),
                target: target.as_bytes(),
                version: version.as_bytes(),
                rest: line.rest,
            };
            assert_eq!(line, expected, "{head:?}");
            assert!(head.as_bytes().ends_with(line.rest));
        };
        check("GET / HTTP/1.1\r\nA: b\r\n\r\n", "GET", "/", "1.1");
        check("GET /a b c HTTP/1.0\n", "GET", "/a b c", "1.0");
        check("OPTIONS * HTTP/1.0.8\r\n", "OPTIONS", "*", "1.0.8");
        check("GET /old\r\n", "GET", "/old", "");
        check("", "", "", "");
    }

    #[test]
    fn status_lines_are_split_leniently() {
        let line = status_line(b"HTTP/1.1 404 Not Found\r\n\r\n");
        assert_eq!(
            (line.version, line.status, line.reason),
            (&b"1.1"[..], &b"404"[..], &b"Not Found"[..])
        );
        assert_eq!(status_line(b"HTTP/1.0 200\n").reason, b"");
    }

    #[test]
    fn fields_keep_order_and_undo_folds() {
        let head =
            b"GET / HTTP/1.1\r\nHost: a\r\nX: one\r\n two\r\n\tthree\r\nx:  4 \r\nbad\r\n\r\n";
        let read: Vec<(String, String)> = fields(head)
            .map(|field| {
                (
                    String::from_utf8_lossy(field.name).into_owned(),
                    String::from_utf8_lossy(&field.value).into_owned(),
                )
            })
            .collect();
        let expected = [("Host", "a"), ("X", "one two three"), ("x", "4"), ("bad", "")];
        assert_eq!(read, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
        assert_eq!(field(head, "HOST").as_deref(), Some(&b"a"[..]));
    }

    proptest::proptest! {
        #[test]
        fn a_method_is_that_of_its_line(head in "(GET|P)?[ \r\n:a]{0,4}( /)?( HTTP/1.1)?(\r?\n)?( x)?") {
            let head = head.as_bytes();
            proptest::prop_assert_eq!(method(head), request_line(head).method);
        }

        #[test]
        fn one_field_is_found_as_by_looking_at_all(
            head in "(GET / HTTP/1.1\r\n)?([ \t]?[Hh]ost ?: ?a|[ \t]b|X: c|\r|H|\n|:){0,8}(\r?\n([ \t]?host: d|X-Host: e|host| host: f|\r\n)){0,6}",
        ) {
            let expected = fields(head.as_bytes())
                .find(|field| field.name.eq_ignore_ascii_case(b"host"))
                .map(|field| field.value);
            proptest::prop_assert_eq!(field(head.as_bytes(), "Host"), expected);
        }
    }
}
