//! The parser against dialogues, models, every cut, gaps and garbage.

use proptest::prelude::*;

use super::*;
use crate::anomaly::Anomalies;
use crate::limits;
use crate::tcp::Data;
use crate::time::Timestamp;

/// What one packet brings, or fails to.
#[derive(Clone, Debug)]
enum Piece {
    Bytes(Vec<u8>),
    Gap(u64),
}

/// How a run starts, what its responses answer, and how it ends.
#[derive(Clone, Debug)]
struct Setting {
    side: Side,
    is_searching: bool,
    answers: Vec<Answering>,
    ending: Ending,
}

fn requests() -> Setting {
    let (side, ending) = (Side::Request, Ending::Closed);
    Setting { side, is_searching: false, answers: Vec::new(), ending }
}

fn responses() -> Setting {
    Setting { side: Side::Response, ..requests() }
}

fn names(anomalies: Anomalies) -> String {
    anomalies.iter().flat_map(|anomaly| [" ", anomaly.name()]).collect()
}

/// One line an event: easy to read, easy to compare. Neighbouring bodies are one line.
#[derive(Default)]
struct Listing {
    lines: Vec<String>,
    body: Vec<u8>,
    unparsed: u64,
}

impl Listing {
    fn add(&mut self, event: &MessageEvent<'_>) {
        match event {
            MessageEvent::Body(bytes) => {
                assert!(!bytes.is_empty(), "an empty run is no event");
                self.body.extend_from_slice(bytes);
                return;
            }
            MessageEvent::Unparsed(len) => {
                assert_ne!(*len, 0, "nothing unparsed is no event");
                self.flush_body();
                self.unparsed += len;
                return;
            }
            _ => self.flush(),
        }
        self.lines.push(match event {
            MessageEvent::Head(head) => {
                let start = match head.start {
                    Start::Request { method, target } => {
                        format!("{} {}", method.escape_ascii(), target.escape_ascii())
                    }
                    Start::Response { status } => status.to_string(),
                };
                let host = head
                    .host
                    .map_or(String::new(), |host| format!(" host={}", host.escape_ascii()));
                let length = head.length.map_or(String::new(), |length| format!(" ={length}"));
                let found = if head.found_by_search { " found" } else { "" };
                assert!(head.bytes.len() <= head.header_bytes as usize);
                format!(
                    "@{} {start}{host} {}{length}{found}{}",
                    head.offset,
                    head.framing.name(),
                    names(head.anomalies)
                )
            }
            MessageEvent::BodyGap(len) => format!("gap {len}"),
            MessageEvent::End(end) => {
                let trailers = match end.trailer_bytes {
                    0 => String::new(),
                    len => format!(" trailers={len}"),
                };
                format!(
                    "{:?} {}/{} @{}{trailers}{}",
                    end.ended,
                    end.body_seen_bytes,
                    end.body_bytes,
                    end.offset,
                    names(end.anomalies)
                )
            }
            MessageEvent::Body(_) | MessageEvent::Unparsed(_) => unreachable!(),
        });
    }

    fn flush_body(&mut self) {
        if !self.body.is_empty() {
            let body = std::mem::take(&mut self.body);
            self.lines.push(format!("body {:?}", body.escape_ascii().to_string()));
        }
    }

    fn flush(&mut self) {
        self.flush_body();
        if self.unparsed > 0 {
            self.lines.push(format!("unparsed {}", std::mem::take(&mut self.unparsed)));
        }
    }
}

/// Runs the pieces through a parser, a time unit apart, and holds what must hold of every run:
/// progress, order of events, the account of bytes.
fn run(setting: &Setting, pieces: &[Piece]) -> Vec<String> {
    let mut parser = if setting.is_searching {
        MessageParser::searching(setting.side)
    } else {
        MessageParser::new(setting.side)
    };
    let mut listing = Listing::default();
    let mut account = Account::default();
    let mut answers = setting.answers.iter().copied();
    let mut answering = answers.next().unwrap_or_default();
    let mut offset = 0;
    let mut at = 0;
    for piece in pieces {
        at += 10;
        let time = Timestamp::from_nanos(at);
        let mut input = match piece {
            Piece::Bytes(bytes) => {
                account.brought += bytes.len() as u64;
                Input::data(Data { at: time, offset, acknowledged: offset / 2, bytes })
            }
            Piece::Gap(len) => Input::gap(*len, offset, time),
        };
        let end = offset + input.bytes.len() as u64 + input.gap;
        loop {
            let finals = account.finals;
            let Some(event) = parser.advance(&mut input, answering) else { break };
            account.note(&event);
            listing.add(&event);
            if account.finals > finals {
                answering = answers.next().unwrap_or_default();
            }
            assert!(account.events < 4 * account.brought + 100, "no progress");
        }
        assert!(input.is_empty(), "used up");
        assert_eq!(input.offset, end);
        offset = end;
    }
    for _ in 0..4 {
        let Some(event) = parser.finish(setting.ending, Timestamp::from_nanos(at), answering)
        else {
            break;
        };
        account.note(&event);
        listing.add(&event);
    }
    assert!(parser.is_idle() && !parser.is_searching() && parser.held_bytes() == 0);
    assert!(!account.is_open, "every message ends");
    assert!(account.explained <= account.brought, "{account:?}");
    if !account.had_chunks {
        assert_eq!(account.explained, account.brought, "{account:?}");
    }
    listing.flush();
    listing.lines
}

#[derive(Debug, Default)]
struct Account {
    brought: u64,
    explained: u64,
    events: u64,
    /// Messages that ended, interim responses apart.
    finals: u64,
    is_open: bool,
    is_interim: bool,
    had_chunks: bool,
    seen: u64,
    known: u64,
}

impl Account {
    fn note(&mut self, event: &MessageEvent<'_>) {
        self.events += 1;
        match event {
            MessageEvent::Head(head) => {
                assert!(!self.is_open);
                self.is_open = true;
                self.is_interim = matches!(head.start, Start::Response { status: 100..=199 });
                self.had_chunks |= head.framing == Framing::Chunked;
                self.explained += u64::from(head.header_bytes);
                (self.seen, self.known) = (0, 0);
            }
            MessageEvent::Body(bytes) => {
                assert!(self.is_open);
                self.explained += bytes.len() as u64;
                self.seen += bytes.len() as u64;
                self.known += bytes.len() as u64;
            }
            MessageEvent::BodyGap(len) => {
                assert!(self.is_open);
                self.known += len;
            }
            MessageEvent::End(end) => {
                assert!(self.is_open);
                self.is_open = false;
                self.finals += u64::from(!self.is_interim);
                assert_eq!((end.body_seen_bytes, end.body_bytes), (self.seen, self.known));
            }
            MessageEvent::Unparsed(len) => {
                assert!(!self.is_open);
                self.explained += len;
            }
        }
    }
}

fn bytes(text: impl AsRef<[u8]>) -> Piece {
    Piece::Bytes(text.as_ref().to_vec())
}

/// The stream in one packet, and again a byte a packet, gives `expected`.
#[track_caller]
fn check(setting: &Setting, stream: impl AsRef<[u8]>, expected: &[&str]) {
    let stream = stream.as_ref();
    assert_eq!(run(setting, &[bytes(stream)]), expected, "in one packet");
    let single: Vec<Piece> = stream.iter().map(|&byte| bytes([byte])).collect();
    assert_eq!(run(setting, &single), expected, "a byte a packet");
}

#[track_caller]
fn check_pieces(setting: &Setting, pieces: &[Piece], expected: &[&str]) {
    assert_eq!(run(setting, pieces), expected);
}

#[test]
fn requests_of_every_form() {
    check(
        &requests(),
        "GET /a HTTP/1.1\r\nHost: shop\r\n\r\nPOST /b HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello\
         get http://h/x HTTP/1.0\r\n\r\nOPTIONS * HTTP/1.1\r\n\r\nM-SEARCH /x HTTP/1.1\r\n\r\n\
         CONNECT h:443 HTTP/1.1\r\n\r\n",
        &[
            "@0 GET /a host=shop none",
            "Whole 0/0 @31",
            "@31 POST /b length =5",
            "body \"hello\"",
            "Whole 5/5 @75",
            "@75 get http://h/x none",
            "Whole 0/0 @102",
            "@102 OPTIONS * none",
            "Whole 0/0 @124",
            "@124 M-SEARCH /x none",
            "Whole 0/0 @148",
            "@148 CONNECT h:443 none",
            "Whole 0/0 @174",
        ],
    );
}

#[test]
fn responses_without_a_body_and_interim_ones() {
    use Answering::{Connect, Head, Other};
    let setting = Setting { answers: vec![Head, Other, Other, Other, Connect], ..responses() };
    check(
        &setting,
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n\
         HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n\
         HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n\
         HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n\
         HTTP/1.1 407 No\r\nContent-Length: 2\r\n\r\nno\
         HTTP/1.1 200 Go\r\nContent-Length: 2\r\n\r\n",
        &[
            "@0 200 none =9",
            "Whole 0/0 @38",
            "@38 304 none =9",
            "Whole 0/0 @86",
            "@86 100 none",
            "Whole 0/0 @111",
            "@111 103 none",
            "Whole 0/0 @148",
            "@148 204 none",
            "Whole 0/0 @203",
            "@203 407 length =2",
            "body \"no\"",
            "Whole 2/2 @243",
            "@243 200 tunnel =2",
            "Whole 0/0 @281",
        ],
    );
    check(&responses(), "HTTP/1.1 101 Up\r\n\r\n", &["@0 101 tunnel", "Whole 0/0 @19"]);
}

#[test]
fn body_lengths_follow_rfc_9112() {
    let check = |side: Setting, fields: &str, expected: &str| {
        let start = match side.side {
            Side::Request => "POST / HTTP/1.1",
            Side::Response => "HTTP/1.1 200 OK",
        };
        let head = format!("{start}\r\n{fields}\r\n\r\n");
        let first = run(&side, &[bytes(head)]).remove(0);
        let told = first.splitn(3, ' ').last().map(|told| told.trim_start_matches("/ "));
        assert_eq!(told, Some(expected), "{fields}");
    };
    check(requests(), "A: b", "none");
    check(responses(), "A: b", "close");
    check(responses(), "Content-Length: 5", "length =5");
    check(responses(), "CONTENT-LENGTH:5", "length =5");
    check(responses(), "Content-Length: 5, 5", "length =5 repeated_length");
    check(responses(), "Content-Length: 5\r\nContent-Length: 05", "length =5 repeated_length");
    check(responses(), "Content-Length: 5\r\nContent-Length: 6", "length =5 conflicting_length");
    check(requests(), "Content-Length: 5, 6", "length =5 conflicting_length");
    check(responses(), "Content-Length: 18446744073709551615", "length =18446744073709551615");
    for invalid in ["18446744073709551616", "-5", "+5", "", "5 5", "0x5", "5,", "five", "5, five"] {
        let field = format!("Content-Length: {invalid}");
        check(responses(), &field, "close invalid_length");
        check(requests(), &field, "none invalid_length");
    }
    check(responses(), "Transfer-Encoding: chunked", "chunked");
    check(responses(), "Transfer-Encoding: Chunked", "chunked");
    check(responses(), "Transfer-Encoding: gzip, chunked", "chunked");
    check(
        responses(),
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
        "chunked odd_transfer_encoding",
    );
    check(
        responses(),
        "Transfer-Encoding: gzip,\r\n chunked",
        "chunked obsolete_fold odd_transfer_encoding",
    );
    check(
        responses(),
        "Transfer-Encoding:\r\n\tchunked",
        "chunked obsolete_fold odd_transfer_encoding",
    );
    check(responses(), "Transfer-Encoding: chunked, gzip", "close odd_transfer_encoding");
    check(requests(), "Transfer-Encoding: chunked, gzip", "close odd_transfer_encoding");
    check(responses(), "Transfer-Encoding: xchunked", "close odd_transfer_encoding");
    check(responses(), "Transfer-Encoding: chunked;q=1", "chunked odd_transfer_encoding");
    check(responses(), "Transfer-Encoding: chunked, chunked", "chunked odd_transfer_encoding");
    check(
        responses(),
        "Content-Length: 3\r\nTransfer-Encoding: identity",
        "length =3 odd_transfer_encoding",
    );
    check(
        requests(),
        "Content-Length: 3\r\nTransfer-Encoding: chunked",
        "chunked =3 length_and_chunked",
    );
    let old = "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    super::tests::check(
        &responses(),
        old,
        &["@0 200 chunked odd_transfer_encoding", "Whole 0/0 @52"],
    );
}

#[test]
fn bodies_of_requests_whose_length_cannot_be_known() {
    // A broken Content-Length: the next head is searched for.
    check_pieces(
        &requests(),
        &[
            bytes("POST /a HTTP/1.1\r\nContent-Length: x\r\n\r\nabc"),
            bytes("GET /b HTTP/1.1\r\n\r\n"),
        ],
        &[
            "@0 POST /a none invalid_length",
            "Early 0/0 @39",
            "unparsed 3",
            "@42 GET /b none found",
            "Whole 0/0 @61",
        ],
    );
    // An unknown coding: everything is its body.
    check_pieces(
        &requests(),
        &[bytes("POST /a HTTP/1.1\r\nTransfer-Encoding: zip\r\n\r\nabc"), Piece::Gap(4)],
        &["@0 POST /a close odd_transfer_encoding", "body \"abc\"", "Early 3/3 @47 gap_in_request"],
    );
}

#[test]
fn chunked_bodies() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let check = |body: &str, expected: &[&str]| {
        let expected: Vec<&str> = ["@0 200 chunked"].iter().chain(expected).copied().collect();
        super::tests::check(&responses(), format!("{head}{body}"), &expected);
    };
    let end = |len: usize| head.len() + len;
    check("5\r\nhello\r\n0\r\n\r\n", &["body \"hello\"", &format!("Whole 5/5 @{}", end(15))]);
    check(
        "00a;x=\"1;\\\"2\";y \r\n0123456789\r\nF  ;z\r\n0123456789abcde\r\n0000;last\r\n\r\n",
        &["body \"01234567890123456789abcde\"", &format!("Whole 25/25 @{}", end(67))],
    );
    check(
        "1\r\nx\r\n0\r\nDigest: abc\r\nB:\r\n\r\n",
        &["body \"x\"", &format!("Whole 1/1 @{} trailers=17", end(28))],
    );
    check(
        "1\nx\n0\nA: b\n\n",
        &["body \"x\"", &format!("Whole 1/1 @{} trailers=5 bare_line_feed", end(12))],
    );
    // Framing that is lost: the rest is searched.
    for (broken, taken, rest) in [
        ("g\r\n", 0, 3),
        ("\r\n", 0, 2),
        ("-1\r\n", 0, 4),
        ("0x5\r\n", 1, 4),
        ("10000000000000000\r\n", 16, 3),
        ("5\rhello", 2, 5),
        ("5 5\r\n", 2, 3),
        ("5;a\rb\r\n", 4, 3),
        ("0\r\n\rx", 4, 1),
    ] {
        let early = format!("Early 0/0 @{} invalid_chunk", end(taken));
        check(broken, &[&early, &format!("unparsed {rest}")]);
    }
    check(
        "3\r\nabcd\r\n",
        &["body \"abc\"", &format!("Early 3/3 @{} invalid_chunk", end(6)), "unparsed 3"],
    );
    check("ffffffffffffffff\r\nab", &["body \"ab\"", &format!("Early 2/2 @{}", end(20))]);
    check("5\r\nhello\r\n0\r\n", &["body \"hello\"", &format!("Early 5/5 @{}", end(13))]);
}

#[test]
fn chunk_lines_and_trailers_are_bounded() {
    let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    let line = |len: usize| format!("{head}1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(len));
    let ends = |stream: String| {
        let lines = run(&requests(), &[bytes(stream)]);
        lines.iter().any(|line| line.starts_with("Whole"))
    };
    assert!(ends(line(limits::CHUNK_LINE_BYTES_MAX - 4)));
    assert!(!ends(line(limits::CHUNK_LINE_BYTES_MAX - 3)));
    let trailers = |len: usize| format!("{head}0\r\nA:{}\r\n\r\n", "t".repeat(len));
    assert!(ends(trailers(limits::TRAILER_BYTES_MAX - 4)));
    assert!(!ends(trailers(limits::TRAILER_BYTES_MAX - 3)));
    let digits = format!("{head}{}5\r\nhello\r\n0\r\n\r\n", "0".repeat(10_000));
    assert!(ends(digits));
}

#[test]
fn odd_heads_are_read_and_named() {
    let check = |side: Setting, head: &str, expected: &str| {
        let end = format!("Whole 0/0 @{}", head.len());
        super::tests::check(&side, head, &[expected, &end]);
    };
    check(requests(), "GET / HTTP/1.1\nHost: a\n\n", "@0 GET / host=a none bare_line_feed");
    check(requests(), "GET / HTTP/1.1\r\nHost: a\n\r\n", "@0 GET / host=a none bare_line_feed");
    check(requests(), "GET / HTTP/1.1\nHost: a\r\n\r\n", "@0 GET / host=a none bare_line_feed");
    check(requests(), "GET / HTTP/1.1\r\nHost: a\r\n\n", "@0 GET / host=a none bare_line_feed");
    check(requests(), "GET / HTTP/1.1\n\n", "@0 GET / none bare_line_feed");
    check(
        requests(),
        "GET / HTTP/1.1\r\nA: b\r\n c\r\nHost: a\r\n\r\n",
        "@0 GET / host=a none obsolete_fold",
    );
    check(requests(), "GET /a b HTTP/1.1\r\n\r\n", "@0 GET /a b none odd_start_line");
    check(requests(), "GET  / HTTP/1.1\r\n\r\n", "@0 GET / none odd_start_line");
    check(requests(), "GET /\x01 HTTP/1.1\r\n\r\n", "@0 GET /\\x01 none odd_start_line");
    check(requests(), "GET /é HTTP/1.1\r\n\r\n", "@0 GET /\\xc3\\xa9 none odd_start_line");
    check(requests(), "GET / HTTP/1.0.8\r\n\r\n", "@0 GET / none odd_version");
    check(requests(), "GET / HTTP/2.0\r\n\r\n", "@0 GET / none odd_version");
    check(requests(), "GET / HTTP/1.1\r\nno colon\r\n\r\n", "@0 GET / none odd_field");
    check(requests(), "GET / HTTP/1.1\r\nHost : a\r\n\r\n", "@0 GET / host=a none odd_field");
    check(requests(), "GET / HTTP/1.1\r\n x: y\r\n\r\n", "@0 GET / none odd_field");
    check(requests(), "GET / HTTP/1.1\r\nX: \x00\r\n\r\n", "@0 GET / none odd_field");
    check(requests(), "GET / HTTP/1.1\r\nX: a\rb\r\n\r\n", "@0 GET / none odd_field");
    check(requests(), "GET / HTTP/1.1\r\nX: \u{fc}\r\n\r\n", "@0 GET / none");
    let none = || Setting { answers: vec![Answering::Head; 3], ..responses() };
    check(none(), "HTTP/1.1 200\r\n\r\n", "@0 200 none");
    check(none(), "HTTP/1.1 200 \r\n\r\n", "@0 200 none");
    check(none(), "HTTP/1.1  200 OK\r\n\r\n", "@0 200 none odd_start_line");
    check(none(), "HTTP/1.1 200 O\x07K\r\n\r\n", "@0 200 none odd_start_line");
    check(none(), "HTTP/1.1 299 \u{fc}\r\n\r\n", "@0 299 none");
    check(none(), "HTTP/1.2 999 x\r\n\r\n", "@0 999 none odd_version");
    check(none(), "HTTP/1.1 200 OK\r\nSet Cookie: a\r\n\r\n", "@0 200 none odd_field");
}

#[test]
fn the_last_field_line_may_end_bare_too() {
    for (fields, is_bare) in [
        ("A: b\r\nC: d\r\n\r\n", false),
        ("A: b \r\nC: d\t\r\n\r\n", false),
        ("A:\r\nC:\r\n\r\n", false),
        ("A:\nC:\r\n\r\n", true),
        ("A: b \nC: d\r\n\r\n", true),
        ("A: b\r\nC: d\n\r\n", true),
        ("A: b\r\nC: d\r\n\n", true),
    ] {
        let head = format!("GET / HTTP/1.1\r\n{fields}");
        let first = run(&requests(), &[bytes(&head)]).remove(0);
        assert_eq!(first.contains("bare_line_feed"), is_bare, "{fields:?}");
    }
}

#[test]
fn empty_lines_before_a_message_are_noted() {
    check(
        &requests(),
        "\r\nGET / HTTP/1.1\r\n\r\n\n\r\nGET / HTTP/1.1\r\n\r\n",
        &[
            "unparsed 2",
            "@2 GET / none leading_blank_lines",
            "Whole 0/0 @20",
            "unparsed 3",
            "@23 GET / none leading_blank_lines",
            "Whole 0/0 @41",
        ],
    );
}

#[test]
fn what_is_no_message_is_unparsed() {
    for (setting, text) in [
        (requests(), "GET /old\r\n"),
        (requests(), "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        (requests(), "\x16\x03\x01\x02\x00\x01\x00"),
        (requests(), "SSH-2.0-OpenSSH_9.6\r\n"),
        (requests(), "EHLO example.org\r\nMAIL FROM:<a>\r\n"),
        (requests(), "\x05\x01\x00"),
        (requests(), "abc"),
        (requests(), "(GET) / HTTP/1.1\r\n\r\n"),
        (requests(), " GET / HTTP/1.1\r\n\r\n"),
        (responses(), "220 ready\r\n"),
        (responses(), "HTTP/1.1 OK\r\n\r\n"),
        (responses(), "HTTP/1.1 099 low\r\n\r\n"),
        (responses(), "HTTP/1.1 20 low\r\n\r\n"),
        (responses(), "HTTP/1.1 2000 high\r\n\r\n"),
        (responses(), "HTTP 200\r\n"),
        (responses(), "HTT"),
    ] {
        check(&setting, text, &[&format!("unparsed {}", text.len())]);
    }
    let long = format!("{} / HTTP/1.1\r\n\r\n", "A".repeat(limits::METHOD_TOKEN_BYTES_MAX + 1));
    check(&requests(), &long, &[&format!("unparsed {}", long.len())]);
    let long = format!("{} / HTTP/1.1\r\n\r\n", "A".repeat(limits::METHOD_TOKEN_BYTES_MAX));
    let end = format!("Whole 0/0 @{}", long.len());
    let start = format!("@0 {} / none", "A".repeat(limits::METHOD_TOKEN_BYTES_MAX));
    check(&requests(), &long, &[&start, &end]);
}

#[test]
fn excess_after_a_response_is_searched_through() {
    check_pieces(
        &responses(),
        &[
            bytes("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokmore"),
            bytes("still HTTP/1.\n"),
            bytes("HTTP/1.1 204 No\r\n\r\n"),
        ],
        &[
            "@0 200 length =2",
            "body \"ok\"",
            "Whole 2/2 @40",
            "unparsed 18",
            "@58 204 none found",
            "Whole 0/0 @77",
        ],
    );
}

#[test]
fn bodies_that_end_with_the_connection() {
    let stream = "HTTP/1.0 200 OK\r\n\r\nabc";
    for (ending, ended) in
        [(Ending::Closed, "Whole"), (Ending::Reset, "Early"), (Ending::Cut, "Early")]
    {
        let setting = Setting { ending, ..responses() };
        let end = format!("{ended} 3/3 @22");
        check(&setting, stream, &["@0 200 close", "body \"abc\"", &end]);
        let end = format!("{ended} 3/10 @29 gap_in_response");
        check_pieces(
            &setting,
            &[bytes(stream), Piece::Gap(7)],
            &["@0 200 close", "body \"abc\"", "gap 7", &end],
        );
        let setting = Setting { ending, ..requests() };
        check(
            &setting,
            "PUT / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc",
            &["@0 PUT / length =9", "body \"abc\"", "Early 3/9 @40"]
                .map(|line| if line.starts_with("Early") { "Early 3/3 @40" } else { line }),
        );
    }
}

#[test]
fn heads_that_never_end() {
    for ending in [Ending::Closed, Ending::Reset, Ending::Cut] {
        let setting = Setting { ending, ..requests() };
        check(
            &setting,
            "GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5",
            &["@0 GET /a host=x none unfinished_head", "Early 0/0 @43"],
        );
        check(
            &setting,
            "GET /a HTTP/1.1\r\n",
            &["@0 GET /a none unfinished_head", "Early 0/0 @17"],
        );
        check(&setting, "GET /a HTTP/1.1\r", &["unparsed 16"]);
    }
}

#[test]
fn gaps_are_bridged_by_framing_or_end_the_message() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n";
    let next = "HTTP/1.1 204 No\r\n\r\n";
    check_pieces(
        &responses(),
        &[bytes(format!("{head}ab")), Piece::Gap(5), bytes(format!("xyz{next}"))],
        &[
            "@0 200 length =10",
            "body \"ab\"",
            "gap 5",
            "body \"xyz\"",
            "Whole 5/10 @49 gap_in_response",
            "@49 204 none",
            "Whole 0/0 @68",
        ],
    );
    // To the body's very end: the next message starts where it must.
    check_pieces(
        &responses(),
        &[bytes(format!("{head}ab")), Piece::Gap(8), bytes(next)],
        &[
            "@0 200 length =10",
            "body \"ab\"",
            "gap 8",
            "TailLost 2/10 @49 gap_in_response",
            "@49 204 none",
            "Whole 0/0 @68",
        ],
    );
    // Past it: the place is lost.
    check_pieces(
        &responses(),
        &[bytes(head), Piece::Gap(11), bytes("ody"), bytes(next)],
        &[
            "@0 200 length =10",
            "gap 10",
            "TailLost 0/10 @49 gap_in_response",
            "unparsed 3",
            "@53 204 none found",
            "Whole 0/0 @72",
        ],
    );
    // At a boundary.
    check_pieces(
        &responses(),
        &[bytes(next), Piece::Gap(1), bytes(next)],
        &["@0 204 none", "Whole 0/0 @19", "@20 204 none found", "Whole 0/0 @39"],
    );
    // In a head, with and without its start line.
    check_pieces(
        &responses(),
        &[bytes("HTTP/1.1 200 OK\r\nContent-"), Piece::Gap(9), bytes("\r\n\r\nxx"), bytes(next)],
        &[
            "@0 200 close gap_in_response unfinished_head",
            "Early 0/0 @25",
            "unparsed 6",
            "@40 204 none found",
            "Whole 0/0 @59",
        ],
    );
    check_pieces(
        &requests(),
        &[bytes("GET /long"), Piece::Gap(9), bytes(" HTTP/1.1\r\nA: b\r\n\r\n")],
        &["unparsed 28"],
    );
}

#[test]
fn gaps_in_chunked_bodies() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let next = "HTTP/1.1 204 No\r\n\r\n";
    let at = head.len();
    let check = |pieces: &[Piece], expected: &[String]| {
        let expected: Vec<&str> =
            ["@0 200 chunked"].into_iter().chain(expected.iter().map(String::as_str)).collect();
        check_pieces(&responses(), pieces, &expected);
    };
    // Inside one chunk's data, up to its very end too.
    check(
        &[
            bytes(format!("{head}5\r\nh")),
            Piece::Gap(4),
            bytes("\r\n3\r\na"),
            Piece::Gap(1),
            bytes("c\r\n0\r\n\r\n"),
            bytes(next),
        ],
        &[
            "body \"h\"".into(),
            "gap 4".into(),
            "body \"a\"".into(),
            "gap 1".into(),
            "body \"c\"".into(),
            format!("Whole 3/8 @{} gap_in_response", at + 23),
            format!("@{} 204 none", at + 23),
            format!("Whole 0/0 @{}", at + 42),
        ],
    );
    // Past a chunk's end, and in the framing.
    let lost_at = |offset: usize, ended: usize, gap: u64, body: &[&str]| {
        let mut expected: Vec<String> = body.iter().map(ToString::to_string).collect();
        let seen = u8::from(!body.is_empty());
        let known = if body.len() > 1 { 5 } else { seen };
        expected.push(format!("Early {seen}/{known} @{} gap_in_response", at + ended));
        let found = at + offset + usize::try_from(gap).unwrap();
        expected.push(format!("@{found} 204 none found"));
        expected.push(format!("Whole 0/0 @{}", found + 19));
        expected
    };
    check(
        &[bytes(format!("{head}5\r\nh")), Piece::Gap(6), bytes(next)],
        &lost_at(4, 8, 6, &["body \"h\"", "gap 4"]),
    );
    check(
        &[bytes(format!("{head}1\r\nh")), Piece::Gap(2), bytes(next)],
        &lost_at(4, 4, 2, &["body \"h\""]),
    );
    check(&[bytes(format!("{head}1")), Piece::Gap(2), bytes(next)], &lost_at(1, 1, 2, &[]));
    let mut expected = lost_at(5, 5, 9, &[]);
    expected[0] = expected[0].replace(" gap", " trailers=2 gap");
    check(&[bytes(format!("{head}0\r\nA:")), Piece::Gap(9), bytes(next)], &expected);
}

#[test]
fn heads_of_every_size_split_at_every_byte() {
    let field = |n: usize| format!("X-{n}: {}\r\n", "v".repeat(n % 70));
    let fields = (0..500).map(field).collect::<Vec<_>>().concat();
    let head = format!("GET / HTTP/1.1\r\n{fields}Content-Length: 3\r\n\r\nabc");
    let end = format!("Whole 3/3 @{}", head.len());
    check(&requests(), &head, &["@0 GET / length =3", "body \"abc\"", &end]);
    // The longest head that is kept, and one a byte longer, which keeps its whole lines.
    for excess in [0, 1, 5000] {
        let start = "GET / HTTP/1.1\r\nContent-Length: 3\r\nHost: h\r\nX: ";
        let filler = limits::HEAD_BYTES_MAX - start.len() - 4 + excess;
        let head = format!("{start}{}\r\n\r\nabc", "x".repeat(filler));
        let end = format!("Whole 3/3 @{}", head.len());
        let odd = if excess > 0 { " head_too_long" } else { "" };
        let first = format!("@0 GET / host=h length =3{odd}");
        check(&requests(), &head, &[&first, "body \"abc\"", &end]);
    }
}

#[test]
fn an_endless_head_is_given_up() {
    let mut pieces = vec![bytes("GET / HTTP/1.1\r\nHost: h\r\n")];
    let line = "X: y\r\n".repeat(10_000);
    pieces.extend((0..25).map(|_| bytes(&line)));
    pieces.push(bytes("GET /next HTTP/1.1\r\n\r\n"));
    let lines = run(&requests(), &pieces);
    assert_eq!(lines[0], "@0 GET / host=h none head_too_long unfinished_head");
    assert!(lines[1].starts_with("Early 0/0"), "{lines:?}");
    assert!(lines[2].starts_with("unparsed"), "{lines:?}");
    assert!(lines[3].ends_with("GET /next none found"), "{lines:?}");
    // A start line that never ends tells nothing.
    let endless = format!("GET /{}", "a".repeat(limits::HEAD_BYTES_MAX));
    check(&requests(), &endless, &[&format!("unparsed {}", endless.len())]);
}

#[test]
fn searching_finds_heads_at_packet_starts_and_inside() {
    let searching = |side| Setting { side, is_searching: true, ..requests() };
    let get = "GET /b?c HTTP/1.1\r\nHost: h\r\n\r\n";
    let no = "HTTP/1.1 204 No\r\nA: b\r\n\r\n";
    for (side, head, told) in
        [(Side::Request, get, "GET /b?c host=h none found"), (Side::Response, no, "204 none found")]
    {
        let setting = searching(side);
        let found =
            |at: usize| [format!("@{at} {told}"), format!("Whole 0/0 @{}", at + head.len())];
        let check = |pieces: &[Piece], at: usize| {
            let mut expected: Vec<String> = found(at).to_vec();
            if at > 0 {
                expected.insert(0, format!("unparsed {at}"));
            }
            assert_eq!(run(&setting, pieces), expected, "{pieces:?}");
        };
        check(&[bytes(head)], 0);
        let single: Vec<Piece> = head.bytes().map(|byte| bytes([byte])).collect();
        check(&single, 0);
        check(&[bytes("tail of something"), bytes(head)], 17);
        check(&[bytes(format!("tail\r\n{head}"))], 6);
        check(&[bytes(format!("HTTP/1.1 here\nGET / and there\n{head}"))], 30);
        // Split inside of the packet where it begins in the midst.
        for cut in [6, 13, 20, head.len() - 1] {
            let (first, second) = head.split_at(cut);
            check(&[bytes(format!("tail\r\n{first}")), bytes(second)], 6);
        }
        // An odd field is taken at the start of a packet, not inside of one.
        let odd = head.replace("\r\n\r\n", "\r\nodd field: x\r\n\r\n");
        let lines = run(&setting, &[bytes("tail"), bytes(&odd)]);
        assert_eq!(lines[1], format!("@4 {told} odd_field"));
        let lines = run(&setting, &[bytes(format!("tail\n{odd}"))]);
        assert_eq!(lines, [format!("unparsed {}", 5 + odd.len())]);
    }
}

#[test]
fn search_rejects_what_was_emitted() {
    let mut parser = MessageParser::new(Side::Response);
    let stream = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nxxxx\nHTTP/1.1 204 No\r\n\r\n";
    let mut input =
        Input::data(Data { at: Timestamp::MIN, offset: 0, acknowledged: 0, bytes: stream });
    let first = parser.advance(&mut input, Answering::Other);
    assert!(matches!(first, Some(MessageEvent::Head(_))));
    parser.search();
    assert!(parser.is_searching());
    let second = parser.advance(&mut input, Answering::Other);
    assert!(matches!(second, Some(MessageEvent::Unparsed(5))), "{second:?}");
    let third = parser.advance(&mut input, Answering::Other);
    assert!(matches!(third, Some(MessageEvent::Head(head)) if head.found_by_search), "{third:?}");
}

#[test]
fn times_and_positions_are_those_of_the_bytes() {
    let at = |nanos: i64| Timestamp::from_nanos(nanos);
    let mut parser = MessageParser::new(Side::Response);
    let packets: [(i64, &[u8]); 4] = [
        (50, b"HTTP/1.1 200 OK\r\nContent-"),
        (40, b"Length: 6\r\n\r\nab"),
        (70, b"cd"),
        (60, b"efHTTP/1.1 204 No\r\n\r\n"),
    ];
    let mut offset = 1000;
    let mut told = Vec::new();
    for (number, (time, packet)) in packets.into_iter().enumerate() {
        let acknowledged = number as u64 + 1;
        let data = Data { at: at(time), offset, acknowledged, bytes: packet };
        let mut input = Input::data(data);
        offset += packet.len() as u64;
        while let Some(event) = parser.advance(&mut input, Answering::Other) {
            match event {
                MessageEvent::Head(head) => told.push((
                    head.begun_at.as_nanos(),
                    head.ended_at.as_nanos(),
                    head.offset,
                    head.acknowledged,
                )),
                MessageEvent::End(end) => told.push((end.at.as_nanos(), 0, end.offset, 0)),
                _ => {}
            }
        }
        if number == 0 {
            assert_eq!(parser.held_bytes(), packet.len());
            assert!(!parser.is_idle());
        } else {
            assert!(parser.held_bytes() <= 38);
        }
    }
    assert_eq!(told, [(50, 50, 1000, 1), (70, 0, 1044, 0), (60, 60, 1044, 4), (60, 0, 1063, 0)]);
    assert!(parser.is_idle());
}

#[test]
fn the_parser_is_small() {
    assert!(size_of::<MessageParser>() <= 160, "{}", size_of::<MessageParser>());
}

/// A message as it is made, so that what must come out is known.
#[derive(Clone, Debug)]
struct Made {
    wire: Vec<u8>,
    told: Vec<String>,
    answering: Answering,
}

fn body_bytes() -> impl Strategy<Value = Vec<u8>> {
    let texts = prop_oneof![
        Just(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()),
        Just(b"\r\nGET / HTTP/1.1\r\n\r\n".to_vec()),
        prop::collection::vec(any::<u8>(), 1..40),
    ];
    prop::collection::vec(texts, 0..3).prop_map(|texts| texts.concat())
}

#[derive(Clone, Debug)]
enum BodyMade {
    None,
    Length(Vec<u8>),
    Chunked(Vec<Vec<u8>>, &'static str),
}

fn any_body() -> impl Strategy<Value = BodyMade> {
    let trailers = prop_oneof![Just(""), Just("Digest: x\r\n"), Just("A: b\r\nC: d\r\n")];
    prop_oneof![
        Just(BodyMade::None),
        body_bytes().prop_map(BodyMade::Length),
        (prop::collection::vec(body_bytes(), 0..4), trailers)
            .prop_map(|(chunks, trailers)| BodyMade::Chunked(chunks, trailers)),
    ]
}

fn made(start: &str, told: &str, body: &BodyMade, answering: Answering) -> Made {
    let is_head = answering == Answering::Head;
    let mut wire = format!("{start}\r\nX-Filler: abc\r\n").into_bytes();
    let mut data = Vec::new();
    let mut trailer = String::new();
    let framing = match body {
        BodyMade::None if told == "204" || start.ends_with("HTTP/1.1") => {
            wire.extend_from_slice(b"\r\n");
            "none".to_owned()
        }
        BodyMade::None => {
            wire.extend_from_slice(b"Content-Length: 0\r\n\r\n");
            if is_head { "none =0".to_owned() } else { "length =0".to_owned() }
        }
        BodyMade::Length(bytes) => {
            wire.extend_from_slice(format!("content-length: {}\r\n\r\n", bytes.len()).as_bytes());
            let framing = if is_head || told == "204" { "none" } else { "length" };
            data.clone_from(bytes);
            format!("{framing} ={}", bytes.len())
        }
        BodyMade::Chunked(..) => {
            wire.extend_from_slice(b"Transfer-Encoding: gzip, chunked\r\n\r\n");
            if is_head || told == "204" { "none" } else { "chunked" }.to_owned()
        }
    };
    if framing.starts_with("none") {
        data.clear();
    } else if let BodyMade::Chunked(chunks, trailers) = body {
        for chunk in chunks.iter().filter(|chunk| !chunk.is_empty()) {
            wire.extend_from_slice(format!("{:X};e=\"q\"\r\n", chunk.len()).as_bytes());
            wire.extend_from_slice(chunk);
            wire.extend_from_slice(b"\r\n");
            data.extend_from_slice(chunk);
        }
        wire.extend_from_slice(format!("0\r\n{trailers}\r\n").as_bytes());
        if !trailers.is_empty() {
            trailer = format!(" trailers={}", trailers.len());
        }
    } else {
        wire.extend_from_slice(&data);
    }
    let mut lines = vec![format!("{told} {framing}")];
    if !data.is_empty() {
        lines.push(format!("body {:?}", data.escape_ascii().to_string()));
    }
    let len = data.len();
    lines.push(format!("Whole {len}/{len} @+{trailer}"));
    Made { wire, told: lines, answering }
}

fn any_request() -> impl Strategy<Value = Made> {
    let methods = prop_oneof![Just("GET"), Just("POST"), Just("m-search"), Just("PROPFIND")];
    (methods, "/[a-z0-9?=&%.~]{0,30}", any_body()).prop_map(|(method, target, body)| {
        let start = format!("{method} {target} HTTP/1.1");
        made(&start, &format!("{method} {target}"), &body, Answering::Other)
    })
}

fn any_response() -> impl Strategy<Value = Made> {
    let statuses = prop_oneof![Just(200_u16), Just(404), Just(204), Just(500)];
    let answering = prop_oneof![3 => Just(Answering::Other), 1 => Just(Answering::Head)];
    (statuses, "[A-Za-z ]{0,12}", any_body(), answering).prop_map(
        |(status, reason, body, answering)| {
            let start = format!("HTTP/1.1 {status} {reason}");
            made(&start, &status.to_string(), &body, answering)
        },
    )
}

/// The stream of the messages and the lines that must come of it, positions filled in.
fn stream_of(messages: &[Made]) -> (Vec<u8>, Vec<String>) {
    let mut stream = Vec::new();
    let mut lines = Vec::new();
    for message in messages {
        let start = stream.len();
        stream.extend_from_slice(&message.wire);
        for line in &message.told {
            let end = format!("@{}", stream.len());
            if line.starts_with("body") {
                lines.push(line.clone());
            } else if line.contains("@+") {
                lines.push(line.replace("@+", &end));
            } else {
                lines.push(format!("@{start} {line}"));
            }
        }
    }
    (stream, lines)
}

fn cut_at(stream: &[u8], cuts: &[prop::sample::Index]) -> Vec<Piece> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
    cuts.extend([0, stream.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|pair| bytes(&stream[pair[0]..pair[1]])).collect()
}

/// A plain reading of a chunked body: its data as far as it goes, and where it ends.
fn decoded(mut rest: &[u8]) -> (Vec<u8>, Option<usize>) {
    let total = rest.len();
    let mut data = Vec::new();
    let line = |rest: &mut &[u8]| -> Option<Vec<u8>> {
        let end = rest.iter().position(|&byte| byte == b'\n')?;
        let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]).to_vec();
        *rest = &rest[end + 1..];
        Some(line)
    };
    loop {
        let Some(size) = line(&mut rest) else { return (data, None) };
        let size = String::from_utf8_lossy(&size).into_owned();
        let digits: String = size.chars().take_while(char::is_ascii_hexdigit).collect();
        let after = size[digits.len()..].trim_start_matches([' ', '\t']);
        let is_odd = size.contains('\r') || !after.is_empty() && !after.starts_with(';');
        let Ok(len) = usize::from_str_radix(&digits, 16) else { return (data, None) };
        if is_odd {
            return (data, None);
        }
        if len == 0 {
            break;
        }
        let run = len.min(rest.len());
        data.extend_from_slice(&rest[..run]);
        rest = &rest[run..];
        rest = match rest {
            [b'\n', rest @ ..] | [b'\r', b'\n', rest @ ..] => rest,
            _ => return (data, None),
        };
    }
    loop {
        match line(&mut rest).as_deref() {
            None | Some([b'\r', ..]) => return (data, None),
            Some([]) => return (data, Some(total - rest.len())),
            Some(_) => {}
        }
    }
}

fn any_side() -> impl Strategy<Value = Setting> {
    let endings = prop_oneof![Just(Ending::Closed), Just(Ending::Reset), Just(Ending::Cut)];
    let answers =
        prop_oneof![Just(Answering::Head), Just(Answering::Connect), Just(Answering::Other)];
    let sides = prop_oneof![Just(Side::Request), Just(Side::Response)];
    (sides, any::<bool>(), prop::collection::vec(answers, 0..4), endings).prop_map(
        |(side, is_searching, answers, ending)| Setting { side, is_searching, answers, ending },
    )
}

fn any_piece() -> impl Strategy<Value = Piece> {
    let words: &[&str] = &[
        "GET / HTTP/1.1\r\n",
        "POST /a b HTTP/1.1\r\n",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 304 x\n",
        "HTTP/1.",
        "HTTP/1.1 1",
        "Content-Length: 7\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: x\r\n",
        "\r\n",
        "\n",
        "\r",
        " ",
        ":",
        "5\r\n",
        "0\r\n",
        "fffffffffffffff\r\n",
        "hello",
        "\0\u{7f}",
        "CONNECT a:1 ",
    ];
    let word = prop::sample::select(words.to_vec()).prop_map(|word| word.as_bytes().to_vec());
    let piece = prop::collection::vec(
        prop_oneof![8 => word, 1 => prop::collection::vec(any::<u8>(), 0..9)],
        0..7,
    );
    prop_oneof![
        9 => piece.prop_map(|parts| Piece::Bytes(parts.concat())),
        1 => (1_u64..20).prop_map(Piece::Gap),
        1 => any::<u32>().prop_map(|len| Piece::Gap(u64::from(len) + 1)),
    ]
}

proptest! {
    #[test]
    fn requests_come_out_as_made_however_cut(
        messages in prop::collection::vec(any_request(), 1..5),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let (stream, expected) = stream_of(&messages);
        prop_assert_eq!(run(&requests(), &cut_at(&stream, &cuts)), expected.clone());
        let single: Vec<Piece> = stream.iter().map(|&byte| bytes([byte])).collect();
        prop_assert_eq!(run(&requests(), &single), expected);
    }

    #[test]
    fn responses_come_out_as_made_however_cut(
        messages in prop::collection::vec(any_response(), 1..5),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let (stream, expected) = stream_of(&messages);
        let answers = messages.iter().map(|message| message.answering).collect();
        let setting = Setting { answers, ..responses() };
        prop_assert_eq!(run(&setting, &cut_at(&stream, &cuts)), expected.clone());
        let single: Vec<Piece> = stream.iter().map(|&byte| bytes([byte])).collect();
        prop_assert_eq!(run(&setting, &single), expected);
    }

    #[test]
    fn garbage_and_gaps_never_stop_the_parser(
        setting in any_side(),
        pieces in prop::collection::vec(any_piece(), 0..20),
    ) {
        run(&setting, &pieces);
    }

    #[test]
    fn random_bytes_never_stop_the_parser(
        setting in any_side(),
        stream in prop::collection::vec(any::<u8>(), 0..400),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..9),
    ) {
        run(&setting, &cut_at(&stream, &cuts));
    }

    #[test]
    fn mutated_messages_never_stop_the_parser(
        setting in any_side(),
        messages in prop::collection::vec(prop_oneof![any_request(), any_response()], 1..4),
        mutations in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..9),
    ) {
        let (mut stream, _) = stream_of(&messages);
        for (at, byte) in mutations {
            let at = at.index(stream.len());
            stream[at] = byte;
        }
        run(&setting, &cut_at(&stream, &cuts));
    }

    #[test]
    fn a_head_at_a_packet_start_is_found_after_garbage(
        garbage in prop::collection::vec(prop::collection::vec(128_u8.., 1..80), 0..4),
        request in any_request().prop_filter("in use", |made| !made.told[0].starts_with("m-")),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let skipped: usize = garbage.iter().map(Vec::len).sum();
        let mut pieces: Vec<Piece> = garbage.into_iter().map(Piece::Bytes).collect();
        pieces.extend(cut_at(&request.wire, &cuts));
        let lines = run(&requests(), &pieces);
        let head = lines.iter().find(|line| line.starts_with(&format!("@{skipped} ")));
        prop_assert!(head.is_some_and(|head| head.contains(&request.told[0])), "{:?}", lines);
    }

    #[test]
    fn chunks_decode_as_in_the_model(
        body in prop::collection::vec(
            prop_oneof![
                4 => prop::sample::select(b"0123aF;\r\n x".to_vec()).prop_map(|byte| vec![byte]),
                3 => Just(b"\r\n".to_vec()),
                2 => Just(b"3\r\nabc\r\n".to_vec()),
                1 => Just(b"0\r\n\r\n".to_vec()),
            ],
            0..14,
        ),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let head = b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        let stream = [head.to_vec(), body.concat()].concat();
        let (data, end) = decoded(&stream[head.len()..]);
        let lines = run(&requests(), &cut_at(&stream, &cuts));
        let mut lines = lines.iter().skip(1);
        let mut last = lines.next().unwrap();
        if !data.is_empty() {
            prop_assert_eq!(last, &format!("body {:?}", data.escape_ascii().to_string()));
            last = lines.next().unwrap();
        }
        match end {
            Some(end) => {
                let whole = format!("Whole {0}/{0} @{1}", data.len(), head.len() + end);
                prop_assert!(last.starts_with(&whole), "{} {}", last, whole);
            }
            None => prop_assert!(last.starts_with("Early"), "{}", last),
        }
    }
}
