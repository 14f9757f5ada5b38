//! Where the time is spent, as JSON: a line a group.

use super::json;
use super::latency::write_by;
use crate::query::group::Keys;
use crate::query::phases::{PhaseRow, Slice, Vantage};

/// Appends one group as one line of JSON, line end included: means of the exchanges around the
/// median, and of those from the 99th percentile on.
pub fn write_row(keys: &Keys, row: &PhaseRow, vantage: Option<Vantage>, out: &mut Vec<u8>) {
    out.push(b'{');
    write_by(keys, &row.values, out);
    for (key, value) in
        [(",\"count\":", row.count), (",\"p50_ns\":", row.p50_ns), (",\"p99_ns\":", row.p99_ns)]
    {
        out.extend_from_slice(key.as_bytes());
        json::number(out, value);
    }
    write_slice(",\"usual\":", &row.usual, out);
    write_slice(",\"slow\":", &row.slow, out);
    out.extend_from_slice(b",\"vantage\":");
    match vantage {
        None => out.extend_from_slice(b"null"),
        Some(vantage) => {
            out.extend_from_slice(b"{\"place\":");
            json::string(out, vantage.place.name().as_bytes());
            out.extend_from_slice(b",\"server_round_trip_ns\":");
            json::number(out, vantage.server_ns);
            out.extend_from_slice(b",\"client_round_trip_ns\":");
            json::number(out, vantage.client_ns);
            out.push(b'}');
        }
    }
    out.extend_from_slice(b"}\n");
}

fn write_slice(key: &str, slice: &Slice, out: &mut Vec<u8>) {
    out.extend_from_slice(key.as_bytes());
    let fields = [
        ("{\"count\":", slice.count),
        (",\"total_ns\":", slice.total_ns),
        (",\"send_ns\":", slice.send_ns),
        (",\"blocked_ns\":", slice.blocked_ns),
        (",\"network_ns\":", slice.network_ns),
        (",\"server_ns\":", slice.server_ns),
        (",\"receive_ns\":", slice.receive_ns),
        (",\"stalled_ns\":", slice.stalled_ns),
        (",\"drained_ns\":", slice.drained_ns),
    ];
    for (name, value) in fields {
        out.extend_from_slice(name.as_bytes());
        json::number(out, value);
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_reads_back_as_json() {
        let slice = Slice { count: 2, total_ns: 9, drained_ns: 3, ..Slice::default() };
        let row = PhaseRow {
            values: vec![Some(b"GET /".to_vec())],
            count: 5,
            p50_ns: 1,
            p99_ns: 9,
            usual: Slice::default(),
            slow: slice,
        };
        let mut out = Vec::new();
        write_row(&Keys::default(), &row, None, &mut out);
        let value: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
        assert_eq!(value["by"]["route"], "GET /");
        assert_eq!(value["slow"]["drained_ns"], 3);
        assert_eq!(value["usual"]["count"], 0);
        assert!(value["vantage"].is_null());
    }
}
