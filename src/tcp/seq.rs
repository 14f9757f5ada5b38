//! Sequence numbers and their one way into stream offsets (RFC 9293 section 3.4).

/// A TCP sequence number: arithmetic modulo 2^32, no order of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seq(pub u32);

impl Seq {
    /// The number `bytes` further on.
    #[must_use]
    pub const fn plus(self, bytes: u32) -> Self {
        Self(self.0.wrapping_add(bytes))
    }

    /// The position of this number in the stream whose byte 0 has number `origin`: of all
    /// positions with this number, the one nearest to `near`. Negative before the stream's start.
    #[must_use]
    pub const fn offset(self, origin: Self, near: u64) -> i64 {
        near.cast_signed().saturating_add(self.distance(origin.at(near)))
    }

    /// The number of the byte at `position` of the stream whose byte 0 has this number.
    #[must_use]
    pub const fn at(self, position: u64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "numbers live modulo 2^32")]
        Self(self.0.wrapping_add(position as u32))
    }

    /// How many bytes this number lies past `other`, by the shorter way round; negative where it
    /// lies before it.
    #[must_use]
    pub const fn distance(self, other: Self) -> i64 {
        self.0.wrapping_sub(other.0).cast_signed() as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever the origin, a position within 2 GiB of the reference comes back as it was,
        /// across any number of wraps.
        #[test]
        fn offsets_survive_the_wrap(
            origin: u32,
            near in 0_u64..1 << 40,
            distance in -(1_i64 << 31)..1 << 31,
        ) {
            let position = i64::try_from(near).unwrap() + distance;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let number = Seq(origin.wrapping_add(position as u32));
            prop_assert_eq!(number.offset(Seq(origin), near), position);
        }
    }

    #[test]
    fn the_wrap_itself_is_one_step() {
        assert_eq!(Seq(0).offset(Seq(u32::MAX), 0), 1);
        assert_eq!(Seq(u32::MAX).offset(Seq(0), 0), -1);
        assert_eq!(Seq(5).offset(Seq(u32::MAX - 4), (1 << 32) + 8), (1 << 32) + 10);
    }
}
