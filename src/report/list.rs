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
    let Layout { metric, width, style, .. } = layout;
    let facts = &exchange.facts;
    let start = facts.start.to_string();
    // Month, or hour, to millisecond of `2026-11-21T06:34:25.123456789Z`.
    let from = if width.is_some_and(|width| width < DATE_FROM_WIDTH) { 11 } else { 5 };
    let start = start.get(from..23).unwrap_or_default().replace('T', " ");
    let id: String = facts.id().to_string().chars().take(8).collect();
    let status = match facts.status {
        0 => "  -".to_owned(),
        status => status.to_string(),
    };
    let status_role = match facts.class() {
        5 => Role::Bad,
        2 => Role::Good,
        4 => Role::Odd,
        _ => Role::Faint,
    };
    let client = facts.connection.client.ip().to_string();
    let values = layout.values(exchange);
    let before = format!("{start} {id:8} ");
    let between = format!(" {:>8} {client:<12} ", time(facts, *metric));
    let mut tail = tail(facts);
    let taken = values.chars().count() + before.len() + status.len() + between.chars().count();
    let mut request = request(exchange);
    if let Some(width) = width {
        let room = width.saturating_sub(taken);
        let kept = request.chars().count().min(REQUEST_COLUMNS_MIN);
        let tail_room = room.saturating_sub(kept + 1);
        tail = if tail_room < TAIL_COLUMNS_MIN { String::new() } else { cut(&tail, tail_room) };
        let tail_columns = if tail.is_empty() { 0 } else { tail.chars().count() + 1 };
        request = cut(&request, room.saturating_sub(tail_columns));
    }
    out.push_str(&values);
    out.push_str(&style.paint(Role::Faint, before).to_string());
    out.push_str(&style.paint(status_role, status).to_string());
    out.push_str(&between);
    out.push_str(&request);
    if !tail.is_empty() {
        out.push(' ');
        out.push_str(&style.paint(Role::Odd, tail).to_string());
    }
    out.push('\n');
}

/// The time of a phase; in place of the total of an exchange that did not end, how long it was
/// watched at least.
fn time(facts: &Facts, metric: Metric) -> String {
    match (metric.of(&facts.timing), facts.state) {
        (Some(ns), _) => units::duration(ns),
        (None, State::Open | State::Unanswered | State::Truncated)
            if metric == Metric::Total && facts.watched_ns > 0 =>
        {
            format!(">{}", units::duration(facts.watched_ns))
        }
        _ => "-".to_owned(),
    }
}

/// Method, host and target; `-` where the request was not seen.
fn request(exchange: &Exchange) -> String {
    if exchange.facts.request.is_none() {
        return "-".to_owned();
    }
    let head = exchange.request.head.as_slice();
    let line = lines::request_line(head);
    if line.method.is_empty() {
        return escaped(exchange.route.as_bytes()).to_string();
    }
    let host = text::host(head).unwrap_or_default();
    // The target of another form than the path alone says the host itself.
    let host = if line.target.first() == Some(&b'/') { &*host } else { b"" };
    format!("{} {}{}", escaped(line.method), escaped(host), escaped(line.target))
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
