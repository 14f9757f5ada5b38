//! From a frame to the TCP packet in it, or to the reason why there is none for us.

mod fragment;
mod ip;
mod link;
mod tunnel;
mod view;
mod walk;

use crate::ledger::Skip;
use crate::limits::{ENCAPSULATIONS_MAX, WIRE_BYTES_MAX};
use crate::packet::{Endpoint, Flags, Frame, LinkType, Packet};
use crate::time::Timestamp;
use fragment::{Fragments, Piece};
use view::View;
use walk::{Found, Layer, Tcp, walk};

/// Finds the innermost TCP packet of each frame, and keeps fragments until they make one.
///
/// Lengths come from IP, never from the frame: padding is not payload, and what the snap length
/// cut off is counted in [`Packet::cut`]. Checksums are not looked at: offloading leaves them
/// wrong on the sending host. The bytes of a frame can neither fail nor panic it.
#[derive(Debug, Default)]
pub struct Decoder {
    fragments: Fragments,
    /// The payload of the datagram that was completed last, lent to its packet.
    assembled: Vec<u8>,
}

impl Decoder {
    /// A decoder that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The TCP packet in `frame`, or the last fragment of which it brings; lent until the next
    /// call.
    ///
    /// # Errors
    ///
    /// Why the frame carries none for us.
    pub fn decode<'a>(&'a mut self, frame: &Frame<'a>) -> Result<Packet<'a>, Skip> {
        Self::plain(frame).map_or_else(|| self.decode_layers(frame), Ok)
    }

    /// As [`decode`](Self::decode), layer by layer, whatever they are: where the frame is known not
    /// to be [plain](Self::plain).
    ///
    /// # Errors
    ///
    /// Why the frame carries none for us.
    pub fn decode_layers<'a>(&'a mut self, frame: &Frame<'a>) -> Result<Packet<'a>, Skip> {
        let Some(layer) = link::first_layer(frame.link) else {
            return Err(Skip::LinkType);
        };
        let wire = (frame.wire_len as usize).min(WIRE_BYTES_MAX).max(frame.bytes.len());
        match walk(layer, View { bytes: frame.bytes, wire }, 0) {
            Ok(Found::Tcp(tcp)) => Ok(packet(frame.at, &tcp)),
            Ok(Found::Fragment(piece, depth)) => self.assemble(frame.at, &piece, depth),
            Err(skip) => Err(skip),
        }
    }

    /// The packet in a frame as nearly all are, read at fixed places: Ethernet, IPv4 without options,
    /// one piece, TCP, nothing cut off. `None` for any other, of which [`decode`](Self::decode)
    /// tells more.
    #[inline(always)]
    #[must_use]
    pub fn plain<'a>(frame: &Frame<'a>) -> Option<Packet<'a>> {
        /// Where IP and TCP begin in such a frame.
        const IP_AT: usize = 14;
        const TCP_AT: usize = IP_AT + 20;
        if frame.link != LinkType::ETHERNET {
            return None;
        }
        let (ethernet, rest) = frame.bytes.split_first_chunk::<IP_AT>()?;
        let (ip, rest) = rest.split_first_chunk::<{ TCP_AT - IP_AT }>()?;
        let tcp = rest.first_chunk::<20>()?;
        let &[.., 0x08, 0x00] = ethernet else { return None };
        let &[0x45, _, l0, l1, i0, i1, p0, p1, _, 6, _, _, ref addresses @ ..] = ip else {
            return None;
        };
        let &[s0, s1, s2, s3, t0, t1, t2, t3] = addresses;
        let &[c0, c1, d0, d1, q0, q1, q2, q3, a0, a1, a2, a3, offset, flags, w0, w1, ..] = tcp;
        // More fragments, or a place other than the first.
        let is_piece = u16::from_be_bytes([p0, p1]) & 0x3fff != 0;
        let payload_at = TCP_AT + usize::from(offset >> 4) * 4;
        let end = IP_AT + usize::from(u16::from_be_bytes([l0, l1]));
        if is_piece || payload_at < TCP_AT + 20 {
            return None;
        }
        Some(Packet {
            at: frame.at,
            source: Endpoint::v4([s0, s1, s2, s3], u16::from_be_bytes([c0, c1])),
            target: Endpoint::v4([t0, t1, t2, t3], u16::from_be_bytes([d0, d1])),
            seq: u32::from_be_bytes([q0, q1, q2, q3]),
            ack: u32::from_be_bytes([a0, a1, a2, a3]),
            flags: Flags(flags),
            window: u16::from_be_bytes([w0, w1]),
            id: u16::from_be_bytes([i0, i1]),
            payload: frame.bytes.get(payload_at..end)?,
            cut: 0,
        })
    }

    /// Ends the capture: fragments still held are given up.
    ///
    /// Gives how many frames, of those skipped as [`Skip::Fragment`] since the last call, belong
    /// to datagrams that never became whole: they are to be counted as [`Skip::FragmentLost`]
    /// instead.
    #[must_use]
    pub fn finish(&mut self) -> u64 {
        self.fragments.finish()
    }

    /// Goes on behind a fragment with the datagram that it completes. That datagram may hold a
    /// tunnel with a fragment in it, and so on; the depth bounds it.
    #[cold]
    fn assemble<'a>(
        &'a mut self,
        at: Timestamp,
        piece: &Piece<'_>,
        depth: usize,
    ) -> Result<Packet<'a>, Skip> {
        let mut whole = self.fragments.push(at, piece)?;
        for depth in depth + 1..=ENCAPSULATIONS_MAX {
            let layer = Layer::Payload(whole.protocol, whole.addresses);
            let view = View { bytes: &whole.bytes, wire: whole.wire };
            let next = match walk(layer, view, depth) {
                Ok(Found::Tcp(_)) => {
                    // Found once to know that it is there, and again where it may be lent from.
                    self.assembled = whole.bytes;
                    let view = View { bytes: &self.assembled, wire: whole.wire };
                    return match walk(layer, view, depth) {
                        Ok(Found::Tcp(tcp)) => Ok(packet(at, &tcp)),
                        _ => Err(Skip::Malformed),
                    };
                }
                Ok(Found::Fragment(piece, _)) => self.fragments.push(at, &piece),
                Err(skip) => Err(skip),
            };
            whole = next?;
        }
        Err(Skip::TooDeep)
    }
}

#[inline]
fn packet<'a>(at: Timestamp, tcp: &Tcp<'a>) -> Packet<'a> {
    let cut = tcp.payload.wire.saturating_sub(tcp.payload.bytes.len());
    Packet {
        at,
        source: tcp.source,
        target: tcp.target,
        seq: tcp.seq,
        ack: tcp.ack,
        flags: tcp.flags,
        window: tcp.window,
        id: tcp.id,
        payload: tcp.payload.bytes,
        cut: u32::try_from(cut).unwrap_or(u32::MAX),
    }
}

#[cfg(test)]
mod tests;
