//! What the right side of a comparison holds: numbers to compare, addresses, patterns of text.

use std::cmp::Ordering;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use memchr::memmem::Finder;
use regex::bytes::{Regex, RegexBuilder};

use crate::packet::Endpoint;
use crate::query::text;

/// How two ordered values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Whether a question can come out true, or false, for some value of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Possible {
    pub(super) yes: bool,
    pub(super) no: bool,
}

impl Possible {
    /// Nothing is known.
    pub(super) const EITHER: Self = Self { yes: true, no: true };
    /// It is false throughout.
    pub(super) const NEVER: Self = Self { yes: false, no: true };
}

impl Comparison {
    /// Whether `left` and `right` stand so.
    pub(super) fn holds<T: Ord>(self, left: &T, right: &T) -> bool {
        let order = left.cmp(right);
        match self {
            Self::Equal => order == Ordering::Equal,
            Self::NotEqual => order != Ordering::Equal,
            Self::Less => order == Ordering::Less,
            Self::LessOrEqual => order != Ordering::Greater,
            Self::Greater => order == Ordering::Greater,
            Self::GreaterOrEqual => order != Ordering::Less,
        }
    }

    /// What can come out where the left side is anything from `low` to `high`.
    pub(super) fn over<T: Ord>(self, low: &T, high: &T, right: &T) -> Possible {
        let single = low == right && high == right;
        let inside = low <= right && right <= high;
        match self {
            Self::Equal => Possible { yes: inside, no: !single },
            Self::NotEqual => Possible { yes: !single, no: inside },
            Self::Less => Possible { yes: low < right, no: high >= right },
            Self::LessOrEqual => Possible { yes: low <= right, no: high > right },
            Self::Greater => Possible { yes: high > right, no: low <= right },
            Self::GreaterOrEqual => Possible { yes: high >= right, no: low < right },
        }
    }
}

/// An address, a network, or an address with a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AddressPattern {
    network: u128,
    mask: u128,
    port: Option<u16>,
}

impl AddressPattern {
    /// Reads `10.0.0.1`, `10.0.0.1:80`, `10.0.0.0/8`, `::1`, `[::1]`, `[::1]:80`, `2001:db8::/32`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Ok(socket) = text.parse::<SocketAddr>() {
            let network = mapped(socket.ip());
            return Some(Self { network, mask: u128::MAX, port: Some(socket.port()) });
        }
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u32>().ok()?)),
            None => (text, None),
        };
        let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let ip: IpAddr = bare.unwrap_or(address).parse().ok()?;
        let bits: u32 = if ip.is_ipv4() { 32 } else { 128 };
        let host_bits = bits.checked_sub(prefix.unwrap_or(bits))?;
        let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
        Some(Self { network: mapped(ip) & mask, mask, port: None })
    }

    /// Whether `endpoint` lies in it.
    pub(super) fn holds(self, endpoint: Endpoint) -> bool {
        let (high, low) = endpoint.words();
        let address = u128::from(high) << 64 | u128::from(low);
        address & self.mask == self.network && self.port.is_none_or(|port| port == endpoint.port())
    }
}

fn mapped(ip: IpAddr) -> u128 {
    let ip: Ipv6Addr = match ip {
        IpAddr::V4(ip) => Ipv4Addr::to_ipv6_mapped(&ip),
        IpAddr::V6(ip) => ip,
    };
    u128::from(ip)
}

/// What text must look like.
#[derive(Clone, Debug)]
pub(super) enum Pattern {
    /// These bytes.
    Exactly(Vec<u8>),
    /// This host in any case; without a port it stands for every port.
    Host(Vec<u8>),
    /// These bytes somewhere.
    Contains(Box<Finder<'static>>),
    /// A regular expression that matches somewhere.
    Regex(Box<Regex>),
}

impl Pattern {
    /// A regular expression over bytes, with ASCII classes: what is sent need not be UTF-8.
    pub(super) fn regex(expression: &str) -> Result<Self, regex::Error> {
        RegexBuilder::new(expression).unicode(false).build().map(Box::new).map(Self::Regex)
    }

    pub(super) fn contains(needle: &str) -> Self {
        Self::Contains(Box::new(Finder::new(needle.as_bytes()).into_owned()))
    }

    pub(super) fn holds(&self, bytes: &[u8]) -> bool {
        match self {
            Self::Exactly(expected) => bytes == expected.as_slice(),
            Self::Host(expected) => {
                let with_port = text::without_port(expected).len() < expected.len();
                let found = if with_port { bytes } else { text::without_port(bytes) };
                found.eq_ignore_ascii_case(expected)
            }
            Self::Contains(finder) => finder.find(bytes).is_some(),
            Self::Regex(regex) => regex.is_match(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_match_with_or_without_port_and_by_network() {
        let check = |pattern: &str, endpoint: &str, expected: bool| {
            let pattern_read = AddressPattern::parse(pattern).expect("a pattern");
            let endpoint_read = match endpoint.parse().expect("an endpoint") {
                SocketAddr::V4(v4) => Endpoint::v4(v4.ip().octets(), v4.port()),
                SocketAddr::V6(v6) => Endpoint::v6(v6.ip().octets(), v6.port()),
            };
            assert_eq!(pattern_read.holds(endpoint_read), expected, "{pattern} {endpoint}");
        };
        check("10.0.0.1", "10.0.0.1:80", true);
        check("10.0.0.1:80", "10.0.0.1:80", true);
        check("10.0.0.1:81", "10.0.0.1:80", false);
        check("10.0.0.0/8", "10.200.0.1:80", true);
        check("10.0.0.0/8", "11.0.0.1:80", false);
        check("0.0.0.0/0", "11.0.0.1:80", true);
        check("0.0.0.0/0", "[::2]:80", false);
        check("::/0", "11.0.0.1:80", true);
        check("::1", "[::1]:80", true);
        check("[::1]", "[::1]:80", true);
        check("[::1]:80", "[::1]:81", false);
        check("2001:db8::/32", "[2001:db8:1::1]:80", true);
        for text in ["", "shop.test", "10.0.0.1/33", "::/129", "10.0.0.1:99999", "10.0.0.0/x"] {
            assert_eq!(AddressPattern::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_range_allows_what_some_value_in_it_gives() {
        use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
        for comparison in [Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual] {
            for low in 0..5_u64 {
                for high in low..5 {
                    for right in 0..5 {
                        let outcomes: Vec<bool> =
                            (low..=high).map(|left| comparison.holds(&left, &right)).collect();
                        let expected = Possible {
                            yes: outcomes.contains(&true),
                            no: outcomes.contains(&false),
                        };
                        assert_eq!(comparison.over(&low, &high, &right), expected);
                    }
                }
            }
        }
    }
}
