//! Percentiles as JSON: a line a group.

use super::json;
use crate::query::group::{Key, Keys, Values};
use crate::query::latency::{PERCENTILES, Percentile, Row};
use crate::segment::Metric;
use crate::time::Timestamp;

/// Appends one group as one line of JSON, line end included.
pub fn write_row(keys: &Keys, metric: Metric, row: &Row, out: &mut Vec<u8>) {
    write_group(keys, metric, row, out);
    out.push(b'\n');
}

/// Appends one group as an object. What is not known is null: the
/// value of a key that the exchanges have not, times where none is complete, the upper end of an
/// interval that is open.
pub fn write_group(keys: &Keys, metric: Metric, row: &Row, out: &mut Vec<u8>) {
    out.push(b'{');
    write_inside(keys, metric, row, out);
}

/// Appends one interval of a group as one line of JSON: the fields of [`write_row`] after those
/// of the interval, of which `until` is the first instant outside.
pub fn write_interval(
    (keys, metric): (&Keys, Metric),
    (from, until): (Timestamp, Timestamp),
    row: &Row,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"{\"from\":");
    json::timestamp(out, from);
    out.extend_from_slice(b",\"until\":");
    json::timestamp(out, until);
    out.push(b',');
    write_inside(keys, metric, row, out);
    out.push(b'\n');
}

fn write_inside(keys: &Keys, metric: Metric, row: &Row, out: &mut Vec<u8>) {
    write_by(keys, &row.values, out);
    out.extend_from_slice(b",\"metric\":\"");
    out.extend_from_slice(metric.name().as_bytes());
    out.push(b'"');
    let counts: [(&[u8], u64); 7] = [
        (b",\"count\":", row.count),
        (b",\"errors\":", row.errors),
        (b",\"unanswered\":", row.unanswered),
        (b",\"open\":", row.open),
        (b",\"truncated\":", row.truncated),
        (b",\"suspect\":", row.suspect),
        (b",\"missing\":", row.missing),
    ];
    for (key, count) in counts {
        out.extend_from_slice(key);
        json::number(out, count);
    }
    let times: [(&[u8], Option<u64>); 3] = [
        (b",\"min_ns\":", row.min_ns),
        (b",\"mean_ns\":", row.mean_ns),
        (b",\"max_ns\":", row.max_ns),
    ];
    for (key, ns) in times {
        out.extend_from_slice(key);
        json::optional_number(out, ns);
    }
    write_percentiles(&row.percentiles, out);
    out.push(b'}');
}

/// Appends the member `"by":{..}`: each key with its value, null where there is none.
pub fn write_by(keys: &Keys, values: &Values, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"by\":{");
    for (position, (key, value)) in keys.as_slice().iter().zip(values).enumerate() {
        if position > 0 {
            out.push(b',');
        }
        json::string(out, key.name().as_bytes());
        out.push(b':');
        match value {
            // A status is a number as it is on an exchange; `{other}` is none.
            Some(value) if *key == Key::Status && value.iter().all(u8::is_ascii_digit) => {
                out.extend_from_slice(value);
            }
            Some(value) => json::string(out, value),
            None => out.extend_from_slice(b"null"),
        }
    }
    out.push(b'}');
}

fn write_percentiles(percentiles: &[Percentile; PERCENTILES.len()], out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"percentiles\":{");
    for (position, ((name, _), percentile)) in PERCENTILES.iter().zip(percentiles).enumerate() {
        if position > 0 {
            out.push(b',');
        }
        json::string(out, name.as_bytes());
        out.extend_from_slice(b":{\"ns\":");
        json::optional_number(out, percentile.ns);
        out.extend_from_slice(b",\"low_ns\":");
        json::optional_number(out, percentile.low_ns);
        out.extend_from_slice(b",\"high_ns\":");
        json::optional_number(out, percentile.high_ns);
        out.push(b'}');
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{Exchange, MessageFacts, State};
    use crate::query::latency::Latency;

    #[test]
    fn a_group_reads_as_the_contract_says() {
        let mut latency = Latency::new(Keys::parse("route,status").expect("keys"), Metric::Total);
        let mut exchange = Exchange::default();
        exchange.facts.request = Some(MessageFacts::default());
        exchange.facts.response = Some(MessageFacts::default());
        exchange.facts.status = 503;
        exchange.request.head = b"GET /cart HTTP/1.1\r\n\r\n".to_vec();
        exchange.route = "/cart".to_owned();
        for ns in 1..=10 {
            exchange.facts.timing.total_ns = Some(ns * 100);
            latency.record(&exchange);
        }
        exchange.facts.state = State::Open;
        exchange.facts.response = None;
        exchange.facts.status = 0;
        latency.record(&exchange);
        let mut out = Vec::new();
        for row in latency.rows() {
            write_row(latency.keys(), latency.metric(), &row, &mut out);
        }
        let expected = concat!(
            r#"{"by":{"route":"GET /cart","status":503},"metric":"total","count":10,"errors":10,"#,
            r#""unanswered":0,"open":0,"truncated":0,"suspect":0,"missing":1,"#,
            r#""min_ns":100,"mean_ns":550,"max_ns":1000,"percentiles":{"#,
            r#""50":{"ns":500,"low_ns":100,"high_ns":1000},"#,
            r#""90":{"ns":900,"low_ns":700,"high_ns":null},"#,
            r#""99":{"ns":1000,"low_ns":900,"high_ns":null},"#,
            r#""99.9":{"ns":1000,"low_ns":1000,"high_ns":null}}}"#,
            "\n",
            r#"{"by":{"route":"GET /cart","status":null},"metric":"total","count":0,"errors":0,"#,
            r#""unanswered":0,"open":1,"truncated":0,"suspect":0,"missing":0,"#,
            r#""min_ns":null,"mean_ns":null,"max_ns":null,"percentiles":{"#,
            r#""50":{"ns":null,"low_ns":null,"high_ns":null},"#,
            r#""90":{"ns":null,"low_ns":null,"high_ns":null},"#,
            r#""99":{"ns":null,"low_ns":null,"high_ns":null},"#,
            r#""99.9":{"ns":null,"low_ns":null,"high_ns":null}}}"#,
            "\n",
        );
        assert_eq!(String::from_utf8(out).expect("UTF-8"), expected);
    }
}
