//! The walk over a pcapng file: sections, interfaces, packets (draft-ietf-opsawg-pcapng).

use super::pcap::at_most;
use super::record::{Order, Record, Step};
use crate::ledger::Missed;
use crate::limits::{CAPTURE_BLOCK_BYTES_MAX, CAPTURE_INTERFACES_MAX, FRAME_BYTES_MAX};
use crate::packet::LinkType;
use crate::time::Timestamp;

/// The type of a section header block reads the same in both byte orders.
pub(super) const SECTION_MAGIC: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
const INTERFACE: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;

/// Type and length before a block's body, and the length again after it.
const BLOCK_HEAD: usize = 8;
const BLOCK_TAIL: usize = 4;

/// Where the walk stands in a file.
///
/// ```text
/// block:  type, total length, body (a multiple of 4 bytes), total length
/// 0a0d0d0a section     byte-order magic 1a2b3c4d, version 1.x, length, options
/// 1 interface          link type u16, reserved u16, snap length, options
/// 6 enhanced packet    interface, time high, low, captured, wire length, frame, options
/// 2 obsolete packet    interface u16, drops u16, then as above
/// 3 simple packet      wire length, frame
/// 5 statistics         interface, time high, low, options
/// ```
#[derive(Debug)]
pub(super) struct Pcapng {
    order: Order,
    interfaces: Vec<Interface>,
    /// The total length of the block whose body was skipped, until its repetition is checked.
    tail: Option<usize>,
    /// The last time seen: that of a simple packet, which has none of its own.
    latest: Timestamp,
    /// What the statistics of earlier sections said was lost.
    missed: Missed,
}

/// What an interface description says, and the latest statistics of it.
#[derive(Debug)]
struct Interface {
    link: LinkType,
    snap_len: usize,
    unit: Unit,
    offset_seconds: i64,
    missed: Missed,
}

/// The unit of an interface's time stamps, as the way from ticks to nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    /// A tick is so many nanoseconds.
    Multiple(u64),
    /// A nanosecond is so many ticks; 0 where they are too many for any time to reach one.
    Fraction(u64),
    /// A tick is 2^-n seconds.
    Binary(u8),
}

impl Unit {
    /// From the option `if_tsresol`.
    fn from_option(value: u8) -> Self {
        match value {
            0..=9 => Self::Multiple(10_u64.pow(9 - u32::from(value))),
            10..=0x7f => Self::Fraction(10_u64.checked_pow(u32::from(value) - 9).unwrap_or(0)),
            0x80.. => Self::Binary(value & 0x7f),
        }
    }

    #[inline]
    fn nanos(self, ticks: u64) -> i64 {
        let nanos = match self {
            Self::Multiple(1) => ticks,
            Self::Multiple(factor) => ticks.saturating_mul(factor),
            Self::Fraction(divisor) => ticks.checked_div(divisor).unwrap_or(0),
            Self::Binary(bits) => {
                let nanos = (u128::from(ticks) * 1_000_000_000) >> bits;
                u64::try_from(nanos).unwrap_or(u64::MAX)
            }
        };
        i64::try_from(nanos).unwrap_or(i64::MAX)
    }
}

impl Interface {
    #[inline]
    fn at(&self, ticks: u64) -> Timestamp {
        let nanos = self.unit.nanos(ticks);
        let offset = self.offset_seconds.saturating_mul(1_000_000_000);
        Timestamp::from_nanos(nanos.saturating_add(offset))
    }
}

/// Calls `visit` with code and value of every option; stops quietly where they are broken, for
/// the frames beside them are sound.
fn options(order: Order, mut bytes: &[u8], mut visit: impl FnMut(u16, &[u8])) {
    while let Some((&[c0, c1, l0, l1], rest)) = bytes.split_first_chunk::<4>() {
        let (code, len) = (order.u16([c0, c1]), usize::from(order.u16([l0, l1])));
        let Some(value) = rest.get(..len) else { return };
        if code == 0 {
            return;
        }
        visit(code, value);
        bytes = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
}

impl Pcapng {
    /// A walk that has seen nothing; the first block must be a section header.
    pub(super) const fn new() -> Self {
        Self {
            order: Order::Little,
            interfaces: Vec::new(),
            tail: None,
            latest: Timestamp::from_nanos(0),
            missed: Missed { kernel: 0, interface: 0 },
        }
    }

    /// Whether the walk stands between two blocks, so that the file may end here.
    pub(super) const fn is_between(&self) -> bool {
        self.tail.is_none()
    }

    /// What the statistics blocks say was lost, all sections and interfaces together.
    pub(super) fn missed(&self) -> Missed {
        self.interfaces.iter().fold(self.missed.clone(), |sum, interface| Missed {
            kernel: sum.kernel.saturating_add(interface.missed.kernel),
            interface: sum.interface.saturating_add(interface.missed.interface),
        })
    }

    /// What stands at the start of `window`.
    #[inline]
    pub(super) fn step(&mut self, window: &[u8]) -> Step {
        if let Some(total) = self.tail {
            return self.tail(total, window);
        }
        let Some((&[k0, k1, k2, k3, l0, l1, l2, l3], _)) = window.split_first_chunk::<BLOCK_HEAD>()
        else {
            return Step::Need(BLOCK_HEAD);
        };
        let (kind, length) = ([k0, k1, k2, k3], [l0, l1, l2, l3]);
        if kind == SECTION_MAGIC {
            return self.section(length, window);
        }
        let kind = self.order.u32(kind);
        if !matches!(
            kind,
            INTERFACE | OBSOLETE_PACKET | SIMPLE_PACKET | STATISTICS | ENHANCED_PACKET
        ) {
            return self.skip(length);
        }
        let body = match self.body(length, window) {
            Ok(body) => body,
            Err(step) => return step,
        };
        match kind {
            ENHANCED_PACKET => self.enhanced(body),
            OBSOLETE_PACKET => self.obsolete(body),
            SIMPLE_PACKET => self.simple(body),
            INTERFACE => self.interface(body),
            _ => self.statistics(body),
        }
    }

    /// The body of a block that is wholly in the window, its two lengths compared.
    #[inline]
    fn body<'a>(&self, length: [u8; 4], window: &'a [u8]) -> Result<&'a [u8], Step> {
        let total = self.total(length)?;
        let Some((block, tail)) =
            window.get(..total).and_then(|whole| whole.split_last_chunk::<BLOCK_TAIL>())
        else {
            return Err(Step::Need(total));
        };
        if *tail != length {
            return Err(self.tails_differ(total, *tail));
        }
        Ok(block.get(BLOCK_HEAD..).unwrap_or_default())
    }

    /// The total length of a block, checked.
    #[inline]
    fn total(&self, length: [u8; 4]) -> Result<usize, Step> {
        let total = self.order.len(length);
        if total < BLOCK_HEAD + BLOCK_TAIL || !total.is_multiple_of(4) {
            return Err(Step::damaged("block length", &"a multiple of 4 from 12 on", &total));
        }
        if total > CAPTURE_BLOCK_BYTES_MAX {
            return Err(Step::damaged("block length", &at_most(CAPTURE_BLOCK_BYTES_MAX), &total));
        }
        Ok(total)
    }

    #[cold]
    fn tails_differ(&self, total: usize, tail: [u8; 4]) -> Step {
        Step::damaged("block length at the block's end", &total, &self.order.len(tail))
    }

    /// A block that carries nothing for us: passed over without holding it.
    fn skip(&mut self, length: [u8; 4]) -> Step {
        match self.total(length) {
            Ok(total) => {
                self.tail = Some(total);
                Step::Skip(total - BLOCK_TAIL)
            }
            Err(step) => step,
        }
    }

    /// The end of a block that was passed over.
    fn tail(&mut self, total: usize, window: &[u8]) -> Step {
        let Some((tail, _)) = window.split_first_chunk::<BLOCK_TAIL>() else {
            return Step::Need(BLOCK_TAIL);
        };
        if self.order.len(*tail) != total {
            return self.tails_differ(total, *tail);
        }
        self.tail = None;
        Step::Pass(BLOCK_TAIL)
    }

    /// A section header: the byte order may change, the interfaces are described anew.
    fn section(&mut self, length: [u8; 4], window: &[u8]) -> Step {
        let Some((head, _)) = window.split_first_chunk::<16>() else { return Step::Need(16) };
        let &[_, _, magic, [v0, v1, _, _]] = head.as_chunks::<4>().0 else {
            return Step::Need(16);
        };
        self.order = match magic {
            [0x4d, 0x3c, 0x2b, 0x1a] => Order::Little,
            [0x1a, 0x2b, 0x3c, 0x4d] => Order::Big,
            _ => return Step::damaged("byte-order magic", &"1a2b3c4d", &hex(&magic)),
        };
        let major = self.order.u16([v0, v1]);
        if major != 1 {
            return Step::damaged("major version of pcapng", &1, &major);
        }
        match self.body(length, window) {
            Ok(body) if body.len() < 16 => Step::damaged("section header", &"28 bytes", &"fewer"),
            Ok(body) => {
                self.missed = self.missed();
                self.interfaces.clear();
                Step::Pass(body.len() + BLOCK_HEAD + BLOCK_TAIL)
            }
            Err(step) => step,
        }
    }

    fn interface(&mut self, body: &[u8]) -> Step {
        let Some((&[t0, t1, _, _, s0, s1, s2, s3], rest)) = body.split_first_chunk::<8>() else {
            return Step::damaged("interface description", &"20 bytes or more", &body.len());
        };
        if self.interfaces.len() >= CAPTURE_INTERFACES_MAX {
            let found = self.interfaces.len() + 1;
            return Step::damaged("interfaces", &at_most(CAPTURE_INTERFACES_MAX), &found);
        }
        let order = self.order;
        let mut interface = Interface {
            link: LinkType(order.u16([t0, t1])),
            snap_len: order.len([s0, s1, s2, s3]),
            unit: Unit::Multiple(1000),
            offset_seconds: 0,
            missed: Missed::default(),
        };
        options(order, rest, |code, value| match (code, value) {
            (9, &[resolution]) => interface.unit = Unit::from_option(resolution),
            (14, value) => {
                if let Ok(bytes) = <[u8; 8]>::try_from(value) {
                    interface.offset_seconds = order.u64(bytes).cast_signed();
                }
            }
            _ => {}
        });
        self.interfaces.push(interface);
        Step::Pass(body.len() + BLOCK_HEAD + BLOCK_TAIL)
    }

    /// Counters are cumulative, so that the latest block of an interface says it all.
    fn statistics(&mut self, body: &[u8]) -> Step {
        let order = self.order;
        if let Some((&[i0, i1, i2, i3, ..], rest)) = body.split_first_chunk::<12>()
            && let Some(interface) = self.interfaces.get_mut(order.len([i0, i1, i2, i3]))
        {
            options(order, rest, |code, value| {
                let Ok(count) = <[u8; 8]>::try_from(value).map(|bytes| order.u64(bytes)) else {
                    return;
                };
                match code {
                    5 => interface.missed.interface = count,
                    7 => interface.missed.kernel = count,
                    _ => {}
                }
            });
        }
        Step::Pass(body.len() + BLOCK_HEAD + BLOCK_TAIL)
    }

    #[inline]
    fn enhanced(&mut self, body: &[u8]) -> Step {
        let Some((head, rest)) = body.split_first_chunk::<20>() else {
            return Step::damaged("packet block", &"32 bytes or more", &body.len());
        };
        let &[interface, high, low, captured, wire_len] = head.as_chunks::<4>().0 else {
            return Step::Need(BLOCK_HEAD);
        };
        let ticks = u64::from(self.order.u32(high)) << 32 | u64::from(self.order.u32(low));
        let lens = (self.order.len(captured), self.order.u32(wire_len));
        self.packet(self.order.len(interface), ticks, lens, (20, rest))
    }

    fn obsolete(&mut self, body: &[u8]) -> Step {
        let Some((head, rest)) = body.split_first_chunk::<20>() else {
            return Step::damaged("packet block", &"32 bytes or more", &body.len());
        };
        let &[[i0, i1, _, _], high, low, captured, wire_len] = head.as_chunks::<4>().0 else {
            return Step::Need(BLOCK_HEAD);
        };
        let ticks = u64::from(self.order.u32(high)) << 32 | u64::from(self.order.u32(low));
        let lens = (self.order.len(captured), self.order.u32(wire_len));
        self.packet(usize::from(self.order.u16([i0, i1])), ticks, lens, (20, rest))
    }

    /// A frame with the time of the one before it: its block has none.
    fn simple(&mut self, body: &[u8]) -> Step {
        let Some((&wire_len, rest)) = body.split_first_chunk::<4>() else {
            return Step::damaged("packet block", &"16 bytes or more", &body.len());
        };
        let Some(interface) = self.interfaces.first() else {
            return Step::damaged("interface", &"a description before the first packet", &"none");
        };
        let wire_len = self.order.u32(wire_len);
        let snap_len = if interface.snap_len == 0 { usize::MAX } else { interface.snap_len };
        let captured = rest.len().min(wire_len as usize).min(snap_len);
        if captured > FRAME_BYTES_MAX {
            return Step::damaged("captured length", &at_most(FRAME_BYTES_MAX), &captured);
        }
        Step::Frame(Record {
            taken: body.len() + BLOCK_HEAD + BLOCK_TAIL,
            start: BLOCK_HEAD + 4,
            captured,
            at: self.latest,
            wire_len,
            link: interface.link,
        })
    }

    /// The frame at the start of `rest`, which stands `before` bytes into its block's body.
    #[inline]
    fn packet(
        &mut self,
        number: usize,
        ticks: u64,
        (captured, wire_len): (usize, u32),
        (before, rest): (usize, &[u8]),
    ) -> Step {
        let Some(interface) = self.interfaces.get(number) else {
            let described = self.interfaces.len();
            return Step::damaged("interface", &format!("one of {described} described"), &number);
        };
        if captured > rest.len().min(FRAME_BYTES_MAX) {
            let bound = rest.len().min(FRAME_BYTES_MAX);
            return Step::damaged("captured length", &at_most(bound), &captured);
        }
        self.latest = interface.at(ticks);
        Step::Frame(Record {
            taken: before + rest.len() + BLOCK_HEAD + BLOCK_TAIL,
            start: BLOCK_HEAD + before,
            captured,
            at: self.latest,
            wire_len,
            link: interface.link,
        })
    }
}

/// Bytes as an error shows them: `0a 0d 0d 0a`.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}
