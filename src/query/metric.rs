//! The phases of an exchange by their names.

use std::fmt;

use crate::exchange::Timing;

/// A phase of an exchange, as filters and reports name it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Metric {
    /// First byte of the request to last byte of the response.
    #[default]
    Total,
    /// Last byte of the request to first byte of the final response.
    Wait,
    /// The part of `wait` in which an earlier response was still due or under way.
    Blocked,
    /// First byte of the request to its last.
    Send,
    /// First byte of the final response to its last.
    Receive,
    /// The connection's SYN to the ACK that ends the handshake.
    Connect,
}

impl Metric {
    /// Every phase.
    pub const ALL: [Self; 6] =
        [Self::Total, Self::Wait, Self::Blocked, Self::Send, Self::Receive, Self::Connect];

    /// Its name in options, filters and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Wait => "wait",
            Self::Blocked => "blocked",
            Self::Send => "send",
            Self::Receive => "receive",
            Self::Connect => "connect",
        }
    }

    /// The phase of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.name() == name)
    }

    /// Its length in nanoseconds; `None` where an end of it was not seen.
    #[must_use]
    pub const fn of(self, timing: &Timing) -> Option<u64> {
        match self {
            Self::Total => timing.total_ns,
            Self::Wait => timing.wait_ns,
            Self::Blocked => timing.blocked_ns,
            Self::Send => timing.send_ns,
            Self::Receive => timing.receive_ns,
            Self::Connect => timing.connect_ns,
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
