//! The endpoint pair of a connection in a fixed order, so that both directions find one flow.

use std::hash::{Hash, Hasher};

use crate::limits::SHARDS;
use crate::packet::Endpoint;

/// Two endpoints, the lower one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowKey {
    low: Endpoint,
    high: Endpoint,
}

/// Which endpoint of a [`FlowKey`] sent a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// The lower endpoint.
    Low,
    /// The higher endpoint.
    High,
}

impl Peer {
    /// The other endpoint.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Low => Self::High,
            Self::High => Self::Low,
        }
    }
}

impl FlowKey {
    /// The key of the connection between `source` and `target`, and which side `source` is.
    #[must_use]
    pub fn between(source: Endpoint, target: Endpoint) -> (Self, Peer) {
        if source <= target {
            (Self { low: source, high: target }, Peer::Low)
        } else {
            (Self { low: target, high: source }, Peer::High)
        }
    }

    /// The endpoint on that side.
    #[must_use]
    pub const fn endpoint(&self, side: Peer) -> Endpoint {
        match side {
            Peer::Low => self.low,
            Peer::High => self.high,
        }
    }

    /// Which logical shard keeps this flow: the same on every run and for any number of workers.
    #[must_use]
    pub fn shard(&self) -> usize {
        let ((a, b), (c, d)) = (self.low.words(), self.high.words());
        let ports = u64::from(self.low.port()) << 16 | u64::from(self.high.port());
        let mixed = (a ^ b.rotate_left(17) ^ c.rotate_left(31) ^ d.rotate_left(47) ^ ports)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let upper = (mixed >> 48) as usize;
        upper % SHARDS
    }
}

impl Hash for FlowKey {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        let ((a, b), (c, d)) = (self.low.words(), self.high.words());
        // Of two IPv4 addresses all that differs fits one word.
        if a | c == 0 && b >> 32 == 0xffff && d >> 32 == 0xffff {
            state.write_u64(b << 32 | d & 0xffff_ffff);
            state.write_u64(u64::from(self.low.port()) << 16 | u64::from(self.high.port()));
            return;
        }
        state.write_u64(a);
        state.write_u64(b);
        state.write_u64(c);
        state.write_u64(d);
        state.write_u64(u64::from(self.low.port()) << 16 | u64::from(self.high.port()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_have_one_key() {
        let (a, b) = (Endpoint::v4([10, 0, 0, 1], 40000), Endpoint::v4([10, 0, 0, 2], 80));
        let (there, from) = FlowKey::between(a, b);
        let (back, to) = FlowKey::between(b, a);
        assert_eq!(there, back);
        assert_eq!(from.other(), to);
        assert_eq!(there.endpoint(from), a);
        assert_eq!(there.shard(), back.shard());
    }

    #[test]
    fn shards_share_the_flows_evenly() {
        let mut counts = [0_u32; SHARDS];
        for port in 1024..=u16::MAX {
            let client = Endpoint::v4([10, 0, 0, 1], port);
            counts[FlowKey::between(client, Endpoint::v4([10, 0, 0, 2], 80)).0.shard()] += 1;
        }
        let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        assert!(*most < least * 2, "{counts:?}");
    }
}
