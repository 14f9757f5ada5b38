//! One line an exchange, for people.

use crate::anomaly::Anomaly;
use crate::exchange::{Exchange, Facts, State};
use crate::http::lines;
use crate::query::group::Keys;
use crate::query::{Metric, text};
use crate::report::escape::{cut, escaped};
use crate::report::style::{Role, Style};
use crate::report::units;

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
    pub keys: Keys,
    /// The time that is shown.
    pub metric: Metric,
    /// Columns that a line may take; `None`: any.
    pub width: Option<usize>,
    /// Whether in colour.
    pub style: Style,
}

impl Layout {
    /// No keys, and the total.
    #[must_use]
    pub const fn new(width: Option<usize>, style: Style) -> Self {
        Self { keys: Keys::none(), metric: Metric::Total, width, style }
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

/// Appends one line: the values of the keys, when it began, the beginning of its id (enough for
/// `weir show`), status, time, client, request, and what was odd.
pub fn line(exchange: &Exchange, layout: &Layout, out: &mut String) {
    let Layout { keys, metric, width, style } = layout;
    let facts = &exchange.facts;
    let mut values_columns = 0;
    if !keys.as_slice().is_empty() {
        let values = layout.values(exchange);
        values_columns = values.chars().count();
        out.push_str(&values);
    }
    // Month to millisecond of `2026-11-21T06:34:25.123456789Z`, then eight letters of the id.
    let at = facts.start.rfc3339();
    let mut before = String::with_capacity(32);
    if width.is_none_or(|width| width >= DATE_FROM_WIDTH) {
        before.push_str(at.as_str().get(5..10).unwrap_or_default());
        before.push(' ');
    }
    before.push_str(at.as_str().get(11..23).unwrap_or_default());
    before.push(' ');
    before.extend(facts.id().letters().iter().take(8).map(|&letter| char::from(letter)));
    before.push(' ');
    paint(*style, Role::Faint, &before, out);
    let mut status = String::with_capacity(3);
    match facts.status {
        0 => status.push_str("  -"),
        code => units::push_number(code.into(), &mut status),
    }
    let status_role = match facts.class() {
        5 => Role::Bad,
        2 => Role::Good,
        4 => Role::Odd,
        _ => Role::Faint,
    };
    paint(*style, status_role, &status, out);
    out.push(' ');
    let time_at = out.len();
    push_time(facts, *metric, out);
    let time_columns = out.len() - time_at;
    out.insert_str(time_at, "        ".get(time_columns..).unwrap_or_default());
    out.push(' ');
    let client_at = out.len();
    push_address(facts, out);
    let taken = out.len() - client_at;
    out.push_str("            ".get(taken.min(12)..).unwrap_or_default());
    out.push(' ');
    let mut tail = tail(facts);
    match *width {
        None => push_request(exchange, out),
        Some(width) => {
            let mut request = String::new();
            push_request(exchange, &mut request);
            let before = values_columns
                + before.len()
                + status.len()
                + time_columns.max(8)
                + taken.max(12)
                + 3;
            let room = width.saturating_sub(before);
            let kept = request.chars().count().min(REQUEST_COLUMNS_MIN);
            let tail_room = room.saturating_sub(kept + 1);
            tail = if tail_room < TAIL_COLUMNS_MIN { String::new() } else { cut(&tail, tail_room) };
            let tail_columns = if tail.is_empty() { 0 } else { tail.chars().count() + 1 };
            out.push_str(&cut(&request, room.saturating_sub(tail_columns)));
        }
    }
    if !tail.is_empty() {
        out.push(' ');
        paint(*style, Role::Odd, &tail, out);
    }
    out.push('\n');
}

fn paint(style: Style, role: Role, text: &str, out: &mut String) {
    match style {
        Style::Plain => out.push_str(text),
        Style::Coloured => out.push_str(&style.paint(role, text).to_string()),
    }
}

/// The client's address; IPv4 without the formatting machinery, because most are.
fn push_address(facts: &Facts, out: &mut String) {
    match facts.connection.client.ip() {
        std::net::IpAddr::V4(address) => {
            for (position, octet) in address.octets().into_iter().enumerate() {
                if position > 0 {
                    out.push('.');
                }
                units::push_number(octet.into(), out);
            }
        }
        std::net::IpAddr::V6(address) => out.push_str(&address.to_string()),
    }
}

/// The time of a phase; in place of the total of an exchange that did not end, how long it was
/// watched at least.
fn push_time(facts: &Facts, metric: Metric, out: &mut String) {
    match (metric.of(&facts.timing), facts.state) {
        (Some(ns), _) => units::push_duration(ns, out),
        (None, State::Open | State::Unanswered | State::Truncated)
            if metric == Metric::Total && facts.watched_ns > 0 =>
        {
            out.push('>');
            units::push_duration(facts.watched_ns, out);
        }
        _ => out.push('-'),
    }
}

/// Appends method, host and target; `-` where the request was not seen.
fn push_request(exchange: &Exchange, out: &mut String) {
    if exchange.facts.request.is_none() {
        out.push('-');
        return;
    }
    let head = exchange.request.head.as_slice();
    let line = lines::request_line(head);
    if line.method.is_empty() {
        push_escaped(exchange.route.as_bytes(), out);
        return;
    }
    push_escaped(line.method, out);
    out.push(' ');
    // The target of another form than the path alone says the host itself.
    if line.target.first() == Some(&b'/')
        && let Some(host) = text::host(head)
    {
        push_escaped(&host, out);
    }
    push_escaped(line.target, out);
}

/// Appends bytes escaped; those of plain ASCII, as nearly all are, at once.
fn push_escaped(bytes: &[u8], out: &mut String) {
    match std::str::from_utf8(bytes) {
        Ok(text) if bytes.iter().all(|byte| (b' '..=b'~').contains(byte)) => out.push_str(text),
        _ => out.push_str(&escaped(bytes).to_string()),
    }
}

/// The state, where it is not complete, and the anomalies.
fn tail(facts: &Facts) -> String {
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
            let mut found = String::new();
            line(exchange, &Layout::new(width, Style::Plain), &mut found);
            assert_eq!(found, expected.replace("ID", &id));
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
        let layout = Layout { keys, metric: Metric::Wait, ..Layout::new(None, Style::Plain) };
        let mut found = String::new();
        line(&exchange, &layout, &mut found);
        let expected = "200          shop.test    -            11-21 06:34:25.123 ID 200   250 us \
                        10.0.0.1     GET shop.test/cart?x=1\\x1b[31m\n";
        assert_eq!(found, expected.replace("ID", &id));
    }

    #[test]
    fn colours_hold_no_orders_of_strangers() {
        let mut found = String::new();
        line(&sample(), &Layout::new(Some(100), Style::Coloured), &mut found);
        assert!(found.contains("\x1b[32m200\x1b[0m"));
        assert!(!found.contains("\x1b[31m"));
    }
}
