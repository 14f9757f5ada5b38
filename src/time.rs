//! Instants as Weir keeps them: nanoseconds since the Unix epoch, by packet time.

use std::fmt;

/// An instant: nanoseconds since 1970-01-01T00:00:00Z, as the capture stamped it.
///
/// Covers the years 1677 to 2262. Only [`crate::source`] makes one from a clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest instant; it precedes every packet.
    pub const MIN: Self = Self(i64::MIN);
    /// The latest instant; no packet follows it.
    pub const MAX: Self = Self(i64::MAX);

    /// The instant `nanos` nanoseconds after the Unix epoch (before it where negative).
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the Unix epoch.
    #[must_use]
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Nanoseconds from `earlier` to `self`, at most `i64::MAX`; 0 where the clock stepped back between
    /// them.
    #[inline]
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        match self.0.checked_sub(earlier.0) {
            Some(nanos) if nanos > 0 => nanos.unsigned_abs(),
            None if self.0 > earlier.0 => i64::MAX.unsigned_abs(),
            _ => 0,
        }
    }

    /// Whether it lies more than `nanos` nanoseconds after `earlier`.
    #[inline]
    #[must_use]
    pub const fn is_later(self, earlier: Self, nanos: u64) -> bool {
        self.0 > earlier.0.saturating_add_unsigned(nanos)
    }

    /// The instant `nanos` nanoseconds later; the last representable one at the bound.
    #[must_use]
    pub fn plus(self, nanos: u64) -> Self {
        Self(self.0.saturating_add(i64::try_from(nanos).unwrap_or(i64::MAX)))
    }
}

/// An instant as RFC 3339 text of thirty characters.
#[derive(Clone, Copy, Debug)]
pub struct Rfc3339([u8; 30]);

impl Rfc3339 {
    /// The text's bytes, all of them ASCII.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 30] {
        &self.0
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Timestamp {
    /// RFC 3339 in UTC with nine digits of the second: `2026-11-21T06:34:25.123456789Z`.
    #[must_use]
    pub fn rfc3339(self) -> Rfc3339 {
        let seconds = self.0.div_euclid(1_000_000_000);
        let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let (year, month, day) = civil(days);
        let nanos = self.0.rem_euclid(1_000_000_000);
        let [[y0, y1], [y2, y3]] = [year / 100, year % 100].map(two_digits);
        let [[m0, m1], [d0, d1]] = [month, day].map(two_digits);
        let clock = [second / 3600, second / 60 % 60, second % 60].map(two_digits);
        let [[h0, h1], [i0, i1], [s0, s1]] = clock;
        let [tenth, rest] = [nanos / 100_000_000, nanos % 100_000_000];
        let fraction = [rest / 1_000_000, rest / 10_000 % 100, rest / 100 % 100, rest % 100];
        let [[f1, f2], [f3, f4], [f5, f6], [f7, f8]] = fraction.map(two_digits);
        let [_, f0] = two_digits(tenth);
        let text = [
            y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1, b'T', h0, h1, b':', i0, i1, b':', s0, s1,
            b'.', f0, f1, f2, f3, f4, f5, f6, f7, f8, b'Z',
        ];
        Rfc3339(text)
    }
}

/// Writes instants one after the other: those of one second share all but their nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// Where the second begins.
    second: Timestamp,
    /// The text of an instant in it.
    text: Rfc3339,
}

impl Default for Clock {
    fn default() -> Self {
        let second = Timestamp(0);
        Self { second, text: second.rfc3339() }
    }
}

impl Clock {
    /// The text of `at` up to the millisecond: `2026-11-21T06:34:25.123`.
    #[inline]
    #[must_use]
    pub fn milliseconds(&mut self, at: Timestamp) -> [u8; 23] {
        let mut nanos = at.0.checked_sub(self.second.0).unwrap_or(-1);
        if !(0..1_000_000_000).contains(&nanos) {
            nanos = at.0.rem_euclid(1_000_000_000);
            let text = at.rfc3339();
            let Some(second) = at.0.checked_sub(nanos) else {
                // The second in which time begins began before it.
                let [text @ .., _, _, _, _, _, _, _] = text.0;
                return text;
            };
            *self = Self { second: Timestamp(second), text };
        }
        let [mut text @ .., _, _, _, _, _, _, _] = self.text.0;
        let milliseconds = nanos / 1_000_000;
        let [.., hundreds, tens, ones] = &mut text;
        [_, *hundreds] = two_digits(milliseconds / 100);
        [*tens, *ones] = two_digits(milliseconds % 100);
        text
    }
}

/// As [`Timestamp::rfc3339`].
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.rfc3339().as_str())
    }
}

/// The two decimal digits of a number from 0 to 99.
#[inline]
fn two_digits(number: i64) -> [u8; 2] {
    let number = u8::try_from(number).unwrap_or(0) % 100;
    [b'0' + number / 10, b'0' + number % 10]
}

/// The Gregorian date `days` after 1970-01-01: eras of 400 years, months counted from March, so
/// that the leap day is the last of its year.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_tells_each_time_as_it_is() {
        let mut clock = Clock::default();
        for nanos in [
            0,
            5,
            999_999_999,
            1_000_000_000,
            -1,
            -1_000_000_001,
            1_795_242_865_123_456_789,
            i64::MIN,
            i64::MIN + 145_224_192,
            i64::MIN + 999_999_999,
            i64::MAX,
            i64::MIN,
        ] {
            let at = Timestamp::from_nanos(nanos);
            assert_eq!(clock.milliseconds(at), at.rfc3339().as_bytes()[..23], "{nanos}");
        }
    }

    #[test]
    fn prints_rfc_3339_with_nanoseconds() {
        let check = |nanos: i64, expected: &str| {
            assert_eq!(Timestamp::from_nanos(nanos).to_string(), expected);
        };
        check(0, "1970-01-01T00:00:00.000000000Z");
        check(-1, "1969-12-31T23:59:59.999999999Z");
        check(951_782_400_000_000_000, "2000-02-29T00:00:00.000000000Z");
        check(1_795_242_865_123_456_789, "2026-11-21T06:34:25.123456789Z");
    }

    #[test]
    fn agrees_with_a_calendar_library_on_every_magnitude() {
        for nanos in
            (-9_000_000_000..9_000_000_000_i64).step_by(7_777_777).map(|n| n * 1_000_000_000)
        {
            let Some(nanos) = Some(nanos).filter(|n| n.checked_abs().is_some()) else { continue };
            let library = jiff::Timestamp::from_nanosecond(i128::from(nanos)).expect("in range");
            assert_eq!(Timestamp::from_nanos(nanos).to_string(), format!("{library:.9}"));
        }
    }

    #[test]
    fn since_never_goes_negative() {
        let (early, late) = (Timestamp::from_nanos(5), Timestamp::from_nanos(9));
        assert_eq!(late.since(early), 4);
        assert_eq!(early.since(late), 0);
        assert_eq!(Timestamp::MIN.since(Timestamp::MAX), 0);
        assert_eq!(Timestamp::MAX.since(Timestamp::MIN), i64::MAX.unsigned_abs());
        assert_eq!(Timestamp::MAX.since(Timestamp::default()), i64::MAX.unsigned_abs());
    }
}
