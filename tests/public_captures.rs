//! Captures that other projects publish, against what two independent readers found in them.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::run;

/// The folder beside the project, where there is one.
fn folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/captures");
    if !folder.is_dir() {
        eprintln!("skipped: {} is not there", folder.display());
        return None;
    }
    Some(folder)
}

fn captures() -> Vec<PathBuf> {
    let Some(folder) = folder() else { return Vec::new() };
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("a readable folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "pcap" || e == "pcapng"))
        .collect();
    paths.sort();
    assert!(paths.len() >= 18);
    paths
}

/// What an expectation and a listed exchange must agree on, times to the microsecond.
fn differences(expected: &Value, got: &Value) -> Vec<String> {
    let mut differences = Vec::new();
    let mut same = |what: &str, expected: &Value, got: &Value| {
        if expected != got {
            differences.push(format!("{what}: expected {expected}, got {got}"));
        }
    };
    let has_request = !expected["method"].is_null();
    let has_response = !expected["status"].is_null();
    same("client", &expected["client"], &got["client"]);
    same("server", &expected["server"], &got["server"]);
    same("method", &expected["method"], &got["request"]["method"]);
    same("target", &expected["target"], &got["request"]["target"]);
    same("status", &expected["status"], &got["response"]["status"]);
    if has_request {
        same("host", &expected["host"], &got["host"]);
        same("request body", &expected["req_body_len"], &got["request"]["body_bytes"]);
    }
    if has_response && !expected["resp_body_len"].is_null() {
        same("response body", &expected["resp_body_len"], &got["response"]["body_bytes"]);
    }
    if has_response {
        let none = Value::Array(Vec::new());
        let interim = expected.get("interim").unwrap_or(&none);
        same("interim", interim, &got["response"]["interim"]);
    }
    // The expectations call a body with a hole incomplete; where Content-Length bridges the hole,
    // Weir knows its length and its end, and says `gap_in_response` (the contract's own example).
    let is_bridged = got["response"]["framing"] == "length"
        && got["anomalies"].as_array().is_some_and(|all| all.contains(&"gap_in_response".into()));
    let flags = expected["flags"].to_string();
    let state = match (has_request, has_response) {
        (false, _) => &["orphan"][..],
        (true, false) => &["unanswered", "open"],
        (true, true) if flags.contains("incomplete") && is_bridged => &["complete"],
        (true, true) if flags.contains("incomplete") => &["truncated"],
        (true, true) => &["complete"],
    };
    if !state.iter().any(|state| got["state"] == *state) {
        differences.push(format!("state: expected one of {state:?}, got {}", got["state"]));
    }
    let mut near = |what: &str, expected: &Value, got: &Value| {
        let close = match (expected.as_i64(), got.as_i64()) {
            (Some(expected), Some(got)) => expected.abs_diff(got) <= 1000,
            (None, None) => true,
            (None, Some(_)) => is_bridged,
            (Some(_), None) => false,
        };
        if !close {
            differences.push(format!("{what}: expected {expected}, got {got}"));
        }
    };
    if has_request && has_response {
        near("wait", &expected["ttfb_ns"], &got["timing"]["wait_ns"]);
        near("total", &expected["total_ns"], &got["timing"]["total_ns"]);
    }
    let start = &expected[if has_request { "ts_request_ns" } else { "resp_first_ns" }];
    near("start", start, &nanoseconds(&got["start"]));
    differences
}

fn nanoseconds(start: &Value) -> Value {
    let instant: jiff::Timestamp = start.as_str().expect("a start").parse().expect("RFC 3339");
    Value::from(i64::try_from(instant.as_nanosecond()).expect("this century"))
}

#[test]
fn every_public_capture_gives_the_exchanges_that_are_known() {
    let mut failures = Vec::new();
    for path in captures() {
        let text = std::fs::read_to_string(format!("{}.expected.jsonl", path.display()))
            .expect("an expectation");
        let mut expected: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let mut got = run::json(&run::capture(&path, 1).exchanges);
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if got.len() != expected.len() {
            failures.push(format!("{name}: {} of {} exchanges", got.len(), expected.len()));
        }
        // Pipelined requests begin at one instant: both lists keep their order on a connection.
        let order = |value: &Value| (value["client"].to_string(), value["server"].to_string());
        expected.sort_by_key(order);
        got.sort_by_key(|value| (order(value), value["index"].as_u64()));
        for (number, (expected, got)) in expected.iter().zip(&got).enumerate() {
            for difference in differences(expected, got) {
                failures.push(format!("{name}, exchange {number}: {difference}"));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn any_number_of_workers_gives_the_same_exchanges() {
    for path in captures() {
        let one = run::capture(&path, 1);
        for workers in [2, 7] {
            let several = run::capture(&path, workers);
            assert_eq!(run::json(&one.exchanges), run::json(&several.exchanges));
            assert_eq!(one.ledger, several.ledger, "{}", path.display());
        }
    }
}
