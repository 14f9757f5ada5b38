//! Reading a capture of any size stays within bounds of memory; mapped file pages do not count.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::big;

/// What a question may take of its own memory, in KiB.
const KIB_MAX: u64 = 64 << 10;

/// Rounds of the big capture: about 100 MB.
const ROUNDS: u16 = 50;

/// The most memory of its own that a command has while it reads the capture, in KiB.
fn anonymous_kib(words: &[&str], capture: &Path) -> u64 {
    let mut child = Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(words)
        .arg(capture)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it runs");
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    let mut samples = 0;
    let code = loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        if let Some(line) = line {
            let kib = line.trim().trim_end_matches(" kB").parse().expect("a number");
            most = most.max(kib);
            samples += 1;
        }
        if let Some(status) = child.try_wait().expect("a child") {
            break status.code();
        }
        std::thread::yield_now();
    };
    assert_eq!(code, Some(0), "{words:?}");
    assert!(samples > 100, "{samples} samples of {words:?}");
    eprintln!("{words:?}: {most} KiB");
    most
}

#[test]
fn questions_about_a_big_capture_stay_within_64_mib() {
    let capture = big::capture(ROUNDS);
    let segments = tempfile::tempdir().expect("a folder");
    let segments = segments.path().to_str().expect("UTF-8");
    for words in [
        &["list", "--json"][..],
        &["list", "--json", "--workers", "2"],
        &["latency"],
        &["latency", "--by", "connection"],
        &["capture", "--json", "-r"],
        &["capture", "-w", segments, "-r"],
    ] {
        let kib = anonymous_kib(words, capture.path());
        assert!(kib < KIB_MAX, "{words:?}: {kib} KiB");
    }
    let kib = anonymous_kib(&["list", "--json"], segments.as_ref());
    assert!(kib < KIB_MAX, "list of segments: {kib} KiB");
}
