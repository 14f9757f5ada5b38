//! Frames made by hand: one TCP packet over IPv4 over Ethernet each, and a source that lends them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use weir::packet::{Frame, LinkType};
use weir::source::{Reading, Source, SourceError};
use weir::time::Timestamp;

pub(crate) const FIN: u8 = 0x01;
pub(crate) const SYN: u8 = 0x02;
pub(crate) const RST: u8 = 0x04;
pub(crate) const ACK: u8 = 0x10;
pub(crate) const URG: u8 = 0x20;

const ETHERNET: LinkType = LinkType(1);
const SERVER: ([u8; 4], u16) = ([10, 0, 0, 2], 80);

/// One of the two who talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Talker {
    Client,
    Server,
}

impl Talker {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// What a packet says.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) at: i64,
    pub(crate) client_port: u16,
    pub(crate) from: Talker,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) flags: u8,
    pub(crate) payload: Vec<u8>,
}

/// A frame on the tape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recorded {
    pub(crate) at: i64,
    pub(crate) bytes: Vec<u8>,
    pub(crate) wire_len: u32,
    pub(crate) link: LinkType,
}

impl Said {
    /// The frame that carries it, padded to Ethernet's least length.
    pub(crate) fn record(&self) -> Recorded {
        let client = ([10, 0, 0, 1], self.client_port);
        let (source, target) = match self.from {
            Talker::Client => (client, SERVER),
            Talker::Server => (SERVER, client),
        };
        let ip_len = u16::try_from(40 + self.payload.len()).expect("a packet below 64 KiB");
        let mut bytes = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00];
        bytes.extend([0x45, 0]);
        bytes.extend(ip_len.to_be_bytes());
        bytes.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
        bytes.extend(source.0);
        bytes.extend(target.0);
        bytes.extend(source.1.to_be_bytes());
        bytes.extend(target.1.to_be_bytes());
        bytes.extend(self.seq.to_be_bytes());
        bytes.extend(self.ack.to_be_bytes());
        // The checksums stay wrong, as offloading leaves them; the urgent pointer points somewhere.
        bytes.extend([0x50, self.flags, 0xff, 0xff, 0, 0, 0, 1]);
        bytes.extend(&self.payload);
        bytes.resize(bytes.len().max(60), 0);
        let wire_len = u32::try_from(bytes.len()).expect("a short frame");
        Recorded { at: self.at, bytes, wire_len, link: ETHERNET }
    }
}

impl Recorded {
    /// The same frame with this identification in its IPv4 header, which stays with its copies.
    pub(crate) fn identified(mut self, id: u16) -> Self {
        self.bytes[18..20].copy_from_slice(&id.to_be_bytes());
        self
    }

    /// The same frame as it passes on a trunk: with an 802.1Q tag.
    pub(crate) fn tagged(&self) -> Self {
        let mut bytes = self.bytes.clone();
        bytes.splice(12..12, [0x81, 0x00, 0x00, 0x07]);
        Self { at: self.at, bytes, wire_len: self.wire_len + 4, link: self.link }
    }

    /// The same frame of which the capture kept so many bytes of payload.
    pub(crate) fn cut(mut self, payload_bytes: usize) -> Self {
        self.bytes.truncate(54 + payload_bytes);
        self
    }
}

/// A source of recorded frames.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tape {
    pub(crate) frames: Vec<Recorded>,
    next: usize,
}

impl Tape {
    pub(crate) fn new(frames: Vec<Recorded>) -> Self {
        Self { frames, next: 0 }
    }

    /// All frames of a source, up to where it cannot be read on.
    pub(crate) fn of(source: &mut impl Source) -> Self {
        let mut frames = Vec::new();
        let mut take = |&Frame { at, bytes, wire_len, link }: &Frame<'_>| {
            frames.push(Recorded { at: at.as_nanos(), bytes: bytes.to_vec(), wire_len, link });
        };
        while let Ok(Reading::More) = source.read(&mut take) {}
        Self::new(frames)
    }

    /// The tape as text, for those who look into a failure: microseconds since the first frame,
    /// ports, flags, numbers since the first of each sender, and how the payload begins.
    pub(crate) fn script(&self) -> String {
        let mut text = String::from("\n");
        let mut origins = BTreeMap::new();
        let begin = self.frames.iter().map(|frame| frame.at).min().unwrap_or(0);
        for frame in &self.frames {
            let Some(tcp) = frame.bytes.get(34..54) else { continue };
            let word = |at: usize| u32::from_be_bytes(tcp[at..at + 4].try_into().expect("four"));
            let [from, to] = [[tcp[0], tcp[1]], [tcp[2], tcp[3]]].map(u16::from_be_bytes);
            let seq = word(4).wrapping_sub(*origins.entry((from, to)).or_insert(word(4)));
            let origin = origins.get(&(to, from)).copied().unwrap_or(word(8));
            let len = usize::from(u16::from_be_bytes([frame.bytes[16], frame.bytes[17]])) - 40;
            let payload = frame.bytes.get(54..54 + len.min(45)).unwrap_or_default();
            let (us, ack) = ((frame.at - begin) / 1000, word(8).wrapping_sub(origin));
            let flags = tcp[13];
            let shown = payload.escape_ascii();
            writeln!(text, "{us:>8} {from}>{to} {flags:02x} {seq}+{len} ack {ack} {shown}")
                .expect("text");
        }
        text
    }

    /// The tape as a pcap file with nanosecond stamps.
    pub(crate) fn pcap(&self) -> Vec<u8> {
        let mut file = Vec::new();
        let link = self.frames.first().map_or(ETHERNET, |frame| frame.link);
        for word in [0xa1b2_3c4d, 0x0004_0002, 0, 0, 262_144, u32::from(link.0)] {
            file.extend(word.to_le_bytes());
        }
        for frame in &self.frames {
            let seconds = u32::try_from(frame.at.div_euclid(1_000_000_000)).expect("after 1970");
            let nanos = u32::try_from(frame.at.rem_euclid(1_000_000_000)).expect("below a second");
            let captured = u32::try_from(frame.bytes.len()).expect("a short frame");
            for word in [seconds, nanos, captured, frame.wire_len] {
                file.extend(word.to_le_bytes());
            }
            file.extend(&frame.bytes);
        }
        file
    }
}

impl Source for Tape {
    fn read(&mut self, take: &mut impl FnMut(&Frame<'_>)) -> Result<Reading, SourceError> {
        let frame = self.frames.get(self.next);
        self.next += 1;
        let Some(frame) = frame else { return Ok(Reading::End) };
        take(&Frame {
            at: Timestamp::from_nanos(frame.at),
            bytes: &frame.bytes,
            wire_len: frame.wire_len,
            link: frame.link,
        });
        Ok(Reading::More)
    }
}
