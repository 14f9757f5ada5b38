//! Which ports are watched.

use std::fmt;
use std::str::FromStr;

use crate::packet::Packet;

/// A set of TCP ports; a packet belongs to it by its source or its target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ports {
    ranges: Vec<(u16, u16)>,
}

/// A list of ports that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is no port: expected a number from 1 to 65535 or a range such as 8000-8099")]
pub struct PortsError {
    word: String,
}

impl Ports {
    /// Whether the packet's source or target port is watched.
    #[must_use]
    pub fn watch(&self, packet: &Packet<'_>) -> bool {
        self.contains(packet.source.port()) || self.contains(packet.target.port())
    }

    /// Whether `port` is watched.
    #[must_use]
    pub fn contains(&self, port: u16) -> bool {
        self.ranges.iter().any(|&(low, high)| (low..=high).contains(&port))
    }

    /// The ranges, both ends included.
    #[must_use]
    pub fn ranges(&self) -> &[(u16, u16)] {
        &self.ranges
    }
}

impl FromStr for Ports {
    type Err = PortsError;

    /// Reads `80`, `80,8080` or `8000-8099,9090`.
    fn from_str(text: &str) -> Result<Self, PortsError> {
        let mut ranges = Vec::new();
        for word in text.split(',') {
            let error = || PortsError { word: word.to_owned() };
            let number = |text: &str| {
                text.trim().parse::<u16>().ok().filter(|&port| port > 0).ok_or_else(error)
            };
            let (low, high) = match word.split_once('-') {
                Some((low, high)) => (number(low)?, number(high)?),
                None => (number(word)?, number(word)?),
            };
            if low > high {
                return Err(error());
            }
            ranges.push((low, high));
        }
        Ok(Self { ranges })
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (low, high)) in self.ranges.iter().enumerate() {
            let comma = if position > 0 { "," } else { "" };
            if low == high {
                write!(f, "{comma}{low}")?;
            } else {
                write!(f, "{comma}{low}-{high}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_numbers_and_ranges() {
        let ports: Ports = "80,8000-8002".parse().unwrap();
        assert!(ports.contains(80) && ports.contains(8002) && !ports.contains(8003));
        assert_eq!(ports.to_string(), "80,8000-8002");
        for wrong in ["", "0", "80,", "99-9", "http", "65536", "-80"] {
            assert!(wrong.parse::<Ports>().is_err(), "{wrong}");
        }
    }
}
