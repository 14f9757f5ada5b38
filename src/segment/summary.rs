//! What `latency` reads instead of exchanges: counts and histograms by server, method, route and
//! status class.

use crate::exchange::{Exchange, Facts, State, Timing};
use crate::packet::Endpoint;
use crate::segment::SegmentError;

/// A time of an exchange that percentiles can be asked of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Metric {
    /// First byte of the request to last byte of the response.
    #[default]
    Total,
    /// Last byte of the request to first byte of the response.
    Wait,
    /// The part of `wait` in which an earlier response was due.
    Blocked,
    /// First byte of the request to its last.
    Send,
    /// First byte of the response to its last.
    Receive,
    /// SYN to the end of the handshake.
    Connect,
}

impl Metric {
    /// Every metric, in the order of its value.
    pub const ALL: [Self; 6] =
        [Self::Total, Self::Wait, Self::Blocked, Self::Send, Self::Receive, Self::Connect];

    /// Its name on the command line and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Wait => "wait",
            Self::Blocked => "blocked",
            Self::Send => "send",
            Self::Receive => "receive",
            Self::Connect => "connect",
        }
    }

    /// Its value among an exchange's times, in nanoseconds.
    #[must_use]
    pub const fn of(self, timing: &Timing) -> Option<u64> {
        match self {
            Self::Total => timing.total_ns,
            Self::Wait => timing.wait_ns,
            Self::Blocked => timing.blocked_ns,
            Self::Send => timing.send_ns,
            Self::Receive => timing.receive_ns,
            Self::Connect => timing.connect_ns,
        }
    }
}

/// A histogram of nanoseconds with three significant digits at every magnitude: HDR's buckets for
/// a lowest value of 1 (2048 of width 1, then 1024 to each doubling). Exact under merging: however
/// samples are split and in whatever order they are merged, the result is equal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latencies {
    count: u64,
}

impl Latencies {
    /// Adds one sample.
    pub fn record(&mut self, _ns: u64) {
        todo!()
    }

    /// Adds every sample of `other`.
    pub fn merge(&mut self, _other: &Self) {
        todo!()
    }

    /// How many samples.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The smallest sample, exact; 0 where there is none.
    #[must_use]
    pub fn min(&self) -> u64 {
        todo!()
    }

    /// The largest sample, exact; 0 where there is none.
    #[must_use]
    pub fn max(&self) -> u64 {
        todo!()
    }

    /// The sum of the samples, exact.
    #[must_use]
    pub fn sum(&self) -> u128 {
        todo!()
    }

    /// The mean, exact and rounded down; 0 where there is no sample.
    #[must_use]
    pub fn mean(&self) -> u64 {
        todo!()
    }

    /// The value of the sample of that rank in ascending order, from 1, as the upper end of its
    /// bucket but never more than the largest sample; `None` where there is no such rank.
    #[must_use]
    pub fn value_at_rank(&self, _rank: u64) -> Option<u64> {
        todo!()
    }

    /// The buckets that hold samples, ascending: lowest value, highest value, samples.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64, u64)> {
        std::iter::empty()
    }

    /// The same as a histogram of the `hdrhistogram` crate.
    #[must_use]
    pub fn to_hdr(&self) -> hdrhistogram::Histogram<u64> {
        todo!()
    }
}

/// Which exchanges a group holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GroupKey {
    /// Who answered.
    pub server: Endpoint,
    /// The method, cut to `METHOD_BYTES_MAX` bytes; empty without request.
    pub method: Vec<u8>,
    /// The route pattern, without the method; empty without request.
    pub route: String,
    /// First digit of the status; 0 where no response was seen.
    pub class: u8,
}

/// What is known of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupStats {
    /// Exchanges by state, in the order of [`State::ALL`].
    pub states: [u64; State::ALL.len()],
    /// Of the complete ones: those touched by a gap, whose times are suspect.
    pub suspect: u64,
    /// Exchanges of any state whose status is 500 or more.
    pub errors: u64,
    /// Sum of the request bodies, in bytes.
    pub request_body_bytes: u64,
    /// Sum of the response bodies, in bytes.
    pub response_body_bytes: u64,
    latencies: [Latencies; Metric::ALL.len()],
}

impl GroupStats {
    /// Adds one exchange.
    pub fn record(&mut self, _facts: &Facts) {
        todo!()
    }

    /// Adds every exchange of `other`.
    pub fn merge(&mut self, _other: &Self) {
        todo!()
    }

    /// How many exchanges of that state.
    #[must_use]
    pub fn state(&self, state: State) -> u64 {
        self.states.get(state as usize).copied().unwrap_or(0)
    }

    /// The times of the complete exchanges.
    #[must_use]
    pub fn latencies(&self, metric: Metric) -> &Latencies {
        let [total, wait, blocked, send, receive, connect] = &self.latencies;
        match metric {
            Metric::Total => total,
            Metric::Wait => wait,
            Metric::Blocked => blocked,
            Metric::Send => send,
            Metric::Receive => receive,
            Metric::Connect => connect,
        }
    }
}

/// Groups of exchanges, at most [`crate::limits::GROUPS_MAX`]: beyond it those with the longest
/// routes go to `other`, so that the result does not depend on the order of recording or merging.
#[derive(Clone, Debug, Default)]
pub struct Summary {}

impl Summary {
    /// Adds one exchange.
    pub fn record(&mut self, _exchange: &Exchange) {
        todo!()
    }

    /// Adds everything of `other`.
    pub fn merge(&mut self, _other: &Self) {
        todo!()
    }

    /// The groups in the order of their keys: shortest route first, then by route, method,
    /// server, class.
    pub fn groups(&self) -> impl Iterator<Item = (&GroupKey, &GroupStats)> {
        std::iter::empty()
    }

    /// What found no room among the groups; `None` where all did.
    #[must_use]
    pub fn other(&self) -> Option<&GroupStats> {
        todo!()
    }

    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        todo!()
    }

    /// From bytes; the error says what was found.
    ///
    /// # Errors
    /// Where the bytes are not an encoded summary.
    pub fn decode(_bytes: &[u8]) -> Result<Self, String> {
        todo!()
    }
}

const _: Option<SegmentError> = None;
