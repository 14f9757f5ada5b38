//! The text of an exchange as questions need it, fetched only when it decides something.

use std::borrow::Cow;

use memchr::{memchr, memmem};

use crate::exchange::Exchange;
use crate::http::lines;
use crate::segment;

/// The text of one exchange. What was not seen is empty.
///
/// Each call may unpack a part of a block, so callers ask for the cheap ones first: method and
/// route, then the host, then heads.
pub trait Text {
    /// The request's method.
    fn method(&mut self) -> &[u8];
    /// The route's pattern without its method: `/users/{int}`.
    fn route(&mut self) -> &str;
    /// Both of them at once.
    fn method_and_route(&mut self) -> (&[u8], &str);
    /// The authority that the request names (the function [`host`]).
    fn host(&mut self) -> &[u8];
    /// The request's head.
    fn request_head(&mut self) -> &[u8];
    /// The final response's head.
    fn response_head(&mut self) -> &[u8];
}

/// The text of an exchange that is at hand.
#[derive(Clone, Debug)]
pub struct ExchangeText<'a> {
    exchange: &'a Exchange,
    host: Option<Cow<'a, [u8]>>,
}

impl<'a> ExchangeText<'a> {
    /// Looks at `exchange`.
    #[must_use]
    pub const fn new(exchange: &'a Exchange) -> Self {
        Self { exchange, host: None }
    }
}

impl Text for ExchangeText<'_> {
    fn method(&mut self) -> &[u8] {
        lines::method(&self.exchange.request.head)
    }

    fn route(&mut self) -> &str {
        &self.exchange.route
    }

    fn method_and_route(&mut self) -> (&[u8], &str) {
        (lines::method(&self.exchange.request.head), &self.exchange.route)
    }

    fn host(&mut self) -> &[u8] {
        let exchange = self.exchange;
        self.host.get_or_insert_with(|| host(&exchange.request.head).unwrap_or_default())
    }

    fn request_head(&mut self) -> &[u8] {
        &self.exchange.request.head
    }

    fn response_head(&mut self) -> &[u8] {
        &self.exchange.response.head
    }
}

/// The host that a request names, with the port as sent: that of an absolute-form target, else of
/// the Host field (RFC 9112 section 3.2.2). `None` where it names none.
#[must_use]
pub fn host(request_head: &[u8]) -> Option<Cow<'_, [u8]>> {
    Some(segment::host_of(request_head)).filter(|host| !host.is_empty())
}

/// The path of a request target: without query and fragment, and of an absolute-form target
/// without scheme and authority (RFC 9112 section 3.2). Other forms stand as they are: `*` of
/// OPTIONS, `host:port` of CONNECT.
#[must_use]
pub fn path(target: &[u8]) -> &[u8] {
    let target = absolute_form(target).map_or(target, |(_, rest)| rest);
    let end = target.iter().position(|byte| matches!(byte, b'?' | b'#')).unwrap_or(target.len());
    match target.get(..end).unwrap_or_default() {
        b"" if !target.is_empty() => b"/",
        path => path,
    }
}

/// Splits `http://authority/rest` into authority and rest; a missing path reads as `/`.
fn absolute_form(target: &[u8]) -> Option<(&[u8], &[u8])> {
    if matches!(target.first(), None | Some(b'/')) {
        return None;
    }
    let at = memmem::find(target, b"://")?;
    let (scheme, rest) = (target.get(..at)?, target.get(at + 3..)?);
    if !scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte)) {
        return None;
    }
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#'));
    let (authority, rest) = rest.split_at(end.unwrap_or(rest.len()));
    Some((authority, if rest.is_empty() { b"/" } else { rest }))
}

/// An authority without its port, if it names one: `shop.test:8080`, `[::1]:80`.
#[must_use]
pub(crate) fn without_port(authority: &[u8]) -> &[u8] {
    let Some(at) = memchr::memrchr(b':', authority) else { return authority };
    let (name, port) = authority.split_at(at);
    let digits = port.get(1..).unwrap_or_default();
    let inside_brackets = name.first() == Some(&b'[') && name.last() != Some(&b']');
    // A second colon without brackets is an IPv6 address, not a name and a port.
    let bare_v6 = name.first() != Some(&b'[') && memchr(b':', name).is_some();
    if inside_brackets || bare_v6 || !digits.iter().all(u8::is_ascii_digit) {
        return authority;
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_paths_follow_the_form_of_the_target() {
        let check = |target: &str, expected_host: Option<&str>, expected_path: &str| {
            let head = format!("GET {target} HTTP/1.1\r\nHost: field.test\r\n\r\n");
            let found = host(head.as_bytes());
            let expected = expected_host.or(Some("field.test")).map(str::as_bytes);
            assert_eq!(found.as_deref(), expected, "{target}");
            assert_eq!(path(target.as_bytes()), expected_path.as_bytes(), "{target}");
        };
        check("/cart?x=1#y", None, "/cart");
        check("/?next=http://evil.test/", None, "/");
        check("/", None, "/");
        check("*", None, "*");
        check("shop.test:443", None, "shop.test:443");
        check("http://shop.test:8080/a?b", Some("shop.test:8080"), "/a");
        check("http://user:word@shop.test/", Some("shop.test"), "/");
        check("http://shop.test", Some("shop.test"), "/");
        check("http://shop.test?x", Some("shop.test"), "/");
        assert_eq!(host(b"GET / HTTP/1.0\r\n\r\n"), None);
        assert_eq!(path(b""), b"");
    }

    #[test]
    fn ports_are_told_from_addresses() {
        let check = |authority: &str, expected: &str| {
            assert_eq!(without_port(authority.as_bytes()), expected.as_bytes());
        };
        check("shop.test:80", "shop.test");
        check("shop.test", "shop.test");
        check("[::1]:80", "[::1]");
        check("[::1]", "[::1]");
        check("::1", "::1");
        check("shop.test:http", "shop.test:http");
    }
}
