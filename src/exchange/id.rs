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
        let words = words(connection);
        let left = mix_left(words.into_iter().fold(LEFT, mix_left), index.into());
        let right = mix_right(words.into_iter().fold(RIGHT, mix_right), index.into());
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

    /// The first eight of its characters, which tell the exchanges of a listing apart.
    #[must_use]
    pub fn first_letters(self) -> [u8; 8] {
        #[expect(clippy::cast_possible_truncation, reason = "the upper sixty-four of eighty bits")]
        first_letters((self.0 >> 16) as u64)
    }
}

/// The first letters of an identity whose left lane is this.
#[inline]
fn first_letters(left: u64) -> [u8; 8] {
    let mut text = [0; 8];
    let mut rest = left >> 24;
    for letter in text.iter_mut().rev() {
        *letter = ALPHABET.get((rest & 31) as usize).copied().unwrap_or(b'0');
        rest >>= 5;
    }
    text
}

/// What the lanes begin with.
const LEFT: u64 = 0x9e37_79b9_7f4a_7c15;
const RIGHT: u64 = 0xd1b5_4a32_d192_ed03;

/// What is mixed of a connection.
#[inline]
fn words(connection: &ConnectionKey) -> [u64; 6] {
    let (client_high, client_low) = connection.client.words();
    let (server_high, server_low) = connection.server.words();
    let ports = u64::from(connection.client.port()) << 16 | u64::from(connection.server.port());
    let opened_at = connection.opened_at.as_nanos().cast_unsigned();
    [client_high, client_low, server_high, server_low, ports, opened_at]
}

/// Derives the first letters of the identities of many exchanges; of connections with several of
/// them, what these have in common is derived once, as long as no other connection takes its place.
#[derive(Clone, Debug, Default)]
pub struct Identities {
    /// The left lanes of connections before an index is mixed into them: none before the first, then
    /// [`PLACES`].
    recent: Vec<(ConnectionKey, u64)>,
}

/// Connections that are remembered.
const PLACES: usize = 512;

impl Identities {
    /// What [`ExchangeId::first_letters`] gives of the identity.
    #[inline]
    #[must_use]
    pub fn first_letters(&mut self, connection: &ConnectionKey, index: u32) -> [u8; 8] {
        first_letters(mix_left(self.lane(connection, index), index.into()))
    }

    #[inline]
    fn lane(&mut self, connection: &ConnectionKey, index: u32) -> u64 {
        // Many connections have one exchange only.
        if index == 0 {
            return left_lane(connection);
        }
        let (_, client) = connection.client.words();
        // The ports of a client often are all even, or all odd.
        let port = u64::from(connection.client.port());
        let place = client ^ client >> 8 ^ port ^ port >> 1;
        #[expect(clippy::cast_possible_truncation, reason = "a part of it is used")]
        match self.recent.get_mut(place as usize % PLACES) {
            Some((known, lane)) if known == connection => *lane,
            Some(other) => {
                *other = (*connection, left_lane(connection));
                other.1
            }
            None => {
                let lane = left_lane(connection);
                self.recent = vec![(*connection, lane); PLACES];
                lane
            }
        }
    }
}

#[inline(never)]
fn left_lane(connection: &ConnectionKey) -> u64 {
    words(connection).into_iter().fold(LEFT, mix_left)
}

#[inline]
fn mix_left(lane: u64, word: u64) -> u64 {
    mix(lane ^ word)
}

#[inline]
fn mix_right(lane: u64, word: u64) -> u64 {
    mix(lane.wrapping_add(word).rotate_left(23))
}

#[inline]
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
    use crate::packet::Endpoint;
    use crate::time::Timestamp;

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
        assert_eq!(id.letters()[..8], id.first_letters());
        assert!(id.starts_with(&id.to_string()[..5].to_uppercase()));
        assert!(!id.starts_with("!"));
    }

    #[test]
    fn identities_derived_one_after_the_other_are_the_same() {
        let mut identities = Identities::default();
        for round in 0..4 {
            for number in 0..400_u16 {
                let [high, low] = (number / 3 * 2).to_be_bytes();
                let connection = ConnectionKey {
                    client: Endpoint::v4([10, 0, 0, high], u16::from(low)),
                    server: Endpoint::v4([10, 0, 1, 0], number % 3),
                    opened_at: Timestamp::from_nanos((number % 2).into()),
                };
                for connection in [connection, ConnectionKey::default()] {
                    for index in [round, round + 1] {
                        let expected = ExchangeId::derive(&connection, index);
                        let found = identities.first_letters(&connection, index);
                        assert_eq!(found, expected.first_letters());
                    }
                }
            }
        }
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
