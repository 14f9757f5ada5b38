//! The lake asked by foreign engines: the same numbers as `weir latency`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Count, errors, p50 and p99 of a route.
type Numbers = (u64, u64, u64, u64);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn weir(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    let output = command.args(arguments).output().expect("weir runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {told}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// A Python that has the engines: named in `WEIR_PYTHON`, or made by `tools/foreign`.
fn python() -> Option<PathBuf> {
    let made = || root().join("target/foreign/venv/bin/python");
    let python = std::env::var_os("WEIR_PYTHON").map_or_else(made, PathBuf::from);
    if Command::new(&python).arg("--version").output().is_ok() {
        return Some(python);
    }
    eprintln!("skipped: no Python with engines: tools/foreign makes one, WEIR_PYTHON names one");
    None
}

fn numbers(value: &Value, keys: [&str; 4]) -> Numbers {
    let [count, errors, p50, p99] = keys.map(|key| value.pointer(key).and_then(Value::as_u64));
    (count.expect("a count"), errors.expect("errors"), p50.unwrap_or(0), p99.unwrap_or(0))
}

/// What `weir latency` says, by route.
fn answers_of_weir(segments: &[&str]) -> BTreeMap<String, Numbers> {
    let lines = weir(&[&["latency"], segments, &["--json"]].concat());
    let keys = ["/count", "/errors", "/percentiles/50/ns", "/percentiles/99/ns"];
    lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .filter(|value| value["by"]["route"].is_string())
        .map(|value| (value["by"]["route"].as_str().unwrap().to_owned(), numbers(&value, keys)))
        .collect()
}

/// Weir keeps three significant digits: its percentile is the upper end of a step.
fn is_same(weir: u64, engine: u64) -> bool {
    engine <= weir && weir - engine <= weir / 1000 + 1
}

#[test]
fn engines_give_the_numbers_that_weir_gives() {
    let Some(python) = python() else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let path = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
    let capture = |name: &str| root().join("captures").join(name).to_string_lossy().into_owned();
    // Two hosts, each with its own segments, in one lake.
    weir(&["capture", "-r", &capture("shop.pcap"), "-w", &path("one")]);
    weir(&["capture", "-r", &capture("shop-after.pcap.gz"), "-w", &path("two")]);
    weir(&["export", &path("one"), "--format", "parquet", "-o", &path("lake")]);
    weir(&["export", &path("two"), "--format", "parquet", "-o", &path("lake")]);
    let expected = answers_of_weir(&[&path("one"), &path("two")]);
    assert!(expected.len() >= 8);
    let mut engines = vec!["duckdb", "clickhouse", "datafusion"];
    engines.extend(std::env::var_os("WEIR_SPARK").map(|_| "spark"));
    let mut command = Command::new(python);
    command.arg(root().join("tests/foreign/lake.py")).arg(root().join("docs/queries"));
    let output = command.args(&engines).current_dir(dir.path()).output().expect("Python runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let mut got: BTreeMap<String, BTreeMap<String, Numbers>> = BTreeMap::new();
    for line in String::from_utf8(output.stdout).expect("UTF-8").lines() {
        // Engines may print lines of their own.
        let Ok(value) = serde_json::from_str::<Value>(line) else { continue };
        let engine = value["engine"].as_str().expect("a name").to_owned();
        if let Some(reason) = value["skipped"].as_str() {
            eprintln!("skipped: {engine}: {reason}");
            continue;
        }
        let route = value["route"].as_str().expect("a route").to_owned();
        let answer = numbers(&value, ["/count", "/errors", "/p50_ns", "/p99_ns"]);
        got.entry(engine).or_default().insert(route, answer);
    }
    for (engine, routes) in got {
        assert_eq!(routes.len(), expected.len(), "{engine}");
        for (route, weir) in &expected {
            let engine_says = routes.get(route).unwrap_or_else(|| panic!("{engine}: {route}"));
            assert_eq!((engine_says.0, engine_says.1), (weir.0, weir.1), "{engine}: {route}");
            let same = is_same(weir.2, engine_says.2) && is_same(weir.3, engine_says.3);
            assert!(same, "{engine}: {route}: weir {weir:?}, {engine} {engine_says:?}");
        }
    }
}
