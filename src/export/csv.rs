//! One exchange as one row of CSV that a spreadsheet opens and runs nothing of (RFC 4180).

use std::fmt::{Display, Write};

use super::json;
use crate::exchange::Exchange;
use crate::http::lines;
use crate::query::text;

/// The first row: the names of the columns, line end included.
pub const HEADER: &[u8] = b"start,id,client,server,state,method,host,path,route,status,\
request_bytes,response_bytes,connect_ns,send_ns,blocked_ns,wait_ns,receive_ns,total_ns,anomalies\r\n";

/// Appends `exchange` as one row, line end included.
///
/// Times are nanoseconds, lengths are those of the bodies; a cell is empty where it is not known.
/// Text that a stranger chose never begins a formula: a single quote stands before it where it
/// would. Control characters are shown by their number, so a row is always one line.
pub fn write_exchange(exchange: &Exchange, out: &mut Vec<u8>) {
    let facts = &exchange.facts;
    shown(out, &facts.start);
    shown(out, &facts.id());
    shown(out, &facts.connection.client);
    shown(out, &facts.connection.server);
    shown(out, &facts.state.name());
    if facts.request.is_some() {
        let line = lines::request_line(&exchange.request.head);
        chosen(out, line.method);
        chosen(out, &text::host(&exchange.request.head).unwrap_or_default());
        chosen(out, text::path(line.target));
        let mut route = line.method.to_vec();
        route.push(b' ');
        route.extend_from_slice(exchange.route.as_bytes());
        chosen(out, &route);
    } else {
        out.extend_from_slice(b",,,,");
    }
    counted(out, Some(u64::from(facts.status)).filter(|&status| status > 0));
    counted(out, facts.request.map(|message| message.body_bytes));
    counted(out, facts.response.map(|message| message.body_bytes));
    let timing = facts.timing;
    counted(out, timing.connect_ns);
    counted(out, timing.send_ns);
    counted(out, timing.blocked_ns);
    counted(out, timing.wait_ns);
    counted(out, timing.receive_ns);
    counted(out, timing.total_ns);
    for (position, anomaly) in facts.anomalies.iter().enumerate() {
        if position > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(anomaly.name().as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends a cell of Weir's own characters, and the comma after it.
fn shown(out: &mut Vec<u8>, value: &dyn Display) {
    out.extend_from_slice(value.to_string().as_bytes());
    out.push(b',');
}

/// Appends a number or nothing, and the comma after it.
fn counted(out: &mut Vec<u8>, value: Option<u64>) {
    if let Some(value) = value {
        json::number(out, value);
    }
    out.push(b',');
}

/// Appends a cell of bytes that a stranger chose, and the comma after it.
fn chosen(out: &mut Vec<u8>, bytes: &[u8]) {
    let text = visible(bytes);
    let is_quoted = text.contains(['"', ',', ';', '\'']) || text.trim() != text;
    if is_quoted {
        out.push(b'"');
    }
    // Where the comma is the decimal sign, spreadsheets cut rows at semicolons, quoted or not.
    for (position, piece) in text.split(';').enumerate() {
        if position > 0 {
            out.push(b';');
        }
        if begins_a_formula(piece) || position == 0 && is_control(bytes.first().copied()) {
            out.push(b'\'');
        }
        for byte in piece.bytes() {
            if byte == b'"' {
                out.push(b'"');
            }
            out.push(byte);
        }
    }
    if is_quoted {
        out.push(b'"');
    }
    out.push(b',');
}

/// Whether a spreadsheet would compute a cell of this text. They look past blanks and quotes, and
/// some take the full-width forms for operators.
fn begins_a_formula(text: &str) -> bool {
    text.trim_start_matches(|character: char| character.is_whitespace() || character == '"')
        .starts_with(['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'])
}

const fn is_control(first: Option<u8>) -> bool {
    matches!(first, Some(b'\t' | b'\r' | b'\n'))
}

/// The bytes as text without control characters: `\x1b`. Bytes that are not UTF-8 are `\xf6`.
fn visible(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for piece in bytes.utf8_chunks() {
        for character in piece.valid().chars() {
            let code = u32::from(character);
            // Writing to a string cannot fail.
            let _ = match character {
                '\0'..='\x1f' | '\x7f'..='\u{9f}' => write!(text, "\\x{code:02x}"),
                '\u{61c}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{2069}'
                | '\u{feff}' => write!(text, "\\u{{{code:x}}}"),
                _ => {
                    text.push(character);
                    Ok(())
                }
            };
        }
        for byte in piece.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::anomaly::Anomaly;
    use crate::exchange::{ConnectionKey, Facts, MessageFacts, State, Timing};
    use crate::http::Framing;
    use crate::packet::Endpoint;
    use crate::time::Timestamp;

    fn message(body_bytes: u64) -> MessageFacts {
        let framing = Framing::Length;
        MessageFacts { header_bytes: 1, framing, body_bytes, body_seen_bytes: body_bytes }
    }

    fn sample(head: &[u8]) -> Exchange {
        let mut exchange = Exchange {
            facts: Facts {
                connection: ConnectionKey {
                    client: Endpoint::v4([10, 0, 0, 1], 51324),
                    server: Endpoint::v4([10, 0, 0, 2], 80),
                    opened_at: Timestamp::default(),
                },
                request: Some(message(3)),
                response: Some(message(12)),
                status: 200,
                timing: Timing { send_ns: Some(0), total_ns: Some(1_234), ..Timing::default() },
                anomalies: [Anomaly::Reset, Anomaly::GapInResponse].into_iter().collect(),
                ..Facts::default()
            },
            route: "/cart".to_owned(),
            ..Exchange::default()
        };
        exchange.request.head = head.to_vec();
        exchange
    }

    fn row(exchange: &Exchange) -> String {
        let mut out = Vec::new();
        write_exchange(exchange, &mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    /// The cells of one row, read as RFC 4180 says.
    fn cells(row: &str) -> Vec<String> {
        let mut cells = vec![String::new()];
        let mut quoted = false;
        let mut characters = row.trim_end_matches("\r\n").chars().peekable();
        while let Some(character) = characters.next() {
            let cell = cells.last_mut().expect("a cell");
            match character {
                '"' if quoted && characters.peek() == Some(&'"') => {
                    characters.next();
                    cell.push('"');
                }
                '"' => quoted = !quoted,
                ',' if !quoted => cells.push(String::new()),
                _ => cell.push(character),
            }
        }
        assert!(!quoted, "{row}");
        cells
    }

    #[test]
    fn a_row_has_a_cell_for_every_column() {
        let exchange = sample(b"GET /cart?x=1 HTTP/1.1\r\nHost: shop.test\r\n\r\n");
        let expected = format!(
            "1970-01-01T00:00:00.000000000Z,{},10.0.0.1:51324,10.0.0.2:80,complete,GET,shop.test,\
             /cart,GET /cart,200,3,12,,0,,,,1234,gap_in_response reset\r\n",
            exchange.id()
        );
        assert_eq!(row(&exchange), expected);
        let header = std::str::from_utf8(HEADER).expect("ASCII");
        assert_eq!(cells(header).len(), cells(&expected).len());
    }

    #[test]
    fn an_orphan_leaves_its_cells_empty() {
        let mut exchange = sample(b"");
        exchange.facts.request = None;
        exchange.facts.state = State::Orphan;
        exchange.facts.status = 0;
        let row = row(&exchange);
        assert!(row.contains("10.0.0.2:80,orphan,,,,,,,12,"), "{row}");
    }

    #[test]
    fn no_cell_begins_a_formula() {
        let check = |host: &[u8], expected: &str| {
            let mut out = Vec::new();
            chosen(&mut out, host);
            assert_eq!(String::from_utf8(out).expect("UTF-8"), expected);
        };
        check(b"=1+2", "'=1+2,");
        check(b"+1", "'+1,");
        check(b"-1", "'-1,");
        check(b"@SUM(A1)", "'@SUM(A1),");
        check(b" =1", "\"' =1\",");
        check("\u{ff1d}1".as_bytes(), "'\u{ff1d}1,");
        check(b"\t=1", "'\\x09=1,");
        check(b"\r=1", "'\\x0d=1,");
        check(
            b"=HYPERLINK(\"http://evil.test\",1)",
            "\"'=HYPERLINK(\"\"http://evil.test\"\",1)\",",
        );
        check(b"a,b\"c", "\"a,b\"\"c\",");
        check(b"a\nb\x1b[2J\xff", "a\\x0ab\\x1b[2J\\xff,");
        check(b"shop.test", "shop.test,");
        check(b"a;=1", "\"a;'=1\",");
    }

    proptest! {
        #[test]
        fn any_bytes_stay_in_their_cell_and_begin_no_formula(
            method in prop::collection::vec(any::<u8>(), 0..8),
            target in prop::collection::vec(any::<u8>(), 0..40),
            host in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let head = [&method[..], b" ", &target, b" HTTP/1.1\r\nHost: ", &host, b"\r\n\r\n"].concat();
            let row = row(&sample(&head));
            let cells = cells(&row);
            prop_assert_eq!(cells.len(), 19);
            prop_assert_eq!(row.matches('\n').count(), 1);
            for cell in &cells {
                prop_assert!(!cell.trim_start().starts_with(['=', '+', '-', '@', '\t', '\r']), "{}", cell);
            }
        }
    }
}
