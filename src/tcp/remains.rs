//! What is kept of a connection that has ended: enough to tell its stragglers from its successor.

use crate::flow::Peer;
use crate::ledger::Bytes;
use crate::packet::{Flags, Packet};
use crate::tcp::connection::Verdict;
use crate::tcp::seq::Seq;
use crate::time::Timestamp;

/// One direction of a connection that has ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trace {
    /// Sequence number of the stream's byte 0, where it was known.
    pub(super) origin: Option<Seq>,
    /// Position past the last byte that was handed on.
    pub(super) next: u64,
}

impl Trace {
    /// Whether a packet with this number brings nothing but bytes that were captured before.
    fn knows(&self, packet: &Packet<'_>) -> bool {
        let captured = packet.payload.len() as u64;
        self.origin.is_some_and(|origin| {
            let end = Seq(packet.seq).offset(origin, self.next).saturating_add_unsigned(captured);
            end <= self.next.cast_signed() && end >= 0
        })
    }
}

/// A connection that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Remains {
    /// What the lower and the higher peer sent.
    pub(super) streams: [Trace; 2],
    /// A SYN that would begin another connection if its peer agrees.
    pub(super) successor: Option<(Peer, Seq, Timestamp)>,
}

impl Remains {
    /// Takes a packet of the same endpoints: a straggler, or the first of another connection.
    #[must_use]
    pub fn push(&self, side: Peer, packet: &Packet<'_>, bytes: &mut Bytes) -> Verdict {
        let number = Seq(packet.seq);
        let captured = packet.payload.len() as u64;
        if packet.flags.has(Flags::RST) {
            bytes.payload += captured;
            bytes.refused += captured;
            return Verdict::Closed;
        }
        let [low, high] = &self.streams;
        let own = if side == Peer::Low { low } else { high };
        if packet.flags.has(Flags::SYN)
            && let Some(verdict) = self.synchronise(side, own, packet)
        {
            return verdict;
        }
        // Data from the successor's client at its first byte: its SYN-ACK was not captured.
        if let Some((from, syn, at)) = self.successor
            && from == side
            && number == syn.plus(1)
            && packet.wire_payload() > 0
        {
            return Verdict::Replaced(Some((syn, at)));
        }
        bytes.payload += captured;
        *(if own.knows(packet) { &mut bytes.duplicate } else { &mut bytes.refused }) += captured;
        Verdict::Closed
    }

    /// Takes the SYN flag. `None`: it is a copy of this connection's own.
    fn synchronise(&self, side: Peer, own: &Trace, packet: &Packet<'_>) -> Option<Verdict> {
        let number = Seq(packet.seq);
        let is_same = own.origin == Some(number.plus(1));
        if !packet.flags.has(Flags::ACK) {
            return (!is_same).then_some(Verdict::Replaced(None));
        }
        if let Some((from, syn, at)) = self.successor
            && from == side.other()
            && Seq(packet.ack) == syn.plus(1)
        {
            return Some(Verdict::Replaced(Some((syn, at))));
        }
        (own.origin.is_some() && !is_same).then_some(Verdict::Replaced(None))
    }
}
