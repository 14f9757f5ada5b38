//! What moves between the stages: frames as captured and the TCP packets found in them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::time::Timestamp;

/// Bytes as the link carried them, and when.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// When the capture stamped it.
    pub at: Timestamp,
    /// What was captured of it, from the link header on.
    pub bytes: &'a [u8],
    /// How long it was on the wire, in bytes; more than `bytes.len()` where it was cut.
    pub wire_len: u32,
    /// How the link header is to be read: a LINKTYPE value of the pcap registry.
    pub link: LinkType,
}

/// A value of the pcap LINKTYPE registry; 1 is Ethernet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkType(pub u16);

impl LinkType {
    /// Ethernet (`LINKTYPE_ETHERNET`).
    pub const ETHERNET: Self = Self(1);
}

/// An IP address and a port. IPv4 is kept as IPv4-mapped IPv6, so that both compare and hash
/// alike; no host sends mapped addresses on a wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    high: u64,
    low: u64,
    /// A port, in a whole word: what has no padding is copied in few steps.
    port: u64,
}

impl Endpoint {
    /// From the four bytes of an IPv4 address and a port.
    #[must_use]
    pub fn v4(address: [u8; 4], port: u16) -> Self {
        let low = 0xffff_0000_0000 | u64::from(u32::from_be_bytes(address));
        Self { high: 0, low, port: u64::from(port) }
    }

    /// From the sixteen bytes of an IPv6 address and a port.
    #[must_use]
    pub fn v6(address: [u8; 16], port: u16) -> Self {
        let bits = u128::from_be_bytes(address);
        #[expect(clippy::cast_possible_truncation, reason = "the halves of 128 bits")]
        Self { high: (bits >> 64) as u64, low: bits as u64, port: u64::from(port) }
    }

    /// The address as sixteen bytes, IPv4 mapped.
    #[must_use]
    pub fn octets(self) -> [u8; 16] {
        ((u128::from(self.high) << 64) | u128::from(self.low)).to_be_bytes()
    }

    /// The upper and lower 64 bits of the address, IPv4 mapped.
    #[must_use]
    pub const fn words(self) -> (u64, u64) {
        (self.high, self.low)
    }

    /// The endpoint of which [`words`](Self::words) gives the address.
    #[must_use]
    pub(crate) const fn from_words((high, low): (u64, u64), port: u16) -> Self {
        Self { high, low, port: port as u64 }
    }

    /// The port.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "only ports are put in")]
    pub const fn port(self) -> u16 {
        self.port as u16
    }

    /// The address, IPv4 where it is one.
    #[must_use]
    pub fn ip(self) -> IpAddr {
        let octets = self.octets();
        if self.high == 0 && self.low >> 32 == 0xffff {
            let [.., a, b, c, d] = octets;
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        } else {
            IpAddr::V6(Ipv6Addr::from(octets))
        }
    }
}

/// `10.0.0.1:80` or `[2001:db8::2]:80`.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::new(self.ip(), self.port()).fmt(f)
    }
}

/// The control bits of a TCP header (RFC 9293 section 3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u8);

impl Flags {
    /// No more data from the sender.
    pub const FIN: Self = Self(0x01);
    /// Synchronise sequence numbers.
    pub const SYN: Self = Self(0x02);
    /// Reset the connection.
    pub const RST: Self = Self(0x04);
    /// Push.
    pub const PSH: Self = Self(0x08);
    /// The acknowledgment field is significant.
    pub const ACK: Self = Self(0x10);
    /// The urgent pointer is significant.
    pub const URG: Self = Self(0x20);

    /// Whether every bit of `other` is set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets of bits.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// One TCP packet decoded from a frame (the innermost one, where tunnels wrap it).
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// When its frame was stamped (of a fragmented datagram: its last frame).
    pub at: Timestamp,
    /// Who sent it.
    pub source: Endpoint,
    /// Whom it was sent to.
    pub target: Endpoint,
    /// Sequence number of the first payload byte (of the SYN, where that flag is set).
    pub seq: u32,
    /// Next sequence number expected from the peer; meaningless without `Flags::ACK`.
    pub ack: u32,
    /// Control bits.
    pub flags: Flags,
    /// Window field as sent, without the scale option.
    pub window: u16,
    /// IPv4's identification, the same in every frame that carried this packet, and mostly another
    /// one where its bytes were sent again; 0 where there is none: most senders count it up, some
    /// leave it out or the same, IPv6 has none (RFC 6864).
    pub id: u16,
    /// The payload that was captured; its length on the wire is `payload.len() + cut`.
    pub payload: &'a [u8],
    /// Payload bytes that the wire carried and the snap length cut off.
    pub cut: u32,
}

impl Packet<'_> {
    /// Payload length on the wire, in bytes, by the IP header.
    #[must_use]
    pub fn wire_payload(&self) -> u64 {
        self.payload.len() as u64 + u64::from(self.cut)
    }
}

/// Which way bytes flow on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the client: requests.
    ToServer,
    /// From the server: responses.
    ToClient,
}

impl Direction {
    /// The other way.
    #[must_use]
    pub const fn reverse(self) -> Self {
        match self {
            Self::ToServer => Self::ToClient,
            Self::ToClient => Self::ToServer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_print_as_socket_addresses() {
        assert_eq!(Endpoint::v4([10, 0, 0, 1], 80).to_string(), "10.0.0.1:80");
        let mut address = [0; 16];
        address[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        address[15] = 2;
        assert_eq!(Endpoint::v6(address, 8080).to_string(), "[2001:db8::2]:8080");
        assert_eq!(Endpoint::v6(address, 1).octets(), address);
    }
}
