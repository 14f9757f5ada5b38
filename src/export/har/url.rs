//! The absolute URL that HAR asks for, out of a request's target and host (RFC 3986).

use std::fmt::Write;

use super::{pair, separate};
use crate::exchange::Exchange;
use crate::http::lines;
use crate::query::text;

/// The URL of a request: always absolute, without fragment, and with what no URL may hold in
/// percent-encoding. Where the request names no host that a URL can hold, or was not seen, it is
/// the server's address.
pub(super) fn absolute(exchange: &Exchange) -> String {
    let head = exchange.request.head.as_slice();
    let target = lines::request_line(head).target;
    let end = memchr::memchr(b'#', target).unwrap_or(target.len());
    let target = target.get(..end).unwrap_or_default();
    let is_absolute = target.len() >= 7
        && target.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"http://"));
    let host = text::host(head).filter(|host| is_authority(host));
    let mut url = "http://".to_owned();
    match &host {
        Some(host) => url.push_str(&String::from_utf8_lossy(host)),
        None => {
            let _ = write!(url, "{}", exchange.facts.connection.server);
        }
    }
    let path = if is_absolute {
        let rest = target.get(7..).unwrap_or_default();
        let start = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
        rest.get(start..).unwrap_or_default()
    } else {
        target
    };
    if path.first() != Some(&b'/') {
        url.push('/');
    }
    encode(path, &mut url);
    url
}

/// Whether a URL can hold this as host and port: a registered name of plain characters, or an
/// address.
fn is_authority(host: &[u8]) -> bool {
    let name = text::without_port(host);
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    let is_address = || {
        let inside = name.strip_prefix(b"[").and_then(|name| name.strip_suffix(b"]"));
        inside
            .and_then(|inside| std::str::from_utf8(inside).ok())
            .is_some_and(|inside| inside.parse::<std::net::Ipv6Addr>().is_ok())
    };
    !name.is_empty() && (name.iter().all(is_name) || is_address())
}

/// Appends path and query, with what they may not hold in percent-encoding.
fn encode(path: &[u8], url: &mut String) {
    for (position, &byte) in path.iter().enumerate() {
        let is_escape = || {
            path.get(position + 1..position + 3)
                .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
        };
        if byte.is_ascii_alphanumeric()
            || b"-._~!$&'()*+,;=:@/?".contains(&byte)
            || (byte == b'%' && is_escape())
        {
            url.push(char::from(byte));
        } else {
            let _ = write!(url, "%{byte:02X}");
        }
    }
}

/// Appends the parameters of a target's query in their order, as they were sent.
pub(super) fn write_query(target: &[u8], out: &mut Vec<u8>) {
    let end = memchr::memchr(b'#', target).unwrap_or(target.len());
    let target = target.get(..end).unwrap_or_default();
    let Some(start) = memchr::memchr(b'?', target) else { return };
    let query = target.get(start + 1..).unwrap_or_default();
    let parameters = query.split(|&byte| byte == b'&').filter(|parameter| !parameter.is_empty());
    for (position, parameter) in parameters.enumerate() {
        separate(position, out);
        let equals = memchr::memchr(b'=', parameter).unwrap_or(parameter.len());
        let (name, value) = parameter.split_at(equals);
        pair(out, name, value.get(1..).unwrap_or_default());
        out.push(b'}');
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::packet::Endpoint;

    fn exchange(head: &[u8]) -> Exchange {
        let mut exchange = Exchange::default();
        exchange.facts.connection.server = Endpoint::v4([10, 0, 0, 2], 8080);
        exchange.request.head = head.to_vec();
        exchange
    }

    #[test]
    fn urls_are_absolute() {
        let check = |target: &str, host: &str, expected: &str| {
            let head = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
            assert_eq!(absolute(&exchange(head.as_bytes())), expected);
        };
        check("/a?b=c#d", "shop.test", "http://shop.test/a?b=c");
        check("/a b|c%2", "shop.test:81", "http://shop.test:81/a%20b%7Cc%252");
        check("/%c3%bc[1]", "[::1]:81", "http://[::1]:81/%c3%bc%5B1%5D");
        check("*", "shop.test", "http://shop.test/*");
        check("http://other.test:82?x", "shop.test", "http://other.test:82/?x");
        check("shop.test:443", "shop.test:443", "http://shop.test:443/shop.test:443");
        check("/a", "evil\"><script>", "http://10.0.0.2:8080/a");
        check("/a", "", "http://10.0.0.2:8080/a");
        assert_eq!(absolute(&exchange(b"")), "http://10.0.0.2:8080/");
    }

    #[test]
    fn parameters_keep_order_and_duplicates() {
        let mut out = Vec::new();
        write_query(b"/a?x=1&y&x=%20=2&&#z=3", &mut out);
        let expected =
            r#"{"name":"x","value":"1"},{"name":"y","value":""},{"name":"x","value":"%20=2"}"#;
        assert_eq!(String::from_utf8(out).expect("UTF-8"), expected);
    }

    proptest! {
        #[test]
        fn any_target_gives_plain_characters(target in prop::collection::vec(any::<u8>(), 0..60)) {
            let head = [b"GET ", &target[..], b" HTTP/1.1\r\nHost: a.test\r\n\r\n"].concat();
            let url = absolute(&exchange(&head));
            prop_assert!(url.starts_with("http://"));
            prop_assert!(url.bytes().all(|byte| byte.is_ascii_graphic()), "{}", url);
            let is_odd = |byte: u8| b"\"<>\\^`{|}#".contains(&byte);
            prop_assert!(!url.bytes().any(is_odd), "{}", url);
        }
    }
}
