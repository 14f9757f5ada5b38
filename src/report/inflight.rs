//! How many exchanges are under way, for people.

use std::fmt::Write;

use crate::query::inflight::InFlight;
use crate::report::style::{Role, Style};
use crate::report::units;

/// Columns of the bars.
const BAR_COLUMNS: f64 = 30.0;

/// Most lines of intervals; beyond it the busiest are told.
const LINES_MAX: usize = 60;

/// The intervals with their levels, Little's law, and the model of an even pace.
#[must_use]
pub fn in_flight(in_flight: &InFlight, style: Style) -> String {
    let mut out = String::new();
    let Some(law) = in_flight.little() else { return "No time passed.\n".to_owned() };
    levels(&mut out, in_flight, style);
    let _ = writeln!(
        out,
        "\nLittle's law over {}: {:.3} begun a second x {} each = {:.3} in flight.\n\
         Measured: {:.3}; {} not seen to the end count as long as they were watched.",
        units::duration(law.span_ns),
        law.rate,
        units::duration(law.mean_ns),
        law.expected,
        law.measured,
        units::count(law.unfinished)
    );
    if let Some(paced) = in_flight.paced() {
        let _ = writeln!(
            out,
            "\nA model, not a measurement: had every connection sent at its usual pace of one in\n\
             {}, also while it waited (coordinated omission), callers would have met",
            units::duration(paced.interval_ns)
        );
        for (mille, measured, model) in paced.percentiles {
            let name = match mille {
                999 => "p99.9".to_owned(),
                _ => format!("p{}", mille / 10),
            };
            let (model, measured) = (units::duration(model), units::duration(measured));
            let _ = writeln!(out, "  {name:<6}{model:>9}   measured {measured}");
        }
    }
    out
}

fn levels(out: &mut String, in_flight: &InFlight, style: Style) {
    let mut levels = in_flight.levels();
    let whole = levels.len();
    if whole > LINES_MAX {
        levels.sort_by(|a, b| b.mean.total_cmp(&a.mean).then(a.from.cmp(&b.from)));
        levels.truncate(LINES_MAX);
        levels.sort_by_key(|level| level.from);
        let _ =
            writeln!(out, "The {LINES_MAX} busiest of {} intervals:", units::count(whole as u64));
    }
    let most = levels.iter().map(|level| level.mean).fold(0.0, f64::max);
    let heading = format!("{:<24}{:>8}{:>11}", "from (UTC)", "begun", "in flight");
    let _ = writeln!(out, "{}", style.paint(Role::Faint, heading));
    for level in levels {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0 to 30 columns"
        )]
        let columns =
            if most > 0.0 { (level.mean / most * BAR_COLUMNS).round() as usize } else { 0 };
        let at = level.from.to_string();
        let line = format!(
            "{:<24}{:>8}{:>11.3} {}",
            at.get(..23).unwrap_or(&at),
            units::count(level.begun),
            level.mean,
            "█".repeat(columns)
        );
        let _ = writeln!(out, "{}", line.trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{Exchange, Facts};
    use crate::query::ExchangeText;
    use crate::query::latency::Collector as _;
    use crate::time::Timestamp;

    #[test]
    fn levels_law_and_model_are_told() {
        let mut all = InFlight::new(1_000_000_000);
        let exchange = Exchange::default();
        for n in 0..4_u32 {
            let start = Timestamp::from_nanos(i64::from(n) * 500_000_000);
            let mut facts = Facts { start, index: n, ..Facts::default() };
            facts.timing.total_ns = Some(500_000_000);
            all.facts(&facts, &mut ExchangeText::new(&exchange));
        }
        let expected = "\
from (UTC)                 begun  in flight
1970-01-01T00:00:00.000        2      1.000 ██████████████████████████████
1970-01-01T00:00:01.000        2      1.000 ██████████████████████████████
1970-01-01T00:00:02.000        0      0.000

Little's law over 2.00 s: 2.000 begun a second x 500 ms each = 1.000 in flight.
Measured: 1.000; 0 not seen to the end count as long as they were watched.

A model, not a measurement: had every connection sent at its usual pace of one in
500 ms, also while it waited (coordinated omission), callers would have met
  p50      500 ms   measured 500 ms
  p99      500 ms   measured 500 ms
  p99.9    500 ms   measured 500 ms
";
        let text = in_flight(&all, Style::Plain);
        assert_eq!(text, expected, "\n{text}");
        assert_eq!(in_flight(&InFlight::new(1), Style::Plain), "No time passed.\n");
    }
}
