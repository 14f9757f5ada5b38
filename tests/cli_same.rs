//! The same capture gives the same bytes, whatever the number of workers and whichever way.

use std::path::{Path, PathBuf};

use crate::cli::{captures, project, run};

/// Every capture at hand: those of this project, and the public ones beside it.
fn all() -> Vec<PathBuf> {
    let mut paths = captures();
    let beside = project().join("../shared/captures");
    match std::fs::read_dir(&beside) {
        Ok(entries) => {
            let public = entries.map(|entry| entry.expect("an entry").path());
            let is_capture =
                |path: &PathBuf| path.extension().is_some_and(|e| e == "pcap" || e == "pcapng");
            paths.extend(public.filter(is_capture));
        }
        Err(error) => eprintln!("skipped: {}: {error}", beside.display()),
    }
    paths
}

fn ask(words: &[&str], path: &Path, more: &[&str]) -> String {
    let path = path.to_str().expect("UTF-8");
    let ran = run(&[words, &[path], more].concat());
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{words:?} {path} {more:?}");
    ran.out
}

/// Captures `path` into a folder with so many workers.
fn recorded(path: &Path, workers: &str, bodies: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let (from, to) = (path.to_str().expect("UTF-8"), dir.path().to_str().expect("UTF-8"));
    let options = ["--bodies", bodies, "--workers", workers, "--rotate", "1M,1m"];
    let ran = run(&[&["capture", "-r", from, "-w", to][..], &options].concat());
    assert_eq!(ran.code, Some(0), "{from}: {}", ran.err);
    assert!(ran.err.contains("The account balances."), "{from}: {}", ran.err);
    dir
}

#[test]
fn lists_do_not_depend_on_workers_or_segments() {
    for path in all() {
        let direct = ask(&["list", "--json", "--workers", "1"], &path, &[]);
        let latency = ask(&["latency", "--json", "--workers", "1"], &path, &[]);
        let paths = ask(&["latency", "--json", "--by", "path,class"], &path, &[]);
        for workers in ["2", "7"] {
            let with = ask(&["list", "--json", "--workers", workers], &path, &[]);
            assert!(with == direct, "{}: {workers} workers list otherwise", path.display());
            let with = ask(&["latency", "--json", "--workers", workers], &path, &[]);
            assert_eq!(with, latency, "{}: {workers} workers", path.display());
            let path_text = path.to_str().expect("UTF-8");
            let captured = run(&["capture", "-r", path_text, "--json", "--workers", workers]);
            assert!(captured.out == direct, "{}: capture --json differs", path.display());
        }
        for workers in ["1", "7"] {
            let segments = recorded(&path, workers, "none");
            let listed = ask(&["list", "--json"], segments.path(), &[]);
            assert!(listed == direct, "{}: segments of {workers} list otherwise", path.display());
            let exported = ask(&["export", "--format", "jsonl"], segments.path(), &[]);
            assert!(exported == listed, "{}", path.display());
            assert_eq!(ask(&["latency", "--json"], segments.path(), &[]), latency);
            let by = ["latency", "--json", "--by", "path,class"];
            assert_eq!(ask(&by, segments.path(), &[]), paths);
        }
    }
}

#[test]
fn an_exchange_is_shown_alike_from_a_capture_and_from_segments() {
    for path in all() {
        let listed = ask(&["list", "--json"], &path, &[]);
        let ids = listed.lines().map(|line| {
            let exchange: serde_json::Value = serde_json::from_str(line).expect("JSON");
            exchange["id"].as_str().expect("an id").to_owned()
        });
        let (one, many) = (recorded(&path, "1", "all"), recorded(&path, "7", "all"));
        for id in ids.step_by(listed.lines().count().div_ceil(5).max(1)) {
            let direct = ask(&["show", "--json"], &path, &[&id]);
            assert_eq!(ask(&["show", "--json"], one.path(), &[&id]), direct);
            assert_eq!(ask(&["show", "--json"], many.path(), &[&id]), direct);
            assert_eq!(ask(&["show"], many.path(), &[&id]), ask(&["show"], &path, &[&id]));
        }
    }
}
