//! Exchanges gathered into columns, and the schema of those columns.

use std::io::Write;
use std::sync::Arc;

use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::Result;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::TypePtr;

use crate::exchange::{Exchange, ExchangeId, MessageFacts};
use crate::http::lines;
use crate::query::text;

/// The columns, in the order in which [`Rows::push`] fills them. A promise to users: only ever
/// appended to. A list is empty where there is nothing in it, never null.
const SCHEMA: &str = "message exchange {
  required binary id (STRING);
  required int64 start (TIMESTAMP(MICROS, true));
  required int64 start_ns;
  required binary client (STRING);
  required int32 client_port;
  required binary server (STRING);
  required int32 server_port;
  required binary connection (STRING);
  required int32 connection_index;
  required binary state (STRING);
  optional binary method (STRING);
  optional binary http_host (STRING);
  optional binary path (STRING);
  optional binary target (STRING);
  optional binary route (STRING);
  optional int32 status;
  optional int64 request_header_bytes;
  optional int64 request_bytes;
  optional int64 response_header_bytes;
  optional int64 response_bytes;
  optional int64 connect_ns;
  optional int64 send_ns;
  optional int64 blocked_ns;
  optional int64 wait_ns;
  optional int64 receive_ns;
  optional int64 total_ns;
  required int64 watched_ns;
  required boolean suspect;
  required group anomalies (LIST) {
    repeated group list { required binary element (STRING); }
  }
  required group interim (LIST) {
    repeated group list { required int32 element; }
  }
  required group request_headers (LIST) {
    repeated group list {
      required group element { required binary name (STRING); required binary value (STRING); }
    }
  }
  required group response_headers (LIST) {
    repeated group list {
      required group element { required binary name (STRING); required binary value (STRING); }
    }
  }
}";

/// The schema of every file.
pub(super) fn schema() -> Result<TypePtr> {
    Ok(Arc::new(parse_message_type(SCHEMA)?))
}

/// Whether a column has a value in every row, may have none, or has a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Presence {
    #[default]
    Required,
    Optional,
    List,
}

/// One column: its values, and which rows they belong to.
#[derive(Debug)]
struct Column<T> {
    presence: Presence,
    values: Vec<T>,
    /// 1 for a value, 0 for none; empty where every row has one.
    definitions: Vec<i16>,
    /// 1 for a value that continues the list before it; empty where there are no lists.
    repetitions: Vec<i16>,
}

impl<T> Column<T> {
    const fn new(presence: Presence) -> Self {
        Self { presence, values: Vec::new(), definitions: Vec::new(), repetitions: Vec::new() }
    }

    fn push(&mut self, value: Option<T>) {
        if self.presence == Presence::Optional {
            self.definitions.push(i16::from(value.is_some()));
        }
        self.values.extend(value);
    }

    fn push_list(&mut self, values: impl IntoIterator<Item = T>) {
        let before = self.values.len();
        for value in values {
            self.repetitions.push(i16::from(self.values.len() > before));
            self.definitions.push(1);
            self.values.push(value);
        }
        if self.values.len() == before {
            self.repetitions.push(0);
            self.definitions.push(0);
        }
    }

    fn clear(&mut self) {
        self.values.clear();
        self.definitions.clear();
        self.repetitions.clear();
    }
}

/// A column of any type.
#[derive(Debug)]
enum Cells {
    Text(Column<ByteArray>),
    Int64(Column<i64>),
    Int32(Column<i32>),
    Bool(Column<bool>),
}

/// Rows that wait to be written as one group.
#[derive(Debug)]
pub(super) struct Rows {
    columns: Vec<Cells>,
    count: usize,
    text_bytes: usize,
}

impl Default for Rows {
    fn default() -> Self {
        use Presence::{List, Optional, Required};
        let text = |presence| Cells::Text(Column::new(presence));
        let long = |presence| Cells::Int64(Column::new(presence));
        let int = |presence| Cells::Int32(Column::new(presence));
        let mut columns = vec![text(Required), long(Required), long(Required)];
        columns.extend([text(Required), int(Required), text(Required), int(Required)]);
        columns.extend([text(Required), int(Required), text(Required)]);
        columns.extend((0..5).map(|_| text(Optional)));
        columns.push(int(Optional));
        columns.extend((0..10).map(|_| long(Optional)));
        columns.extend([long(Required), Cells::Bool(Column::new(Required))]);
        columns.extend([text(List), int(List)]);
        columns.extend((0..4).map(|_| text(List)));
        Self { columns, count: 0, text_bytes: 0 }
    }
}

impl Rows {
    /// Rows that wait.
    pub(super) const fn len(&self) -> usize {
        self.count
    }

    /// Bytes of text in them.
    pub(super) const fn text_bytes(&self) -> usize {
        self.text_bytes
    }

    /// Adds one row.
    pub(super) fn push(&mut self, exchange: &Exchange) {
        self.count += 1;
        let mut row = Row { columns: self.columns.iter_mut(), text_bytes: 0 };
        row.identity(exchange);
        row.request(exchange);
        row.numbers(exchange);
        let facts = &exchange.facts;
        row.texts(facts.anomalies.iter().map(|anomaly| anomaly.name().as_bytes().to_vec()));
        if let Some(Cells::Int32(column)) = row.columns.next() {
            column.push_list(exchange.interim.iter().map(|&status| i32::from(status)));
        }
        row.headers(&exchange.request.head);
        row.headers(&exchange.response.head);
        self.text_bytes += row.text_bytes;
    }

    /// Writes the rows as one group, and is empty after it.
    pub(super) fn write<W: Write + Send>(
        &mut self,
        writer: &mut SerializedFileWriter<W>,
    ) -> Result<()> {
        if self.count == 0 {
            return Ok(());
        }
        let mut group = writer.next_row_group()?;
        for cells in &mut self.columns {
            match cells {
                Cells::Text(column) => write_column::<ByteArrayType, W>(column, &mut group)?,
                Cells::Int64(column) => write_column::<Int64Type, W>(column, &mut group)?,
                Cells::Int32(column) => write_column::<Int32Type, W>(column, &mut group)?,
                Cells::Bool(column) => write_column::<BoolType, W>(column, &mut group)?,
            }
        }
        group.close()?;
        self.count = 0;
        self.text_bytes = 0;
        Ok(())
    }
}

fn write_column<T: DataType, W: Write + Send>(
    column: &mut Column<T::T>,
    group: &mut SerializedRowGroupWriter<'_, W>,
) -> Result<()> {
    if let Some(mut writer) = group.next_column()? {
        let definitions = (column.presence != Presence::Required).then_some(&*column.definitions);
        let repetitions = (column.presence == Presence::List).then_some(&*column.repetitions);
        writer.typed::<T>().write_batch(&column.values, definitions, repetitions)?;
        writer.close()?;
    }
    column.clear();
    Ok(())
}

/// Fills the columns of one row in their order.
struct Row<'r> {
    columns: std::slice::IterMut<'r, Cells>,
    text_bytes: usize,
}

impl Row<'_> {
    fn identity(&mut self, exchange: &Exchange) {
        let facts = &exchange.facts;
        let connection = facts.connection;
        self.text(Some(facts.id().to_string().into_bytes()));
        self.long(Some(facts.start.as_nanos().div_euclid(1000)));
        self.long(Some(facts.start.as_nanos()));
        for endpoint in [connection.client, connection.server] {
            self.text(Some(endpoint.ip().to_string().into_bytes()));
            self.int(Some(i32::from(endpoint.port())));
        }
        self.text(Some(ExchangeId::derive(&connection, 0).to_string().into_bytes()));
        self.int(Some(i32::try_from(facts.index).unwrap_or(i32::MAX)));
        self.text(Some(facts.state.name().as_bytes().to_vec()));
    }

    fn request(&mut self, exchange: &Exchange) {
        let head = exchange.request.head.as_slice();
        if exchange.facts.request.is_none() {
            (0..5).for_each(|_| self.text(None));
            return;
        }
        let line = lines::request_line(head);
        self.text(Some(line.method.to_vec()));
        self.text(text::host(head).map(std::borrow::Cow::into_owned));
        self.text(Some(text::path(line.target).to_vec()));
        self.text(Some(line.target.to_vec()));
        self.text(Some([line.method, b" ", exchange.route.as_bytes()].concat()));
    }

    fn numbers(&mut self, exchange: &Exchange) {
        let facts = &exchange.facts;
        self.int(Some(i32::from(facts.status)).filter(|&status| status > 0));
        for message in [&facts.request, &facts.response] {
            let header_bytes = |message: &MessageFacts| i64::from(message.header_bytes);
            self.long(message.as_ref().map(header_bytes));
            self.long(message.as_ref().map(|message| signed(message.body_bytes)));
        }
        let timing = facts.timing;
        let phases = [
            timing.connect_ns,
            timing.send_ns,
            timing.blocked_ns,
            timing.wait_ns,
            timing.receive_ns,
            timing.total_ns,
        ];
        phases.into_iter().for_each(|nanos| self.long(nanos.map(signed)));
        self.long(Some(signed(facts.watched_ns)));
        if let Some(Cells::Bool(column)) = self.columns.next() {
            column.push(Some(facts.anomalies.is_suspect()));
        }
    }

    /// Two lists: the names and the values.
    fn headers(&mut self, head: &[u8]) {
        self.texts(lines::fields(head).map(|field| field.name.to_vec()));
        self.texts(lines::fields(head).map(|field| field.value.into_owned()));
    }

    fn text(&mut self, bytes: Option<Vec<u8>>) {
        let Some(Cells::Text(column)) = self.columns.next() else { return };
        self.text_bytes += bytes.as_ref().map_or(0, Vec::len);
        column.push(bytes.map(utf8));
    }

    fn texts(&mut self, texts: impl Iterator<Item = Vec<u8>>) {
        let Some(Cells::Text(column)) = self.columns.next() else { return };
        let mut text_bytes = 0;
        column.push_list(texts.map(|bytes| {
            text_bytes += bytes.len();
            utf8(bytes)
        }));
        self.text_bytes += text_bytes;
    }

    fn long(&mut self, number: Option<i64>) {
        if let Some(Cells::Int64(column)) = self.columns.next() {
            column.push(number);
        }
    }

    fn int(&mut self, number: Option<i32>) {
        if let Some(Cells::Int32(column)) = self.columns.next() {
            column.push(number);
        }
    }
}

/// Engines read unsigned numbers as decimals, so they are signed.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Text as every engine reads it: bytes that are not UTF-8 are taken for Latin-1, as in JSON.
fn utf8(bytes: Vec<u8>) -> ByteArray {
    match String::from_utf8(bytes) {
        Ok(text) => ByteArray::from(text.into_bytes()),
        Err(error) => {
            let latin: String = error.as_bytes().iter().map(|&byte| char::from(byte)).collect();
            ByteArray::from(latin.into_bytes())
        }
    }
}
