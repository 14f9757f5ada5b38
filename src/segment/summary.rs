//! What `latency` reads instead of exchanges: counts and histograms by server, method, route and
//! status class.
//!
//! ```text
//! groups      varint number of groups, at most GROUPS_MAX; each in the order of the keys: server
//!             (16 bytes, IPv4 mapped) and its port (u16), method and route (each varint length
//!             and bytes), class (u8), counters; then u8: 1 where other exchanges found no group,
//!             and their counters
//! counters    ten varints: exchanges by state in the order of State::ALL, suspect ones, errors,
//!             missing before, bytes of request bodies, of response bodies
//! times       a histogram for each of the groups, and one for the others where there are any:
//!             see `packed.rs`
//! ```
//!
//! Each metric has its own times, so that an answer about one reads no others.

use std::cmp::Ordering;
use std::hash::{BuildHasher, Hash, Hasher};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::exchange::{Exchange, Facts, MessageFacts, State, Timing};
use crate::http::lines;
use crate::ledger::Exchanges;
use crate::limits::{GROUPS_MAX, METHOD_BYTES_MAX};
use crate::packet::Endpoint;
use crate::segment::cursor::{Cursor, Malformed, put_bytes, put_varint};
use crate::segment::latencies::Latencies;
use crate::segment::packed::Packed;

/// A time of an exchange that percentiles can be asked of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Metric {
    /// First byte of the request to last byte of the response.
    #[default]
    Total,
    /// Last byte of the request to first byte of the response.
    Wait,
    /// The part of `wait` in which an earlier response was due.
    Blocked,
    /// First byte of the request to its last.
    Send,
    /// First byte of the response to its last.
    Receive,
    /// SYN to the end of the handshake.
    Connect,
}

impl Metric {
    /// Every metric, in the order of its value.
    pub const ALL: [Self; 6] =
        [Self::Total, Self::Wait, Self::Blocked, Self::Send, Self::Receive, Self::Connect];

    /// Its name on the command line and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Wait => "wait",
            Self::Blocked => "blocked",
            Self::Send => "send",
            Self::Receive => "receive",
            Self::Connect => "connect",
        }
    }

    /// Its value among an exchange's times, in nanoseconds.
    #[must_use]
    pub const fn of(self, timing: &Timing) -> Option<u64> {
        match self {
            Self::Total => timing.total_ns,
            Self::Wait => timing.wait_ns,
            Self::Blocked => timing.blocked_ns,
            Self::Send => timing.send_ns,
            Self::Receive => timing.receive_ns,
            Self::Connect => timing.connect_ns,
        }
    }
}

/// Which exchanges a group holds. Ordered by the length of the route first: where there are too
/// many groups, short routes stay, because those that a stranger makes up by the thousand are long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupKey {
    /// Who answered.
    pub server: Endpoint,
    /// The method, cut to [`METHOD_BYTES_MAX`] bytes; empty without request.
    pub method: Vec<u8>,
    /// The route pattern, without the method; empty without request.
    pub route: String,
    /// First digit of the status; 0 where no response was seen.
    pub class: u8,
}

impl GroupKey {
    fn as_ref(&self) -> KeyRef<'_> {
        KeyRef {
            route_len: self.route.len(),
            route: &self.route,
            method: &self.method,
            server: self.server,
            class: self.class,
        }
    }
}

impl PartialOrd for GroupKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for GroupKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_ref().cmp(&other.as_ref())
    }
}

/// A key that is only looked up; its fields stand in the order that decides.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct KeyRef<'a> {
    route_len: usize,
    route: &'a str,
    method: &'a [u8],
    server: Endpoint,
    class: u8,
}

impl<'a> KeyRef<'a> {
    fn of(facts: &Facts, method: &'a [u8], route: &'a str) -> Self {
        Self {
            route_len: route.len(),
            route,
            method: method.get(..METHOD_BYTES_MAX).unwrap_or(method),
            server: facts.connection.server,
            class: facts.class(),
        }
    }
}

/// Every exchange is looked up: what is small goes into one number.
impl Hash for KeyRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.route.as_bytes());
        state.write(self.method);
        let (high, low) = self.server.words();
        let lengths = (self.route_len as u64) << 40 | (self.method.len() as u64) << 32;
        let rest = u64::from(self.server.port()) << 8 | u64::from(self.class);
        state.write_u64(lengths | rest);
        state.write_u64(high.rotate_left(32) ^ low);
    }
}

impl From<&KeyRef<'_>> for GroupKey {
    fn from(key: &KeyRef<'_>) -> Self {
        Self {
            server: key.server,
            method: key.method.to_vec(),
            route: key.route.to_owned(),
            class: key.class,
        }
    }
}

/// What is known of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupStats {
    /// Exchanges by state, in the order of [`State::ALL`].
    pub states: [u64; State::ALL.len()],
    /// Of the complete ones: those touched by a gap, whose times are suspect.
    pub suspect: u64,
    /// Exchanges of any state whose status is 500 or more.
    pub errors: u64,
    /// Exchanges that are proven to have been before these on their connections, and of which
    /// nothing was seen.
    pub missing_before: u64,
    /// Sum of the request bodies, in bytes.
    pub request_body_bytes: u64,
    /// Sum of the response bodies, in bytes.
    pub response_body_bytes: u64,
    latencies: [Latencies; Metric::ALL.len()],
}

impl GroupStats {
    /// Adds one exchange.
    pub fn record(&mut self, facts: &Facts) {
        self.count(facts);
        if facts.state == State::Complete {
            self.time(&facts.timing);
        }
    }

    /// Adds the times of a complete exchange that is counted.
    pub(super) fn time(&mut self, timing: &Timing) {
        for (metric, latencies) in Metric::ALL.iter().zip(&mut self.latencies) {
            if let Some(ns) = metric.of(timing) {
                latencies.record(ns);
            }
        }
    }

    /// Adds one exchange, and of its times only `metric`: for an answer about that alone.
    fn record_metric(&mut self, facts: &Facts, metric: Metric) {
        self.count(facts);
        if facts.state == State::Complete
            && let Some(ns) = metric.of(&facts.timing)
            && let Some(latencies) = self.latencies.get_mut(metric as usize)
        {
            latencies.record(ns);
        }
    }

    /// Counts one exchange without its times.
    pub(super) fn count(&mut self, facts: &Facts) {
        if let Some(count) = self.states.get_mut(facts.state as usize) {
            *count = count.saturating_add(1);
        }
        // What most exchanges have none of is not added.
        if facts.anomalies.is_suspect() && facts.state == State::Complete {
            self.suspect = self.suspect.saturating_add(1);
        }
        if facts.status >= 500 {
            self.errors = self.errors.saturating_add(1);
        }
        if facts.evidence.missing_before > 0 {
            let missing = u64::from(facts.evidence.missing_before);
            self.missing_before = self.missing_before.saturating_add(missing);
        }
        let add = |sum: &mut u64, message: &Option<MessageFacts>| {
            if let Some(message) = message {
                *sum = sum.saturating_add(message.body_bytes);
            }
        };
        add(&mut self.request_body_bytes, &facts.request);
        add(&mut self.response_body_bytes, &facts.response);
    }

    /// Adds every exchange of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.add_counters(&other.counters());
        for (latencies, more) in self.latencies.iter_mut().zip(&other.latencies) {
            latencies.merge(more);
        }
    }

    /// How many exchanges, whatever their state.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.states.iter().fold(0, |sum, &count| sum.saturating_add(count))
    }

    /// How many exchanges of that state.
    #[must_use]
    pub fn state(&self, state: State) -> u64 {
        self.states.get(state as usize).copied().unwrap_or(0)
    }

    /// The times of the complete exchanges.
    #[must_use]
    pub fn latencies(&self, metric: Metric) -> &Latencies {
        let [total, wait, blocked, send, receive, connect] = &self.latencies;
        match metric {
            Metric::Total => total,
            Metric::Wait => wait,
            Metric::Blocked => blocked,
            Metric::Send => send,
            Metric::Receive => receive,
            Metric::Connect => connect,
        }
    }

    /// The counters in the order of the file.
    fn counters(&self) -> Counters {
        let mut copy = [0; 10];
        let [states @ .., suspect, errors, missing_before, request, response] = &mut copy;
        states.copy_from_slice(&self.states);
        *suspect = self.suspect;
        *errors = self.errors;
        *missing_before = self.missing_before;
        *request = self.request_body_bytes;
        *response = self.response_body_bytes;
        copy
    }

    fn counters_mut(&mut self) -> [&mut u64; 10] {
        let [complete, truncated, unanswered, open, orphan] = &mut self.states;
        [
            complete,
            truncated,
            unanswered,
            open,
            orphan,
            &mut self.suspect,
            &mut self.errors,
            &mut self.missing_before,
            &mut self.request_body_bytes,
            &mut self.response_body_bytes,
        ]
    }

    /// Appends the counters to the groups, and each metric's histogram to its times.
    fn encode(&self, out: &mut Encoded<Vec<u8>>) {
        self.counters().into_iter().for_each(|count| put_varint(&mut out.groups, count));
        for (latencies, times) in self.latencies.iter().zip(&mut out.times) {
            latencies.encode(times);
        }
    }

    fn add_counters(&mut self, more: &Counters) {
        for (count, more) in self.counters_mut().into_iter().zip(more) {
            *count = count.saturating_add(*more);
        }
    }
}

/// The counters of a group in the order of the file.
type Counters = [u64; 10];

fn read_counters(cursor: &mut Cursor<'_>) -> Result<Counters, Malformed> {
    let mut counters = [0; 10];
    for count in &mut counters {
        *count = cursor.varint()?;
    }
    Ok(counters)
}

/// A summary as the footer's parts hold it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Encoded<T> {
    /// Keys and counters.
    pub(super) groups: T,
    /// The histograms of each metric, in the order of [`Metric::ALL`].
    pub(super) times: [T; Metric::ALL.len()],
}

/// The groups of a footer: keys that are not copied, and their counters.
struct Listed<'a> {
    groups: Vec<(KeyRef<'a>, Counters)>,
    other: Option<Counters>,
}

impl<'a> Listed<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(bytes);
        let count = cursor.count()?;
        if count > GROUPS_MAX {
            return Err(format!("{count} groups found, {GROUPS_MAX} allowed"));
        }
        let mut groups = Vec::with_capacity(count);
        for _ in 0..count {
            let octets = cursor.octets()?;
            let server = Endpoint::v6(octets, cursor.u16()?);
            let method = cursor.bytes()?;
            let route = cursor.text()?;
            let class = cursor.u8()?;
            let key = KeyRef { route_len: route.len(), route, method, server, class };
            groups.push((key, read_counters(&mut cursor)?));
        }
        let other = match cursor.u8()? {
            0 => None,
            1 => Some(read_counters(&mut cursor)?),
            found => return Err(format!("0 or 1 expected, {found} found")),
        };
        cursor.end()?;
        Ok(Self { groups, other })
    }

    /// The servers of the groups; `None` where others may be among those without a group.
    fn servers(&self) -> Option<Vec<Endpoint>> {
        self.other.is_none().then(|| self.groups.iter().map(|(key, _)| key.server).collect())
    }

    /// The histograms of one metric: of the groups, then of the others.
    fn times<'t>(&self, bytes: &'t [u8]) -> Result<Vec<Packed<'t>>, Malformed> {
        let mut cursor = Cursor::new(bytes);
        let count = self.groups.len() + usize::from(self.other.is_some());
        let times = (0..count).map(|_| Packed::read(&mut cursor)).collect::<Result<_, _>>()?;
        cursor.end()?;
        Ok(times)
    }
}

/// The servers that a footer's groups name; `None` where it may hold others.
pub(super) fn servers(groups: &[u8]) -> Result<Option<Vec<Endpoint>>, Malformed> {
    Listed::read(groups).map(|listed| listed.servers())
}

/// The hash of the group that stands there; 0 where none does.
fn hash_at(groups: &[(GroupKey, GroupStats)], hasher: &RandomState, place: u32) -> u64 {
    groups.get(place as usize).map_or(0, |(key, _)| hasher.hash_one(key.as_ref()))
}

/// Groups of exchanges, at most [`GROUPS_MAX`]: beyond it those that come last in the order of
/// [`GroupKey`] go to `other`. Since the first ones of a whole are among the first ones of every
/// part of it, the result depends on neither the order of recording nor that of merging.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    groups: Vec<(GroupKey, GroupStats)>,
    /// Where in `groups` each of them is, by the hash of its key.
    places: HashTable<u32>,
    hasher: RandomState,
    /// The places in the order of the keys, once there was one too many.
    by_key: Vec<u32>,
    other: Option<Box<GroupStats>>,
}

impl Summary {
    /// Adds one exchange; the method is read from the request's head.
    pub fn record(&mut self, exchange: &Exchange) {
        let method = lines::method(&exchange.request.head);
        self.record_facts(&exchange.facts, method, &exchange.route);
    }

    /// Adds one exchange by its numbers, its method and its route pattern (without the method).
    pub fn record_facts(&mut self, facts: &Facts, method: &[u8], route: &str) {
        self.place(KeyRef::of(facts, method, route)).record(facts);
    }

    /// Adds one exchange, and of its times only `metric`: for an answer about that alone.
    pub fn record_metric(&mut self, facts: &Facts, method: &[u8], route: &str, metric: Metric) {
        self.place(KeyRef::of(facts, method, route)).record_metric(facts, metric);
    }

    /// Adds everything of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (key, stats) in &other.groups {
            self.place(key.as_ref()).merge(stats);
        }
        if let Some(stats) = &other.other {
            self.other.get_or_insert_default().merge(stats);
        }
    }

    /// Adds a group, and returns what it is counted in.
    pub(super) fn add(&mut self, key: &GroupKey, stats: &GroupStats) -> &mut GroupStats {
        let place = self.place(key.as_ref());
        place.merge(stats);
        place
    }

    /// The groups in the order of their keys: shortest route first, then by route, method,
    /// server, class.
    pub fn groups(&self) -> impl Iterator<Item = (&GroupKey, &GroupStats)> {
        let mut groups: Vec<_> = self.groups.iter().map(|(key, stats)| (key, stats)).collect();
        groups.sort_unstable_by_key(|&(key, _)| key);
        groups.into_iter()
    }

    /// The groups in no order, and what found no room among them last, without a key.
    pub(crate) fn stats(&self) -> impl Iterator<Item = (Option<&GroupKey>, &GroupStats)> {
        let groups = self.groups.iter().map(|(key, stats)| (Some(key), stats));
        groups.chain(self.other().map(|stats| (None, stats)))
    }

    /// The account of all its exchanges.
    #[must_use]
    pub fn exchanges(&self) -> Exchanges {
        let mut account = Exchanges::default();
        for (_, stats) in self.stats() {
            account.total += stats.total();
            account.complete += stats.state(State::Complete);
            account.truncated += stats.state(State::Truncated);
            account.unanswered += stats.state(State::Unanswered);
            account.open += stats.state(State::Open);
            account.orphan += stats.state(State::Orphan);
        }
        account
    }

    /// What found no room among the groups; `None` where all did.
    #[must_use]
    pub fn other(&self) -> Option<&GroupStats> {
        self.other.as_deref()
    }

    /// The stats in which an exchange of that key counts.
    #[inline]
    fn place(&mut self, key: KeyRef<'_>) -> &mut GroupStats {
        let hash = self.hasher.hash_one(key);
        let is_same = |&place: &u32| {
            self.groups.get(place as usize).is_some_and(|(held, _)| held.as_ref() == key)
        };
        let place = self.places.find(hash, is_same).copied();
        let place = place.or_else(|| self.insert(hash, key));
        match place.and_then(|place| self.groups.get_mut(place as usize)) {
            Some((_, stats)) => stats,
            None => self.other.get_or_insert_default(),
        }
    }

    /// Makes room for another group, and says where; `None` where none is left for it.
    fn insert(&mut self, hash: u64, key: KeyRef<'_>) -> Option<u32> {
        if self.groups.len() >= GROUPS_MAX {
            return self.replace_last(hash, key);
        }
        let place = u32::try_from(self.groups.len()).ok()?;
        self.groups.push((GroupKey::from(&key), GroupStats::default()));
        let Self { groups, places, hasher, .. } = self;
        places.insert_unique(hash, place, |&place| hash_at(groups, hasher, place));
        Some(place)
    }

    /// Moves the last group to the others, and puts another in its place, which is told; `None`,
    /// and nothing changes, where that would be the last one.
    fn replace_last(&mut self, hash: u64, key: KeyRef<'_>) -> Option<u32> {
        let Self { groups, places, hasher, by_key, other } = self;
        if by_key.is_empty() {
            by_key.extend(0..u32::try_from(groups.len()).ok()?);
            by_key.sort_unstable_by_key(|&place| groups.get(place as usize).map(|(key, _)| key));
        }
        let place = *by_key.last()?;
        let (last, stats) = groups.get_mut(place as usize)?;
        if key > last.as_ref() {
            return None;
        }
        let last_hash = hasher.hash_one(last.as_ref());
        if let Ok(found) = places.find_entry(last_hash, |&found| found == place) {
            found.remove();
        }
        other.get_or_insert_default().merge(stats);
        (*last, *stats) = (GroupKey::from(&key), GroupStats::default());
        places.insert_unique(hash, place, |&place| hash_at(groups, hasher, place));
        by_key.pop();
        let is_before =
            |&place: &u32| groups.get(place as usize).is_some_and(|(held, _)| held.as_ref() < key);
        by_key.insert(by_key.partition_point(is_before), place);
        Some(place)
    }

    /// Writes it.
    #[must_use]
    pub(super) fn encode(&self) -> Encoded<Vec<u8>> {
        let mut out = Encoded::<Vec<u8>>::default();
        put_varint(&mut out.groups, self.groups.len() as u64);
        for (key, stats) in self.groups() {
            out.groups.extend_from_slice(&key.server.octets());
            out.groups.extend_from_slice(&key.server.port().to_le_bytes());
            put_bytes(&mut out.groups, &key.method);
            put_bytes(&mut out.groups, key.route.as_bytes());
            out.groups.push(key.class);
            stats.encode(&mut out);
        }
        out.groups.push(u8::from(self.other.is_some()));
        if let Some(other) = &self.other {
            other.encode(&mut out);
        }
        out
    }

    /// Adds the groups that a footer holds, with the times of some metrics. Where an error
    /// returns, nothing was added.
    pub(super) fn add_encoded<'t>(
        &mut self,
        groups: &[u8],
        times: impl Iterator<Item = (Metric, &'t [u8])>,
    ) -> Result<(), Malformed> {
        let listed = Listed::read(groups)?;
        let read = |(metric, bytes)| Ok((metric, listed.times(bytes)?));
        let times = times.map(read).collect::<Result<Vec<_>, Malformed>>()?;
        let add = |stats: &mut GroupStats, counters, position: usize| {
            stats.add_counters(counters);
            for (metric, times) in &times {
                let room = stats.latencies.get_mut(*metric as usize);
                if let (Some(room), Some(more)) = (room, times.get(position)) {
                    room.merge_packed(more);
                }
            }
        };
        for (position, (key, counters)) in listed.groups.iter().enumerate() {
            add(self.place(*key), counters, position);
        }
        if let Some(counters) = &listed.other {
            add(self.other.get_or_insert_default(), counters, listed.groups.len());
        }
        Ok(())
    }
}

impl PartialEq for Summary {
    fn eq(&self, other: &Self) -> bool {
        self.groups().eq(other.groups()) && self.other == other.other
    }
}

impl Eq for Summary {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::anomaly::{Anomalies, Anomaly};

    fn decoded(encoded: &Encoded<Vec<u8>>) -> Result<Summary, Malformed> {
        let mut read = Summary::default();
        let times = Metric::ALL.into_iter().zip(encoded.times.iter().map(Vec::as_slice));
        read.add_encoded(&encoded.groups, times)?;
        Ok(read)
    }

    /// An exchange by a few numbers: which route, class and state, and how long it took.
    type Sample = (usize, u16, usize, u64);

    fn record(summary: &mut Summary, &(route, status, state, total): &Sample) {
        let mut facts = Facts {
            state: State::ALL[state],
            status,
            response: Some(MessageFacts { body_bytes: total % 1000, ..MessageFacts::default() }),
            ..Facts::default()
        };
        facts.timing.total_ns = Some(total);
        facts.timing.wait_ns = total.checked_sub(3);
        if total % 7 == 0 {
            facts.anomalies.add(Anomaly::GapInResponse);
        }
        summary.record_facts(&facts, b"GET", &format!("/{}", "x".repeat(route)));
    }

    fn of(samples: &[Sample]) -> Summary {
        let mut summary = Summary::default();
        for sample in samples {
            record(&mut summary, sample);
        }
        summary
    }

    fn samples(routes: usize, most: usize) -> impl Strategy<Value = Vec<Sample>> {
        proptest::collection::vec((0..routes, 0_u16..1000, 0_usize..5, any::<u64>()), 0..most)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn any_split_merges_to_the_same_even_past_the_bound(
            all in samples(300, 3000),
            at: usize,
        ) {
            let whole = of(&all);
            let (one, two) = all.split_at(at % (all.len() + 1));
            let mut backwards = of(two);
            backwards.merge(&of(one));
            prop_assert_eq!(&whole, &backwards);
            let bytes = whole.encode();
            prop_assert_eq!(&bytes, &backwards.encode());
            prop_assert_eq!(&decoded(&bytes), &Ok(whole.clone()));
            let mut added = of(one);
            let rest = of(two).encode();
            let times = Metric::ALL.into_iter().zip(rest.times.iter().map(Vec::as_slice));
            prop_assert_eq!(added.add_encoded(&rest.groups, times), Ok(()));
            prop_assert_eq!(added, whole);
        }

        /// What is refused is refused before anything of it is added.
        #[test]
        fn changed_bytes_are_added_whole_or_not_at_all(
            all in samples(5, 60),
            in_times: bool,
            at: prop::sample::Index,
            value: u8,
        ) {
            let mut bytes = of(&all).encode();
            let part = if in_times { &mut bytes.times[0] } else { &mut bytes.groups };
            let at = at.index(part.len() + 1);
            match part.get_mut(at) {
                Some(byte) => *byte = value,
                None => part.push(value),
            }
            let mut summary = of(&all);
            let times = [(Metric::Total, bytes.times[0].as_slice())];
            if summary.add_encoded(&bytes.groups, times.into_iter()).is_err() {
                prop_assert_eq!(summary, of(&all));
            }
        }

        #[test]
        fn garbage_is_refused_quietly(bytes: Vec<u8>) {
            let _ = Listed::read(&bytes);
        }
    }

    #[test]
    fn too_many_groups_go_to_other_and_none_is_lost() {
        // Thirty statuses to a route make ten classes of it: 2000 groups, twice the bound.
        let all: Vec<Sample> =
            (0..4000_u16).map(|n| ((n % 200).into(), n / 200 % 10 * 100, 0, n.into())).collect();
        let summary = of(&all);
        assert_eq!(summary.groups().count(), GROUPS_MAX);
        let longest = summary.groups().map(|(key, _)| key.route.len()).max();
        assert_eq!(longest, Some(100), "the short routes stay");
        let kept: u64 = summary.groups().map(|(_, stats)| stats.total()).sum();
        assert_eq!(kept + summary.other().unwrap().total(), 4000);
        let reversed = of(&all.into_iter().rev().collect::<Vec<_>>());
        assert_eq!(summary, reversed);
    }

    #[test]
    fn stats_count_states_errors_and_what_is_suspect() {
        let mut stats = GroupStats::default();
        let mut facts = Facts { status: 503, ..Facts::default() };
        facts.timing.total_ns = Some(9);
        facts.anomalies = Anomalies::from_iter([Anomaly::GapInRequest]);
        stats.record(&facts);
        facts.state = State::Truncated;
        stats.record(&facts);
        assert_eq!((stats.total(), stats.state(State::Complete), stats.errors), (2, 1, 2));
        assert_eq!(stats.suspect, 1, "a truncated exchange has no time to suspect");
        assert_eq!(stats.latencies(Metric::Total).count(), 1);
    }
}
