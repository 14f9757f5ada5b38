//! `weir capture --otlp`: what a collector is sent, and what is said where it takes nothing.

use std::collections::{BTreeMap, HashMap};
use std::net::{Ipv4Addr, TcpListener};

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use rustix::process::Signal;
use serde_json::Value as Json;

use crate::cli::{Ran, run};
use crate::collector::{Collector, field};
use crate::live::ask;
use crate::namespace::in_namespace;
use crate::service::{HERE, Weir, serve, until};

/// Exchanges of captures/shop.pcap.
const SHOP: usize = 2194;

/// Captures a file, with the spans to `url`.
fn capture(file: &str, url: &str, options: &[&str]) -> Ran {
    run(&[&["capture", "-r", file, "--otlp", url], options].concat())
}

/// The attributes by name; each stands once.
fn by_name(attributes: &[KeyValue]) -> HashMap<String, Value> {
    let mut found = HashMap::new();
    for attribute in attributes {
        let value = attribute.value.clone().and_then(|value| value.value).expect("a value");
        let before = found.insert(attribute.key.clone(), value);
        assert!(before.is_none(), "{} stands twice", attribute.key);
    }
    found
}

/// Spans by the exchange's id, with their attributes and the service.
type Spans = BTreeMap<String, (Span, HashMap<String, Value>, String)>;

fn spans(collector: &Collector) -> Spans {
    let mut found = Spans::new();
    for service in collector.requests().into_iter().flat_map(|request| request.spans) {
        let resource = by_name(&service.resource.expect("a resource").attributes);
        let Some(Value::StringValue(name)) = resource.get("service.name") else { panic!("a name") };
        for spans in service.scope_spans {
            let scope = spans.scope.expect("a scope");
            let version = env!("CARGO_PKG_VERSION");
            assert_eq!((scope.name.as_str(), scope.version.as_str()), ("weir", version));
            for span in spans.spans {
                let attributes = by_name(&span.attributes);
                let Some(Value::StringValue(id)) = attributes.get("weir.id") else { panic!("id") };
                let before = found.insert(id.clone(), (span, attributes.clone(), name.clone()));
                assert!(before.is_none(), "{id} was sent twice");
            }
        }
    }
    found
}

fn text(attributes: &HashMap<String, Value>, key: &str) -> Option<String> {
    attributes.get(key).map(|value| match value {
        Value::StringValue(text) => text.clone(),
        other => panic!("{key} is no text: {other:?}"),
    })
}

fn number(attributes: &HashMap<String, Value>, key: &str) -> Option<u64> {
    attributes.get(key).map(|value| match value {
        Value::IntValue(number) => u64::try_from(*number).expect("positive"),
        other => panic!("{key} is no number: {other:?}"),
    })
}

/// A span against the same exchange as JSON.
fn check(exchange: &Json, (span, attributes, service): &(Span, HashMap<String, Value>, String)) {
    let told = |pointer: &str| exchange.pointer(pointer).and_then(Json::as_str).map(str::to_owned);
    let count = |pointer: &str| exchange.pointer(pointer).and_then(Json::as_u64);
    let state = told("/state").expect("a state");
    let start: jiff::Timestamp = told("/start").expect("a start").parse().expect("a time");
    let start = u64::try_from(start.as_nanosecond()).expect("after 1970");
    assert_eq!((span.start_time_unix_nano, span.kind), (start, 2));
    let lasted = span.end_time_unix_nano - span.start_time_unix_nano;
    match state.as_str() {
        "complete" => assert_eq!(Some(lasted), count("/timing/total_ns")),
        "orphan" => assert_eq!(lasted, count("/timing/receive_ns").unwrap_or(0)),
        _ => assert_eq!(Some(lasted), number(attributes, "weir.watched_ns").or(Some(0))),
    }
    assert_eq!((span.trace_id.len(), span.span_id.len()), (16, 8));

    let route = told("/route");
    let method = told("/request/method");
    let known = "GET POST PUT DELETE HEAD OPTIONS PATCH CONNECT TRACE";
    let known = method.as_deref().filter(|method| known.split(' ').any(|known| known == *method));
    assert_eq!(text(attributes, "http.request.method").as_deref(), known.or(Some("_OTHER")));
    let original = method.clone().filter(|_| known.is_none());
    assert_eq!(text(attributes, "http.request.method_original"), original);
    let pattern = route.as_deref().and_then(|route| route.split_once(' ')).map(|(_, r)| r);
    let name = [Some(known.unwrap_or("HTTP")), pattern];
    assert_eq!(span.name, name.into_iter().flatten().collect::<Vec<_>>().join(" "));
    let template = pattern.filter(|pattern| pattern.contains("/{"));
    assert_eq!(text(attributes, "http.route").as_deref(), template);
    assert_eq!(text(attributes, "weir.route").as_deref(), pattern);

    assert_eq!(text(attributes, "url.path"), told("/path"));
    let query =
        told("/request/target").and_then(|target| Some(target.split_once('?')?.1.to_owned()));
    assert_eq!(text(attributes, "url.query"), query);
    assert_eq!(text(attributes, "url.scheme").as_deref(), Some("http"));
    let (client, server) = (told("/client").expect("an end"), told("/server").expect("an end"));
    assert_eq!(*service, server);
    let host = told("/host").unwrap_or(server.clone());
    let host_name = host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name);
    assert_eq!(text(attributes, "server.address").as_deref(), Some(host_name));
    let ends = [("client", &client), ("network.peer", &client), ("network.local", &server)];
    for (prefix, end) in ends {
        let address = text(attributes, &format!("{prefix}.address")).expect("an address");
        let port = number(attributes, &format!("{prefix}.port")).expect("a port");
        assert_eq!(format!("{address}:{port}"), *end);
    }

    let status = count("/response/status");
    assert_eq!(number(attributes, "http.response.status_code"), status);
    let body = count("/response/body_bytes").filter(|_| state == "complete");
    if body.is_some() {
        assert_eq!(number(attributes, "http.response.body.size"), body);
        assert_eq!(
            number(attributes, "http.request.body.size"),
            count("/request/body_bytes"),
            "{exchange}"
        );
    }
    let is_error = status.is_some_and(|status| status >= 500);
    let error = text(attributes, "error.type");
    match (is_error, state.as_str()) {
        (true, _) => assert_eq!(error, status.map(|status| status.to_string())),
        (false, "complete") => assert_eq!(error, None),
        _ => assert!(error.is_some_and(|error| error.parse::<u16>().is_err())),
    }
    let code = span.status.as_ref().expect("a status").code;
    assert_eq!(code == 2, is_error || state != "complete");
    assert_eq!(text(attributes, "weir.state"), Some(state));
    assert_eq!(number(attributes, "weir.wait_ns"), count("/timing/wait_ns"));
    let anomalies = exchange["anomalies"].as_array().expect("anomalies");
    let found = match attributes.get("weir.anomalies") {
        Some(Value::ArrayValue(words)) => words.values.len(),
        _ => 0,
    };
    assert_eq!(found, anomalies.len());
}

#[test]
fn each_exchange_arrives_exactly_once_and_says_what_json_says() {
    let mut states = HashMap::new();
    for (file, options) in [
        ("captures/shop.pcap", &[][..]),
        ("captures/odd.pcap", &["--json", "--workers", "2"]),
        ("captures/features.pcapng", &["--json"]),
        ("captures/pipeline.pcap", &["--json"]),
    ] {
        let collector = Collector::willing();
        let ran = capture(file, &collector.url(), options);
        assert_eq!(ran.code, Some(0), "{file}: {}", ran.err);
        let listed = run(&["list", "--json", file]).out;
        let spans = spans(&collector);
        assert_eq!(spans.len(), listed.lines().count(), "{file}");
        for line in listed.lines() {
            let exchange: Json = serde_json::from_str(line).expect("JSON");
            let id = exchange["id"].as_str().expect("an id");
            check(&exchange, spans.get(id).unwrap_or_else(|| panic!("{file}: {id} is missing")));
            *states.entry(exchange["state"].to_string()).or_insert(0) += 1;
        }
        if !options.is_empty() {
            assert_eq!(ran.out, listed, "{file}");
        }
        for request in collector.requests() {
            assert!(request.head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{}", request.head);
            assert_eq!(field(&request.head, "content-type"), Some("application/x-protobuf"));
            let host = collector.address.to_string();
            assert_eq!(field(&request.head, "host"), Some(host.as_str()));
        }
        let end = format!("otlp: sent {}, dropped 0, failed 0 requests\n", grouped(spans.len()));
        assert!(ran.err.ends_with(&end), "{}", ran.err);
    }
    assert_eq!(states.len(), 5, "every state: {states:?}");
}

fn grouped(count: usize) -> String {
    if count < 1000 { count.to_string() } else { format!("{},{:03}", count / 1000, count % 1000) }
}

#[test]
fn a_service_can_be_named_and_segments_are_written_beside() {
    let collector = Collector::willing();
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path().to_str().expect("UTF-8");
    let options = ["--otlp-service", "shop", "-w", dir];
    let ran = capture("captures/shop.pcap", &format!("{}/", collector.url()), &options);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let spans = spans(&collector);
    assert!(spans.values().all(|(_, _, service)| service == "shop"));
    let listed = run(&["list", "--json", dir]).out;
    assert_eq!((spans.len(), listed.lines().count()), (SHOP, SHOP));
    // The same capture has the same spans, so that a backend can tell copies.
    let again = Collector::willing();
    capture("captures/shop.pcap", &again.url(), &["--workers", "3", "--json"]);
    let ids = |spans: &Spans| -> Vec<(Vec<u8>, Vec<u8>)> {
        spans.values().map(|(span, ..)| (span.trace_id.clone(), span.span_id.clone())).collect()
    };
    assert_eq!(ids(&spans), ids(&self::spans(&again)));
}

/// What `weir capture -r` prints without a collector.
fn undisturbed(file: &str) -> String {
    run(&["capture", "-r", file]).out
}

/// The export came to nothing, with so many failed requests; the listing is whole all the same.
fn check_all_dropped(ran: &Ran, failed: &str) {
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert!(ran.out == undisturbed("captures/shop.pcap"), "{}", ran.err);
    assert!(ran.err.contains("The account balances."), "{}", ran.err);
    let end = format!("otlp: sent 0, dropped 2,194, failed {failed}\n");
    assert!(ran.err.ends_with(&end), "{}", ran.err);
}

/// How many requests failed, by the last line.
fn failures(ran: &Ran) -> usize {
    let last = ran.err.lines().last().unwrap_or_default();
    let words = last.rsplit_once("failed ").map_or("", |(_, words)| words);
    words.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("{last}"))
}

#[test]
fn where_nobody_listens_no_exchange_is_lost_and_every_drop_is_counted() {
    // The port was free a moment ago, and stays bound to nobody who listens.
    let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port");
    let ran = capture("captures/shop.pcap", &format!("http://{port}"), &[]);
    let failed = failures(&ran);
    let word = if failed == 1 { "request" } else { "requests" };
    check_all_dropped(&ran, &format!("{failed} {word}"));
    let told = format!("weir: otlp: http://{port}/v1/traces: Connection refused (os error 111)");
    assert_eq!(ran.err.lines().filter(|line| line.starts_with(&told)).count(), 1, "{}", ran.err);
}

#[test]
fn a_collector_that_never_answers_holds_nothing_up_for_long() {
    let collector = Collector::start(|_| None);
    let ran = capture("captures/shop.pcap", &collector.url(), &[]);
    check_all_dropped(
        &ran,
        &format!("{} request{}", failures(&ran), if failures(&ran) == 1 { "" } else { "s" }),
    );
    assert!(ran.err.contains("/v1/traces: no answer in time; spans are dropped"), "{}", ran.err);
    // What may have been taken is not sent again.
    let mut seen = HashMap::new();
    for service in collector.requests().into_iter().flat_map(|request| request.spans) {
        for span in service.scope_spans.into_iter().flat_map(|spans| spans.spans) {
            *seen.entry(span.span_id).or_insert(0) += 1;
        }
    }
    assert!(seen.values().all(|times| *times == 1));
}

#[test]
fn what_a_busy_collector_puts_off_is_sent_again_and_arrives_once() {
    for busy in ["503 Busy\r\nRetry-After: 1", "429 Slowly", "502 Bad", "504 Late", ""] {
        let answer = move |number| {
            Some(if number == 0 { (busy, b"later".to_vec()) } else { ("200 OK", Vec::new()) })
        };
        let collector = Collector::start(answer);
        let ran = capture("captures/shop.pcap", &collector.url(), &[]);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        let end = "otlp: sent 2,194, dropped 0, failed 1 request\n";
        assert!(ran.err.ends_with(end), "{busy}: {}", ran.err);
        let requests = collector.requests();
        assert_eq!(requests[0].spans, requests[1].spans, "{busy}: the same again");
        let taken: usize = requests[1..]
            .iter()
            .flat_map(|request| &request.spans)
            .flat_map(|service| &service.scope_spans)
            .map(|spans| spans.spans.len())
            .sum();
        assert_eq!(taken, SHOP, "{busy}");
    }
}

#[test]
fn what_is_refused_is_dropped_and_not_sent_again() {
    let refusal = "400 Bad Request\r\nContent-Type: text/plain";
    let collector = Collector::start(move |_| Some((refusal, b"not \x1b like this".to_vec())));
    let ran = capture("captures/shop.pcap", &collector.url(), &[]);
    let requests = collector.requests().len();
    check_all_dropped(&ran, &format!("{requests} requests"));
    let told = ran.err.lines().filter(|line| line.contains("it answered 400 Bad Request: not"));
    assert_eq!(told.count(), 1, "{}", ran.err);
    assert!(!ran.err.contains('\x1b'));
    let spans = spans(&collector);
    assert_eq!(spans.len(), SHOP, "each was sent once");
}

#[test]
fn what_a_collector_rejects_of_a_request_is_counted() {
    let partial =
        ExportTracePartialSuccess { rejected_spans: 3, error_message: "three".to_owned() };
    let answer = ExportTraceServiceResponse { partial_success: Some(partial) }.encode_to_vec();
    let collector = Collector::start(move |number| {
        Some(("200 OK", if number == 0 { answer.clone() } else { Vec::new() }))
    });
    let ran = capture("captures/shop.pcap", &collector.url(), &[]);
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    let end = "otlp: sent 2,191, dropped 0, failed 0 requests, rejected by the collector 3\n";
    assert!(ran.err.ends_with(end), "{}", ran.err);
    assert!(ran.err.contains("rejected 3 of 512 spans: three"), "{}", ran.err);
}

#[test]
fn mistakes_are_told_before_anything_is_read() {
    for (url, told) in [
        ("https://localhost:4318", "weir speaks plain HTTP only"),
        ("localhost:4318", "expected http://HOST:PORT"),
    ] {
        let ran = capture("captures/shop.pcap", url, &[]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{}", ran.err);
        assert!(ran.err.contains(told), "{}", ran.err);
    }
    let ran = capture("captures/shop.pcap", "http://no-such-host.invalid:4318", &[]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{}", ran.err);
    assert!(ran.err.contains("cannot find the collector no-such-host.invalid"), "{}", ran.err);
}

/// Captures loopback, the collector's own connections included.
fn capture_loopback(url: &str) -> Weir {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_weir"));
    let arguments = ["capture", "-i", "lo", "-B", "32M", "--json", "--stats", "500ms"];
    Weir::start_capture(command.args(arguments), &["--otlp", url])
}

#[test]
fn a_capture_of_its_own_requests_makes_no_spans_of_them() {
    in_namespace(|| {
        serve(b"hello".to_vec());
        let collector = Collector::willing();
        // The name is looked up before the fence is raised, and its port stays open.
        let url = format!("http://localhost:{}", collector.address.port());
        let weir = capture_loopback(&url);
        for _ in 0..3 {
            let before = collector.requests().len();
            ask(HERE, 2);
            until("a request", || (collector.requests().len() > before).then_some(()));
        }
        weir.said("otlp: sent 6, dropped 0, failed 0 requests, left out");
        let (status, out, err) = weir.end(Signal::TERM);
        assert_eq!(status.code(), Some(0), "{err:?}");
        let spans = spans(&collector);
        assert_eq!(spans.len(), 6, "{err:?}");
        let own = out.iter().filter(|line| line.contains("POST /v1/traces")).count();
        assert!(own >= 3 && out.len() == 6 + own, "{out:?}");
        let last = err.last().expect("a last line");
        assert!(
            last.starts_with("otlp: sent 6, dropped 0, failed 0 requests, left out "),
            "{last}"
        );
        assert!(last.ends_with(&format!("{own} with the collector itself")), "{last}");
    });
}

#[test]
fn a_capture_goes_on_while_the_collector_is_dead_or_silent() {
    in_namespace(|| {
        serve(b"hello".to_vec());
        let silent = Collector::start(|_| None);
        let dead = format!("http://{}:1", Ipv4Addr::LOCALHOST);
        for url in [dead, silent.url()] {
            let weir = capture_loopback(&url);
            ask(HERE, 50);
            let find = || Some(()).filter(|()| weir.lines() >= 50);
            until("50 exchanges", find);
            let (status, out, err) = weir.end(Signal::TERM);
            assert_eq!(status.code(), Some(0), "{err:?}");
            let asked = out.iter().filter(|line| line.contains("shop.test")).count();
            assert_eq!(asked, 50, "{url}");
            let last = err.last().expect("a last line");
            assert!(last.starts_with("otlp: sent 0, dropped 50, failed "), "{err:?}");
        }
    });
}

#[test]
fn a_collector_that_comes_back_is_sent_what_comes_from_then_on() {
    in_namespace(|| {
        serve(b"hello".to_vec());
        let answer = |number| (number > 0).then(|| ("200 OK", Vec::new()));
        let collector = Collector::start(answer);
        let weir = capture_loopback(&collector.url());
        let mut asked = 0;
        let mut ask_until = |text: &str| {
            until(text, || {
                ask(HERE, 1);
                asked += 1;
                Some(()).filter(|()| weir.has_said(text))
            });
        };
        ask_until("no answer in time; spans are dropped meanwhile");
        ask_until("/v1/traces takes spans again");
        let (status, _, err) = weir.end(Signal::TERM);
        assert_eq!(status.code(), Some(0), "{err:?}");
        let last = err.last().expect("a last line");
        let count = |word: &str| -> usize {
            let rest = last.split_once(word).expect("it is told").1;
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().expect("a number")
        };
        let (sent, dropped) = (count("sent "), count("dropped "));
        assert!(sent > 0 && dropped > 0 && sent + dropped == asked, "{asked}: {last}");
        // The first request was never answered: nobody knows whether it arrived.
        let unknown = &collector.requests()[0].spans;
        let unknown: usize =
            unknown.iter().flat_map(|s| &s.scope_spans).map(|spans| spans.spans.len()).sum();
        assert_eq!(spans(&collector).len(), sent + unknown, "{last}");
    });
}
