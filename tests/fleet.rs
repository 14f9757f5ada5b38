//! Segments of several hosts asked together: histograms are added, not averaged.

use std::path::Path;
use std::process::Command;

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
