//! Groups by any keys, against a sort of the raw times, however the exchanges were split.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use weir::exchange::Exchange;
use weir::export::hdr;
use weir::pipeline::{Options, Output, Recorder, Recording, Watch};
use weir::query::Metric;
use weir::query::ends::Copies;
use weir::query::group::Keys;
use weir::query::latency::{Collector, Latency, PERCENTILES, Row};
use weir::query::scan::{self, Question};
use weir::query::series::Series;
use weir::segment::{About, Store};
use weir::source::CaptureFile;

use crate::run;

fn shop() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/shop.pcap")
}

fn header(message: &Value, name: &str) -> Option<String> {
    let fields = message["headers"].as_array()?;
    let field =
        fields.iter().find(|field| field[0].as_str().unwrap().eq_ignore_ascii_case(name))?;
    Some(field[1].as_str().unwrap().to_owned())
}

/// The value of a key, from the JSON of an exchange.
fn value(exchange: &Value, key: &str) -> Option<String> {
    let text = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    match key {
        "client" => Some(exchange["client"].as_str().unwrap().rsplit_once(':').unwrap().0.into()),
        "method" => text(&exchange["request"]["method"]),
        "status" => text(&exchange["response"]["status"]),
        "class" => text(&exchange["response"]["status"]).map(|it| format!("{}xx", &it[..1])),
        "host" => text(&exchange["host"]),
        _ => match key.split_once(".header.") {
            Some((message, name)) => header(&exchange[message], name),
            None => text(&exchange[key]),
        },
    }
}

/// The sorted totals of the complete exchanges of every group.
fn sorted(exchanges: &[Value], keys: &str) -> BTreeMap<Vec<Option<String>>, Vec<u64>> {
    let mut groups: BTreeMap<_, Vec<u64>> = BTreeMap::new();
    for exchange in exchanges {
        let values = keys.split(',').map(|key| value(exchange, key)).collect();
        let times: &mut Vec<u64> = groups.entry(values).or_default();
        if exchange["state"] == "complete" {
            times.push(exchange["timing"]["total_ns"].as_u64().unwrap());
        }
    }
    groups.values_mut().for_each(|times| times.sort_unstable());
    groups
}

fn names(row: &Row) -> Vec<Option<String>> {
    let text = |value: &Option<Vec<u8>>| {
        value.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    };
    row.values.iter().map(text).collect()
}

#[test]
fn any_grouping_agrees_with_a_sort_of_the_raw_times() {
    let exchanges = run::capture(&shop(), 1).exchanges;
    let raw = run::json(&exchanges);
    for keys in [
        "host,route",
        "client",
        "path,status",
        "method,class",
        "request.header.user-agent",
        "response.header.content-type,state",
    ] {
        let mut latency = Latency::new(Keys::parse(keys).unwrap(), Metric::Total);
        exchanges.iter().for_each(|exchange| latency.record(exchange));
        let rows = latency.rows();
        let groups = sorted(&raw, keys);
        assert_eq!(rows.len(), groups.len(), "{keys}");
        for row in rows {
            let times = groups.get(&names(&row)).unwrap_or_else(|| panic!("{keys} {row:?}"));
            assert_eq!(row.count, times.len() as u64);
            for ((_, mille), percentile) in PERCENTILES.into_iter().zip(row.percentiles) {
                let Some(ns) = percentile.ns else {
                    assert!(times.is_empty());
                    continue;
                };
                let exact = times[(times.len() * mille as usize).div_ceil(1000) - 1];
                assert!(ns >= exact && ns - exact <= exact / 1000, "{keys}: {ns} {exact}");
            }
        }
    }
}

struct Collect<C>(C);

impl<C: Collector + Send> Output for Collect<C> {
    fn exchange(&mut self, exchange: &Exchange) {
        self.0.facts(&exchange.facts, &mut weir::query::ExchangeText::new(exchange));
    }
}

/// What so many workers collect, merged.
fn by_workers<C: Collector + Clone + Send>(empty: &C, workers: usize) -> C {
    let options = Options { policy: run::KEEP_ALL, ports: None };
    let outputs = (0..workers).map(|_| Collect(empty.clone())).collect();
    let mut source = CaptureFile::open(&shop()).expect("a capture");
    let outcome =
        weir::pipeline::run(&mut source, &options, None, &Watch::default(), outputs).unwrap();
    let mut merged = empty.clone();
    // In another order than that of the workers.
    outcome.outputs.iter().rev().for_each(|part| merged.merge(&part.0));
    merged
}

/// A store of many small segments.
fn store(dir: &Path) -> Store {
    let recording = Recording {
        dir: dir.to_owned(),
        about: About::default(),
        rotate_bytes: 1,
        rotate_ns: u64::MAX,
    };
    let recorder = Recorder::start(recording).unwrap();
    let options = Options { policy: run::KEEP_ALL, ports: None };
    let outputs = (0..3).map(|_| recorder.output()).collect();
    let mut source = CaptureFile::open(&shop()).expect("a capture");
    let outcome =
        weir::pipeline::run(&mut source, &options, None, &Watch::default(), outputs).unwrap();
    outcome.outputs.into_iter().for_each(weir::pipeline::BlockOutput::finish);
    let recorded = recorder.seal(&outcome.ledger).unwrap();
    assert!(recorded.segments.len() > 2, "{recorded:?}");
    Store::open(&[dir]).unwrap()
}

/// Everything of every group as an interval log: equal histograms give equal bytes.
fn log(series: &Series) -> Vec<u8> {
    let mut out = Vec::new();
    hdr::write_hlog(series, &mut out).unwrap();
    out
}

#[test]
fn any_split_over_workers_and_segments_merges_bit_for_bit() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    for keys in ["route", "server,class", "request.header.user-agent", "none"] {
        for every_ns in [u64::MAX, 1_000_000_000] {
            let empty = Series::new(Keys::parse(keys).unwrap(), Metric::Wait, every_ns);
            let one = by_workers(&empty, 1);
            let four = by_workers(&empty, 4);
            let (stored, _) =
                scan::latency(&store, &Question::default(), &Copies::default(), &empty).unwrap();
            assert_eq!(four.tracks(), one.tracks(), "{keys}");
            assert_eq!(stored.tracks(), one.tracks(), "{keys}");
            assert_eq!(log(&four), log(&one));
            assert_eq!(log(&stored), log(&one));
        }
    }
}
