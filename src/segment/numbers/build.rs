//! Facts taken apart into the columns of a block.

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::{
    BodiesKept, COLUMNS, Column, REQUEST_COLUMNS, RESPONSE_COLUMNS, Shape, Table, phases, sign,
};
use crate::exchange::{ConnectionKey, Facts, MessageFacts, Network};
use crate::limits::INTERIM_RESPONSES_MAX;
use crate::packet::Endpoint;
use crate::segment::column::ColumnEncoder;
use crate::segment::cursor::{put_bytes, put_varint, zigzag};

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
pub(in crate::segment) struct NumbersBuilder {
    columns: Columns,
    shapes: HashMap<Shape, usize, RandomState>,
    /// The shape of the latest row, which most have that follow, and its position.
    latest_shape: Option<(Shape, usize)>,
    interim_lists: HashMap<Vec<u16>, u32, RandomState>,
    addresses: HashMap<(u64, u64), usize, RandomState>,
    address_before: (u64, u64),
    /// Connections as they were at some time: what is known of the network grows.
    connections: HashMap<(ConnectionKey, Network), usize, RandomState>,
    client_port_before: u64,
    /// Next index of each connection.
    next_index: Vec<u64>,
    end_before: u64,
    columns_out: Vec<u8>,
}

impl NumbersBuilder {
    /// How many rows it holds.
    pub(in crate::segment) fn len(&self) -> usize {
        self.count(Table::Rows)
    }

    fn put(&mut self, column: Column, value: u64) {
        if let Some(column) = self.columns.0.get_mut(column as usize) {
            column.push(value);
        }
    }

    /// Adds a call: positions of a method, a route and a host in the block's names.
    pub(in crate::segment) fn push_call(&mut self, method: u64, route: u64, host: u64) {
        self.put(Column::CallMethod, method);
        self.put(Column::CallRoute, route);
        self.put(Column::CallHost, host);
    }

    /// Adds a row.
    pub(in crate::segment) fn push(
        &mut self,
        facts: &Facts,
        call: usize,
        interim: &[u16],
        kept: BodiesKept,
    ) {
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
        self.evidence(facts);
    }

    fn evidence(&mut self, facts: &Facts) {
        let counts = facts.evidence.counts();
        if counts.iter().any(|&count| count != 0) {
            let columns = self.columns.0.iter_mut().skip(Column::EvidenceFirst as usize);
            columns.zip(counts).for_each(|(column, count)| column.push(count));
        }
    }

    fn connection(&mut self, facts: &Facts) -> usize {
        let key = facts.connection;
        let known = self.connections.len();
        let network = facts.evidence.network;
        let position = *self.connections.entry((key, network)).or_insert(known);
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
            self.put(Column::ServerHandshake, network.server_handshake_ns.into());
            self.put(Column::ClientHandshake, network.client_handshake_ns.into());
            self.put(Column::ServerLeast, network.server_least_ns.into());
            self.put(Column::ClientLeast, network.client_least_ns.into());
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
        if let Some((latest, position)) = self.latest_shape
            && latest == shape
        {
            return position;
        }
        let known = self.shapes.len();
        let position = *self.shapes.entry(shape).or_insert(known);
        self.latest_shape = Some((shape, position));
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
    pub(in crate::segment) fn finish(&mut self, encoder: &mut ColumnEncoder) -> Vec<u8> {
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
        self.latest_shape = None;
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

/// Position in a table of that length; see *recent* above.
const fn recent(position: usize, len_before: usize) -> u64 {
    len_before.saturating_sub(position) as u64
}

fn difference(value: u64, before: u64) -> u64 {
    zigzag(value.wrapping_sub(before).cast_signed())
}

/// Start and total of an exchange, or how long it was watched: when it was recorded, mostly.
fn end(facts: &Facts) -> u64 {
    let lasted = facts.timing.total_ns.unwrap_or(facts.watched_ns);
    facts.start.as_nanos().cast_unsigned().wrapping_add(lasted)
}
