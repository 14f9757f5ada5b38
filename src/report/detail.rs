//! One exchange in full, for people.

use std::fmt::Write;
use std::io;

use crate::exchange::{Exchange, Facts, MessageFacts, MessageText};
use crate::export::content;
use crate::http::Framing;
use crate::report::escape::{escaped, escaped_lines};
use crate::report::pretty;
use crate::report::style::{Role, Style};
use crate::report::units;

/// Columns of the bars beside the phases.
const BAR_COLUMNS: u64 = 40;

/// Writes the exchange: what it is, its phases, what was odd, both heads as they were sent, and
/// what was kept of the bodies, with content codings undone.
///
/// # Errors
///
/// Where `out` cannot be written.
pub fn write(exchange: &Exchange, style: Style, out: &mut dyn io::Write) -> io::Result<()> {
    let mut text = String::new();
    identity(exchange, style, &mut text);
    text.push('\n');
    phases(&exchange.facts, style, &mut text);
    anomalies(&exchange.facts, style, &mut text);
    out.write_all(text.as_bytes())?;
    let facts = &exchange.facts;
    message(Side::Request, facts.request.as_ref(), &exchange.request, style, out)?;
    if !exchange.interim.is_empty() {
        let statuses: Vec<String> = exchange.interim.iter().map(u16::to_string).collect();
        writeln!(out, "\ninterim responses before the final one: {}", statuses.join(", "))?;
    }
    message(Side::Response, facts.response.as_ref(), &exchange.response, style, out)
}

fn identity(exchange: &Exchange, style: Style, text: &mut String) {
    let facts = &exchange.facts;
    let state = format!("{} exchange {}", facts.state.name(), facts.id());
    let _ = writeln!(text, "{}", style.paint(Role::Heading, state));
    let connection = &facts.connection;
    let mut line = |name: &str, value: &dyn std::fmt::Display| {
        let _ = writeln!(text, "  {name:<10} {value}");
    };
    line("start", &facts.start);
    line("client", &connection.client);
    line("server", &connection.server);
    let opened = format!("opened {}, exchange {} of it", connection.opened_at, facts.index);
    line("connection", &opened);
    if !exchange.route.is_empty() {
        let method = crate::http::lines::request_line(&exchange.request.head).method;
        line("route", &format!("{} {}", escaped(method), escaped(exchange.route.as_bytes())));
    }
    if facts.watched_ns > 0 {
        line(
            "watched",
            &format!("{}: it took at least so long", units::duration(facts.watched_ns)),
        );
    }
}

/// The phases one under the other, with a bar each where they follow upon each other.
fn phases(facts: &Facts, style: Style, text: &mut String) {
    let timing = &facts.timing;
    let known = |ns: Option<u64>| ns.unwrap_or(0);
    let whole = known(timing.send_ns)
        .saturating_add(known(timing.wait_ns))
        .saturating_add(known(timing.receive_ns));
    let mut before = 0;
    let mut line = |name: &str, ns: Option<u64>, bar: String| {
        let shown = ns.map_or_else(|| "-".to_owned(), units::duration);
        let line = format!("  {name:<10} {shown:>9}  {bar}");
        let _ = writeln!(text, "{}", line.trim_end());
    };
    line("connect", timing.connect_ns, String::new());
    for (name, ns) in
        [("send", timing.send_ns), ("wait", timing.wait_ns), ("receive", timing.receive_ns)]
    {
        line(name, ns, ns.map_or_else(String::new, |ns| bar(before, ns, whole)));
        before += known(ns);
        if name == "wait" && known(timing.blocked_ns) > 0 {
            line("  blocked", timing.blocked_ns, "of it, behind an earlier response".to_owned());
        }
    }
    let exact = timing
        .total_ns
        .map_or_else(|| "an end was not seen".to_owned(), |ns| format!("{} ns", units::count(ns)));
    line("total", timing.total_ns, style.paint(Role::Faint, exact).to_string());
}

/// A bar of its share of `whole`, after as much room as what came before it.
fn bar(before: u64, ns: u64, whole: u64) -> String {
    if whole == 0 {
        return String::new();
    }
    let columns = |part: u64| {
        let columns = u128::from(part) * u128::from(BAR_COLUMNS) / u128::from(whole);
        usize::try_from(columns).unwrap_or(0)
    };
    let (start, end) = (columns(before), columns(before.saturating_add(ns)));
    let bar = if end > start {
        "█".repeat(end - start)
    } else if ns > 0 {
        "▏".to_owned()
    } else {
        String::new()
    };
    format!("{}{bar}", " ".repeat(start))
}

fn anomalies(facts: &Facts, style: Style, text: &mut String) {
    if facts.anomalies.is_empty() {
        return;
    }
    let _ = writeln!(text, "\nodd:");
    for anomaly in facts.anomalies.iter() {
        let name = style.paint(Role::Odd, anomaly.name());
        let _ = writeln!(text, "  {name}: {}", anomaly.meaning());
    }
    if facts.anomalies.is_suspect() {
        let _ = writeln!(text, "  Bytes were lost here: the times are suspect.");
    }
}

/// Which message, and how its lines are marked.
#[derive(Clone, Copy, Debug)]
enum Side {
    Request,
    Response,
}

fn message(
    side: Side,
    facts: Option<&MessageFacts>,
    text: &MessageText,
    style: Style,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let (name, mark) = match side {
        Side::Request => ("request", '>'),
        Side::Response => ("response", '<'),
    };
    let Some(facts) = facts else {
        return writeln!(out, "\n{}", style.paint(Role::Heading, format!("no {name} was seen")));
    };
    let lengths = format!(
        "{name}: head of {}, {}",
        units::counted(facts.header_bytes.into(), "byte", "bytes"),
        body_words(facts)
    );
    writeln!(out, "\n{}", style.paint(Role::Heading, lengths))?;
    if text.head.is_empty() {
        writeln!(out, "{mark} (the head was not kept)")?;
    }
    let head = escaped_lines(&text.head).to_string();
    for line in head.trim_end_matches('\n').lines() {
        writeln!(out, "{mark} {line}")?;
    }
    match &text.body {
        Some(kept) if !kept.is_empty() => body(facts, text, kept, style, out),
        _ => Ok(()),
    }
}

/// How long the body is and how its end was known.
fn body_words(facts: &MessageFacts) -> String {
    let by = match facts.framing {
        Framing::None => return "no body".to_owned(),
        Framing::Length => "by Content-Length",
        Framing::Chunked => "chunked",
        Framing::Close => "until the connection's end",
        Framing::Tunnel => "as a tunnel",
    };
    let length = units::counted(facts.body_bytes, "byte", "bytes");
    if facts.body_seen_bytes < facts.body_bytes {
        format!("body of {length} {by}, {} captured", units::count(facts.body_seen_bytes))
    } else {
        format!("body of {length} {by}")
    }
}

fn body(
    facts: &MessageFacts,
    text: &MessageText,
    kept: &[u8],
    style: Style,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let content = content::decode(&text.head, kept);
    let mut notes = Vec::new();
    if (kept.len() as u64) < facts.body_seen_bytes {
        notes.push(format!("the first {} bytes were kept", units::count(kept.len() as u64)));
    }
    if !content.undone.is_empty() {
        let decoded = units::counted(content.bytes.len() as u64, "byte", "bytes");
        notes.push(format!("{} undone: {decoded}", content.undone.join(", ")));
    }
    notes.extend(content.shortfall.clone());
    writeln!(out)?;
    if !notes.is_empty() {
        writeln!(out, "{}", style.paint(Role::Faint, format!("({})", notes.join("; "))))?;
    }
    out.write_all(pretty::body(&content.bytes).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anomaly::Anomaly;
    use crate::exchange::{ConnectionKey, State, Timing};
    use crate::packet::Endpoint;
    use crate::time::Timestamp;

    fn sample() -> Exchange {
        let start = Timestamp::from_nanos(1_795_242_865_123_456_789);
        let mut exchange = Exchange {
            facts: Facts {
                connection: ConnectionKey {
                    client: Endpoint::v4([10, 0, 0, 1], 51324),
                    server: Endpoint::v4([10, 0, 0, 2], 80),
                    opened_at: start,
                },
                start,
                request: Some(MessageFacts { header_bytes: 43, ..MessageFacts::default() }),
                response: Some(MessageFacts {
                    header_bytes: 70,
                    framing: Framing::Length,
                    body_bytes: 20,
                    body_seen_bytes: 15,
                }),
                status: 200,
                timing: Timing {
                    connect_ns: None,
                    send_ns: Some(0),
                    blocked_ns: Some(100_000),
                    wait_ns: Some(900_000),
                    receive_ns: Some(300_000),
                    total_ns: Some(1_200_000),
                },
                anomalies: [Anomaly::GapInResponse].into_iter().collect(),
                ..Facts::default()
            },
            ..Exchange::default()
        };
        exchange.route = "/cart".to_owned();
        exchange.request.head = b"GET /cart HTTP/1.1\r\nHost: a\x1b]0;b\r\n\r\n".to_vec();
        exchange.response.head =
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n".to_vec();
        exchange.response.body = Some(br#"{"b":1.10}"#.to_vec());
        exchange.interim = vec![103];
        exchange
    }

    fn shown(exchange: &Exchange) -> String {
        let mut out = Vec::new();
        write(exchange, Style::Plain, &mut out).expect("a vector takes everything");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn an_exchange_is_shown_in_full() {
        let exchange = sample();
        let expected = "\
complete exchange ID
  start      2026-11-21T06:34:25.123456789Z
  client     10.0.0.1:51324
  server     10.0.0.2:80
  connection opened 2026-11-21T06:34:25.123456789Z, exchange 0 of it
  route      GET /cart

  connect            -
  send            0 ns
  wait          900 us  ██████████████████████████████
    blocked     100 us  of it, behind an earlier response
  receive       300 us                                ██████████
  total        1.20 ms  1,200,000 ns

odd:
  gap_in_response: bytes of the response were never captured
  Bytes were lost here: the times are suspect.

request: head of 43 bytes, no body
> GET /cart HTTP/1.1
> Host: a\\x1b]0;b

interim responses before the final one: 103

response: head of 70 bytes, body of 20 bytes by Content-Length, 15 captured
< HTTP/1.1 200 OK
< Content-Type: application/json

(the first 10 bytes were kept)
{
  \"b\": 1.10
}
";
        assert_eq!(shown(&exchange), expected.replace("ID", &exchange.id().to_string()));
    }

    #[test]
    fn what_was_not_seen_is_said() {
        let mut exchange = sample();
        exchange.facts.state = State::Open;
        exchange.facts.response = None;
        exchange.facts.timing = Timing::default();
        exchange.facts.watched_ns = 2_000_000_000;
        let text = shown(&exchange);
        assert!(text.contains("  watched    2.00 s: it took at least so long\n"), "{text}");
        assert!(text.contains("  total              -  an end was not seen\n"), "{text}");
        assert!(text.ends_with("\nno response was seen\n"), "{text}");
    }
}
