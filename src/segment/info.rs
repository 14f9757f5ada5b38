//! What a segment knows of a block without reading it: spans, classes, and a filter of names.

use crate::limits::BLOCK_EXCHANGES_MAX;
use crate::segment::cursor::{Cursor, Malformed, put_bytes, put_varint};
use crate::time::Timestamp;

/// What a segment knows of one of its blocks without reading it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockInfo {
    /// Where the block begins in its file, in bytes.
    pub offset: u64,
    /// How long it is, in bytes, padding included.
    pub len: u64,
    /// How many exchanges it holds.
    pub exchanges: u32,
    /// The earliest start of its exchanges.
    pub first_start: Timestamp,
    /// The latest start of its exchanges.
    pub last_start: Timestamp,
    /// The largest total of its exchanges, in nanoseconds; 0 where none has a total.
    pub total_ns_max: u64,
    /// The status classes that occur: bit 2 for 2xx and so on, bit 0 for "no response".
    pub classes: u16,
    /// The states that occur: one bit each, in the order of [`crate::exchange::State::ALL`].
    pub states: u8,
    /// The hosts and routes that occur.
    pub(super) names: Filter,
    /// Which block of its file it is, from 0, unreadable ones counted.
    pub(super) number: usize,
}

impl BlockInfo {
    /// What is known of a block whose info is damaged: it may hold anything.
    pub(super) fn unknown(exchanges: u32) -> Self {
        Self {
            exchanges,
            first_start: Timestamp::MIN,
            last_start: Timestamp::MAX,
            total_ns_max: u64::MAX,
            classes: u16::MAX,
            states: u8::MAX,
            ..Self::default()
        }
    }

    /// Whether the block can hold an exchange with this host, in any case; `false` is certain.
    #[must_use]
    pub fn may_have_host(&self, host: &[u8]) -> bool {
        self.names.may_have(Name::host(host))
    }

    /// Whether the block can hold an exchange with this route pattern (without its method);
    /// `false` is certain.
    #[must_use]
    pub fn may_have_route(&self, route: &str) -> bool {
        self.names.may_have(Name::route(route))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.exchanges.to_le_bytes());
        out.extend_from_slice(&self.first_start.as_nanos().to_le_bytes());
        out.extend_from_slice(&self.last_start.as_nanos().to_le_bytes());
        out.extend_from_slice(&self.total_ns_max.to_le_bytes());
        out.extend_from_slice(&self.classes.to_le_bytes());
        out.push(self.states);
        put_bytes(out, &self.names.bits);
    }

    pub(super) fn decode(cursor: &mut Cursor<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            exchanges: cursor.u32()?,
            first_start: Timestamp::from_nanos(cursor.i64()?),
            last_start: Timestamp::from_nanos(cursor.i64()?),
            total_ns_max: cursor.u64()?,
            classes: cursor.u16()?,
            states: cursor.u8()?,
            names: Filter::decode(cursor.bytes()?)?,
            ..Self::default()
        })
    }
}

/// The footer's index of the blocks.
pub(super) fn encode_index(blocks: &[BlockInfo]) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(&mut out, blocks.len() as u64);
    for block in blocks {
        out.extend_from_slice(&block.offset.to_le_bytes());
        out.extend_from_slice(&block.len.to_le_bytes());
        block.encode(&mut out);
    }
    out
}

/// Reads what [`encode_index`] wrote; the blocks must follow one another from `start` to `end`.
pub(super) fn decode_index(
    bytes: &[u8],
    start: Option<u64>,
    end: u64,
) -> Result<Vec<BlockInfo>, Malformed> {
    let mut cursor = Cursor::new(bytes);
    let count = cursor.count()?;
    let mut blocks: Vec<BlockInfo> = Vec::new();
    let mut expected = start;
    for number in 0..count {
        let (offset, len) = (cursor.u64()?, cursor.u64()?);
        let block = BlockInfo { offset, len, number, ..BlockInfo::decode(&mut cursor)? };
        if expected.is_some_and(|expected| expected != offset) {
            return Err(format!("block {number} found at byte {offset}, where none begins"));
        }
        if !(1..=BLOCK_EXCHANGES_MAX).contains(&(block.exchanges as usize)) {
            return Err(format!("block {number} found with {} exchanges", block.exchanges));
        }
        expected = Some(offset.saturating_add(len));
        blocks.push(block);
    }
    cursor.end()?;
    match expected {
        Some(expected) if expected != end => {
            Err(format!("blocks up to byte {end} expected, up to {expected} found"))
        }
        _ => Ok(blocks),
    }
}

/// A Bloom filter of hosts and routes: 64 to 8192 bits, a power of two, four of them set by each
/// name. Bit `n` is bit `n % 8` of byte `n / 8`. A filter without bits may have every name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Filter {
    bits: Vec<u8>,
}

impl Filter {
    /// Bits for each name that is expected; four probes then err once in fifty or less.
    const BITS_PER_NAME: usize = 10;
    const BITS_MIN: usize = 64;
    const BITS_MAX: usize = 8192;
    const PROBES: u64 = 4;

    /// An empty filter with room for that many names.
    pub(super) fn new(names: usize) -> Self {
        let bits = names
            .saturating_mul(Self::BITS_PER_NAME)
            .clamp(Self::BITS_MIN, Self::BITS_MAX)
            .next_power_of_two();
        Self { bits: vec![0; bits / 8] }
    }

    fn decode(bits: &[u8]) -> Result<Self, Malformed> {
        let known = Self::BITS_MIN / 8..=Self::BITS_MAX / 8;
        if bits.is_empty() || (known.contains(&bits.len()) && bits.len().is_power_of_two()) {
            Ok(Self { bits: bits.to_vec() })
        } else {
            Err(format!("a filter of 8 to 1024 bytes expected, {} found", bits.len()))
        }
    }

    /// Adds a name.
    pub(super) fn add(&mut self, name: Name) {
        for bit in name.bits(self.bits.len()) {
            if let Some(byte) = self.bits.get_mut(bit / 8) {
                *byte |= 1 << (bit % 8);
            }
        }
    }

    fn may_have(&self, name: Name) -> bool {
        name.bits(self.bits.len())
            .all(|bit| self.bits.get(bit / 8).is_none_or(|byte| byte & (1 << (bit % 8)) != 0))
    }
}

/// The hash of a host or route: `FNV-1a` of 64 bits over a byte (`h` or `r`) and the name, then the
/// finaliser of `SplitMix64`. Probe `i` is its lower half plus `i` times its upper half, made odd,
/// modulo the number of bits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name(u64);

impl Name {
    /// A host, in lower case.
    pub(super) fn host(host: &[u8]) -> Self {
        Self::of(b'h', host.iter().map(u8::to_ascii_lowercase))
    }

    /// A route pattern.
    pub(super) fn route(route: &str) -> Self {
        Self::of(b'r', route.bytes())
    }

    fn of(kind: u8, name: impl Iterator<Item = u8>) -> Self {
        let fnv =
            std::iter::once(kind).chain(name).fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        let hash = (fnv ^ (fnv >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self(hash ^ (hash >> 31))
    }

    /// The bits it sets in a filter of that many bytes.
    fn bits(self, bytes: usize) -> impl Iterator<Item = usize> {
        let (low, high) = (self.0 & 0xffff_ffff, (self.0 >> 32) | 1);
        let mask = (bytes as u64 * 8).saturating_sub(1);
        (0..Filter::PROBES).map(move |probe| {
            #[expect(clippy::cast_possible_truncation, reason = "below 8192")]
            let bit = (low.wrapping_add(probe.wrapping_mul(high)) & mask) as usize;
            bit
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_filter_has_every_name_that_was_added(
            names: Vec<String>, hosts: Vec<Vec<u8>>
        ) {
            let mut filter = Filter::new(names.len() + hosts.len());
            for name in &names {
                filter.add(Name::route(name));
            }
            for host in &hosts {
                filter.add(Name::host(host));
            }
            let info = BlockInfo { names: filter, ..BlockInfo::default() };
            prop_assert!(names.iter().all(|name| info.may_have_route(name)));
            prop_assert!(hosts.iter().all(|host| info.may_have_host(&host.to_ascii_uppercase())));
        }

        #[test]
        fn garbage_is_refused_quietly(bytes: Vec<u8>) {
            let _ = decode_index(&bytes, None, 0);
        }
    }

    #[test]
    fn a_filter_leaves_out_most_others() {
        let mut filter = Filter::new(100);
        (0..100).for_each(|n| filter.add(Name::route(&format!("/held/{n}"))));
        let wrong = (0..10_000).filter(|n| filter.may_have(Name::route(&format!("/other/{n}"))));
        assert!(wrong.count() < 300);
        assert!(Filter::default().may_have(Name::host(b"any")));
    }

    #[test]
    fn an_index_comes_back() {
        let mut names = Filter::new(1);
        names.add(Name::host(b"shop.test"));
        let block = |offset, len, number| BlockInfo {
            offset,
            len,
            number,
            exchanges: 7,
            first_start: Timestamp::from_nanos(-5),
            names: names.clone(),
            ..BlockInfo::default()
        };
        let blocks = vec![block(16, 8, 0), block(24, 32, 1)];
        let bytes = encode_index(&blocks);
        assert_eq!(decode_index(&bytes, Some(16), 56), Ok(blocks));
        assert!(decode_index(&bytes, Some(24), 56).is_err());
        assert!(decode_index(&bytes, Some(16), 64).is_err());
    }
}
