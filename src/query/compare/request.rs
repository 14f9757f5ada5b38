//! What makes two requests the same: method, target with its query in order, and body; and what
//! their connection changed on the server before them.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::exchange::{ConnectionKey, Exchange};
use crate::http::lines;
use crate::limits::CONNECTIONS_FOLLOWED_MAX;
use crate::query::compare::leaves::{Leaf, Paths, digest};
use crate::query::text;

/// A request by what its answer may depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The request itself.
    pub(super) plain: u64,
    /// The request, and every unsafe request (RFC 9110 section 9.2.1) before it on its
    /// connection with the class of its status: what a session did so far.
    pub(super) chained: u64,
}

/// Follows the connections of one capture.
#[derive(Debug, Default)]
pub(super) struct Follower {
    paths: Paths,
    leaves: Vec<Leaf>,
    /// By connection: what it changed so far.
    chains: HashMap<ConnectionKey, u64, RandomState>,
    /// Chains of connections that were not heard of for long.
    older: HashMap<ConnectionKey, u64, RandomState>,
}

impl Follower {
    /// The next exchange of its connection.
    pub(super) fn follow(&mut self, exchange: &Exchange) -> Request {
        let line = lines::request_line(&exchange.request.head);
        let mut named = line.method.to_ascii_uppercase();
        named.push(b' ');
        named.extend_from_slice(text::path(line.target));
        push_query(line.target, &mut named);
        let body = exchange.request.body.as_deref().unwrap_or_default();
        let body = if body.is_empty() {
            0
        } else if is_form(&exchange.request.head) {
            let mut fields: Vec<&[u8]> = body.split(|&byte| byte == b'&').collect();
            fields.sort_unstable();
            self.paths.hash(&fields.join(&b"&"[..]))
        } else {
            digest(body, &mut self.paths, &mut self.leaves)
        };
        let plain = mix(self.paths.hash(&named), body);
        let connection = exchange.facts.connection;
        let chain = self.chains.get(&connection).or_else(|| self.older.get(&connection));
        let chain = chain.copied().unwrap_or(0);
        let is_safe = [&b"GET"[..], b"HEAD", b"OPTIONS", b"TRACE"].contains(&line.method);
        if !is_safe && exchange.facts.request.is_some() {
            if self.chains.len() >= CONNECTIONS_FOLLOWED_MAX {
                self.older = std::mem::take(&mut self.chains);
            }
            let class = u64::from(exchange.facts.class());
            self.chains.insert(connection, mix(mix(chain, plain), class));
        }
        Request { plain, chained: mix(plain, chain) }
    }
}

/// Two numbers as one that both decide.
pub(super) const fn mix(one: u64, two: u64) -> u64 {
    let mixed = (one.rotate_left(25) ^ two).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
    mixed ^ mixed >> 29
}

/// The parameters of the query in the order of their bytes.
fn push_query(target: &[u8], out: &mut Vec<u8>) {
    let query = target.split(|&byte| byte == b'#').next().unwrap_or_default();
    let Some(at) = memchr::memchr(b'?', query) else { return };
    let mut parameters: Vec<&[u8]> =
        query.get(at + 1..).unwrap_or_default().split(|&byte| byte == b'&').collect();
    parameters.sort_unstable();
    for parameter in parameters.into_iter().filter(|parameter| !parameter.is_empty()) {
        out.push(b'&');
        out.extend_from_slice(parameter);
    }
}

fn is_form(head: &[u8]) -> bool {
    lines::field(head, "content-type").is_some_and(|value| {
        value.to_ascii_lowercase().starts_with(b"application/x-www-form-urlencoded")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::MessageFacts;

    fn exchange(line: &str, body: &str) -> Exchange {
        let mut exchange = Exchange::default();
        exchange.request.head = format!("{line} HTTP/1.1\r\n\r\n").into_bytes();
        exchange.request.body = Some(body.as_bytes().to_vec());
        exchange.facts.request = Some(MessageFacts::default());
        exchange.facts.status = 200;
        exchange
    }

    #[test]
    fn the_same_request_is_the_same() {
        let check = |one: (&str, &str), two: (&str, &str), expected: bool| {
            let follow = |(line, body)| Follower::default().follow(&exchange(line, body)).plain;
            assert_eq!(follow(one) == follow(two), expected, "{one:?} {two:?}");
        };
        check(("GET /a?x=1&y=2", ""), ("GET http://h.test/a?y=2&x=1#z", ""), true);
        check(("GET /a?x=1", ""), ("GET /a?x=2", ""), false);
        check(("POST /a", r#"{"a":1,"b":2}"#), ("POST /a", r#"{ "b": 2, "a": 1 }"#), true);
        check(("POST /a", "x"), ("PUT /a", "x"), false);
    }

    #[test]
    fn a_session_is_what_its_connection_changed() {
        let chain = |lines: &[&str]| {
            let mut follower = Follower::default();
            let follow = lines.iter().map(|line| follower.follow(&exchange(line, "")));
            follow.last().expect("a request")
        };
        let (fresh, looked) = (chain(&["GET /cart"]), chain(&["GET /", "GET /cart"]));
        assert_eq!(fresh, looked, "a safe request changes nothing");
        let bought = chain(&["POST /cart", "GET /", "GET /cart"]);
        assert_eq!(bought, chain(&["GET /x", "POST /cart", "GET /cart"]));
        assert_eq!(fresh.plain, bought.plain);
        assert_ne!(fresh.chained, bought.chained);
    }
}
