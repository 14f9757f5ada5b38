//! What `weir capture` takes and keeps: filters, ports, counts, rotation, bodies, secrets.

use crate::cli::{Ran, answer, run};

/// Runs words separated by blanks; it must succeed.
fn capture(words: &str) -> Ran {
    let ran = run(&words.split_whitespace().collect::<Vec<&str>>());
    assert_eq!(ran.code, Some(0), "{words}: {}", ran.err);
    ran
}

fn listed(words: &[&str]) -> String {
    let ran = run(&[&["list", "--json"], words].concat());
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    ran.out
}

#[test]
fn filters_and_ports_choose_the_same_exchanges() {
    let expected = listed(&["captures/features.pcapng", "--where", "server.port = 8000"]);
    assert!(expected.lines().count() >= 4);
    for words in [
        "capture --json -r captures/features.pcapng tcp port 8000",
        "capture --json -r captures/features.pcapng -p 8000",
        "capture -r captures/features.pcapng --json portrange 8000-8001",
        "capture -r captures/features.pcapng --port 8000-8001,9 --json",
    ] {
        let ran = capture(words);
        assert_eq!(ran.out, expected, "{words}");
        assert!(ran.err.contains("filtered: left out by the filter"), "{}", ran.err);
        assert!(ran.err.ends_with("The account balances.\n"), "{}", ran.err);
    }
    let both = capture("capture --json -r captures/old.pcap captures/features.pcapng port 8000");
    let old = listed(&["captures/old.pcap", "--where", "server.port = 8000"]);
    assert_eq!(both.out, old + &expected);
}

#[test]
fn a_filter_that_a_link_type_cannot_have_is_told() {
    let ran = run(&["capture", "-r", "captures/any.pcap", "-w", "/nonexistent/x", "ether", "host"]);
    assert_eq!(ran.code, Some(2), "it is told before anything is written: {}", ran.err);
    let words = "capture -r captures/any.pcap ether src host 02:00:00:00:00:01";
    let ran = run(&words.split(' ').collect::<Vec<&str>>());
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""));
    let told =
        "weir: the filter `ether src host 02:00:00:00:00:01` cannot be used on frames of link type";
    assert_eq!(ran.err.lines().filter(|line| line.starts_with(told)).count(), 1, "{}", ran.err);
}

#[test]
fn a_count_is_kept_exactly() {
    let ran = capture("capture -r captures/shop.pcap -c 5");
    assert_eq!(ran.out.lines().count(), 5);
    let ran = capture("capture -r captures/shop.pcap -c 5 --json --workers 2");
    assert_eq!(ran.out.lines().count(), 5);
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path().to_str().expect("UTF-8");
    capture(&format!("capture -r captures/shop.pcap -c 7 -w {dir}"));
    assert_eq!(answer(&format!("list {dir}")).lines().count(), 7);
}

#[test]
fn segments_rotate_by_packet_time() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path().to_str().expect("UTF-8");
    let captures = "captures/odd.pcap captures/shop.pcap captures/features.pcapng";
    let words = format!("capture -r {captures} -w {dir} --rotate 1m --workers 1");
    let ran = capture(&words);
    assert!(ran.err.contains("2,241 exchanges in "), "{}", ran.err);
    assert!(ran.out.is_empty());
    let info = answer(&format!("info --json {dir}"));
    let info: serde_json::Value = serde_json::from_str(&info).expect("JSON");
    assert_eq!(info["segments"]["unsealed"], 0);
    assert_eq!(info["ledger"]["exchanges"]["total"], 2241);
    let captures: Vec<&str> = captures.split(' ').collect();
    assert_eq!(listed(&[dir]), listed(&captures));
}

#[test]
fn bodies_and_secrets_are_kept_only_where_asked_for() {
    let kept = |options: &str| {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().to_str().expect("UTF-8");
        capture(&format!("capture -r captures/shop.pcap -w {path} {options}"));
        let listed = listed(&[path, "--where", "path = '/cart/promo'"]);
        let file = std::fs::read_dir(dir.path()).expect("a folder").next().expect("a segment");
        let bytes = std::fs::metadata(file.expect("an entry").path()).expect("a file").len();
        (listed, bytes)
    };
    let (plain, plain_bytes) = kept("");
    assert!(plain.contains("sid=[redacted]") && !plain.contains("\"body\":"));
    let (all, all_bytes) = kept("--bodies all");
    assert!(all.contains(r#""body":"{\"code\":"#) && all_bytes > plain_bytes);
    let (some, _) = kept("--bodies 4");
    assert!(some.contains(r#""body":"{\"co""#), "{}", some.lines().next().unwrap_or_default());
    let (secrets, _) = kept("--keep-secrets");
    assert!(!secrets.contains("[redacted]"));
}

#[test]
fn spans_and_filters_choose_what_is_listed_exported_and_counted() {
    let whole = listed(&["captures/shop.pcap"]);
    let all: Vec<serde_json::Value> =
        whole.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let starts: Vec<&str> = all.iter().map(|v| v["start"].as_str().expect("a start")).collect();
    let (since, until) = (starts[500], starts[1500]);
    let expected: Vec<&str> = whole
        .lines()
        .zip(&starts)
        .filter(|(_, start)| (since..until).contains(*start))
        .map(|(line, _)| line)
        .collect();
    let span = ["--since", since, "--until", until, "captures/shop.pcap"];
    assert_eq!(listed(&span).lines().collect::<Vec<&str>>(), expected);
    let exported = run(&[&["export", "--format", "jsonl"][..], &span].concat());
    assert_eq!(exported.out.lines().collect::<Vec<&str>>(), expected);
    let counted = run(&[&["info", "--json", "--by", "method"][..], &span].concat());
    let counted: serde_json::Value = serde_json::from_str(&counted.out).expect("JSON");
    assert_eq!(counted["matching"]["total"], expected.len());
    assert_eq!(counted["ledger"]["exchanges"]["total"], all.len());
    let groups = counted["groups"].as_array().expect("groups");
    let sum: u64 = groups
        .iter()
        .flat_map(|group| ["count", "truncated", "unanswered", "open"].map(|key| &group[key]))
        .map(|count| count.as_u64().expect("a count"))
        .sum();
    assert_eq!(sum, expected.len() as u64);
    let latency = run(&[&["latency", "--json", "--by", "method"][..], &span].concat());
    let rows: Vec<serde_json::Value> =
        latency.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(&rows, groups);
    let last = listed(&["captures/shop.pcap", "--since", "-1s"]);
    assert!(last.lines().count() < 600 && whole.ends_with(&last));
}

#[test]
fn what_a_list_is_grouped_by_stands_before_and_in_json_behind() {
    let lines = answer("list captures/old.pcap --by method,request.header.x-none");
    let columns = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<String>>();
    assert!(lines.lines().map(columns).all(|line| line[1] == "-" && line[9] == line[0]), "{lines}");
    let plain = listed(&["captures/old.pcap"]);
    let by = listed(&["captures/old.pcap", "--by", "status,method", "--metric", "wait"]);
    for (plain, by) in plain.lines().zip(by.lines()) {
        let value: serde_json::Value = serde_json::from_str(plain).expect("JSON");
        let status = &value["response"]["status"];
        let method = &value["request"]["method"];
        let rest = format!(r#","by":{{"status":{status},"method":{method}}}}}"#);
        assert_eq!(by, plain.strip_suffix('}').expect("an object").to_owned() + &rest);
    }
}
