//! A distribution of times as bars: a line a step, each step as much longer than the one before.

use std::fmt::Write;

use crate::query::latency::{PERCENTILES, Row};
use crate::report::style::{Role, Style};
use crate::report::units;

/// Lines of a plot, at most.
const LINES: usize = 12;

/// Eighths of a column, from one to seven.
const EIGHTHS: [char; 7] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/// One bar of the plot.
#[derive(Clone, Copy, Debug, Default)]
struct Bar {
    /// The shortest time of it, in nanoseconds.
    low_ns: u64,
    exchanges: u64,
}

/// The times of `row` as bars, with the percentiles beside them; empty where there is none.
/// `width` is how many columns there are.
#[must_use]
pub fn histogram(row: &Row, width: usize, style: Style) -> String {
    let bars = bars(row);
    let most = bars.iter().map(|bar| bar.exchanges).max().unwrap_or(0);
    let mut out = String::new();
    if most == 0 {
        return out;
    }
    // Nine columns of time, nine of count, seventeen of percentiles, and five between them.
    let room = width.saturating_sub(40).clamp(10, 60);
    for (position, bar) in bars.iter().enumerate() {
        let end = bars.get(position + 1).map_or(u64::MAX, |next| next.low_ns);
        let marks: Vec<String> = PERCENTILES
            .iter()
            .zip(&row.percentiles)
            .filter(|(_, percentile)| percentile.ns.is_some_and(|ns| bar.low_ns <= ns && ns < end))
            .map(|((name, _), _)| format!("p{name}"))
            .collect();
        let line = format!(
            "{:>9}  {:<room$} {:>9}",
            units::duration(bar.low_ns),
            blocks(bar.exchanges, most, room),
            units::count(bar.exchanges),
        );
        let _ = write!(out, "{line}");
        if !marks.is_empty() {
            let _ = write!(out, "  {}", style.paint(Role::Heading, marks.join(" ")));
        }
        out.push('\n');
    }
    out
}

/// The bars, from the shortest time to the longest, in steps of equal ratio.
fn bars(row: &Row) -> Vec<Bar> {
    let (Some(min), Some(max)) = (row.min_ns, row.max_ns) else { return Vec::new() };
    let edges = edges(min, max);
    let mut bars: Vec<Bar> = edges.into_iter().map(|low_ns| Bar { low_ns, exchanges: 0 }).collect();
    for (lowest, highest, samples) in row.latencies.buckets() {
        let middle = (lowest + (highest - lowest) / 2).clamp(min, max);
        let position = bars.partition_point(|bar| bar.low_ns <= middle).saturating_sub(1);
        if let Some(bar) = bars.get_mut(position) {
            bar.exchanges += samples;
        }
    }
    bars
}

/// Where the bars begin: `min`, and up to [`LINES`] - 1 more in equal ratio below `max`.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "edges of a plot, between two numbers of 64 bits"
)]
fn edges(min: u64, max: u64) -> Vec<u64> {
    let first = min.max(1) as f64;
    let ratio = (max as f64 / first).max(1.0);
    // Times are known to a thousandth: narrower steps would show buckets, not times.
    let steps = ((ratio.ln() / 0.005) as usize).clamp(1, LINES);
    let mut edges = vec![min];
    for step in 1..steps {
        let edge = (first * ratio.powf(step as f64 / steps as f64)) as u64;
        if edges.last().is_some_and(|&last| edge > last) && edge <= max {
            edges.push(edge);
        }
    }
    edges
}

/// A bar of up to `room` columns; whatever is not nothing shows.
fn blocks(part: u64, most: u64, room: usize) -> String {
    let full = room as u128 * 8;
    let eighths = (u128::from(part) * full).div_ceil(u128::from(most.max(1)));
    let eighths = usize::try_from(eighths).unwrap_or(usize::MAX).min(room * 8);
    let mut bar = "█".repeat(eighths / 8);
    bar.extend((eighths % 8).checked_sub(1).and_then(|part| EIGHTHS.get(part)));
    bar
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::exchange::Exchange;
    use crate::query::group::Keys;
    use crate::query::latency::Latency;
    use crate::segment::Metric;

    fn row(times: &[u64]) -> Row {
        let mut latency = Latency::new(Keys::none(), Metric::Total);
        let mut exchange = Exchange::default();
        for &ns in times {
            exchange.facts.timing.total_ns = Some(ns);
            latency.record(&exchange);
        }
        latency.whole()
    }

    #[test]
    fn bars_stand_for_their_share() {
        let times: Vec<u64> = (0..100).map(|n| 1_000_000 << (n / 25)).collect();
        let full = "█".repeat(40);
        let expected = [
            format!("  1.00 ms  {full}        25"),
            format!("  1.19 ms  {:40}         0", ""),
            format!("  1.41 ms  {:40}         0", ""),
            format!("  1.68 ms  {:40}         0", ""),
            format!("  2.00 ms  {full}        25  p50"),
        ];
        let plot = histogram(&row(&times), 80, Style::Plain);
        assert_eq!(plot.lines().take(5).collect::<Vec<_>>(), expected);
        assert_eq!(histogram(&row(&[]), 80, Style::Plain), "");
        assert_eq!(blocks(1, 1000, 10), "▏");
        assert_eq!(blocks(500, 1000, 10), "█████");
    }

    proptest! {
        #[test]
        fn every_time_is_in_one_bar(
            times in prop::collection::vec(prop_oneof![0..10_u64, 0..1_u64 << 53, 1000..1100_u64], 1..100),
        ) {
            let row = row(&times);
            let bars = bars(&row);
            prop_assert!(bars.len() <= LINES);
            prop_assert!(bars.is_sorted_by(|a, b| a.low_ns < b.low_ns));
            let shown: u64 = bars.iter().map(|bar| bar.exchanges).sum();
            prop_assert_eq!(shown, times.len() as u64);
            let plot = histogram(&row, 80, Style::Plain);
            prop_assert!(plot.lines().all(|line| line.chars().count() <= 80));
        }
    }
}
