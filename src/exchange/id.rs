//! The identity of an exchange: eighty bits of its connection and its index, as sixteen letters.

use std::fmt;

use crate::exchange::facts::ConnectionKey;

/// Sixteen characters of Crockford's base 32 in lower case, equal for the same exchange in any
/// capture of the same packets. Not a secret, and not made to resist forgery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeId(u128);

/// Crockford's alphabet: no i, l, o, u.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

impl ExchangeId {
    /// Derives it. The words are mixed by the finaliser of `SplitMix64` (Steele, Lea and Flood,
    /// 2014), in two lanes of which eighty bits are kept.
    #[must_use]
    pub fn derive(connection: &ConnectionKey, index: u32) -> Self {
        let (client_high, client_low) = connection.client.words();
        let (server_high, server_low) = connection.server.words();
        let ports = u64::from(connection.client.port()) << 16 | u64::from(connection.server.port());
        let words = [
            client_high,
            client_low,
            server_high,
            server_low,
            ports,
            connection.opened_at.as_nanos().cast_unsigned(),
            u64::from(index),
        ];
        let (mut left, mut right) = (0x9e37_79b9_7f4a_7c15_u64, 0xd1b5_4a32_d192_ed03_u64);
        for word in words {
            left = mix(left ^ word);
            right = mix(right.wrapping_add(word).rotate_left(23));
        }
        Self((u128::from(left) << 64 | u128::from(right)) >> 48)
    }

    /// Whether its text begins with `prefix`, in either case.
    #[must_use]
    pub fn starts_with(self, prefix: &str) -> bool {
        let text = self.letters();
        prefix.len() <= text.len()
            && text.iter().zip(prefix.bytes()).all(|(a, b)| a.eq_ignore_ascii_case(&b))
    }

    /// Sixty-four bits derived from it, others for each `number`, never 0: for the identifiers of
    /// other formats, which are to look random and be the same for the same exchange.
    #[must_use]
    pub fn lane(self, number: u64) -> u64 {
        #[expect(clippy::cast_possible_truncation, reason = "the halves of its bits")]
        let (high, low) = ((self.0 >> 64) as u64, self.0 as u64);
        mix(mix(low ^ mix(number.wrapping_add(0x9e37_79b9_7f4a_7c15))).wrapping_add(high)).max(1)
    }

    /// Its sixteen characters.
    #[must_use]
    pub fn letters(self) -> [u8; 16] {
        let mut text = [0; 16];
        let mut rest = self.0;
        for letter in text.iter_mut().rev() {
            *letter = ALPHABET.get((rest & 31) as usize).copied().unwrap_or(b'0');
            rest >>= 5;
        }
        text
    }
}

fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

impl fmt::Display for ExchangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(std::str::from_utf8(&self.letters()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_stable_and_depends_on_every_part() {
        let connection = ConnectionKey::default();
        let id = ExchangeId::derive(&connection, 0);
        assert_eq!(id, ExchangeId::derive(&connection, 0));
        assert_eq!(id.to_string().len(), 16);
        let mut seen = std::collections::HashSet::new();
        for index in 0..10_000 {
            assert!(seen.insert(ExchangeId::derive(&connection, index)));
        }
        assert!(id.starts_with(&id.to_string()[..5].to_uppercase()));
        assert!(!id.starts_with("!"));
    }

    #[test]
    fn lanes_are_stable_and_differ() {
        let connection = ConnectionKey::default();
        let mut seen = std::collections::HashSet::new();
        for index in 0..1000 {
            let id = ExchangeId::derive(&connection, index);
            assert_eq!(id.lane(1), id.lane(1));
            assert!((0..3).all(|number| seen.insert(id.lane(number))));
        }
    }
}
