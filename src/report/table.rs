//! Percentiles as a table: one line a group where there is room, three where there is not.

use std::fmt::Write;

use comfy_table::{CellAlignment, Table};

use crate::query::confidence::Sample;
use crate::query::group::{Key, Keys};
use crate::query::latency::{Latency, PERCENTILES, Percentile, Row, quantile};
use crate::report::escape::{cut, escaped};
pub use crate::report::sentence::WIDTH;
use crate::report::sentence::note;
use crate::report::style::{Role, Style};
use crate::report::units;

/// Below this width every group takes three lines.
const WIDE_FROM: usize = 130;

const BLANKS: &str = "                    ";

/// The table of percentiles of every group, and what it leaves out, in words. `whole` is
/// [`Latency::whole`] of it, `width` how many columns there are ([`WIDTH`] where it is not known).
#[must_use]
pub fn latency(latency: &Latency, whole: &Row, width: usize, style: Style) -> String {
    let rows = latency.rows();
    if rows.is_empty() {
        return "No exchange.\n".to_owned();
    }
    let mut out = if width >= WIDE_FROM {
        wide(latency.keys(), &rows, width, style)
    } else {
        narrow(latency.keys(), &rows, width, style)
    };
    out.push('\n');
    notes(&mut out, &rows, whole, style);
    out
}

/// The values of a group, in one line.
fn label(row: &Row) -> String {
    let mut label = String::new();
    for (position, value) in row.values.iter().enumerate() {
        label.push_str(if position > 0 { "  " } else { "" });
        let _ = match value {
            Some(value) => write!(label, "{}", escaped(value)),
            None => label.write_char('-'),
        };
    }
    if row.values.is_empty() { "all".to_owned() } else { label }
}

/// A value escaped; `-` where there is none.
fn shown(value: Option<&[u8]>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| escaped(value).to_string())
}

fn narrow(keys: &Keys, rows: &[Row], width: usize, style: Style) -> String {
    // Count and errors take 18 columns; the percentiles share the rest, up to the length of the
    // longest interval.
    let column = ((width.max(70) - 18) / PERCENTILES.len()).min(20);
    let names: Vec<String> = keys.as_slice().iter().map(Key::name).collect();
    let mut out = String::new();
    let _ = writeln!(out, "{}", style.paint(Role::Heading, names.join(", ")));
    let mut heading = format!("{:>9}{:>9}", "count", "errors");
    for (name, _) in PERCENTILES {
        let _ = write!(heading, "{:>column$}", format!("p{name}"));
    }
    let _ = writeln!(out, "{}", style.paint(Role::Faint, heading));
    let (mut intervals, mut text) = (String::new(), Vec::new());
    for row in rows {
        let _ = writeln!(out, "{}", style.paint(Role::Heading, cut(&label(row), width)));
        units::put_count(row.count, &mut text);
        push_right(&mut text, 9, &mut out);
        let errors = units::share(row.errors, row.total());
        let errors = style.paint(if row.errors > 0 { Role::Bad } else { Role::Faint }, errors);
        let _ = write!(out, "{errors:>9}");
        for percentile in &row.percentiles {
            put_value(percentile, &mut text);
            push_right(&mut text, column, &mut out);
        }
        if row.count > 0 {
            intervals.clear();
            push_right(&mut text, 18, &mut intervals);
            for percentile in &row.percentiles {
                put_interval(percentile, &mut text);
                push_right(&mut text, column, &mut intervals);
            }
            let _ = write!(out, "\n{}", style.paint(Role::Faint, &intervals));
        }
        out.push('\n');
    }
    out
}

/// Appends `text` to the right of so many columns, and empties it.
fn push_right(text: &mut Vec<u8>, columns: usize, out: &mut String) {
    let found = std::str::from_utf8(text).unwrap_or_default();
    let mut blanks = columns.saturating_sub(found.chars().count());
    while blanks > 0 {
        let some = blanks.min(BLANKS.len());
        out.push_str(BLANKS.get(..some).unwrap_or_default());
        blanks -= some;
    }
    out.push_str(found);
    text.clear();
}

fn wide(keys: &Keys, rows: &[Row], width: usize, style: Style) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    let mut heading: Vec<String> = keys.as_slice().iter().map(Key::name).collect();
    if heading.is_empty() {
        heading.push(String::new());
    }
    let labels = heading.len();
    heading.extend(["count".to_owned(), "errors".to_owned()]);
    heading.extend(PERCENTILES.iter().map(|(name, _)| format!("p{name}")));
    table.set_header(heading);
    // Four percentiles of at most 27 columns with their margins, and 20 for the counts.
    let room = width.saturating_sub(4 * 27 + 20).max(20) / labels;
    for row in rows {
        let mut cells: Vec<String> = if row.values.is_empty() {
            vec!["all".to_owned()]
        } else {
            row.values.iter().map(|value| cut(&shown(value.as_deref()), room)).collect()
        };
        cells.push(units::count(row.count));
        cells.push(units::share(row.errors, row.total()));
        cells.extend(row.percentiles.iter().map(|percentile| {
            let mut text = Vec::new();
            put_value(percentile, &mut text);
            if percentile.ns.is_some() {
                text.push(b' ');
                put_interval(percentile, &mut text);
            }
            String::from_utf8(text).unwrap_or_default()
        }));
        table.add_row(cells);
    }
    for column in table.column_iter_mut().skip(labels) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut out = String::new();
    for (position, line) in table.lines().enumerate() {
        let line = line.trim_end();
        let _ = match position {
            0 => writeln!(out, "{}", style.paint(Role::Heading, line)),
            _ => writeln!(out, "{line}"),
        };
    }
    out
}

fn put_value(percentile: &Percentile, out: &mut Vec<u8>) {
    match percentile.ns {
        Some(ns) => units::put_duration(ns, out),
        None => out.push(b'-'),
    }
}

fn put_interval(percentile: &Percentile, out: &mut Vec<u8>) {
    if let (Some(low), Some(ns)) = (percentile.low_ns, percentile.ns) {
        units::put_interval(low, ns, percentile.high_ns, out);
    }
}

/// What the percentiles do not count, and what their intervals mean.
fn notes(out: &mut String, rows: &[Row], whole: &Row, style: Style) {
    let mut parts = vec![format!("{} complete", units::count(whole.count))];
    let states = [
        (whole.truncated, "truncated"),
        (whole.unanswered, "unanswered"),
        (whole.open, "still open at the end of the capture"),
    ];
    for (number, state) in states.into_iter().filter(|(number, _)| *number > 0) {
        parts.push(format!("{} {state}", units::count(number)));
    }
    if whole.orphans > 0 {
        parts.push(format!(
            "{} whose request was never seen",
            units::counted(whole.orphans, "response", "responses")
        ));
    }
    let total = units::counted(whole.total(), "exchange", "exchanges");
    note(out, &format!("{total}: {}.", parts.join(", ")));
    if let Some(touched) = touched(whole) {
        note(out, &style.paint(Role::Odd, touched).to_string());
    }
    if whole.sample().uncertain() > 0 {
        note(
            out,
            "Brackets hold the true percentile with 95 % confidence, even if every exchange that \
             was not seen whole had been faster, or slower, than all others.",
        );
    } else {
        note(out, "Brackets hold the true percentile with 95 % confidence.");
    }
    if let Some(needed) = needed(rows) {
        note(out, &format!("`…)`: too few exchanges for an upper end. {needed}"));
    }
}

/// What of the exchanges capture loss has touched; `None` where nothing was lost.
fn touched(whole: &Row) -> Option<String> {
    let unseen = whole.missing.saturating_sub(whole.orphans);
    let touched = whole.suspect.saturating_add(whole.missing);
    if touched == 0 {
        return None;
    }
    let mut parts = Vec::new();
    if whole.suspect > 0 {
        parts.push(format!("the times of {} are suspect", units::count(whole.suspect)));
    }
    if whole.orphans > 0 {
        parts.push(format!("the requests of {} were not seen", units::count(whole.orphans)));
    }
    if unseen > 0 {
        parts.push(format!("of {} more neither message was seen", units::count(unseen)));
    }
    let share = units::share(touched, whole.total().saturating_add(unseen));
    Some(format!("{share} of exchanges touched by capture loss: {}.", parts.join(", ")))
}

/// How many exchanges the open percentiles would take, as a sentence; `None` where none is open.
fn needed(rows: &[Row]) -> Option<String> {
    let mut parts = Vec::new();
    for (position, (name, mille)) in PERCENTILES.iter().enumerate() {
        let open = rows.iter().filter(|row| {
            row.percentiles.get(position).is_some_and(|p| p.ns.is_some() && p.high_ns.is_none())
        });
        // It depends on nothing else of a row, and is the same for most.
        let mut samples: Vec<Sample> = open.map(Row::sample).collect();
        let uncertain = |sample: &Sample| (sample.uncertain(), sample.suspect);
        samples.sort_unstable_by_key(uncertain);
        samples.dedup_by_key(|sample| uncertain(sample));
        let takes = samples.into_iter().map(|sample| sample.needed(quantile(*mille)));
        let (least, most) =
            takes.fold((u64::MAX, 0), |(least, most), n| (least.min(n), most.max(n)));
        match least {
            u64::MAX => {}
            _ if least == most => parts.push(format!("p{name} takes {}", units::count(least))),
            _ => parts.push(format!(
                "p{name} takes {} to {}, by what was lost",
                units::count(least),
                units::count(most)
            )),
        }
    }
    (!parts.is_empty()).then(|| format!("{}.", parts.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anomaly::Anomaly;
    use crate::exchange::{Exchange, MessageFacts, State, Timing};
    use crate::segment::Metric;

    fn sample() -> Latency {
        let mut latency = Latency::new(Keys::default(), Metric::Total);
        let mut exchange = Exchange::default();
        exchange.facts.request = Some(MessageFacts::default());
        exchange.facts.response = Some(MessageFacts::default());
        let mut add = |route: &str, count: u64, scale: u64| {
            exchange.route = route.to_owned();
            exchange.request.head = b"GET / HTTP/1.1\r\n\r\n".to_vec();
            for n in 1..=count {
                exchange.facts.status = if n % 100 == 0 { 500 } else { 200 };
                exchange.facts.timing = Timing { total_ns: Some(n * scale), ..Timing::default() };
                latency.record(&exchange);
            }
        };
        add("/users/{int}/orders/{uuid}", 5000, 10_000);
        add("/cart", 40, 1_000_000);
        add("/bad\x1b[2J", 1, 7);
        let mut lost = exchange.clone();
        lost.facts.anomalies.add(Anomaly::GapInResponse);
        latency.record(&lost);
        lost.facts.state = State::Open;
        lost.facts.response = None;
        lost.facts.status = 0;
        latency.record(&lost);
        latency
    }

    fn shown_table(answer: &Latency, width: usize, style: Style) -> String {
        latency(answer, &answer.whole(), width, style)
    }

    #[test]
    fn a_narrow_table_has_three_lines_a_group() {
        let expected = "\
route
    count   errors            p50            p90            p99          p99.9
GET /users/{int}/orders/{uuid}
    5,000    1.0 %        25.0 ms        45.0 ms        49.5 ms        50.0 ms
                     [24.3, 25.7]   [44.6, 45.4]   [49.3, 49.6]   [49.9, 50.0]
GET /cart
       40      0 %        20.0 ms        36.0 ms        40.0 ms        40.0 ms
                     [14.0, 27.0]   [32.0, 40.0]      [38.0, …)      [39.0, …)
GET /bad\\x1b[2J
        2      0 %           7 ns           7 ns           7 ns           7 ns
                           [0, …)         [0, …)         [0, …)         [7, …)

5,043 exchanges: 5,042 complete, 1 still open at the end of the capture.
0.02 % of exchanges touched by capture loss: the times of 1 are suspect.
Brackets hold the true percentile with 95 % confidence, even if every exchange
that was not seen whole had been faster, or slower, than all others.
`…)`: too few exchanges for an upper end. p50 takes 11; p90 takes 69; p99 takes
368 to 719, by what was lost; p99.9 takes 3,688 to 7,222, by what was lost.
";
        let table = shown_table(&sample(), 80, Style::Plain);
        assert_eq!(table, expected);
        assert!(table.lines().all(|line| line.chars().count() <= 80));
        assert!(!shown_table(&sample(), 80, Style::Coloured).contains("\x1b[2J"));
    }

    #[test]
    fn a_wide_table_has_one_line_a_group() {
        let table = shown_table(&sample(), 160, Style::Plain);
        let lines: Vec<&str> = table.lines().take(3).collect();
        let gap = " ".repeat(24);
        let expected = [
            format!(" route {gap}  count  errors                   p50                   p90                   p99                 p99.9"),
            " GET /users/{int}/orders/{uuid}  5,000   1.0 %  25.0 ms [24.3, 25.7]  45.0 ms [44.6, 45.4]  49.5 ms [49.3, 49.6]  50.0 ms [49.9, 50.0]".to_owned(),
            " GET /cart                          40     0 %  20.0 ms [14.0, 27.0]  36.0 ms [32.0, 40.0]     40.0 ms [38.0, …)     40.0 ms [39.0, …)".to_owned(),
        ];
        assert_eq!(lines, expected);
        assert!(table.lines().all(|line| line.chars().count() <= 160));
    }

    #[test]
    fn nothing_is_told_of_nothing() {
        let empty = Latency::new(Keys::default(), Metric::Total);
        assert_eq!(shown_table(&empty, 80, Style::Plain), "No exchange.\n");
    }
}
