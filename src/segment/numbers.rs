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
//!
//! *Recent* is 0 for one more than the highest position so far, else how far below that it is.
//! Rows stand in the order in which they were recorded, mostly that of their ends. All arithmetic
//! wraps at 64 bits, so that any facts come back as they were.

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::anomaly::Anomalies;
use crate::exchange::{ConnectionKey, Facts, MessageFacts, State, Timing};
use crate::http::Framing;
use crate::limits::{BLOCK_EXCHANGES_MAX, INTERIM_RESPONSES_MAX};
use crate::packet::Endpoint;
use crate::segment::column::{self, ColumnEncoder, Sign};
use crate::segment::cursor::{Cursor, Malformed, put_bytes, put_varint, unzigzag, zigzag};
use crate::time::Timestamp;

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
}

const REQUEST_COLUMNS: [Column; 3] =
    [Column::RequestHeader, Column::RequestBody, Column::RequestUnseen];

const RESPONSE_COLUMNS: [Column; 3] =
    [Column::ResponseHeader, Column::ResponseBody, Column::ResponseUnseen];

/// How many columns there are.
const COLUMNS: usize = 34;

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
        11..=15 => Counted::Table(Table::Connections),
        16..=20 => Counted::Table(Table::Rows),
        21..=23 => Counted::RowsWith(REQUEST),
        24..=26 => Counted::RowsWith(RESPONSE),
        27 => Counted::RowsWith(CONNECT),
        28 => Counted::RowsWith(SEND),
        29 => Counted::RowsWith(BLOCKED),
        30 => Counted::RowsWith(WAIT),
        31 => Counted::RowsWith(RECEIVE),
        32 => Counted::RowsWith(TOTAL),
        _ => Counted::RowsWith(WATCHED),
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

/// Whether a message's body was kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodiesKept {
    pub(super) request: bool,
    pub(super) response: bool,
}

/// What many exchanges of a block have in common, apart from names and measurements.
///
/// Flags: bits 0 to 2 the state; 3 to 5 the request's framing plus one, 0 without request; 6 to 8
/// the response's; 9 to 14 whether there is connect, send, blocked, wait, receive, total; 15
/// whether `watched` is not 0; 16 and 17 whether the request's and the response's body were kept.
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

/// Position in a table of that length; see *recent* above.
const fn recent(position: usize, len_before: usize) -> u64 {
    len_before.saturating_sub(position) as u64
}

/// Undoes [`recent`]; `len` grows where the position is new.
fn unrecent(value: u64, len: &mut usize) -> Result<usize, Malformed> {
    if value == 0 {
        *len += 1;
        return Ok(*len - 1);
    }
    usize::try_from(value)
        .ok()
        .and_then(|back| len.checked_sub(back))
        .ok_or_else(|| format!("one of {len} positions expected, {value} back found"))
}

fn difference(value: u64, before: u64) -> u64 {
    zigzag(value.wrapping_sub(before).cast_signed())
}

fn sum(before: u64, difference: u64) -> u64 {
    before.wrapping_add(unzigzag(difference).cast_unsigned())
}

/// Start and total of an exchange, or how long it was watched: when it was recorded, mostly.
fn end(facts: &Facts) -> u64 {
    let lasted = facts.timing.total_ns.unwrap_or(facts.watched_ns);
    facts.start.as_nanos().cast_unsigned().wrapping_add(lasted)
}

/// The values of every column, at their ids.
#[derive(Debug)]
struct Columns([Vec<u64>; COLUMNS]);

impl Default for Columns {
    fn default() -> Self {
        Self([const { Vec::new() }; COLUMNS])
    }
}

/// Collects the numbers of a block, column by column.
#[derive(Debug, Default)]
pub(super) struct NumbersBuilder {
    columns: Columns,
    shapes: HashMap<Shape, usize, RandomState>,
    interim_lists: HashMap<Vec<u16>, u32, RandomState>,
    addresses: HashMap<(u64, u64), usize, RandomState>,
    address_before: (u64, u64),
    connections: HashMap<ConnectionKey, usize, RandomState>,
    client_port_before: u64,
    /// Next index of each connection.
    next_index: Vec<u64>,
    end_before: u64,
    columns_out: Vec<u8>,
}

impl NumbersBuilder {
    /// How many rows it holds.
    pub(super) fn len(&self) -> usize {
        self.count(Table::Rows)
    }

    fn put(&mut self, column: Column, value: u64) {
        if let Some(column) = self.columns.0.get_mut(column as usize) {
            column.push(value);
        }
    }

    /// Adds a call: positions of a method, a route and a host in the block's names.
    pub(super) fn push_call(&mut self, method: u64, route: u64, host: u64) {
        self.put(Column::CallMethod, method);
        self.put(Column::CallRoute, route);
        self.put(Column::CallHost, host);
    }

    /// Adds a row.
    pub(super) fn push(&mut self, facts: &Facts, call: usize, interim: &[u16], kept: BodiesKept) {
        let connection = self.connection(facts);
        let index = u64::from(facts.index);
        if let Some(next) = self.next_index.get_mut(connection) {
            let expected = std::mem::replace(next, index + 1);
            self.put(Column::Index, difference(index, expected));
        }
        self.put(Column::Call, call as u64);
        let shape = Shape::of(facts, self.interim_list(interim), kept);
        let position = self.shape(shape);
        self.put(Column::Shape, position as u64);
        let end = end(facts);
        let end_before = std::mem::replace(&mut self.end_before, end);
        self.put(Column::End, difference(end, end_before));
        self.message(facts.request, REQUEST_COLUMNS);
        self.message(facts.response, RESPONSE_COLUMNS);
        self.timing(facts);
    }

    fn connection(&mut self, facts: &Facts) -> usize {
        let key = facts.connection;
        let known = self.connections.len();
        let position = *self.connections.entry(key).or_insert(known);
        self.put(Column::Connection, recent(position, known));
        if position == known {
            self.next_index.push(0);
            let client = self.address(key.client);
            self.put(Column::ConnectionClient, client);
            let port = u64::from(key.client.port());
            let before = std::mem::replace(&mut self.client_port_before, port);
            self.put(Column::ConnectionClientPort, difference(port, before));
            let server = self.address(key.server);
            self.put(Column::ConnectionServer, server);
            self.put(Column::ConnectionServerPort, key.server.port().into());
            let opened = key.opened_at.as_nanos().cast_unsigned();
            let start = facts.start.as_nanos().cast_unsigned();
            self.put(Column::ConnectionAge, difference(start, opened));
        }
        position
    }

    fn address(&mut self, endpoint: Endpoint) -> u64 {
        let (high, low) = endpoint.words();
        let known = self.addresses.len();
        let position = *self.addresses.entry((high, low)).or_insert(known);
        if position == known {
            let before = std::mem::replace(&mut self.address_before, (high, low));
            self.put(Column::AddressHigh, difference(high, before.0));
            self.put(Column::AddressLow, difference(low, before.1));
        }
        recent(position, known)
    }

    /// The position of a list; the first one is always the empty one.
    fn interim_list(&mut self, interim: &[u16]) -> u32 {
        if self.interim_lists.is_empty() {
            self.interim_lists.insert(Vec::new(), 0);
            self.put(Column::InterimLength, 0);
        }
        let interim = interim.get(..INTERIM_RESPONSES_MAX).unwrap_or(interim);
        if interim.is_empty() {
            return 0;
        }
        if let Some(&position) = self.interim_lists.get(interim) {
            return position;
        }
        let position = u32::try_from(self.interim_lists.len()).unwrap_or(0);
        self.interim_lists.insert(interim.to_vec(), position);
        self.put(Column::InterimLength, interim.len() as u64);
        for &status in interim {
            self.put(Column::InterimStatus, status.into());
        }
        position
    }

    fn shape(&mut self, shape: Shape) -> usize {
        let known = self.shapes.len();
        let position = *self.shapes.entry(shape).or_insert(known);
        if position == known {
            self.put(Column::ShapeFlags, shape.flags);
            self.put(Column::ShapeStatus, shape.status.into());
            self.put(Column::ShapeAnomalies, shape.anomalies);
            self.put(Column::ShapeInterim, shape.interim.into());
        }
        position
    }

    /// Adds a message's lengths to its three columns.
    fn message(&mut self, message: Option<MessageFacts>, columns: [Column; 3]) {
        let Some(message) = message else { return };
        let [header, body, unseen] = columns;
        self.put(header, message.header_bytes.into());
        self.put(body, message.body_bytes);
        self.put(unseen, difference(message.body_bytes, message.body_seen_bytes));
    }

    fn timing(&mut self, facts: &Facts) {
        let timing = &facts.timing;
        let total = timing.total_ns.map(|total| difference(total, phases(timing)));
        for (column, value) in [
            (Column::Connect, timing.connect_ns),
            (Column::Send, timing.send_ns),
            (Column::Blocked, timing.blocked_ns),
            (Column::Wait, timing.wait_ns),
            (Column::Receive, timing.receive_ns),
            (Column::Total, total),
            (Column::Watched, Some(facts.watched_ns).filter(|&watched| watched != 0)),
        ] {
            if let Some(value) = value {
                self.put(column, value);
            }
        }
    }

    fn count(&self, table: Table) -> usize {
        let column = match table {
            Table::Rows => Column::Connection,
            Table::Calls => Column::CallMethod,
            Table::Shapes => Column::ShapeFlags,
            Table::InterimLists => Column::InterimLength,
            Table::InterimStatuses => Column::InterimStatus,
            Table::Addresses => Column::AddressLow,
            Table::Connections => Column::ConnectionClient,
        };
        self.columns.0.get(column as usize).map_or(0, Vec::len)
    }

    /// Encodes the columns and empties itself.
    pub(super) fn finish(&mut self, encoder: &mut ColumnEncoder) -> Vec<u8> {
        let mut out = Vec::new();
        for table in [
            Table::Rows,
            Table::Calls,
            Table::Shapes,
            Table::InterimLists,
            Table::InterimStatuses,
            Table::Addresses,
            Table::Connections,
        ] {
            put_varint(&mut out, self.count(table) as u64);
        }
        for (id, values) in self.columns.0.iter_mut().enumerate() {
            if values.iter().any(|&value| value != 0) {
                self.columns_out.clear();
                encoder.encode(values, sign(id), &mut self.columns_out);
                out.push(u8::try_from(id).unwrap_or(u8::MAX));
                put_bytes(&mut out, &self.columns_out);
            }
            values.clear();
        }
        self.shapes.clear();
        self.interim_lists.clear();
        self.addresses.clear();
        self.address_before = (0, 0);
        self.connections.clear();
        self.client_port_before = 0;
        self.next_index.clear();
        self.end_before = 0;
        out
    }
}

/// The phases that make up a total, mostly.
fn phases(timing: &Timing) -> u64 {
    [timing.send_ns, timing.wait_ns, timing.receive_ns]
        .into_iter()
        .flatten()
        .fold(0, u64::wrapping_add)
}

/// Positions of a call's method, route and host in the block's names.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Call {
    pub(super) method: usize,
    pub(super) route: usize,
    pub(super) host: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Row {
    start: u64,
    connection: u32,
    index: u32,
    call: u32,
    shape: u32,
}

/// The numbers of a block, read back.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    rows: Vec<Row>,
    calls: Vec<Call>,
    shapes: Vec<Shape>,
    interim_lists: Vec<Vec<u16>>,
    connections: Vec<ConnectionKey>,
    /// The columns from [`Column::RequestHeader`] on, filled up to a value for every row.
    measured: Vec<Vec<u64>>,
}

/// Columns before the first one that only some rows have.
const TABLE_COLUMNS: usize = Column::RequestHeader as usize;

impl Numbers {
    /// Reads what [`NumbersBuilder::finish`] wrote.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(bytes);
        let mut counts = [0; TABLES];
        for count in &mut counts {
            *count = usize::try_from(cursor.varint()?).unwrap_or(usize::MAX);
        }
        check_counts(counts)?;
        let mut encoded = [None; COLUMNS];
        while !cursor.rest().is_empty() {
            let id = cursor.u8()?;
            let bytes = cursor.bytes()?;
            if let Some(place) = encoded.get_mut(usize::from(id)) {
                *place = Some(bytes);
            }
        }
        let mut reader = Reader { counts, encoded };
        let mut numbers = Self::default();
        numbers.read_tables(&mut reader)?;
        numbers.read_rows(&mut reader)?;
        numbers.measured = numbers.read_measured(&reader)?;
        numbers.resolve_starts(&reader)?;
        Ok(numbers)
    }

    fn read_tables(&mut self, reader: &mut Reader<'_>) -> Result<(), Malformed> {
        let [methods, routes, hosts] = [
            reader.table(Column::CallMethod)?,
            reader.table(Column::CallRoute)?,
            reader.table(Column::CallHost)?,
        ];
        let position = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
        self.calls = methods
            .into_iter()
            .zip(routes)
            .zip(hosts)
            .map(|((method, route), host)| Call {
                method: position(method),
                route: position(route),
                host: position(host),
            })
            .collect();
        self.read_interim(reader)?;
        let flags = reader.table(Column::ShapeFlags)?;
        let statuses = reader.table(Column::ShapeStatus)?;
        let anomalies = reader.table(Column::ShapeAnomalies)?;
        let interim = reader.table(Column::ShapeInterim)?;
        let shapes = flags.into_iter().zip(statuses).zip(anomalies).zip(interim);
        for (((flags, status), anomalies), interim) in shapes {
            let shape =
                Shape { flags, status: narrow(status)?, anomalies, interim: narrow(interim)? };
            if !shape.is_known(self.interim_lists.len()) {
                return Err(format!("a shape with flags {flags:#x} found"));
            }
            self.shapes.push(shape);
        }
        Ok(())
    }

    fn read_interim(&mut self, reader: &mut Reader<'_>) -> Result<(), Malformed> {
        let lengths = reader.table(Column::InterimLength)?;
        let statuses = reader.table(Column::InterimStatus)?;
        let mut statuses = statuses.into_iter();
        for length in lengths {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            if length > statuses.len() {
                return Err(format!("{length} statuses expected, {} found", statuses.len()));
            }
            let list: Result<_, _> = statuses.by_ref().take(length).map(narrow).collect();
            self.interim_lists.push(list?);
        }
        Ok(())
    }

    /// Reads the rows but for their starts, and the connections but for their openings.
    fn read_rows(&mut self, reader: &mut Reader<'_>) -> Result<(), Malformed> {
        self.read_connections(reader)?;
        let connections = reader.table(Column::Connection)?;
        let indexes = reader.table(Column::Index)?;
        let calls = reader.table(Column::Call)?;
        let shapes = reader.table(Column::Shape)?;
        let mut known = 0;
        let mut next_index = vec![0_u64; self.connections.len()];
        let columns = connections.into_iter().zip(indexes).zip(calls).zip(shapes);
        for (((connection, index), call), shape) in columns {
            let connection = unrecent(connection, &mut known)?;
            let next = next_index
                .get_mut(connection)
                .ok_or_else(|| format!("connection {connection} found, which is not there"))?;
            let index = sum(*next, index);
            *next = index.wrapping_add(1);
            let row = Row {
                start: 0,
                connection: narrow(connection as u64)?,
                index: narrow(index)?,
                call: narrow(call)?,
                shape: narrow(shape)?,
            };
            if row.call as usize >= self.calls.len() || row.shape as usize >= self.shapes.len() {
                return Err(format!("call {call} and shape {shape} found, which are not there"));
            }
            self.rows.push(row);
        }
        if known == self.connections.len() {
            Ok(())
        } else {
            Err(format!("{} connections expected, {known} found", self.connections.len()))
        }
    }

    fn read_connections(&mut self, reader: &mut Reader<'_>) -> Result<(), Malformed> {
        let mut addresses: Vec<[u8; 16]> = Vec::new();
        let (mut high, mut low) = (0, 0);
        let highs = reader.table(Column::AddressHigh)?;
        for (high_more, low_more) in highs.into_iter().zip(reader.table(Column::AddressLow)?) {
            high = sum(high, high_more);
            low = sum(low, low_more);
            addresses.push((u128::from(high) << 64 | u128::from(low)).to_be_bytes());
        }
        let clients = reader.table(Column::ConnectionClient)?;
        let client_ports = reader.table(Column::ConnectionClientPort)?;
        let servers = reader.table(Column::ConnectionServer)?;
        let server_ports = reader.table(Column::ConnectionServerPort)?;
        let mut known = 0;
        let mut client_port = 0;
        let columns = clients.into_iter().zip(client_ports).zip(servers).zip(server_ports);
        for (((client, client_port_more), server), server_port) in columns {
            client_port = sum(client_port, client_port_more);
            let mut endpoint = |address: u64, port: u64| -> Result<Endpoint, Malformed> {
                let position = unrecent(address, &mut known)?;
                let octets = addresses
                    .get(position)
                    .ok_or_else(|| format!("address {position} found, which is not there"))?;
                Ok(Endpoint::v6(*octets, narrow(port)?))
            };
            let client = endpoint(client, client_port)?;
            let server = endpoint(server, server_port)?;
            self.connections.push(ConnectionKey { client, server, opened_at: Timestamp::MIN });
        }
        Ok(())
    }

    /// The measured columns, a value for every row.
    fn read_measured(&self, reader: &Reader<'_>) -> Result<Vec<Vec<u64>>, Malformed> {
        let flags: Vec<u64> = self
            .rows
            .iter()
            .map(|row| self.shapes.get(row.shape as usize).map_or(0, |shape| shape.flags))
            .collect();
        let mut measured = Vec::new();
        for id in TABLE_COLUMNS..COLUMNS {
            let Counted::RowsWith(mask) = of_what(id) else { continue };
            let rows = flags.iter().filter(|&flags| flags & mask != 0).count();
            let values = reader.column(id, rows)?;
            if rows == flags.len() {
                measured.push(values);
                continue;
            }
            let mut values = values.into_iter();
            let spread = |flags: &u64| {
                if flags & mask == 0 { 0 } else { values.next().unwrap_or(0) }
            };
            measured.push(flags.iter().map(spread).collect());
        }
        Ok(measured)
    }

    /// Finds the start of every row from its end, and the opening of every connection.
    fn resolve_starts(&mut self, reader: &Reader<'_>) -> Result<(), Malformed> {
        let ends = reader.column(Column::End as usize, self.rows.len())?;
        let ages = reader.column(Column::ConnectionAge as usize, self.connections.len())?;
        let mut end = 0;
        let mut opened = 0;
        for (number, difference) in ends.into_iter().enumerate() {
            end = sum(end, difference);
            let timing = self.timing(number);
            let lasted = timing.total_ns.unwrap_or_else(|| self.measured(Column::Watched, number));
            let Some(row) = self.rows.get_mut(number) else { continue };
            row.start = end.wrapping_sub(lasted);
            if row.connection as usize == opened {
                let age = ages.get(opened).copied().unwrap_or(0);
                if let Some(connection) = self.connections.get_mut(opened) {
                    let at = row.start.wrapping_sub(unzigzag(age).cast_unsigned());
                    connection.opened_at = Timestamp::from_nanos(at.cast_signed());
                }
                opened += 1;
            }
        }
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    fn row(&self, row: usize) -> Row {
        self.rows.get(row).copied().unwrap_or_default()
    }

    fn shape(&self, row: usize) -> Shape {
        let position = self.rows.get(row).map(|row| row.shape as usize);
        position.and_then(|at| self.shapes.get(at)).copied().unwrap_or_default()
    }

    fn measured(&self, column: Column, row: usize) -> u64 {
        let column = self.measured.get((column as usize).wrapping_sub(TABLE_COLUMNS));
        column.and_then(|column| column.get(row)).copied().unwrap_or(0)
    }

    /// The names that the row refers to.
    pub(super) fn call(&self, row: usize) -> Option<Call> {
        self.calls.get(self.rows.get(row)?.call as usize).copied()
    }

    /// The calls.
    pub(super) fn calls(&self) -> &[Call] {
        &self.calls
    }

    pub(super) fn interim(&self, row: usize) -> &[u16] {
        self.interim_lists.get(self.shape(row).interim as usize).map_or(&[], Vec::as_slice)
    }

    pub(super) fn kept(&self, row: usize) -> BodiesKept {
        let shape = self.shape(row);
        BodiesKept { request: shape.has(REQUEST_BODY), response: shape.has(RESPONSE_BODY) }
    }

    pub(super) fn start(&self, row: usize) -> Timestamp {
        Timestamp::from_nanos(self.row(row).start.cast_signed())
    }

    pub(super) fn state(&self, row: usize) -> State {
        self.shape(row).state().unwrap_or_default()
    }

    pub(super) fn status(&self, row: usize) -> u16 {
        self.shape(row).status
    }

    pub(super) fn timing(&self, row: usize) -> Timing {
        let shape = self.shape(row);
        let time = |flag: u64, column: Column| shape.has(flag).then(|| self.measured(column, row));
        let mut timing = Timing {
            connect_ns: time(CONNECT, Column::Connect),
            send_ns: time(SEND, Column::Send),
            blocked_ns: time(BLOCKED, Column::Blocked),
            wait_ns: time(WAIT, Column::Wait),
            receive_ns: time(RECEIVE, Column::Receive),
            total_ns: None,
        };
        timing.total_ns = time(TOTAL, Column::Total).map(|rest| sum(phases(&timing), rest));
        timing
    }

    /// The lengths of the message whose framing begins at that bit.
    fn message(&self, row: usize, shift: u32, columns: [Column; 3]) -> Option<MessageFacts> {
        let framing = self.shape(row).framing(shift)?;
        let [header, body, unseen] = columns.map(|column| self.measured(column, row));
        Some(MessageFacts {
            header_bytes: u32::try_from(header).unwrap_or(u32::MAX),
            framing,
            body_bytes: body,
            body_seen_bytes: body.wrapping_sub(unzigzag(unseen).cast_unsigned()),
        })
    }

    /// Every number of the row.
    pub(super) fn facts(&self, row: usize) -> Facts {
        if row >= self.rows.len() {
            return Facts::default();
        }
        let ids = self.row(row);
        let shape = self.shape(row);
        Facts {
            connection: self.connections.get(ids.connection as usize).copied().unwrap_or_default(),
            index: ids.index,
            start: self.start(row),
            state: self.state(row),
            request: self.message(row, 3, REQUEST_COLUMNS),
            response: self.message(row, 6, RESPONSE_COLUMNS),
            status: shape.status,
            timing: self.timing(row),
            watched_ns: self.measured(Column::Watched, row),
            anomalies: Anomalies::from_bits(shape.anomalies),
        }
    }
}

/// The columns of one block on their way to numbers.
struct Reader<'a> {
    counts: [usize; TABLES],
    encoded: [Option<&'a [u8]>; COLUMNS],
}

impl Reader<'_> {
    /// A column with a value for each of a table.
    fn table(&self, column: Column) -> Result<Vec<u64>, Malformed> {
        let Counted::Table(table) = of_what(column as usize) else { return Ok(Vec::new()) };
        self.column(column as usize, self.counts.get(table as usize).copied().unwrap_or(0))
    }

    fn column(&self, id: usize, len: usize) -> Result<Vec<u64>, Malformed> {
        match self.encoded.get(id).copied().flatten() {
            None => Ok(vec![0; len]),
            Some(bytes) => {
                column::decode(bytes, len).map_err(|malformed| format!("column {id}: {malformed}"))
            }
        }
    }
}

/// Holds that no table is larger than the rows can fill it.
fn check_counts(counts: [usize; TABLES]) -> Result<(), Malformed> {
    let [rows, calls, shapes, lists, statuses, addresses, connections] = counts;
    let whole = rows <= BLOCK_EXCHANGES_MAX
        && calls <= rows
        && shapes <= rows
        && lists <= rows + 1
        && statuses <= rows * INTERIM_RESPONSES_MAX
        && addresses <= 2 * rows
        && connections <= rows;
    if whole { Ok(()) } else { Err(format!("tables of {counts:?} found")) }
}

/// A number of 64 bits where fewer are meant.
fn narrow<T: TryFrom<u64>>(value: u64) -> Result<T, Malformed> {
    T::try_from(value).map_err(|_| format!("{value} found, which is too large"))
}
