//! The same exchange captured at the client and at the server, recognised and counted once.
//!
//! Two captures of one exchange share its endpoints and its lengths, and nothing else: the clocks
//! differ, and with them its identity. So it is recognised by what cannot be otherwise:
//!
//! - the same client, server, method, target, host, status, and the same lengths of both heads and
//!   both bodies;
//! - the server's copy lies inside the client's, by one difference of the clocks (`clock.rs`) of
//!   up to [`CLOCKS_APART_NS_MAX`], found anew for each stretch of time, because clocks drift. At
//!   least three exchanges, and most of those that look alike, agree on it: exchanges
//!   at the same place of a connection that both captures saw from its handshake on, or
//!   eight that are the only ones of their kind. Anything else would be led astray
//!   by a poll a second on one connection, of which one capture missed the first five;
//! - where both captures saw the connection from its handshake on without a loss, it has the same
//!   index on both: TCP keeps the order. Elsewhere (a capture that began later, or lost packets)
//!   it must be the only one that fits, at both ends, with nothing missing right before it.
//!
//! What stays in doubt is counted twice, as are exchanges that one end did not see whole, and is
//! told as `unsure`: nothing is guessed. Where addresses are translated between the ends, nothing
//! matches.
//!
//! **The server's copy counts**, because its `wait` is the server's alone; the client's is left
//! out. Which capture is nearer to a server is what its exchanges say: they take less time there.
//! What the client's copy took longer is the network's.
//!
//! Only captures of other hosts, interfaces, files or configurations that overlap in time and
//! have servers in common are compared (`vantage.rs`); of everything else only footers are read.
//! Exchanges are held for a stretch of time at once, at most [`COMPARED_EXCHANGES_MAX`].

mod clock;
mod copies;
mod pairs;
mod row;
mod vantage;

pub use copies::Copies;
pub(super) use copies::Left;
pub(super) use vantage::Sighting;
pub use vantage::Vantage;

use std::collections::{BTreeMap, HashMap};

use clock::Bracket;
use copies::Spot;
use pairs::Clocks;
use row::{Courses, Row};
use vantage::Place;

use crate::limits::{CLOCKS_APART_NS_MAX, COMPARED_AT_ONCE, COMPARED_EXCHANGES_MAX};
use crate::packet::Endpoint;
use crate::query::latency::Collector;
use crate::query::scan::{self, Found, Question, Scanned};
use crate::query::span::Span;
use crate::segment::{Latencies, Segment, SegmentError, Store};
use crate::time::Timestamp;

/// Longest stretch of time that is compared at once, in nanoseconds.
const STRETCH_NS: i64 = 600_000_000_000;

/// What stamps of one clock are off by, in nanoseconds: frames that a host's offloads join.
const STAMPS_OFF_NS: i64 = 1_000_000;

/// How much two clocks drift, in nanoseconds a nanosecond, as one over this: 50 parts a million.
const DRIFT: i64 = 20_000;

/// So many exchanges must agree before a difference of clocks is believed: endpoints and lengths
/// of one or two may be equal by chance, on hosts that use the same private addresses.
const AGREEING_MIN: usize = 3;

/// The same where nothing proves the place of the exchanges on their connections.
const ODD_AGREEING_MIN: usize = 8;

#[expect(clippy::cast_possible_wrap, reason = "ten seconds")]
const APART_NS: i64 = CLOCKS_APART_NS_MAX as i64;

/// The exchanges that two captures both have.
#[derive(Clone, Debug, Default)]
pub struct Pair {
    /// The capture nearer to the clients.
    pub client: Vantage,
    /// The capture nearer to the servers, whose copies count.
    pub server: Vantage,
    /// Exchanges in the answer of which the client's copy is not counted.
    pub count: u64,
    /// How much longer `total` was at the client than at the server.
    pub total: Latencies,
    /// How much longer `wait` was there, of those that have it.
    pub wait: Latencies,
    /// How far the server's clock was ahead of the client's at last, in nanoseconds.
    pub clock_ns: i64,
    /// Exchanges that may be the same as others, which is not certain: they are counted twice.
    pub unsure: u64,
}

impl Pair {
    /// Whether both captured at one place: every time is the same.
    #[must_use]
    pub const fn is_one_place(&self) -> bool {
        self.total.max() == 0 && self.clock_ns == 0
    }
}

/// What was found of exchanges captured at both ends.
#[derive(Clone, Debug, Default)]
pub struct BothEnds {
    /// By pair of captures, those with the most exchanges first.
    pub pairs: Vec<Pair>,
    /// Exchanges that were not compared, because too many were under way at once.
    pub uncompared: u64,
}

impl BothEnds {
    /// Whether there is nothing to tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty() && self.uncompared == 0
    }
}

/// What [`scan::latency`] answers, with exchanges that were captured at both ends counted once.
///
/// # Errors
///
/// Where a segment cannot be opened. Damaged blocks are passed over and told at the end.
pub fn latency<C: Collector + Clone + Send + Sync>(
    store: &Store,
    question: &Question,
    empty: &C,
) -> Result<(C, Scanned, BothEnds), SegmentError> {
    let (collector, mut scanned) = scan::latency(store, question, &Copies::default(), empty)?;
    let places = vantage::places(store, std::mem::take(&mut scanned.sightings))?;
    if places.iter().all(|place| place.partners.is_empty()) {
        return Ok((collector, scanned, BothEnds::default()));
    }
    let (copies, ends) = find(store, question, &places)?;
    if copies.count() == 0 {
        return Ok((collector, scanned, ends));
    }
    let (collector, scanned) = scan::latency(store, question, &copies, empty)?;
    Ok((collector, scanned, ends))
}

/// Compares the exchanges of those places that the question may be about.
fn find(
    store: &Store,
    question: &Question,
    places: &[Place],
) -> Result<(Copies, BothEnds), SegmentError> {
    let mut blocks = Blocks::of(store, question, places)?;
    let mut comparison = Comparison { places, ..Comparison::default() };
    let Some(mut from) = blocks.next_start() else { return Ok(Default::default()) };
    loop {
        // Everything that starts before the next block does is there.
        while let Some(next) = blocks.next_start() {
            // What was gained by settling now: each time looks at the margin again.
            let gained = next.saturating_sub(APART_NS).saturating_sub(from);
            let held = comparison.rows.len();
            if gained >= STRETCH_NS
                || gained >= APART_NS && held >= COMPARED_AT_ONCE
                || gained > 0 && held >= COMPARED_EXCHANGES_MAX / 2
            {
                break;
            }
            comparison.load(&mut blocks, question)?;
        }
        let next = blocks.next_start();
        let whole = next.map_or(i64::MAX, |next| next.saturating_sub(APART_NS));
        let until = whole.min(from.saturating_add(STRETCH_NS));
        comparison.settle(from, until);
        let later = comparison.rows.iter().map(|row| row.start).find(|start| *start >= until);
        from = match (later, next) {
            (Some(later), Some(next)) => later.min(next),
            (Some(start), None) | (None, Some(start)) => start,
            (None, None) => break,
        };
    }
    Ok(comparison.finish())
}

/// The blocks that are compared, by the start of their first exchange.
struct Blocks {
    segments: Vec<(u32, u32, Segment)>,
    /// First start, position in `segments`, number; the next one last.
    waiting: Vec<(i64, usize, usize)>,
}

impl Blocks {
    fn of(store: &Store, question: &Question, places: &[Place]) -> Result<Self, SegmentError> {
        let wider = |bound: Option<Timestamp>, by: i64| {
            bound.map(|at| Timestamp::from_nanos(at.as_nanos().saturating_add(by)))
        };
        let Span { since, until } = question.span;
        let span = Span { since: wider(since, -APART_NS), until: wider(until, APART_NS) };
        let mut blocks = Self { segments: Vec::new(), waiting: Vec::new() };
        for (number, place) in (0_u32..).zip(places) {
            if place.partners.is_empty() {
                continue;
            }
            for &at in &place.segments {
                let Some(segment) = store.segment_briefly(at).transpose()? else { continue };
                let position = blocks.segments.len();
                for (block, info) in segment.blocks().iter().enumerate() {
                    if span.reaches(info.first_start, info.last_start) {
                        blocks.waiting.push((info.first_start.as_nanos(), position, block));
                    }
                }
                blocks.segments.push((number, u32::try_from(at).unwrap_or(u32::MAX), segment));
            }
        }
        blocks.waiting.sort_unstable();
        blocks.waiting.reverse();
        Ok(blocks)
    }

    fn next_start(&self) -> Option<i64> {
        self.waiting.last().map(|(start, ..)| *start)
    }
}

/// Two captures: the one that comes first among the places, and the other.
type Couple = (u32, u32);

/// What is known of a couple.
#[derive(Debug, Default)]
struct Acquaintance {
    /// By how much the other's clock is ahead, and when that was found by the first's.
    clock: Option<(i64, i64)>,
    /// Exchanges by server that took longer at the first, less those that took longer at the other.
    longer: HashMap<Endpoint, i64>,
    /// Exchanges of the other that were recognised and may be met again, and their starts.
    taken: HashMap<Spot, i64>,
}

/// The exchanges that are compared, stretch by stretch.
#[derive(Default)]
struct Comparison<'p> {
    places: &'p [Place],
    /// In the order of their starts once they are settled.
    rows: Vec<Row>,
    courses: Courses,
    /// Up to which start the courses of connections were followed.
    followed: Option<i64>,
    acquaintances: BTreeMap<Couple, Acquaintance>,
    copies: Copies,
    /// By the client's place and the server's.
    pairs: BTreeMap<(u32, u32), Pair>,
    uncompared: u64,
}

/// An exchange, and what may be its other copy.
type Both<'r> = (&'r Row, &'r Row);

/// The rows of one pair of endpoints, by both captures of a couple.
type Meeting<'r> = (Vec<&'r Row>, Vec<&'r Row>);

impl Comparison<'_> {
    /// Loads the next block.
    fn load(&mut self, blocks: &mut Blocks, question: &Question) -> Result<(), SegmentError> {
        let Some((_, position, number)) = blocks.waiting.pop() else { return Ok(()) };
        let Some((place, at, segment)) = blocks.segments.get(position) else { return Ok(()) };
        let Some(servers) = self.places.get(*place as usize) else { return Ok(()) };
        let mut block = match segment.block(number) {
            Ok(block) => block,
            // The answer tells of it.
            Err(SegmentError::Damaged { .. }) => return Ok(()),
            Err(error) => return Err(error),
        };
        if self.rows.len() + block.len() > COMPARED_EXCHANGES_MAX {
            self.uncompared += block.len() as u64;
            return Ok(());
        }
        for row in 0..block.len() {
            let mut found = Found::new(&mut block, row);
            let facts = found.facts;
            if servers.wants(facts.connection.server) {
                let spot = Spot {
                    segment: *at,
                    block: u32::try_from(number).unwrap_or(u32::MAX),
                    row: u16::try_from(row).unwrap_or(u16::MAX),
                };
                let is_asked = question.passes(&mut found);
                self.rows.push(Row::of(&facts, &mut found, (*place, spot), is_asked));
            }
        }
        Ok(())
    }

    /// Compares the exchanges that start from `from` on and before `until`, and forgets those
    /// that nothing later can be the same as.
    fn settle(&mut self, from: i64, until: i64) {
        self.rows.sort_unstable_by_key(|row| (row.start, row.index, row.spot));
        let known = until.saturating_add(APART_NS);
        let first = self.followed.unwrap_or(i64::MIN);
        let rows = self.rows.iter_mut().filter(|row| row.start >= first && row.start < known);
        rows.for_each(|row| self.courses.follow(row));
        self.followed = Some(known);
        let rows = std::mem::take(&mut self.rows);
        let couples = self.couples(&rows);
        for (couple, meetings) in couples {
            let mut acquaintance = self.acquaintances.remove(&couple).unwrap_or_default();
            self.compare(couple, &mut acquaintance, &meetings, (from, until));
            acquaintance.taken.retain(|_, start| *start >= until.saturating_sub(2 * APART_NS));
            self.acquaintances.insert(couple, acquaintance);
        }
        self.rows = rows;
        self.rows.retain(|row| row.start >= until.saturating_sub(APART_NS));
    }

    /// Who met: by couple, the rows of each pair of endpoints that both have.
    fn couples<'r>(&self, rows: &'r [Row]) -> BTreeMap<Couple, Vec<Meeting<'r>>> {
        let mut by_ends: Vec<&Row> = rows.iter().collect();
        // Stable, so that the rows of one place stay in the order of their starts.
        by_ends.sort_by_key(|row| (row.ends, row.place));
        let mut couples: BTreeMap<Couple, Vec<Meeting<'r>>> = BTreeMap::new();
        for ends in by_ends.chunk_by(|one, other| one.ends == other.ends) {
            let seen: Vec<&[&Row]> = ends.chunk_by(|one, other| one.place == other.place).collect();
            for (at, one) in seen.iter().enumerate() {
                for other in seen.iter().skip(at + 1) {
                    let (Some(first), Some(second)) = (one.first(), other.first()) else {
                        continue;
                    };
                    let place = self.places.get(first.place as usize);
                    if place.is_some_and(|place| place.partners.contains(&second.place)) {
                        let meetings = couples.entry((first.place, second.place)).or_default();
                        meetings.push((one.to_vec(), other.to_vec()));
                    }
                }
            }
        }
        couples
    }

    fn compare(
        &mut self,
        couple: Couple,
        known: &mut Acquaintance,
        meetings: &[Meeting<'_>],
        (from, until): (i64, i64),
    ) {
        let inside = |row: &Row| (from..until).contains(&row.start);
        let starts = || meetings.iter().flat_map(|(ones, _)| ones.iter().map(|row| row.start));
        let lasted = starts().max().unwrap_or(from).saturating_sub(starts().min().unwrap_or(from));
        let slack = STAMPS_OFF_NS + lasted / DRIFT;
        let bracket = |&(one, other): &Both<'_>| {
            let (starts, ends) = (other.start - one.start, other.end().saturating_sub(one.end()));
            Bracket::between(starts, ends, slack)
        };
        let brackets = |all: &[Both<'_>]| all.iter().map(bracket).collect::<Vec<_>>();
        let (mut alike, voters) = firsts(meetings);
        // Copies of the same packets need nobody to agree: no chance makes nanoseconds equal.
        let copies = alike.iter().filter(|(one, other)| one.times() == other.times()).count();
        let agreed = if copies * 2 > voters {
            Some(Bracket::between(0, 0, 0))
        } else {
            clock::agreed(&brackets(&alike), AGREEING_MIN, voters)
        };
        let agreed = agreed.or_else(|| {
            let mut odd = odd(meetings);
            odd.sort_unstable_by_key(|(one, _)| one.content);
            odd.dedup_by_key(|(one, _)| one.content);
            let agreed = clock::agreed(&brackets(&odd), ODD_AGREEING_MIN, odd.len());
            alike.extend(odd);
            agreed
        });
        // The first ones tell which exchanges are the same, and all of those where the clocks are.
        let agreed = agreed.map(|coarse| {
            let all = intact(meetings);
            let all = all.iter().filter_map(|both| bracket(both).common(coarse));
            let fine = clock::agreed(&all.collect::<Vec<_>>(), AGREEING_MIN, 0);
            fine.unwrap_or(coarse).middle()
        });
        let carried = known.clock.map(|(apart, at)| (apart, slack + (from - at).max(0) / DRIFT));
        let Some((apart, slack)) = agreed.map(|apart| (apart, slack)).or(carried) else {
            let unsure = alike.iter().filter(|(one, _)| inside(one)).count() as u64;
            if unsure > 0 {
                self.pair(couple).unsure += unsure;
            }
            return;
        };
        if agreed.is_some() {
            known.clock = Some((apart, until.min(from.saturating_add(STRETCH_NS))));
        }
        for (one, other) in &alike {
            if bracket(&(*one, *other)).holds(apart) && inside(one) {
                let votes = known.longer.entry(one.server).or_default();
                *votes += one.total_ns.cmp(&other.total_ns) as i64;
            }
        }
        for meeting in meetings {
            self.meet((couple, &mut *known), meeting, Clocks { apart, slack }, &inside);
        }
    }

    /// Leaves out the copies of one pair of endpoints.
    fn meet(
        &mut self,
        (couple, known): (Couple, &mut Acquaintance),
        (ones, others): &Meeting<'_>,
        clocks: Clocks,
        inside: &dyn Fn(&Row) -> bool,
    ) {
        let Some(server) = ones.first().map(|row| row.server) else { return };
        let same = |is_client: bool| {
            if is_client {
                pairs::same(ones, others, clocks)
            } else {
                pairs::same(others, ones, Clocks { apart: -clocks.apart, ..clocks })
            }
        };
        let sides = |is_client: bool| if is_client { (ones, others) } else { (others, ones) };
        let longer = known.longer.get(&server).copied().unwrap_or(0);
        let mut is_client = longer >= 0;
        let mut found = same(is_client);
        // Which is nearer to this server is not known yet: the exchanges themselves tell.
        if longer == 0 && balance(sides(true), &found.same) < 0 {
            is_client = false;
            found = same(false);
        }
        let (clients, servers) = sides(is_client);
        let (roles, apart) =
            if is_client { (couple, clocks.apart) } else { ((couple.1, couple.0), -clocks.apart) };
        for (client, server) in found.same {
            let (Some(client), Some(server)) = (clients.get(client), servers.get(server)) else {
                continue;
            };
            let (one, other) = if is_client { (client, server) } else { (server, client) };
            if inside(one) && known.taken.insert(other.spot, other.start).is_none() {
                self.count(roles, client, server, apart);
            }
        }
        let unsure = found.unsure.iter().filter_map(|client| clients.get(*client));
        let unsure = unsure.filter(|row| inside(row)).count() as u64;
        if unsure > 0 {
            self.pair(roles).unsure += unsure;
        }
    }

    /// The pair of a client's place and a server's.
    fn pair(&mut self, roles: (u32, u32)) -> &mut Pair {
        let vantage = |place: u32| {
            self.places.get(place as usize).map(|place| place.vantage.clone()).unwrap_or_default()
        };
        self.pairs.entry(roles).or_insert_with(|| Pair {
            client: vantage(roles.0),
            server: vantage(roles.1),
            ..Pair::default()
        })
    }

    /// Leaves the client's copy out.
    fn count(&mut self, roles: (u32, u32), client: &Row, server: &Row, apart: i64) {
        let is_first = self.copies.add(client.spot);
        if is_first && server.is_asked() {
            let pair = self.pair(roles);
            pair.count += 1;
            pair.clock_ns = apart;
            pair.total.record(client.total_ns.saturating_sub(server.total_ns));
            if let (Some(client), Some(server)) = (client.wait_ns, server.wait_ns) {
                pair.wait.record(client.saturating_sub(server));
            }
        }
    }

    fn finish(self) -> (Copies, BothEnds) {
        let mut pairs: Vec<Pair> = self.pairs.into_values().collect();
        pairs.sort_by_key(|pair| std::cmp::Reverse(pair.count));
        (self.copies, BothEnds { pairs, uncompared: self.uncompared })
    }
}

/// How many took longer at the first capture, less those that took longer at the other.
fn balance((ones, others): (&Vec<&Row>, &Vec<&Row>), same: &[(usize, usize)]) -> i64 {
    let both = same.iter().filter_map(|&(one, other)| ones.get(one).zip(others.get(other)));
    both.map(|(one, other)| one.total_ns.cmp(&other.total_ns) as i64).sum()
}

/// The first exchanges of connections that both captures saw from the handshake on, each with
/// all that it may be the same as, and how many there could be.
fn firsts<'r>(meetings: &[Meeting<'r>]) -> (Vec<Both<'r>>, usize) {
    let mut alike = Vec::new();
    let mut voters = 0;
    for (ones, others) in meetings {
        let first = |row: &&&'r Row| (row.index as usize) < AGREEING_MIN;
        let beside = |row: &&'r Row, rows: &[&Row]| !near(rows, row).is_empty();
        let of_ones: Vec<&Row> =
            ones.iter().filter(first).filter(|row| beside(row, others)).copied().collect();
        let of_others: Vec<&Row> =
            others.iter().filter(first).filter(|row| beside(row, ones)).copied().collect();
        // Also those have a say of which something was missed: they may be the ones meant.
        voters += of_ones.len().max(of_others.len());
        for one in of_ones.into_iter().filter(|row| row.is_intact()) {
            let same = |other: &&&'r Row| {
                other.is_intact() && (other.index, other.content) == (one.index, one.content)
            };
            alike.extend(near(&of_others, one).iter().filter(same).map(|other| (one, *other)));
        }
    }
    (alike, voters)
}

/// The exchanges of connections that both captures saw from the handshake on, each with all that
/// it may be the same as.
fn intact<'r>(meetings: &[Meeting<'r>]) -> Vec<Both<'r>> {
    let mut alike = Vec::new();
    for (ones, others) in meetings {
        let mut places: HashMap<(u32, u64), Vec<&'r Row>> = HashMap::new();
        for row in others.iter().filter(|row| row.is_intact()) {
            places.entry((row.index, row.content)).or_default().push(row);
        }
        for one in ones.iter().filter(|row| row.is_intact()) {
            let same = places.get(&(one.index, one.content)).map_or(&[][..], Vec::as_slice);
            alike.extend(near(same, one).iter().map(|other| (*one, *other)));
        }
    }
    alike
}

/// The exchanges of which both captures have one of its kind between these endpoints, at times
/// that clocks can be apart.
fn odd<'r>(meetings: &[Meeting<'r>]) -> Vec<Both<'r>> {
    let mut alike = Vec::new();
    for (ones, others) in meetings {
        let mut kinds: HashMap<u64, [Vec<&'r Row>; 2]> = HashMap::new();
        for (side, rows) in [ones, others].into_iter().enumerate() {
            for row in rows.iter().filter(|row| row.is_complete()) {
                if let Some(side) = kinds.entry(row.content).or_default().get_mut(side) {
                    side.push(row);
                }
            }
        }
        for [ones, others] in kinds.into_values() {
            if let ([one], [other]) = (&ones[..], &others[..])
                && one.start.abs_diff(other.start) <= CLOCKS_APART_NS_MAX
            {
                alike.push((*one, *other));
            }
        }
    }
    alike
}

/// Those that start within [`CLOCKS_APART_NS_MAX`] of another; they are in the order of their
/// starts.
fn near<'a, 'r>(rows: &'a [&'r Row], other: &Row) -> &'a [&'r Row] {
    let first = rows.partition_point(|row| row.start < other.start.saturating_sub(APART_NS));
    let last = rows.partition_point(|row| row.start <= other.start.saturating_add(APART_NS));
    rows.get(first..last).unwrap_or_default()
}
