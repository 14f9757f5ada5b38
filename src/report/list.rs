//! One line an exchange, for people.

use std::cell::Cell;

use crate::anomaly::Anomaly;
use crate::exchange::{Exchange, Facts, State};
use crate::http::lines;
use crate::query::Metric;
use crate::query::group::Keys;
use crate::report::escape::{cut, escaped};
use crate::report::style::{Role, Style};
use crate::report::units;
use crate::segment;
use crate::time::Clock;

/// Below this width the date is left out: times of day tell most listings' lines apart.
const DATE_FROM_WIDTH: usize = 100;

/// Least columns that the request keeps where what was odd follows it.
const REQUEST_COLUMNS_MIN: usize = 20;

/// What was odd is left out where it has less room than this.
const TAIL_COLUMNS_MIN: usize = 6;

/// Columns that the value of a key takes at least.
const VALUE_COLUMNS_MIN: usize = 12;

/// Columns that the value of a key takes at most, where lines are cut.
const VALUE_COLUMNS_MAX: usize = 32;

/// How lines are laid out.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Keys whose values stand before the line.
    keys: Keys,
    /// The time that is shown.
    metric: Metric,
    /// Columns that a line may take; `None`: any.
    width: Option<usize>,
    /// Whether in colour.
    style: Style,
    /// The time of the line before.
    clock: Cell<Clock>,
    /// The client of the line before.
    client: Cell<Written>,
}

/// An IPv4 address and how it is written; most lines have the client of the one before.
#[derive(Clone, Copy, Debug, Default)]
struct Written {
    octets: [u8; 4],
    text: [u8; ADDRESS_BYTES_MAX],
    /// Bytes of the text; 0 before the first line.
    len: usize,
}

/// Bytes of the longest IPv4 address.
const ADDRESS_BYTES_MAX: usize = 15;

impl Layout {
    /// No keys, and the total.
    #[must_use]
    pub fn new(width: Option<usize>, style: Style) -> Self {
        let (keys, metric) = (Keys::none(), Metric::Total);
        Self { width, style, keys, metric, clock: Cell::default(), client: Cell::default() }
    }

    /// The same with the values of these keys, and another time.
    #[must_use]
    pub fn with(self, keys: Keys, metric: Metric) -> Self {
        Self { keys, metric, ..self }
    }

    /// The values of the keys, each in its column.
    fn values(&self, exchange: &Exchange) -> String {
        let mut columns = String::new();
        for value in self.keys.of(exchange) {
            let mut value = value.map_or_else(|| "-".to_owned(), |v| escaped(&v).to_string());
            if self.width.is_some() {
                value = cut(&value, VALUE_COLUMNS_MAX);
            }
            columns.push_str(&format!("{value:<VALUE_COLUMNS_MIN$} "));
        }
        columns
    }
}

/// Columns of month and day.
const MONTH_COLUMNS: usize = 5;

/// Columns of a time, and of an address of IPv4 as short as most.
const TIME_COLUMNS: usize = 8;
const ADDRESS_COLUMNS: usize = 12;

/// Appends one line: the values of the keys, when it began, the beginning of its id (enough for
/// `weir show`), status, time, client, request, and what was odd.
pub fn line(exchange: &Exchange, layout: &Layout, out: &mut Vec<u8>) {
    let Layout { keys, metric, width, style, .. } = layout;
    let facts = &exchange.facts;
    let mut values_columns = 0;
    if !keys.as_slice().is_empty() {
        let values = layout.values(exchange);
        values_columns = values.chars().count();
        out.extend_from_slice(values.as_bytes());
    }
    let when = paint(*style, Role::Faint, out, |out| push_when(facts, layout, out));
    let status_role = match facts.class() {
        5 => Role::Bad,
        2 => Role::Good,
        4 => Role::Odd,
        _ => Role::Faint,
    };
    let status = paint(*style, status_role, out, |out| match facts.status {
        0 => out.extend_from_slice(b"  -"),
        code => units::put_number(code.into(), out),
    });
    out.push(b' ');
    let time_columns = push_time_column(facts, *metric, out);
    out.push(b' ');
    let client_at = out.len();
    push_address(facts, layout, out);
    let taken = out.len() - client_at;
    out.extend_from_slice(b"            ".get(taken..).unwrap_or_default());
    out.push(b' ');
    let columns = when + status + time_columns.max(TIME_COLUMNS) + taken.max(ADDRESS_COLUMNS) + 3;
    let mut tail = tail(facts);
    match *width {
        None => push_request(exchange, out),
        Some(width) => {
            let mut request = Vec::new();
            push_request(exchange, &mut request);
            let request = String::from_utf8_lossy(&request);
            let room = width.saturating_sub(values_columns + columns);
            let kept = request.chars().count().min(REQUEST_COLUMNS_MIN);
            let tail_room = room.saturating_sub(kept + 1);
            tail = if tail_room < TAIL_COLUMNS_MIN { String::new() } else { cut(&tail, tail_room) };
            let tail_columns = if tail.is_empty() { 0 } else { tail.chars().count() + 1 };
            out.extend_from_slice(cut(&request, room.saturating_sub(tail_columns)).as_bytes());
        }
    }
    if !tail.is_empty() {
        out.push(b' ');
        paint(*style, Role::Odd, out, |out| out.extend_from_slice(tail.as_bytes()));
    }
    out.push(b'\n');
}

/// Appends what `push` appends, in the colour of its role; how many bytes, colours apart.
fn paint(style: Style, role: Role, out: &mut Vec<u8>, push: impl FnOnce(&mut Vec<u8>)) -> usize {
    match style {
        Style::Plain => {
            let at = out.len();
            push(out);
            out.len() - at
        }
        Style::Coloured => {
            let mut text = Vec::new();
            push(&mut text);
            let painted = style.paint(role, String::from_utf8_lossy(&text)).to_string();
            out.extend_from_slice(painted.as_bytes());
            text.len()
        }
    }
}

/// Whether lines of that width begin with the date.
fn shows_date(width: Option<usize>) -> bool {
    width.is_none_or(|width| width >= DATE_FROM_WIDTH)
}

/// Appends when it began, from the month where there is room, else from the hour, to the
/// millisecond, and eight letters of the id.
fn push_when(facts: &Facts, layout: &Layout, out: &mut Vec<u8>) {
    let mut clock = layout.clock.get();
    let [_, _, _, _, _, date @ ..] = clock.milliseconds(facts.start);
    layout.clock.set(clock);
    let (month, time) = date.split_at(MONTH_COLUMNS);
    if shows_date(layout.width) {
        out.extend_from_slice(month);
        out.push(b' ');
    }
    out.extend_from_slice(time.get(1..).unwrap_or_default());
    out.push(b' ');
    let [letters @ .., _, _, _, _, _, _, _, _] = &facts.id().letters();
    out.extend_from_slice(letters);
    out.push(b' ');
}

/// The client's address; IPv4 without the formatting machinery, because most are.
fn push_address(facts: &Facts, layout: &Layout, out: &mut Vec<u8>) {
    let octets = match facts.connection.client.ip() {
        std::net::IpAddr::V4(address) => address.octets(),
        std::net::IpAddr::V6(address) => {
            out.extend_from_slice(address.to_string().as_bytes());
            return;
        }
    };
    let mut written = layout.client.get();
    if written.len == 0 || written.octets != octets {
        written = Written::new(octets);
        layout.client.set(written);
    }
    out.extend_from_slice(written.text.get(..written.len).unwrap_or_default());
}

impl Written {
    fn new(octets: [u8; 4]) -> Self {
        let mut bytes = Vec::with_capacity(ADDRESS_BYTES_MAX);
        for (place, octet) in octets.into_iter().enumerate() {
            if place > 0 {
                bytes.push(b'.');
            }
            units::put_number(octet.into(), &mut bytes);
        }
        let mut text = [0; ADDRESS_BYTES_MAX];
        for (to, from) in text.iter_mut().zip(&bytes) {
            *to = *from;
        }
        Self { octets, text, len: bytes.len() }
    }
}

/// Appends the time, to the right of its column; gives the columns of the time itself.
fn push_time_column(facts: &Facts, metric: Metric, out: &mut Vec<u8>) -> usize {
    let column_at = out.len();
    out.extend_from_slice(&[b' '; TIME_COLUMNS]);
    let time_at = out.len();
    push_time(facts, metric, out);
    let columns = out.len() - time_at;
    // It was written behind the column, and belongs at the column's end.
    let kept = columns.max(TIME_COLUMNS);
    out.copy_within(time_at.., column_at + kept - columns);
    out.truncate(column_at + kept);
    columns
}

/// The time of a phase; in place of the total of an exchange that did not end, how long it was
/// watched at least.
fn push_time(facts: &Facts, metric: Metric, out: &mut Vec<u8>) {
    match (metric.of(&facts.timing), facts.state) {
        (Some(ns), _) => units::put_duration(ns, out),
        (None, State::Open | State::Unanswered | State::Truncated)
            if metric == Metric::Total && facts.watched_ns > 0 =>
        {
            out.push(b'>');
            units::put_duration(facts.watched_ns, out);
        }
        _ => out.push(b'-'),
    }
}

/// Appends method, host and target; `-` where the request was not seen.
fn push_request(exchange: &Exchange, out: &mut Vec<u8>) {
    if exchange.facts.request.is_none() {
        out.push(b'-');
        return;
    }
    let head = exchange.request.head.as_slice();
    let line = lines::request_line(head);
    if line.method.is_empty() {
        push_escaped(exchange.route.as_bytes(), out);
        return;
    }
    let at = out.len();
    let parts = |out: &mut Vec<u8>, push: fn(&[u8], &mut Vec<u8>)| {
        push(line.method, out);
        out.push(b' ');
        // The target of another form than the path alone says the host itself.
        if line.target.first() == Some(&b'/') {
            push(&segment::host_of_line(line), out);
        }
        push(line.target, out);
    };
    parts(out, |bytes, out| out.extend_from_slice(bytes));
    if !out.get(at..).is_some_and(is_plain) {
        out.truncate(at);
        parts(out, push_escaped);
    }
}

/// Whether all bytes are visible ASCII or blanks. Each is looked at, which goes faster than to
/// stop at the first odd one.
fn is_plain(bytes: &[u8]) -> bool {
    bytes.iter().fold(true, |plain, byte| plain & (b' '..=b'~').contains(byte))
}

/// Appends bytes escaped.
fn push_escaped(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(escaped(bytes).to_string().as_bytes());
}

/// The state, where it is not complete, and the anomalies.
fn tail(facts: &Facts) -> String {
    if facts.state == State::Complete && facts.anomalies.is_empty() {
        return String::new();
    }
    let mut words: Vec<&str> = Vec::new();
    if facts.state != State::Complete {
        words.push(facts.state.name());
    }
    words.extend(facts.anomalies.iter().map(Anomaly::name));
    if words.is_empty() { String::new() } else { format!("({})", words.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{ConnectionKey, MessageFacts, Timing};
    use crate::packet::Endpoint;
    use crate::time::Timestamp;

    fn sample() -> Exchange {
        let mut exchange = Exchange {
            facts: Facts {
                connection: ConnectionKey {
                    client: Endpoint::v4([10, 0, 0, 1], 51324),
                    ..ConnectionKey::default()
                },
                start: Timestamp::from_nanos(1_795_242_865_123_456_789),
                request: Some(MessageFacts::default()),
                response: Some(MessageFacts::default()),
                status: 200,
                timing: Timing { total_ns: Some(1_234_567), ..Timing::default() },
                ..Facts::default()
            },
            ..Exchange::default()
        };
        exchange.request.head =
            b"GET /cart?x=1\x1b[31m HTTP/1.1\r\nHost: shop.test\r\n\r\n".to_vec();
        exchange
    }

    #[test]
    fn a_line_tells_when_what_and_how() {
        let exchange = sample();
        let id = exchange.id().to_string()[..8].to_owned();
        let check = |exchange: &Exchange, width: Option<usize>, expected: &str| {
            let mut found = Vec::new();
            line(exchange, &Layout::new(width, Style::Plain), &mut found);
            assert_eq!(String::from_utf8_lossy(&found), expected.replace("ID", &id));
        };
        check(
            &exchange,
            None,
            "11-21 06:34:25.123 ID 200  1.23 ms 10.0.0.1     GET shop.test/cart?x=1\\x1b[31m\n",
        );
        check(
            &exchange,
            Some(80),
            "06:34:25.123 ID 200  1.23 ms 10.0.0.1     GET shop.test/cart?x=1\\x1b[31m\n",
        );
        check(&exchange, Some(62), "06:34:25.123 ID 200  1.23 ms 10.0.0.1     GET shop.test…\n");
        let mut odd = exchange.clone();
        odd.facts.state = State::Open;
        odd.facts.status = 0;
        odd.facts.timing = Timing::default();
        odd.facts.watched_ns = 3_000_000_000;
        odd.facts.anomalies.add(Anomaly::EarlyResponse);
        check(
            &odd,
            None,
            "11-21 06:34:25.123 ID   -  >3.00 s 10.0.0.1     GET shop.test/cart?x=1\\x1b[31m (open, early_response)\n",
        );
        check(
            &odd,
            Some(80),
            "06:34:25.123 ID   -  >3.00 s 10.0.0.1     GET shop.test/cart?… (open, ear…\n",
        );
        check(&odd, Some(66), "06:34:25.123 ID   -  >3.00 s 10.0.0.1     GET shop.test/car…\n");
        odd.facts.request = None;
        odd.facts.state = State::Orphan;
        odd.request.head.clear();
        check(
            &odd,
            None,
            "11-21 06:34:25.123 ID   -        - 10.0.0.1     - (orphan, early_response)\n",
        );
    }

    #[test]
    fn keys_and_another_time_are_shown_where_they_are_asked_for() {
        let mut exchange = sample();
        exchange.facts.timing.wait_ns = Some(250_000);
        let id = exchange.id().to_string()[..8].to_owned();
        let keys = Keys::parse("status,request.header.host,response.header.x").expect("keys");
        let layout = Layout::new(None, Style::Plain).with(keys, Metric::Wait);
        let mut found = Vec::new();
        line(&exchange, &layout, &mut found);
        let expected = "200          shop.test    -            11-21 06:34:25.123 ID 200   250 us \
                        10.0.0.1     GET shop.test/cart?x=1\\x1b[31m\n";
        assert_eq!(String::from_utf8_lossy(&found), expected.replace("ID", &id));
    }

    #[test]
    fn colours_hold_no_orders_of_strangers() {
        let mut found = Vec::new();
        line(&sample(), &Layout::new(Some(100), Style::Coloured), &mut found);
        let found = String::from_utf8(found).expect("text");
        assert!(found.contains("\x1b[32m200\x1b[0m"));
        assert!(!found.contains("\x1b[31m"));
    }
}
