//! Captures recorded by this project, against what the servers in them logged.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use weir::exchange::{Heads, Policy, Secrets};
use weir::query::group::Keys;
use weir::source::CaptureFile;

use crate::run;

/// The recorded captures, each with its server's log.
fn captures() -> Vec<(PathBuf, Vec<Value>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
    let mut captures = Vec::new();
    for entry in std::fs::read_dir(folder).expect("captures/") {
        let path = entry.expect("an entry").path();
        let name = path.to_string_lossy().into_owned();
        if let Some(capture) = name.strip_suffix(".served.jsonl") {
            let log = std::fs::read_to_string(&path).expect("a log");
            let lines = log.lines().map(|line| serde_json::from_str(line).expect("JSON"));
            captures.push((PathBuf::from(capture), lines.collect()));
        }
    }
    captures.sort_by(|one, two| one.0.cmp(&two.0));
    assert!(captures.len() >= 16);
    captures
}

/// What the server served on each client's connection, and what was listed of it, in order.
fn by_client<'v>(values: &'v [Value]) -> BTreeMap<String, Vec<&'v Value>> {
    let mut clients: BTreeMap<String, Vec<&'v Value>> = BTreeMap::new();
    for value in values {
        clients.entry(value["client"].to_string()).or_default().push(value);
    }
    clients
}

/// How an exchange differs from what the server logged of it; `null` in a log claims nothing.
fn differences(served: &Value, got: &Value) -> Vec<String> {
    let pairs = [
        ("method", &got["request"]["method"]),
        ("target", &got["request"]["target"]),
        ("status", &got["response"]["status"]),
        ("request_body_bytes", &got["request"]["body_bytes"]),
        ("body_bytes", &got["response"]["body_bytes"]),
    ];
    // A log has the path alone of an absolute-form target.
    let is_path_of = |got: &Value, served: &Value| match (got.as_str(), served.as_str()) {
        (Some(got), Some(served)) => got.starts_with("http://") && got.ends_with(served),
        _ => false,
    };
    let differs = |(key, got): &(&str, &Value)| {
        !served[*key].is_null() && served[*key] != **got && !is_path_of(got, &served[*key])
    };
    let told = pairs.iter().filter(|pair| differs(pair));
    told.map(|(key, got)| format!("{key}: served {}, got {got}", served[*key])).collect()
}

#[test]
fn what_the_servers_served_is_what_is_listed() {
    let mut failures = Vec::new();
    for (path, served) in captures() {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let got = run::json(&run::capture(&path, 1).exchanges);
        let is_orphan = |value: &Value| value["state"] == "orphan";
        // A request that the server could not read is answered all the same: at least an orphan.
        for line in served.iter().filter(|line| line["method"].is_null()) {
            if !got.iter().any(|value| value["client"] == line["client"]) {
                failures.push(format!("{name}: nothing listed of {}", line["client"]));
            }
        }
        let unreadable: Vec<Value> = served
            .iter()
            .filter(|line| line["method"].is_null())
            .map(|line| line["client"].clone())
            .collect();
        let is_readable = |value: &Value| !unreadable.contains(&value["client"]);
        let served: Vec<Value> = served.into_iter().filter(is_readable).collect();
        let got: Vec<Value> =
            got.into_iter().filter(|value| is_readable(value) && !is_orphan(value)).collect();
        let (served, got) = (by_client(&served), by_client(&got));
        for (client, served) in &served {
            let listed = got.get(client).cloned().unwrap_or_default();
            if listed.len() != served.len() {
                let text =
                    format!("{name} {client}: {} served, {} listed", served.len(), listed.len());
                failures.push(text);
            }
            for (number, (served, listed)) in served.iter().zip(listed).enumerate() {
                // A head that the snap length cut has no end that anybody saw.
                let is_cut = name == "cut.pcap";
                let complete = !served["body_bytes"].is_null()
                    && !served["request_body_bytes"].is_null()
                    && !is_cut;
                if complete && listed["state"] != "complete" {
                    failures.push(format!("{name} {client} {number}: {}", listed["state"]));
                }
                for difference in differences(served, listed) {
                    failures.push(format!("{name} {client} {number}: {difference}"));
                }
            }
        }
        for client in got.keys().filter(|client| !served.contains_key(*client)) {
            failures.push(format!("{name}: {client} is in no log"));
        }
    }
    assert!(failures.is_empty(), "{} differences:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn where_only_routes_are_kept_exchanges_are_grouped_as_where_all_is_kept() {
    for (path, _) in captures() {
        let values = |heads: Heads, secrets| {
            let policy = Policy { heads, secrets, ..run::KEEP_HEADS };
            let mut source = CaptureFile::open(&path).expect("a capture");
            let exchanges = run::source_by(policy, &mut source, 1).exchanges;
            let keys = Keys::parse("route,method,server,class").expect("keys");
            let grouped = exchanges.into_iter().map(|one| (one.facts, keys.of(&one), one.request));
            grouped.collect::<Vec<_>>()
        };
        let whole = values(Heads::Whole, Secrets::Redacted);
        let route = values(Heads::Route, Secrets::Kept);
        assert_eq!(whole.len(), route.len(), "{}", path.display());
        for ((facts, keys, _), (other_facts, other_keys, request)) in whole.iter().zip(&route) {
            assert_eq!((facts, keys), (other_facts, other_keys), "{}", path.display());
            assert!(!request.head.contains(&b' '), "no more than the method is kept");
        }
    }
}
