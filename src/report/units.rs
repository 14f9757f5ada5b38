//! Numbers as people read them: durations, sizes, counts and shares, to three digits.

/// From here on minutes read better than seconds.
const MINUTES_FROM_NS: u64 = 120_000_000_000;

/// A duration to three digits: `850 us`, `42.1 ms`, `1.23 s`, `3m 20s`, `2h 05m`, `12d 03h`.
#[must_use]
pub fn duration(ns: u64) -> String {
    if ns >= MINUTES_FROM_NS {
        let seconds = ns / 1_000_000_000;
        return if seconds < 3600 {
            format!("{}m {:02}s", seconds / 60, seconds % 60)
        } else if seconds < 100 * 3600 {
            format!("{}h {:02}m", seconds / 3600, seconds / 60 % 60)
        } else {
            format!("{}d {:02}h", seconds / 86_400, seconds / 3600 % 24)
        };
    }
    let mut text = Vec::with_capacity(8);
    put_duration(ns, &mut text);
    String::from_utf8(text).unwrap_or_default()
}

/// Appends a duration as [`duration`] writes it, in whole numbers throughout: listings write
/// millions.
pub(crate) fn put_duration(ns: u64, out: &mut Vec<u8>) {
    if ns >= MINUTES_FROM_NS {
        out.extend_from_slice(duration(ns).as_bytes());
    } else if ns < 1000 {
        put_number(ns, out);
        out.extend_from_slice(b" ns");
    } else if ns < 999_500 {
        put_three_digits(ns, 1_000, b" us", out);
    } else if ns < 999_500_000 {
        put_three_digits(ns, 1_000_000, b" ms", out);
    } else {
        put_three_digits(ns, 1_000_000_000, b" s", out);
    }
}

/// Appends `value`, of which `one` make the unit, rounded to three digits.
#[inline]
fn put_three_digits(value: u64, one: u64, unit: &[u8], out: &mut Vec<u8>) {
    let hundredths = (value + one / 200) / (one / 100);
    if hundredths < 1000 {
        put_number(hundredths / 100, out);
        let [tens, ones] = two_digits(hundredths % 100);
        out.extend_from_slice(&[b'.', tens, ones]);
    } else {
        let tenths = (value + one / 20) / (one / 10);
        if tenths < 1000 {
            put_number(tenths / 10, out);
            let [_, ones] = two_digits(tenths % 10);
            out.extend_from_slice(&[b'.', ones]);
        } else {
            put_number((value + one / 2) / one, out);
        }
    }
    out.extend_from_slice(unit);
}

/// Writes a duration below two minutes as [`duration`] writes it, to the right of eight blanks;
/// whether it is one.
#[inline]
pub(crate) fn fill_column(ns: u64, column: &mut [u8; 8]) -> bool {
    let unit: &[u8; 3];
    let [_, number @ .., _, _, _] = column;
    if ns < 1000 {
        unit = b" ns";
        fill_number(ns, Point::None, number);
    } else if ns < 999_500 {
        unit = b" us";
        fill_three_digits(ns, 1_000, number);
    } else if ns < 999_500_000 {
        unit = b" ms";
        fill_three_digits(ns, 1_000_000, number);
    } else if ns < MINUTES_FROM_NS {
        let [_, _, number @ .., blank, seconds] = column;
        [*blank, *seconds] = *b" s";
        fill_three_digits(ns, 1_000_000_000, number);
        return true;
    } else {
        return false;
    }
    column[5..].copy_from_slice(unit);
    true
}

/// Where a number of three digits has its point.
#[derive(Clone, Copy)]
enum Point {
    AfterFirst,
    AfterSecond,
    None,
}

/// Writes `value`, of which `one` make the unit, at least one and below a thousand of it, rounded to
/// three digits.
#[inline]
fn fill_three_digits(value: u64, one: u64, places: &mut [u8; 4]) {
    let hundredths = (value + one / 200) / (one / 100);
    if hundredths < 1000 {
        return fill_number(hundredths, Point::AfterFirst, places);
    }
    let tenths = (value + one / 20) / (one / 10);
    if tenths < 1000 {
        return fill_number(tenths, Point::AfterSecond, places);
    }
    fill_number((value + one / 2) / one, Point::None, places);
}

/// Writes a number below a thousand; before one without a point the blanks stay.
#[inline]
fn fill_number(number: u64, point: Point, places: &mut [u8; 4]) {
    let [hundreds, tens, ones] = digits(number);
    *places = match point {
        Point::AfterFirst => [hundreds, b'.', tens, ones],
        Point::AfterSecond => [hundreds, tens, b'.', ones],
        Point::None if number < 10 => [b' ', b' ', b' ', ones],
        Point::None if number < 100 => [b' ', b' ', tens, ones],
        Point::None => [b' ', hundreds, tens, ones],
    };
}

/// The three decimal digits of a number below a thousand.
#[inline]
pub(crate) fn digits(number: u64) -> [u8; 3] {
    #[expect(clippy::cast_possible_truncation, reason = "one digit")]
    let hundreds = b'0' + (number / 100) as u8;
    let [tens, ones] = two_digits(number % 100);
    [hundreds, tens, ones]
}

/// The two decimal digits of a number below a hundred.
#[inline]
fn two_digits(number: u64) -> [u8; 2] {
    let number = u8::try_from(number).unwrap_or(0);
    [b'0' + number / 10, b'0' + number % 10]
}

/// Appends a number in decimal digits.
#[inline]
pub(crate) fn put_number(number: u64, out: &mut Vec<u8>) {
    if number >= 1000 {
        put_number(number / 100, out);
        out.extend_from_slice(&two_digits(number % 100));
    } else if number >= 100 {
        let [tens, ones] = two_digits(number % 100);
        out.extend_from_slice(&[two_digits(number / 100)[1], tens, ones]);
    } else if number >= 10 {
        out.extend_from_slice(&two_digits(number));
    } else {
        out.push(two_digits(number)[1]);
    }
}

/// The interval of a duration, in its unit where that reads well: `[41.8, 44.0]`; an open end is
/// `…)`.
#[must_use]
pub fn interval(low_ns: u64, ns: u64, high_ns: Option<u64>) -> String {
    let mut text = Vec::with_capacity(24);
    put_interval(low_ns, ns, high_ns, &mut text);
    String::from_utf8(text).unwrap_or_default()
}

/// Appends an interval as [`interval`] writes it.
pub(crate) fn put_interval(low_ns: u64, ns: u64, high_ns: Option<u64>, out: &mut Vec<u8>) {
    let one = unit_of(ns);
    let put = |bound: u64, out: &mut Vec<u8>| {
        // In a unit that is too small, or too large, the number would be longer than its unit.
        if bound == 0 {
            out.push(b'0');
        } else if ns >= MINUTES_FROM_NS || bound >= MINUTES_FROM_NS || unit_of(bound) != one {
            put_duration(bound, out);
        } else {
            put_scaled(bound, one, out);
        }
    };
    out.push(b'[');
    put(low_ns, out);
    out.extend_from_slice(b", ");
    if let Some(high) = high_ns {
        put(high, out);
        out.push(b']');
    } else {
        out.extend_from_slice("…)".as_bytes());
    }
}

/// The largest unit, in nanoseconds, in which a duration is at least one, after rounding to three
/// digits.
const fn unit_of(ns: u64) -> u64 {
    match ns {
        ..1_000 => 1,
        1_000..999_500 => 1_000,
        999_500..999_500_000 => 1_000_000,
        _ => 1_000_000_000,
    }
}

/// Appends a duration below two minutes in units of `one` nanoseconds, to three digits; nothing of
/// a nanosecond. What lies in the middle goes to the even digit, or where its binary fraction lies.
fn put_scaled(ns: u64, one: u64, out: &mut Vec<u8>) {
    let thousandths = ns.saturating_mul(1000) / one;
    let (steps, digits) = if one == 1 || thousandths >= 99_950 {
        (1, 0)
    } else if thousandths >= 9_995 {
        (10, 1)
    } else {
        (100, 2)
    };
    let step = one / steps;
    let (below, rest) = (ns / step, ns % step);
    if rest * 2 == step {
        out.extend_from_slice(three_digits(float(ns) / float(one), one > 1).as_bytes());
        return;
    }
    let number = below + u64::from(rest * 2 > step);
    put_number(number / steps, out);
    if digits > 0 {
        let fraction = two_digits(number % steps);
        out.push(b'.');
        out.extend_from_slice(fraction.get(2 - digits..).unwrap_or_default());
    }
}

/// Three digits; a whole number has no fraction.
fn three_digits(value: f64, fractions: impl Into<Option<bool>>) -> String {
    if fractions.into() == Some(false) || value >= 99.95 {
        format!("{value:.0}")
    } else if value >= 9.995 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

/// A size in powers of 1024: `512 B`, `1.21 KiB`, `16.0 MiB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut value = float(bytes);
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut unit = "B";
    for larger in units {
        if value < 1023.5 {
            break;
        }
        value /= 1024.0;
        unit = larger;
    }
    format!("{} {unit}", three_digits(value, true))
}

/// A count with its thousands apart: `1,234,567`.
#[must_use]
pub fn count(count: u64) -> String {
    let mut text = Vec::with_capacity(8);
    put_count(count, &mut text);
    String::from_utf8(text).unwrap_or_default()
}

/// Appends a count as [`count`] writes it.
pub(crate) fn put_count(count: u64, out: &mut Vec<u8>) {
    if count < 1000 {
        put_number(count, out);
        return;
    }
    put_count(count / 1000, out);
    let [hundreds, tens, ones] =
        [count / 100 % 10, count / 10 % 10, count % 10].map(|digit| two_digits(digit)[1]);
    out.extend_from_slice(&[b',', hundreds, tens, ones]);
}

/// A count and what is counted, in the singular where it is one: `1 exchange`, `1,200 frames`.
#[must_use]
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// A share in percent: `0 %`, `< 0.01 %`, `1.2 %`, `100 %`. 0 % of nothing.
#[must_use]
pub fn share(part: u64, whole: u64) -> String {
    if part == 0 || whole == 0 {
        return "0 %".to_owned();
    }
    if part == whole {
        return "100 %".to_owned();
    }
    let percent = float(part) / float(whole) * 100.0;
    if percent < 0.01 {
        "< 0.01 %".to_owned()
    } else if percent < 0.1 {
        format!("{percent:.2} %")
    } else if percent > 99.9 {
        "> 99.9 %".to_owned()
    } else {
        format!("{percent:.1} %")
    }
}

#[expect(clippy::cast_precision_loss, reason = "three digits are shown of it")]
const fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An interval by floats alone.
    fn by_floats(low_ns: u64, ns: u64, high_ns: Option<u64>) -> String {
        let unit_of = |ns: u64| {
            let larger = [1e9, 1e6, 1e3].into_iter().find(|scale| float(ns) >= scale * 0.9995);
            larger.unwrap_or(1.0)
        };
        let scale = unit_of(ns);
        let within = |bound: u64| {
            let own = unit_of(bound);
            let is_long = ns >= MINUTES_FROM_NS || bound >= MINUTES_FROM_NS;
            if bound == 0 {
                "0".to_owned()
            } else if is_long || own > scale || own < scale {
                duration(bound)
            } else {
                three_digits(float(bound) / scale, scale > 1.0)
            }
        };
        match high_ns {
            Some(high) => format!("[{}, {}]", within(low_ns), within(high)),
            None => format!("[{}, …)", within(low_ns)),
        }
    }

    proptest! {
        #[test]
        fn intervals_are_those_of_floats(
            ends in [0_u64..2_000_000, 0_u64..2_000_000, 0_u64..2_000_000],
            scale in prop::sample::select(vec![1_u64, 5, 10, 500, 1000, 5000, 100_000, 500_000]),
            is_open: bool,
        ) {
            let [low, ns, high] = ends.map(|end| end * scale);
            let high = Some(high).filter(|_| !is_open);
            prop_assert_eq!(interval(low, ns, high), by_floats(low, ns, high));
        }

        #[test]
        fn counts_have_their_thousands_apart(number: u64, shift in 0_u32..64) {
            let number = number >> shift;
            let parted = count(number);
            prop_assert_eq!(parted.replace(',', ""), number.to_string());
            for (position, part) in parted.split(',').enumerate() {
                let most = part.len() <= 3;
                prop_assert!(most && (position == 0 || part.len() == 3) && !part.is_empty());
            }
        }
    }

    #[test]
    fn every_step_of_an_interval_is_that_of_floats() {
        for scale in [1, 1_000, 1_000_000] {
            for end in (0..1_010_000).step_by(5).chain(0..30_000) {
                let ns = end * scale;
                assert_eq!(interval(ns, ns, None), by_floats(ns, ns, None), "{ns}");
            }
        }
    }

    #[test]
    fn durations_have_three_digits_in_the_unit_that_fits() {
        let check = |ns: u64, expected: &str| assert_eq!(duration(ns), expected);
        check(0, "0 ns");
        check(7, "7 ns");
        check(999, "999 ns");
        check(1_000, "1.00 us");
        check(850_000, "850 us");
        check(999_499, "999 us");
        check(999_500, "1.00 ms");
        check(9_994_000, "9.99 ms");
        check(9_996_000, "10.0 ms");
        check(42_123_456, "42.1 ms");
        check(99_960_000, "100 ms");
        check(1_234_567_890, "1.23 s");
        check(119_400_000_000, "119 s");
        check(200_000_000_000, "3m 20s");
        check(7_500_000_000_000, "2h 05m");
        check(u64::MAX, "213503d 23h");
    }

    #[test]
    fn a_column_has_the_duration_that_is_written() {
        let check = |ns: u64| {
            let expected = (ns < MINUTES_FROM_NS).then(|| format!("{:>8}", duration(ns)));
            let mut column = [b' '; 8];
            let found = fill_column(ns, &mut column).then(|| String::from_utf8_lossy(&column));
            assert_eq!(found.as_deref(), expected.as_deref(), "{ns}");
        };
        (0..2_000_000).for_each(check);
        let edges = (3..=12)
            .flat_map(|power| [10, 15, 95, 99, 995, 999].map(|n| n * 10_u64.pow(power) / 10));
        edges.flat_map(|edge| edge.saturating_sub(2000)..edge + 2000).for_each(check);
        let mut ns = 1;
        while ns < MINUTES_FROM_NS * 2 {
            check(ns);
            ns += ns / 5000 + 1;
        }
        check(u64::MAX);
    }

    #[test]
    fn intervals_share_the_unit_of_their_value() {
        let check = |low: u64, ns: u64, high: Option<u64>, expected: &str| {
            assert_eq!(interval(low, ns, high), expected);
        };
        check(41_800_000, 42_100_000, Some(44_000_000), "[41.8, 44.0]");
        check(41_800_000, 42_100_000, None, "[41.8, …)");
        check(0, 42_100_000, Some(12_300_000_000), "[0, 12.3 s]");
        check(850_000, 1_000_000, Some(1_100_000), "[850 us, 1.10]");
        check(7, 7, Some(9), "[7, 9]");
    }

    #[test]
    fn sizes_counts_and_shares_read_well() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(1240), "1.21 KiB");
        assert_eq!(size((1 << 20) - 1), "1.00 MiB");
        assert_eq!(size(16 << 20), "16.0 MiB");
        assert_eq!(size(u64::MAX), "16.0 EiB");
        assert_eq!(count(7), "7");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(123), "123");
        assert_eq!(counted(1, "frame", "frames"), "1 frame");
        assert_eq!(share(0, 0), "0 %");
        assert_eq!(share(12, 1000), "1.2 %");
        assert_eq!(share(1, 1_000_000), "< 0.01 %");
        assert_eq!(share(5, 10_000), "0.05 %");
        assert_eq!(share(9_999, 10_000), "> 99.9 %");
        assert_eq!(share(10, 10), "100 %");
    }
}
