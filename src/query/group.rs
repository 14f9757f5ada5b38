//! What exchanges are grouped by (`--by`): keys by name, and their values for one exchange.

use std::io::Write;

use crate::exchange::{Exchange, Facts};
use crate::http::lines;
use crate::limits::METHOD_BYTES_MAX;
use crate::query::filter::nearest;
use crate::query::text::{self, ExchangeText, Text};
use crate::segment::GroupKey;

/// One key of a grouping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// The server's address and port.
    Server,
    /// The client's address; its port belongs to one connection, so it is left out.
    Client,
    /// The host that the request names, in lower case.
    Host,
    /// The request's method.
    Method,
    /// Method and pattern: `GET /users/{int}`.
    Route,
    /// The request's path.
    Path,
    /// The response's status.
    Status,
    /// Its class: `5xx`.
    Class,
    /// How far the exchange came.
    State,
    /// The connection: client, server, and when it was first seen.
    Connection,
    /// The first request header of that name.
    RequestHeader(String),
    /// The first response header of that name.
    ResponseHeader(String),
}

/// The names of the keys, for those who mistyped one.
pub const KEY_NAMES: [&str; 12] = [
    "server",
    "client",
    "host",
    "method",
    "route",
    "path",
    "status",
    "class",
    "state",
    "connection",
    "request.header.NAME",
    "response.header.NAME",
];

impl Key {
    fn from_name(name: &str) -> Option<Self> {
        if let Some(header) = name.strip_prefix("request.header.") {
            return Some(Self::RequestHeader(header.to_owned())).filter(|_| !header.is_empty());
        }
        if let Some(header) = name.strip_prefix("response.header.") {
            return Some(Self::ResponseHeader(header.to_owned())).filter(|_| !header.is_empty());
        }
        Some(match name {
            "server" => Self::Server,
            "client" => Self::Client,
            "host" => Self::Host,
            "method" => Self::Method,
            "route" => Self::Route,
            "path" => Self::Path,
            "status" => Self::Status,
            "class" => Self::Class,
            "state" => Self::State,
            "connection" => Self::Connection,
            _ => return None,
        })
    }

    /// Its name on the command line and in JSON.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Server => "server".to_owned(),
            Self::Client => "client".to_owned(),
            Self::Host => "host".to_owned(),
            Self::Method => "method".to_owned(),
            Self::Route => "route".to_owned(),
            Self::Path => "path".to_owned(),
            Self::Status => "status".to_owned(),
            Self::Class => "class".to_owned(),
            Self::State => "state".to_owned(),
            Self::Connection => "connection".to_owned(),
            Self::RequestHeader(name) => format!("request.header.{name}"),
            Self::ResponseHeader(name) => format!("response.header.{name}"),
        }
    }

    /// Whether it is a property of the request: unknown where only the response was seen.
    pub(crate) const fn is_of_request(&self) -> bool {
        matches!(
            self,
            Self::Host | Self::Method | Self::Route | Self::Path | Self::RequestHeader(_)
        )
    }

    /// Whether it is a property of the response: unknown where none was seen.
    pub(crate) const fn is_of_response(&self) -> bool {
        matches!(self, Self::Status | Self::Class | Self::ResponseHeader(_))
    }

    const fn is_summarised(&self) -> bool {
        matches!(self, Self::Server | Self::Method | Self::Route | Self::Class)
    }

    /// Appends the value that one exchange has for this key; says whether it has one.
    fn write(&self, facts: &Facts, text: &mut dyn Text, out: &mut Vec<u8>) -> bool {
        let before = out.len();
        let connection = &facts.connection;
        // Writing to a vector cannot fail.
        let _ = match self {
            Self::Server => write!(out, "{}", connection.server),
            Self::Client => write!(out, "{}", connection.client.ip()),
            Self::Connection => {
                write!(out, "{} {} {}", connection.client, connection.server, connection.opened_at)
            }
            Self::Status if facts.status != 0 => write!(out, "{}", facts.status),
            Self::Class if facts.status != 0 => write!(out, "{}xx", facts.class()),
            Self::State => out.write_all(facts.state.name().as_bytes()),
            Self::Host if facts.request.is_some() => {
                out.write_all(&text.host().to_ascii_lowercase())
            }
            Self::Method if facts.request.is_some() => out.write_all(cut(text.method())),
            Self::Route if facts.request.is_some() => {
                let (method, route) = text.method_and_route();
                write_route(cut(method), route, out)
            }
            Self::Path if facts.request.is_some() => {
                let target = lines::request_line(text.request_head()).target;
                out.write_all(text::path(target))
            }
            Self::RequestHeader(name) if facts.request.is_some() => {
                return write_header(text.request_head(), name, out);
            }
            Self::ResponseHeader(name) if facts.response.is_some() => {
                return write_header(text.response_head(), name, out);
            }
            _ => Ok(()),
        };
        out.len() > before
    }

    /// Appends the value that a summary's group has for this key.
    fn write_summarised(&self, key: &GroupKey, out: &mut Vec<u8>) -> bool {
        let before = out.len();
        let _ = match self {
            Self::Server => write!(out, "{}", key.server),
            Self::Method => out.write_all(&key.method),
            Self::Route => write_route(&key.method, &key.route, out),
            Self::Class if key.class != 0 => write!(out, "{}xx", key.class),
            _ => Ok(()),
        };
        out.len() > before
    }
}

/// Methods are cut as summaries cut them, so that both give the same groups.
fn cut(method: &[u8]) -> &[u8] {
    method.get(..METHOD_BYTES_MAX).unwrap_or(method)
}

fn write_route(method: &[u8], route: &str, out: &mut Vec<u8>) -> std::io::Result<()> {
    out.write_all(method)?;
    if !method.is_empty() && !route.is_empty() {
        out.push(b' ');
    }
    out.write_all(route.as_bytes())
}

fn write_header(head: &[u8], name: &str, out: &mut Vec<u8>) -> bool {
    let value = lines::field(head, name);
    out.extend_from_slice(value.as_deref().unwrap_or_default());
    value.is_some()
}

/// The values of a group, one a key; `None` where its exchanges have none.
pub type Values = Vec<Option<Vec<u8>>>;

/// The keys of a grouping, in the order that the user gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys(Vec<Key>);

/// A key that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is no key to group by{suggestion}: expected some of {}, separated by commas", KEY_NAMES.join(", "))]
pub struct KeyError {
    /// What was found.
    found: String,
    /// What was probably meant.
    suggestion: String,
}

impl Default for Keys {
    /// By route.
    fn default() -> Self {
        Self(vec![Key::Route])
    }
}

impl Keys {
    /// Reads keys separated by commas: `route,status`. A key that is named twice counts once;
    /// `none` alone is no key at all.
    ///
    /// # Errors
    ///
    /// The first word that is no key, and what there is.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        if text.trim().eq_ignore_ascii_case("none") {
            return Ok(Self::none());
        }
        let mut keys = Vec::new();
        for word in text.split(',').map(str::trim) {
            let Some(key) = Key::from_name(&word.to_ascii_lowercase()) else {
                let near = nearest(word, KEY_NAMES.into_iter().take(10));
                let suggestion = near.map(|near| format!(" (did you mean `{near}`?)"));
                return Err(KeyError {
                    found: word.to_owned(),
                    suggestion: suggestion.unwrap_or_default(),
                });
            };
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        Ok(Self(keys))
    }

    /// No keys: everything is one group.
    #[must_use]
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// The keys, in order.
    #[must_use]
    pub fn as_slice(&self) -> &[Key] {
        &self.0
    }

    /// Whether the summary of a segment can answer by these keys.
    #[must_use]
    pub fn are_summarised(&self) -> bool {
        self.0.iter().all(Key::is_summarised)
    }

    /// Whether methods, routes, hosts or heads are asked for.
    #[must_use]
    pub fn needs_text(&self) -> bool {
        self.0.iter().any(|key| key.is_of_request() || matches!(key, Key::ResponseHeader(_)))
    }

    /// Whether hosts are asked for.
    #[must_use]
    pub fn needs_hosts(&self) -> bool {
        self.0.contains(&Key::Host)
    }

    /// Whether heads are asked for.
    #[must_use]
    pub fn needs_heads(&self) -> bool {
        self.0
            .iter()
            .any(|key| matches!(key, Key::Path | Key::RequestHeader(_) | Key::ResponseHeader(_)))
    }

    /// The values of one exchange, in the order of the keys.
    #[must_use]
    pub fn of(&self, exchange: &Exchange) -> Values {
        let mut text = ExchangeText::new(exchange);
        let value = |key: &Key| {
            let mut value = Vec::new();
            key.write(&exchange.facts, &mut text, &mut value).then_some(value)
        };
        self.0.iter().map(value).collect()
    }

    /// The values of one exchange, encoded into `out` (emptied first): equal values give equal
    /// bytes. [`Keys::values`] reads them back.
    pub(crate) fn encode(&self, facts: &Facts, text: &mut dyn Text, out: &mut Vec<u8>) {
        self.encode_each(out, |key, out| key.write(facts, text, out));
    }

    /// The same for a group of a summary.
    pub(crate) fn encode_summarised(&self, group: &GroupKey, out: &mut Vec<u8>) {
        self.encode_each(out, |key, out| key.write_summarised(group, out));
    }

    /// Per key: whether there is a value, its length, the value.
    fn encode_each(&self, out: &mut Vec<u8>, mut write: impl FnMut(&Key, &mut Vec<u8>) -> bool) {
        out.clear();
        for key in &self.0 {
            let begun = out.len();
            out.extend_from_slice(&[0; 5]);
            let found = write(key, out);
            let len = u32::try_from(out.len() - begun - 5).unwrap_or(u32::MAX);
            if let Some([place, lengths @ ..]) = out.get_mut(begun..begun + 5) {
                *place = u8::from(found);
                lengths.copy_from_slice(&len.to_be_bytes());
            }
        }
    }

    /// Reads back what `encode` wrote.
    pub(crate) fn values(mut encoded: &[u8]) -> Values {
        let mut values = Values::new();
        while let Some((&[found, a, b, c, d], rest)) = encoded.split_first_chunk() {
            let length = u32::from_be_bytes([a, b, c, d]) as usize;
            let (value, rest) = rest.split_at_checked(length).unwrap_or((rest, &[]));
            values.push((found != 0).then(|| value.to_vec()));
            encoded = rest;
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{ConnectionKey, MessageFacts, State};
    use crate::packet::Endpoint;
    use crate::time::Timestamp;

    fn sample() -> Exchange {
        let mut exchange = Exchange {
            facts: Facts {
                connection: ConnectionKey {
                    client: Endpoint::v4([10, 0, 0, 1], 51324),
                    server: Endpoint::v4([192, 0, 2, 7], 80),
                    opened_at: Timestamp::from_nanos(0),
                },
                request: Some(MessageFacts::default()),
                response: Some(MessageFacts::default()),
                status: 503,
                ..Facts::default()
            },
            ..Exchange::default()
        };
        exchange.request.head = b"GET /a/1?b HTTP/1.1\r\nHost: Shop.test\r\nX:\r\n\r\n".to_vec();
        exchange.response.head = b"HTTP/1.1 503 No\r\nServer: gr\xf6\xdfe\r\n\r\n".to_vec();
        exchange.route = "/a/{int}".to_owned();
        exchange
    }

    fn values(exchange: &Exchange, keys: &str) -> Vec<Option<String>> {
        let keys = Keys::parse(keys).expect("keys");
        let mut encoded = Vec::new();
        keys.encode(&exchange.facts, &mut ExchangeText::new(exchange), &mut encoded);
        assert_eq!(Keys::values(&encoded), keys.of(exchange));
        let text = |value: Vec<u8>| value.iter().map(|&byte| char::from(byte)).collect();
        Keys::values(&encoded).into_iter().map(|value| value.map(text)).collect()
    }

    #[test]
    fn every_key_has_its_value() {
        let exchange = sample();
        let check = |key: &str, expected: Option<&str>| {
            assert_eq!(values(&exchange, key), [expected.map(str::to_owned)], "{key}");
        };
        check("server", Some("192.0.2.7:80"));
        check("client", Some("10.0.0.1"));
        check("host", Some("shop.test"));
        check("method", Some("GET"));
        check("route", Some("GET /a/{int}"));
        check("path", Some("/a/1"));
        check("status", Some("503"));
        check("class", Some("5xx"));
        check("state", Some("complete"));
        check("connection", Some("10.0.0.1:51324 192.0.2.7:80 1970-01-01T00:00:00.000000000Z"));
        check("request.header.X", Some(""));
        check("request.header.y", None);
        check("response.header.server", Some("gr\u{f6}\u{df}e"));
    }

    #[test]
    fn what_was_not_seen_has_no_value() {
        let mut exchange = sample();
        exchange.facts = Facts { status: 0, state: State::Open, ..Facts::default() };
        let all = "host,method,route,path,status,class,request.header.host,response.header.server";
        assert_eq!(values(&exchange, all), vec![None; 8]);
    }

    #[test]
    fn keys_are_read_in_order_and_mistakes_are_told() {
        let keys = Keys::parse(" Route , status,route").expect("keys");
        assert_eq!(keys.as_slice(), [Key::Route, Key::Status]);
        assert_eq!(values(&sample(), "status,route").len(), 2);
        assert_eq!(Keys::parse("none"), Ok(Keys::none()));
        let check = |text: &str, expected: &str| {
            let error = Keys::parse(text).expect_err("a mistake").to_string();
            assert!(error.starts_with(expected), "{error}");
        };
        check("rout", "`rout` is no key to group by (did you mean `route`?): expected some of");
        check("route,", "`` is no key to group by: expected some of server, client, host,");
        check("zebra", "`zebra` is no key to group by: expected");
        check("request.header.", "`request.header.` is no key");
    }

    #[test]
    fn a_summary_gives_the_same_values_as_its_exchanges() {
        let keys = Keys::parse("class,route,server,method").expect("keys");
        assert!(keys.are_summarised());
        let mut exchange = sample();
        for step in 0..4 {
            if step == 1 {
                exchange.facts.request = None;
                exchange.request.head.clear();
                exchange.route.clear();
            }
            if step == 2 {
                exchange = sample();
                exchange.facts.status = 0;
            }
            if step == 3 {
                exchange.request.head = [b'M'; 100].to_vec();
            }
            let mut summary = crate::segment::Summary::default();
            summary.record(&exchange);
            let (group, _) = summary.groups().next().expect("one group");
            let (mut direct, mut summarised) = (Vec::new(), Vec::new());
            keys.encode(&exchange.facts, &mut ExchangeText::new(&exchange), &mut direct);
            keys.encode_summarised(group, &mut summarised);
            assert_eq!(direct, summarised, "{step}");
        }
    }
}
