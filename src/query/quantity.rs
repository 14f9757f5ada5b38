//! Numbers with units as people write them: durations `250us`, sizes `64K`, instants.

use jiff::civil;

use crate::time::Timestamp;

/// Units of a duration and their nanoseconds.
const DURATIONS: [(&str, u64); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Units of a size and their bytes: powers of 1024, as in `64K`, `64KB` and `64KiB`.
const SIZES: [(&str, u64); 6] =
    [("", 1), ("B", 1), ("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30), ("T", 1 << 40)];

/// Reads a duration with its unit (`250us`, `1.5s`, `2m`), in nanoseconds; `0` needs no unit.
/// `None` where it is none, has no unit, or does not fit 64 bits.
#[must_use]
pub fn duration_ns(text: &str) -> Option<u64> {
    if text == "0" {
        return Some(0);
    }
    let (number, unit) = split_unit(text);
    let (_, scale) = DURATIONS.iter().find(|(name, _)| *name == unit)?;
    scaled(number, *scale)
}

/// Reads a size (`512`, `64K`, `1.5M`), in bytes; units are powers of 1024, in either case, with
/// or without `B` or `iB` after them. `None` where it is none or does not fit 64 bits.
#[must_use]
pub fn size_bytes(text: &str) -> Option<u64> {
    let (number, unit) = split_unit(text);
    let unit = unit.to_ascii_uppercase();
    let short = unit.strip_suffix("IB").or(unit.strip_suffix('B')).unwrap_or(&unit);
    let (_, scale) = SIZES.iter().find(|(name, _)| *name == short)?;
    scaled(number, *scale)
}

/// Reads an instant: RFC 3339 (`2026-11-21T06:34:25Z`, any offset); without an offset, or as a
/// date alone, it is UTC, as in everything that Weir prints.
#[must_use]
pub fn instant(text: &str) -> Option<Timestamp> {
    let at: jiff::Timestamp = if let Ok(at) = text.parse() {
        at
    } else {
        let local: civil::DateTime = text.parse().ok()?;
        local.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp()
    };
    i64::try_from(at.as_nanosecond()).ok().map(Timestamp::from_nanos)
}

fn split_unit(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    text.split_at(end)
}

/// `number` times `scale`, exactly; further digits than the unit can hold are cut.
fn scaled(number: &str, scale: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let fraction = fraction.get(..fraction.len().min(18))?;
    let numerator: u128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let denominator = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let part = u64::try_from(numerator * u128::from(scale) / denominator).ok()?;
    whole.checked_mul(scale)?.checked_add(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(duration_ns(text), expected, "{text}");
        };
        check("250us", Some(250_000));
        check("250µs", Some(250_000));
        check("1.5s", Some(1_500_000_000));
        check("2m", Some(120_000_000_000));
        check("0.0000000019s", Some(1));
        check("7ns", Some(7));
        check("1h", Some(3_600_000_000_000));
        check("0", Some(0));
        for text in ["5", "", "ms", ".5s", "5 ms", "-5ms", "5d", "1.2.3s", "99999999999h"] {
            check(text, None);
        }
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(size_bytes(text), expected, "{text}");
        };
        check("0", Some(0));
        check("512", Some(512));
        check("512b", Some(512));
        check("64K", Some(65_536));
        check("64kb", Some(65_536));
        check("1.5MiB", Some(1_572_864));
        check("20G", Some(20 << 30));
        for text in ["", "K", "1X", "-1", "99999999T", "1.5.5K"] {
            check(text, None);
        }
    }

    #[test]
    fn instants_without_an_offset_are_utc() {
        let check = |text: &str, expected: Option<&str>| {
            let found = instant(text).map(|at| at.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        };
        check("2026-11-21T06:34:25.5Z", Some("2026-11-21T06:34:25.500000000Z"));
        check("2026-11-21T07:34:25+01:00", Some("2026-11-21T06:34:25.000000000Z"));
        check("2026-11-21T06:34:25", Some("2026-11-21T06:34:25.000000000Z"));
        check("2026-11-21 06:34", Some("2026-11-21T06:34:00.000000000Z"));
        check("2026-11-21", Some("2026-11-21T00:00:00.000000000Z"));
        check("noon", None);
        check("9999-01-01", None);
    }
}
