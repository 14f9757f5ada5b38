//! One open interface: a ring that the kernel fills and libpcap reads.

use std::os::fd::{AsFd, BorrowedFd};

use pcap::{Active, Capture, Precision};

use super::counts::Counter32;
use super::{Selection, Settings};
use crate::limits::FRAME_BYTES_MAX;
use crate::packet::{Frame, LinkType};
use crate::source::bpf::{port_expression, reason};
use crate::source::error::SourceError;
use crate::source::socket::{Flags, Inquiry, ignore_outgoing};
use crate::time::Timestamp;

/// How long the kernel may keep a block of the ring that is not full, in milliseconds: so long a
/// frame may be on its way.
pub(super) const BLOCK_WAIT_MS: i32 = 10;

/// A ring, open and not waiting.
pub(super) struct Ring {
    capture: Capture<Active>,
    link: LinkType,
    received: Counter32,
    dropped: Counter32,
}

/// What a ring counted since it was asked last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    pub(super) received: u64,
    pub(super) dropped: u64,
}

impl Ring {
    /// Opens an interface and begins to capture.
    ///
    /// # Errors
    ///
    /// Where there is no such interface, it is down, this user may not, or the filter is not one.
    pub(super) fn open(interface: &str, settings: &Settings) -> Result<Self, SourceError> {
        let flags = Inquiry::open().and_then(|inquiry| inquiry.flags(interface));
        let is_loopback = flags.is_ok_and(Flags::is_loopback);
        // All interfaces at once and the loopback interface have nothing to be promiscuous of.
        let is_promiscuous = settings.is_promiscuous && !is_loopback && interface != "any";
        let mut capture = Self::activate(interface, settings, is_promiscuous)
            .or_else(|error| {
                if is_promiscuous {
                    // Some kinds of interface cannot be; what they have is captured all the same.
                    Self::activate(interface, settings, false).map_err(|_| error)
                } else {
                    Err(error)
                }
            })
            .map_err(|error| super::refusal::explain(interface, &reason(&error)))?;
        if is_loopback {
            // An old kernel delivers both copies, and libpcap leaves one out.
            let _ = ignore_outgoing(capture.as_fd());
        }
        let link = link_type(&capture);
        Self::select(&mut capture, link, &settings.selection)?;
        let capture = capture.setnonblock().map_err(|error| failed(interface, &error))?;
        let (received, dropped) = Default::default();
        Ok(Self { capture, link, received, dropped })
    }

    fn activate(
        interface: &str,
        settings: &Settings,
        is_promiscuous: bool,
    ) -> Result<Capture<Active>, pcap::Error> {
        // No immediate mode: it would cut the ring into slots of the largest frame, of which the
        // default ring has but a thousand.
        Capture::from_device(interface)?
            .buffer_size(i32::try_from(settings.ring_bytes).unwrap_or(i32::MAX))
            .snaplen(i32::try_from(settings.snap_len.min(FRAME_BYTES_MAX)).unwrap_or(i32::MAX))
            .timeout(BLOCK_WAIT_MS)
            .promisc(is_promiscuous)
            .precision(Precision::Nano)
            .open()
    }

    /// Sets the filter. There is always one: without it the kernel does not cut frames to the
    /// snap length, and one frame could fill a block.
    fn select(
        capture: &mut Capture<Active>,
        link: LinkType,
        selection: &Selection,
    ) -> Result<(), SourceError> {
        let (expression, is_ours) = match selection {
            Selection::Everything => (String::new(), true),
            Selection::Ports(ranges) => (port_expression(ranges, link), true),
            Selection::Expression(expression) => (expression.clone(), false),
        };
        let result = capture.filter(&expression, true).or_else(|error| {
            // Ports are looked at again behind the decoder: no filter is slower, not wrong.
            if is_ours { capture.filter("", true) } else { Err(error) }
        });
        result.map_err(|error| {
            let reason = reason(&error);
            SourceError::Filter(crate::source::bpf::BpfError::Expression { expression, reason })
        })
    }

    /// Lends frames that are here, `frames_max` at most, and tells how many there were. Fewer
    /// than that: there are no more for now.
    ///
    /// # Errors
    ///
    /// Where the interface is gone; it will not come back to this ring.
    #[inline]
    pub(super) fn read(
        &mut self,
        frames_max: usize,
        take: &mut impl FnMut(&Frame<'_>),
    ) -> Result<usize, String> {
        let link = self.link;
        self.capture
            .dispatch(Some(frames_max), |packet| {
                let header = packet.header;
                // Asked for in nanoseconds, they stand where microseconds would.
                let at = header.ts.tv_sec.saturating_mul(1_000_000_000);
                let at = Timestamp::from_nanos(at.saturating_add(header.ts.tv_usec));
                take(&Frame { at, bytes: packet.data, wire_len: header.len, link });
            })
            .map_err(|error| reason(&error))
    }

    /// What the kernel counted since the last call.
    pub(super) fn count(&mut self) -> Counted {
        self.capture.stats().map_or_else(
            |_| Counted::default(),
            |stats| Counted {
                received: self.received.advance(stats.received),
                dropped: self.dropped.advance(stats.dropped),
            },
        )
    }

    pub(super) const fn link(&self) -> LinkType {
        self.link
    }
}

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.capture.as_fd()
    }
}

/// The link type as files number it.
fn link_type(capture: &Capture<Active>) -> LinkType {
    match u16::try_from(capture.get_datalink().0) {
        Ok(12) => LinkType(101),
        Ok(other) => LinkType(other),
        Err(_) => LinkType(u16::MAX),
    }
}

fn failed(interface: &str, error: &pcap::Error) -> SourceError {
    SourceError::Interface { interface: interface.to_owned(), reason: reason(error) }
}
