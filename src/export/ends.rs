//! Exchanges that were captured at both ends, as the last line of an answer in JSON.

use super::json;
use crate::query::ends::{BothEnds, Pair, Vantage};
use crate::segment::Latencies;

/// Appends `{"both_ends":{..}}` as one line, line end included.
pub fn write(ends: &BothEnds, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"both_ends\":{\"count\":");
    json::number(out, ends.pairs.iter().map(|pair| pair.count).sum());
    out.extend_from_slice(b",\"unsure\":");
    json::number(out, ends.pairs.iter().map(|pair| pair.unsure).sum());
    out.extend_from_slice(b",\"uncompared\":");
    json::number(out, ends.uncompared);
    out.extend_from_slice(b",\"pairs\":[");
    for (position, pair) in ends.pairs.iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        write_pair(pair, out);
    }
    out.extend_from_slice(b"]}}\n");
}

fn write_pair(pair: &Pair, out: &mut Vec<u8>) {
    for (key, vantage) in [(&b"{\"client\":"[..], &pair.client), (b",\"server\":", &pair.server)] {
        out.extend_from_slice(key);
        write_vantage(vantage, out);
    }
    out.extend_from_slice(b",\"count\":");
    json::number(out, pair.count);
    out.extend_from_slice(b",\"unsure\":");
    json::number(out, pair.unsure);
    out.extend_from_slice(format!(",\"clock_ns\":{}", pair.clock_ns).as_bytes());
    out.extend_from_slice(b",\"network\":{\"total\":");
    write_times(&pair.total, out);
    out.extend_from_slice(b",\"wait\":");
    write_times(&pair.wait, out);
    out.extend_from_slice(b"}}");
}

fn write_vantage(vantage: &Vantage, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"host\":");
    json::string(out, vantage.host.as_bytes());
    out.extend_from_slice(b",\"source\":");
    json::string(out, vantage.source.as_bytes());
    out.extend_from_slice(b",\"configuration\":");
    json::string(out, vantage.configuration.as_bytes());
    out.push(b'}');
}

fn write_times(times: &Latencies, out: &mut Vec<u8>) {
    for (key, mille) in [("{\"50\":", 500), (",\"90\":", 900), (",\"99\":", 990)] {
        out.extend_from_slice(key.as_bytes());
        json::optional_number(out, times.value_at_mille(mille));
    }
    out.push(b'}');
}
