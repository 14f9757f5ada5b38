//! Which packets of a capture belong to the exchanges that were asked for.

use std::collections::HashMap;

use crate::exchange::{ExchangeId, Facts};
use crate::flow::FlowKey;
use crate::limits::PACKET_EXPORT_EXCHANGES_MAX;
use crate::packet::{Flags, Packet};
use crate::time::Timestamp;

/// How long before an exchange the fragments of its first packet may have come, in nanoseconds.
const FRAGMENT_LEAD_NS: i64 = 100_000_000;

/// Most exchanges that one packet is said to belong to; pipelining may put more into it.
const IDS_MAX: usize = 8;

/// More exchanges were asked for than packets are exported of at once.
#[derive(Debug, thiserror::Error)]
#[error(
    "the packets of more than {PACKET_EXPORT_EXCHANGES_MAX} exchanges are too many for one \
     export: narrow it with --where, --since or --until"
)]
pub struct TooMany;

/// The time of one exchange on the wire.
#[derive(Clone, Copy, Debug)]
struct Span {
    from: Timestamp,
    to: Timestamp,
    /// The latest end of this span and of all before it.
    reach: Timestamp,
    id: ExchangeId,
}

/// The exchanges of one endpoint pair that are wanted.
#[derive(Debug, Default)]
struct Pair {
    spans: Vec<Span>,
    /// When the last SYN was seen that belongs to none of them.
    opened_at: Option<Timestamp>,
}

/// The exchanges whose packets are wanted.
#[derive(Debug, Default)]
pub struct Wanted {
    pairs: HashMap<FlowKey, Pair>,
    /// Times at which any exchange was under way, apart from each other and in order.
    times: Vec<(Timestamp, Timestamp)>,
    exchanges: usize,
}

impl Wanted {
    /// Adds an exchange: its packets are those of its connection from its first byte to its last,
    /// with the handshake where it is the connection's first.
    ///
    /// # Errors
    ///
    /// [`TooMany`] beyond [`PACKET_EXPORT_EXCHANGES_MAX`].
    pub fn add(&mut self, facts: &Facts) -> Result<(), TooMany> {
        if self.exchanges >= PACKET_EXPORT_EXCHANGES_MAX {
            return Err(TooMany);
        }
        self.exchanges += 1;
        let connection = facts.connection;
        let key = FlowKey::between(&connection.client, &connection.server).0;
        let is_first = facts.index == 0;
        let from = if is_first { connection.opened_at.min(facts.start) } else { facts.start };
        let timing = facts.timing;
        let orphan_ns = timing.receive_ns.unwrap_or(0);
        let lasted = timing.total_ns.unwrap_or_else(|| facts.watched_ns.max(orphan_ns));
        let to = facts.start.plus(lasted);
        self.pairs.entry(key).or_default().spans.push(Span { from, to, reach: to, id: facts.id() });
        let lead = Timestamp::from_nanos(from.as_nanos().saturating_sub(FRAGMENT_LEAD_NS));
        self.times.push((lead, to));
        Ok(())
    }

    /// How many exchanges were added.
    #[must_use]
    pub const fn exchanges(&self) -> usize {
        self.exchanges
    }

    /// Puts the times in order: after the last exchange, before the first packet.
    pub fn prepare(&mut self) {
        for pair in self.pairs.values_mut() {
            pair.spans.sort_by_key(|span| (span.from, span.to));
            let mut reach = Timestamp::MIN;
            for span in &mut pair.spans {
                reach = reach.max(span.to);
                span.reach = reach;
            }
        }
        self.times.sort_unstable();
        let mut joined: Vec<(Timestamp, Timestamp)> = Vec::new();
        for (from, to) in self.times.drain(..) {
            match joined.last_mut().filter(|last| from <= last.1) {
                Some(last) => last.1 = last.1.max(to),
                None => joined.push((from, to)),
            }
        }
        self.times = joined;
    }

    /// Whether any exchange was under way then: what is known of a fragment.
    #[must_use]
    pub fn is_during(&self, at: Timestamp) -> bool {
        let after = self.times.partition_point(|(from, _)| *from <= at);
        after.checked_sub(1).and_then(|last| self.times.get(last)).is_some_and(|(_, to)| at <= *to)
    }

    /// Whether a packet is wanted, and the exchanges that it belongs to into `ids`: none for the
    /// FIN or RST that ends a connection later.
    pub fn wants(&mut self, packet: &Packet<'_>, ids: &mut Vec<ExchangeId>) -> bool {
        ids.clear();
        let key = FlowKey::between(&packet.source, &packet.target).0;
        let Some(pair) = self.pairs.get_mut(&key) else { return false };
        let after = pair.spans.partition_point(|span| span.from <= packet.at);
        let before = pair.spans.get(..after).unwrap_or_default();
        for span in before.iter().rev().take_while(|span| span.reach >= packet.at) {
            if span.to >= packet.at && ids.len() < IDS_MAX {
                ids.push(span.id);
            }
        }
        ids.reverse();
        if !ids.is_empty() {
            return true;
        }
        if packet.flags.has(Flags::SYN) {
            pair.opened_at = pair.opened_at.max(Some(packet.at));
            return false;
        }
        let ends = packet.flags.has(Flags::FIN) || packet.flags.has(Flags::RST);
        ends && before
            .last()
            .is_some_and(|last| pair.opened_at.is_none_or(|opened_at| opened_at <= last.from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{ConnectionKey, Timing};
    use crate::packet::Endpoint;

    const CLIENT: [u8; 4] = [10, 0, 0, 1];
    const SERVER: [u8; 4] = [10, 0, 0, 2];

    fn facts(index: u32, start: i64, total_ns: u64) -> Facts {
        Facts {
            connection: ConnectionKey {
                client: Endpoint::v4(CLIENT, 4000),
                server: Endpoint::v4(SERVER, 80),
                opened_at: Timestamp::from_nanos(100),
            },
            index,
            start: Timestamp::from_nanos(start),
            timing: Timing { total_ns: Some(total_ns), ..Timing::default() },
            ..Facts::default()
        }
    }

    fn packet(at: i64, port: u16, flags: Flags) -> Packet<'static> {
        Packet {
            at: Timestamp::from_nanos(at),
            source: Endpoint::v4(SERVER, 80),
            target: Endpoint::v4(CLIENT, port),
            seq: 0,
            ack: 0,
            flags,
            window: 0,
            id: 0,
            payload: b"",
            cut: 0,
        }
    }

    #[test]
    fn packets_belong_to_the_exchanges_that_were_under_way() {
        let (first, long, short) = (facts(0, 150, 50), facts(4, 1000, 500), facts(5, 1100, 100));
        let mut wanted = Wanted::default();
        for facts in [&short, &first, &long] {
            wanted.add(facts).expect("few");
        }
        wanted.prepare();
        let mut ids = Vec::new();
        let mut check = |at, port, flags, is_wanted, expected: &[&Facts]| {
            assert_eq!(wanted.wants(&packet(at, port, flags), &mut ids), is_wanted, "{at}");
            let expected: Vec<_> = expected.iter().map(|facts| facts.id()).collect();
            assert_eq!(ids, expected, "{at}");
        };
        check(99, 4000, Flags::ACK, false, &[]);
        check(100, 4000, Flags::SYN, true, &[&first]);
        check(200, 4000, Flags::ACK, true, &[&first]);
        check(201, 4000, Flags::ACK, false, &[]);
        check(1000, 4000, Flags::ACK, true, &[&long]);
        check(1150, 4000, Flags::ACK, true, &[&long, &short]);
        check(1201, 4000, Flags::ACK, true, &[&long]);
        check(1150, 4001, Flags::ACK, false, &[]);
        check(1501, 4000, Flags::ACK, false, &[]);
        check(1501, 4000, Flags::FIN, true, &[]);
        check(1600, 4000, Flags::SYN, false, &[]);
        check(1700, 4000, Flags::FIN, false, &[]);
        assert!(wanted.is_during(Timestamp::from_nanos(1100)));
        assert!(!wanted.is_during(Timestamp::from_nanos(1501)));
    }
}
