//! Asking the exchanges of a store: in the order of the files, sorted by start, or by identity.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::num::NonZero;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::exchange::{Exchange, ExchangeId, Facts};
use crate::limits::{ID_CANDIDATES_MAX, LISTED_BLOCKS_MAX, QUERY_THREADS_MAX};
use crate::packet::Endpoint;
use crate::query::ends::{Copies, Left, Sighting};
use crate::query::filter::Filter;
use crate::query::latency::Collector;
use crate::query::span::Span;
use crate::query::text::Text;
use crate::segment::{Block, Segment, SegmentError, Store};
use crate::time::Timestamp;

/// Which exchanges a question is about.
#[derive(Clone, Debug)]
pub struct Question {
    /// What they have to be like.
    pub filter: Filter,
    /// When they have to start.
    pub span: Span,
}

impl Default for Question {
    /// All of them.
    fn default() -> Self {
        Self { filter: Filter::default(), span: Span::ALL }
    }
}

/// What a question found on its way.
#[derive(Debug, Default)]
pub struct Scanned {
    /// Exchanges that passed.
    pub matched: u64,
    /// Damage that was met; what it hid is not in the answer.
    pub damaged: Vec<SegmentError>,
    /// Whose the segments are; only [`latency`] tells.
    pub(super) sightings: Vec<Sighting>,
}

/// One exchange in its block. Its text is unpacked when it is asked for.
#[derive(Debug)]
pub struct Found<'a> {
    /// Its numbers.
    pub facts: Facts,
    block: &'a mut Block,
    row: usize,
    /// Why heads could not be unpacked.
    damage: Option<SegmentError>,
}

impl<'a> Found<'a> {
    pub(super) fn new(block: &'a mut Block, row: usize) -> Self {
        Self { facts: block.facts(row), block, row, damage: None }
    }

    /// The exchange in full, heads and kept bodies included, into `exchange`.
    ///
    /// # Errors
    ///
    /// Where its heads or bodies are damaged or cannot be read.
    pub fn exchange(&mut self, exchange: &mut Exchange) -> Result<(), SegmentError> {
        self.block.exchange(self.row, exchange)
    }

    /// The exchange with its heads and without bodies into `exchange`, which is faster. (Bodies
    /// that an earlier question unpacked may be there all the same.)
    ///
    /// # Errors
    ///
    /// Where its heads are damaged or cannot be read.
    pub fn exchange_without_bodies(&mut self, exchange: &mut Exchange) -> Result<(), SegmentError> {
        self.block.load_heads()?;
        self.block.exchange_as_loaded(self.row, exchange);
        Ok(())
    }

    fn load_heads(&mut self) {
        if let Err(damage) = self.block.load_heads() {
            self.damage = Some(damage);
        }
    }
}

impl Text for Found<'_> {
    fn method(&mut self) -> &[u8] {
        self.block.method(self.row)
    }

    fn route(&mut self) -> &str {
        self.block.route(self.row)
    }

    fn method_and_route(&mut self) -> (&[u8], &str) {
        (self.block.method(self.row), self.block.route(self.row))
    }

    fn host(&mut self) -> &[u8] {
        self.block.host(self.row)
    }

    fn request_head(&mut self) -> &[u8] {
        self.load_heads();
        self.block.request_head(self.row)
    }

    fn response_head(&mut self) -> &[u8] {
        self.load_heads();
        self.block.response_head(self.row)
    }
}

/// When the last exchange of a store starts; `None` where it holds none.
///
/// # Errors
///
/// Where a segment cannot be opened.
pub fn last_start(store: &Store) -> Result<Option<Timestamp>, SegmentError> {
    let mut last = None;
    for segment in store.segments() {
        last = last.max(segment?.blocks().iter().map(|block| block.last_start).max());
    }
    Ok(last)
}

/// Calls `visit` with every exchange that the question is about, in the order of the files, until
/// it breaks.
///
/// # Errors
///
/// Where a segment cannot be opened. Damaged blocks are passed over and told at the end.
pub fn scan(
    store: &Store,
    question: &Question,
    visit: &mut dyn FnMut(&mut Found<'_>) -> ControlFlow<()>,
) -> Result<Scanned, SegmentError> {
    let mut scanned = Scanned::default();
    for segment in store.segments() {
        let segment = segment?;
        scanned.note_damage(&segment);
        if scan_segment(&segment, None, question, &mut scanned, visit).is_break() {
            break;
        }
    }
    Ok(scanned)
}

/// How far a segment that is being written was read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// Blocks that were read.
    pub blocks: usize,
    /// Whether it was sealed: nothing more comes.
    pub is_whole: bool,
}

/// Calls `visit` with every exchange that the question is about in the blocks that were appended
/// to a segment since `progress`, and moves that on. Returns the damage that was passed over.
pub fn further(
    segment: &Segment,
    question: &Question,
    progress: &mut Progress,
    visit: &mut dyn FnMut(&mut Found<'_>) -> ControlFlow<()>,
) -> Vec<SegmentError> {
    let mut scanned = Scanned::default();
    let unread = Unread { first: progress.blocks, left: None };
    let _ = scan_blocks(segment, unread, question, &mut scanned, visit);
    *progress = Progress { blocks: segment.blocks().len(), is_whole: segment.is_sealed() };
    scanned.damaged
}

fn scan_segment(
    segment: &Segment,
    left: Option<Left<'_>>,
    question: &Question,
    scanned: &mut Scanned,
    visit: &mut dyn FnMut(&mut Found<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    scan_blocks(segment, Unread { first: 0, left }, question, scanned, visit)
}

/// Which exchanges of a segment are to be looked at.
#[derive(Clone, Copy)]
struct Unread<'c> {
    /// Those of this block and the later ones,
    first: usize,
    /// without these.
    left: Option<Left<'c>>,
}

fn scan_blocks(
    segment: &Segment,
    Unread { first, left }: Unread<'_>,
    question: &Question,
    scanned: &mut Scanned,
    visit: &mut dyn FnMut(&mut Found<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    for (number, info) in segment.blocks().iter().enumerate().skip(first) {
        if !question.span.reaches(info.first_start, info.last_start)
            || !question.filter.could_match(info)
        {
            continue;
        }
        let candidates = question.filter.candidates(segment, number);
        if candidates.as_ref().is_some_and(Vec::is_empty) {
            continue;
        }
        let mut block = match segment.block(number) {
            Ok(block) => block,
            Err(damage) => {
                scanned.damaged.push(damage);
                continue;
            }
        };
        for row in rows(block.len(), candidates) {
            if left.is_some_and(|left| left.has(number, row)) {
                continue;
            }
            let mut found = Found::new(&mut block, row);
            if question.passes(&mut found) {
                scanned.matched += 1;
                visit(&mut found)?;
            }
            if let Some(damage) = found.damage.take() {
                // Every further row of this block would meet the same damage.
                scanned.damaged.push(damage);
                break;
            }
        }
    }
    ControlFlow::Continue(())
}

/// The rows of a block that are to be asked: the candidates, or all where there are none.
fn rows(len: usize, candidates: Option<Vec<u16>>) -> impl Iterator<Item = usize> {
    let all = if candidates.is_some() { 0..0 } else { 0..len };
    candidates.into_iter().flatten().map(usize::from).chain(all)
}

impl Question {
    pub(super) fn passes(&self, found: &mut Found<'_>) -> bool {
        let facts = found.facts;
        self.span.holds(facts.start) && self.filter.matches(&facts, found)
    }
}

impl Scanned {
    fn note_damage(&mut self, segment: &Segment) {
        self.damaged.extend(segment.damage().iter().map(|damage| SegmentError::Damaged {
            path: segment.path().to_owned(),
            damage: damage.clone(),
        }));
    }
}

/// Lets a collector made of `empty` (which holds nothing) have the exchanges that the question is
/// about, without the `copies`: from the summary of a segment where that is the same, else one by
/// one. Segments are read by as many threads as there are processors; the answer does not depend
/// on it.
///
/// # Errors
///
/// Where a segment cannot be opened. Damaged blocks are passed over and told at the end.
pub fn latency<C: Collector + Clone + Send + Sync>(
    store: &Store,
    question: &Question,
    copies: &Copies,
    empty: &C,
) -> Result<(C, Scanned), SegmentError> {
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    let threads = processors.min(QUERY_THREADS_MAX).min(store.paths().len()).max(1);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut part = Part {
            collector: empty.clone(),
            matched: 0,
            damaged: Vec::new(),
            sightings: Vec::new(),
        };
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= store.paths().len() {
                return Ok(part);
            }
            part.add(store, at, question, copies).map_err(|error| (at, error))?;
        }
    };
    let whole = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let first = work();
        let others = others.into_iter().map(|other| match other.join() {
            Ok(part) => part,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        others.fold(first, join)
    });
    let Part { collector, matched, mut damaged, sightings } = whole.map_err(|(_, error)| error)?;
    damaged.sort_by_key(|(at, _)| *at);
    let damaged = damaged.into_iter().map(|(_, damage)| damage).collect();
    Ok((collector, Scanned { matched, damaged, sightings }))
}

/// What one thread made of its segments.
struct Part<C> {
    collector: C,
    matched: u64,
    /// Damage, and in which segment of the store.
    damaged: Vec<(usize, SegmentError)>,
    sightings: Vec<Sighting>,
}

impl<C: Collector> Part<C> {
    /// Adds the store's segment at that position.
    fn add(
        &mut self,
        store: &Store,
        at: usize,
        question: &Question,
        copies: &Copies,
    ) -> Result<(), SegmentError> {
        let Some(segment) = store.segment_briefly(at).transpose()? else { return Ok(()) };
        let mut scanned = Scanned::default();
        scanned.note_damage(&segment);
        let first = segment.blocks().iter().map(|block| block.first_start).min();
        let last = segment.blocks().iter().map(|block| block.last_start).max();
        if let (Some(first), Some(last)) = (first, last) {
            self.sightings.extend(Sighting::of(at, &segment, (first, last)));
            let left = copies.of_segment(at);
            if left.is_none()
                && question.span.covers(first, last)
                && question.filter.is_everything()
                && self.collector.takes_summary(first, last)
            {
                scanned.matched += segment.exchanges();
                self.collector.summary((first, last), &segment)?;
            } else {
                let _ = scan_segment(&segment, left, question, &mut scanned, &mut |found| {
                    let facts = found.facts;
                    self.collector.facts(&facts, found);
                    ControlFlow::Continue(())
                });
            }
        }
        self.matched += scanned.matched;
        self.damaged.extend(scanned.damaged.into_iter().map(|damage| (at, damage)));
        Ok(())
    }
}

/// What a thread made of its segments, or the segment that it failed at.
type Outcome<C> = Result<Part<C>, (usize, SegmentError)>;

/// Two parts as one; of two errors that of the earlier segment.
fn join<C: Collector>(one: Outcome<C>, other: Outcome<C>) -> Outcome<C> {
    match (one, other) {
        (Ok(mut one), Ok(other)) => {
            one.collector.merge(&other.collector);
            one.matched += other.matched;
            one.damaged.extend(other.damaged);
            one.sightings.extend(other.sightings);
            Ok(one)
        }
        (Err(one), Err(other)) => Err(if other.0 < one.0 { other } else { one }),
        (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
    }
}

/// The order of exchanges in a listing.
type Order = (Timestamp, Endpoint, Endpoint, u32, Timestamp);

/// Where a sorted listing stands in one block.
#[derive(Debug)]
struct Cursor {
    segment: usize,
    number: usize,
    /// The rows that pass, the next one last; `None` before the block was looked at.
    rows: Option<Vec<u16>>,
}

/// Calls `visit` with every exchange that the question is about, sorted by [`Facts::order`],
/// until it breaks. At most [`LISTED_BLOCKS_MAX`] blocks are unpacked at any time, however many
/// overlap.
///
/// # Errors
///
/// Where a segment cannot be opened. Damaged blocks are passed over and told at the end.
pub fn sorted(
    store: &Store,
    question: &Question,
    visit: &mut dyn FnMut(&mut Found<'_>) -> ControlFlow<()>,
) -> Result<Scanned, SegmentError> {
    let segments = store.segments().collect::<Result<Vec<Segment>, SegmentError>>()?;
    let mut scanned = Scanned::default();
    let mut cursors = Vec::new();
    let mut heap = BinaryHeap::new();
    for (at, segment) in segments.iter().enumerate() {
        scanned.note_damage(segment);
        for (number, info) in segment.blocks().iter().enumerate() {
            if question.span.reaches(info.first_start, info.last_start)
                && question.filter.could_match(info)
            {
                // No exchange of the block comes before this; the exact order is known once the
                // block is unpacked.
                let earliest = (info.first_start, Endpoint::default(), Endpoint::default(), 0);
                let (start, client, server, index) = earliest;
                let order = (start, client, server, index, Timestamp::MIN);
                heap.push(Reverse((order, cursors.len())));
                cursors.push(Cursor { segment: at, number, rows: None });
            }
        }
    }
    let mut cache = Cache { segments, held: HashMap::new(), clock: 0 };
    while let Some(Reverse((_, at))) = heap.pop() {
        let Some(cursor) = cursors.get_mut(at) else { continue };
        let candidates = match (&cursor.rows, cache.segments.get(cursor.segment)) {
            (None, Some(segment)) => question.filter.candidates(segment, cursor.number),
            _ => None,
        };
        if candidates.as_ref().is_some_and(Vec::is_empty) {
            continue;
        }
        let block = match cache.block(cursor.segment, cursor.number) {
            Ok(block) => block,
            Err(damage) => {
                scanned.damaged.push(damage);
                continue;
            }
        };
        let rows = cursor
            .rows
            .get_or_insert_with(|| sorted_rows(block, candidates, question, &mut scanned));
        // As long as this block holds the next exchange of all, nothing else has to be looked at.
        while let Some(&row) = rows.last() {
            let order = block.facts(row.into()).order();
            if heap.peek().is_some_and(|Reverse((next, _))| *next < order) {
                heap.push(Reverse((order, at)));
                break;
            }
            rows.pop();
            scanned.matched += 1;
            let mut found = Found::new(block, row.into());
            let flow = visit(&mut found);
            scanned.damaged.extend(found.damage.take());
            if flow.is_break() {
                return Ok(scanned);
            }
        }
        // What is listed whole is not asked for again.
        if rows.is_empty() {
            cache.held.remove(&(cursor.segment, cursor.number));
        }
    }
    Ok(scanned)
}

/// The rows of a block that pass, in reverse order.
fn sorted_rows(
    block: &mut Block,
    candidates: Option<Vec<u16>>,
    question: &Question,
    scanned: &mut Scanned,
) -> Vec<u16> {
    let mut sorted: Vec<(Order, u16)> = Vec::new();
    for row in rows(block.len(), candidates) {
        let mut found = Found::new(block, row);
        if question.passes(&mut found) {
            let order = found.facts.order();
            // A block holds at most 2^14 exchanges.
            sorted.push((order, u16::try_from(row).unwrap_or(u16::MAX)));
        }
        if let Some(damage) = found.damage.take() {
            scanned.damaged.push(damage);
            break;
        }
    }
    sorted.sort_unstable_by(|a, b| b.cmp(a));
    sorted.into_iter().map(|(_, row)| row).collect()
}

/// The unpacked blocks of a listing.
struct Cache {
    segments: Vec<Segment>,
    /// By segment and number: when it was last used, and the block.
    held: HashMap<(usize, usize), (u64, Block)>,
    clock: u64,
}

impl Cache {
    fn block(&mut self, segment: usize, number: usize) -> Result<&mut Block, SegmentError> {
        self.clock += 1;
        let key = (segment, number);
        let block = match self.held.remove(&key) {
            Some((_, block)) => block,
            None => self.open(segment, number)?,
        };
        if self.held.len() >= LISTED_BLOCKS_MAX {
            let oldest = self.held.iter().min_by_key(|(_, (used, _))| *used);
            if let Some(oldest) = oldest.map(|(key, _)| *key) {
                self.held.remove(&oldest);
            }
        }
        Ok(&mut self.held.entry(key).insert_entry((self.clock, block)).into_mut().1)
    }

    #[expect(clippy::indexing_slicing, reason = "cursors are made from these segments")]
    fn open(&self, segment: usize, number: usize) -> Result<Block, SegmentError> {
        self.segments[segment].block(number)
    }
}

/// What the beginning of an identity stands for.
#[derive(Debug)]
pub enum Lookup {
    /// No exchange.
    None,
    /// This one.
    One(Box<Exchange>),
    /// Several; at most [`ID_CANDIDATES_MAX`] are told, in the order of their identities.
    Many(Vec<ExchangeId>),
}

/// Looks up the exchange whose identity begins with `prefix`, in either case.
///
/// # Errors
///
/// Where a segment cannot be opened, or the exchange that was found is damaged.
pub fn find(store: &Store, prefix: &str) -> Result<Lookup, SegmentError> {
    let mut exchange: Option<Box<Exchange>> = None;
    let mut candidates: Vec<ExchangeId> = Vec::new();
    let mut failure = None;
    scan(store, &Question::default(), &mut |found| {
        let id = found.facts.id();
        if !id.starts_with(prefix) || candidates.contains(&id) {
            return ControlFlow::Continue(());
        }
        candidates.push(id);
        if exchange.is_none() {
            let mut full = Box::<Exchange>::default();
            match found.exchange(&mut full) {
                Ok(()) => exchange = Some(full),
                Err(error) => failure = Some(error),
            }
        }
        if candidates.len() < ID_CANDIDATES_MAX {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    })?;
    candidates.sort_unstable();
    match (candidates.len(), exchange, failure) {
        (0, ..) => Ok(Lookup::None),
        (1, Some(exchange), _) => Ok(Lookup::One(exchange)),
        (1, None, Some(failure)) => Err(failure),
        _ => Ok(Lookup::Many(candidates)),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;
    use crate::exchange::{ConnectionKey, MessageFacts, State, Timing};
    use crate::ledger::Ledger;
    use crate::query::group::Keys;
    use crate::query::latency::Latency;
    use crate::query::text::ExchangeText;
    use crate::segment::{About, BlockBuilder, Metric, SegmentWriter};

    /// An exchange by a few numbers.
    fn exchange((start, total_ns, status, port): (i64, u64, u16, u16), index: u32) -> Exchange {
        let mut exchange = Exchange {
            facts: Facts {
                connection: ConnectionKey {
                    client: Endpoint::v4([10, 0, 0, 1], port),
                    server: Endpoint::v4([10, 0, 0, 2], 80),
                    opened_at: Timestamp::from_nanos(0),
                },
                index,
                start: Timestamp::from_nanos(start),
                request: Some(MessageFacts::default()),
                status,
                timing: Timing { total_ns: Some(total_ns), ..Timing::default() },
                ..Facts::default()
            },
            ..Exchange::default()
        };
        if status == 0 {
            exchange.facts.state = State::Open;
            exchange.facts.timing = Timing::default();
        } else {
            exchange.facts.response = Some(MessageFacts::default());
            exchange.response.head = format!("HTTP/1.1 {status} X\r\n\r\n").into_bytes();
        }
        exchange.request.head =
            format!("GET /p{port}?{index} HTTP/1.1\r\nHost: h{port}\r\n\r\n").into_bytes();
        exchange.route = format!("/p{port}");
        for (head, facts) in [
            (&exchange.request.head, &mut exchange.facts.request),
            (&exchange.response.head, &mut exchange.facts.response),
        ] {
            if let Some(facts) = facts {
                facts.header_bytes = u32::try_from(head.len()).expect("short");
            }
        }
        exchange
    }

    /// Writes a segment of those blocks.
    fn write(dir: &Path, second: i64, blocks: &[Vec<Exchange>]) {
        let started_at = Timestamp::from_nanos(second * 1_000_000_000);
        let about = About { started_at, ..About::default() };
        let mut writer = SegmentWriter::create(dir, &about).expect("created");
        let mut builder = BlockBuilder::new();
        for block in blocks {
            for exchange in block {
                builder.push(exchange);
            }
            writer.append(&builder.finish()).expect("appended");
        }
        writer.seal(&Ledger::default()).expect("sealed");
    }

    fn question(filter: &str, since: Option<i64>, until: Option<i64>) -> Question {
        let filter = if filter.is_empty() {
            Filter::default()
        } else {
            Filter::parse(filter).expect("read")
        };
        let at = |bound: Option<i64>| bound.map(Timestamp::from_nanos);
        Question { filter, span: Span { since: at(since), until: at(until) } }
    }

    /// Segments of blocks of exchanges.
    fn any_store() -> impl Strategy<Value = Vec<Vec<Vec<Exchange>>>> {
        let status = prop::sample::select(vec![0_u16, 200, 200, 404, 500]);
        let one = ((0..60_i64, 0..2_000_000_u64, status, 1..4_u16), 0..3_u32);
        let block = prop::collection::vec(one.prop_map(|(a, b)| exchange(a, b)), 0..20);
        prop::collection::vec(prop::collection::vec(block, 0..4), 1..4)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn a_store_answers_like_a_plain_list(
            segments in any_store(),
            filter in prop::sample::select(vec![
                "", "status >= 500", "total > 1ms", "path = /p1", "route = 'GET /p2' or state = open",
                "host = h3:80", "start >= 1970-01-01T00:00:00.00000003Z",
                "not (status < 500 or total < 1ms)", "total or path = /p3",
                "response.framing = none and not wait > 0", "status = 404 and path = /p1",
            ]),
            since in prop::option::of(0..60_i64),
            until in prop::option::of(0..60_i64),
        ) {
            let dir = tempfile::tempdir().expect("a directory");
            for (second, blocks) in (0..).zip(&segments) {
                write(dir.path(), second, blocks);
            }
            let store = Store::open(&[dir.path()]).expect("a store");
            let question = question(filter, since, until);
            let all: Vec<&Exchange> = segments.iter().flatten().flatten().collect();
            let mut expected: Vec<&Exchange> = all
                .iter()
                .copied()
                .filter(|exchange| question.span.holds(exchange.facts.start))
                .filter(|exchange| {
                    question.filter.matches(&exchange.facts, &mut ExchangeText::new(exchange))
                })
                .collect();

            let mut found = Vec::new();
            let scanned = scan(&store, &question, &mut |one| {
                found.push(one.facts.order());
                ControlFlow::Continue(())
            }).expect("scanned");
            prop_assert_eq!(scanned.matched, expected.len() as u64);
            prop_assert!(scanned.damaged.is_empty());
            let orders: Vec<_> = expected.iter().map(|exchange| exchange.facts.order()).collect();
            prop_assert_eq!(&found, &orders);

            let empty = Latency::new(Keys::default(), Metric::Total);
            let (keys, counted) = latency(&store, &question, &Copies::default(), &empty).expect("counted");
            prop_assert_eq!(counted.matched, expected.len() as u64);
            let mut plain = Latency::new(Keys::default(), Metric::Total);
            expected.iter().for_each(|exchange| plain.record(exchange));
            prop_assert_eq!(keys.rows(), plain.rows());

            expected.sort_by_key(|exchange| exchange.facts.order());
            let mut found: Vec<Exchange> = Vec::new();
            sorted(&store, &question, &mut |one| {
                let mut exchange = Exchange::default();
                one.exchange(&mut exchange).expect("readable");
                found.push(exchange);
                ControlFlow::Continue(())
            }).expect("sorted");
            let orders: Vec<_> = expected.iter().map(|exchange| exchange.facts.order()).collect();
            let found_orders: Vec<_> =
                found.iter().map(|exchange| exchange.facts.order()).collect();
            prop_assert_eq!(found_orders, orders);
            for exchange in &found {
                prop_assert!(expected.contains(&exchange));
            }
            let last = all.iter().map(|exchange| exchange.facts.start).max();
            prop_assert_eq!(last_start(&store).expect("known"), last);
        }
    }

    #[test]
    fn more_overlapping_blocks_than_are_kept_come_in_order() {
        let dir = tempfile::tempdir().expect("a directory");
        let blocks: Vec<Vec<Exchange>> = (0..)
            .take(LISTED_BLOCKS_MAX + 10)
            .map(|block: i64| (0..3).map(|n| exchange((n * 1000 + block, 5, 200, 1), 0)).collect())
            .collect();
        write(dir.path(), 0, &blocks);
        let store = Store::open(&[dir.path()]).expect("a store");
        let mut starts = Vec::new();
        sorted(&store, &Question::default(), &mut |one| {
            starts.push(one.facts.start);
            ControlFlow::Continue(())
        })
        .expect("sorted");
        assert_eq!(starts.len(), blocks.len() * 3);
        assert!(starts.is_sorted());
    }

    #[test]
    fn a_listing_ends_where_its_reader_ends() {
        let dir = tempfile::tempdir().expect("a directory");
        write(dir.path(), 0, &[(0..9).map(|n| exchange((n, 5, 200, 1), 0)).collect()]);
        let store = Store::open(&[dir.path()]).expect("a store");
        for ask in [scan, sorted] {
            let mut seen = 0;
            let stop = &mut |_: &mut Found<'_>| {
                seen += 1;
                if seen == 4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            assert_eq!(ask(&store, &Question::default(), stop).expect("asked").matched, 4);
        }
    }

    #[test]
    fn an_exchange_is_found_by_the_beginning_of_its_id() {
        let dir = tempfile::tempdir().expect("a directory");
        let exchanges: Vec<Exchange> =
            (0..300).map(|n| exchange((i64::from(n), 5, 200, 1), n)).collect();
        write(dir.path(), 0, std::slice::from_ref(&exchanges));
        // The same exchange captured twice is one exchange.
        write(dir.path(), 1, std::slice::from_ref(&exchanges));
        let store = Store::open(&[dir.path()]).expect("a store");
        let id = exchanges[7].id().to_string();
        match find(&store, &id.to_uppercase()).expect("looked up") {
            Lookup::One(found) => assert_eq!(*found, exchanges[7]),
            other => panic!("{other:?}"),
        }
        match find(&store, &id[..1]).expect("looked up") {
            Lookup::Many(ids) => {
                assert!(ids.len() > 1 && ids.is_sorted());
                assert!(ids.iter().all(|found| found.starts_with(&id[..1])));
            }
            other => panic!("{other:?}"),
        }
        assert!(
            matches!(find(&store, "").expect("looked up"), Lookup::Many(ids) if ids.len() == ID_CANDIDATES_MAX)
        );
        assert!(matches!(find(&store, "!").expect("looked up"), Lookup::None));
    }
}
