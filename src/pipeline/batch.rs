//! Packets on their way to a worker: copied once, many at a time.

use crate::packet::{Endpoint, Flags, Packet};
use crate::time::Timestamp;

/// Packets with their payloads in one buffer. Made to be reused.
#[derive(Debug, Default)]
pub(super) struct Batch {
    entries: Vec<Entry>,
    payloads: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    at: Timestamp,
    source: Endpoint,
    target: Endpoint,
    seq: u32,
    ack: u32,
    flags: Flags,
    window: u16,
    id: u16,
    end: usize,
    cut: u32,
}

impl Batch {
    /// Packets of a full batch: sending one costs as much as copying a few dozen.
    const PACKETS_MAX: usize = 512;
    /// Payload bytes of a full batch: a quarter of a second-level cache.
    const BYTES_MAX: usize = 256 << 10;

    pub(super) fn push(&mut self, packet: &Packet<'_>) {
        self.payloads.extend_from_slice(packet.payload);
        self.entries.push(Entry {
            at: packet.at,
            source: packet.source,
            target: packet.target,
            seq: packet.seq,
            ack: packet.ack,
            flags: packet.flags,
            window: packet.window,
            id: packet.id,
            end: self.payloads.len(),
            cut: packet.cut,
        });
    }

    pub(super) fn is_full(&self) -> bool {
        self.entries.len() >= Self::PACKETS_MAX || self.payloads.len() >= Self::BYTES_MAX
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.payloads.clear();
    }

    /// The packets, in the order they were pushed.
    pub(super) fn packets(&self) -> impl Iterator<Item = Packet<'_>> {
        let mut start = 0;
        self.entries.iter().map(move |entry| {
            let payload = self.payloads.get(start..entry.end).unwrap_or_default();
            start = entry.end;
            Packet {
                at: entry.at,
                source: entry.source,
                target: entry.target,
                seq: entry.seq,
                ack: entry.ack,
                flags: entry.flags,
                window: entry.window,
                id: entry.id,
                payload,
                cut: entry.cut,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_come_back_as_they_went_in() {
        let packet = |payload| Packet {
            at: Timestamp::from_nanos(5),
            source: Endpoint::v4([1, 2, 3, 4], 5),
            target: Endpoint::v4([5, 6, 7, 8], 9),
            seq: 1,
            ack: 2,
            flags: Flags::ACK,
            window: 3,
            id: 6,
            payload,
            cut: 4,
        };
        let mut batch = Batch::default();
        for payload in [&b"one"[..], b"", b"three"] {
            batch.push(&packet(payload));
        }
        let payloads: Vec<&[u8]> = batch.packets().map(|packet| packet.payload).collect();
        assert_eq!(payloads, [&b"one"[..], b"", b"three"]);
        assert_eq!(
            format!("{:?}", batch.packets().next().unwrap()),
            format!("{:?}", packet(b"one"))
        );
    }
}
