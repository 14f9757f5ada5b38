//! What a request asks for, as a line tells it: method, host and target (RFC 9112 section 3).

use std::borrow::Cow;

use crate::exchange::policy::Secrets;
use crate::exchange::redact;
use crate::http::lines::{self, RequestLine};
use crate::http::{Head, Start};

/// Appends method, host and target of a request: `GET shop.test/cart?x=1`.
pub(crate) fn write_asked(line: RequestLine<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(line.method);
    out.push(b' ');
    // The target of another form than the path alone says the host itself.
    if line.target.first() == Some(&b'/') {
        out.extend_from_slice(&host_of_line(line));
    }
    out.extend_from_slice(line.target);
}

/// The host that a request names (RFC 9112 section 3.2): that of a target in absolute or authority
/// form, else the first Host field's value; empty where there is neither. As sent, with the port;
/// without user and password.
pub(crate) fn host_of_line(line: RequestLine<'_>) -> Cow<'_, [u8]> {
    if line.method == b"CONNECT" {
        return Cow::Borrowed(line.target);
    }
    if matches!(line.target.first(), None | Some(b'/' | b'*')) {
        return lines::field_of(line.rest, "host").unwrap_or_default();
    }
    let Some(at) = memchr::memmem::find(line.target, b"://") else {
        return lines::field_of(line.rest, "host").unwrap_or_default();
    };
    let rest = line.target.get(at + 3..).unwrap_or_default();
    let end = rest.iter().position(|byte| b"/?#".contains(byte)).unwrap_or(rest.len());
    let authority = rest.get(..end).unwrap_or_default();
    let user = memchr::memrchr(b'@', authority).map_or(0, |at| at + 1);
    Cow::Borrowed(authority.get(user..).unwrap_or_default())
}

/// Appends what the request with that head asks for: what [`write_asked`] makes of the lines that
/// [`keep_lines`] keeps of it.
#[inline]
pub(super) fn write_head(head: &Head<'_>, secrets: Secrets, out: &mut Vec<u8>) {
    let Some((method, rest, len)) = plain_line(head) else {
        return write_odd_head(head, secrets, out);
    };
    out.extend_from_slice(method);
    out.extend_from_slice(head.host.unwrap_or_default().trim_ascii());
    match secrets {
        Secrets::Redacted => redact::write_target(rest, len, out),
        Secrets::Kept => out.extend_from_slice(rest.split_at(len).0),
    }
}

#[cold]
fn write_odd_head(head: &Head<'_>, secrets: Secrets, out: &mut Vec<u8>) {
    let mut kept = Vec::new();
    keep_lines(head, secrets, &mut kept);
    write_asked(lines::request_line(&kept), out);
}

/// The method with the blank behind it, what follows, and how much of that is the target, of a head
/// whose request line has a path and is one to every reader; `None` where a second reading might see
/// another target or host in it.
#[inline]
fn plain_line<'h>(head: &Head<'h>) -> Option<(&'h [u8], &'h [u8], usize)> {
    let Start::Request { method, target } = head.start else { return None };
    let (begin, rest) = head.bytes.split_at_checked(method.len() + 1)?;
    let end = rest.get(target.len()..)?.first_chunk()?;
    let is_plain = rest.as_ptr().addr() == target.as_ptr().addr()
        && begin.last() == Some(&b' ')
        && (end == b" HTTP/1.1\r\n" || end == b" HTTP/1.0\r\n")
        && target.first() == Some(&b'/')
        && !target.last().is_some_and(u8::is_ascii_whitespace)
        && method != b"CONNECT";
    is_plain.then_some((begin, rest, target.len()))
}

/// Appends the request line of a head and its Host field.
pub(super) fn keep_lines(head: &Head<'_>, secrets: Secrets, out: &mut Vec<u8>) {
    let end = memchr::memchr(b'\n', head.bytes).map_or(head.bytes.len(), |at| at + 1);
    let line = head.bytes.get(..end).unwrap_or_default();
    match secrets {
        Secrets::Redacted => redact::write_url(line, out),
        Secrets::Kept => out.extend_from_slice(line),
    }
    if let Some(host) = head.host {
        out.extend_from_slice(b"Host: ");
        out.extend_from_slice(host);
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Answering, Ending, Input, MessageEvent, MessageParser, Side};
    use crate::tcp::Data;
    use crate::time::Timestamp;
    use proptest::prelude::*;

    /// Calls `found` with every head that a parser finds in `bytes`; how many there were.
    fn heads(bytes: &[u8], mut found: impl FnMut(&Head<'_>)) -> usize {
        let mut parser = MessageParser::new(Side::Request);
        let at = Timestamp::default();
        let mut input = Input::data(Data { at, offset: 0, acknowledged: 0, bytes });
        let mut count = 0;
        let mut take = |event: MessageEvent<'_>| {
            if let MessageEvent::Head(head) = event {
                found(&head);
                count += 1;
            }
        };
        while let Some(event) = parser.advance(&mut input, Answering::Other) {
            take(event);
        }
        while let Some(event) = parser.finish(Ending::Cut, at, Answering::Other) {
            take(event);
        }
        count
    }

    /// What lines tell of a head, by the short way where it has one, and by reading it again.
    fn both_ways(head: &Head<'_>, secrets: Secrets) -> (String, String) {
        let (mut short, mut kept, mut long) = (Vec::new(), Vec::new(), Vec::new());
        write_head(head, secrets, &mut short);
        keep_lines(head, secrets, &mut kept);
        write_asked(lines::request_line(&kept), &mut long);
        (short.escape_ascii().to_string(), long.escape_ascii().to_string())
    }

    #[test]
    fn a_line_tells_method_host_and_target() {
        let check = |head: &str, is_plain: bool, expected: &str| {
            let count = heads(head.as_bytes(), |head| {
                let (short, _) = both_ways(head, Secrets::Redacted);
                assert_eq!(short, expected);
                assert_eq!(plain_line(head).is_some(), is_plain, "{expected}");
            });
            assert_eq!(count, 1, "{head:?}");
        };
        check(
            "GET /a?b=c&token=d HTTP/1.1\r\nHost:  shop.test \r\n\r\n",
            true,
            "GET shop.test/a?b=c&token=[redacted]",
        );
        check("GET / HTTP/1.0\r\n\r\n", true, "GET /");
        check("GET /a b HTTP/1.0\n\n", false, "GET /a b");
        check("GET http://u:p@a/b HTTP/1.1\r\nHost: a\r\n\r\n", false, "GET http://[redacted]@a/b");
        check("CONNECT /a HTTP/1.1\r\nHost: b\r\n\r\n", false, "CONNECT /a/a");
        check("OPTIONS * HTTP/1.1\r\nHost: b\r\n\r\n", false, "OPTIONS *");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2048))]
        #[test]
        fn what_a_head_asks_for_is_what_its_lines_say(
            line in "(GET|POST|CONNECT|fr_b|M@X) {1,2}(/|\\*|http://(u:p@)?a)(b|\\?| HTTP/1.1|/|key=|token=s|sid=|&|#|=|@|://|\t|\x0c|\u{e9}){0,8} {1,2}HTTP/(1\\.[01]|1\\.12|2|)[ \t]?\r?\n",
            fields in "((Host|hOST|X|Host )(: ?| |:\t)(shop.test|a:80|\x0cb\x0c|c\r|d\u{a0}| ){0,2}\r?\n( e\r\n)?){0,3}",
            end in "\r?\n?",
        ) {
            let bytes = [line, fields, end].concat();
            let mut told = Vec::new();
            for secrets in [Secrets::Redacted, Secrets::Kept] {
                heads(bytes.as_bytes(), |head| told.push(both_ways(head, secrets)));
            }
            for (short, long) in told {
                prop_assert_eq!(short, long);
            }
        }
    }
}
