//! The flows of some shards: finds the flow of each packet, runs its connection and conversation,
//! and ends what is over.

#![expect(clippy::inline_always, reason = "nearly every packet goes the short way")]

use crate::exchange::{Conversation, Coverage, Desk, Ear, Exchange, Farewell, Pending, Policy};
use crate::flow::{ClosedFlows, FlowKey, FlowTable, KeyHash, KeyHasher, Peer, SlotId};
use crate::ledger::{Bytes, Ledger};
use crate::limits::{
    CLOSED_FLOW_NS, CLOSED_FLOWS_SHARD_MAX, FLOW_IDLE_NS, FLOWS_MAX, HEADS_SHARD_BYTES_MAX,
    HELD_BYTES_SHARD_MAX, SHARDS, SPARE_FLOWS_MAX,
};
use crate::packet::{Flags, Packet};
use crate::pipeline::reduction::Reduction;
use crate::tcp::{
    Connection, Data, Foreseen, Outlet, Remains, Seq, Sink as _, StreamEvent, Verdict,
};
use crate::time::Timestamp;

/// Both directions of a connection and their state.
#[derive(Debug)]
struct Flow {
    connection: Connection,
    conversation: Conversation,
    /// What it adds to the head bytes of its shard.
    head_bytes: usize,
    /// Whether it stands in its shard's list of flows that wait for missing bytes.
    is_listed: bool,
}

/// A packet, and the flow that it belongs to.
#[derive(Clone, Copy, Debug)]
struct Arrival<'a> {
    key: &'a FlowKey,
    hash: KeyHash,
    /// Who sent it.
    side: Peer,
    packet: &'a Packet<'a>,
}

/// The flows of one shard. Aligned, so that what finds a flow lies in one cache line.
#[derive(Debug)]
#[repr(align(64))]
struct Shard {
    /// Boxed, so that opening and closing move a pointer.
    table: FlowTable<Box<Flow>>,
    /// What is remembered of flows that were closed.
    closed: ClosedFlows<Remains>,
    /// Flows that wait for missing bytes.
    waiting: Vec<(KeyHash, FlowKey)>,
    held_bytes: usize,
    /// Bytes of unfinished heads and of requests that wait.
    head_bytes: usize,
}

/// What all flows of a worker share.
#[derive(Debug)]
struct Common {
    policy: Policy,
    #[expect(clippy::vec_box, reason = "an exchange moves between here and its queue boxed")]
    pool: Vec<Box<Pending>>,
    /// Flows that are over, for reuse.
    #[expect(clippy::vec_box, reason = "a flow moves between here and its table boxed")]
    spare: Vec<Box<Flow>>,
    ledger: Ledger,
    bytes: Bytes,
}

/// The flows of some shards, and the account of what became of them.
#[derive(Debug)]
pub(super) struct Worker {
    hasher: KeyHasher,
    shards: Vec<Shard>,
    common: Common,
    /// What of the messages is to be kept where nothing has to be given up.
    asked: Policy,
    reduction: Reduction,
}

/// Takes every exchange as it is over.
pub(super) type Emit<'e> = &'e mut dyn FnMut(&Exchange);

impl Worker {
    /// A worker without flows.
    #[must_use]
    pub(super) fn new(policy: Policy) -> Self {
        let shard = || Shard {
            table: FlowTable::new(FLOWS_MAX / SHARDS),
            closed: ClosedFlows::new(CLOSED_FLOWS_SHARD_MAX, CLOSED_FLOW_NS),
            waiting: Vec::new(),
            held_bytes: 0,
            head_bytes: 0,
        };
        Self {
            hasher: KeyHasher::default(),
            shards: (0..SHARDS).map(|_| shard()).collect(),
            asked: policy,
            reduction: Reduction::NONE,
            common: Common {
                policy,
                pool: Vec::new(),
                spare: Vec::new(),
                ledger: Ledger::default(),
                bytes: Bytes::default(),
            },
        }
    }

    /// Takes a packet.
    #[inline(always)]
    pub(super) fn packet(&mut self, packet: &Packet<'_>, emit: Emit<'_>) {
        let (key, side) = FlowKey::between(&packet.source, &packet.target);
        let Self { hasher, shards, common, .. } = self;
        let hash = hasher.hash(&key);
        let Some(shard) = shards.get_mut(key.shard()) else { return };
        let arrival = || Arrival { key: &key, hash, side, packet };
        let Shard { table, head_bytes, .. } = shard;
        let Some((id, flow, before)) = table.see(hash, &key, packet.at) else {
            return shard.meet(&arrival(), &mut Hand { common, emit });
        };
        if packet.at.is_later(before, FLOW_IDLE_NS) {
            return shard.renew((id, before), &arrival(), &mut Hand { common, emit });
        }
        match flow.connection.foresee(side, packet) {
            Some(foreseen) if flow.pass(side, packet, foreseen, common) => {}
            Some(foreseen) => {
                let hand = &mut Hand { common, emit };
                flow.hear(&arrival(), foreseen, (head_bytes, hand));
                if flow.connection.is_closed() {
                    shard.close(id, hash, Farewell::Closed, (packet.at, hand));
                }
            }
            None => shard.packet(id, &arrival(), &mut Hand { common, emit }),
        }
    }

    /// Looks for flows that are over by time, idle or waiting in vain for bytes, and forgets closed
    /// ones.
    pub(super) fn tick(&mut self, now: Timestamp, emit: Emit<'_>) {
        let Self { shards, common, .. } = self;
        let mut hand = Hand { common, emit };
        for shard in shards {
            shard.tick(now, &mut hand);
        }
    }

    /// Gives up as much as `reduction` says from now on. Flows that are not captured any more are
    /// evicted.
    pub(super) fn reduce(&mut self, reduction: Reduction, now: Timestamp, emit: Emit<'_>) {
        if std::mem::replace(&mut self.reduction, reduction) == reduction {
            return;
        }
        let Self { shards, common, asked, .. } = self;
        common.policy = reduction.policy(*asked);
        let mut hand = Hand { common, emit };
        for shard in shards.iter_mut().skip(reduction.shards()) {
            while let Some((key, flow)) = shard.table.evict() {
                shard.end_flow((key, flow), Farewell::Evicted, now, &mut hand);
            }
        }
    }

    /// Where everything went so far.
    #[must_use]
    pub(super) fn account(&self) -> Ledger {
        let mut ledger = self.common.ledger.clone();
        ledger += &Ledger { bytes: self.common.bytes.clone(), ..Ledger::default() };
        ledger
    }

    /// Ends every flow, because the capture has ended at `now`, and gives the account.
    #[must_use]
    pub(super) fn finish(mut self, now: Timestamp, emit: Emit<'_>) -> Ledger {
        self.tick(now, emit);
        let Self { shards, common, .. } = &mut self;
        let mut hand = Hand { common, emit };
        for shard in shards {
            while let Some((key, flow)) = shard.table.evict() {
                shard.end_flow((key, flow), Farewell::CaptureEnded, now, &mut hand);
            }
        }
        self.account()
    }
}

/// What a shard works with.
struct Hand<'h, 'e> {
    common: &'h mut Common,
    emit: Emit<'e>,
}

impl Common {
    /// A flow for a connection that is still to be put there.
    fn flow(&mut self) -> Box<Flow> {
        self.spare.pop().unwrap_or_else(|| {
            let connection = Connection::new(Timestamp::default());
            let conversation = Conversation::default();
            Box::new(Flow { connection, conversation, head_bytes: 0, is_listed: false })
        })
    }

    /// Takes back a flow that is over; what it held goes now, as no account has it any more.
    fn recycle(&mut self, mut flow: Box<Flow>) {
        if self.spare.len() < SPARE_FLOWS_MAX {
            flow.connection.release();
            flow.forget();
            self.spare.push(flow);
        }
    }
}

impl Flow {
    /// Makes it the flow of another connection.
    fn restart(&mut self, connection: Connection) {
        self.connection = connection;
        self.forget();
    }

    /// Forgets all but the connection.
    fn forget(&mut self) {
        self.conversation.restart();
        self.head_bytes = 0;
        self.is_listed = false;
    }

    /// Lets the connection work with the conversation listening.
    #[inline]
    fn with<R>(
        &mut self,
        key: &FlowKey,
        held_bytes: &mut usize,
        hand: &mut Hand<'_, '_>,
        work: impl FnOnce(&mut Connection, &mut Outlet<'_, Ear<'_, '_>>) -> R,
    ) -> R {
        let Self { connection, conversation, .. } = self;
        let Common { policy, pool, ledger, bytes, .. } = &mut *hand.common;
        let mut desk = Desk { policy, pool, ledger, emit: hand.emit };
        let mut ear = ear(key, connection, conversation, &mut desk);
        work(connection, &mut Outlet { sink: &mut ear, bytes, held_bytes })
    }

    /// Takes a foreseen packet that brings nothing, or more of a body that nobody keeps; whether it
    /// was one. The short way for what [`push`](Self::push) does too.
    #[inline(always)]
    fn pass(
        &mut self,
        side: Peer,
        packet: &Packet<'_>,
        foreseen: Foreseen,
        common: &mut Common,
    ) -> bool {
        let len = packet.payload.len();
        let is_of_body = |conversation: &Conversation| {
            common.policy.body_bytes_max.is_none() && conversation.awaits_body(side, len)
        };
        if packet.flags.has(Flags::FIN) || len > 0 && !is_of_body(&self.conversation) {
            return false;
        }
        if self.connection.take(side, packet, foreseen, &mut common.bytes) {
            self.conversation.learn(self.connection.path());
        }
        if len > 0 {
            self.conversation.pass_body(side, packet.at, len);
        }
        true
    }

    /// Takes a foreseen packet that brings bytes or an end. What [`push`](Self::push) does too.
    #[inline(never)]
    fn hear(
        &mut self,
        &Arrival { key, side, packet, .. }: &Arrival<'_>,
        Foreseen { offset, acknowledged }: Foreseen,
        (head_bytes, hand): (&mut usize, &mut Hand<'_, '_>),
    ) {
        let Self { connection, conversation, .. } = self;
        let Common { policy, pool, ledger, bytes, .. } = &mut *hand.common;
        if packet.payload.is_empty() && conversation.is_at_rest() {
            if connection.take(side, packet, Foreseen { offset, acknowledged }, bytes) {
                conversation.learn(connection.path());
            }
            return;
        }
        let mut desk = Desk { policy, pool, ledger, emit: hand.emit };
        let mut ear = ear(key, connection, conversation, &mut desk);
        if connection.take(side, packet, Foreseen { offset, acknowledged }, bytes) {
            ear.path(connection.path());
        }
        let Packet { at, payload, flags, .. } = *packet;
        if !payload.is_empty() {
            let data = Data { at, offset, acknowledged, bytes: payload };
            ear.stream(side, StreamEvent::Data(data));
        }
        if flags.has(Flags::FIN) {
            ear.stream(side, StreamEvent::End { at });
        }
        self.weigh(key, at, (head_bytes, hand));
    }

    /// Gives the connection its next packet.
    #[inline]
    fn push(
        &mut self,
        &Arrival { key, side, packet, .. }: &Arrival<'_>,
        (held_bytes, hand): (&mut usize, &mut Hand<'_, '_>),
    ) -> Verdict {
        self.connection.meet(side, packet);
        self.with(key, held_bytes, hand, |connection, out| connection.push(side, packet, out))
    }

    /// Hands on whatever is held of its streams.
    #[expect(clippy::redundant_closure_for_method_calls, reason = "the method is less general")]
    fn flush(&mut self, key: &FlowKey, held_bytes: &mut usize, hand: &mut Hand<'_, '_>) {
        self.with(key, held_bytes, hand, |connection, out| connection.flush(out));
    }

    /// Brings the count of its shard up to date with the heads that it holds; where the shard has no
    /// room for them, they are given up.
    #[inline(always)]
    fn weigh(
        &mut self,
        key: &FlowKey,
        at: Timestamp,
        (head_bytes, hand): (&mut usize, &mut Hand<'_, '_>),
    ) {
        self.count_heads(head_bytes);
        if *head_bytes > HEADS_SHARD_BYTES_MAX && self.head_bytes > 0 {
            self.give_up(key, at, hand);
            self.count_heads(head_bytes);
        }
    }

    #[inline(always)]
    fn count_heads(&mut self, head_bytes: &mut usize) {
        let now = self.conversation.held_bytes();
        if now != self.head_bytes {
            *head_bytes = head_bytes.saturating_sub(self.head_bytes) + now;
            self.head_bytes = now;
        }
    }

    /// Gives up the heads that it holds.
    #[cold]
    fn give_up(&mut self, key: &FlowKey, at: Timestamp, hand: &mut Hand<'_, '_>) {
        let Self { connection, conversation, .. } = self;
        let Common { policy, pool, ledger, .. } = &mut *hand.common;
        let mut desk = Desk { policy, pool, ledger, emit: hand.emit };
        ear(key, connection, conversation, &mut desk).give_up(at);
    }

    /// Brings its exchanges to their end.
    fn close(&mut self, key: &FlowKey, cause: Farewell, at: Timestamp, hand: &mut Hand<'_, '_>) {
        let Self { connection, conversation, .. } = self;
        if conversation.is_at_rest() {
            return;
        }
        let Common { policy, pool, ledger, .. } = &mut *hand.common;
        let mut desk = Desk { policy, pool, ledger, emit: hand.emit };
        ear(key, connection, conversation, &mut desk).close(cause, at);
    }
}

fn ear<'a, 'd>(
    key: &'a FlowKey,
    connection: &Connection,
    conversation: &'a mut Conversation,
    desk: &'a mut Desk<'d>,
) -> Ear<'a, 'd> {
    let is_both = connection.has_seen(Peer::Low) && connection.has_seen(Peer::High);
    Ear {
        conversation,
        desk,
        key,
        opened_at: connection.opened_at(),
        client: connection.client(),
        connect_ns: connection.connect_ns(),
        coverage: if is_both { Coverage::Both } else { Coverage::OneSided },
    }
}

impl Shard {
    /// Takes any packet of the flow at `id`.
    #[inline(never)]
    fn packet(&mut self, id: SlotId, arrival: &Arrival<'_>, hand: &mut Hand<'_, '_>) {
        let &Arrival { key, packet, .. } = arrival;
        let Self { table, held_bytes, head_bytes, .. } = self;
        let Some((_, flow)) = table.get_mut(id) else { return };
        if flow.connection.answer(arrival.side, packet) {
            return;
        }
        let verdict = flow.push(arrival, (held_bytes, hand));
        flow.weigh(key, packet.at, (head_bytes, hand));
        if verdict == Verdict::Open && !flow.connection.is_waiting() && *held_bytes == 0 {
            return;
        }
        self.follow_up(id, verdict, arrival, hand);
    }

    /// Takes a packet of endpoints that were silent for too long: another flow begins, if any.
    #[cold]
    fn renew(
        &mut self,
        (id, before): (SlotId, Timestamp),
        arrival: &Arrival<'_>,
        hand: &mut Hand<'_, '_>,
    ) {
        if let Some(flow) = self.table.remove(id) {
            self.end_flow(flow, Farewell::Expired, before, hand);
        }
        self.meet(arrival, hand);
    }

    /// Takes a packet of which no flow is open: opens one where the packet can begin one.
    #[inline(never)]
    fn meet(&mut self, arrival: &Arrival<'_>, hand: &mut Hand<'_, '_>) {
        let &Arrival { key, hash, side, packet } = arrival;
        // What brings no data tells nothing of a connection that is over or not known.
        if packet.wire_payload() == 0 && !packet.flags.has(Flags::SYN) {
            return;
        }
        let remains = self.closed.get(hash, key, packet.at);
        let successor = match remains.map(|it| it.push(side, packet, &mut hand.common.bytes)) {
            Some(Verdict::Replaced(successor)) => {
                self.closed.forget(hash, key);
                successor
            }
            Some(_) => return,
            None => None,
        };
        if self.table.is_full()
            && let Some((key, flow)) = self.table.evict()
        {
            let at = flow.connection.latest();
            self.end_flow((key, flow), Farewell::Evicted, at, hand);
        }
        hand.common.ledger.flows.opened += 1;
        let mut flow = hand.common.flow();
        let begun = Connection::begun_with(side, packet).filter(|_| successor.is_none());
        let is_done = begun.is_some();
        flow.connection = begun.unwrap_or_else(|| succeed(side, packet, successor));
        let Some((id, flow)) = self.table.open(hash, *key, packet.at, flow) else { return };
        if is_done {
            return;
        }
        let verdict = flow.push(arrival, (&mut self.held_bytes, hand));
        flow.weigh(key, packet.at, (&mut self.head_bytes, hand));
        self.follow_up(id, verdict, arrival, hand);
    }

    /// Does what a packet's verdict asks for beyond going on.
    fn follow_up(
        &mut self,
        id: SlotId,
        mut verdict: Verdict,
        arrival: &Arrival<'_>,
        hand: &mut Hand<'_, '_>,
    ) {
        let &Arrival { key, hash, side, packet } = arrival;
        let Self { table, held_bytes, .. } = self;
        let Some((_, flow)) = table.get_mut(id) else { return };
        if let Verdict::Replaced(successor) = verdict {
            let at = flow.connection.latest();
            flow.flush(key, held_bytes, hand);
            flow.close(key, Farewell::Closed, at, hand);
            hand.common.ledger.flows.closed += 1;
            self.head_bytes = self.head_bytes.saturating_sub(flow.head_bytes);
            flow.restart(succeed(side, packet, successor));
            hand.common.ledger.flows.opened += 1;
            verdict = flow.push(arrival, (held_bytes, hand));
            flow.weigh(key, packet.at, (&mut self.head_bytes, hand));
        }
        if *held_bytes > HELD_BYTES_SHARD_MAX {
            flow.flush(key, held_bytes, hand);
        }
        if flow.connection.is_waiting() && !std::mem::replace(&mut flow.is_listed, true) {
            self.waiting.push((hash, *key));
        }
        if verdict == Verdict::Closed {
            let cause =
                if packet.flags.has(Flags::RST) { Farewell::Reset } else { Farewell::Closed };
            self.close(id, hash, cause, (packet.at, hand));
        }
    }

    /// Ends a flow whose connection was closed; what remains of it is remembered for a while.
    fn close(
        &mut self,
        id: SlotId,
        hash: KeyHash,
        cause: Farewell,
        (at, hand): (Timestamp, &mut Hand<'_, '_>),
    ) {
        let Some((key, mut flow)) = self.table.remove(id) else { return };
        self.head_bytes = self.head_bytes.saturating_sub(flow.head_bytes);
        flow.close(&key, cause, at, hand);
        hand.common.ledger.flows.closed += 1;
        self.closed.remember(hash, key, at, flow.connection.remains());
        hand.common.recycle(flow);
    }

    fn tick(&mut self, now: Timestamp, hand: &mut Hand<'_, '_>) {
        for (hash, key) in std::mem::take(&mut self.waiting) {
            self.tick_waiting((hash, &key), now, hand);
        }
        if now.since(Timestamp::MIN) < FLOW_IDLE_NS {
            return;
        }
        while let Some((key, flow)) = self.table.expire(before(now, FLOW_IDLE_NS)) {
            let at = flow.connection.latest();
            self.end_flow((key, flow), Farewell::Expired, at, hand);
        }
    }

    fn tick_waiting(
        &mut self,
        (hash, key): (KeyHash, &FlowKey),
        now: Timestamp,
        hand: &mut Hand<'_, '_>,
    ) {
        let Self { table, held_bytes, .. } = self;
        let Some(id) = table.find(hash, key) else { return };
        let Some((_, flow)) = table.get_mut(id) else { return };
        flow.is_listed = false;
        let verdict = flow.with(key, held_bytes, hand, |connection, out| connection.tick(now, out));
        flow.weigh(key, now, (&mut self.head_bytes, hand));
        if verdict == Verdict::Closed {
            let at = flow.connection.latest();
            self.close(id, hash, Farewell::Closed, (at, hand));
        } else if flow.connection.is_waiting() && !std::mem::replace(&mut flow.is_listed, true) {
            self.waiting.push((hash, *key));
        }
    }

    /// Ends a flow that was taken out of the table.
    fn end_flow(
        &mut self,
        (key, mut flow): (FlowKey, Box<Flow>),
        cause: Farewell,
        at: Timestamp,
        hand: &mut Hand<'_, '_>,
    ) {
        self.head_bytes = self.head_bytes.saturating_sub(flow.head_bytes);
        flow.flush(&key, &mut self.held_bytes, hand);
        let flows = &mut hand.common.ledger.flows;
        let cause = if flow.connection.is_closed() { Farewell::Closed } else { cause };
        *match cause {
            Farewell::Closed | Farewell::Reset => &mut flows.closed,
            Farewell::Expired => &mut flows.expired,
            Farewell::Evicted => &mut flows.evicted,
            Farewell::CaptureEnded => &mut flows.live,
        } += 1;
        flow.close(&key, cause, at, hand);
        hand.common.recycle(flow);
    }
}

/// The time that lies so long before `now`.
const fn before(now: Timestamp, ns: u64) -> Timestamp {
    Timestamp::from_nanos(now.as_nanos().saturating_sub_unsigned(ns))
}

/// The connection that takes over the endpoints with `packet`.
fn succeed(side: Peer, packet: &Packet<'_>, successor: Option<(Seq, Timestamp)>) -> Connection {
    match successor {
        Some((syn, at)) => {
            let is_answer = packet.flags.has(Flags::SYN.with(Flags::ACK));
            Connection::begun_by(if is_answer { side.other() } else { side }, syn, at)
        }
        None => Connection::new(packet.at),
    }
}
