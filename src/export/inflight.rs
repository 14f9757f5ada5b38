//! How many exchanges are under way, as JSON: a line an interval, then one of all.

use std::io::Write as _;

use super::json;
use crate::query::inflight::InFlight;

/// Appends a line for each interval, then one with Little's law and the model of an even pace.
pub fn write(in_flight: &InFlight, out: &mut Vec<u8>) {
    for level in in_flight.levels() {
        out.extend_from_slice(b"{\"from\":");
        json::timestamp(out, level.from);
        out.extend_from_slice(b",\"until\":");
        json::timestamp(out, level.from.plus(in_flight.every_ns()));
        // Writing to a vector cannot fail; levels are finite.
        let _ = writeln!(out, ",\"begun\":{},\"in_flight\":{:.6}}}", level.begun, level.mean);
    }
    let Some(law) = in_flight.little() else { return };
    let _ = write!(
        out,
        "{{\"span_ns\":{},\"exchanges\":{},\"unfinished\":{},\"mean_ns\":{},\
         \"rate_per_second\":{:.6},\"in_flight\":{:.6},\"in_flight_by_littles_law\":{:.6},\
         \"model_even_pace\":",
        law.span_ns,
        law.exchanges,
        law.unfinished,
        law.mean_ns,
        law.rate,
        law.measured,
        law.expected
    );
    match in_flight.paced() {
        None => out.extend_from_slice(b"null"),
        Some(paced) => {
            let [(_, _, p50), (_, _, p99), (_, _, p999)] = paced.percentiles;
            let _ = write!(
                out,
                "{{\"interval_ns\":{},\"p50_ns\":{p50},\"p99_ns\":{p99},\"p99.9_ns\":{p999}}}",
                paced.interval_ns
            );
        }
    }
    out.extend_from_slice(b"}\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{Exchange, Facts};
    use crate::query::ExchangeText;
    use crate::query::latency::Collector as _;

    #[test]
    fn lines_read_back_as_json() {
        let mut all = InFlight::new(1000);
        let exchange = Exchange::default();
        let mut facts = Facts::default();
        facts.timing.total_ns = Some(2500);
        for index in 0..3 {
            facts.index = index;
            all.facts(&facts, &mut ExchangeText::new(&exchange));
        }
        let mut out = Vec::new();
        write(&all, &mut out);
        let text = String::from_utf8(out).expect("UTF-8");
        let values: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(values.len(), 4);
        assert_eq!((&values[0]["begun"], &values[1]["in_flight"]), (&3.into(), &3.0.into()));
        assert_eq!(values[3]["exchanges"], 3);
    }
}
