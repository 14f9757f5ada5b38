//! The histogram exports, read by the reader of another project where it is installed
//! (`pip install hdrhistogram`; `WEIR_HDR_PYTHON` names the interpreter that has it).

use std::process::Command;

use assert_cmd::prelude::*;

/// Reads the log, merges its intervals by tag and prints count and median of each, then
/// every value of all of them together, in milliseconds, and how many are not larger.
const READER: &str = r"
import sys
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
by_tag = {}
whole = HdrHistogram(1, 3600 * 10**9, 3)
reader = HistogramLogReader(sys.argv[1], HdrHistogram(1, 3600 * 10**9, 3))
while True:
    histogram = reader.get_next_interval_histogram()
    if histogram is None:
        break
    by_tag.setdefault(histogram.get_tag(), HdrHistogram(1, 3600 * 10**9, 3)).add(histogram)
    whole.add(histogram)
for tag in sorted(by_tag):
    h = by_tag[tag]
    print(tag, h.get_total_count(), h.get_value_at_percentile(50))
print('---')
for step in whole.get_recorded_iterator():
    print('%.3f %d' % (step.value_iterated_to / 1e6, step.total_count_to_this_value))
";

/// The interpreter, where there is one with the reader.
fn python() -> Option<String> {
    let name = std::env::var("WEIR_HDR_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let found = Command::new(&name).args(["-c", "import hdrh.log"]).output().ok()?;
    found.status.success().then_some(name)
}

fn weir(args: &[&str]) -> String {
    let out = Command::cargo_bin("weir").unwrap().args(args).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

#[test]
fn another_reader_finds_the_same_histograms() {
    let Some(python) = python() else {
        eprintln!("skipped: no interpreter with hdrh, see WEIR_HDR_PYTHON");
        return;
    };
    let capture = concat!(env!("CARGO_MANIFEST_DIR"), "/captures/shop.pcap");
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("all.hlog");
    let log = log.to_str().unwrap();
    weir(&["export", capture, "--format", "hlog", "--every", "1s", "--by", "method", "-o", log]);
    let out = Command::new(python).args(["-c", READER, log]).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let read = String::from_utf8(out.stdout).unwrap();
    let (groups, values) = read.split_once("---\n").unwrap();

    let mut expected: Vec<String> = weir(&["latency", capture, "--by", "method", "--json"])
        .lines()
        .map(|line| {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            let (method, count) = (row["by"]["method"].as_str().unwrap(), &row["count"]);
            let median = row["percentiles"]["50"]["ns"].as_u64().unwrap();
            format!("{method} {count} {median}")
        })
        .collect();
    expected.sort();
    assert_eq!(groups.lines().collect::<Vec<_>>(), expected);

    let known: std::collections::HashSet<&str> = values.lines().collect();
    let ours = weir(&["export", capture, "--format", "hgrm"]);
    let mut rows = 0;
    for line in ours.lines().skip(2).filter(|line| !line.starts_with('#')) {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let point = format!("{} {}", columns[0], columns[2]);
        assert!(known.contains(point.as_str()), "{point} is not in {values}");
        rows += 1;
    }
    assert!(rows > 30, "{ours}");
}
