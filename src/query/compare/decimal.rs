//! Decimal numbers as JSON writes them, exact: no binary fraction ever stands for one (RFC 8259).

use std::fmt;

/// `mantissa * 10^exponent`, without trailing zeros in the mantissa.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Decimal {
    /// Bytes, so that it takes ten and not sixteen: millions are kept.
    mantissa: [u8; 8],
    exponent: i16,
}

impl Decimal {
    /// Reads a number in the syntax of JSON; `None` where it has more digits than 64 bits hold.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let (text, sign) = match text.split_first() {
            Some((b'-', rest)) => (rest, -1),
            _ => (text, 1),
        };
        let (mut mantissa, mut exponent, mut after_point) = (0_i64, 0_i64, false);
        let mut bytes = text.iter();
        for byte in bytes.by_ref() {
            match byte {
                b'0'..=b'9' => {
                    let digit = i64::from(byte - b'0');
                    mantissa = mantissa.checked_mul(10)?.checked_add(digit)?;
                    exponent -= i64::from(after_point);
                }
                b'.' => after_point = true,
                _ => break,
            }
        }
        let power = std::str::from_utf8(bytes.as_slice()).ok()?;
        if !power.is_empty() {
            exponent = exponent.checked_add(power.parse().ok()?)?;
        }
        Self::normal(sign * i128::from(mantissa), exponent)
    }

    fn normal(mut mantissa: i128, mut exponent: i64) -> Option<Self> {
        if mantissa == 0 {
            return Some(Self::new(0, 0));
        }
        while mantissa % 10 == 0 {
            mantissa /= 10;
            exponent = exponent.checked_add(1)?;
        }
        Some(Self::new(i64::try_from(mantissa).ok()?, i16::try_from(exponent).ok()?))
    }

    const fn new(mantissa: i64, exponent: i16) -> Self {
        Self { mantissa: mantissa.to_le_bytes(), exponent }
    }

    const fn mantissa(self) -> i64 {
        i64::from_le_bytes(self.mantissa)
    }

    /// Both mantissas at the smaller exponent.
    fn aligned(self, other: Self) -> Option<(i128, i128, i16)> {
        let exponent = self.exponent.min(other.exponent);
        let scaled = |one: Self| {
            let power = u32::try_from(i32::from(one.exponent) - i32::from(exponent)).ok()?;
            10_i128.checked_pow(power)?.checked_mul(one.mantissa().into())
        };
        Some((scaled(self)?, scaled(other)?, exponent))
    }

    /// `self - other`, exact; `None` where it has too many digits.
    #[must_use]
    pub fn minus(self, other: Self) -> Option<Self> {
        let (one, two, exponent) = self.aligned(other)?;
        Self::normal(one.checked_sub(two)?, exponent.into())
    }

    /// The larger of two; `None` where they are too far apart to tell exactly.
    pub(super) fn at_least(self, other: Self) -> Option<bool> {
        self.aligned(other).map(|(one, two, _)| one >= two)
    }

    /// Without its sign.
    #[must_use]
    pub const fn magnitude(self) -> Self {
        // The smallest mantissa has a trailing digit other than 0, and no positive counterpart.
        Self::new(self.mantissa().saturating_abs(), self.exponent)
    }

    /// Whether it is below 0.
    #[must_use]
    pub const fn is_negative(self) -> bool {
        self.mantissa() < 0
    }

    /// Whether it looks like an instant of these decades: seconds, milliseconds, microseconds or
    /// nanoseconds since 1970, the seconds with any fraction.
    pub(super) fn is_instant(self) -> bool {
        let digits = self.mantissa().unsigned_abs().checked_ilog10().map_or(0, |log| log + 1);
        let whole = i64::from(digits) + i64::from(self.exponent);
        let lead = digits.checked_sub(2).map_or(0, |drop| self.mantissa() / 10_i64.pow(drop));
        matches!(whole, 10 | 13 | 16 | 19) && (12..=21).contains(&lead) && digits >= 6
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.mantissa().unsigned_abs().to_string();
        if self.mantissa() < 0 {
            f.write_str("-")?;
        }
        match self.exponent {
            0 => f.write_str(&digits),
            1..=6 => {
                f.write_str(&digits)?;
                (0..self.exponent).try_for_each(|_| f.write_str("0"))
            }
            -20..=-1 => {
                let after = usize::from(self.exponent.unsigned_abs());
                let padded = format!("{digits:0>width$}", width = after + 1);
                let (whole, fraction) = padded.split_at(padded.len() - after);
                write!(f, "{whole}.{fraction}")
            }
            exponent => write!(f, "{digits}e{exponent}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Decimal {
        Decimal::parse(text.as_bytes()).expect(text)
    }

    #[test]
    fn numbers_are_equal_where_their_values_are() {
        for (one, two) in [("1", "1.0"), ("-0", "0.00"), ("1e3", "1000"), ("0.5E-1", "0.05")] {
            assert_eq!(read(one), read(two));
        }
        assert_ne!(read("9.99"), read("9.98"));
        assert_eq!(Decimal::parse(b"99999999999999999999"), None);
        assert_eq!(Decimal::parse(b"1e99999"), None);
        assert_eq!(Decimal::parse(b"1e999999999999999999999"), None);
    }

    #[test]
    fn differences_are_exact() {
        let check = |one: &str, two: &str, expected: &str| {
            let difference = read(one).minus(read(two)).expect("few digits");
            assert_eq!(difference.to_string(), expected);
        };
        check("0.3", "0.1", "0.2");
        check("1000000.01", "1000000", "0.01");
        check("9.98", "9.99", "-0.01");
        check("5000", "0", "5000");
        check("12e20", "0", "12e20");
        assert_eq!(read("1e100").minus(read("1e-100")), None);
    }

    #[test]
    fn instants_are_told_from_other_numbers() {
        for instant in ["1763719200", "1763719200123", "1763719200.123456", "1763719200000000"] {
            assert!(read(instant).is_instant(), "{instant}");
        }
        for other in ["17", "42.17", "99999", "1000000000", "-5", "0", "9223372036854775807"] {
            assert!(!read(other).is_instant(), "{other}");
        }
    }
}
