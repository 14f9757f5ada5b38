//! The endpoint pair of a connection in a fixed order, so that both directions find one flow.

use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::hint::select_unpredictable;

use foldhash::fast::RandomState;

use crate::limits::SHARDS;
use crate::packet::Endpoint;

/// Two endpoints, the lower one first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FlowKey {
    /// The words of both addresses.
    low: (u64, u64),
    high: (u64, u64),
    /// The port of the lower endpoint in the upper 16 of 32 bits, that of the other below.
    ports: u64,
}

/// Hashes keys with a seed of its own, so that strangers cannot choose endpoints that collide.
#[derive(Debug, Default)]
pub struct KeyHasher(RandomState);

/// The hash of a key by the one [`KeyHasher`] of the tables that it is looked up in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyHash(pub(super) u64);

impl KeyHasher {
    /// The hash of `key`.
    #[inline]
    #[must_use]
    #[expect(clippy::manual_hash_one, reason = "what is done for each packet is not to be a call")]
    pub fn hash(&self, key: &FlowKey) -> KeyHash {
        let mut state = self.0.build_hasher();
        key.hash(&mut state);
        KeyHash(state.finish())
    }
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
    #[inline]
    pub fn between(source: &Endpoint, target: &Endpoint) -> (Self, Peer) {
        let is_low = source <= target;
        // Which way a packet goes cannot be foreseen: no branch on it.
        let low = select_unpredictable(is_low, source, target);
        let high = select_unpredictable(is_low, target, source);
        let ports = u64::from(low.port()) << 16 | u64::from(high.port());
        let key = Self { low: low.words(), high: high.words(), ports };
        (key, if is_low { Peer::Low } else { Peer::High })
    }

    /// The endpoint on that side.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "two ports were put in")]
    pub const fn endpoint(&self, side: Peer) -> Endpoint {
        match side {
            Peer::Low => Endpoint::from_words(self.low, (self.ports >> 16) as u16),
            Peer::High => Endpoint::from_words(self.high, self.ports as u16),
        }
    }

    /// Which logical shard keeps this flow: the same on every run and for any number of workers.
    #[must_use]
    #[inline]
    pub const fn shard(&self) -> usize {
        self.spread() % SHARDS
    }

    /// Which of so many parts of its shard, a power of two and at most 4096, keeps this flow: the
    /// same on every run. A stranger can choose endpoints of one part, so it must not matter that it
    /// is full.
    #[inline]
    pub(super) const fn part(&self, parts: usize) -> usize {
        (self.spread() / SHARDS) & (parts - 1)
    }

    /// Sixteen bits, in which endpoints that differ a little differ much.
    #[inline]
    const fn spread(&self) -> usize {
        let ((a, b), (c, d)) = (self.low, self.high);
        let mixed = (a ^ b.rotate_left(17) ^ c.rotate_left(31) ^ d.rotate_left(47) ^ self.ports)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 48) as usize
    }
}

impl fmt::Debug for FlowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} - {}", self.endpoint(Peer::Low), self.endpoint(Peer::High))
    }
}

impl Hash for FlowKey {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        let ((a, b), (c, d)) = (self.low, self.high);
        // Of two IPv4 addresses all that differs fits one word.
        if a | c == 0 && b >> 32 == 0xffff && d >> 32 == 0xffff {
            state.write_u64(b << 32 | d & 0xffff_ffff);
        } else {
            [a, b, c, d].into_iter().for_each(|word| state.write_u64(word));
        }
        state.write_u64(self.ports);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_have_one_key() {
        let (a, b) = (Endpoint::v4([10, 0, 0, 1], 40000), Endpoint::v4([10, 0, 0, 2], 80));
        let (there, from) = FlowKey::between(&a, &b);
        let (back, to) = FlowKey::between(&b, &a);
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
            counts[FlowKey::between(&client, &Endpoint::v4([10, 0, 0, 2], 80)).0.shard()] += 1;
        }
        let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        assert!(*most < least * 2, "{counts:?}");
    }
}
