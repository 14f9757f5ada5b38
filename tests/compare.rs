//! Two captures compared: planted changes of values, and the recorded shop on the command line.

use std::process::Command;

use serde_json::Value as Json;
use weir::exchange::{ConnectionKey, Exchange, Facts, MessageFacts, MessageText, Timing};
use weir::packet::Endpoint;
use weir::query::compare::{Answers, Content, Outcome, ValueChange, ValueReport};
use weir::time::Timestamp;

/// A stream of numbers from a seed: `SplitMix64`.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % bound
    }

    fn uuid(&mut self) -> String {
        let (high, low) = (self.below(u64::MAX), self.below(u64::MAX));
        format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xfff,
            low >> 48 & 0xfff,
            low & 0xffff_ffff_ffff
        )
    }
}

/// An exchange on a connection, with those before it on the same.
fn exchange(connection: u16, index: u32, start_ns: i64, request: (&str, &str)) -> Exchange {
    let (line, body) = request;
    let target = line.split(' ').nth(1).expect("a target");
    let mut route = String::new();
    weir::exchange::route::write_route(target.as_bytes(), &mut route);
    let text = |head: String, body: &str| MessageText {
        head: head.into_bytes(),
        body: Some(body.as_bytes().to_vec()),
    };
    Exchange {
        facts: Facts {
            connection: ConnectionKey {
                client: Endpoint::v4([192, 0, 2, 1], 1024 + connection),
                server: Endpoint::v4([192, 0, 2, 9], 80),
                opened_at: Timestamp::from_nanos(start_ns - i64::from(index)),
            },
            index,
            start: Timestamp::from_nanos(start_ns),
            request: Some(MessageFacts::default()),
            response: Some(MessageFacts::default()),
            status: 200,
            timing: Timing { total_ns: Some(1), ..Timing::default() },
            ..Facts::default()
        },
        request: text(format!("{line} HTTP/1.1\r\nHost: shop.test\r\n\r\n"), body),
        response: text("HTTP/1.1 200 OK\r\n\r\n".to_owned(), ""),
        route,
        ..Exchange::default()
    }
}

/// What a server answers: its body and status.
type Answer = (u16, String);

/// Asks `count` requests of each of two servers, the same ones in another order, over
/// connections of up to nine requests, and compares what they answer.
fn compare(
    seed: u64,
    count: u64,
    ask: &dyn Fn(&mut Random) -> (String, String),
    before: &dyn Fn(&str, &mut Random) -> Answer,
    after: &dyn Fn(&str, &mut Random) -> Answer,
) -> ValueReport {
    let mut answers = Answers::default();
    for (turn, serve) in [before, after].into_iter().enumerate() {
        let turn = turn as u64;
        let mut random = Random(seed * 2 + turn);
        let (mut connection, mut index) = (0, 0);
        for number in 0..count {
            let (line, body) = ask(&mut random);
            let start = i64::try_from(1_763_719_200_000_000_000 + number).expect("this century");
            let mut exchange = exchange(connection, index, start, (&line, &body));
            let (status, content) = serve(&body, &mut random);
            exchange.facts.status = status;
            let content = Content::Whole(content.as_bytes());
            if turn == 0 {
                let request = answers.follow_before(&exchange);
                answers.learn(request, &exchange, content);
            } else {
                let request = answers.follow_after(&exchange);
                answers.compare(request, &exchange, content);
            }
            index += 1;
            if random.below(9) == 0 {
                (connection, index) = (connection.wrapping_add(1) % 60_000, 0);
            }
        }
    }
    answers.report()
}

const CODES: [(&str, u64); 5] =
    [("SAVE15", 15), ("TEN", 10), ("WELCOME5", 5), ("HALF", 50), ("NONE", 0)];

/// A promo code on a cart of some items: one of 60 combinations.
fn ask(random: &mut Random) -> (String, String) {
    let (code, _) = CODES[usize::try_from(random.below(5)).expect("small")];
    let items = random.below(12) + 1;
    ("POST /cart/promo".to_owned(), format!(r#"{{"code":"{code}","items":{items}}}"#))
}

/// Answers with the total in cents, beside values of every kind that change all the time.
fn promo(body: &str, cents_off: &dyn Fn(&str, u64) -> u64, random: &mut Random) -> String {
    let asked: Json = serde_json::from_str(body).expect("JSON");
    let (code, items) =
        (asked["code"].as_str().expect("code"), asked["items"].as_u64().expect("n"));
    let percent = CODES.iter().find(|known| known.0 == code).expect("a code").1;
    let subtotal = items * 1999;
    let total = subtotal - subtotal * percent / 100 - cents_off(code, items);
    let euros = |cents: u64| format!("{}.{:02}", cents / 100, cents % 100);
    let now = 1_763_719_200_000 + random.below(3_600_000);
    let mut also = [1, 2, 3, 4];
    also.swap(0, usize::try_from(random.below(4)).expect("small"));
    format!(
        r#"{{"id":"{}","served_at":"2026-11-21T10:{:02}:{:02}.{:03}Z","epoch_ms":{now},
        "took_ms":{},"score":0.{},"sequence":{},"cached":{},"also":{also:?},
        "token":"tk_{:x}{:x}","cart":{{"lines":[{{"id":7,"quantity":{items},"price":19.99}}],
        "subtotal":{},"code":"{code}","total":{},"currency":"EUR"}}}}"#,
        random.uuid(),
        now / 60_000 % 60,
        now / 1000 % 60,
        now % 1000,
        random.below(5) + 1,
        random.below(1_000_000),
        random.below(100_000),
        random.below(4) == 0,
        random.below(u64::MAX),
        random.below(u64::MAX),
        euros(subtotal),
        euros(total),
    )
}

fn sentences(changes: &[ValueChange]) -> Vec<String> {
    changes.iter().map(weir::report::compare::sentence).collect()
}

#[test]
fn a_planted_cent_is_found_and_nothing_else_is() {
    for seed in 0..2 {
        let planted = std::cell::Cell::new(0);
        let before = |body: &str, random: &mut Random| (200, promo(body, &|_, _| 0, random));
        let after = |body: &str, random: &mut Random| {
            let cents = |code: &str, items: u64| {
                let is_it = code == "SAVE15" && items == 7;
                planted.set(planted.get() + u64::from(is_it));
                u64::from(is_it)
            };
            (200, promo(body, &cents, random))
        };
        let report = compare(seed, 10_000, &ask, &before, &after);
        let expected = format!(
            "$.cart.total: 118.95 → 118.94 in {} of 10,000 answers to POST /cart/promo",
            planted.get()
        );
        assert_eq!(sentences(&report.changes), [expected]);
        assert_eq!(sentences(&report.undecided), [""; 0]);
        let volatile: Vec<&str> = report.left_out.iter().map(|(_, path)| path.as_str()).collect();
        assert!(volatile.contains(&"$.id") && volatile.contains(&"$.took_ms"), "{volatile:?}");
        assert_eq!((report.after.answers, report.after.matched), (10_000, 10_000));
        // The same server twice: nothing.
        let same = compare(seed, 10_000, &ask, &before, &before);
        assert_eq!(sentences(&same.changes), [""; 0]);
        assert_eq!(sentences(&same.undecided), [""; 0]);
    }
}

#[test]
fn a_cent_up_or_down_in_requests_that_are_seldom_repeated_is_found() {
    // Of several thousand combinations each is asked once or twice.
    let ask = |random: &mut Random| {
        let (code, _) = CODES[usize::try_from(random.below(5)).expect("small")];
        let items = random.below(2000) + 1;
        ("POST /cart/promo".to_owned(), format!(r#"{{"code":"{code}","items":{items}}}"#))
    };
    let planted = std::cell::Cell::new(0);
    let before = |body: &str, random: &mut Random| (200, promo(body, &|_, _| 0, random));
    let after = |body: &str, random: &mut Random| {
        let cents = |code: &str, items: u64| u64::from(code == "SAVE15" && items.is_multiple_of(7));
        planted.set(planted.get() + 1);
        (200, promo(body, &cents, random))
    };
    let report = compare(3, 4000, &ask, &before, &after);
    let [change] = &report.changes[..] else { panic!("{:?}", sentences(&report.changes)) };
    assert_eq!(change.path, "$.cart.total");
    let off = change.deltas.map(|(least, most)| (least.to_string(), most.to_string()));
    assert_eq!(off, Some(("0.01".to_owned(), "0.01".to_owned())));
    assert_eq!(sentences(&report.undecided), [""; 0]);
}

/// A server that answers every product, each as `answer` says.
fn products(before: &dyn Fn(u64) -> Answer, after: &dyn Fn(u64) -> Answer) -> ValueReport {
    let ask = |random: &mut Random| {
        let id = random.below(20);
        (format!("GET /products/{id}"), id.to_string())
    };
    let id = |body: &str| body.parse().expect("an id");
    compare(9, 1000, &ask, &|body, _| before(id(body)), &|body, _| after(id(body)))
}

#[test]
fn every_kind_of_difference_has_its_sentence() {
    let plain =
        |id: u64| (200, format!(r#"{{"id":{id},"tags":["a","b"],"price":1.50,"on":true}}"#));
    let check = |after: &dyn Fn(u64) -> Answer, expected: &str| {
        let report = products(&plain, after);
        let found: Vec<String> = sentences(&report.changes)
            .iter()
            .map(|sentence| sentence.split(" in ").next().expect("a start").to_owned())
            .collect();
        assert_eq!(found, [expected]);
        assert_eq!(sentences(&report.undecided), [""; 0], "{expected}");
    };
    let with = |text: &'static str| {
        move |id: u64| (200, if id < 5 { text.replace("ID", &id.to_string()) } else { plain(id).1 })
    };
    check(&with(r#"{"id":ID,"tags":["a","b"],"price":1.50,"on":false}"#), "$.on: true → false");
    check(&with(r#"{"id":ID,"tags":["a","c"],"price":1.5,"on":true}"#), "$.tags[*]: another value");
    check(&with(r#"{"id":ID,"tags":["a"],"price":1.50,"on":true}"#), "$.tags: 2 → 1 elements");
    check(&with(r#"{"id":ID,"tags":["a","b"],"on":true}"#), "$.price: gone");
    check(
        &with(r#"{"id":ID,"tags":["a","b"],"price":"1.50","on":true}"#),
        "$.price: number → string",
    );
    check(
        &with(r#"{"id":ID,"tags":["a","b"],"price":1.50,"on":true,"new":{"x":1}}"#),
        "$.new: new",
    );
    check(&|id| if id < 5 { (500, "{}".to_owned()) } else { plain(id) }, "status: 200 → 500");
    check(&|id| (200, if id < 5 { "<html>".to_owned() } else { plain(id).1 }), "$: gone");
    let report = products(&plain, &plain);
    assert_eq!((report.changes.len(), report.undecided.len()), (0, 0));
    let gone = products(&plain, &with(r#"{"id":ID,"tags":["a","b"],"on":true}"#));
    assert_eq!(gone.changes[0].outcome, Outcome::Gone);
    assert_eq!(gone.changes[0].of, 1000);
}

#[test]
fn what_drifts_by_itself_is_left_out() {
    // The stock falls as the capture goes on; the second one begins where the first one ended.
    let sold = std::cell::Cell::new(0_u64);
    let serve = |id: u64| {
        sold.set(sold.get() + 1);
        (200, format!(r#"{{"id":{id},"stock":{}}}"#, 1000 - sold.get() / 100 + id))
    };
    let report = products(&serve, &serve);
    assert_eq!(sentences(&report.changes), [""; 0]);
}

/// Runs `weir compare` and gives its standard output and exit code.
fn weir(args: &[&str]) -> (String, Option<i32>) {
    let output = Command::new(env!("CARGO_BIN_EXE_weir"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .arg("compare")
        .args(args)
        .output()
        .expect("weir runs");
    (String::from_utf8(output.stdout).expect("text"), output.status.code())
}

const SHOP: [&str; 2] = ["captures/shop.pcap", "captures/shop-after.pcap.gz"];

#[test]
fn the_shop_shows_what_its_next_version_changed() {
    let (text, code) = weir(&SHOP);
    assert_eq!(code, Some(0));
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let values: Vec<&str> = text.lines().filter(|line| line.starts_with('$')).collect();
    assert_eq!(
        values,
        [
            "$.cart.discount: off by 0.01 in 28 of 201 answers to GET /orders/{uuid}",
            "$.cart.total: off by 0.01 in 28 of 201 answers to GET /orders/{uuid}",
            "$.cart.discount: off by 0.01 in 17 of 71 answers to POST /cart/promo",
            "$.cart.total: off by 0.01 in 17 of 71 answers to POST /cart/promo",
            "$.cart.discount: off by 0.01 in 12 of 103 answers to POST /checkout",
            "$.cart.total: off by 0.01 in 12 of 103 answers to POST /checkout",
        ]
    );
    let (json, _) = weir(&[SHOP[0], SHOP[1], "--json"]);
    let lines: Vec<Json> =
        json.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let slower: Vec<&str> = lines
        .iter()
        .filter(|line| line["verdicts"].as_array().is_some_and(|verdicts| !verdicts.is_empty()))
        .filter_map(|line| line["by"]["route"].as_str())
        .collect();
    assert_eq!(slower, ["GET /search"]);
    let p50 = lines[0]["change"]["p50"]["percent"].as_f64().expect("a number");
    assert!((25.0..40.0).contains(&p50), "{p50}");
}

#[test]
fn a_check_that_does_not_hold_ends_with_3() {
    let check = |check: &str, expected: i32| {
        let (_, code) = weir(&[SHOP[0], SHOP[1], "--fail-if", check]);
        assert_eq!(code, Some(expected), "{check}");
    };
    check("p50 > +10%", 3);
    check("p50 > +100ms", 0);
    check("p99 > +200%", 0);
    check("errors > +1%", 0);
    check("count < -5%", 0);
    check("p99 is bad", 2);
    assert_eq!(weir(&[SHOP[0], SHOP[0], "--fail-if", "p50 > 0%"]).1, Some(0));
}
