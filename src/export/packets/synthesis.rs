//! Frames made from an exchange whose packets are gone: addresses, heads, kept bodies and the
//! times of first and last bytes are true, the rest is made up (RFC 791, RFC 8200, RFC 9293).

use std::io::Write;
use std::net::IpAddr;

use super::writer::{PacketWriter, PacketsError};
use crate::exchange::{Exchange, MessageFacts, MessageText, State};
use crate::http::Framing;
use crate::limits::UNKEPT_BODY_FRAMES_MAX;
use crate::packet::{Direction, Endpoint, Flags, Frame, LinkType};
use crate::time::Timestamp;

/// Frames begin with an IP header.
const LINK_RAW: LinkType = LinkType(101);

/// Payload of a frame that holds bytes.
const PAYLOAD_BYTES: usize = 1460;

/// Payload of a frame that is cut where the bytes that were not kept begin.
const CUT_PAYLOAD_BYTES: usize = 65_000;

/// The flags of a packet with payload.
const DATA: Flags = Flags(Flags::PSH.0 | Flags::ACK.0);

/// Makes the frames of one exchange after the other.
#[derive(Debug, Default)]
pub struct Synthesis {
    frame: Vec<u8>,
    comment: String,
    /// Next sequence numbers of client and server.
    seqs: [u32; 2],
}

/// The bytes of a message, as far as they are known.
struct Message<'m> {
    direction: Direction,
    first_at: Timestamp,
    last_at: Timestamp,
    /// The head, and the line that opens a chunk where the body is chunked.
    lead: Vec<u8>,
    body: &'m [u8],
    /// Bytes of the body that follow and were not kept.
    unkept: u64,
    /// What closes the chunk.
    tail: &'static [u8],
}

impl Synthesis {
    /// Writes the frames of `exchange`: a handshake, its messages, and how it ended.
    ///
    /// # Errors
    ///
    /// Where the frames cannot be written.
    pub fn write<W: Write>(
        &mut self,
        exchange: &Exchange,
        writer: &mut PacketWriter<W>,
    ) -> Result<(), PacketsError> {
        let facts = &exchange.facts;
        self.comment = format!("weir exchange {}, synthesised", facts.id());
        // Every exchange is a connection of its own, told from the others by where it counts from.
        self.seqs = [facts.index.wrapping_mul(0x9e37_79b9), facts.index.wrapping_mul(0x85eb_ca6b)];
        let end = facts.start.plus(facts.timing.total_ns.unwrap_or(facts.watched_ns));
        let mut talk = Talk { synthesis: self, exchange, writer };
        talk.handshake()?;
        let request = facts.request.map(|message| talk.request(&message));
        let request_ends = request.as_ref().map_or(facts.start, |request| request.last_at);
        if let Some(request) = &request {
            talk.message(request)?;
        }
        let mut last_at = end.max(request_ends);
        if let Some(message) = facts.response {
            let response = talk.response(&message, request_ends);
            last_at = last_at.max(response.last_at);
            talk.message(&response)?;
        }
        match facts.state {
            State::Open => Ok(()),
            State::Truncated => {
                talk.packet(last_at, Direction::ToClient, Flags::RST, Payload::NONE)
            }
            State::Complete | State::Orphan | State::Unanswered => {
                talk.packet(
                    last_at,
                    Direction::ToClient,
                    Flags::FIN.with(Flags::ACK),
                    Payload::NONE,
                )?;
                talk.packet(
                    last_at,
                    Direction::ToServer,
                    Flags::FIN.with(Flags::ACK),
                    Payload::NONE,
                )
            }
        }
    }
}

/// What a packet carries: bytes that are there, and how many follow them that were not kept and
/// are cut off.
#[derive(Clone, Copy)]
struct Payload<'p> {
    bytes: &'p [u8],
    unkept: usize,
}

impl Payload<'_> {
    const NONE: Self = Self { bytes: b"", unkept: 0 };
}

/// One exchange being made into frames.
struct Talk<'t, W> {
    synthesis: &'t mut Synthesis,
    exchange: &'t Exchange,
    writer: &'t mut PacketWriter<W>,
}

impl<'t, W: Write> Talk<'t, W> {
    /// Three packets: at the time of the handshake where it was seen, else as the exchange begins.
    fn handshake(&mut self) -> Result<(), PacketsError> {
        let facts = &self.exchange.facts;
        let (syn_at, ack_at) = match facts.timing.connect_ns.filter(|_| facts.index == 0) {
            Some(nanos) => {
                let syn_at = facts.connection.opened_at;
                (syn_at, syn_at.plus(nanos))
            }
            None => (facts.start, facts.start),
        };
        self.packet(syn_at, Direction::ToServer, Flags::SYN, Payload::NONE)?;
        self.packet(ack_at, Direction::ToClient, Flags::SYN.with(Flags::ACK), Payload::NONE)?;
        self.packet(ack_at, Direction::ToServer, Flags::ACK, Payload::NONE)
    }

    fn request(&self, message: &MessageFacts) -> Message<'t> {
        let facts = &self.exchange.facts;
        let first_at = facts.start;
        let last_at = first_at.plus(facts.timing.send_ns.unwrap_or(0));
        let text = &self.exchange.request;
        Message { first_at, last_at, ..parts(message, text, Direction::ToServer) }
    }

    fn response(&self, message: &MessageFacts, request_ends: Timestamp) -> Message<'t> {
        let facts = &self.exchange.facts;
        let first_at = request_ends.plus(facts.timing.wait_ns.unwrap_or(0));
        let last_at = match (facts.timing.total_ns, facts.timing.receive_ns) {
            (Some(total), _) => facts.start.plus(total).max(first_at),
            (None, Some(receive)) => first_at.plus(receive),
            (None, None) => first_at,
        };
        let text = &self.exchange.response;
        let mut message =
            Message { first_at, last_at, ..parts(message, text, Direction::ToClient) };
        if text.head.is_empty() {
            // Only its status was kept.
            message.lead = format!("HTTP/1.1 {} \r\n\r\n", facts.status).into_bytes();
        }
        message
    }

    /// The first packet at the time of the first byte, all others at that of the last.
    fn message(&mut self, message: &Message<'_>) -> Result<(), PacketsError> {
        if message.unkept > 0 {
            return self.cut_message(message);
        }
        let (lead, rest) = message.lead.split_at(message.last_byte_alone());
        let mut at = message.first_at;
        for bytes in [lead, rest, message.body, message.tail] {
            for payload in bytes.chunks(PAYLOAD_BYTES) {
                self.packet(at, message.direction, DATA, Payload { bytes: payload, unkept: 0 })?;
                at = message.last_at;
            }
        }
        Ok(())
    }

    /// A message of which bytes were not kept: the first frame is cut where they begin. Readers
    /// take what is in a cut frame as it is; behind a whole one they would wait for the rest.
    fn cut_message(&mut self, message: &Message<'_>) -> Result<(), PacketsError> {
        let mut payload = message.lead.clone();
        payload.truncate(CUT_PAYLOAD_BYTES);
        let room = CUT_PAYLOAD_BYTES - payload.len();
        let kept = message.body.get(..room.min(message.body.len())).unwrap_or_default();
        payload.extend_from_slice(kept);
        let mut left = message.unkept + (message.body.len() - kept.len()) as u64;
        // The last byte has a frame of its own, so that it can have its time.
        let unkept = take(&mut left, CUT_PAYLOAD_BYTES - payload.len(), 1);
        let first = Payload { bytes: &payload, unkept };
        self.packet(message.first_at, message.direction, DATA, first)?;
        for _ in 0..UNKEPT_BODY_FRAMES_MAX {
            if left == 0 {
                break;
            }
            let unkept = take(&mut left, CUT_PAYLOAD_BYTES, 0);
            let next = Payload { bytes: b"", unkept };
            self.packet(message.last_at, message.direction, DATA, next)?;
        }
        if left == 0 && !message.tail.is_empty() {
            self.packet(
                message.last_at,
                message.direction,
                DATA,
                Payload { bytes: message.tail, unkept: 0 },
            )?;
        }
        Ok(())
    }

    /// Writes one packet.
    fn packet(
        &mut self,
        at: Timestamp,
        direction: Direction,
        flags: Flags,
        Payload { bytes, unkept }: Payload<'_>,
    ) -> Result<(), PacketsError> {
        let connection = self.exchange.facts.connection;
        let [to_server, to_client] = &mut self.synthesis.seqs;
        let (source, target, seq, ack) = match direction {
            Direction::ToServer => (connection.client, connection.server, to_server, *to_client),
            Direction::ToClient => (connection.server, connection.client, to_client, *to_server),
        };
        let ack = if flags.has(Flags::ACK) { ack } else { 0 };
        let header = Header { source, target, seq: *seq, ack, flags };
        header.write(bytes, unkept, &mut self.synthesis.frame);
        let counted = flags.has(Flags::SYN) || flags.has(Flags::FIN);
        let length = u32::try_from(bytes.len() + unkept).unwrap_or(0) + u32::from(counted);
        *seq = seq.wrapping_add(length);
        let bytes = self.synthesis.frame.as_slice();
        let wire_len = u32::try_from(bytes.len() + unkept).unwrap_or(u32::MAX);
        let frame = Frame { at, bytes, wire_len, link: LINK_RAW };
        if unkept > 0 {
            let comment = format!("{}; this part of the body was not kept", self.synthesis.comment);
            self.writer.frame(&frame, &comment)
        } else {
            self.writer.frame(&frame, &self.synthesis.comment)
        }
    }
}

impl Message<'_> {
    /// Where the last byte of a message of one packet is split off, so that it can have its time;
    /// the length of the lead where it is not.
    fn last_byte_alone(&self) -> usize {
        let is_one = self.body.is_empty() && self.tail.is_empty();
        let is_short = (2..=PAYLOAD_BYTES).contains(&self.lead.len());
        self.lead.len() - usize::from(is_one && is_short && self.last_at > self.first_at)
    }
}

/// Takes up to `most` of what is left, but leaves `spare` of it.
fn take(left: &mut u64, most: usize, spare: u64) -> usize {
    let piece = usize::try_from(left.saturating_sub(spare)).unwrap_or(usize::MAX).min(most);
    *left -= piece as u64;
    piece
}

/// The bytes of a message; its times are still to be set.
fn parts<'m>(facts: &MessageFacts, text: &'m MessageText, direction: Direction) -> Message<'m> {
    let mut lead = text.head.clone();
    let kept = text.body.as_deref().unwrap_or_default();
    let bytes = facts.body_bytes;
    let body = kept.get(..usize::try_from(bytes).unwrap_or(usize::MAX).min(kept.len()));
    let body = body.unwrap_or_default();
    let unkept = bytes.saturating_sub(body.len() as u64);
    let mut tail: &[u8] = b"";
    if facts.framing == Framing::Chunked {
        if bytes > 0 {
            lead.extend_from_slice(format!("{bytes:x}\r\n").as_bytes());
            tail = b"\r\n0\r\n\r\n";
        } else {
            lead.extend_from_slice(b"0\r\n\r\n");
        }
    }
    let at = Timestamp::MIN;
    Message { direction, first_at: at, last_at: at, lead, body, unkept, tail }
}

/// What the headers of a packet say.
struct Header {
    source: Endpoint,
    target: Endpoint,
    seq: u32,
    ack: u32,
    flags: Flags,
}

impl Header {
    /// Writes IP and TCP headers and the payload into `frame`; `unkept` bytes more are counted in
    /// lengths and checksums, as zeros.
    fn write(&self, payload: &[u8], unkept: usize, frame: &mut Vec<u8>) {
        frame.clear();
        let tcp_bytes = u16::try_from(20 + payload.len() + unkept).unwrap_or(u16::MAX);
        let mut pseudo: Vec<u8> = Vec::with_capacity(40);
        if let (IpAddr::V4(source), IpAddr::V4(target)) = (self.source.ip(), self.target.ip()) {
            frame.extend_from_slice(&[0x45, 0]);
            frame.extend_from_slice(&tcp_bytes.saturating_add(20).to_be_bytes());
            // No identification, not to be fragmented, 64 hops, TCP.
            frame.extend_from_slice(&[0, 0, 0x40, 0, 64, 6, 0, 0]);
            frame.extend_from_slice(&source.octets());
            frame.extend_from_slice(&target.octets());
            let sum = checksum([frame.as_slice(), &[], &[]]);
            if let Some(place) = frame.get_mut(10..12) {
                place.copy_from_slice(&sum.to_be_bytes());
            }
            pseudo.extend_from_slice(&source.octets());
            pseudo.extend_from_slice(&target.octets());
        } else {
            frame.extend_from_slice(&[0x60, 0, 0, 0]);
            frame.extend_from_slice(&tcp_bytes.to_be_bytes());
            frame.extend_from_slice(&[6, 64]);
            frame.extend_from_slice(&self.source.octets());
            frame.extend_from_slice(&self.target.octets());
            pseudo.extend_from_slice(&self.source.octets());
            pseudo.extend_from_slice(&self.target.octets());
        }
        pseudo.extend_from_slice(&[0, 6]);
        pseudo.extend_from_slice(&tcp_bytes.to_be_bytes());
        let tcp_at = frame.len();
        frame.extend_from_slice(&self.source.port().to_be_bytes());
        frame.extend_from_slice(&self.target.port().to_be_bytes());
        frame.extend_from_slice(&self.seq.to_be_bytes());
        frame.extend_from_slice(&self.ack.to_be_bytes());
        frame.extend_from_slice(&[0x50, self.flags.0, 0xff, 0xff, 0, 0, 0, 0]);
        let header = frame.get(tcp_at..).unwrap_or_default();
        let sum = checksum([&pseudo, header, payload]);
        if let Some(place) = frame.get_mut(tcp_at + 16..tcp_at + 18) {
            place.copy_from_slice(&sum.to_be_bytes());
        }
        frame.extend_from_slice(payload);
    }
}

/// The Internet checksum (RFC 1071) of pieces of which all but the last have an even length.
fn checksum(pieces: [&[u8]; 3]) -> u16 {
    let mut sum = 0_u64;
    for piece in pieces {
        for pair in piece.chunks(2) {
            let high = pair.first().copied().unwrap_or(0);
            let low = pair.get(1).copied().unwrap_or(0);
            sum += u64::from(u16::from_be_bytes([high, low]));
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    #[expect(clippy::cast_possible_truncation, reason = "folded to sixteen bits")]
    let folded = sum as u16;
    !folded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::Decoder;

    #[test]
    fn headers_are_decoded_as_they_were_made() {
        let mut v6 = [0; 16];
        v6[0] = 0xfd;
        for (source, target) in [
            (Endpoint::v4([10, 0, 0, 1], 4000), Endpoint::v4([10, 0, 0, 2], 80)),
            (Endpoint::v6(v6, 4000), Endpoint::v6(v6, 80)),
        ] {
            let flags = Flags::PSH.with(Flags::ACK);
            let header = Header { source, target, seq: u32::MAX, ack: 7, flags };
            let mut frame = Vec::new();
            header.write(b"GET", 1000, &mut frame);
            let wire_len = u32::try_from(frame.len()).expect("short") + 1000;
            let frame = Frame { at: Timestamp::default(), bytes: &frame, wire_len, link: LINK_RAW };
            let mut decoder = Decoder::new();
            let Ok(packet) = decoder.decode(&frame) else { panic!("a packet") };
            assert_eq!((packet.source, packet.target), (source, target));
            assert_eq!((packet.seq, packet.ack, packet.flags), (u32::MAX, 7, flags));
            assert_eq!((packet.payload, packet.cut), (b"GET".as_slice(), 1000));
        }
    }

    #[test]
    fn a_checksum_adds_up_to_ones() {
        let piece = [0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        let sum = checksum([&piece, &[], &[]]);
        assert_eq!(checksum([&piece, &sum.to_be_bytes(), &[]]), 0);
    }
}
