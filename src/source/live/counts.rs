//! What was counted on interfaces, readable while they are captured.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::source::socket::Inquiry;

/// What was counted on one interface since the capture of it began. Brought up to date once a
/// second, by the capture.
#[derive(Debug, Default)]
pub struct InterfaceCounts {
    /// The interface.
    pub name: String,
    /// Frames that passed the kernel's filter, those included that the ring had no room for.
    pub received: AtomicU64,
    /// Of them, frames that the ring had no room for.
    pub dropped_by_kernel: AtomicU64,
    /// Frames that the interface or its driver dropped, from anybody: they never came to a filter.
    pub dropped_by_interface: AtomicU64,
    /// How often it was lost: deleted, or it failed. What passed until it came back is unknown.
    pub interruptions: AtomicU64,
    /// Whether it is being captured.
    pub is_open: AtomicBool,
}

impl InterfaceCounts {
    pub(super) fn add(counter: &AtomicU64, more: u64) {
        counter.fetch_add(more, Ordering::Relaxed);
    }

    pub(super) fn get(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }
}

/// A counter of 32 bits that comes round, as libpcap and the kernel have them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counter32(u32);

impl Counter32 {
    /// How far it came since the last call, if less than once round.
    pub(super) fn advance(&mut self, now: u32) -> u64 {
        let before = std::mem::replace(&mut self.0, now);
        u64::from(now.wrapping_sub(before))
    }
}

/// The counters of an interface's driver, where it has a device of its own.
#[derive(Debug)]
pub(super) struct Driver {
    counters: [(PathBuf, u64); 2],
}

impl Driver {
    /// From now on; `None` for `any`, and where the files of another network are mounted.
    pub(super) fn of(interface: &str) -> Option<Self> {
        // A name from the command line must not lead elsewhere.
        if interface.contains('/') || interface.starts_with('.') {
            return None;
        }
        let folder = PathBuf::from("/sys/class/net").join(interface);
        let index = Inquiry::open().ok()?.index(interface).ok()?;
        if read(&folder.join("ifindex"))? != u64::from(index) {
            return None;
        }
        // No room in the interface's own buffers: what libpcap counts, too. Other counters hold
        // frames that were captured all the same.
        let counter = |name| {
            let path = folder.join("statistics").join(name);
            let now = read(&path)?;
            Some((path, now))
        };
        Some(Self { counters: [counter("rx_missed_errors")?, counter("rx_fifo_errors")?] })
    }

    /// How many frames were dropped since the last call. A counter that goes back began anew.
    pub(super) fn dropped(&mut self) -> u64 {
        let advance = |(path, before): &mut (PathBuf, u64)| {
            let now = read(path)?;
            let last = std::mem::replace(before, now);
            Some(now.checked_sub(last).unwrap_or(now))
        };
        self.counters.iter_mut().filter_map(advance).sum()
    }
}

fn read(path: &PathBuf) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trap_20_counters_of_32_bits_come_round() {
        let check = |readings: &[u32], expected: u64| {
            let mut counter = Counter32::default();
            let sum: u64 = readings.iter().map(|&now| counter.advance(now)).sum();
            assert_eq!(sum, expected, "{readings:?}");
        };
        check(&[], 0);
        check(&[5, 5, 9], 9);
        check(&[u32::MAX, 0, 1], (1 << 32) + 1);
        check(&[u32::MAX - 1, 3, u32::MAX, 2], 2 * (1 << 32) + 2);
    }

    #[test]
    fn a_driver_is_read_by_name_only() {
        assert!(Driver::of("any").is_none());
        assert!(Driver::of("../net/lo").is_none());
        if let Some(mut lo) = Driver::of("lo") {
            assert_eq!(lo.dropped(), 0);
        }
    }
}
