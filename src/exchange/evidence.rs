//! What was not seen of an exchange, how that is known, and what the network did meanwhile.

use crate::flow::Peer;
use crate::tcp::Path;

/// Bytes that were never captured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// How many.
    pub bytes: u64,
    /// How many of them their receiver acknowledged: those arrived, and the capture lost them.
    pub acknowledged: u64,
}

impl Loss {
    /// Adds all of `other`.
    pub const fn add(&mut self, other: Self) {
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.acknowledged = self.acknowledged.saturating_add(other.acknowledged);
    }

    /// Takes the first `bytes`; the acknowledged ones are the first of a run.
    pub(super) const fn take(&mut self, bytes: u64) -> Self {
        let bytes = if bytes < self.bytes { bytes } else { self.bytes };
        let acknowledged = if bytes < self.acknowledged { bytes } else { self.acknowledged };
        self.bytes -= bytes;
        self.acknowledged -= acknowledged;
        Self { bytes, acknowledged }
    }

    /// Whether nothing was lost.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.bytes == 0
    }
}

/// What the packets told of the network on both sides of the capture point, up to the end of an
/// exchange. All in nanoseconds, at most 4.29 s; 0 where it was not seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Network {
    /// From the SYN to its answer: the round trip between the capture point and the server.
    pub server_handshake_ns: u32,
    /// From that answer to the end of the handshake: between the capture point and the client.
    pub client_handshake_ns: u32,
    /// The smallest round trip between the capture point and the server.
    pub server_least_ns: u32,
    /// The smallest round trip between the capture point and the client.
    pub client_least_ns: u32,
}

impl Network {
    pub(super) fn of(path: &Path, client: Peer) -> Self {
        let server = client.other();
        Self {
            server_handshake_ns: path.handshake_ns(server),
            client_handshake_ns: path.handshake_ns(client),
            server_least_ns: path.least_ns(server),
            client_least_ns: path.least_ns(client),
        }
    }
}

/// What was not seen of an exchange, and what the network did while it was under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Lost of the request's body.
    pub request: Loss,
    /// Lost of the response's body; where no response was seen, lost where it had to be.
    pub response: Loss,
    /// Lost in the requests, outside of bodies, since the message before.
    pub before_request: Loss,
    /// Lost in the responses, outside of bodies, since the message before.
    pub before_response: Loss,
    /// Exchanges that are proven to have been between the one before on the connection and this
    /// one, of which neither message was seen: at least so many.
    pub missing_before: u32,
    /// Retransmissions on the connection while it was under way, in either direction.
    pub retransmissions: u32,
    /// How long the connection stood still before those, in nanoseconds, together.
    pub stalled_ns: u64,
    /// How long the client's window was shut meanwhile, in nanoseconds, together.
    pub drained_ns: u64,
    /// The network on both sides of the capture point.
    pub network: Network,
}

impl Evidence {
    /// The counts in the order of the columns of a segment.
    #[must_use]
    pub const fn counts(&self) -> [u64; 12] {
        [
            self.request.bytes,
            self.request.acknowledged,
            self.response.bytes,
            self.response.acknowledged,
            self.before_request.bytes,
            self.before_request.acknowledged,
            self.before_response.bytes,
            self.before_response.acknowledged,
            self.missing_before as u64,
            self.retransmissions as u64,
            self.stalled_ns,
            self.drained_ns,
        ]
    }

    /// What [`counts`](Self::counts) gave, put together.
    #[must_use]
    pub fn of_counts(counts: [u64; 12], network: Network) -> Self {
        let [losses @ .., missing, retransmissions, stalled_ns, drained_ns] = counts;
        let loss = |at: usize| {
            let value = |at: usize| losses.get(at).copied().unwrap_or(0);
            Loss { bytes: value(2 * at), acknowledged: value(2 * at + 1) }
        };
        Self {
            request: loss(0),
            response: loss(1),
            before_request: loss(2),
            before_response: loss(3),
            missing_before: u32::try_from(missing).unwrap_or(u32::MAX),
            retransmissions: u32::try_from(retransmissions).unwrap_or(u32::MAX),
            stalled_ns,
            drained_ns,
            network,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_acknowledged_bytes_of_a_gap_are_its_first() {
        let mut gap = Loss { bytes: 100, acknowledged: 60 };
        assert_eq!(gap.take(50), Loss { bytes: 50, acknowledged: 50 });
        assert_eq!(gap.take(30), Loss { bytes: 30, acknowledged: 10 });
        assert_eq!(gap.take(u64::MAX), Loss { bytes: 20, acknowledged: 0 });
        assert!(gap.is_none());
    }
}
