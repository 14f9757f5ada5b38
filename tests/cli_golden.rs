//! What the commands print, word for word.

use std::fmt::Write as _;

use crate::cli::{answer, captures, differs, golden, run, weir};

const COMMANDS: [&str; 10] = [
    "capture",
    "latency",
    "list",
    "show",
    "compare",
    "info",
    "verify",
    "export",
    "completions",
    "man",
];

#[test]
fn every_capture_lists_what_it_is_known_to_hold() {
    let mut failures = Vec::new();
    for path in captures() {
        let ran = run(&["list".as_ref(), "--json".as_ref(), path.as_os_str()]);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{}", path.display());
        let golden = format!("{}.expected.jsonl", path.display());
        failures.extend(differs(golden.as_ref(), &ran.out));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn latency_reads_well_in_80_columns() {
    let found = answer("latency captures/shop.pcap");
    assert!(found.lines().all(|line| line.chars().count() <= 80));
    golden("latency-shop.txt", &found);
    golden("latency-shop.jsonl", &answer("latency --json captures/shop.pcap"));
    let by = "latency captures/features.pcapng --by host,class --metric wait";
    golden("latency-features-by-host-class.txt", &answer(by));
}

#[test]
fn lists_of_any_kind() {
    golden("list-features.txt", &answer("list captures/features.pcapng"));
    golden("list-odd.txt", &answer("list captures/odd.pcap"));
    golden("list-odd-by.txt", &answer("list captures/odd.pcap --by path,status --metric wait"));
    let by = "list --json captures/odd.pcap --by state,status,request.header.host";
    golden("list-odd-by.jsonl", &answer(by));
    let coloured = weir().args(["list", "--color", "always", "captures/odd.pcap"]).output();
    golden("list-odd-coloured.txt", &crate::cli::of(&mut coloured.expect("it runs")).out);
}

/// Name of the golden file, capture, and what the first exchange that is shown must be like.
const SHOWN: [(&str, &str, &str); 7] = [
    ("secrets", "shop.pcap", "path = '/cart/promo' and request.header.authorization ~ Bearer"),
    ("gzip", "shop.pcap", "response.header.content-encoding = gzip"),
    ("page", "shop.pcap", "path = '/' and response.header.set-cookie ~ sid"),
    ("chunked", "features.pcapng", "path = '/chunks'"),
    ("half-head", "odd.pcap", "path = '/half-head'"),
    ("interims", "odd.pcap", "path = '/interims'"),
    ("cut", "cut.pcap", "anomaly = cut_frames"),
];

/// Shows the first exchange of a capture that `filter` matches.
fn show(capture: &str, filter: &str, options: &[&str]) -> String {
    let path = format!("captures/{capture}");
    let listed = run(&["list", "--json", "--where", filter, &path]);
    let first = listed.out.lines().next().unwrap_or_else(|| panic!("{filter}: {}", listed.err));
    let exchange: serde_json::Value = serde_json::from_str(first).expect("JSON");
    let id = exchange["id"].as_str().expect("an id");
    let ran = run(&[&["show", path.as_str(), id], options].concat());
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{filter}");
    ran.out
}

#[test]
fn shown_bodies_are_laid_out_and_decoded_and_secrets_redacted() {
    for (name, capture, filter) in SHOWN {
        golden(&format!("show-{name}.txt"), &show(capture, filter, &[]));
        golden(&format!("show-{name}.jsonl"), &show(capture, filter, &["--json"]));
    }
}

#[test]
fn secrets_are_shown_where_that_is_asked_for() {
    let (_, capture, filter) = SHOWN[0];
    golden("show-secrets-kept.txt", &show(capture, filter, &["--keep-secrets"]));
}

#[test]
fn what_a_stranger_wrote_gives_a_terminal_no_orders() {
    for words in ["list captures/odd.pcap", "latency --by path captures/odd.pcap"] {
        assert!(!answer(words).contains('\x1b'));
    }
    let shown = show("odd.pcap", "path = '/escape'", &[]);
    assert!(!shown.contains('\x1b'));
    golden("show-escape.txt", &shown);
    assert!(!show("odd.pcap", "path = '/escape'", &["--json"]).contains('\x1b'));
}

#[test]
fn info_and_verify() {
    golden("info-lossy.txt", &answer("info captures/lossy-server.pcap"));
    golden("info-lossy.jsonl", &answer("info --json captures/lossy-server.pcap"));
    let slow = "info captures/shop.pcap --by route --metric wait --where total>200ms";
    golden("info-shop-slow.txt", &answer(slow));
    golden("info-shop-slow.jsonl", &answer(&format!("{slow} --json")));
    golden("verify.txt", &answer("verify captures/shop.pcap captures/odd.pcap"));
    golden("verify.jsonl", &answer("verify --json captures/shop.pcap"));
}

#[test]
fn every_help_has_an_example_and_fits() {
    let mut all = answer("--help");
    for command in COMMANDS {
        let help = answer(&format!("help {command}"));
        assert!(help.contains(&format!("  weir {command} ")), "{command}: no example");
        assert!(help.contains("Example"), "{command}: no example");
        assert_eq!(help, answer(&format!("{command} --help")));
        let _ = write!(all, "\n$ weir help {command}\n{help}");
    }
    let wide: Vec<&str> = all.lines().filter(|line| line.chars().count() > 80).collect();
    assert!(wide.is_empty(), "over 80 columns:\n{}", wide.join("\n"));
    golden("help.txt", &all);
}
