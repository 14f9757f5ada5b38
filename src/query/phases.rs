//! Where the time of the slow exchanges is spent, against that of the usual ones, and on which
//! side of the network the capture stood.

use std::collections::BTreeMap;

use crate::exchange::{Facts, State};
use crate::query::group::{Keys, Values};
use crate::query::latency::{Collector, Groups, Merge};
use crate::query::text::Text;
use crate::segment::{Latencies, Segment, SegmentError};
use crate::time::Timestamp;

/// Round trips below this, neither far shorter than the other, are those of one host.
const ONE_HOST_NS: u64 = 50_000;

/// How much longer one round trip has to be for the capture to stand at the other end.
const FAR: u64 = 5;

/// Means of some exchanges, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slice {
    /// How many exchanges.
    pub count: u64,
    /// First byte of the request to last byte of the response.
    pub total_ns: u64,
    /// First byte of the request to its last.
    pub send_ns: u64,
    /// Waiting behind an earlier response of the connection.
    pub blocked_ns: u64,
    /// Of the rest of the wait: one round trip between the capture point and the server, the
    /// smallest that was seen on the connection.
    pub network_ns: u64,
    /// Of the rest of the wait: all but that.
    pub server_ns: u64,
    /// First byte of the response to its last.
    pub receive_ns: u64,
    /// Standing still before retransmissions, in whatever phase.
    pub stalled_ns: u64,
    /// The client's window shut, in whatever phase.
    pub drained_ns: u64,
}

impl Slice {
    fn of(facts: &Facts, total_ns: u64) -> Self {
        let timing = &facts.timing;
        let blocked_ns = timing.blocked_ns.unwrap_or(0);
        let rest = timing.wait_ns.unwrap_or(0).saturating_sub(blocked_ns);
        let network_ns = u64::from(facts.evidence.network.server_least_ns).min(rest);
        Self {
            count: 1,
            total_ns,
            send_ns: timing.send_ns.unwrap_or(0),
            blocked_ns,
            network_ns,
            server_ns: rest - network_ns,
            receive_ns: timing.receive_ns.unwrap_or(0),
            stalled_ns: facts.evidence.stalled_ns.min(total_ns),
            drained_ns: facts.evidence.drained_ns.min(total_ns),
        }
    }

    const fn fields(&mut self) -> [&mut u64; 9] {
        [
            &mut self.count,
            &mut self.total_ns,
            &mut self.send_ns,
            &mut self.blocked_ns,
            &mut self.network_ns,
            &mut self.server_ns,
            &mut self.receive_ns,
            &mut self.stalled_ns,
            &mut self.drained_ns,
        ]
    }

    fn add(&mut self, other: &Self) {
        let mut other = *other;
        for (field, more) in self.fields().into_iter().zip(other.fields()) {
            *field = field.saturating_add(*more);
        }
    }

    /// Sums to means.
    fn mean(mut self) -> Self {
        let count = self.count.max(1);
        self.fields().into_iter().skip(1).for_each(|field| *field /= count);
        self
    }
}

/// The exchanges of one group, sums by total.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spent {
    totals: Latencies,
    /// By the first seven bits of the total: what the exchanges in between spent.
    sums: BTreeMap<u64, Slice>,
}

impl Merge for Spent {
    fn merge(&mut self, other: &Self) {
        self.totals.merge(&other.totals);
        for (&floor, slice) in &other.sums {
            self.sums.entry(floor).or_default().add(slice);
        }
    }
}

/// A number with all but its first seven bits cleared.
const fn floor(ns: u64) -> u64 {
    let shift = (64 - ns.leading_zeros()).saturating_sub(7);
    ns >> shift << shift
}

impl Spent {
    fn record(&mut self, facts: &Facts) {
        if facts.state == State::Complete
            && let Some(total_ns) = facts.timing.total_ns
        {
            self.totals.record(total_ns);
            self.sums.entry(floor(total_ns)).or_default().add(&Slice::of(facts, total_ns));
        }
    }

    /// The time of the exchange that so many of 1000 are not slower than.
    fn at(&self, mille: u64) -> u64 {
        self.totals.value_at_mille(mille).unwrap_or(0)
    }

    fn between(&self, from_ns: u64, until_ns: u64) -> Slice {
        let mut all = Slice::default();
        self.sums.range(floor(from_ns)..=until_ns).for_each(|(_, slice)| all.add(slice));
        all.mean()
    }
}

/// What one group spends its time on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhaseRow {
    /// One value a key, in the order of the keys.
    pub values: Values,
    /// Complete exchanges.
    pub count: u64,
    /// The 50th percentile of the total.
    pub p50_ns: u64,
    /// The 99th percentile of the total.
    pub p99_ns: u64,
    /// Means of the exchanges around the median: from the 45th to the 55th percentile, to the
    /// first seven bits of their totals.
    pub usual: Slice,
    /// Means of the exchanges from the 99th percentile on.
    pub slow: Slice,
}

/// Where the capture stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Next to the server: its round trip is the far shorter one.
    Server,
    /// Next to the client.
    Client,
    /// On the way between them.
    Between,
    /// Client and server are on one host.
    OneHost,
}

impl Place {
    /// Its name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::Between => "between",
            Self::OneHost => "one_host",
        }
    }
}

/// The network as the capture point saw it: medians of the smallest round trips of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vantage {
    /// Where the capture stood.
    pub place: Place,
    /// Between the capture point and the server, in nanoseconds.
    pub server_ns: u64,
    /// Between the capture point and the client, in nanoseconds.
    pub client_ns: u64,
}

impl Vantage {
    const fn of(server_ns: u64, client_ns: u64) -> Self {
        let place = if client_ns >= server_ns.saturating_mul(FAR) {
            Place::Server
        } else if server_ns >= client_ns.saturating_mul(FAR) {
            Place::Client
        } else if server_ns < ONE_HOST_NS && client_ns < ONE_HOST_NS {
            Place::OneHost
        } else {
            Place::Between
        };
        Self { place, server_ns, client_ns }
    }
}

/// Collects what exchanges spend their time on, by group.
#[derive(Clone, Debug)]
pub struct Phases {
    keys: Keys,
    groups: Groups<Spent>,
    server: Latencies,
    client: Latencies,
    encoded: Vec<u8>,
}

impl Phases {
    /// Nothing yet, by `keys`.
    #[must_use]
    pub fn new(keys: Keys) -> Self {
        Self {
            keys,
            groups: Groups::default(),
            server: Latencies::default(),
            client: Latencies::default(),
            encoded: Vec::new(),
        }
    }

    /// What it groups by.
    #[must_use]
    pub const fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Where the capture stood; `None` where no connection showed both round trips.
    #[must_use]
    pub fn vantage(&self) -> Option<Vantage> {
        let median = |all: &Latencies| all.value_at_rank(all.count().div_ceil(2));
        Some(Vantage::of(median(&self.server)?, median(&self.client)?))
    }

    /// The groups with complete exchanges, those with the most first, ties by their values.
    #[must_use]
    pub fn rows(&self) -> Vec<PhaseRow> {
        let other = vec![Some(b"{other}".to_vec()); self.keys.as_slice().len()];
        let kept = self.groups.kept.iter();
        let mut rows: Vec<PhaseRow> = kept
            .map(|(encoded, spent)| (Keys::values(encoded), &**spent))
            .chain(self.groups.other.iter().map(|spent| (other.clone(), &**spent)))
            .filter(|(_, spent)| spent.totals.count() > 0)
            .map(|(values, spent)| {
                let p99_ns = spent.at(990);
                PhaseRow {
                    values,
                    count: spent.totals.count(),
                    p50_ns: spent.at(500),
                    p99_ns,
                    usual: spent.between(spent.at(450), spent.at(550)),
                    slow: spent.between(p99_ns, u64::MAX),
                }
            })
            .collect();
        rows.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.values.cmp(&b.values)));
        rows
    }
}

impl Collector for Phases {
    fn takes_summary(&self, _: Timestamp, _: Timestamp) -> bool {
        false
    }

    fn summary(&mut self, _: (Timestamp, Timestamp), _: &Segment) -> Result<(), SegmentError> {
        Ok(())
    }

    fn facts(&mut self, facts: &Facts, text: &mut dyn Text) {
        self.keys.encode(facts, text, &mut self.encoded);
        self.groups.place(&self.encoded).record(facts);
        // The last exchange of a connection would know the smallest round trips best; every one
        // knows those of the handshake.
        let network = &facts.evidence.network;
        if network.server_least_ns > 0 && network.client_least_ns > 0 {
            self.server.record(network.server_least_ns.into());
            self.client.record(network.client_least_ns.into());
        }
    }

    fn merge(&mut self, other: &Self) {
        self.groups.merge(&other.groups);
        self.server.merge(&other.server);
        self.client.merge(&other.client);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::exchange::{Exchange, Timing};
    use crate::query::ExchangeText;

    fn exchange(wait_ns: u64, receive_ns: u64) -> Exchange {
        let mut exchange = Exchange::default();
        exchange.facts.timing = Timing {
            send_ns: Some(10),
            blocked_ns: Some(0),
            wait_ns: Some(wait_ns),
            receive_ns: Some(receive_ns),
            total_ns: Some(10 + wait_ns + receive_ns),
            connect_ns: None,
        };
        exchange.facts.evidence.network.server_least_ns = 1_000_000;
        exchange.facts.evidence.network.client_least_ns = 20_000;
        exchange
    }

    fn phases(exchanges: &[Exchange]) -> Phases {
        let mut phases = Phases::new(Keys::none());
        for exchange in exchanges {
            phases.facts(&exchange.facts, &mut ExchangeText::new(exchange));
        }
        phases
    }

    #[test]
    fn the_slow_ones_are_told_apart_from_the_usual_ones() {
        let usual = exchange(5_000_000, 1_000_000);
        let mut slow = exchange(6_000_000, 900_000_000);
        slow.facts.evidence.drained_ns = 800_000_000;
        let mut all = vec![usual; 985];
        all.extend(vec![slow; 15]);
        let phases = phases(&all);
        let rows = phases.rows();
        let (row, slow) = (&rows[0], rows[0].slow);
        assert_eq!((row.usual.count, row.usual.network_ns), (985, 1_000_000));
        assert_eq!((row.usual.server_ns, row.usual.receive_ns), (4_000_000, 1_000_000));
        assert_eq!((slow.count, slow.server_ns, slow.receive_ns), (15, 5_000_000, 900_000_000));
        assert_eq!(slow.drained_ns, 800_000_000);
        assert_eq!(phases.vantage().map(|vantage| vantage.place), Some(Place::Client));
    }

    #[test]
    fn the_vantage_follows_from_both_round_trips() {
        let check = |server_ns, client_ns, place| {
            assert_eq!(Vantage::of(server_ns, client_ns).place, place);
        };
        check(20_000, 30_000, Place::OneHost);
        check(30_000, 20_000_000, Place::Server);
        check(20_000_000, 30_000, Place::Client);
        check(10_000_000, 20_000_000, Place::Between);
        assert_eq!(Phases::new(Keys::none()).vantage(), None);
    }

    proptest! {
        #[test]
        fn any_split_merges_to_the_same_and_phases_make_up_the_total(
            times in prop::collection::vec((0_u64..10_000_000_000, 0_u64..1_000_000), 1..200),
            at in any::<prop::sample::Index>(),
        ) {
            let all: Vec<Exchange> = times.iter().map(|&(a, b)| exchange(a, b)).collect();
            let (one, two) = all.split_at(at.index(all.len()));
            let mut merged = phases(two);
            merged.merge(&phases(one));
            let whole = phases(&all);
            prop_assert_eq!(merged.rows(), whole.rows());
            for slice in whole.rows().iter().flat_map(|row| [row.usual, row.slow]) {
                let parts = slice.send_ns
                    + slice.blocked_ns
                    + slice.network_ns
                    + slice.server_ns
                    + slice.receive_ns;
                prop_assert!(slice.count > 0);
                prop_assert!(slice.total_ns.abs_diff(parts) <= 5);
            }
        }
    }
}
