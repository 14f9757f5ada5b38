//! The numbers of a block: columns, and how an exchange's facts are taken apart and put together.
//!
//! ```text
//! numbers     varint each: rows, calls, shapes, interim lists, interim statuses, addresses,
//!             connections; then columns up to the end, each: id (u8), varint length, the column
//!             as `column.rs` tells. A column that is absent is all zeros; unknown ids are passed
//!             over.
//! ```
//!
//! | id | column | a value for each | what it is |
//! |---|---|---|---|
//! | 0-2 | method, route, host | call | position in the block's names |
//! | 3 | flags | shape | see [`Shape`] |
//! | 4-6 | status, anomalies, interim | shape | the last is the position of a list |
//! | 7 | length | interim list | how many statuses |
//! | 8 | status | interim status | |
//! | 9-10 | high, low | address | 64 bits less those of the address before it, signed |
//! | 11 | client | connection | address, recent |
//! | 12 | client port | connection | less that of the connection before it, signed |
//! | 13 | server | connection | address, recent |
//! | 14 | server port | connection | |
//! | 15 | age | connection | start of its first row less its opening, signed ns |
//! | 16 | connection | row | recent |
//! | 17 | index | row | less one more than that of its connection's row before, signed |
//! | 18-19 | call, shape | row | positions |
//! | 20 | end | row | start and total (or how long it was watched), less that of the row before, signed ns |
//! | 21-22 | header, body bytes | row with request | |
//! | 23 | unseen | row with request | body bytes less those seen, signed |
//! | 24-26 | the same of the response | row with response | |
//! | 27-31 | connect, send, blocked, wait, receive | row that has it | ns |
//! | 32 | total | row that has it | ns less send, wait and receive, signed |
//! | 33 | watched | row that has it | ns |
//! | 34-37 | round trips | connection | see [`crate::exchange::Network`], ns |
//! | 38-49 | evidence | row that has it | see [`crate::exchange::Evidence::counts`] |
//!
//! *Recent* is 0 for one more than the highest position so far, else how far below that it is.
//! Rows stand in the order in which they were recorded, mostly that of their ends. All arithmetic
//! wraps at 64 bits, so that any facts come back as they were.

mod build;
mod glance;
mod read;

pub(super) use build::NumbersBuilder;
pub use glance::Glance;
pub(super) use read::{Call, Numbers};

use crate::exchange::{Facts, MessageFacts, State, Timing};
use crate::http::Framing;
use crate::segment::column::Sign;

/// The columns, at their ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Column {
    CallMethod,
    CallRoute,
    CallHost,
    ShapeFlags,
    ShapeStatus,
    ShapeAnomalies,
    ShapeInterim,
    InterimLength,
    InterimStatus,
    AddressHigh,
    AddressLow,
    ConnectionClient,
    ConnectionClientPort,
    ConnectionServer,
    ConnectionServerPort,
    ConnectionAge,
    Connection,
    Index,
    Call,
    Shape,
    End,
    RequestHeader,
    RequestBody,
    RequestUnseen,
    ResponseHeader,
    ResponseBody,
    ResponseUnseen,
    Connect,
    Send,
    Blocked,
    Wait,
    Receive,
    Total,
    Watched,
    ServerHandshake,
    ClientHandshake,
    ServerLeast,
    ClientLeast,
    EvidenceFirst,
}

impl Column {
    /// The flags of the shapes whose rows have a value in it; 0 where that is not asked of shapes.
    const fn flag(self) -> u64 {
        match of_what(self as usize) {
            Counted::RowsWith(flag) => flag,
            Counted::Table(_) => 0,
        }
    }
}

/// How many columns tell what was not seen.
const EVIDENCE_COLUMNS: usize = 12;

const REQUEST_COLUMNS: [Column; 3] =
    [Column::RequestHeader, Column::RequestBody, Column::RequestUnseen];

const RESPONSE_COLUMNS: [Column; 3] =
    [Column::ResponseHeader, Column::ResponseBody, Column::ResponseUnseen];

/// How many columns there are.
const COLUMNS: usize = Column::EvidenceFirst as usize + EVIDENCE_COLUMNS;

/// Whether the column of that id holds differences.
const fn sign(id: usize) -> Sign {
    match id {
        9 | 10 | 12 | 15 | 17 | 20 | 23 | 26 | 32 => Sign::Signed,
        _ => Sign::Unsigned,
    }
}

/// What has a value in the column of that id.
const fn of_what(id: usize) -> Counted {
    match id {
        0..=2 => Counted::Table(Table::Calls),
        3..=6 => Counted::Table(Table::Shapes),
        7 => Counted::Table(Table::InterimLists),
        8 => Counted::Table(Table::InterimStatuses),
        9 | 10 => Counted::Table(Table::Addresses),
        11..=15 | 34..=37 => Counted::Table(Table::Connections),
        16..=20 => Counted::Table(Table::Rows),
        21..=23 => Counted::RowsWith(REQUEST),
        24..=26 => Counted::RowsWith(RESPONSE),
        27 => Counted::RowsWith(CONNECT),
        28 => Counted::RowsWith(SEND),
        29 => Counted::RowsWith(BLOCKED),
        30 => Counted::RowsWith(WAIT),
        31 => Counted::RowsWith(RECEIVE),
        32 => Counted::RowsWith(TOTAL),
        33 => Counted::RowsWith(WATCHED),
        _ => Counted::RowsWith(EVIDENCE),
    }
}

#[derive(Clone, Copy, Debug)]
enum Counted {
    Table(Table),
    /// The rows whose shape has one of these flags.
    RowsWith(u64),
}

/// What the part's first numbers count, in their order.
#[derive(Clone, Copy, Debug)]
enum Table {
    Rows,
    Calls,
    Shapes,
    InterimLists,
    InterimStatuses,
    Addresses,
    Connections,
}

const TABLES: usize = 7;

/// Bits 0 to 2: the state.
const STATE: u64 = 0b111;
/// Bits 3 to 5: 0 without request, else one more than its framing.
const REQUEST: u64 = 0b111 << 3;
/// Bits 6 to 8: 0 without response, else one more than its framing.
const RESPONSE: u64 = 0b111 << 6;
const CONNECT: u64 = 1 << 9;
const SEND: u64 = 1 << 10;
const BLOCKED: u64 = 1 << 11;
const WAIT: u64 = 1 << 12;
const RECEIVE: u64 = 1 << 13;
const TOTAL: u64 = 1 << 14;
const WATCHED: u64 = 1 << 15;
const REQUEST_BODY: u64 = 1 << 16;
const RESPONSE_BODY: u64 = 1 << 17;
const EVIDENCE: u64 = 1 << 18;

/// Whether a message's body was kept.
#[derive(Clone, Copy, Debug)]
pub(in crate::segment) struct BodiesKept {
    pub(in crate::segment) request: bool,
    pub(in crate::segment) response: bool,
}

/// What many exchanges of a block have in common, apart from names and measurements.
///
/// Flags: bits 0 to 2 the state; 3 to 5 the request's framing plus one, 0 without request; 6 to 8
/// the response's; 9 to 14 whether there is connect, send, blocked, wait, receive, total; 15
/// whether `watched` is not 0; 16 and 17 whether the request's and the response's body were kept;
/// 18 whether any count of its evidence is not 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Shape {
    flags: u64,
    status: u16,
    anomalies: u64,
    /// Position of the list of interim statuses.
    interim: u32,
}

impl Shape {
    fn of(facts: &Facts, interim: u32, kept: BodiesKept) -> Self {
        let framing = |message: &Option<MessageFacts>| {
            message.as_ref().map_or(0, |message| message.framing as u64 + 1)
        };
        let timing = &facts.timing;
        let mut flags =
            facts.state as u64 | framing(&facts.request) << 3 | framing(&facts.response) << 6;
        for (flag, there) in [
            (CONNECT, timing.connect_ns.is_some()),
            (SEND, timing.send_ns.is_some()),
            (BLOCKED, timing.blocked_ns.is_some()),
            (WAIT, timing.wait_ns.is_some()),
            (RECEIVE, timing.receive_ns.is_some()),
            (TOTAL, timing.total_ns.is_some()),
            (WATCHED, facts.watched_ns != 0),
            (REQUEST_BODY, kept.request),
            (RESPONSE_BODY, kept.response),
            (EVIDENCE, facts.evidence.counts().iter().any(|&count| count != 0)),
        ] {
            flags |= if there { flag } else { 0 };
        }
        Self { flags, status: facts.status, anomalies: facts.anomalies.bits(), interim }
    }

    const fn has(&self, flag: u64) -> bool {
        self.flags & flag != 0
    }

    fn state(self) -> Option<State> {
        State::ALL.get((self.flags & STATE) as usize).copied()
    }

    /// The framing of the message whose bits begin there; `None` without message.
    fn framing(self, shift: u32) -> Option<Framing> {
        let position = ((self.flags >> shift) & 0b111).checked_sub(1)?;
        Framing::ALL.get(usize::try_from(position).ok()?).copied()
    }

    /// Whether every field has a meaning.
    fn is_known(self, lists: usize) -> bool {
        self.state().is_some()
            && (self.framing(3).is_some() || !self.has(REQUEST))
            && (self.framing(6).is_some() || !self.has(RESPONSE))
            && (self.interim as usize) < lists
    }
}

/// The phases that make up a total, mostly.
fn phases(timing: &Timing) -> u64 {
    [timing.send_ns, timing.wait_ns, timing.receive_ns]
        .into_iter()
        .flatten()
        .fold(0, u64::wrapping_add)
}
