//! The columns of a block put together to facts.

use super::{
    BLOCKED, BodiesKept, COLUMNS, CONNECT, Column, Counted, EVIDENCE, EVIDENCE_COLUMNS, RECEIVE,
    REQUEST_BODY, REQUEST_COLUMNS, RESPONSE_BODY, RESPONSE_COLUMNS, SEND, Shape, TABLES, TOTAL,
    WAIT, of_what, phases,
};
use crate::anomaly::Anomalies;
use crate::exchange::{ConnectionKey, Evidence, Facts, MessageFacts, Network, State, Timing};
use crate::limits::{BLOCK_EXCHANGES_MAX, INTERIM_RESPONSES_MAX};
use crate::packet::Endpoint;
use crate::segment::column;
use crate::segment::cursor::{Cursor, Malformed, unzigzag};
use crate::time::Timestamp;

/// Positions of a call's method, route and host in the block's names.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::segment) struct Call {
    pub(in crate::segment) method: usize,
    pub(in crate::segment) route: usize,
    pub(in crate::segment) host: usize,
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
pub(in crate::segment) struct Numbers {
    rows: Vec<Row>,
    calls: Vec<Call>,
    shapes: Vec<Shape>,
    interim_lists: Vec<Vec<u16>>,
    connections: Vec<ConnectionKey>,
    networks: Vec<Network>,
    /// The columns from [`Column::RequestHeader`] on, filled up to a value for every row.
    measured: Vec<Vec<u64>>,
}

/// Columns before the first one that only some rows have.
const TABLE_COLUMNS: usize = Column::RequestHeader as usize;

impl Numbers {
    /// Reads what [`NumbersBuilder::finish`] wrote.
    pub(in crate::segment) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes)?;
        let mut numbers = Self::default();
        numbers.read_tables(&mut reader)?;
        numbers.read_rows(&mut reader)?;
        numbers.measured = numbers.read_measured(&reader)?;
        numbers.resolve_starts(&reader)?;
        Ok(numbers)
    }

    /// The shapes and nothing else.
    pub(super) fn only_shapes(reader: &Reader<'_>) -> Result<Vec<Shape>, Malformed> {
        let mut numbers = Self::default();
        numbers.read_interim(reader)?;
        numbers.read_shapes(reader)?;
        Ok(numbers.shapes)
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
        self.read_shapes(reader)
    }

    fn read_shapes(&mut self, reader: &Reader<'_>) -> Result<(), Malformed> {
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

    fn read_interim(&mut self, reader: &Reader<'_>) -> Result<(), Malformed> {
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
        self.read_networks(reader)
    }

    fn read_networks(&mut self, reader: &Reader<'_>) -> Result<(), Malformed> {
        let [server, client, server_least, client_least] = [
            reader.table(Column::ServerHandshake)?,
            reader.table(Column::ClientHandshake)?,
            reader.table(Column::ServerLeast)?,
            reader.table(Column::ClientLeast)?,
        ];
        for (((server, client), server_least), client_least) in
            server.into_iter().zip(client).zip(server_least).zip(client_least)
        {
            self.networks.push(Network {
                server_handshake_ns: narrow(server)?,
                client_handshake_ns: narrow(client)?,
                server_least_ns: narrow(server_least)?,
                client_least_ns: narrow(client_least)?,
            });
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
            let Counted::RowsWith(mask) = of_what(id) else {
                // Of connections, not of rows; its place is kept so that ids stay positions.
                measured.push(Vec::new());
                continue;
            };
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

    pub(in crate::segment) fn len(&self) -> usize {
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
    pub(in crate::segment) fn call(&self, row: usize) -> Option<Call> {
        self.calls.get(self.rows.get(row)?.call as usize).copied()
    }

    /// The calls.
    pub(in crate::segment) fn calls(&self) -> &[Call] {
        &self.calls
    }

    pub(in crate::segment) fn interim(&self, row: usize) -> &[u16] {
        self.interim_lists.get(self.shape(row).interim as usize).map_or(&[], Vec::as_slice)
    }

    pub(in crate::segment) fn kept(&self, row: usize) -> BodiesKept {
        let shape = self.shape(row);
        BodiesKept { request: shape.has(REQUEST_BODY), response: shape.has(RESPONSE_BODY) }
    }

    pub(in crate::segment) fn start(&self, row: usize) -> Timestamp {
        Timestamp::from_nanos(self.row(row).start.cast_signed())
    }

    pub(in crate::segment) fn state(&self, row: usize) -> State {
        self.shape(row).state().unwrap_or_default()
    }

    pub(in crate::segment) fn status(&self, row: usize) -> u16 {
        self.shape(row).status
    }

    pub(in crate::segment) fn timing(&self, row: usize) -> Timing {
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

    fn evidence(&self, row: usize, connection: u32) -> Evidence {
        let network = self.networks.get(connection as usize).copied().unwrap_or_default();
        if !self.shape(row).has(EVIDENCE) {
            return Evidence { network, ..Evidence::default() };
        }
        let mut counts = [0; EVIDENCE_COLUMNS];
        let columns = self.measured.iter().skip(Column::EvidenceFirst as usize - TABLE_COLUMNS);
        for (count, column) in counts.iter_mut().zip(columns) {
            *count = column.get(row).copied().unwrap_or(0);
        }
        Evidence::of_counts(counts, network)
    }

    /// Every number of the row.
    pub(in crate::segment) fn facts(&self, row: usize) -> Facts {
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
            evidence: self.evidence(row, ids.connection),
        }
    }
}

/// The columns of one block on their way to numbers.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    counts: [usize; TABLES],
    encoded: [Option<&'a [u8]>; COLUMNS],
}

impl<'a> Reader<'a> {
    /// Finds the columns; none is unpacked.
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, Malformed> {
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
        Ok(Self { counts, encoded })
    }

    /// How many rows the block has.
    pub(super) fn rows(&self) -> usize {
        let [rows, ..] = self.counts;
        rows
    }

    /// A column with a value for each of a table.
    pub(super) fn table(&self, column: Column) -> Result<Vec<u64>, Malformed> {
        let Counted::Table(table) = of_what(column as usize) else { return Ok(Vec::new()) };
        self.column(column as usize, self.counts.get(table as usize).copied().unwrap_or(0))
    }

    pub(super) fn column(&self, id: usize, len: usize) -> Result<Vec<u64>, Malformed> {
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

pub(super) fn sum(before: u64, difference: u64) -> u64 {
    before.wrapping_add(unzigzag(difference).cast_unsigned())
}
