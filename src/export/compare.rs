//! Two captures compared, as JSON: a line a group, then a line a difference of values.

use std::io::Write as _;

use super::json;
use super::latency::write_by;
use crate::query::compare::{
    Change, Contrast, Counts, Decimal, Finding, Quantity, Value, ValueChange, ValueReport,
};
use crate::query::group::Keys;
use crate::query::latency::{PERCENTILES, Row};
use crate::segment::Metric;

/// Appends one group as one line of JSON, line end included. `before` or `after` is null where
/// that side has no such group; an open end of an interval is null; `verdicts` stand, `withheld`
/// ones fall if what was not seen whole speaks against them.
pub fn write_contrast(keys: &Keys, metric: Metric, contrast: &Contrast, out: &mut Vec<u8>) {
    out.push(b'{');
    write_by(keys, &contrast.values, out);
    out.extend_from_slice(b",\"metric\":\"");
    out.extend_from_slice(metric.name().as_bytes());
    out.push(b'"');
    let sides = [("before", &contrast.before), ("after", &contrast.after)];
    for ((name, row), sizes) in sides.into_iter().zip(&contrast.sizes) {
        let _ = write!(out, ",\"{name}\":");
        match row {
            Some(row) => {
                let median = sizes.value_at_rank(sizes.count().div_ceil(2));
                write_side(row, median, out);
            }
            None => out.extend_from_slice(b"null"),
        }
    }
    out.extend_from_slice(b",\"change\":{");
    for (position, quantity) in Quantity::ALL.into_iter().enumerate() {
        separate(position, out);
        let _ = write!(out, "\"{}\":", quantity.name());
        write_change(contrast.change(quantity).as_ref(), contrast.has_moved(quantity), out);
    }
    out.push(b'}');
    write_findings("verdicts", contrast.verdicts(), out);
    write_findings("withheld", contrast.withheld(), out);
    out.extend_from_slice(b"}\n");
}

fn write_side(row: &Row, median_size: Option<u64>, out: &mut Vec<u8>) {
    let counts: [(&str, Option<u64>); 9] = [
        ("count", Some(row.count)),
        ("errors", Some(row.errors)),
        ("unanswered", Some(row.unanswered)),
        ("open", Some(row.open)),
        ("truncated", Some(row.truncated)),
        ("suspect", Some(row.suspect)),
        ("missing", Some(row.missing)),
        ("mean_ns", row.mean_ns),
        ("response_bytes_p50", median_size),
    ];
    for (position, (name, number)) in counts.into_iter().enumerate() {
        out.push(if position == 0 { b'{' } else { b',' });
        let _ = write!(out, "\"{name}\":");
        json::optional_number(out, number);
    }
    out.extend_from_slice(b",\"percentiles\":{");
    for (position, ((name, _), one)) in PERCENTILES.iter().zip(&row.percentiles).enumerate() {
        separate(position, out);
        let _ = write!(out, "\"{name}\":{{\"ns\":");
        json::optional_number(out, one.ns);
        out.extend_from_slice(b",\"low_ns\":");
        json::optional_number(out, one.low_ns);
        out.extend_from_slice(b",\"high_ns\":");
        json::optional_number(out, one.high_ns);
        out.push(b'}');
    }
    out.extend_from_slice(b"}}");
}

fn write_change(change: Option<&Change>, is_justified: impl Into<Option<bool>>, out: &mut Vec<u8>) {
    let Some(change) = change else {
        out.extend_from_slice(b"null");
        return;
    };
    out.extend_from_slice(b"{\"percent\":");
    number(change.percent, out);
    let (low, high) = change.interval.map_or((None, None), |(low, high)| (Some(low), high));
    for (name, end) in [("low", low), ("high", high)] {
        let _ = write!(out, ",\"{name}\":");
        number(end.unwrap_or(f64::NAN), out);
    }
    let _ = write!(out, ",\"justified\":{}}}", is_justified.into() == Some(true));
}

fn write_findings<'f>(name: &str, findings: impl Iterator<Item = &'f Finding>, out: &mut Vec<u8>) {
    let _ = write!(out, ",\"{name}\":[");
    for (position, finding) in findings.enumerate() {
        separate(position, out);
        let direction = if finding.is_up { "up" } else { "down" };
        let test = finding.test.name();
        let _ = write!(out, "{{\"test\":\"{test}\",\"direction\":\"{direction}\",\"p\":");
        let _ = write!(out, "{:e}}}", finding.p);
    }
    out.push(b']');
}

/// Appends a number with three decimals; what is no finite number is null.
fn number(value: f64, out: &mut Vec<u8>) {
    if value.is_finite() {
        let _ = write!(out, "{value:.3}");
    } else {
        out.extend_from_slice(b"null");
    }
}

/// Appends the differences of values, a line each, and one line of what could be compared. A
/// difference that BEFORE is too small to decide has `"decided":false`.
pub fn write_values(report: &ValueReport, out: &mut Vec<u8>) {
    for change in &report.changes {
        write_value(change, "true", out);
    }
    for change in &report.undecided {
        write_value(change, "false", out);
    }
    out.extend_from_slice(b"{\"values\":{");
    for (position, (name, counts)) in
        [("before", report.before), ("after", report.after)].into_iter().enumerate()
    {
        separate(position, out);
        let Counts { answers, without_body, partial, matched, .. } = counts;
        let last = if name == "before" { "not_kept" } else { "matched" };
        let _ = write!(
            out,
            "\"{name}\":{{\"answers\":{answers},\"without_body\":{without_body},\
             \"partial\":{partial},\"{last}\":{matched}}}"
        );
    }
    out.extend_from_slice(b",\"left_out\":[");
    for (position, (route, path)) in report.left_out.iter().enumerate() {
        separate(position, out);
        out.push(b'[');
        json::string(out, route.as_bytes());
        out.push(b',');
        json::string(out, path.as_bytes());
        out.push(b']');
    }
    out.extend_from_slice(b"]}}\n");
}

fn write_value(change: &ValueChange, decided: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"route\":");
    json::string(out, change.route.as_bytes());
    out.extend_from_slice(b",\"path\":");
    json::string(out, change.path.as_bytes());
    let (count, of) = (change.count, change.of);
    let _ =
        write!(out, ",\"difference\":\"{}\",\"count\":{count},\"of\":{of}", change.outcome.name());
    for (name, value) in [("before", change.before), ("after", change.after)] {
        let _ = write!(out, ",\"{name}\":");
        write_json_value(value, out);
    }
    let ends = change.deltas.map_or([None, None], |(least, most)| [Some(least), Some(most)]);
    for (name, end) in ["off_by_least", "off_by_most"].into_iter().zip(ends) {
        let _ = write!(out, ",\"{name}\":");
        match end {
            Some(end) => write_decimal(end, out),
            None => out.extend_from_slice(b"null"),
        }
    }
    let (before, after) = (change.example.before, change.example.after);
    let _ = write!(
        out,
        ",\"decided\":{decided},\"example\":{{\"before\":\"{before}\",\"after\":\"{after}\"}}}}"
    );
    out.push(b'\n');
}

/// A value that all the differences have in common, or its type; null where they have not.
fn write_json_value(value: Option<Value>, out: &mut Vec<u8>) {
    let Some(value) = value else {
        out.extend_from_slice(b"null");
        return;
    };
    let _ = write!(out, "{{\"type\":\"{}\"", value.kind());
    match value {
        Value::Number(number) => {
            out.extend_from_slice(b",\"value\":");
            write_decimal(number, out);
        }
        Value::Bool(value) => {
            let _ = write!(out, ",\"value\":{value}");
        }
        Value::Status(status) => {
            let _ = write!(out, ",\"value\":{status}");
        }
        Value::Array(length) => {
            let _ = write!(out, ",\"length\":{length}");
        }
        _ => {}
    }
    out.push(b'}');
}

/// A decimal displays in the syntax of JSON.
fn write_decimal(decimal: Decimal, out: &mut Vec<u8>) {
    let _ = write!(out, "{decimal}");
}

fn separate(position: usize, out: &mut Vec<u8>) {
    if position > 0 {
        out.push(b',');
    }
}
