//! One line an exchange, for people.

use std::cell::RefCell;

use crate::anomaly::Anomaly;
use crate::exchange::{Exchange, Facts, State, write_asked};
use crate::http::lines;
use crate::query::Metric;
use crate::query::group::Keys;
use crate::report::columns::{self, ADDRESS_COLUMNS, Memory, TIME_COLUMNS};
use crate::report::escape::{cut, escaped};
use crate::report::style::{Role, Style};
use crate::report::units;
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
    /// Whether there are neither keys nor colours nor a width.
    is_bare: bool,
    /// What the next lines may have in common with the ones before.
    memory: RefCell<Memory>,
}

impl Layout {
    /// No keys, and the total.
    #[must_use]
    pub fn new(width: Option<usize>, style: Style) -> Self {
        let (keys, metric) = (Keys::none(), Metric::Total);
        let is_bare = width.is_none() && style == Style::Plain;
        Self { width, style, keys, metric, is_bare, memory: RefCell::default() }
    }

    /// The same with the values of these keys, and another time.
    #[must_use]
    pub fn with(self, keys: Keys, metric: Metric) -> Self {
        let is_bare = self.is_bare && keys.as_slice().is_empty();
        Self { keys, metric, is_bare, ..self }
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

/// Appends one line: the values of the keys, when it began, the beginning of its id (enough for
/// `weir show`), status, time, client, request, and what was odd.
pub fn line(exchange: &Exchange, layout: &Layout, out: &mut Vec<u8>) {
    let facts = &exchange.facts;
    let is_bare = layout.is_bare && facts.state == State::Complete && facts.anomalies.is_empty();
    if is_bare && columns::push(facts, layout.metric, &mut layout.memory.borrow_mut(), out) {
        push_request(exchange, out);
        out.push(b'\n');
    } else {
        line_any(exchange, layout, out);
    }
}

/// As [`line`], of any exchange in any layout.
fn line_any(exchange: &Exchange, layout: &Layout, out: &mut Vec<u8>) {
    let Layout { keys, width, style, .. } = layout;
    let facts = &exchange.facts;
    let mut values_columns = 0;
    if !keys.as_slice().is_empty() {
        let values = layout.values(exchange);
        values_columns = values.chars().count();
        out.extend_from_slice(values.as_bytes());
    }
    let columns = push_columns(facts, layout, out);
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

/// Appends the columns before the request, whatever they hold; how many they are.
fn push_columns(facts: &Facts, layout: &Layout, out: &mut Vec<u8>) -> usize {
    let Layout { metric, style, width, .. } = layout;
    let when = paint(*style, Role::Faint, out, |out| push_when(facts, *width, out));
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
    let client = facts.connection.client.ip().to_string();
    out.extend_from_slice(format!("{client:ADDRESS_COLUMNS$} ").as_bytes());
    when + status + time_columns.max(TIME_COLUMNS) + client.len().max(ADDRESS_COLUMNS) + 3
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
fn push_when(facts: &Facts, width: Option<usize>, out: &mut Vec<u8>) {
    let [_, _, _, _, _, date @ ..] = Clock::default().milliseconds(facts.start);
    let (month, time) = date.split_at(MONTH_COLUMNS);
    if shows_date(width) {
        out.extend_from_slice(month);
        out.push(b' ');
    }
    out.extend_from_slice(time.get(1..).unwrap_or_default());
    out.push(b' ');
    out.extend_from_slice(&facts.id().first_letters());
    out.push(b' ');
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
#[inline]
fn push_request(exchange: &Exchange, out: &mut Vec<u8>) {
    // Looked at where it lies: what was just written cannot be read again at once.
    let is_told = exchange.facts.request.is_some() && !exchange.asked.is_empty();
    if is_told && is_plain(&exchange.asked) {
        out.extend_from_slice(&exchange.asked);
    } else {
        push_odd_request(exchange, out);
    }
}

#[cold]
fn push_odd_request(exchange: &Exchange, out: &mut Vec<u8>) {
    let at = out.len();
    let line = lines::request_line(&exchange.request.head);
    if exchange.facts.request.is_none() {
        out.push(b'-');
    } else if !exchange.asked.is_empty() {
        out.extend_from_slice(&exchange.asked);
    } else if line.method.is_empty() {
        out.extend_from_slice(exchange.route.as_bytes());
    } else {
        write_asked(line, out);
    }
    let text = escaped(out.get(at..).unwrap_or_default()).to_string();
    out.truncate(at);
    out.extend_from_slice(text.as_bytes());
}

/// Whether all bytes are visible ASCII or blanks, looked at sixteen at a time.
fn is_plain(bytes: &[u8]) -> bool {
    let Some(last) = bytes.last_chunk::<16>() else {
        return bytes.iter().copied().all(is_plain_byte);
    };
    let mut most = [0; 16];
    for chunk in bytes.as_chunks().0.iter().chain([last]) {
        for (most, byte) in most.iter_mut().zip(chunk) {
            *most = byte.wrapping_sub(b' ').max(*most);
        }
    }
    most.iter().all(|&most| most <= b'~' - b' ')
}

fn is_plain_byte(byte: u8) -> bool {
    (b' '..=b'~').contains(&byte)
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
    use proptest::prelude::*;

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
    fn every_byte_at_every_place_is_plain_or_not() {
        for byte in 0..=u8::MAX {
            for len in 1..50 {
                for at in 0..len {
                    let mut bytes = vec![b'~'; len];
                    bytes[at] = byte;
                    assert_eq!(is_plain(&bytes), is_plain_byte(byte), "{bytes:?}");
                }
            }
        }
        assert!(is_plain(b""));
    }

    proptest! {
        #[test]
        fn columns_of_usual_widths_are_those_of_any(
            facts in proptest::collection::vec(facts(), 1..8),
            metric in proptest::sample::select(vec![Metric::Total, Metric::Wait]),
        ) {
            let layout = Layout::new(None, Style::Plain).with(Keys::none(), metric);
            let memory = &mut Memory::default();
            for facts in facts {
                let (mut short, mut long) = (b"before".to_vec(), b"before".to_vec());
                push_columns(&facts, &layout, &mut long);
                if columns::push(&facts, metric, memory, &mut short) {
                    prop_assert_eq!(String::from_utf8(short), String::from_utf8(long));
                } else {
                    prop_assert_eq!(&short, b"before");
                    let is_usual = (100..1000).contains(&facts.status)
                        && facts.connection.client.ip().is_ipv4()
                        && metric.of(&facts.timing).is_some_and(|ns| ns < 120_000_000_000);
                    prop_assert!(!is_usual, "{}", String::from_utf8_lossy(&long));
                }
            }
        }
    }

    fn facts() -> impl Strategy<Value = Facts> {
        let client = prop_oneof![
            any::<[u8; 4]>().prop_map(|address| Endpoint::v4(address, 4)),
            (0..3_u8).prop_map(|last| Endpoint::v4([10, 0, 0, last], 4)),
            any::<[u8; 16]>().prop_map(|address| Endpoint::v6(address, 6)),
        ];
        let start = prop_oneof![any::<i64>(), 0..3_000_000_000_i64];
        let status = prop_oneof![100..1000_u16, any::<u16>(), Just(0)];
        let ns = (0..60_u32, any::<u64>()).prop_map(|(bits, ns)| ns >> bits);
        let times = (proptest::option::of(ns.clone()), proptest::option::of(ns));
        let what = (status, 0..5_usize, 0..3_u32);
        (client, start, times, what).prop_map(|(client, start, (wait, total), what)| {
            let (status, state, index) = what;
            Facts {
                connection: ConnectionKey { client, ..ConnectionKey::default() },
                index,
                start: Timestamp::from_nanos(start),
                state: State::ALL[state],
                status,
                watched_ns: 7_000,
                timing: Timing { wait_ns: wait, total_ns: total, ..Timing::default() },
                ..Facts::default()
            }
        })
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
