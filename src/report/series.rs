//! Percentiles over time: rows of intervals under each group, and a plot of p99.

use std::fmt::Write;

use crate::query::group::Keys;
use crate::query::latency::Row;
use crate::query::series::{Series, Track};
use crate::report::escape::{cut, escaped};
use crate::report::style::{Role, Style};
use crate::report::units;
use crate::time::Timestamp;

/// Eighths of a line, from an empty one to a full one.
const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Lines of the plot.
const PLOT_LINES: usize = 8;

/// Most columns of a sparkline in a heading.
const SPARK_COLUMNS: usize = 24;

/// Where p99 stands among the percentiles.
const P99: usize = 2;

/// Which of the percentiles are shown: p50 and p99.
const SHOWN: [usize; 2] = [0, P99];

/// Under each group a line an interval, then p99 of all over time. `width` is how many columns
/// there are.
#[must_use]
pub fn series(series: &Series, width: usize, style: Style) -> String {
    let tracks = series.tracks();
    if tracks.is_empty() {
        return "No exchange.\n".to_owned();
    }
    let every_ns = series.every_ns();
    let mut out = String::new();
    for track in &tracks {
        heading(&mut out, series.keys(), track, (every_ns, width), style);
        lines(&mut out, track, every_ns, style);
        out.push('\n');
    }
    let total = series.total();
    let cells = cells(&total, every_ns, width.saturating_sub(12).clamp(10, 120));
    plot(&mut out, &total, &cells, style);
    out
}

fn heading(
    out: &mut String,
    keys: &Keys,
    track: &Track,
    (every_ns, width): (u64, usize),
    style: Style,
) {
    let values = track.whole.values.iter();
    let names: Vec<String> = values
        .map(|value| value.as_ref().map_or_else(|| "-".into(), |v| escaped(v).to_string()))
        .collect();
    let name = if keys.as_slice().is_empty() { "all".to_owned() } else { names.join("  ") };
    let spark = sparkline(&cells(track, every_ns, SPARK_COLUMNS));
    let room = width.saturating_sub(spark.chars().count() + 7).max(20);
    let name = style.paint(Role::Heading, format!("{:<room$}", cut(&name, room)));
    let _ = writeln!(out, "{name}  p99 {spark}");
}

fn lines(out: &mut String, track: &Track, every_ns: u64, style: Style) {
    let digits = if every_ns.is_multiple_of(1_000_000_000) { 19 } else { 23 };
    let names =
        format!("{:digits$}{:>9}{:>8}{:>10}{:>10}", "from (UTC)", "count", "errors", "p50", "p99");
    let _ = writeln!(out, "{}", style.paint(Role::Faint, names));
    for (from, row) in &track.intervals {
        let instant = from.to_string();
        let shown = instant.get(..digits).unwrap_or(&instant);
        let mut line = format!(
            "{shown}{:>9}{:>8}",
            units::count(row.count),
            units::share(row.errors, row.total())
        );
        for position in SHOWN {
            let percentile = row.percentiles.get(position).copied().unwrap_or_default();
            let value = percentile.ns.map_or_else(|| "-".to_owned(), units::duration);
            let _ = write!(line, "{value:>10}");
            if position == P99
                && let (Some(low), Some(ns)) = (percentile.low_ns, percentile.ns)
            {
                let interval = units::interval(low, ns, percentile.high_ns);
                let _ = write!(line, " {}", style.paint(Role::Faint, interval));
            }
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
}

fn p99(row: &Row) -> Option<u64> {
    let [.., p99, _] = row.percentiles;
    p99.ns
}

/// The largest p99 of each of at most `most` equal spans of time; `None` where no exchange is.
fn cells(track: &Track, every_ns: u64, most: usize) -> Vec<Option<u64>> {
    let Some((first, last)) = ends(track) else { return Vec::new() };
    let intervals = last.since(first) / every_ns + 1;
    let wide = intervals.div_ceil(most.max(1) as u64).max(1);
    let count = usize::try_from(intervals.div_ceil(wide)).unwrap_or(0);
    let mut cells = vec![None; count];
    for (from, row) in &track.intervals {
        let at = usize::try_from(from.since(first) / every_ns / wide).unwrap_or(usize::MAX);
        if let Some(cell) = cells.get_mut(at) {
            *cell = (*cell).max(p99(row));
        }
    }
    cells
}

fn ends(track: &Track) -> Option<(Timestamp, Timestamp)> {
    Some((track.intervals.first()?.0, track.intervals.last()?.0))
}

/// How many eighths of `lines` lines a value fills: at least one.
fn eighths(ns: u64, most: u64, lines: usize) -> usize {
    let full = 8 * lines as u128;
    let filled = u128::from(ns) * full / u128::from(most.max(1));
    usize::try_from(filled).unwrap_or(0).clamp(1, 8 * lines)
}

/// The cells as one line of blocks; blank where there is no exchange.
fn sparkline(cells: &[Option<u64>]) -> String {
    let most = cells.iter().flatten().copied().max().unwrap_or(0);
    let block = |cell: &Option<u64>| {
        let filled = cell.map_or(0, |ns| eighths(ns, most, 1));
        EIGHTHS.get(filled).copied().unwrap_or(' ')
    };
    cells.iter().map(block).collect()
}

/// The cells as a plot of several lines, with its scale on the left and its span below.
fn plot(out: &mut String, total: &Track, cells: &[Option<u64>], style: Style) {
    let most = cells.iter().flatten().copied().max().unwrap_or(0);
    let Some((first, last)) = ends(total) else { return };
    if most == 0 || cells.len() < 2 {
        return;
    }
    let _ = writeln!(out, "{}", style.paint(Role::Heading, "p99 of all over time"));
    for line in (0..PLOT_LINES).rev() {
        let scale = match line {
            0 => "0".to_owned(),
            _ if line + 1 == PLOT_LINES => units::duration(most),
            _ => String::new(),
        };
        let blocks: String = cells
            .iter()
            .map(|cell| {
                let filled = cell.map_or(0, |ns| eighths(ns, most, PLOT_LINES));
                let here = filled.saturating_sub(8 * line).min(8);
                EIGHTHS.get(here).copied().unwrap_or(' ')
            })
            .collect();
        let _ = writeln!(out, "{scale:>9} ┤{}", blocks.trim_end());
    }
    let short = |at: Timestamp| at.to_string().get(11..19).unwrap_or_default().to_owned();
    let (from, until) = (short(first), short(last));
    let room = cells.len().saturating_sub(from.len()).max(until.len() + 1);
    let _ = writeln!(out, "{:>11}{from}{until:>room$}", "");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{Exchange, MessageFacts};
    use crate::query::ExchangeText;
    use crate::query::latency::Collector as _;
    use crate::segment::Metric;

    #[test]
    fn intervals_are_lines_and_p99_is_plotted() {
        let mut collected = Series::new(Keys::default(), Metric::Total, 60_000_000_000);
        let mut exchange = Exchange::default();
        exchange.facts.request = Some(MessageFacts::default());
        exchange.facts.response = Some(MessageFacts::default());
        exchange.facts.status = 200;
        exchange.request.head = b"GET /a\x1b HTTP/1.1\r\n\r\n".to_vec();
        exchange.route = "/a\x1b".to_owned();
        for (minute, scale) in [(0, 1), (1, 4), (3, 2)] {
            for n in 1..=400 {
                let start = 1_795_242_840_000_000_000 + minute * 60_000_000_000 + n;
                exchange.facts.start = Timestamp::from_nanos(start);
                exchange.facts.timing.total_ns = Some(n.unsigned_abs() * 10_000 * scale);
                collected.facts(&exchange.facts, &mut ExchangeText::new(&exchange));
            }
        }
        let expected = "\
GET /a\\x1b                                                             p99 ▁█ ▃
from (UTC)             count  errors       p50       p99
2026-11-21T06:34:00      400     0 %   2.00 ms   3.96 ms [3.92, 4.00]
2026-11-21T06:35:00      400     0 %   8.00 ms   15.8 ms [15.7, 16.0]
2026-11-21T06:37:00      400     0 %   4.00 ms   7.92 ms [7.84, 8.00]

p99 of all over time
  15.8 ms ┤ █
          ┤ █
          ┤ █
          ┤ █
          ┤ █ ▇
          ┤ █ █
          ┤▇█ █
        0 ┤██ █
           06:34:00 06:37:00
";
        let text = series(&collected, 80, Style::Plain);
        assert_eq!(text, expected, "\n{text}");
        let empty = Series::new(Keys::default(), Metric::Total, 1);
        assert_eq!(series(&empty, 80, Style::Plain), "No exchange.\n");
    }

    #[test]
    fn many_intervals_share_cells() {
        let row = |ns: u64| {
            let mut latency = crate::query::latency::Latency::new(Keys::none(), Metric::Total);
            let mut exchange = Exchange::default();
            exchange.facts.timing.total_ns = Some(ns);
            latency.record(&exchange);
            latency.whole()
        };
        let at = |n: i64| Timestamp::from_nanos(n * 10);
        let intervals = (0..100).map(|n| (at(n), row(n.unsigned_abs() + 1))).collect();
        let track = Track { whole: row(1), intervals };
        let cells = cells(&track, 10, 25);
        assert_eq!(cells.len(), 25);
        assert_eq!(cells[0], Some(4));
        assert_eq!(cells[24], Some(100));
    }
}
