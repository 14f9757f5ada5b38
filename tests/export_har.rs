//! HTTP archives of every capture: two foreign readers accept them, and what they read is what
//! was captured.

use std::path::{Path, PathBuf};
use std::process::Command;

use har::Spec;
use weir::exchange::{Exchange, Secrets};
use weir::export::har::{Archive, END};
use weir::http::lines;

use crate::run;

/// Every capture of this project, and those beside it where they are there.
fn captures() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    for folder in [root.join("captures"), root.join("../shared/captures")] {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            eprintln!("skipped: {} is not there", folder.display());
            continue;
        };
        paths.extend(entries.map(|entry| entry.expect("an entry").path()).filter(|path| {
            let name = path.to_string_lossy();
            [".pcap", ".pcapng", ".pcap.gz"].iter().any(|end| name.ends_with(end))
        }));
    }
    paths.sort();
    assert!(paths.len() >= 16);
    paths
}

fn archive(exchanges: &[Exchange]) -> Vec<u8> {
    let mut archive = Archive::new(Secrets::Kept);
    let mut out = Vec::new();
    archive.write_start(&mut out);
    exchanges.iter().for_each(|exchange| archive.write_exchange(exchange, &mut out));
    out.extend_from_slice(END);
    out
}

/// Bytes as the archive's strings hold them: UTF-8, else Latin-1.
fn text(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes)
        .map_or_else(|_| bytes.iter().map(|&byte| char::from(byte)).collect(), str::to_owned)
}

/// The header fields of a head, as pairs.
fn fields(head: &[u8]) -> Vec<(String, String)> {
    lines::fields(head).map(|field| (text(field.name), text(&field.value))).collect()
}

/// Nanoseconds as milliseconds; -1 where they are not known.
fn milliseconds(nanos: Option<u64>) -> f64 {
    nanos.map_or(-1.0, |nanos| nanos as f64 / 1e6)
}

/// What an entry tells otherwise than the exchange.
fn differences(exchange: &Exchange, entry: &har::v1_2::Entries) -> Vec<String> {
    let facts = &exchange.facts;
    let mut differences = Vec::new();
    let mut same = |what: &str, expected: String, got: String| {
        if expected != got {
            differences.push(format!("{what}: expected {expected}, got {got}"));
        }
    };
    let line = lines::request_line(&exchange.request.head);
    same("method", text(line.method), entry.request.method.clone());
    same("status", facts.status.to_string(), entry.response.status.to_string());
    let pairs = |headers: &[har::v1_2::Headers]| -> Vec<(String, String)> {
        headers.iter().map(|header| (header.name.clone(), header.value.clone())).collect()
    };
    same(
        "request headers",
        format!("{:?}", fields(&exchange.request.head)),
        format!("{:?}", pairs(&entry.request.headers)),
    );
    same(
        "response headers",
        format!("{:?}", fields(&exchange.response.head)),
        format!("{:?}", pairs(&entry.response.headers)),
    );
    let size = |message: Option<weir::exchange::MessageFacts>| {
        message.map_or("-1 -1".to_owned(), |message| {
            format!("{} {}", message.header_bytes, message.body_bytes)
        })
    };
    let (request, response) = (&entry.request, &entry.response);
    same(
        "request sizes",
        size(facts.request),
        format!("{} {}", request.headers_size, request.body_size),
    );
    same(
        "response sizes",
        size(facts.response),
        format!("{} {}", response.headers_size, response.body_size),
    );
    let instant: jiff::Timestamp = entry.started_date_time.parse().expect("RFC 3339");
    same("start", facts.start.as_nanos().to_string(), instant.as_nanosecond().to_string());
    let timings = &entry.timings;
    for (what, nanos, got) in [
        ("connect", facts.timing.connect_ns, timings.connect.unwrap_or(f64::NAN)),
        ("send", facts.timing.send_ns, timings.send),
        ("wait", facts.timing.wait_ns, timings.wait),
        ("receive", facts.timing.receive_ns, timings.receive),
    ] {
        // To the microsecond, though what is written is exact.
        let is_near = (milliseconds(nanos) - got).abs() < 0.001;
        same(what, true.to_string(), is_near.to_string());
    }
    let sum: f64 = [timings.connect.unwrap_or(-1.0), timings.send, timings.wait, timings.receive]
        .into_iter()
        .filter(|&phase| phase >= 0.0)
        .sum();
    same("sum", true.to_string(), ((sum - entry.time).abs() < 0.001).to_string());
    differences
}

#[test]
fn what_the_har_crate_reads_is_what_was_captured() {
    let mut failures = Vec::new();
    for path in captures() {
        let exchanges = run::capture(&path, 1).exchanges;
        let archive = har::from_slice(&archive(&exchanges)).expect("an archive");
        let Spec::V1_2(log) = archive.log else { panic!("HAR 1.2") };
        assert_eq!(log.entries.len(), exchanges.len(), "{}", path.display());
        for (number, (exchange, entry)) in exchanges.iter().zip(&log.entries).enumerate() {
            for difference in differences(exchange, entry) {
                failures.push(format!("{} {number}: {difference}", path.display()));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Reads archives from the paths given and says which entries the schema does not allow.
const VALIDATOR: &str = r"
const ajv = new (require('ajv'))({ allErrors: true, schemaId: 'auto' });
ajv.addMetaSchema(require('ajv/lib/refs/json-schema-draft-06.json'));
const schemas = require('har-schema');
for (const name of Object.keys(schemas)) ajv.addSchema(schemas[name]);
const har = ajv.getSchema('har.json#');
let failures = 0;
for (const path of process.argv.slice(1)) {
  const archive = JSON.parse(require('fs').readFileSync(path, 'utf8'));
  if (har(archive)) continue;
  failures += 1;
  for (const error of har.errors.slice(0, 5)) {
    console.log(path, error.dataPath, error.message, JSON.stringify(error.params));
  }
}
process.exit(failures ? 1 : 0);
";

#[test]
fn the_schema_of_a_validator_from_npm_allows_every_archive() {
    let Some(modules) = node_modules() else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let mut paths = Vec::new();
    for path in captures() {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let target = dir.path().join(format!("{name}.har"));
        std::fs::write(&target, archive(&run::capture(&path, 1).exchanges)).expect("written");
        paths.push(target);
    }
    let validate = |paths: &[PathBuf]| {
        let mut node = Command::new("node");
        node.arg("-e").arg(VALIDATOR).args(paths).env("NODE_PATH", &modules);
        node.output().expect("node runs")
    };
    let output = validate(&paths);
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    // A validator that allows everything would prove nothing.
    let broken = dir.path().join("broken.har");
    let whole = std::fs::read_to_string(&paths[0]).expect("an archive");
    std::fs::write(&broken, whole.replacen("\"url\":\"http:", "\"url\":\"", 1)).expect("written");
    assert_eq!(validate(&[broken]).status.code(), Some(1));
}

/// Where `har-validator` is installed: in `WEIR_NODE_MODULES`, or by `tests/foreign/node`.
fn node_modules() -> Option<PathBuf> {
    let folder = std::env::var_os("WEIR_NODE_MODULES").map(PathBuf::from).unwrap_or_else(|| {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("target/foreign/node_modules")
    });
    if folder.join("har-schema").is_dir() && Command::new("node").arg("-v").output().is_ok() {
        return Some(folder);
    }
    eprintln!(
        "skipped: node with har-validator is not there; `npm install --prefix target/foreign \
         har-validator` installs it, or name a folder in WEIR_NODE_MODULES"
    );
    None
}
