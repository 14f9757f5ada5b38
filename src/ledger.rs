//! Where every frame, byte, flow and exchange went, and the identities that must balance.

use std::collections::BTreeMap;
use std::ops::AddAssign;

/// Why a frame was not ours to read; the name is the JSON key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Skip {
    /// ARP, LLDP and everything else that carries no IP.
    NotIp,
    /// IP that carries neither TCP nor a tunnel: UDP, ICMP (an ICMP error only quotes TCP).
    NotTcp,
    /// A fragment that waits for the rest of its datagram; its bytes count with the last one.
    Fragment,
    /// A fragment whose datagram could not be completed in time or room.
    FragmentLost,
    /// The headers are cut off by the snap length.
    Cut,
    /// A header contradicts the bytes at hand: lengths or versions that cannot be.
    Malformed,
    /// A link type that Weir does not read.
    LinkType,
    /// More wrappings than [`crate::limits::ENCAPSULATIONS_MAX`].
    TooDeep,
    /// Left out by the user's filter.
    Filtered,
    /// A copy of a frame already counted, seen inside a tunnel or on another interface.
    Copy,
}

impl Skip {
    /// Every reason.
    pub const ALL: [Self; 10] = [
        Self::NotIp,
        Self::NotTcp,
        Self::Fragment,
        Self::FragmentLost,
        Self::Cut,
        Self::Malformed,
        Self::LinkType,
        Self::TooDeep,
        Self::Filtered,
        Self::Copy,
    ];

    /// Its key in the JSON of `weir info`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotIp => "not_ip",
            Self::NotTcp => "not_tcp",
            Self::Fragment => "fragment",
            Self::FragmentLost => "fragment_lost",
            Self::Cut => "cut",
            Self::Malformed => "malformed",
            Self::LinkType => "link_type",
            Self::TooDeep => "too_deep",
            Self::Filtered => "filtered",
            Self::Copy => "copy",
        }
    }
}

/// Frames: `seen = packets + sum(skipped) + dropped`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frames {
    /// Frames that the source lent.
    pub seen: u64,
    /// Frames that carried a TCP packet which was given to its flow.
    pub packets: u64,
    /// Frames that were not ours to read, by reason ([`Skip::ALL`] order).
    pub skipped: [u64; Skip::ALL.len()],
    /// Frames given up inside Weir for lack of room.
    pub dropped: u64,
}

/// Frames lost before Weir, as the kernel and the interface count them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missed {
    /// Frames that the kernel's ring had no room for.
    pub kernel: u64,
    /// Frames that the interface or its driver dropped.
    pub interface: u64,
}

/// Stream bytes: `payload = delivered + duplicate + refused`; `gap` stands beside them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bytes {
    /// TCP payload bytes in the packets given to flows.
    pub payload: u64,
    /// Bytes handed on in order, once.
    pub delivered: u64,
    /// Bytes that had been captured before: retransmissions, probes, copied frames.
    pub duplicate: u64,
    /// Bytes that could not be placed: outside the window, after a reset, late for their gap.
    pub refused: u64,
    /// Stream bytes that were never captured, as the sequence numbers tell.
    pub gap: u64,
    /// Of `delivered`: bytes that passed inside tunnels (CONNECT, Upgrade), counted, not parsed.
    pub tunnel: u64,
    /// Of `delivered`: bytes that belong to no HTTP message.
    pub unparsed: u64,
}

/// Flows: `opened = closed + expired + evicted + live`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flows {
    /// Flows that were opened in the table.
    pub opened: u64,
    /// Flows ended by FIN, RST, or a new connection of the same endpoints.
    pub closed: u64,
    /// Flows given up for idling.
    pub expired: u64,
    /// Flows given up for lack of room.
    pub evicted: u64,
    /// Flows that were still open at the end of the capture.
    pub live: u64,
}

/// Exchanges by state: `total = complete + truncated + unanswered + open + orphan`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exchanges {
    /// All exchanges that were emitted.
    pub total: u64,
    /// Request and response seen to their ends.
    pub complete: u64,
    /// Paired, but one did not end.
    pub truncated: u64,
    /// The connection ended before a response began.
    pub unanswered: u64,
    /// The capture ended first.
    pub open: u64,
    /// A response whose request was never seen.
    pub orphan: u64,
}

/// The whole account of a run; accounts of workers, files and hosts add up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Where the frames went.
    pub frames: Frames,
    /// What was lost before Weir.
    pub missed: Missed,
    /// Where the payload bytes went.
    pub bytes: Bytes,
    /// What became of the flows.
    pub flows: Flows,
    /// What became of the exchanges.
    pub exchanges: Exchanges,
}

/// Calls `$with` with the name and place of every counter but the skip reasons.
macro_rules! counters {
    ($ledger:expr, $visit:expr) => {{
        let ledger = $ledger;
        let visit: &mut dyn FnMut(&'static str, &mut u64) = &mut $visit;
        visit("frames.seen", &mut ledger.frames.seen);
        visit("frames.packets", &mut ledger.frames.packets);
        visit("frames.dropped", &mut ledger.frames.dropped);
        visit("missed.kernel", &mut ledger.missed.kernel);
        visit("missed.interface", &mut ledger.missed.interface);
        visit("bytes.payload", &mut ledger.bytes.payload);
        visit("bytes.delivered", &mut ledger.bytes.delivered);
        visit("bytes.duplicate", &mut ledger.bytes.duplicate);
        visit("bytes.refused", &mut ledger.bytes.refused);
        visit("bytes.gap", &mut ledger.bytes.gap);
        visit("bytes.tunnel", &mut ledger.bytes.tunnel);
        visit("bytes.unparsed", &mut ledger.bytes.unparsed);
        visit("flows.opened", &mut ledger.flows.opened);
        visit("flows.closed", &mut ledger.flows.closed);
        visit("flows.expired", &mut ledger.flows.expired);
        visit("flows.evicted", &mut ledger.flows.evicted);
        visit("flows.live", &mut ledger.flows.live);
        visit("exchanges.total", &mut ledger.exchanges.total);
        visit("exchanges.complete", &mut ledger.exchanges.complete);
        visit("exchanges.truncated", &mut ledger.exchanges.truncated);
        visit("exchanges.unanswered", &mut ledger.exchanges.unanswered);
        visit("exchanges.open", &mut ledger.exchanges.open);
        visit("exchanges.orphan", &mut ledger.exchanges.orphan);
        for (skip, count) in Skip::ALL.iter().zip(&mut ledger.frames.skipped) {
            visit(skip_key(*skip), count);
        }
    }};
}

/// The key of a skip reason in [`Ledger::entries`].
const fn skip_key(skip: Skip) -> &'static str {
    match skip {
        Skip::NotIp => "skipped.not_ip",
        Skip::NotTcp => "skipped.not_tcp",
        Skip::Fragment => "skipped.fragment",
        Skip::FragmentLost => "skipped.fragment_lost",
        Skip::Cut => "skipped.cut",
        Skip::Malformed => "skipped.malformed",
        Skip::LinkType => "skipped.link_type",
        Skip::TooDeep => "skipped.too_deep",
        Skip::Filtered => "skipped.filtered",
        Skip::Copy => "skipped.copy",
    }
}

impl Ledger {
    /// Counts a frame that was not ours to read.
    #[expect(clippy::indexing_slicing, reason = "Skip::ALL has one entry a discriminant")]
    pub fn skip(&mut self, reason: Skip) {
        self.frames.skipped[reason as usize] += 1;
    }

    /// How many frames were skipped for `reason`.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "Skip::ALL has one entry a discriminant")]
    pub fn skipped(&self, reason: Skip) -> u64 {
        self.frames.skipped[reason as usize]
    }

    /// The identities that do not hold, each as a sentence; empty where the account balances.
    #[must_use]
    pub fn imbalances(&self) -> Vec<String> {
        let Self { frames, bytes, flows, exchanges, .. } = self;
        let identities = [
            (
                "frames: seen = packets + skipped + dropped",
                frames.seen,
                frames.packets + frames.skipped.iter().sum::<u64>() + frames.dropped,
            ),
            (
                "bytes: payload = delivered + duplicate + refused",
                bytes.payload,
                bytes.delivered + bytes.duplicate + bytes.refused,
            ),
            (
                "flows: opened = closed + expired + evicted + live",
                flows.opened,
                flows.closed + flows.expired + flows.evicted + flows.live,
            ),
            (
                "exchanges: total = complete + truncated + unanswered + open + orphan",
                exchanges.total,
                exchanges.complete
                    + exchanges.truncated
                    + exchanges.unanswered
                    + exchanges.open
                    + exchanges.orphan,
            ),
        ];
        identities
            .into_iter()
            .filter(|(_, left, right)| left != right)
            .map(|(identity, left, right)| format!("{identity}, but {left} is not {right}"))
            .collect()
    }

    /// The part of a running account whose fate is known: flows that are over, and bytes that are
    /// held for no others. It balances at any time, and its counters never go back.
    #[must_use]
    pub fn settled(&self) -> Self {
        let mut settled = self.clone();
        let Self { bytes, flows, .. } = self;
        settled.bytes.payload = bytes.delivered + bytes.duplicate + bytes.refused;
        settled.flows.opened = flows.closed + flows.expired + flows.evicted;
        settled.flows.live = 0;
        settled
    }

    /// What was added since `earlier`; nothing where a counter went back.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let (mut difference, before) = (Self::default(), earlier.entries());
        for (key, count) in self.entries() {
            difference.add_entry(key, count.saturating_sub(before.get(key).copied().unwrap_or(0)));
        }
        difference
    }

    /// Every counter by its stable key: the form in which files keep the account.
    #[must_use]
    pub fn entries(&self) -> BTreeMap<&'static str, u64> {
        let mut entries = BTreeMap::new();
        counters!(&mut self.clone(), |key, count: &mut u64| {
            entries.insert(key, *count);
        });
        entries
    }

    /// Adds `count` to the counter of that key; a key of a later version is passed over.
    pub fn add_entry(&mut self, key: &str, count: u64) {
        counters!(self, |name: &'static str, place: &mut u64| {
            if name == key {
                *place = place.saturating_add(count);
            }
        });
    }
}

impl AddAssign<&Self> for Ledger {
    fn add_assign(&mut self, other: &Self) {
        for (key, count) in other.entries() {
            self.add_entry(key, count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_carry_every_counter() {
        let mut ledger = Ledger::default();
        ledger.frames.seen = 7;
        ledger.skip(Skip::Copy);
        ledger.exchanges.orphan = 3;
        let mut copy = Ledger::default();
        copy += &ledger;
        assert_eq!(copy, ledger);
        assert_eq!(copy.skipped(Skip::Copy), 1);
    }

    #[test]
    fn an_imbalance_is_told_with_both_sides() {
        let mut ledger = Ledger::default();
        assert!(ledger.imbalances().is_empty());
        ledger.frames.seen = 2;
        assert_eq!(
            ledger.imbalances(),
            ["frames: seen = packets + skipped + dropped, but 2 is not 0"]
        );
    }
}
