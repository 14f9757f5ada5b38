//! What a connection's packets tell of the network on both sides of the capture point: round
//! trips, retransmissions, and how long the client's window was shut (RFC 9293 section 3.8).

use crate::flow::Peer;
use crate::time::Timestamp;

/// A time that fits 32 bits of nanoseconds; longer ones (over 4.29 s) are held at that.
fn short(ns: u64) -> u32 {
    u32::try_from(ns).unwrap_or(u32::MAX)
}

/// What a connection told so far of the network on both sides of the capture point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Path {
    /// The handshake's round trip between here and each peer; 0 where it was not seen.
    handshake_ns: [u32; 2],
    /// The smallest round trip between here and each peer; 0 where none was seen.
    least_ns: [u32; 2],
    /// Packets that repeated bytes, or brought bytes that were missing for longer than packets
    /// overtake one another.
    pub retransmissions: u32,
    /// Frames with bytes that were captured more than once, which nobody sent again; goes round.
    pub copied_frames: u16,
    /// Packets with other bytes than those that were held, in wait for bytes before them. What was
    /// handed on is not at hand to be compared. Goes round.
    pub conflicts: u16,
    /// How long the connection stood still before those, in nanoseconds, together.
    pub stalled_ns: u64,
    /// How long the client had closed its window, in nanoseconds, together: it, not the server,
    /// kept the response back.
    pub drained_ns: u64,
}

const fn index(side: Peer) -> usize {
    match side {
        Peer::Low => 0,
        Peer::High => 1,
    }
}

impl Path {
    /// The handshake's round trip between the capture point and `side`, in nanoseconds, at most
    /// 4.29 s; 0 where it was not seen.
    #[must_use]
    pub fn handshake_ns(&self, side: Peer) -> u32 {
        self.handshake_ns.get(index(side)).copied().unwrap_or(0)
    }

    /// The smallest round trip between the capture point and `side` that was seen, handshake
    /// included, in nanoseconds, at most 4.29 s; 0 where none was.
    ///
    /// Only acknowledgments that carry nothing else count, since others waited for an answer.
    /// They may have been delayed all the same (RFC 9293 section 3.8.6.3), so it is no less than
    /// the network's.
    #[must_use]
    pub fn least_ns(&self, side: Peer) -> u32 {
        self.least_ns.get(index(side)).copied().unwrap_or(0)
    }

    /// Notes a round trip of the handshake.
    pub(super) fn shake(&mut self, side: Peer, ns: u64) {
        if let Some(place) = self.handshake_ns.get_mut(index(side)) {
            *place = short(ns).max(1);
        }
        self.round_trip(side, ns);
    }

    /// Notes a round trip; whether it was the smallest so far.
    pub(super) fn round_trip(&mut self, side: Peer, ns: u64) -> bool {
        let is_least = self.is_least(side, ns);
        if is_least && let Some(least) = self.least_ns.get_mut(index(side)) {
            *least = short(ns).max(1);
        }
        is_least
    }

    /// Whether a round trip is smaller than all so far.
    #[inline]
    fn is_least(&self, side: Peer, ns: u64) -> bool {
        let least = self.least_ns(side);
        least == 0 || short(ns).max(1) < least
    }

    /// Notes a frame that was captured before.
    pub(super) const fn copied_frame(&mut self) {
        self.copied_frames = self.copied_frames.wrapping_add(1);
    }

    /// Notes a packet with other bytes than those that are held.
    pub(super) const fn conflict(&mut self) {
        self.conflicts = self.conflicts.wrapping_add(1);
    }

    /// Notes a retransmission before which nothing came for so long.
    pub(super) fn retransmission(&mut self, ns: u64) {
        self.retransmissions = self.retransmissions.saturating_add(1);
        self.stalled_ns = self.stalled_ns.saturating_add(ns);
    }
}

/// Bytes whose acknowledgment is awaited.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Probe {
    /// Position past them; 0 where nothing is awaited.
    pub(super) end: u64,
    pub(super) sent_at: Timestamp,
}

impl Probe {
    /// Whether they are awaited, and acknowledged where everything before this position is.
    #[inline]
    pub(super) const fn is_met_by(&self, acknowledged: u64) -> bool {
        self.end != 0 && acknowledged >= self.end
    }
}
