//! Packets exported and read by tshark: the same request line, status and time.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// What tshark found of one message: when, and its fields.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Message {
    at: i64,
    fields: Vec<String>,
}

fn weir(arguments: &[&str]) -> Vec<u8> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    let output = command.args(arguments).output().expect("weir runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {told}");
    output.stdout
}

fn list(path: &str, filter: &str) -> Vec<Value> {
    let lines = weir(&["list", path, "--json", "--where", filter]);
    let lines = String::from_utf8(lines).expect("UTF-8");
    lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Nanoseconds of `1763719346.274229685`.
fn nanoseconds(text: &str) -> i64 {
    let (seconds, rest) = text.split_once('.').expect("a fraction");
    let rest = format!("{rest:0<9}");
    seconds.parse::<i64>().expect("seconds") * 1_000_000_000 + rest.parse::<i64>().expect("rest")
}

/// The messages that a display filter finds.
fn tshark(path: &Path, filter: &str, fields: &[&str]) -> Vec<Message> {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(path).args(["-Y", filter, "-T", "fields", "-e", "frame.time_epoch"]);
    for field in fields {
        command.args(["-e", field]);
    }
    let output = command.output().expect("tshark runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let mut messages: Vec<Message> = text
        .lines()
        .map(|line| {
            let mut cells = line.split('\t').map(str::to_owned);
            let at = nanoseconds(&cells.next().expect("a time"));
            Message { at, fields: cells.collect() }
        })
        .collect();
    messages.sort();
    messages
}

fn has_tshark() -> bool {
    let found = Command::new("tshark").arg("--version").output().is_ok();
    if !found {
        eprintln!("skipped: tshark is not installed");
    }
    found
}

fn start(exchange: &Value) -> i64 {
    let text = exchange["start"].as_str().expect("a start");
    let instant: jiff::Timestamp = text.parse().expect("RFC 3339");
    i64::try_from(instant.as_nanosecond()).expect("this century")
}

/// What of a message tshark waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    /// Its last byte.
    End,
    /// Its first bytes, where its body was not kept and its frame is cut.
    Begin,
}

fn phase(exchange: &Value, key: &str) -> i64 {
    exchange["timing"][key].as_i64().expect("a time")
}

/// When tshark has the request, after its first byte.
fn request_ns(exchange: &Value, until: Until) -> i64 {
    let is_cut = until == Until::Begin && exchange["request"]["body_bytes"] != 0;
    if is_cut { 0 } else { phase(exchange, "send_ns") }
}

/// When tshark has the request, and its line.
fn request(exchange: &Value, until: Until) -> Message {
    let text = |key: &str| exchange["request"][key].as_str().expect("text").to_owned();
    let at = start(exchange) + request_ns(exchange, until);
    Message { at, fields: vec![text("method"), text("target")] }
}

/// When tshark has the response, its status, and how long it took by tshark's measure.
fn response(exchange: &Value, until: Until) -> Message {
    let after = match until {
        Until::End => phase(exchange, "total_ns"),
        Until::Begin => phase(exchange, "send_ns") + phase(exchange, "wait_ns"),
    };
    let took = after - request_ns(exchange, until);
    let seconds = format!("{}.{:09}", took / 1_000_000_000, took % 1_000_000_000);
    let status = exchange["response"]["status"].to_string();
    Message { at: start(exchange) + after, fields: vec![status, seconds] }
}

/// Compares what tshark finds in `path` with the exchanges that were listed.
fn compare(path: &Path, exchanges: &[Value], until: Until) {
    let requests = tshark(path, "http.request", &["http.request.method", "http.request.uri"]);
    let mut expected: Vec<Message> =
        exchanges.iter().map(|exchange| request(exchange, until)).collect();
    expected.sort();
    assert_eq!(requests, expected);
    let responses = tshark(path, "http.response", &["http.response.code", "http.time"]);
    let mut expected: Vec<Message> =
        exchanges.iter().map(|exchange| response(exchange, until)).collect();
    expected.sort();
    assert_eq!(responses, expected);
}

fn capture(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
    folder.join(name).to_string_lossy().into_owned()
}

/// Answers that tshark reassembles to their end: of known length, and not empty.
const WHOLE: &str = "state = complete and status >= 500";

#[test]
fn tshark_finds_the_exchanges_that_were_asked_for() {
    if !has_tshark() {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    for form in ["pcap", "pcapng"] {
        let path = dir.path().join(form);
        let out = path.to_str().expect("a path");
        let shop = capture("shop.pcap");
        weir(&["export", &shop, "--format", form, "--where", WHOLE, "-o", out]);
        let exchanges = list(&shop, WHOLE);
        assert!(exchanges.len() > 20);
        compare(&path, &exchanges, Until::End);
    }
    let ids = tshark(&dir.path().join("pcapng"), "http.request", &["frame.comment"]);
    let exchanges = list(&capture("shop.pcap"), WHOLE);
    let named = |exchange: &Value| format!("weir exchange {}", exchange["id"].as_str().unwrap());
    let mut expected: Vec<String> = exchanges.iter().map(named).collect();
    let mut ids: Vec<String> = ids.into_iter().flat_map(|message| message.fields).collect();
    expected.sort();
    ids.sort();
    assert_eq!(ids, expected);
}

#[test]
fn tshark_finds_in_an_export_what_it_finds_in_the_capture() {
    if !has_tshark() {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    for name in ["pipeline.pcap", "fragments.pcap", "vlan.pcap", "vxlan.pcap", "static.pcap"] {
        let path: PathBuf = dir.path().join(name);
        let source = capture(name);
        let out = path.to_str().expect("a path");
        weir(&["export", &source, "--format", "pcapng", "-o", out]);
        for (filter, fields) in [
            ("http.request", &["http.request.method", "http.request.uri"]),
            ("http.response", &["http.response.code", "http.time"]),
        ] {
            let expected = tshark(Path::new(&source), filter, fields);
            assert!(!expected.is_empty(), "{name}");
            assert_eq!(tshark(&path, filter, fields), expected, "{name}");
        }
        // And Weir finds the same exchanges, by their identity.
        let ids = |path: &str| -> Vec<Value> {
            list(path, "state = complete").iter().map(|exchange| exchange["id"].clone()).collect()
        };
        assert_eq!(ids(out), ids(&source), "{name}");
    }
}

#[test]
fn tshark_reads_packets_that_were_made_from_segments() {
    if !has_tshark() {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    for (bodies, until) in [("all", Until::End), ("none", Until::Begin)] {
        let segments = dir.path().join(bodies);
        let segments = segments.to_str().expect("a path");
        weir(&["capture", "-r", &capture("shop.pcap"), "-w", segments, "--bodies", bodies]);
        let path = dir.path().join("out.pcapng");
        let out = path.to_str().expect("a path");
        weir(&["export", segments, "--format", "pcapng", "--where", WHOLE, "-o", out]);
        compare(&path, &list(segments, WHOLE), until);
        let output = Command::new("capinfos").arg(&path).output();
        if let Ok(output) = output {
            let told = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(told.contains("SYNTHESISED"), "{told}");
        }
    }
}
