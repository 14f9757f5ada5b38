//! Both directions of a connection, handed on in an order in which they can have happened: a
//! byte never before the bytes that its sender had acknowledged (RFC 9293 sections 3.5 to 3.10).

mod steady;

pub use steady::Foreseen;
use steady::Steady;

use crate::flow::Peer;
use crate::ledger::Bytes;
use crate::limits::{
    GAP_WAIT_NS, GAP_WAIT_PACKETS, OVERTAKING_NS, RETRANSMISSION_WAIT_NS, STRAY_AHEAD_BYTES,
    STRAY_BEHIND_BYTES, STRAYS_MAX,
};
use crate::packet::{Flags, Packet};
use crate::tcp::path::{Path, Probe};
use crate::tcp::reassembler::{Piece, Reassembler};
use crate::tcp::remains::{Remains, Trace};
use crate::tcp::seq::Seq;
use crate::tcp::{Absence, Data, StreamEvent};
use crate::time::Timestamp;

/// Who takes the streams of a connection.
pub trait Sink {
    /// The stream sent by `side` brings `event`.
    fn stream(&mut self, side: Peer, event: StreamEvent<'_>);

    /// What is known of the network has changed.
    fn path(&mut self, path: &Path) {
        let _ = path;
    }
}

/// Where a connection's bytes go and are accounted for.
#[derive(Debug)]
pub struct Outlet<'a, S> {
    /// Who takes the streams.
    pub sink: &'a mut S,
    /// The account of payload bytes.
    pub bytes: &'a mut Bytes,
    /// Bytes held out of order by all connections of the shard.
    pub held_bytes: &'a mut usize,
}

/// What a packet meant for its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Open,
    /// It has ended, by FIN from both sides or by RST; stragglers may still come.
    Closed,
    /// The packet belongs to a new connection of the same endpoints: this one is over, and the
    /// packet is to be given to its successor. Where that one's SYN was seen before, its number
    /// and time.
    Replaced(Option<(Seq, Timestamp)>),
}

/// Whether missing bytes are waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Patience {
    Wait,
    Over,
}

/// Whether a byte waits for those that its sender had acknowledged.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Causal,
    Any,
}

/// The state of a connection.
#[derive(Debug)]
pub struct Connection {
    streams: [Reassembler; 2],
    client: Option<Peer>,
    opened_at: Timestamp,
    syn_at: Option<Timestamp>,
    /// How many bytes the SYN carried: what the ACK that ends the handshake follows.
    syn_bytes: i64,
    /// The latest copy of the SYN.
    syn_again_at: Timestamp,
    /// When the SYN was answered, and when the first ACK from the client's first place came.
    answered_at: Option<Timestamp>,
    ack_at: Option<Timestamp>,
    /// A SYN that would begin another connection if its peer agrees.
    successor: Option<(Peer, Seq, Timestamp)>,
    /// Since when, and for how many packets, missing bytes have been waited for.
    waiting: Option<(Timestamp, u32)>,
    latest: Timestamp,
    closed: bool,
    strays: u8,
    path: Path,
    /// Since when the client's window is shut.
    shut_at: Option<Timestamp>,
    steady: Steady,
}

impl Connection {
    /// A connection first seen at `at`, about which nothing is known.
    #[must_use]
    pub fn new(at: Timestamp) -> Self {
        Self {
            streams: Default::default(),
            client: None,
            opened_at: at,
            syn_at: None,
            syn_bytes: 0,
            syn_again_at: at,
            answered_at: None,
            ack_at: None,
            successor: None,
            waiting: None,
            latest: at,
            closed: false,
            strays: 0,
            path: Path::default(),
            shut_at: None,
            steady: Steady::default(),
        }
    }

    /// The successor of a replaced connection, whose SYN came from `side`.
    #[must_use]
    pub fn begun_by(side: Peer, syn: Seq, at: Timestamp) -> Self {
        let mut connection = Self::new(at);
        connection.begin(side, syn, at);
        connection
    }

    /// When its first packet was captured.
    #[must_use]
    pub const fn opened_at(&self) -> Timestamp {
        self.opened_at
    }

    /// The side that opened it, where the handshake tells.
    #[must_use]
    pub const fn client(&self) -> Option<Peer> {
        self.client
    }

    /// From the SYN to the ACK that ended the handshake; `None` where either was not captured.
    #[must_use]
    pub const fn connect_ns(&self) -> Option<u64> {
        match (self.answered_at, self.syn_at, self.ack_at) {
            (Some(_), Some(syn_at), Some(ack_at)) => Some(ack_at.since(syn_at)),
            _ => None,
        }
    }

    /// Whether a packet of that side was captured.
    #[must_use]
    pub fn has_seen(&self, side: Peer) -> bool {
        self.stream(side).seen
    }

    /// Whether missing bytes are being waited for, so that [`tick`](Self::tick) may have work.
    #[must_use]
    pub const fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// Whether it has ended.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.closed
    }

    /// The latest time of its packets.
    #[must_use]
    pub const fn latest(&self) -> Timestamp {
        self.latest
    }

    /// Lets go of what is held out of order, in no account any more.
    pub fn release(&mut self) {
        for stream in &mut self.streams {
            stream.discard();
        }
    }

    /// What it told of the network so far.
    #[must_use]
    pub const fn path(&self) -> &Path {
        &self.path
    }

    /// What is to be kept of it once it has ended.
    #[must_use]
    pub fn remains(&self) -> Remains {
        let streams = self.streams.each_ref();
        let streams = streams.map(|stream| Trace { origin: stream.origin, next: stream.next });
        Remains { streams, successor: self.successor }
    }

    /// Learns from the next packet who is there, before [`push`](Self::push) hands its bytes on.
    #[inline]
    pub fn meet(&mut self, side: Peer, packet: &Packet<'_>) {
        self.steady = Steady::default();
        let client = self.client;
        let (own, _) = self.both(side);
        own.seen = true;
        if packet.flags.has(Flags::SYN) && client.is_none() && own.origin.is_none() {
            let is_answer = packet.flags.has(Flags::ACK);
            self.client = Some(if is_answer { side.other() } else { side });
        }
    }

    /// Notes a packet of `side`, the client, that may be the one that ends the handshake; whether
    /// it tells a round trip.
    fn end_handshake(&mut self, side: Peer, at: Timestamp) -> bool {
        self.ack_at = Some(self.ack_at.map_or(at, |before| before.min(at)));
        if let Some(answered_at) = self.answered_at
            && self.path.handshake_ns(side) == 0
        {
            self.path.shake(side, at.since(answered_at));
            return true;
        }
        false
    }

    /// Takes the next packet, sent by `side`.
    #[inline]
    pub fn push<S: Sink>(
        &mut self,
        side: Peer,
        packet: &Packet<'_>,
        out: &mut Outlet<'_, S>,
    ) -> Verdict {
        self.steady = Steady::default();
        let odd = Flags::SYN.with(Flags::RST);
        if packet.flags.0 & odd.0 != 0
            || packet.window == 0
            || self.shut_at.is_some()
            || self.closed
            || self.successor.is_some()
        {
            return self.push_odd(side, packet, out);
        }
        self.place(side, packet, packet.seq, out)
    }

    /// Takes a packet of a handshake, a reset, one that comes after the end, or one of a client
    /// that takes no more.
    fn push_odd<S: Sink>(
        &mut self,
        side: Peer,
        packet: &Packet<'_>,
        out: &mut Outlet<'_, S>,
    ) -> Verdict {
        if self.closed {
            return self.remains().push(side, packet, out.bytes);
        }
        let number = Seq(packet.seq);
        self.watch_window(side, packet, out);
        if packet.flags.has(Flags::RST) {
            out.refuse(packet);
            return self.reset(side, packet, out);
        }
        if packet.flags.has(Flags::SYN) {
            if let Some(verdict) = self.synchronise(side, packet) {
                if verdict == Verdict::Open {
                    out.refuse(packet);
                }
                return verdict;
            }
            return self.place(side, packet, packet.seq.wrapping_add(1), out);
        }
        // Data from the successor's client at its first byte: its SYN-ACK was not captured.
        if let Some((from, syn, at)) = self.successor
            && from == side
            && number == syn.plus(1)
            && packet.wire_payload() > 0
        {
            return Verdict::Replaced(Some((syn, at)));
        }
        self.place(side, packet, packet.seq, out)
    }

    /// Ends the wait for missing bytes that has lasted long enough by `now`.
    pub fn tick<S: Sink>(&mut self, now: Timestamp, out: &mut Outlet<'_, S>) -> Verdict {
        self.steady = Steady::default();
        if self.waiting.is_some() && !self.closed {
            self.settle(now, Patience::Wait, out);
        }
        self.verdict()
    }

    /// Hands on whatever is held, with gaps where bytes are missing: no more packets will come,
    /// or there is no room to wait for them.
    pub fn flush<S: Sink>(&mut self, out: &mut Outlet<'_, S>) {
        self.steady = Steady::default();
        if !self.closed {
            self.settle(self.latest, Patience::Over, out);
        }
    }

    fn stream(&self, side: Peer) -> &Reassembler {
        let [low, high] = &self.streams;
        match side {
            Peer::Low => low,
            Peer::High => high,
        }
    }

    /// The stream that `side` sends, and the other.
    #[inline]
    fn both(&mut self, side: Peer) -> (&mut Reassembler, &mut Reassembler) {
        let [low, high] = &mut self.streams;
        match side {
            Peer::Low => (low, high),
            Peer::High => (high, low),
        }
    }

    /// Notes how long the client's window is shut.
    fn watch_window<S: Sink>(&mut self, side: Peer, packet: &Packet<'_>, out: &mut Outlet<'_, S>) {
        let odd = packet.flags.has(Flags::SYN) || packet.flags.has(Flags::RST);
        if odd || self.client != Some(side) || !packet.flags.has(Flags::ACK) {
            return;
        }
        if packet.window == 0 {
            self.shut_at.get_or_insert(packet.at);
        } else if let Some(shut_at) = self.shut_at.take() {
            let shut_ns = packet.at.since(shut_at);
            self.path.drained_ns = self.path.drained_ns.saturating_add(shut_ns);
            out.sink.path(&self.path);
        }
    }

    fn begin(&mut self, side: Peer, syn: Seq, at: Timestamp) {
        self.client = Some(side);
        self.syn_at = Some(self.syn_at.map_or(at, |before| before.min(at)));
        // Directions that come out of order open a connection with the SYN all the same.
        self.opened_at = self.opened_at.min(at);
        if self.answered_at.is_none() {
            self.syn_again_at = at;
        }
        let (own, _) = self.both(side);
        own.origin = Some(syn.plus(1));
        own.seen = true;
    }

    /// Takes the SYN flag. `None`: the packet may carry data of this connection as well.
    fn synchronise(&mut self, side: Peer, packet: &Packet<'_>) -> Option<Verdict> {
        let number = Seq(packet.seq);
        let acks = packet.flags.has(Flags::ACK);
        let successor = self.successor;
        let (own, peer) = self.both(side);
        let known = own.origin;
        let is_same = known == Some(number.plus(1));
        if !acks {
            if is_same || known.is_none() {
                self.begin(side, number, packet.at);
                self.syn_bytes = i64::try_from(packet.wire_payload()).unwrap_or(i64::MAX);
                return None;
            }
            self.successor = Some((side, number, packet.at));
            return Some(Verdict::Open);
        }
        if let Some((from, syn, at)) = successor
            && from == side.other()
            && Seq(packet.ack) == syn.plus(1)
        {
            return Some(Verdict::Replaced(Some((syn, at))));
        }
        if known.is_none() || is_same {
            if peer.origin.is_none() {
                peer.origin = Some(Seq(packet.ack));
            }
            own.origin = Some(number.plus(1));
            self.client = Some(side.other());
            if self.answered_at.is_none() {
                self.answered_at = Some(packet.at);
                if self.syn_at.is_some() {
                    self.path.shake(side, packet.at.since(self.syn_again_at));
                }
            }
            return None;
        }
        // Another SYN-ACK on a live connection begins nothing (RFC 9293 section 3.10.7.4), unless
        // the side that would have asked for it is never captured.
        let begins_anew = !peer.seen && peer.origin != Some(Seq(packet.ack));
        Some(if begins_anew { Verdict::Replaced(None) } else { Verdict::Open })
    }

    /// Takes a reset, where it lies near its stream's place; others are strays.
    fn reset<S: Sink>(
        &mut self,
        side: Peer,
        packet: &Packet<'_>,
        out: &mut Outlet<'_, S>,
    ) -> Verdict {
        let own = self.stream(side);
        let is_near = own.origin.is_none_or(|origin| {
            let position = Seq(packet.seq).offset(origin, own.next);
            position.abs_diff(own.next.cast_signed()) < 1 << 24
        });
        if !is_near {
            return self.verdict();
        }
        self.latest = self.latest.max(packet.at);
        self.settle(self.latest, Patience::Over, out);
        self.closed = true;
        for side in [Peer::Low, Peer::High] {
            if !self.stream(side).ended {
                out.sink.stream(side, StreamEvent::Reset { at: packet.at });
            }
        }
        Verdict::Closed
    }

    /// Puts a packet's payload, whose first byte has number `first`, in its place.
    #[inline]
    fn place<S: Sink>(
        &mut self,
        side: Peer,
        packet: &Packet<'_>,
        first: u32,
        out: &mut Outlet<'_, S>,
    ) -> Verdict {
        let acks = packet.flags.has(Flags::ACK);
        let (own, peer) = self.both(side);
        own.seen = true;
        let origin = *own.origin.get_or_insert(Seq(first));
        let position = Seq(first).offset(origin, own.next);
        let mut acknowledged = 0;
        if acks {
            let origin = *peer.origin.get_or_insert(Seq(packet.ack));
            let claimed = Seq(packet.ack).offset(origin, peer.next);
            acknowledged = u64::try_from(claimed).unwrap_or(0);
            if acknowledged > peer.received && claimed < peer.next.cast_signed() + STRAY_AHEAD_BYTES
            {
                peer.received = acknowledged;
            }
            acknowledged = acknowledged.min(peer.received);
            if peer.probe.is_met_by(acknowledged) {
                let probe = std::mem::take(&mut peer.probe);
                if packet.payload.is_empty()
                    && self.path.round_trip(side, packet.at.since(probe.sent_at))
                {
                    out.sink.path(&self.path);
                }
            }
        }
        let (own, peer) = self.both(side);
        let distance = position - own.next.cast_signed();
        if !(-STRAY_BEHIND_BYTES..STRAY_AHEAD_BYTES).contains(&distance) {
            return self.stray(packet, out);
        }
        let is_next = distance == 0
            && own.end.is_none()
            && own.is_clear()
            && peer.is_clear()
            && peer.received <= peer.acknowledgeable()
            && packet.cut == 0;
        self.strays = 0;
        if acks
            && position <= self.syn_bytes
            && self.client == Some(side)
            && self.end_handshake(side, packet.at)
        {
            out.sink.path(&self.path);
        }
        if is_next && self.waiting.is_none() {
            self.latest = self.latest.max(packet.at);
            let (own, _) = self.both(side);
            let offset = own.next;
            let len = packet.payload.len() as u64;
            if len > 0 {
                own.next += len;
                if own.probe.end == 0 {
                    own.probe = Probe { end: own.next, sent_at: packet.at };
                }
                own.recent.note(packet.id);
                out.bytes.payload += len;
                out.bytes.delivered += len;
                let bytes = packet.payload;
                let data = Data { at: packet.at, offset, acknowledged, bytes };
                out.sink.stream(side, StreamEvent::Data(data));
            }
            if packet.flags.has(Flags::FIN) {
                let (own, _) = self.both(side);
                own.end = Some(own.next);
                self.end(side, out);
            }
            return self.verdict();
        }
        self.place_late(side, packet, position, acknowledged, out)
    }

    /// Puts a packet that is not simply the next one in its place.
    #[expect(clippy::too_many_arguments, reason = "the packet and what place() read from it")]
    fn place_late<S: Sink>(
        &mut self,
        side: Peer,
        packet: &Packet<'_>,
        position: i64,
        acknowledged: u64,
        out: &mut Outlet<'_, S>,
    ) -> Verdict {
        let stood_ns = packet.at.since(self.latest);
        self.latest = self.latest.max(packet.at);
        if !self.watch_copy((side, packet, position), out) {
            self.watch_retransmission((side, packet, position), stood_ns, out);
        }
        let (own, _) = self.both(side);
        let wire_end = position.saturating_add_unsigned(packet.wire_payload());
        if packet.flags.has(Flags::FIN) && own.end.is_none() {
            own.end = u64::try_from(wire_end).ok().filter(|&end| end >= own.next);
        }
        // What lies before the stream's start (the capture began in mid-connection) has no place.
        let early = usize::try_from(position.min(0).unsigned_abs()).unwrap_or(usize::MAX);
        let early = early.min(packet.payload.len());
        let captured = packet.payload.len() as u64;
        if captured > 0 && own.end.is_some_and(|end| position >= end.cast_signed()) {
            out.refuse(packet);
            return self.verdict();
        }
        let held_before = own.held_bytes();
        let offset = u64::try_from(position).unwrap_or(0);
        // Nothing can follow a FIN.
        let room = own.end.map_or(u64::MAX, |end| end.saturating_sub(offset));
        let bytes = packet.payload.get(early..).unwrap_or_default();
        let within = usize::try_from(room).map_or(bytes.len(), |room| room.min(bytes.len()));
        let (bytes, beyond) = bytes.split_at(within);
        let cut =
            if position < 0 { 0 } else { u64::from(packet.cut).min(room - bytes.len() as u64) };
        let piece = Piece { at: packet.at, offset, acknowledged, bytes, cut };
        let is_bare = piece.bytes.is_empty() && piece.cut == 0;
        let (duplicate, differs) = if is_bare { (0, false) } else { own.hold(piece) };
        *out.held_bytes += own.held_bytes() - held_before;
        out.bytes.payload += captured;
        out.bytes.duplicate += duplicate;
        if differs {
            self.path.conflict();
            out.sink.path(&self.path);
        }
        out.bytes.refused += early as u64 + beyond.len() as u64;
        if let Some((_, packets)) = &mut self.waiting {
            *packets = packets.saturating_add(1);
        }
        self.settle(self.latest, Patience::Wait, out);
        self.verdict()
    }

    /// Notes a packet with bytes; whether it is another copy of a frame that brought them before.
    fn watch_copy<S: Sink>(
        &mut self,
        (side, packet, position): (Peer, &Packet<'_>, i64),
        out: &mut Outlet<'_, S>,
    ) -> bool {
        if packet.wire_payload() == 0 {
            return false;
        }
        let (own, _) = self.both(side);
        let end = position.saturating_add_unsigned(packet.wire_payload());
        let is_copy = end <= own.next.cast_signed() && own.is_copied_frame(packet, end);
        if is_copy {
            self.path.copied_frame();
            out.sink.path(&self.path);
        } else {
            own.recent.note(packet.id);
        }
        is_copy
    }

    /// Notes a packet that repeats bytes, or brings bytes that were missing for long; nothing came
    /// for `stood_ns` before it.
    fn watch_retransmission<S: Sink>(
        &mut self,
        (side, packet, position): (Peer, &Packet<'_>, i64),
        stood_ns: u64,
        out: &mut Outlet<'_, S>,
    ) {
        let wire_len = packet.wire_payload();
        let waiting = self.waiting;
        let (own, _) = self.both(side);
        let next = own.next.cast_signed();
        // One byte repeated is a probe that keeps the connection alive.
        if wire_len < 2 || position > next || own.origin.is_none() {
            return;
        }
        let is_copy = position.saturating_add_unsigned(wire_len) <= next;
        let waited_ns = waiting.map_or(0, |(since, _)| packet.at.since(since));
        let fills = own.first_held().is_some() && waited_ns >= OVERTAKING_NS;
        if is_copy || fills {
            own.probe = Probe::default();
            self.path.retransmission(if is_copy { stood_ns } else { waited_ns });
            out.sink.path(&self.path);
        }
    }

    /// Accounts for a packet far outside its stream; several in a row are another connection.
    fn stray<S: Sink>(&mut self, packet: &Packet<'_>, out: &mut Outlet<'_, S>) -> Verdict {
        self.strays += 1;
        if self.strays >= STRAYS_MAX && packet.wire_payload() > 0 {
            return Verdict::Replaced(None);
        }
        out.refuse(packet);
        Verdict::Open
    }

    /// Hands on all that can be, declares the gaps that are due, and notes what is waited for.
    fn settle<S: Sink>(&mut self, now: Timestamp, patience: Patience, out: &mut Outlet<'_, S>) {
        loop {
            if self.deliver(Order::Causal, out) {
                self.waiting = None;
            }
            let Some((side, until)) = self.due_gap(now, patience) else {
                if self.excuse(now, patience) {
                    continue;
                }
                // Crafted acknowledgments can make each side wait for the other.
                let stuck = patience == Patience::Over || self.is_overfull();
                if stuck && self.deliver(Order::Any, out) {
                    continue;
                }
                break;
            };
            let (own, _) = self.both(side);
            let offset = own.next;
            let len = until - offset;
            own.next = until;
            let acknowledged = own.received.clamp(offset, until) - offset;
            own.probe = Probe::default();
            out.bytes.gap += len;
            self.waiting = None;
            let absence = Absence::Missed;
            let gap = StreamEvent::Gap { len, offset, acknowledged, absence, at: now };
            out.sink.stream(side, gap);
        }
        if self.waiting.is_none() && self.streams.iter().any(Reassembler::is_missing_bytes) {
            self.waiting = Some((now, 0));
        }
    }

    /// Which gap is to be declared now, if any: the side whose bytes are missing, and their end.
    fn due_gap(&self, now: Timestamp, patience: Patience) -> Option<(Peer, u64)> {
        let sides = [Peer::Low, Peer::High];
        let missing = |proof: fn(&Reassembler) -> Option<u64>| {
            sides.into_iter().find_map(|side| Some((side, proof(self.stream(side))?)))
        };
        if patience == Patience::Over {
            return missing(Reassembler::missing);
        }
        if self.is_overfull() {
            return missing(Reassembler::missing);
        }
        let (since, packets) = self.waiting?;
        let waited = now.since(since);
        if waited >= GAP_WAIT_NS || packets >= GAP_WAIT_PACKETS {
            let proved = missing(Reassembler::proved_gap);
            if proved.is_some() || waited < RETRANSMISSION_WAIT_NS {
                return proved;
            }
            return missing(Reassembler::missing);
        }
        None
    }

    /// Ends the wait for a single byte that may be a FIN; whether there was one.
    fn excuse(&mut self, now: Timestamp, patience: Patience) -> bool {
        let has_waited = self.waiting.is_some_and(|(since, packets)| {
            now.since(since) >= GAP_WAIT_NS || packets >= GAP_WAIT_PACKETS
        });
        if !has_waited && patience == Patience::Wait && !self.is_overfull() {
            return false;
        }
        let mut any = false;
        for stream in self.streams.iter_mut().filter(|stream| stream.is_one_behind()) {
            stream.excused = Some(stream.next);
            any = true;
        }
        any
    }

    fn is_overfull(&self) -> bool {
        self.streams.iter().any(Reassembler::is_overfull)
    }

    /// Hands on what is in order on both sides; whether anything was.
    fn deliver<S: Sink>(&mut self, order: Order, out: &mut Outlet<'_, S>) -> bool {
        let mut any = false;
        loop {
            let mut moved = false;
            for side in [Peer::Low, Peer::High] {
                moved |= self.deliver_side(side, order, out);
            }
            if !moved {
                return any;
            }
            any = true;
        }
    }

    fn deliver_side<S: Sink>(&mut self, side: Peer, order: Order, out: &mut Outlet<'_, S>) -> bool {
        let mut moved = false;
        loop {
            let (own, peer) = self.both(side);
            match own.first_held() {
                Some((offset, acknowledged))
                    if offset == own.next
                        && own.end != Some(offset)
                        && (acknowledged <= peer.acknowledgeable() || order == Order::Any) => {}
                _ => break,
            }
            let Some(run) = own.take_next() else { break };
            let offset = own.next;
            *out.held_bytes -= run.bytes.len();
            // Nothing can follow a FIN that came meanwhile.
            let room = own.end.map_or(u64::MAX, |end| end.saturating_sub(offset));
            let within =
                usize::try_from(room).map_or(run.bytes.len(), |it| it.min(run.bytes.len()));
            let (bytes, beyond) = run.bytes.split_at(within);
            let len = bytes.len() as u64;
            let cut = run.cut.min(room - len);
            own.next += len + cut;
            out.bytes.delivered += len;
            out.bytes.refused += beyond.len() as u64;
            out.bytes.gap += cut;
            if len > 0 {
                let (at, acknowledged) = (run.at, run.acknowledged);
                let data = Data { at, offset, acknowledged, bytes };
                out.sink.stream(side, StreamEvent::Data(data));
            }
            if cut > 0 {
                let gap = StreamEvent::Gap {
                    len: cut,
                    offset: offset + len,
                    // The frame was on the wire: only the snap length kept these bytes away.
                    acknowledged: cut,
                    absence: Absence::Cut,
                    at: run.at,
                };
                out.sink.stream(side, gap);
            }
            moved = true;
        }
        let own = self.stream(side);
        if own.end == Some(own.next) && !own.ended {
            self.end(side, out);
            moved = true;
        }
        moved
    }

    /// Tells that a stream has come to its end.
    fn end<S: Sink>(&mut self, side: Peer, out: &mut Outlet<'_, S>) {
        let at = self.latest;
        let (own, _) = self.both(side);
        own.ended = true;
        // Bytes beyond the end that came before the FIN have no place after all.
        let beyond = own.discard();
        *out.held_bytes -= beyond;
        out.bytes.refused += beyond as u64;
        out.sink.stream(side, StreamEvent::End { at });
        self.closed = self.streams.iter().all(|stream| stream.ended);
    }

    const fn verdict(&self) -> Verdict {
        if self.closed { Verdict::Closed } else { Verdict::Open }
    }
}

impl<S> Outlet<'_, S> {
    /// Accounts for a payload that has no place.
    fn refuse(&mut self, packet: &Packet<'_>) {
        self.bytes.payload += packet.payload.len() as u64;
        self.bytes.refused += packet.payload.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::Endpoint;
    use proptest::prelude::*;

    /// What a sink was given: both streams as bytes (`None`: gap), and how each ended.
    #[derive(Default)]
    struct Taken {
        streams: [Vec<Option<u8>>; 2],
        ends: [u32; 2],
        resets: u32,
    }

    impl Sink for Taken {
        fn stream(&mut self, side: Peer, event: StreamEvent<'_>) {
            let index = usize::from(side == Peer::High);
            match event {
                StreamEvent::Data(data) => {
                    assert_eq!(data.offset, self.streams[index].len() as u64);
                    assert!(
                        data.acknowledged <= self.streams[1 - index].len() as u64 + 1,
                        "a byte came before those that its sender had acknowledged"
                    );
                    self.streams[index].extend(data.bytes.iter().copied().map(Some));
                }
                StreamEvent::Gap { len, .. } => {
                    self.streams[index].extend((0..len).map(|_| None));
                }
                StreamEvent::End { .. } => self.ends[index] += 1,
                StreamEvent::Reset { .. } => self.resets += 1,
            }
        }
    }

    #[derive(Clone, Debug)]
    struct Sent {
        side: Peer,
        seq: u32,
        ack: u32,
        flags: Flags,
        window: u16,
        id: u16,
        payload: Vec<u8>,
    }

    impl Sent {
        fn packet(&self, at: Timestamp) -> Packet<'_> {
            let ends = [Endpoint::v4([10, 0, 0, 1], 4000), Endpoint::v4([10, 0, 0, 2], 80)];
            let index = usize::from(self.side == Peer::High);
            Packet {
                at,
                source: ends[index],
                target: ends[1 - index],
                seq: self.seq,
                ack: self.ack,
                flags: self.flags,
                window: self.window,
                id: self.id,
                payload: &self.payload,
                cut: 0,
            }
        }
    }

    /// A connection, and everything that it told.
    #[derive(Debug)]
    struct Way {
        connection: Connection,
        taken: Loosely,
        bytes: Bytes,
        held_bytes: usize,
    }

    /// Takes what crafted acknowledgments lead to as well.
    #[derive(Debug, Default)]
    struct Loosely {
        told: String,
        /// What is known of the network, of which only the latest counts.
        path: Path,
    }

    impl Sink for Loosely {
        fn stream(&mut self, side: Peer, event: StreamEvent<'_>) {
            self.told += &format!("{side:?} {event:?} {:?}\n", self.path);
        }

        fn path(&mut self, path: &Path) {
            self.path = *path;
        }
    }

    impl Way {
        /// A connection whose first packet comes at `at`.
        fn new(at: Timestamp) -> Self {
            let connection = Connection::new(at);
            Self { connection, taken: Loosely::default(), bytes: Bytes::default(), held_bytes: 0 }
        }

        fn push(&mut self, sent: &Sent, at: Timestamp, shortly: bool) -> Verdict {
            let packet = sent.packet(at);
            let Self { connection, taken, bytes, held_bytes } = self;
            if shortly
                && let Some(begun) = Connection::begun_with(sent.side, &packet)
                && !connection.has_seen(Peer::Low)
                && !connection.has_seen(Peer::High)
            {
                *connection = begun;
                return Verdict::Open;
            }
            if shortly && connection.answer(sent.side, &packet) {
                return Verdict::Open;
            }
            if shortly && let Some(foreseen) = connection.foresee(sent.side, &packet) {
                if connection.take(sent.side, &packet, foreseen, bytes) {
                    taken.path(connection.path());
                }
                if !packet.payload.is_empty() {
                    let Foreseen { offset, acknowledged } = foreseen;
                    let data = Data { at, offset, acknowledged, bytes: packet.payload };
                    taken.stream(sent.side, StreamEvent::Data(data));
                }
                if packet.flags.has(Flags::FIN) {
                    taken.stream(sent.side, StreamEvent::End { at });
                }
                return connection.verdict();
            }
            connection.meet(sent.side, &packet);
            connection.push(sent.side, &packet, &mut Outlet { sink: taken, bytes, held_bytes })
        }
    }

    const ORIGINS: [u32; 2] = [u32::MAX - 20, 7];

    /// A whole connection in the order in which it happened: handshake, turns, FINs.
    fn dialogue(turns: &[(bool, u8)]) -> (Vec<Sent>, [Vec<u8>; 2]) {
        let mut streams = [Vec::new(), Vec::new()];
        let mut sent = Vec::new();
        let number = |index: usize, position: usize| {
            ORIGINS[index].wrapping_add(1).wrapping_add(u32::try_from(position).unwrap())
        };
        let mut push = |index: usize, flags: Flags, streams: &[Vec<u8>; 2], payload: Vec<u8>| {
            let back = flags.has(Flags::SYN);
            sent.push(Sent {
                side: [Peer::Low, Peer::High][index],
                seq: number(index, streams[index].len()).wrapping_sub(u32::from(back)),
                ack: number(1 - index, streams[1 - index].len()),
                flags,
                window: 100,
                id: u16::try_from(sent.len()).unwrap() + 1,
                payload,
            });
        };
        push(0, Flags::SYN, &streams, vec![]);
        push(1, Flags::SYN.with(Flags::ACK), &streams, vec![]);
        push(0, Flags::ACK, &streams, vec![]);
        for (n, &(from_server, len)) in (0_u8..).zip(turns) {
            let index = usize::from(from_server);
            // Two bytes at least: one alone looks like an acknowledged FIN when it is lost.
            let payload = vec![n; usize::from(len) + 2];
            push(index, Flags::ACK, &streams, payload.clone());
            streams[index].extend_from_slice(&payload);
            push(1 - index, Flags::ACK, &streams, vec![]);
        }
        push(0, Flags::FIN.with(Flags::ACK), &streams, vec![]);
        push(1, Flags::FIN.with(Flags::ACK), &streams, vec![]);
        (sent, streams)
    }

    fn run(packets: &[Sent], step_ns: u64) -> (Taken, Bytes, Connection) {
        let mut taken = Taken::default();
        let mut bytes = Bytes::default();
        let mut held_bytes = 0;
        let mut connection = Connection::new(Timestamp::default());
        let mut at = Timestamp::default();
        for sent in packets {
            at = at.plus(step_ns);
            let packet = sent.packet(at);
            let mut out =
                Outlet { sink: &mut taken, bytes: &mut bytes, held_bytes: &mut held_bytes };
            assert!(!matches!(connection.push(sent.side, &packet, &mut out), Verdict::Replaced(_)));
        }
        let mut out = Outlet { sink: &mut taken, bytes: &mut bytes, held_bytes: &mut held_bytes };
        connection.flush(&mut out);
        assert_eq!(held_bytes, 0);
        assert_eq!(bytes.payload, bytes.delivered + bytes.duplicate + bytes.refused);
        (taken, bytes, connection)
    }

    fn whole(streams: &[Vec<u8>; 2]) -> [Vec<Option<u8>>; 2] {
        streams.clone().map(|stream| stream.into_iter().map(Some).collect())
    }

    #[test]
    fn a_handshake_names_the_client_and_its_time() {
        let (packets, streams) = dialogue(&[(false, 3), (true, 9)]);
        let (taken, bytes, connection) = run(&packets, 1000);
        assert_eq!(taken.streams, whole(&streams));
        assert_eq!((taken.ends, bytes.gap), ([1, 1], 0));
        assert_eq!(connection.client(), Some(Peer::Low));
        assert_eq!(connection.connect_ns(), Some(2000));
        assert!(connection.is_closed());
    }

    /// Retransmissions and copied frames, where the first data comes again so much later.
    fn seen_again(id: u16, id_again: u16, after_ns: u64) -> (u32, u16) {
        let (mut packets, _) = dialogue(&[(false, 30), (true, 9)]);
        packets[3].id = id;
        let mut way = Way::new(Timestamp::from_nanos(1000));
        for sent in &packets[..4] {
            way.push(sent, Timestamp::from_nanos(1000), false);
        }
        let again = Sent { id: id_again, ..packets[3].clone() };
        way.push(&again, Timestamp::from_nanos(1000).plus(after_ns), false);
        (way.taken.path.retransmissions, way.taken.path.copied_frames)
    }

    #[test]
    fn a_frame_that_was_captured_again_is_no_retransmission() {
        assert_eq!(seen_again(7, 7, 2000), (0, 1));
        assert_eq!(seen_again(7, 7, 400_000_000), (0, 1));
        assert_eq!(seen_again(7, 8, 2000), (1, 0));
        assert_eq!(seen_again(7, 0, 200_000_000), (1, 0));
        // Without identification only what comes sooner than any timer is known to be a copy.
        assert_eq!(seen_again(0, 0, 2000), (0, 1));
        assert_eq!(seen_again(0, 0, 2_000_000), (1, 0));
    }

    #[test]
    fn an_identification_that_never_changes_tells_no_copies() {
        let (mut packets, _) = dialogue(&[(false, 30), (false, 30), (true, 9)]);
        packets.iter_mut().for_each(|sent| sent.id = 1);
        let mut way = Way::new(Timestamp::default());
        for sent in &packets[..6] {
            way.push(sent, Timestamp::default(), false);
        }
        way.push(&packets[5], Timestamp::from_nanos(200_000_000), false);
        let Path { retransmissions, copied_frames, .. } = way.taken.path;
        assert_eq!((retransmissions, copied_frames), (1, 0));
    }

    #[test]
    fn a_second_syn_ack_is_not_a_new_connection() {
        let (mut packets, streams) = dialogue(&[(false, 3), (true, 9)]);
        let mut odd = packets[1].clone();
        odd.seq = odd.seq.wrapping_add(0x1234_5678);
        packets.insert(4, odd);
        assert_eq!(run(&packets, 1000).0.streams, whole(&streams));
    }

    #[test]
    fn a_reset_ends_both_streams_and_a_stray_one_does_not() {
        let (packets, _) = dialogue(&[(false, 3), (true, 9)]);
        let mut reset = packets[5].clone();
        reset.flags = Flags::RST;
        let mut stray = reset.clone();
        stray.seq = stray.seq.wrapping_add(1 << 28);
        let mut cut = packets[..6].to_vec();
        cut.push(stray);
        assert_eq!(run(&cut, 1).0.resets, 0);
        cut.push(reset);
        let (taken, _, connection) = run(&cut, 1);
        assert_eq!(taken.resets, 2);
        assert!(connection.is_closed());
    }

    /// Bytes with numbers beyond a FIN that came after them: some of one packet, all of another.
    #[test]
    fn nothing_follows_a_fin_that_came_later() {
        for (beyond, refused) in [(0, 6), (2, 8), (5, 11)] {
            let (packets, mut streams) = dialogue(&[(false, 8), (true, 9)]);
            let mut mixed = packets[..3].to_vec();
            let data = |from: u32, payload: Vec<u8>, flags: Flags| Sent {
                seq: packets[3].seq.wrapping_add(from),
                payload,
                flags: flags.with(Flags::ACK),
                ..packets[3].clone()
            };
            // The stream ends at 10; these begin there and beyond.
            mixed.push(data(10 + beyond, vec![7; 6], Flags::PSH));
            mixed.push(data(6, vec![0; 4 + usize::try_from(beyond).unwrap()], Flags::PSH));
            mixed.push(data(0, vec![0; 6], Flags::PSH));
            mixed.insert(4, data(10, vec![], Flags::FIN));
            let (taken, bytes, _) = run(&mixed, 1000);
            streams[1].clear();
            assert_eq!(taken.streams, whole(&streams), "{beyond}");
            assert_eq!((taken.ends, bytes.refused), ([1, 0], refused), "{beyond}");
        }
    }

    #[test]
    fn keep_alive_probes_repeat_a_byte_and_bring_nothing() {
        let (mut packets, streams) = dialogue(&[(false, 3), (true, 9)]);
        let mut probe = packets[3].clone();
        probe.payload = vec![0];
        probe.seq = probe.seq.wrapping_add(4);
        packets.insert(7, probe);
        let (taken, bytes, _) = run(&packets, 1);
        assert_eq!(taken.streams, whole(&streams));
        assert_eq!(bytes.duplicate, 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        /// Packets late by a few places, or twice, give the streams that were sent.
        #[test]
        fn late_and_repeated_packets_change_nothing(
            turns in proptest::collection::vec((any::<bool>(), 0_u8..40), 1..40),
            moves in proptest::collection::vec((any::<prop::sample::Index>(), 1_usize..12, any::<bool>()), 0..12),
        ) {
            let (mut packets, streams) = dialogue(&turns);
            for (from, by, twice) in moves {
                let from = from.index(packets.len());
                let packet =
                    if twice { packets[from].clone() } else { packets.remove(from) };
                // Nothing overtakes the handshake: before it, a number's place is not known.
                packets.insert((from + by).min(packets.len()).max(3), packet);
            }
            if packets[..3].iter().zip(&dialogue(&turns).0).all(|(a, b)| a.seq == b.seq && a.flags == b.flags) {
                let (taken, bytes, _) = run(&packets, 1000);
                prop_assert_eq!(taken.streams, whole(&streams));
                prop_assert_eq!(bytes.gap, 0);
                prop_assert_eq!(taken.ends, [1, 1]);
            }
        }

        /// Lost packets leave gaps of their size, and every other byte in its place.
        #[test]
        fn lost_packets_leave_gaps_of_their_size(
            turns in proptest::collection::vec((any::<bool>(), 0_u8..40), 1..60),
            lost in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
            step_ns in prop::sample::select(vec![1_000_u64, 5_000_000, 50_000_000]),
        ) {
            let (mut packets, streams) = dialogue(&turns);
            let mut missing = [0, 0];
            for index in lost {
                // The FINs stay: they prove the length of their streams.
                let index = 3 + index.index(packets.len() - 4);
                if !packets[index].flags.has(Flags::FIN) && packets.len() > 6 {
                    let packet = packets.remove(index);
                    missing[usize::from(packet.side == Peer::High)] += packet.payload.len();
                }
            }
            let (taken, bytes, _) = run(&packets, step_ns);
            for (index, (got, sent)) in taken.streams.iter().zip(&whole(&streams)).enumerate() {
                prop_assert_eq!(got.len(), sent.len());
                prop_assert!(got.iter().zip(sent).all(|(got, sent)| got.is_none() || got == sent));
                prop_assert_eq!(got.iter().filter(|byte| byte.is_none()).count(), missing[index]);
            }
            prop_assert_eq!(bytes.gap, (missing[0] + missing[1]) as u64);
        }

        /// The short way leaves everything as the general way does.
        #[test]
        fn the_short_way_is_no_other_way(
            turns in proptest::collection::vec((any::<bool>(), 0_u8..40), 1..30),
            moves in proptest::collection::vec((any::<prop::sample::Index>(), 0_usize..12, 0_u8..6), 0..8),
            steps in proptest::collection::vec(-2_000_i64..30_000_000, 200),
        ) {
            let (mut packets, _) = dialogue(&turns);
            for (from, by, kind) in moves {
                let from = from.index(packets.len());
                match kind {
                    0 => packets.insert((from + by).min(packets.len()), packets[from].clone()),
                    1 => packets[from].ack = packets[from].ack.wrapping_add(u32::try_from(by).unwrap()),
                    2 => packets[from].ack = packets[from].ack.wrapping_sub(u32::try_from(by).unwrap()),
                    3 => packets[from].window = 0,
                    4 => packets[from].seq = packets[from].seq.wrapping_add(u32::try_from(by).unwrap()),
                    _ if packets.len() > 4 => drop(packets.remove(from)),
                    _ => {}
                }
            }
            let first_at = Timestamp::from_nanos(steps[0]);
            let mut ways = [Way::new(first_at), Way::new(first_at)];
            let mut at = Timestamp::default();
            for (sent, step) in packets.iter().zip(steps.iter().cycle()) {
                at = Timestamp::from_nanos(at.as_nanos() + step);
                let [general, short] = &mut ways;
                prop_assert_eq!(general.push(sent, at, false), short.push(sent, at, true));
            }
            // What was found out in advance is no part of the state.
            ways.iter_mut().for_each(|way| way.connection.steady = Steady::default());
            let [general, short] = ways.map(|way| format!("{way:?}"));
            prop_assert_eq!(general, short);
        }

        /// Any packets at all: no panic, nothing held back at the end, every byte accounted for.
        #[test]
        fn garbage_is_accounted_for(
            packets in proptest::collection::vec(
                (any::<bool>(), any::<u32>(), any::<u32>(), any::<u8>(), 0_usize..30, 0_u32..4000, any::<bool>()),
                0..80,
            ),
        ) {
            let mut taken = Taken::default();
            let mut bytes = Bytes::default();
            let mut held_bytes = 0;
            let mut connection = Connection::new(Timestamp::default());
            for (from_high, seq, ack, flags, len, near, is_near) in packets {
                let payload = vec![0; len];
                let (side, base) = if from_high { (Peer::High, 9) } else { (Peer::Low, 5) };
                let packet = Packet {
                    at: Timestamp::from_nanos(i64::from(seq)),
                    source: Endpoint::default(),
                    target: Endpoint::default(),
                    seq: if is_near { base + near } else { seq },
                    ack: if is_near { near / 2 } else { ack },
                    flags: Flags(flags),
                    window: 0,
                    id: u16::from(flags) % 4,
                    payload: &payload,
                    cut: near % 3,
                };
                let mut out = Outlet {
                    sink: &mut Loose(&mut taken),
                    bytes: &mut bytes,
                    held_bytes: &mut held_bytes,
                };
                if let Verdict::Replaced(_) = connection.push(side, &packet, &mut out) {
                    connection.flush(&mut out);
                    connection = Connection::new(packet.at);
                }
            }
            let mut out = Outlet {
                sink: &mut Loose(&mut taken),
                bytes: &mut bytes,
                held_bytes: &mut held_bytes,
            };
            connection.flush(&mut out);
            prop_assert_eq!(held_bytes, 0);
            prop_assert_eq!(bytes.payload, bytes.delivered + bytes.duplicate + bytes.refused);
        }
    }

    /// Counts without believing what crafted acknowledgments say.
    struct Loose<'a>(&'a mut Taken);

    impl Sink for Loose<'_> {
        fn stream(&mut self, _: Peer, event: StreamEvent<'_>) {
            if let StreamEvent::End { .. } = event {
                self.0.resets += 1;
            }
        }
    }
}
