//! How many exchanges of each group came how far: a line a group.

use std::fmt::Write;

use crate::query::group::{Key, Keys};
use crate::query::latency::Row;
use crate::report::escape::{cut, escaped};
use crate::report::style::{Role, Style};
use crate::report::units;

/// The columns after the label, with their widths.
const COLUMNS: [(&str, usize); 6] =
    [("count", 9), ("truncated", 10), ("unanswered", 11), ("open", 7), ("orphan", 7), ("p50", 9)];

/// A line a group: its values, how many complete exchanges have the time that was asked for, the
/// others by state, and the median of that time. Values that are too long for their column have a line of their own.
#[must_use]
pub fn groups(keys: &Keys, rows: &[Row], width: usize, style: Style) -> String {
    let taken: usize = COLUMNS.iter().map(|(_, columns)| columns).sum();
    let room = width.saturating_sub(taken).max(16);
    let names: Vec<String> = keys.as_slice().iter().map(Key::name).collect();
    let mut heading = format!("{:<room$}", cut(&names.join(", "), room));
    for (name, columns) in COLUMNS {
        let _ = write!(heading, "{name:>columns$}");
    }
    let mut out = format!("{}\n", style.paint(Role::Heading, heading));
    for row in rows {
        let values: Vec<String> = row.values.iter().map(|v| shown(v.as_deref())).collect();
        let label = if values.is_empty() { "all".to_owned() } else { values.join("  ") };
        let label = cut(&label, width);
        if label.chars().count() > room {
            let _ = write!(out, "{label}\n{:room$}", "");
        } else {
            let _ = write!(out, "{label:<room$}");
        }
        let [.., (_, last)] = COLUMNS;
        let counts = [row.count, row.truncated, row.unanswered, row.open, row.orphans];
        for (number, (_, columns)) in counts.into_iter().zip(COLUMNS) {
            let _ = write!(out, "{:>columns$}", units::count(number));
        }
        let [median, ..] = row.percentiles;
        let median = median.ns.map_or_else(|| "-".to_owned(), units::duration);
        let _ = writeln!(out, "{median:>last$}");
    }
    out
}

/// A value escaped; `-` where there is none.
fn shown(value: Option<&[u8]>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| escaped(value).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{Exchange, MessageFacts, State};
    use crate::query::Metric;
    use crate::query::latency::Latency;

    #[test]
    fn a_group_is_a_line_or_two() {
        let keys = Keys::parse("path").expect("keys");
        let mut latency = Latency::new(keys.clone(), Metric::Total);
        let mut record = |path: &str, state: State| {
            let mut exchange = Exchange::default();
            exchange.facts.request = Some(MessageFacts::default());
            exchange.facts.state = state;
            exchange.facts.timing.total_ns = (state == State::Complete).then_some(1_500_000);
            exchange.request.head = format!("GET {path} HTTP/1.1\r\n\r\n").into_bytes();
            latency.record(&exchange);
        };
        record("/a\u{1b}[2J", State::Complete);
        record("/a\u{1b}[2J", State::Open);
        record("/a/path/that/needs/a/line/of/its/own", State::Unanswered);
        let found = groups(&keys, &latency.rows(), 80, Style::Plain);
        let expected = "\
path                           count truncated unanswered   open orphan      p50
/a\\x1b[2J                          1         0          0      1      0  1.50 ms
/a/path/that/needs/a/line/of/its/own
                                   0         0          1      0      0        -
";
        assert_eq!(found, expected);
    }
}
