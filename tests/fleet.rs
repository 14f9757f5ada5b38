//! Segments of several hosts asked together: histograms are added, not averaged.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use weir::source::CaptureFile;

use crate::tape::Tape;

fn weir(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    let output = command.args(arguments).output().expect("weir runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {told}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn segments_of_two_hosts_give_what_one_host_would_have_seen() {
    let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
    let capture = |name: &str| captures.join(name).to_string_lossy().into_owned();
    let (one, two) = (capture("shop.pcap"), capture("shop-after.pcap.gz"));
    let dir = tempfile::tempdir().expect("a directory");
    let host = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
    weir(&["capture", "-r", &one, "-w", &host("a")]);
    weir(&["capture", "-r", &two, "-w", &host("b")]);
    for by in ["route", "method,status", "server"] {
        let together = weir(&["latency", &host("a"), &host("b"), "--by", by, "--json"]);
        let seen_by_one = weir(&["latency", &one, &two, "--by", by, "--json"]);
        assert_eq!(together, seen_by_one, "{by}");
        assert_ne!(together, weir(&["latency", &host("a"), "--by", by, "--json"]), "{by}");
    }
}

/// The rows of complete exchanges, and the last line, if there is one.
fn complete(paths: &[&str]) -> (Vec<String>, Option<Value>) {
    let asked = ["--by", "route,status", "--where", "state = complete", "--json"];
    let text = weir(&[&["latency"], paths, &asked].concat());
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let is_last = lines.last().is_some_and(|line| line.starts_with("{\"both_ends\""));
    let last = if is_last { lines.pop() } else { None };
    (lines, last.map(|line| serde_json::from_str(&line).expect("JSON")))
}

#[test]
fn what_both_ends_captured_is_counted_once() {
    let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
    let dir = tempfile::tempdir().expect("a directory");
    let path = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
    let client = captures.join("shop.pcap");
    let mut tape = Tape::of(&mut CaptureFile::open(&client).expect("a capture"));
    tape.frames.iter_mut().for_each(|frame| frame.at += 1_700_000_000);
    std::fs::write(path("server.pcap"), tape.pcap()).expect("written");
    weir(&["capture", "-r", &client.to_string_lossy(), "-w", &path("a")]);
    weir(&["capture", "-r", &path("server.pcap"), "-w", &path("b")]);
    let (alone, none) = complete(&[&path("a")]);
    assert!(none.is_none());
    let count: u64 = alone
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["count"].as_u64())
        .map(|count| count.expect("a number"))
        .sum();
    let (together, told) = complete(&[&path("a"), &path("b")]);
    let told = &told.expect("told")["both_ends"];
    assert_eq!(together, alone);
    assert_eq!((told["count"].as_u64(), told["unsure"].as_u64()), (Some(count), Some(0)));
    let clock = told["pairs"][0]["clock_ns"].as_i64().expect("a number").unsigned_abs();
    assert!(clock.abs_diff(1_700_000_000) < 1_000_000);
    // Where the lines of the sentence end depends on the length of the names.
    let table = weir(&["latency", &path("a"), &path("b")]).replace('\n', " ");
    assert!(table.contains("captured at both ends") && table.contains("clock is 1.70 s"));
    let twice = weir(&["latency", &path("a"), &path("b"), "--count-copies", "--json"]);
    assert!(!twice.contains("both_ends"));

    // The same segment in two places, as where hosts were fetched twice, is one capture.
    std::fs::create_dir(path("copy")).expect("a directory");
    for entry in std::fs::read_dir(path("a")).expect("a directory") {
        let entry = entry.expect("an entry");
        std::fs::copy(entry.path(), dir.path().join("copy").join(entry.file_name()))
            .expect("copied");
    }
    let (together, told) = complete(&[&path("a"), &path("copy")]);
    assert_eq!(together, alone);
    assert_eq!(told.expect("told")["both_ends"]["count"], count);

    let info = weir(&["info", &path("a")]);
    assert!(info.contains("bodies none, secrets redacted"), "{info}");
}
