//! What passes an interface in a few seconds, counted.

use std::collections::HashMap;

use crate::decode::Decoder;
use crate::flow::{FlowKey, Peer};
use crate::ledger::Missed;
use crate::limits::PROBED_FLOWS_MAX;
use crate::packet::{Flags, Frame, Packet};
use crate::source::bpf::Program;
use crate::time::Timestamp;

/// Expressions for what stands between the link header and TCP.
const TAGGED: &str = "vlan";
const PLAIN: &str = "tcp or (vlan and tcp) or (vlan and tcp)";

/// What was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames.
    pub frames: u64,
    /// Their bytes on the wire.
    pub bytes: u64,
    /// Length of the longest, in bytes on the wire.
    pub longest: u32,
    /// Frames that the snap length cut.
    pub cut: u64,
    /// Frames that carried a TCP packet.
    pub packets: u64,
    /// Of them: with a VLAN tag.
    pub tagged: u64,
    /// Of them: in a tunnel, in fragments or behind extension headers.
    pub wrapped: u64,
    /// TCP packets with data that were seen twice in a row: another copy, or sent again at once.
    pub repeated: u64,
    /// TCP packets with data.
    pub with_data: u64,
    /// Frames stamped more than a millisecond before one that was captured earlier.
    pub stepped_back: u64,
    /// Connections with data, by what was recognised in it.
    pub connections: Connections,
    /// What was lost.
    pub missed: Missed,
}

/// Connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connections {
    /// All that carried data.
    pub all: u64,
    /// Of which packets came one way only, though there were several.
    pub one_sided: u64,
    /// That began with TLS, or went on with it: not to be read.
    pub tls: u64,
    /// That carry HTTP/1.
    pub http: u64,
    /// That began as HTTP/2 in clear: not read by Weir.
    pub http2: u64,
}

/// What a connection was recognised as, the surest last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    #[default]
    Unknown,
    Tls,
    Http2,
    Http,
}

#[derive(Debug, Default)]
struct Seen {
    packets: [u32; 2],
    has_data: bool,
    kind: Kind,
    /// Sequence number, acknowledgment and length of the last packet with data, each way.
    last: [Option<(u32, u32, u64)>; 2],
}

/// Counts what it is shown.
#[derive(Debug)]
pub(super) struct Probe {
    counts: Counts,
    decoder: Decoder,
    flows: HashMap<FlowKey, Seen>,
    tagged: Option<Program>,
    plain: Option<Program>,
    latest: Timestamp,
}

impl Probe {
    pub(super) fn new() -> Self {
        Self {
            counts: Counts::default(),
            decoder: Decoder::new(),
            flows: HashMap::new(),
            tagged: Program::new(TAGGED).ok(),
            plain: Program::new(PLAIN).ok(),
            latest: Timestamp::MIN,
        }
    }

    /// Looks at a frame.
    pub(super) fn frame(&mut self, frame: &Frame<'_>) {
        let counts = &mut self.counts;
        counts.frames += 1;
        counts.bytes += u64::from(frame.wire_len);
        counts.longest = counts.longest.max(frame.wire_len);
        counts.cut += u64::from((frame.bytes.len() as u64) < u64::from(frame.wire_len));
        counts.stepped_back += u64::from(self.latest.since(frame.at) > 1_000_000);
        self.latest = self.latest.max(frame.at);
        let Ok(packet) = self.decoder.decode(frame) else { return };
        counts.packets += 1;
        let passes = |program: &Option<Program>| program.as_ref().map(|p| p.passes(frame));
        counts.tagged += u64::from(passes(&self.tagged) == Some(true));
        // Where there are no tags, the expression cannot be used, and the plain part stands alone.
        let is_plain = passes(&self.plain) == Some(true) || frame.link.0 != 1;
        counts.wrapped += u64::from(!is_plain);
        let (key, side) = FlowKey::between(&packet.source, &packet.target);
        let is_known = self.flows.contains_key(&key);
        if is_known || self.flows.len() < PROBED_FLOWS_MAX {
            let seen = self.flows.entry(key).or_default();
            seen.packet(side, &packet, counts);
        }
    }

    /// Ends the count.
    pub(super) fn finish(self, missed: Missed) -> Counts {
        let Self { mut counts, flows, .. } = self;
        counts.missed = missed;
        let connections = &mut counts.connections;
        for seen in flows.values().filter(|seen| seen.has_data) {
            connections.all += 1;
            // One packet may be the last of a connection that ended as the probe began.
            connections.one_sided +=
                u64::from(matches!(seen.packets, [0, several] | [several, 0] if several > 2));
            match seen.kind {
                Kind::Unknown => {}
                Kind::Tls => connections.tls += 1,
                Kind::Http2 => connections.http2 += 1,
                Kind::Http => connections.http += 1,
            }
        }
        counts
    }
}

impl Seen {
    fn packet(&mut self, side: Peer, packet: &Packet<'_>, counts: &mut Counts) {
        let [low, high] = &mut self.packets;
        let [last_low, last_high] = &mut self.last;
        let (packets, last) = match side {
            Peer::Low => (low, last_low),
            Peer::High => (high, last_high),
        };
        *packets = packets.saturating_add(1);
        if packet.wire_payload() == 0 || packet.flags.has(Flags::SYN) {
            return;
        }
        counts.with_data += 1;
        self.has_data = true;
        let this = (packet.seq, packet.ack, packet.wire_payload());
        counts.repeated += u64::from(last.replace(this) == Some(this));
        self.kind = self.kind.max(recognise(packet.payload));
    }
}

/// What data looks like by its first bytes.
fn recognise(payload: &[u8]) -> Kind {
    const METHODS: [&[u8]; 8] =
        [b"GET ", b"POST ", b"PUT ", b"HEAD ", b"DELETE ", b"PATCH ", b"OPTIONS ", b"HTTP/1."];
    match payload {
        [b'P', b'R', b'I', b' ', b'*', ..] => Kind::Http2,
        // A record of the handshake, data, an alert or a change of cipher (RFC 8446 section 5.1).
        [0x14..=0x17, 3, 0..=4, high, ..] if *high <= 0x48 => Kind::Tls,
        _ if METHODS.iter().any(|start| payload.starts_with(start)) => Kind::Http,
        _ => Kind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::LinkType;

    /// A frame with TCP data from one port to another; `vlan` puts a tag before it.
    fn frame(source: u16, target: u16, data: &[u8], vlan: Option<u16>) -> Vec<u8> {
        let mut bytes = Vec::new();
        let builder = etherparse::PacketBuilder::ethernet2([1; 6], [2; 6]);
        let addresses = if source < target { (1, 2) } else { (2, 1) };
        let (from, to) = ([10, 0, 0, addresses.0], [10, 0, 0, addresses.1]);
        let id = vlan.map(|id| etherparse::VlanId::try_new(id).expect("12 bits"));
        match id {
            Some(id) => builder
                .single_vlan(id)
                .ipv4(from, to, 64)
                .tcp(source, target, 1, 100)
                .write(&mut bytes, data),
            None => builder.ipv4(from, to, 64).tcp(source, target, 1, 100).write(&mut bytes, data),
        }
        .expect("a vector takes everything");
        bytes
    }

    fn count(frames: &[(i64, Vec<u8>)]) -> Counts {
        let mut probe = Probe::new();
        for (at, bytes) in frames {
            let wire_len = u32::try_from(bytes.len()).expect("short");
            let at = Timestamp::from_nanos(*at);
            probe.frame(&Frame { at, bytes, wire_len, link: LinkType(1) });
        }
        probe.finish(Missed::default())
    }

    #[test]
    fn connections_are_told_apart_by_what_they_carry() {
        let counts = count(&[
            (0, frame(80, 9001, b"HTTP/1.1 200 OK\r\n", None)),
            (1, frame(9001, 80, b"", None)),
            (2, frame(443, 9002, &[0x17, 3, 3, 0x10, 0, 7, 7], None)),
            (3, frame(443, 9002, &[0x17, 3, 3, 0x10, 0, 7, 8, 8], None)),
            (4, frame(443, 9002, b"more", None)),
            (5, frame(9003, 80, b"PRI * HTTP/2.0\r\n", None)),
            (6, frame(22, 9004, b"SSH-2.0", None)),
            (7, frame(22, 9005, b"", None)),
        ]);
        let expected = Connections { all: 4, one_sided: 1, tls: 1, http: 1, http2: 1 };
        assert_eq!(counts.connections, expected);
        assert_eq!((counts.frames, counts.packets, counts.with_data), (8, 8, 6));
    }

    #[test]
    fn copies_tags_tunnels_and_steps_back_are_counted() {
        let plain = frame(80, 9001, b"HTTP/1.1 200 OK\r\n", None);
        let tagged = frame(80, 9001, b"HTTP/1.1 204 No Content\r\n", Some(7));
        let mut tunnel = Vec::new();
        let inner = [&[8, 0, 0, 0, 0, 0, 1, 0], &plain[..]].concat();
        etherparse::PacketBuilder::ethernet2([1; 6], [2; 6])
            .ipv4([10, 1, 0, 1], [10, 1, 0, 2], 64)
            .udp(5000, 4789)
            .write(&mut tunnel, &inner)
            .expect("a vector takes everything");
        let counts = count(&[
            (10_000_000, plain.clone()),
            (10_000_001, plain),
            (10_000_002, tagged),
            (8_000_000, tunnel),
        ]);
        assert_eq!((counts.packets, counts.repeated), (4, 1));
        assert_eq!((counts.tagged, counts.wrapped, counts.stepped_back), (1, 1, 1));
    }
}
