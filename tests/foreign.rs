//! Files of other tools on the command line: archives and access logs where captures may stand.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_weir")).args(arguments).output().expect("weir runs")
}

fn lines(arguments: &[&str]) -> Vec<Value> {
    let output = run(arguments);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {told}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn an_archive_that_weir_wrote_gives_the_latency_of_its_capture() {
    let shop = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/shop.pcap");
    let shop = shop.to_str().expect("a path");
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("shop.har");
    let archive = path.to_str().expect("a path");
    assert!(run(&["export", shop, "--format", "har", "-o", archive]).status.success());
    for metric in ["total", "wait", "connect"] {
        let of = |path: &str| lines(&["latency", path, "--metric", metric, "--json"]);
        assert_eq!(of(archive), of(shop), "{metric}");
    }
    let of = |path: &str| {
        let mut listed = lines(&["list", path, "--json"]);
        for exchange in &mut listed {
            // The connection is not in an archive, and what hangs on it.
            let fields = exchange.as_object_mut().expect("an object");
            fields.remove("id");
            fields.remove("index");
            for message in ["request", "response"] {
                let message = fields.get_mut(message).and_then(Value::as_object_mut);
                message.map(|message| message.remove("framing"));
            }
        }
        listed.sort_by_key(ToString::to_string);
        listed
    };
    let (from_archive, from_capture) = (of(archive), of(shop));
    assert_eq!(from_archive.len(), from_capture.len());
    for (archive, capture) in from_archive.iter().zip(&from_capture) {
        assert_eq!(archive, capture);
    }
}

#[test]
fn access_logs_are_asked_and_compared() {
    let dir = tempfile::tempdir().expect("a directory");
    let line = |number: u64, rest: &str| {
        format!(
            "10.0.0.{} - - [21/Nov/2026:06:34:{:02} +0000] \"GET /users/{number} HTTP/1.1\" 200 5{rest}\n",
            number % 250,
            number % 60,
        )
    };
    let nginx: String =
        (0..200).map(|n| line(n, &format!(" \"-\" \"-\" 0.{:03}", n + 100))).collect();
    let apache: String = (0..200).map(|n| line(n, &format!(" {}", (n + 600) * 1000))).collect();
    let before = dir.path().join("before.log.gz");
    let after = dir.path().join("after.log");
    let file = std::fs::File::create(&before).expect("a file");
    let mut gzip = flate2::write::GzEncoder::new(file, flate2::Compression::default());
    gzip.write_all(format!("{nginx}no line of a log\n").as_bytes()).expect("written");
    gzip.finish().expect("finished");
    std::fs::write(&after, apache).expect("written");
    let (before, after) = (before.to_str().expect("a path"), after.to_str().expect("a path"));
    let rows = lines(&["latency", before, "--json"]);
    assert_eq!(rows[0]["by"]["route"], "GET /users/{int}");
    assert_eq!((&rows[0]["count"], &rows[0]["max_ns"]), (&200.into(), &299_000_000_u64.into()));
    let output = run(&["latency", before, "--json"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("1 line could not be read"), "{told}");
    assert_eq!(lines(&["latency", before, after, "--json"])[0]["count"], 400);
    assert_eq!(lines(&["list", after, "--json"]).len(), 200);
    let moved = run(&["compare", before, after]);
    let text = String::from_utf8_lossy(&moved.stdout);
    assert!(moved.status.success() && text.contains("GET /users/{int}"), "{text}");
    let wrong = run(&["latency", after, "--log-format", "$request"]);
    assert_eq!(wrong.status.code(), Some(2));
}
