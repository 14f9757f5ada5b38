//! One direction's stream: where it stands, what is held out of order, what its receiver has
//! acknowledged (RFC 9293 section 3.10).

use std::collections::BTreeMap;

use crate::limits::{COPIED_FRAME_NS, HELD_BYTES_MAX, HELD_PACKETS_MAX};
use crate::packet::Packet;
use crate::tcp::path::Probe;
use crate::tcp::seq::Seq;
use crate::time::Timestamp;

/// Bytes of one packet that could not be delivered yet.
#[derive(Debug)]
pub(super) struct Run {
    /// When the packet was captured.
    pub(super) at: Timestamp,
    /// How far it acknowledged the other stream.
    pub(super) acknowledged: u64,
    /// Its bytes from the run's offset on, as far as captured.
    pub(super) bytes: Box<[u8]>,
    /// How many bytes follow that the snap length cut off.
    pub(super) cut: u64,
}

impl Run {
    fn wire_len(&self) -> u64 {
        self.bytes.len() as u64 + self.cut
    }
}

/// Runs by offset; they never overlap.
#[derive(Debug, Default)]
struct Held {
    runs: BTreeMap<u64, Run>,
    bytes: usize,
}

/// A packet's part of a stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    /// When it was captured.
    pub(super) at: Timestamp,
    /// Position of its first byte.
    pub(super) offset: u64,
    /// How far it acknowledged the other stream.
    pub(super) acknowledged: u64,
    /// The bytes that were captured.
    pub(super) bytes: &'a [u8],
    /// How many bytes follow that the snap length cut off.
    pub(super) cut: u64,
}

/// The state of one direction's stream.
#[derive(Debug, Default)]
pub(super) struct Reassembler {
    /// Sequence number of the stream's byte 0, once known.
    pub(super) origin: Option<Seq>,
    /// Position of the next byte to deliver.
    pub(super) next: u64,
    /// How far the receiver has acknowledged the stream.
    pub(super) received: u64,
    /// Position of the stream's end, once a FIN was seen.
    pub(super) end: Option<u64>,
    /// Position of a byte that its receiver acknowledged and that was waited for in vain: a FIN
    /// that was not captured, or a lost packet of one byte.
    pub(super) excused: Option<u64>,
    /// Whether any packet of this direction was captured.
    pub(super) seen: bool,
    /// Whether the end was handed on.
    pub(super) ended: bool,
    /// Bytes whose acknowledgment tells a round trip.
    pub(super) probe: Probe,
    /// The packets that brought bytes last.
    pub(super) recent: Recent,
    held: Option<Box<Held>>,
}

/// The identifications of some packets, of which it is known again when a frame was captured
/// twice: at several interfaces, or by a mirror port. Several, since others may come in between.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Recent([u16; 7]);

impl Recent {
    /// Notes a packet.
    #[inline]
    pub(super) fn note(&mut self, id: u16) {
        self.0.copy_within(..6, 1);
        let [latest, ..] = &mut self.0;
        *latest = id;
    }

    /// Whether a packet with this identification is one of them; `None` where that tells nothing:
    /// it has none, or several packets have the same (RFC 6864 section 4.1 leaves that to the
    /// sender).
    fn has(&self, id: u16) -> Option<bool> {
        match self.0.iter().filter(|&&known| known == id).count() {
            _ if id == 0 => None,
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl Reassembler {
    /// Whether a packet whose bytes, up to the position `end`, were captured before is another copy
    /// of a frame, and not bytes that were sent again.
    pub(super) fn is_copied_frame(&self, packet: &Packet<'_>, end: i64) -> bool {
        self.recent.has(packet.id).unwrap_or_else(|| {
            let is_latest = end == self.next.cast_signed() && self.probe.end == self.next;
            is_latest && packet.at.since(self.probe.sent_at) < COPIED_FRAME_NS
        })
    }

    /// Bytes held out of order.
    pub(super) fn held_bytes(&self) -> usize {
        self.held.as_ref().map_or(0, |held| held.bytes)
    }

    /// Whether nothing is held out of order.
    #[inline]
    pub(super) fn is_clear(&self) -> bool {
        self.held.is_none()
    }

    /// Whether what is held has reached its bound.
    pub(super) fn is_overfull(&self) -> bool {
        self.held
            .as_ref()
            .is_some_and(|held| held.bytes > HELD_BYTES_MAX || held.runs.len() > HELD_PACKETS_MAX)
    }

    /// The first run that is held: its offset, and how far it acknowledged the other stream.
    pub(super) fn first_held(&self) -> Option<(u64, u64)> {
        let (&offset, run) = self.held.as_ref()?.runs.first_key_value()?;
        Some((offset, run.acknowledged))
    }

    /// Holds what of `piece` is new: not delivered, and not held already (a byte's first copy
    /// wins). Returns how many of its captured bytes had been captured before, and whether any of
    /// those that are held differ.
    pub(super) fn hold(&mut self, piece: Piece<'_>) -> (u64, bool) {
        let captured = piece.bytes.len() as u64;
        let end = piece.offset.saturating_add(captured).saturating_add(piece.cut);
        let mut from = piece.offset.max(self.next);
        let held = self.held.get_or_insert_default();
        let mut kept = 0;
        let mut differs = false;
        while from < end {
            // What lies before the next run that is held, after the one that covers `from`.
            if let Some((&before, run)) = held.runs.range(..=from).next_back() {
                let covered = before.saturating_add(run.wire_len());
                if covered > from {
                    let first = run.bytes.iter().skip(index(from - before));
                    differs |= slice(piece, from, covered).iter().zip(first).any(|(a, b)| a != b);
                    from = covered;
                    continue;
                }
            }
            let until = held.runs.range(from..).next().map_or(end, |(&after, _)| after.min(end));
            let bytes = slice(piece, from, until);
            kept += bytes.len() as u64;
            held.bytes += bytes.len();
            let cut = (until - from).saturating_sub(bytes.len() as u64);
            let run =
                Run { at: piece.at, acknowledged: piece.acknowledged, bytes: bytes.into(), cut };
            held.runs.insert(from, run);
            from = until;
        }
        if held.runs.is_empty() {
            self.held = None;
        }
        (captured - kept, differs)
    }

    /// Drops what is held, and tells how many bytes that were.
    pub(super) fn discard(&mut self) -> usize {
        self.held.take().map_or(0, |held| held.bytes)
    }

    /// Takes the first held run if it begins at the next position.
    pub(super) fn take_next(&mut self) -> Option<Run> {
        let held = self.held.as_mut()?;
        let entry = held.runs.first_entry()?;
        if *entry.key() != self.next {
            return None;
        }
        let run = entry.remove();
        held.bytes -= run.bytes.len();
        if held.runs.is_empty() {
            self.held = None;
        }
        Some(run)
    }

    /// Where the missing bytes that begin at the next position end, as far as the receiver has
    /// proved that it got them; `None` where nothing is missing or nothing is proved.
    ///
    /// One byte past the last is no proof: a FIN that was not captured is acknowledged so. Where
    /// the FIN was captured, it is.
    pub(super) fn proved_gap(&self) -> Option<u64> {
        match self.first_held() {
            Some((first, _)) if first > self.next => {
                let proved = self.received.min(self.bounded(first));
                (proved > self.next).then_some(proved)
            }
            Some(_) => None,
            None => match self.end {
                Some(end) => Some(self.received.min(end)).filter(|&proved| proved > self.next),
                None => Some(self.received).filter(|&proved| proved > self.next + 1),
            },
        }
    }

    /// The position, or the stream's end where that comes first.
    fn bounded(&self, position: u64) -> u64 {
        self.end.map_or(position, |end| position.min(end))
    }

    /// Whether its place is known and nothing of it is held.
    pub(super) fn is_placed(&self) -> bool {
        self.origin.is_some() && self.is_clear()
    }

    /// The number of the next byte; of no meaning before the stream's place is known.
    #[inline]
    pub(super) fn next_number(&self) -> Seq {
        self.origin.unwrap_or_default().at(self.next)
    }

    /// How far an acknowledgment may go for all of it to be at hand: the next position, or one
    /// more where a FIN stands, or has to be assumed.
    #[inline]
    pub(super) fn acknowledgeable(&self) -> u64 {
        let next = Some(self.next);
        self.next + u64::from(self.end == next || self.excused == next)
    }

    /// Whether the receiver has one byte more than was captured: a FIN, or a byte to come.
    pub(super) fn is_one_behind(&self) -> bool {
        self.received == self.next + 1 && self.acknowledgeable() == self.next
    }

    /// Whether bytes are known to be missing at the next position, or may be.
    pub(super) fn is_missing_bytes(&self) -> bool {
        self.missing().is_some() || self.is_one_behind()
    }

    /// Where the missing bytes that begin at the next position end at the latest: where the next
    /// held run begins, where the FIN stands, or where the receiver's proof ends.
    pub(super) fn missing(&self) -> Option<u64> {
        match self.first_held() {
            Some((first, _)) => Some(self.bounded(first)).filter(|&first| first > self.next),
            None => self.end.filter(|&end| end > self.next).or_else(|| self.proved_gap()),
        }
    }
}

/// The captured bytes of `piece` between two positions.
fn slice(piece: Piece<'_>, from: u64, until: u64) -> &[u8] {
    let place = |position: u64| index(position - piece.offset).min(piece.bytes.len());
    piece.bytes.get(place(from)..place(until)).unwrap_or_default()
}

fn index(distance: u64) -> usize {
    usize::try_from(distance).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn piece(offset: u64, bytes: &[u8], at: i64) -> Piece<'_> {
        Piece { at: Timestamp::from_nanos(at), offset, acknowledged: 0, bytes, cut: 0 }
    }

    #[test]
    fn overlaps_keep_the_first_copy_and_bring_what_is_new() {
        let mut stream = Reassembler::default();
        assert_eq!(stream.hold(piece(2, b"CD", 1)), (0, false));
        assert_eq!(stream.hold(piece(1, b"bC", 2)), (1, false));
        assert_eq!(stream.hold(piece(0, b"abcdef", 2)), (3, true));
        let mut read = Vec::new();
        while let Some(run) = stream.take_next() {
            stream.next += run.bytes.len() as u64;
            read.extend_from_slice(&run.bytes);
        }
        assert_eq!(read, b"abCDef");
        assert!(stream.is_clear());
    }

    #[test]
    fn a_gap_is_proved_by_the_receiver_but_not_by_one_byte_for_a_fin() {
        let mut stream = Reassembler { received: 1, ..Reassembler::default() };
        assert_eq!(stream.proved_gap(), None);
        stream.received = 10;
        assert_eq!(stream.proved_gap(), Some(10));
        stream.hold(piece(5, b"x", 0));
        assert_eq!(stream.proved_gap(), Some(5));
        stream.received = 3;
        assert_eq!(stream.proved_gap(), Some(3));
        stream.received = 0;
        assert_eq!((stream.proved_gap(), stream.missing()), (None, Some(5)));
    }

    #[test]
    fn a_fin_that_was_captured_proves_the_byte_before_it() {
        let mut stream = Reassembler { end: Some(1), ..Reassembler::default() };
        assert_eq!((stream.proved_gap(), stream.missing()), (None, Some(1)));
        stream.received = 2;
        assert_eq!(stream.proved_gap(), Some(1));
        stream.next = 1;
        assert_eq!((stream.proved_gap(), stream.missing()), (None, None));
    }

    proptest! {
        /// Against a map of bytes: the first copy of each byte, in order, up to the first hole.
        #[test]
        fn behaves_as_a_byte_map(
            pieces in proptest::collection::vec((0_u64..60, 0_usize..20, 0_u64..6, any::<u8>()), 0..40),
        ) {
            let mut stream = Reassembler::default();
            let mut model: BTreeMap<u64, Option<u8>> = BTreeMap::new();
            let mut read = Vec::new();
            let mut captured = 0;
            let mut duplicate = 0;
            for (offset, len, cut, byte) in pieces {
                let bytes = vec![byte; len];
                captured += len as u64;
                let (again, differs) = stream.hold(Piece { cut, ..piece(offset, &bytes, 0) });
                let held = (offset.max(stream.next)..offset + len as u64).map(|at| model.get(&at));
                prop_assert_eq!(differs, held.flatten().flatten().any(|&first| first != byte));
                duplicate += again;
                for at in offset..offset + len as u64 + cut {
                    let value = (at < offset + len as u64).then_some(byte);
                    model.entry(at).or_insert(value);
                }
                while let Some(run) = stream.take_next() {
                    stream.next += run.wire_len();
                    read.extend(run.bytes.iter().copied().map(Some));
                    read.extend((0..run.cut).map(|_| None));
                }
            }
            let expected: Vec<Option<u8>> =
                (0..).map_while(|at| model.get(&at).copied()).collect();
            prop_assert_eq!(&read, &expected);
            let delivered = read.iter().flatten().count() as u64;
            prop_assert_eq!(captured, delivered + duplicate + stream.held_bytes() as u64);
        }
    }
}
