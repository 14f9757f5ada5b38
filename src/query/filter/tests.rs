//! What filters accept, refuse and answer.

use proptest::prelude::*;

use super::*;
use crate::anomaly::Anomaly;
use crate::exchange::{ConnectionKey, Exchange, MessageFacts, State, Timing};
use crate::http::Framing;
use crate::ledger::Ledger;
use crate::packet::Endpoint;
use crate::query::text::ExchangeText;
use crate::segment::{About, BlockBuilder, BlockInfo, Segment, SegmentWriter};
use crate::time::Timestamp;

fn sample() -> Exchange {
    let mut exchange = Exchange {
        facts: Facts {
            connection: ConnectionKey {
                client: Endpoint::v4([10, 0, 0, 1], 51324),
                server: Endpoint::v4([192, 0, 2, 7], 80),
                opened_at: Timestamp::MIN,
            },
            index: 2,
            start: Timestamp::from_nanos(1_795_242_865_123_456_789),
            request: Some(MessageFacts { header_bytes: 90, ..MessageFacts::default() }),
            response: Some(MessageFacts {
                header_bytes: 60,
                framing: Framing::Chunked,
                body_bytes: 70_000,
                body_seen_bytes: 60_000,
            }),
            status: 503,
            timing: Timing {
                wait_ns: Some(200_000_000),
                total_ns: Some(250_000_000),
                ..Timing::default()
            },
            anomalies: [Anomaly::GapInResponse].into_iter().collect(),
            ..Facts::default()
        },
        ..Exchange::default()
    };
    exchange.request.head = b"POST /cart/17?x=1 HTTP/1.1\r\nHost: Shop.test:8080\r\n\
        User-Agent: curl/8.0\r\nAccept: text/html\r\nAccept: text/plain\r\n\r\n"
        .to_vec();
    exchange.response.head =
        b"HTTP/1.1 503 Service Unavailable\r\nServer: gr\xf6\xdfe\r\n\r\n".to_vec();
    exchange.route = "/cart/{int}".to_owned();
    exchange
}

/// An unanswered exchange without host and response.
fn unanswered() -> Exchange {
    let mut exchange = sample();
    exchange.facts.response = None;
    exchange.facts.status = 0;
    exchange.facts.state = State::Unanswered;
    exchange.facts.timing = Timing::default();
    exchange.facts.anomalies = crate::anomaly::Anomalies::NONE;
    exchange.request.head = b"POST /cart/17 HTTP/1.0\r\n\r\n".to_vec();
    exchange.response.head.clear();
    exchange
}

fn check(exchange: &Exchange, expression: &str, expected: bool) {
    let filter = Filter::parse(expression).unwrap_or_else(|error| panic!("{error}"));
    let found = filter.matches(&exchange.facts, &mut ExchangeText::new(exchange));
    assert_eq!(found, expected, "{expression}");
}

#[test]
fn numbers_are_compared_in_their_units() {
    let exchange = sample();
    for (expression, expected) in [
        ("status = 503", true),
        ("status == 503", true),
        ("status != 503", false),
        ("status >= 500 and status < 600", true),
        ("status = 5xx", true),
        ("class = 5xx", true),
        ("class = 5", true),
        ("class >= 4XX", true),
        ("status in {404, 503}", true),
        ("status in {404 4xx}", false),
        ("total > 200ms", true),
        ("total > 250ms", false),
        ("total >= 0.25s", true),
        ("wait = 200000us", true),
        ("timing.wait_ns = 200ms", true),
        ("send > 0", false),
        ("request.bytes = 0", true),
        ("response.bytes > 64K", true),
        ("response.bytes > 70000", false),
        ("response.header_bytes = 60", true),
        ("index = 2", true),
        ("server.port = 80 and client.port = 51324", true),
        ("start >= 2026-11-21T06:34:25Z and start < '2026-11-21T07:34:26+01:00'", true),
        ("start < 2026-11-21", false),
    ] {
        check(&exchange, expression, expected);
    }
}

#[test]
fn text_is_compared_by_word_pattern_and_part() {
    let exchange = sample();
    for (expression, expected) in [
        ("method = POST", true),
        ("method != POST", false),
        ("method = post", false),
        ("route = \"POST /cart/{int}\"", true),
        ("route ~ \"^POST /cart\"", true),
        ("route !~ ^GET", true),
        ("path = /cart/17", true),
        ("target contains 'x=1'", true),
        ("target ~ '\\?x=\\d$'", true),
        ("host = shop.test", true),
        ("host = SHOP.test:8080", true),
        ("host = shop.test:80", false),
        ("host contains Shop", true),
        ("request.header.user-agent ~ \"curl\"", true),
        ("request.header.accept = text/plain", true),
        ("request.header.accept != text/plain", false),
        ("request.header.accept != image/png", true),
        ("request.header.accept !~ ^text", false),
        ("request.header.cookie", false),
        ("request.header.Cookie != x", false),
        ("not request.header.cookie = x", true),
        ("response.header.server ~ 'gr\\xf6'", true),
        ("response.header.server", true),
        ("reason = 'Service Unavailable'", true),
        ("request.version = 1.1", true),
        ("client = 10.0.0.1", true),
        ("client in 10.0.0.0/8", true),
        ("client in {11.0.0.0/8, 12.0.0.1}", false),
        ("client != 10.0.0.1:51324", false),
        ("server = 192.0.2.7:80", true),
        ("server ~ ^192", true),
        ("server contains :80", true),
    ] {
        check(&exchange, expression, expected);
    }
}

#[test]
fn sets_and_names_are_asked_for_members() {
    let exchange = sample();
    for (expression, expected) in [
        ("state = complete", true),
        ("state != complete", false),
        ("state in {open, complete}", true),
        ("anomaly", true),
        ("anomaly = gap_in_response", true),
        ("anomaly != gap_in_response", false),
        ("anomaly = reset", false),
        ("anomaly != reset", true),
        ("suspect", true),
        ("suspect = false", false),
        ("!suspect", false),
        ("response.framing = chunked", true),
        ("request.framing != none", false),
    ] {
        check(&exchange, expression, expected);
    }
    check(&exchange, &format!("id = {}", &exchange.id().to_string()[..4]), true);
    check(&exchange, "id = zzzzzzzzzzzzzzzz", false);
}

#[test]
fn a_comparison_with_what_is_missing_is_false() {
    let exchange = unanswered();
    for (expression, expected) in [
        ("status", false),
        ("status = 200", false),
        ("status != 200", false),
        ("not status = 200", true),
        ("total > 0 or total <= 0", false),
        ("host", false),
        ("host != shop.test", false),
        ("response.header.server != x", false),
        ("response.framing != none", false),
        ("response.bytes >= 0", false),
        ("anomaly", false),
        ("anomaly != reset", true),
        ("state = unanswered and method = POST", true),
    ] {
        check(&exchange, expression, expected);
    }
}

#[test]
fn words_between_tests_bind_as_usual() {
    let exchange = sample();
    for (expression, expected) in [
        ("status = 1 and status = 2 or status = 503", true),
        ("status = 503 or status = 1 and status = 2", true),
        ("(status = 503 or status = 1) and status = 2", false),
        ("not status = 1 and status = 503", true),
        ("not (status = 1 or status = 503)", false),
        ("!(status=1) && !!(status=503) || status=2", true),
        ("NOT status = 1 AND Status = 503", true),
    ] {
        check(&exchange, expression, expected);
    }
}

#[test]
fn text_is_touched_only_where_numbers_do_not_decide() {
    struct Untouchable;
    impl Text for Untouchable {
        fn method(&mut self) -> &[u8] {
            panic!("asked for the method")
        }
        fn route(&mut self) -> &str {
            panic!("asked for the route")
        }
        fn method_and_route(&mut self) -> (&[u8], &str) {
            panic!("asked for the method and the route")
        }
        fn host(&mut self) -> &[u8] {
            panic!("asked for the host")
        }
        fn request_head(&mut self) -> &[u8] {
            panic!("asked for the head")
        }
        fn response_head(&mut self) -> &[u8] {
            panic!("asked for the head")
        }
    }
    let facts = sample().facts;
    let check = |expression: &str, expected: bool| {
        let filter = Filter::parse(expression).expect("readable");
        assert_eq!(filter.matches(&facts, &mut Untouchable), expected, "{expression}");
    };
    check("request.header.a = b and status = 200", false);
    check("method = GET or (path = / and host = x) or status = 503", true);
    let needs = |expression: &str| {
        let filter = Filter::parse(expression).expect("readable");
        (filter.needs_text(), filter.needs_heads())
    };
    assert_eq!(needs("status = 200 and client = 10.0.0.1"), (false, false));
    assert_eq!(needs("status = 200 and host = x"), (true, false));
    assert_eq!(needs("status = 200 or not path = /"), (true, true));
}

#[test]
fn mistakes_are_shown_with_a_caret() {
    let check = |expression: &str, expected: &str| {
        let error = Filter::parse(expression).expect_err("a mistake");
        assert_eq!(error.to_string(), expected.trim_start_matches('\n'), "{expression}");
    };
    check(
        "total > 200",
        "
error: a duration needs its unit
  |
1 | total > 200
  |         ^^^ write `200ms`, `200us`, or `200s`",
    );
    check(
        "state = compleet and x",
        "
error: `compleet` is no value of `state`
  |
1 | state = compleet and x
  |         ^^^^^^^^ did you mean `complete`?",
    );
    check(
        "status >= 500 method = GET",
        "
error: two tests stand side by side
  |
1 | status >= 500 method = GET
  |               ^^^^^^ `and` or `or` is expected before this",
    );
    check(
        "route ~ \"a(b\"",
        "
error: the regular expression cannot be read
  |
1 | route ~ \"a(b\"
  |         ^^^^^ unclosed group",
    );
    check(
        "(status = 200",
        "
error: a parenthesis is not closed
  |
1 | (status = 200
  | ^ no closing `)` follows",
    );
}

#[test]
fn mistakes_name_the_word_and_what_could_stand_there() {
    let check = |expression: &str, span: std::ops::Range<usize>, title: &str, label: &str| {
        let error = Filter::parse(expression).expect_err("a mistake");
        assert_eq!(error.span(), span, "{expression}");
        assert_eq!(error.title(), title, "{expression}");
        assert_eq!(error.mistake.label, label, "{expression}");
    };
    check("sttus >= 500", 0..5, "unknown field `sttus`", "did you mean `status`?");
    check("5xx", 0..3, "unknown field `5xx`", "did you mean `class = 5xx`?");
    check("zebra", 0..5, "unknown field `zebra`", "no field has this name");
    check("", 0..0, "the filter is empty", "a comparison such as `status >= 500` is expected");
    check(
        "status >=",
        9..9,
        "`status` is compared with nothing",
        "a status such as `404`, or a class such as `4xx` is expected here",
    );
    check(
        "status = soon",
        9..13,
        "`soon` does not fit here",
        "a status such as `404`, or a class such as `4xx` is expected here",
    );
    check(
        "state < open",
        6..7,
        "`state` cannot be compared by `<`",
        "`=` or `!=` is expected here",
    );
    check(
        "path > /a",
        5..6,
        "`path` cannot be compared by `>`",
        "`=`, `!=`, `~`, `!~`, `contains` or `in` is expected here",
    );
    check(
        "anomaly = gap_in_respons",
        10..24,
        "`gap_in_respons` is no value of `anomaly`",
        "did you mean `gap_in_response`?",
    );
    check("path = 'abc", 7..11, "a string is not closed", "no closing ' follows");
    check("status & 5", 7..8, "`&` means nothing here", "write `and` or `&&`");
    check(
        "status = 1)",
        10..11,
        "a parenthesis is closed that was not opened",
        "leave it out, or open one before",
    );
    check("status in {1, 2", 10..11, "a brace is not closed", "no closing `}` follows");
    check(
        "target contains x=1",
        17..18,
        "`=` compares nothing here",
        "put the value in quotes if this belongs to it",
    );
    check("and", 0..3, "a test is missing", "a field such as `status` is expected here");
    check(
        "state",
        0..5,
        "every exchange has `state`",
        "compare it with one of complete, truncated, unanswered, open, orphan",
    );
    check(
        "client = shop.test",
        9..18,
        "`shop.test` is no value of `client`",
        "an address such as `10.0.0.1`, `10.0.0.1:80` or `10.0.0.0/8` is expected here",
    );
    let deep = "(".repeat(100);
    check(&deep, 64..65, "the filter nests too deep", "at most 64 levels");
}

/// An expression made of tests that bounds can decide, and of some that they cannot.
fn any_expression() -> impl Strategy<Value = String> {
    let operator = prop::sample::select(vec!["=", "!=", "<", "<=", ">", ">="]);
    let leaf = prop_oneof![
        (operator.clone(), 0..700_u16).prop_map(|(op, n)| format!("status {op} {n}")),
        (operator.clone(), 1..8_u8).prop_map(|(op, n)| format!("class {op} {n}xx")),
        (operator.clone(), 0..50_u8).prop_map(|(op, n)| format!("total {op} {n}ns")),
        (operator.clone(), 0..20_u8)
            .prop_map(|(op, n)| format!("start {op} 1970-01-01T00:00:00.{n:09}Z")),
        (operator, 0..3_u8).prop_map(|(op, n)| format!("index {op} {n}")),
        Just("status".to_owned()),
        Just("total".to_owned()),
        Just("suspect".to_owned()),
        Just("state = open".to_owned()),
        Just("state != complete".to_owned()),
        Just("status in {}".to_owned()),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} and {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} or {b})")),
            inner.prop_map(|a| format!("not {a}")),
        ]
    })
}

fn info_of(block: &[Facts]) -> BlockInfo {
    let mut info = BlockInfo::default();
    info.first_start = block.iter().map(|facts| facts.start).min().expect("not empty");
    info.last_start = block.iter().map(|facts| facts.start).max().expect("not empty");
    info.total_ns_max = block.iter().filter_map(|facts| facts.timing.total_ns).max().unwrap_or(0);
    info.classes = block.iter().fold(0, |classes, facts| classes | 1 << facts.class());
    info.states = block.iter().fold(0, |states, facts| states | 1 << facts.state as u8);
    info
}

fn any_facts() -> impl Strategy<Value = Facts> {
    let status = prop_oneof![Just(0_u16), 100..700_u16];
    (0..20_i64, status, prop::option::of(0..50_u64), 0..3_u32, 0..5_usize).prop_map(
        |(start, status, total_ns, index, state)| Facts {
            state: State::ALL[state],
            start: Timestamp::from_nanos(start),
            status,
            index,
            timing: Timing { total_ns, ..Timing::default() },
            ..Facts::default()
        },
    )
}

proptest! {
    #[test]
    fn nothing_makes_the_parser_panic(expression in "\\PC{0,60}") {
        let _ = Filter::parse(&expression).map_err(|error| error.to_string());
    }

    #[test]
    fn no_arrangement_of_words_makes_the_parser_panic(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "status", "total", "route", "path", "state", "anomaly", "=", "!=", "~", "in", "{",
                "}", ",", "(", ")", "and", "or", "not", "'x'", "\"", "200", "5ms", "4xx", "client",
                "10.0.0.0/8", "start", "2026-11-21", "request.header.a", "id", "contains", "[",
            ]),
            0..12,
        ),
    ) {
        let expression = words.join(" ");
        match Filter::parse(&expression) {
            Ok(filter) => {
                let exchange = sample();
                filter.matches(&exchange.facts, &mut ExchangeText::new(&exchange));
            }
            Err(error) => prop_assert!(error.span().end <= expression.len()),
        }
    }

    #[test]
    fn a_block_that_is_passed_over_holds_no_match(
        expression in any_expression(),
        block in prop::collection::vec(any_facts(), 1..6),
    ) {
        let filter = Filter::parse(&expression).expect("readable");
        let info = info_of(&block);
        let exchange = Exchange::default();
        let found =
            block.iter().any(|facts| filter.matches(facts, &mut ExchangeText::new(&exchange)));
        prop_assert!(filter.could_match(&info) || !found, "{}", expression);
    }

    #[test]
    fn rows_that_a_glance_leaves_out_do_not_pass(
        expression in any_expression(),
        facts in prop::collection::vec(any_facts(), 1..20),
    ) {
        let dir = tempfile::tempdir().expect("a directory");
        let mut builder = BlockBuilder::new();
        let exchange = |facts: &Facts| Exchange { facts: *facts, ..Exchange::default() };
        facts.iter().for_each(|facts| builder.push(&exchange(facts)));
        let mut writer = SegmentWriter::create(dir.path(), &About::default()).expect("room");
        writer.append(&builder.finish()).expect("room");
        let path = writer.seal(&Ledger::default()).expect("room");
        let segment = Segment::open(&path).expect("sealed");
        let filter = Filter::parse(&expression).expect("readable");
        if let Some(candidates) = filter.candidates(&segment, 0) {
            for (row, facts) in (0..).zip(&facts) {
                let passes = filter.matches(facts, &mut ExchangeText::new(&exchange(facts)));
                prop_assert!(!passes || candidates.contains(&row), "{} {}", expression, row);
            }
        }
    }
}

#[test]
fn bounds_do_rule_blocks_out() {
    let mut info = BlockInfo::default();
    info.first_start = Timestamp::from_nanos(10);
    info.last_start = Timestamp::from_nanos(20);
    info.total_ns_max = 1000;
    info.classes = 1 << 2 | 1 << 4;
    info.states = 1 << State::Complete as u8 | 1 << State::Truncated as u8;
    for (expression, expected) in [
        ("status >= 500", false),
        ("status >= 404", true),
        ("not status < 500", false),
        ("not status", false),
        ("status = 3xx", false),
        ("total > 1us", false),
        ("total >= 1us", true),
        ("start > 1970-01-01T00:00:01Z", false),
        ("start > 1970-01-01T00:00:01Z or method = GET", true),
        ("status = 200 and total > 2us", false),
        ("state = open", false),
        ("state in {open, truncated}", true),
        ("state != complete and state != truncated", true),
    ] {
        let filter = Filter::parse(expression).expect("readable");
        assert_eq!(filter.could_match(&info), expected, "{expression}");
    }
}
