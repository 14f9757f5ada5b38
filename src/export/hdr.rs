//! Histograms in the formats of HdrHistogram's own tools: percentile distributions (`.hgrm`) and
//! interval logs (`.hlog`, version 1.3).

use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{
    IntervalLogWriterBuilder, IntervalLogWriterError, Tag,
};

use crate::query::group::Values;
use crate::query::series::Series;
use crate::segment::Latencies;
use crate::time::Timestamp;

/// Values of a distribution are told in milliseconds, as HdrHistogram's tools do.
const MILLISECOND_NS: f64 = 1e6;

/// Lines of a distribution for each halving of the distance to 100 %.
const TICKS: u32 = 5;

/// Writes the percentile distribution of `latencies`, in milliseconds.
///
/// # Errors
///
/// Where `out` cannot be written.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown of it")]
pub fn write_hgrm(latencies: &Latencies, out: &mut dyn Write) -> io::Result<()> {
    let histogram = latencies.to_hdr();
    writeln!(
        out,
        "{:>12} {:>14} {:>10} {:>14}\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    )?;
    let mut total = 0_u64;
    for step in histogram.iter_quantiles(TICKS) {
        total = total.saturating_add(step.count_since_last_iteration());
        let value = step.value_iterated_to() as f64 / MILLISECOND_NS;
        let quantile = step.quantile_iterated_to();
        write!(out, "{value:12.3} {quantile:14.12} {total:10}")?;
        if quantile < 1.0 {
            write!(out, " {:14.2}", 1.0 / (1.0 - quantile))?;
        }
        writeln!(out)?;
    }
    writeln!(
        out,
        "#[Mean    = {:12.3}, StdDeviation   = {:12.3}]",
        histogram.mean() / MILLISECOND_NS,
        histogram.stdev() / MILLISECOND_NS
    )?;
    writeln!(
        out,
        "#[Max     = {:12.3}, Total count    = {:12}]",
        histogram.max() as f64 / MILLISECOND_NS,
        histogram.len()
    )?;
    writeln!(out, "#[Buckets = {:12}, SubBuckets     = {:12}]", histogram.buckets(), 2048)
}

/// Writes a line for each interval of each group, in the order of time; the tag of a line is the
/// values of its group. Values are nanoseconds, the interval's maximum is told in milliseconds.
///
/// # Errors
///
/// Where `out` cannot be written.
pub fn write_hlog(series: &Series, out: &mut dyn Write) -> io::Result<()> {
    let mut lines = Vec::new();
    for track in series.tracks() {
        for (from, row) in track.intervals {
            lines.push((from, row));
        }
    }
    lines.sort_by(|(a, one), (b, two)| a.cmp(b).then_with(|| one.values.cmp(&two.values)));
    let (first, last) = series.span().unwrap_or_default();
    let mut serializer = V2DeflateSerializer::new();
    // The writer wants a type of known size.
    let mut out = out;
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment("[Logged by weir: response times in nanoseconds]")
        .add_comment("[Histogram log format version 1.3]")
        .with_start_time(system_time(first))
        .with_max_value_divisor(MILLISECOND_NS)
        .begin_log_with(&mut out, &mut serializer)?;
    for (from, row) in lines {
        let until = from.plus(series.every_ns()).min(last);
        let from = from.max(first);
        let tag = tag(&row.values);
        let tag = Tag::new(&tag).filter(|_| !row.values.is_empty());
        log.write_histogram(
            &row.latencies.to_hdr(),
            Duration::from_nanos(from.as_nanos().max(0).unsigned_abs()),
            Duration::from_nanos(until.since(from)),
            tag,
        )
        .map_err(failure)?;
    }
    Ok(())
}

/// The values of a group as one word: commas, blanks, controls and `%` as in an address
/// (RFC 3986 section 2.1), `-` where there is none.
#[must_use]
pub fn tag(values: &Values) -> String {
    let mut tag = String::new();
    for (position, value) in values.iter().enumerate() {
        if position > 0 {
            tag.push('|');
        }
        let Some(value) = value else {
            tag.push('-');
            continue;
        };
        for &byte in value {
            if byte.is_ascii_graphic() && !b",%|".contains(&byte) {
                tag.push(char::from(byte));
            } else {
                tag.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    tag
}

fn system_time(at: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(at.as_nanos().max(0).unsigned_abs())
}

fn failure<E: std::fmt::Display>(error: IntervalLogWriterError<E>) -> io::Error {
    match error {
        IntervalLogWriterError::IoError(error) => error,
        IntervalLogWriterError::SerializeError(error) => io::Error::other(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use hdrhistogram::Histogram;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    use super::*;
    use crate::exchange::{Exchange, MessageFacts};
    use crate::query::ExchangeText;
    use crate::query::group::Keys;
    use crate::query::latency::Collector as _;
    use crate::segment::Metric;

    fn sample() -> Series {
        let mut series = Series::new(Keys::default(), Metric::Total, 1_000_000_000);
        let mut exchange = Exchange::default();
        exchange.facts.request = Some(MessageFacts::default());
        for n in 1..=3000_u64 {
            let path = if n % 3 == 0 { "/a,b" } else { "/c" };
            exchange.request.head = format!("GET {path} HTTP/1.1\r\n\r\n").into_bytes();
            exchange.route = path.to_owned();
            let start = 1_795_242_840_000_000_000 + i64::try_from(n).unwrap() * 1_000_000;
            exchange.facts.start = Timestamp::from_nanos(start);
            exchange.facts.timing.total_ns = Some(n * n * 1000);
            series.facts(&exchange.facts, &mut ExchangeText::new(&exchange));
        }
        series
    }

    #[test]
    fn a_log_reads_back_bit_for_bit() {
        use base64::Engine as _;
        let series = sample();
        let mut log = Vec::new();
        write_hlog(&series, &mut log).unwrap();
        let mut found: Vec<(String, Histogram<u64>)> = Vec::new();
        for entry in IntervalLogIterator::new(&log) {
            if let LogEntry::Interval(line) = entry.unwrap() {
                let bytes = base64::engine::general_purpose::STANDARD
                    .decode(line.encoded_histogram())
                    .unwrap();
                let histogram = Deserializer::new().deserialize(&mut &bytes[..]).unwrap();
                found.push((line.tag().unwrap().as_str().to_owned(), histogram));
            }
        }
        assert_eq!(found.len(), 7);
        let mut expected: Vec<(String, u64)> = Vec::new();
        for track in series.tracks() {
            expected.push((tag(&track.whole.values), track.whole.count));
            let name = tag(&track.whole.values);
            let mut merged = Histogram::<u64>::new(3).unwrap();
            merged.auto(true);
            for (_, histogram) in found.iter().filter(|(tag, _)| *tag == name) {
                merged.add(histogram).unwrap();
            }
            assert_eq!(merged, track.whole.latencies.to_hdr());
        }
        assert_eq!(expected, [("GET%20/c".to_owned(), 2000), ("GET%20/a%2Cb".to_owned(), 1000)]);
    }

    #[test]
    fn a_distribution_has_the_columns_of_the_original() {
        let mut latencies = Latencies::default();
        (1..=10).for_each(|n| latencies.record(n * 1_000_000));
        let mut out = Vec::new();
        write_hgrm(&latencies, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "       Value     Percentile TotalCount 1/(1-Percentile)");
        assert_eq!(lines[2], "       1.000 0.000000000000          1           1.00");
        assert!(lines.iter().any(|line| line.ends_with("1.000000000000         10")), "{text}");
        assert!(lines[lines.len() - 2].ends_with("Total count    =           10]"));
        let empty = Latencies::default();
        write_hgrm(&empty, &mut Vec::new()).unwrap();
    }
}
