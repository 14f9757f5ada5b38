//! Lines and entries of other tools, and what they are read as.

use std::io::BufReader;

use proptest::prelude::*;

use super::*;
use crate::exchange::State;

const NGINX: &str = concat!(
    r#"10.0.0.9 - - [21/Nov/2026:06:34:25 +0000] "GET /users/7?x=1 HTTP/1.1" 200 512 "#,
    r#""-" "curl/8" 0.250 0.240"#
);

fn settings(format: Option<&str>) -> Settings {
    let format = format.map(|text| Format::parse(text).expect("a format"));
    Settings { secrets: Secrets::Redacted, format }
}

fn read_all(text: &str, settings: &Settings) -> (Vec<Exchange>, Told) {
    let mut exchanges = Vec::new();
    let kind = kind(text.as_bytes(), settings).expect("known");
    // A small buffer, so that entries and lines are cut at any byte.
    let mut input = BufReader::with_capacity(7, text.as_bytes());
    let visit = &mut |exchange: &Exchange| exchanges.push(exchange.clone());
    let told = read(kind, &mut input, settings, visit).expect("memory is read");
    (exchanges, told)
}

fn at(text: &str) -> i64 {
    let at: jiff::Timestamp = text.parse().expect("RFC 3339");
    i64::try_from(at.as_nanosecond()).expect("this century")
}

#[test]
fn a_line_is_an_exchange() {
    let check = |format: Option<&str>, line: &str, total_ns: u64, start: &str| {
        let (exchanges, told) = read_all(line, &settings(format));
        assert_eq!((told.exchanges, told.skipped), (1, 0), "{line}");
        let exchange = &exchanges[0];
        assert_eq!(exchange.facts.timing.total_ns, Some(total_ns), "{line}");
        assert_eq!(exchange.facts.start.as_nanos(), at(start), "{line}");
        assert_eq!(exchange.facts.status, 200);
        assert_eq!(exchange.facts.response.map(|message| message.body_bytes), Some(512));
        assert_eq!(exchange.route, "/users/{int}");
        assert_eq!(exchange.facts.connection.client.to_string(), "10.0.0.9:0");
        assert_eq!(exchange.facts.state, State::Complete);
    };
    let begun = "2026-11-21T06:34:25Z";
    let before = "2026-11-21T06:34:24.75Z";
    let common = r#"10.0.0.9 - joe [21/Nov/2026:07:34:25 +0100] "GET /users/7 HTTP/1.1" 200 512"#;
    check(None, NGINX, 250_000_000, before);
    check(None, &format!("{common} 250123"), 250_123_000, begun);
    check(None, &format!("{common} 0.250"), 250_000_000, before);
    check(
        None,
        &format!(r#"{common} "-" "a \"b\" c" "1.2.3.4" rt=0.250 urt="0.1""#),
        250_000_000,
        before,
    );
    check(None, &format!(r#"{common} "-" "-" 900 250"#), 900_000, begun);
    check(
        Some(r#"%h %l %u %t \"%r\" %>s %b %{ms}T"#),
        &format!("{common} 250"),
        250_000_000,
        begun,
    );
    check(
        Some(
            "$msec $request_time $remote_addr $request_method $request_uri $status $body_bytes_sent",
        ),
        "1795242865.000 0.250 10.0.0.9 GET /users/7 200 512",
        250_000_000,
        before,
    );
    check(
        Some("$time_iso8601|$request_time|$remote_addr|$request|$status|$body_bytes_sent"),
        "2026-11-21T07:34:25+01:00|0.250|10.0.0.9|GET /users/7 HTTP/1.1|200|512",
        250_000_000,
        before,
    );
}

#[test]
fn lines_that_are_none_are_counted() {
    let closed = NGINX.replace(" 200 ", " 499 ");
    let text = format!(
        "{NGINX}\nnonsense\n\n{closed}\n{}\n",
        NGINX.replace("GET /users/7?x=1 HTTP/1.1", "-")
    );
    let (exchanges, told) = read_all(&text, &settings(None));
    assert_eq!((told.exchanges, told.skipped, told.first_skipped), (2, 2, Some(2)));
    assert_eq!(exchanges[1].facts.state, State::Truncated);
    assert_eq!(exchanges[1].facts.watched_ns, 250_000_000);
    assert_ne!(exchanges[0].id(), exchanges[1].id());
}

#[test]
fn secrets_are_redacted() {
    let line = NGINX.replace("x=1", "token=abcdef");
    let (exchanges, _) = read_all(&line, &settings(None));
    let head = String::from_utf8_lossy(&exchanges[0].request.head).into_owned();
    assert!(head.contains("token=[redacted]"), "{head}");
}

#[test]
fn what_is_no_log_is_not_taken_for_one() {
    let settings = settings(None);
    for text in ["", "{\"entries\":[]}", "hello\nworld", "GET / HTTP/1.1 200 0.1", "\u{7f}ELF"] {
        assert_eq!(kind(text.as_bytes(), &settings), None, "{text}");
    }
    assert_eq!(kind(b" \n{ \"log\" : {", &settings), Some(Kind::Archive));
    assert_eq!(Format::parse("$request"), Err(FormatError::NoTime));
    assert_eq!(Format::parse("%D %t"), Err(FormatError::NoRequest));
    assert_eq!(Format::parse("%D %r"), Err(FormatError::NoInstant));
}

const BROWSER: &str = r#"{"log":{"version":"1.2","creator":{"name":"x","entries":"\"["},"pages":[{"id":"{"}],
 "entries":[
 {"startedDateTime":"2026-11-21T06:34:25.000Z","time":36,"request":{"method":"GET",
  "url":"https://shop.test:8443/users/7?x=}#y","httpVersion":"h2",
  "headers":[{"name":":authority","value":"shop.test:8443"},{"name":"cookie","value":"a=secret"}],
  "headersSize":-1,"bodySize":0},
  "response":{"status":200,"statusText":"","httpVersion":"h2","headers":[{"name":"x","value":"]"}],
  "content":{"size":99,"text":"\\\"}{"},"headersSize":-1,"bodySize":-1},
  "timings":{"blocked":1.5,"dns":-1,"connect":2,"ssl":1,"send":0.5,"wait":30,"receive":2},
  "serverIPAddress":"10.0.0.2"},
 {"startedDateTime":"not a date","request":{}},
 {"startedDateTime":"2026-11-21T06:34:26+00:00","time":5000,"request":{"method":"POST","url":"http://shop.test/"},
  "response":{"status":0,"_error":"net::ERR_ABORTED"},"timings":{"send":-1,"wait":-1,"receive":-1}}
 ],"comment":"]"}}"#;

#[test]
fn an_entry_is_an_exchange() {
    let (exchanges, told) = read_all(BROWSER, &settings(None));
    let expected = Told { exchanges: 2, skipped: 1, first_skipped: Some(2), is_cut: false };
    assert_eq!(told, expected);
    let facts = &exchanges[0].facts;
    assert_eq!(facts.start.as_nanos(), at("2026-11-21T06:34:25.0035Z"));
    assert_eq!(facts.timing.total_ns, Some(32_500_000));
    assert_eq!(facts.timing.connect_ns, Some(2_000_000));
    assert_eq!(facts.connection.server.to_string(), "10.0.0.2:8443");
    assert_eq!(facts.response.map(|message| message.body_bytes), Some(99));
    let head = String::from_utf8_lossy(&exchanges[0].request.head).into_owned();
    assert_eq!(
        head,
        "GET /users/7?x=} HTTP/2\r\ncookie: a=[redacted]\r\nHost: shop.test:8443\r\n\r\n"
    );
    assert_eq!(exchanges[1].facts.state, State::Unanswered);
    assert_eq!(exchanges[1].facts.watched_ns, 5_000_000_000);
    let (exchanges, told) = read_all(&BROWSER[..BROWSER.len() - 120], &settings(None));
    assert_eq!((exchanges.len(), told.is_cut), (1, true));
}

proptest! {
    #[test]
    fn garbage_is_no_trouble(bytes in prop::collection::vec(any::<u8>(), 0..300), cut in 0..300_usize) {
        let settings = settings(None);
        let _ = kind(&bytes, &settings);
        let mixed = [BROWSER.as_bytes().get(..cut).unwrap_or(b""), &bytes].concat();
        let logged = [&NGINX.as_bytes()[..cut.min(NGINX.len())], &bytes[..]].concat();
        for (kind, bytes) in [(Kind::Archive, mixed), (Kind::AccessLog, logged)] {
            let told = read(kind, &mut &bytes[..], &settings, &mut |_| {}).expect("memory is read");
            prop_assert!(told.exchanges + told.skipped <= bytes.len() as u64);
        }
    }

    #[test]
    fn times_are_exact(micros in 0..10_000_000_u64) {
        let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
        let line = NGINX.replace("0.250", &text);
        let (exchanges, _) = read_all(&line, &settings(None));
        prop_assert_eq!(exchanges[0].facts.timing.total_ns, Some(micros * 1000));
    }
}
