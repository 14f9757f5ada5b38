//! The short ways of a connection: a bare SYN, its answer, and packets that are simply the next of
//! their side. They leave a connection as the general way does, and decline whatever is odd.

#![expect(clippy::inline_always, reason = "nearly every packet goes the short way")]

use super::Connection;
use crate::flow::Peer;
use crate::ledger::Bytes;
use crate::packet::{Flags, Packet};
use crate::tcp::path::Probe;
use crate::tcp::seq::Seq;

/// A packet that is simply the next of its side.
#[derive(Clone, Copy, Debug)]
pub struct Foreseen {
    /// Position of its first byte in its stream.
    pub offset: u64,
    /// How far it acknowledged the other direction's stream.
    pub acknowledged: u64,
}

/// From which sides packets may simply be the next, as far as the connection's state goes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Steady {
    /// The lower and the higher; neither where that is to be found out.
    sides: [bool; 2],
    is_found: bool,
}

impl Steady {
    #[inline(always)]
    const fn has(self, side: Peer) -> bool {
        let [low, high] = self.sides;
        match side {
            Peer::Low => low,
            Peer::High => high,
        }
    }
}

impl Connection {
    /// The connection that begins with `packet` of `side` where that is a SYN and nothing else.
    /// The short way for what [`push`](Self::push) does too.
    #[must_use]
    pub fn begun_with(side: Peer, packet: &Packet<'_>) -> Option<Self> {
        is_bare(packet, Flags::SYN).then(|| Self::begun_by(side, Seq(packet.seq), packet.at))
    }

    /// Takes the answer to the SYN where it is one and nothing else; whether it was. The short way
    /// for what [`push`](Self::push) does too.
    pub fn answer(&mut self, side: Peer, packet: &Packet<'_>) -> bool {
        let is_calm = !self.closed
            && self.shut_at.is_none()
            && self.waiting.is_none()
            && self.successor.is_none();
        let (own, peer) = self.both(side);
        let is_answer = is_bare(packet, Flags::SYN.with(Flags::ACK))
            && own.origin.is_none()
            && (own.is_clear() && peer.is_clear())
            && peer.origin == Some(Seq(packet.ack))
            && (peer.next, peer.received, peer.probe.end) == (0, 0, 0);
        if !is_calm || !is_answer || packet.at < self.latest || self.answered_at.is_some() {
            return false;
        }
        let (own, _) = self.both(side);
        own.origin = Some(Seq(packet.seq).plus(1));
        own.seen = true;
        self.client = Some(side.other());
        self.answered_at = Some(packet.at);
        if self.syn_at.is_some() {
            self.path.shake(side, packet.at.since(self.syn_again_at));
        }
        self.strays = 0;
        self.latest = packet.at;
        self.steady = Steady::default();
        true
    }

    /// What a packet brings that is simply the next of its side where all is in order; `None` for
    /// any other, and wherever there is more to do. Nothing is changed that shows:
    /// [`take`](Self::take) does then what [`push`](Self::push) would do, the sink apart.
    #[inline(always)]
    #[must_use]
    pub fn foresee(&mut self, side: Peer, packet: &Packet<'_>) -> Option<Foreseen> {
        const READ: Flags = Flags(Flags::SYN.0 | Flags::RST.0 | Flags::ACK.0);
        if packet.flags.0 & READ.0 != Flags::ACK.0
            || packet.cut != 0
            || packet.window == 0
            || packet.at < self.latest
        {
            return None;
        }
        if !self.steady.has(side) && (self.steady.is_found || !self.find_steady().has(side)) {
            return None;
        }
        let [low, high] = &self.streams;
        let (own, peer) = if side == Peer::Low { (low, high) } else { (high, low) };
        if Seq(packet.seq) != own.next_number() {
            return None;
        }
        // What lies before the stream's start comes out beyond everything.
        let distance = Seq(packet.ack).distance(peer.next_number());
        let acknowledged = peer.next.wrapping_add_signed(distance);
        let most = acknowledged.max(peer.received);
        if most > peer.next && most > peer.acknowledgeable() {
            return None;
        }
        Some(Foreseen { offset: own.next, acknowledged })
    }

    /// Finds out from which sides a packet may simply be the next.
    #[inline(never)]
    fn find_steady(&mut self) -> Steady {
        let [low, high] = &self.streams;
        let is_calm = !self.closed
            && self.shut_at.is_none()
            && self.waiting.is_none()
            && self.successor.is_none()
            && low.is_placed()
            && high.is_placed();
        let sides = [low, high].map(|own| is_calm && own.seen && own.end.is_none());
        self.steady = Steady { sides, is_found: true };
        self.steady
    }

    /// Takes a packet that was foreseen just before; whether it told more of the network than was
    /// known. The sink is to be told of that, then of the payload, then of the end where the packet
    /// has a FIN.
    #[inline(always)]
    pub fn take(
        &mut self,
        side: Peer,
        packet: &Packet<'_>,
        it: Foreseen,
        bytes: &mut Bytes,
    ) -> bool {
        let len = packet.payload.len() as u64;
        let may_end_handshake =
            it.offset.cast_signed() <= self.syn_bytes && self.client == Some(side);
        let [low, high] = &mut self.streams;
        let (own, peer) = if side == Peer::Low { (low, high) } else { (high, low) };
        peer.received = peer.received.max(it.acknowledged);
        let mut tells = false;
        if peer.probe.is_met_by(it.acknowledged) {
            let sent_at = std::mem::take(&mut peer.probe).sent_at;
            tells = len == 0 && self.path.round_trip(side, packet.at.since(sent_at));
        }
        if len > 0 {
            own.next += len;
            if own.probe.end == 0 {
                own.probe = Probe { end: own.next, sent_at: packet.at };
            }
            own.recent.note(packet.id);
            bytes.payload += len;
            bytes.delivered += len;
        }
        self.strays = 0;
        self.latest = packet.at;
        if may_end_handshake {
            tells |= self.end_handshake(side, packet.at);
        }
        if packet.flags.has(Flags::FIN) {
            self.end_shortly(side);
        }
        tells
    }

    /// Ends the stream of `side`, of which nothing is held, where it stands.
    fn end_shortly(&mut self, side: Peer) {
        let (own, _) = self.both(side);
        own.end = Some(own.next);
        own.ended = true;
        self.closed = self.streams.iter().all(|stream| stream.ended);
        self.steady = Steady::default();
    }
}

/// Whether a packet has these flags of those that are looked at, no payload, and a window.
const fn is_bare(packet: &Packet<'_>, flags: Flags) -> bool {
    const READ: Flags = Flags(Flags::SYN.0 | Flags::FIN.0 | Flags::RST.0 | Flags::ACK.0);
    packet.flags.0 & READ.0 == flags.0
        && packet.payload.is_empty()
        && packet.cut == 0
        && packet.window != 0
}
