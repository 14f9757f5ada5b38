//! The walk over a classic pcap file: one header, then records (draft-ietf-opsawg-pcap).

use super::record::{Order, Record, Step};
use crate::limits::FRAME_BYTES_MAX;
use crate::packet::LinkType;
use crate::time::Timestamp;

/// Length of the file header, in bytes.
pub(super) const FILE_HEADER: usize = 24;

/// Length of a record's header, in bytes; the modified format adds an interface index, a
/// protocol and a packet type.
const RECORD_HEADER: usize = 16;
const MODIFIED_RECORD_HEADER: usize = 24;

/// How the records of one file are to be read.
///
/// ```text
///  0  magic a1b2c3d4: microseconds; a1b23c4d: nanoseconds; a1b2cd34: modified
///  4  version 2.4; time zone; accuracy (not used)
/// 16  snap length
/// 20  link type in the low 16 bits, length of a frame check sequence in the high ones
/// 24  records: seconds, fraction, captured length, wire length, frame
/// ```
#[derive(Debug)]
pub(super) struct Pcap {
    order: Order,
    nanos_per_fraction: i64,
    header: usize,
    link: LinkType,
}

/// Whether a file that starts so is a classic pcap file, in either byte order.
pub(super) fn is_magic(bytes: [u8; 4]) -> bool {
    flavour(bytes).is_some()
}

/// Byte order, nanoseconds in a unit of the fraction, length of a record's header.
fn flavour(magic: [u8; 4]) -> Option<(Order, i64, usize)> {
    [Order::Little, Order::Big].into_iter().find_map(|order| match order.u32(magic) {
        0xa1b2_c3d4 => Some((order, 1000, RECORD_HEADER)),
        0xa1b2_3c4d => Some((order, 1, RECORD_HEADER)),
        0xa1b2_cd34 => Some((order, 1000, MODIFIED_RECORD_HEADER)),
        _ => None,
    })
}

impl Pcap {
    /// Reads the file header; `None` where the magic is not a pcap file's.
    ///
    /// The frame check sequence that the header may announce is left on the frames: payload ends
    /// where IP says, and so before it.
    pub(super) fn open(header: &[u8; FILE_HEADER]) -> Option<Self> {
        let &[magic, _, _, _, _, network] = header.as_chunks::<4>().0 else { return None };
        let (order, nanos_per_fraction, header) = flavour(magic)?;
        #[expect(clippy::cast_possible_truncation, reason = "the link type is the low 16 bits")]
        let link = LinkType(order.u32(network) as u16);
        Some(Self { order, nanos_per_fraction, header, link })
    }

    /// What stands at the start of `window`.
    #[inline]
    pub(super) fn step(&self, window: &[u8]) -> Step {
        let Some((header, rest)) = window.split_first_chunk::<RECORD_HEADER>() else {
            return Step::Need(self.header);
        };
        let &[seconds, fraction, captured, wire_len] = header.as_chunks::<4>().0 else {
            return Step::Need(self.header);
        };
        let captured = self.order.len(captured);
        if captured > FRAME_BYTES_MAX {
            return Step::damaged("captured length", &at_most(FRAME_BYTES_MAX), &captured);
        }
        let taken = self.header + captured;
        if rest.len() + RECORD_HEADER < taken {
            return Step::Need(taken);
        }
        // Both factors are of 32 bits or less, so that neither product nor sum can overflow.
        let at = i64::from(self.order.u32(seconds)) * 1_000_000_000
            + i64::from(self.order.u32(fraction)) * self.nanos_per_fraction;
        Step::Frame(Record {
            taken,
            start: self.header,
            captured,
            at: Timestamp::from_nanos(at),
            wire_len: self.order.u32(wire_len),
            link: self.link,
        })
    }
}

/// A bound as the sentence of an error has it.
pub(super) fn at_most(bound: usize) -> String {
    format!("at most {bound}")
}
