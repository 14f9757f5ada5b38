//! What is kept of an exchange to find its other copy, and what is known of its connection.

use std::collections::HashMap;
use std::hash::BuildHasher;

use foldhash::fast::{FixedState, RandomState};

use super::copies::Spot;
use crate::anomaly::Anomaly;
use crate::exchange::{Facts, MessageFacts, State};
use crate::http::lines;
use crate::limits::CONNECTIONS_FOLLOWED_MAX;
use crate::packet::Endpoint;
use crate::query::text::Text;

/// What is kept of an exchange while its other copy is looked for.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) spot: Spot,
    /// Which of the captures that are compared.
    pub(super) place: u32,
    /// Client and server, hashed.
    pub(super) ends: u64,
    /// And when this capture saw their connection first.
    pub(super) connection: u64,
    pub(super) server: Endpoint,
    /// Method, route, host, target, status and lengths, hashed.
    pub(super) content: u64,
    pub(super) index: u32,
    /// Nanoseconds since the Unix epoch, by the clock of its capture.
    pub(super) start: i64,
    pub(super) total_ns: u64,
    pub(super) wait_ns: Option<u64>,
    marks: u8,
}

/// Both messages were seen to their end.
const COMPLETE: u8 = 1;
/// The connection's handshake was seen, and this is its first exchange.
const FIRST: u8 = 1 << 1;
/// Something between the exchange before and this one was not seen.
const LOST_BEFORE: u8 = 1 << 2;
/// The question is about it.
const ASKED: u8 = 1 << 3;
/// The connection was seen from its first byte to here.
const INTACT: u8 = 1 << 4;
/// Nothing speaks against the exchange before being the one that is listed before.
const NEXT: u8 = 1 << 5;

const HASH: FixedState = FixedState::with_seed(0x7765_6972);

impl Row {
    pub(super) fn of(
        facts: &Facts,
        text: &mut dyn Text,
        (place, spot): (u32, Spot),
        is_asked: bool,
    ) -> Self {
        let connection = &facts.connection;
        let lengths = |message: Option<MessageFacts>| {
            message.map(|message| (message.header_bytes, message.body_bytes))
        };
        let numbers = (facts.status, lengths(facts.request), lengths(facts.response));
        let content = HASH.hash_one((numbers, HASH.hash_one(text.method())));
        let content = HASH.hash_one((content, text.route()));
        let content = HASH.hash_one((content, text.host()));
        // Requests at even distances are all alike but for what they ask for.
        let target = lines::request_line(text.request_head()).target;
        let content = HASH.hash_one((content, target));
        let evidence = &facts.evidence;
        let lost_before = evidence.missing_before > 0
            || !evidence.before_request.is_none()
            || !evidence.before_response.is_none()
            || [Anomaly::GapBeforeRequest, Anomaly::GapBeforeResponse, Anomaly::AmbiguousPair]
                .into_iter()
                .any(|anomaly| facts.anomalies.has(anomaly));
        let is_complete = facts.state == State::Complete && facts.timing.total_ns.is_some();
        let mark = |is: bool, mark: u8| if is { mark } else { 0 };
        Self {
            spot,
            place,
            ends: HASH.hash_one((connection.client, connection.server)),
            connection: HASH.hash_one((connection, place)),
            server: connection.server,
            content,
            index: facts.index,
            start: facts.start.as_nanos(),
            total_ns: facts.timing.total_ns.unwrap_or(0),
            wait_ns: facts.timing.wait_ns,
            marks: mark(is_complete, COMPLETE)
                | mark(facts.index == 0 && facts.timing.connect_ns.is_some(), FIRST)
                | mark(lost_before, LOST_BEFORE)
                | mark(is_asked, ASKED),
        }
    }

    /// When its last byte came.
    pub(super) fn end(&self) -> i64 {
        self.start.saturating_add(i64::try_from(self.total_ns).unwrap_or(i64::MAX))
    }

    /// Equal in copies of the same packets.
    pub(super) const fn times(&self) -> (i64, u64, Option<u64>) {
        (self.start, self.total_ns, self.wait_ns)
    }

    pub(super) const fn is_complete(&self) -> bool {
        self.marks & COMPLETE != 0
    }

    pub(super) const fn is_asked(&self) -> bool {
        self.marks & ASKED != 0
    }

    /// Whether its index is its true place on its connection: nothing before it was missed.
    pub(super) const fn is_intact(&self) -> bool {
        self.marks & INTACT != 0
    }

    /// Whether nothing is known to be missing right before it.
    pub(super) const fn is_next(&self) -> bool {
        self.marks & NEXT != 0
    }
}

/// How a connection went on so far.
#[derive(Clone, Copy, Debug)]
struct Course {
    next_index: u32,
    is_intact: bool,
    is_complete: bool,
}

/// What is known of the connections whose exchanges were looked at, in the order of their starts.
/// The ones looked at longest ago are forgotten at the bound: less is then proven of them.
#[derive(Debug, Default)]
pub(super) struct Courses {
    recent: HashMap<u64, Course, RandomState>,
    older: HashMap<u64, Course, RandomState>,
}

impl Courses {
    /// Marks what is known of the row. Rows of one connection come in their order.
    pub(super) fn follow(&mut self, row: &mut Row) {
        let before = self.recent.get(&row.connection).or_else(|| self.older.get(&row.connection));
        let is_clean = row.marks & LOST_BEFORE == 0;
        let follows = before.map(|before| before.next_index == row.index);
        let is_intact = is_clean
            && row.is_complete()
            && match before {
                None => row.marks & FIRST != 0,
                Some(before) => before.is_intact && follows == Some(true),
            };
        let is_next = is_clean
            && before.is_none_or(|before| before.is_complete && before.next_index == row.index);
        row.marks |= if is_intact { INTACT } else { 0 } | if is_next { NEXT } else { 0 };
        let next_index = row.index.saturating_add(1);
        let course = Course { next_index, is_intact, is_complete: row.is_complete() };
        if self.recent.len() >= CONNECTIONS_FOLLOWED_MAX {
            self.older = std::mem::take(&mut self.recent);
        }
        self.recent.insert(row.connection, course);
    }
}
