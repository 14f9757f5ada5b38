//! Interfaces as one source: read together, kept open for months, and the only clock.
//!
//! Each interface has a ring of its own that the kernel fills; one thread waits for all of them
//! and for the request to stop. An interface that fails is opened again and again, at growing
//! distances, while the others go on.

mod counts;
mod devices;
mod refusal;
mod ring;

use std::fmt;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

pub use counts::InterfaceCounts;
pub use devices::{Device, Hardware, Link, Offload, Status, devices, hardware};

use super::error::SourceError;
use super::socket::Inquiry;
use super::{Reading, Source};
use crate::ledger::Missed;
use crate::limits::{FRAME_BYTES_MAX, REOPEN_WAIT_MAX, REOPEN_WAIT_MIN};
use crate::packet::{Frame, LinkType};
use crate::time::Timestamp;
use counts::Driver;
use ring::{BLOCK_WAIT_MS, Ring};

/// Frames that one reading lends at most: a full ring must not keep the reader from its other
/// duties.
const FRAMES_MAX: usize = 4096;

/// Frames taken of one interface before its neighbours are looked at: directions that come by
/// two interfaces, as those of a tap do, stay in order but for so many frames.
const TURN_FRAMES: usize = 64;

/// How long a reading waits for frames.
const WAIT: Duration = Duration::from_millis(100);

/// The same where frames came just before: what was kept waiting for company must not wait long.
const WAIT_SHORT: Duration = Duration::from_millis(10);

/// How long the rings fill undisturbed after a reading that emptied them: waking for each block of
/// a ring takes longer than reading it.
const GATHER_MAX: Duration = Duration::from_millis(4);

/// Frames of one reading from which on the next ones are let gather: fewer come so seldom that
/// each wake is worth it.
const GATHERED_FRAMES_MIN: usize = 64;

/// Bytes a second that fill at most half a ring while frames gather: 50 Gbit/s.
const GATHERED_BYTES_PER_SECOND: u64 = 6_250_000_000;

/// How long after its stamp a frame may be lent: the kernel keeps it until its block is full or
/// old, and looks at its timers at its own pace.
const LATE_NS: u64 = 3 * BLOCK_WAIT_MS.unsigned_abs() as u64 * 1_000_000;

/// How long the rings are read after the request to stop: for blocks that were not full.
const LINGER: Duration = Duration::from_millis(60);

/// When a stop ends that finds the rings full again and again.
const LINGER_MAX: Duration = Duration::from_secs(2);

/// How interfaces are captured.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bytes kept of each frame.
    pub snap_len: usize,
    /// Bytes of each interface's ring: what the kernel can hold while Weir is busy. They count
    /// as memory of this process.
    pub ring_bytes: usize,
    /// Whether frames to other hosts are taken too. Without effect on `any` and loopback.
    pub is_promiscuous: bool,
    /// Which frames the kernel passes.
    pub selection: Selection,
}

impl Default for Settings {
    /// Whole frames, also those that offloading joins; half a second of 1 Gbit/s; everything.
    fn default() -> Self {
        Self {
            snap_len: FRAME_BYTES_MAX,
            ring_bytes: 64 << 20,
            is_promiscuous: true,
            selection: Selection::Everything,
        }
    }
}

/// Which frames the kernel passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// All.
    Everything,
    /// Those that may hold TCP from or to these ports, both ends included: rather too many than
    /// too few, to be looked at again behind the decoder.
    Ports(Vec<(u16, u16)>),
    /// Those that match a filter expression as tcpdump has it.
    Expression(String),
}

/// Something that happened to an interface while it was captured; one line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// It was deleted, or it failed.
    Lost {
        /// The interface.
        interface: String,
        /// What libpcap said.
        reason: String,
    },
    /// It was lost, and cannot be opened again for now. Told once for each reason.
    Waiting {
        /// The interface.
        interface: String,
        /// Why not.
        reason: String,
    },
    /// It was lost, and is captured again.
    Returned {
        /// The interface.
        interface: String,
        /// How long it was lost.
        after: Duration,
    },
    /// It was switched off; the capture of it goes on when it is switched on.
    Down {
        /// The interface.
        interface: String,
    },
    /// It was switched on.
    Up {
        /// The interface.
        interface: String,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost { interface, reason } => {
                write!(f, "{interface} was lost ({reason}); it is captured again when it returns")
            }
            Self::Waiting { interface, reason } => {
                write!(f, "{interface} cannot be captured again yet: {reason}")
            }
            Self::Returned { interface, after } => {
                let seconds = after.as_secs_f64();
                write!(f, "{interface} is captured again, after {seconds:.1} s that were not seen")
            }
            Self::Down { interface } => {
                write!(f, "{interface} is down: nothing comes until it is up again")
            }
            Self::Up { interface } => write!(f, "{interface} is up again"),
        }
    }
}

/// Takes what happens to interfaces.
pub type Notify = Box<dyn FnMut(Notice) + Send>;

/// Ends a capture of interfaces from anywhere, also from a signal handler.
#[derive(Clone, Debug)]
pub struct Stopper(Arc<Stop>);

#[derive(Debug)]
struct Stop {
    is_asked: AtomicBool,
    bell: OwnedFd,
}

impl Stopper {
    fn new() -> Result<Self, SourceError> {
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|error| SourceError::Wait { source: error.into() })?;
        Ok(Self(Arc::new(Stop { is_asked: AtomicBool::new(false), bell })))
    }

    /// Asks for the end: what was captured until now is still read. It does no more than a store
    /// and one system call.
    pub fn stop(&self) {
        self.0.is_asked.store(true, Ordering::Relaxed);
        let _ = rustix::io::write(&self.0.bell, &1_u64.to_ne_bytes());
    }

    fn is_asked(&self) -> bool {
        self.0.is_asked.load(Ordering::Relaxed)
    }
}

/// Several interfaces as one source. A filter on `any` or two interfaces that see the same
/// traffic give frames twice: the second copy counts as duplicate bytes of its stream.
pub struct Interfaces {
    members: Vec<Interface>,
    settings: Settings,
    notify: Notify,
    stopper: Stopper,
    inquiry: Inquiry,
    counts: Arc<[InterfaceCounts]>,
    /// When to stop, once asked to: at the first quiet moment after the one, or at the other.
    ending: Option<(Instant, Instant)>,
    /// Whether the last reading left frames behind.
    is_behind: bool,
    /// Frames that the last reading lent.
    lent: usize,
}

/// One of the interfaces.
struct Interface {
    name: String,
    state: State,
    driver: Option<Driver>,
    /// The time of the frame that was lent last.
    latest: Timestamp,
    is_up: bool,
}

/// ```text
/// Open ──failed──▶ Failing ──its last frames read──▶ Lost ──opened again──▶ Open
///                                                     └──still not──▶ Lost, for twice as long
/// ```
enum State {
    Open(Ring),
    /// The interface is gone; the block that was not full yet is still to come.
    Failing {
        ring: Ring,
        until: Instant,
    },
    Lost {
        since: Instant,
        retry_at: Instant,
        wait: Duration,
        told: String,
    },
}

impl Interfaces {
    /// Opens interfaces, each once; `any` stands for all of them. From now on frames are kept in
    /// the rings. `notify` learns of what happens to them later.
    ///
    /// # Errors
    ///
    /// Where one of them cannot be opened, and what to do about it.
    pub fn open<N: AsRef<str>>(
        names: &[N],
        settings: Settings,
        notify: Notify,
    ) -> Result<Self, SourceError> {
        let mut members: Vec<Interface> = Vec::with_capacity(names.len());
        for name in names.iter().map(AsRef::as_ref) {
            if members.iter().all(|interface| interface.name != name) {
                members.push(Interface::open(name, &settings)?);
            }
        }
        let counts = members.iter().map(|interface| InterfaceCounts {
            name: interface.name.clone(),
            is_open: AtomicBool::new(true),
            ..InterfaceCounts::default()
        });
        let counts = counts.collect();
        let inquiry = Inquiry::open().map_err(|source| SourceError::Wait { source })?;
        let stopper = Stopper::new()?;
        let (ending, is_behind, lent) = (None, false, 0);
        Ok(Self { members, settings, notify, stopper, inquiry, counts, ending, is_behind, lent })
    }

    /// What ends the capture.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// What is counted, by interface.
    #[must_use]
    pub fn counts(&self) -> Arc<[InterfaceCounts]> {
        Arc::clone(&self.counts)
    }

    /// The link type of each interface that is open.
    #[must_use]
    pub fn links(&self) -> Vec<LinkType> {
        self.members.iter().filter_map(Interface::ring).map(Ring::link).collect()
    }

    /// Waits until there are frames, somebody asks to stop, or some time has passed.
    fn wait(&self) {
        let is_failing = |interface: &Interface| matches!(interface.state, State::Failing { .. });
        let is_short = self.ending.is_some() || self.members.iter().any(is_failing);
        let time = match self.lent {
            _ if is_short => LINGER / 3,
            0 => WAIT,
            _ => WAIT_SHORT,
        };
        let bell = &self.stopper.0.bell;
        if self.lent >= GATHERED_FRAMES_MIN && !is_short {
            let time = gathering(self.settings.ring_bytes);
            let _ = poll(&mut [PollFd::new(bell, PollFlags::IN)], Some(&timespec(time)));
        }
        let mut places = Vec::with_capacity(self.members.len() + 1);
        if self.ending.is_none() {
            places.push(PollFd::new(bell, PollFlags::IN));
        }
        // The ring of an interface that is gone would ring for its error for ever.
        for interface in &self.members {
            if let State::Open(ring) = &interface.state {
                places.push(PollFd::from_borrowed_fd(ring.as_fd(), PollFlags::IN));
            }
        }
        // A signal or a failure ends the wait early, and reading finds out.
        let _ = poll(&mut places, Some(&timespec(time)));
    }

    /// Lends what has come, and counts it; whether frames are left behind.
    fn take(&mut self, take: &mut impl FnMut(&Frame<'_>)) -> bool {
        self.lent = 0;
        let turn = if self.members.len() > 1 { TURN_FRAMES } else { FRAMES_MAX };
        let mut left = FRAMES_MAX;
        let mut is_dry = vec![false; self.members.len()];
        while left > 0 {
            // The one that is furthest behind is next.
            let next = self.members.iter_mut().zip(&mut is_dry).enumerate();
            let next = next
                .filter(|(_, (interface, is_dry))| !**is_dry && interface.has_ring())
                .min_by_key(|(_, (interface, _))| interface.latest);
            let Some((number, (interface, is_dry))) = next else { return false };
            match interface.read(turn, take) {
                Ok(count) => {
                    *is_dry = count < turn;
                    left = left.saturating_sub(count);
                    self.lent += count;
                }
                Err(reason) => {
                    *is_dry = true;
                    self.fail(number, reason);
                }
            }
        }
        true
    }

    /// Notes that an interface is gone. Its ring is still read for what the kernel holds.
    #[cold]
    fn fail(&mut self, number: usize, reason: String) {
        let Some(interface) = self.members.get_mut(number) else { return };
        let now = monotonic();
        let lost =
            State::Lost { since: now, retry_at: now, wait: REOPEN_WAIT_MIN, told: String::new() };
        match std::mem::replace(&mut interface.state, lost) {
            State::Open(ring) => {
                interface.state = State::Failing { ring, until: now + LINGER };
                let interface = interface.name.clone();
                (self.notify)(Notice::Lost { interface, reason });
            }
            // It fails for the second time: there is no more to come.
            State::Failing { .. } | State::Lost { .. } => self.give_up(number),
        }
    }

    /// Counts an interruption that began.
    fn give_up(&mut self, number: usize) {
        if let Some(counts) = self.counts.get(number) {
            counts.is_open.store(false, Ordering::Relaxed);
            InterfaceCounts::add(&counts.interruptions, 1);
        }
    }

    /// Gives up the rings whose last frames were read.
    fn give_up_failed(&mut self) {
        for number in 0..self.members.len() {
            let state = self.members.get(number).map(|interface| &interface.state);
            if let Some(State::Failing { until, .. }) = state
                && monotonic() >= *until
            {
                self.count(number);
                self.fail(number, String::new());
            }
        }
    }

    /// Opens again what was lost, where it is time to try.
    fn reopen(&mut self) {
        for (interface, counts) in self.members.iter_mut().zip(&*self.counts) {
            let State::Lost { since, retry_at, wait, told } = &mut interface.state else {
                continue;
            };
            let now = monotonic();
            if now < *retry_at {
                continue;
            }
            let name = interface.name.clone();
            match Interface::open(&name, &self.settings) {
                Ok(opened) => {
                    let after = now.saturating_duration_since(*since);
                    *interface = Interface { latest: interface.latest, ..opened };
                    counts.is_open.store(true, Ordering::Relaxed);
                    (self.notify)(Notice::Returned { interface: name, after });
                }
                Err(error) => {
                    *wait = (*wait * 2).min(REOPEN_WAIT_MAX);
                    *retry_at = now + *wait;
                    let reason = error.to_string();
                    // That it is not there was told when it was lost.
                    let is_news =
                        !matches!(error, SourceError::NoInterface { .. }) && *told != reason;
                    if is_news {
                        told.clone_from(&reason);
                        (self.notify)(Notice::Waiting { interface: name, reason });
                    }
                }
            }
        }
    }

    /// Adds up what the kernel and the driver counted of one interface.
    fn count(&mut self, number: usize) {
        let (Some(interface), Some(counts)) =
            (self.members.get_mut(number), self.counts.get(number))
        else {
            return;
        };
        if let State::Open(ring) | State::Failing { ring, .. } = &mut interface.state {
            let counted = ring.count();
            InterfaceCounts::add(&counts.received, counted.received);
            InterfaceCounts::add(&counts.dropped_by_kernel, counted.dropped);
        }
        if let Some(driver) = &mut interface.driver {
            InterfaceCounts::add(&counts.dropped_by_interface, driver.dropped());
        }
    }

    /// Tells of interfaces that were switched off or on.
    fn look_at_switches(&mut self) {
        for interface in self.members.iter_mut().filter(|interface| interface.has_ring()) {
            let Ok(flags) = self.inquiry.flags(&interface.name) else { continue };
            if std::mem::replace(&mut interface.is_up, flags.is_up()) != flags.is_up() {
                let name = interface.name.clone();
                (self.notify)(if flags.is_up() {
                    Notice::Up { interface: name }
                } else {
                    Notice::Down { interface: name }
                });
            }
        }
    }

    /// Whether the capture is over: asked to end, and what was on its way has come.
    fn is_over(&mut self) -> bool {
        if self.stopper.is_asked() {
            self.stop();
        }
        let now = self.ending.map(|_| monotonic());
        let is_due = |at: Instant| now.is_some_and(|now| now >= at);
        self.ending.is_some_and(|(quiet, last)| is_due(last) || (is_due(quiet) && !self.is_behind))
    }
}

impl Source for Interfaces {
    /// Never an error: an interface that fails is told of and opened again.
    fn read(&mut self, take: &mut impl FnMut(&Frame<'_>)) -> Result<Reading, SourceError> {
        if self.is_over() {
            return Ok(Reading::End);
        }
        self.give_up_failed();
        self.reopen();
        if !self.is_behind {
            self.wait();
        }
        // Read before the rings are: what comes meanwhile is later than this.
        let now = wall();
        self.is_behind = self.take(take);
        let through = now.as_nanos().saturating_sub_unsigned(LATE_NS);
        let idle = Reading::Idle(Timestamp::from_nanos(through));
        Ok(if self.is_behind { Reading::More } else { idle })
    }

    fn stop(&mut self) -> bool {
        self.ending.get_or_insert_with(|| {
            let now = monotonic();
            (now + LINGER, now + LINGER_MAX)
        });
        true
    }

    fn missed(&mut self) -> Missed {
        for number in 0..self.members.len() {
            self.count(number);
        }
        self.look_at_switches();
        let sum = |counter: fn(&InterfaceCounts) -> u64| {
            self.counts.iter().map(counter).fold(0, u64::saturating_add)
        };
        Missed {
            kernel: sum(|counts| InterfaceCounts::get(&counts.dropped_by_kernel)),
            interface: sum(|counts| InterfaceCounts::get(&counts.dropped_by_interface)),
        }
    }
}

impl Interface {
    fn open(name: &str, settings: &Settings) -> Result<Self, SourceError> {
        let ring = Ring::open(name, settings)?;
        let driver = Driver::of(name);
        let latest = Timestamp::MIN;
        Ok(Self { name: name.to_owned(), state: State::Open(ring), driver, latest, is_up: true })
    }

    const fn ring(&self) -> Option<&Ring> {
        match &self.state {
            State::Open(ring) | State::Failing { ring, .. } => Some(ring),
            State::Lost { .. } => None,
        }
    }

    const fn has_ring(&self) -> bool {
        self.ring().is_some()
    }

    fn read(
        &mut self,
        frames_max: usize,
        take: &mut impl FnMut(&Frame<'_>),
    ) -> Result<usize, String> {
        let Self { state, latest, .. } = self;
        let (State::Open(ring) | State::Failing { ring, .. }) = state else { return Ok(0) };
        ring.read(frames_max, &mut |frame: &Frame<'_>| {
            *latest = frame.at.max(*latest);
            take(frame);
        })
    }
}

/// How long a ring of so many bytes may fill undisturbed: until it is half full at the worst.
fn gathering(ring_bytes: usize) -> Duration {
    let half = ring_bytes as u64 / 2;
    let nanos = u128::from(half) * 1_000_000_000 / u128::from(GATHERED_BYTES_PER_SECOND);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)).min(GATHER_MAX)
}

/// A wait of less than a second, for the kernel.
fn timespec(time: Duration) -> Timespec {
    Timespec { tv_sec: 0, tv_nsec: i64::from(time.subsec_nanos()) }
}

/// A clock that only goes on, for waiting.
#[expect(clippy::disallowed_methods, reason = "this file is where clocks are read")]
fn monotonic() -> Instant {
    Instant::now()
}

/// The clock that the kernel stamps frames by.
#[expect(clippy::disallowed_methods, reason = "this file is where clocks are read")]
fn wall() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let nanos = since_epoch.unwrap_or_default().as_nanos();
    Timestamp::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_rings_are_not_left_to_overflow() {
        let check = |ring_bytes, micros| {
            assert_eq!(gathering(ring_bytes), Duration::from_micros(micros), "{ring_bytes}");
        };
        check(0, 0);
        check(1_250_000, 100);
        check(12_500_000, 1000);
        check(64 << 20, 4000);
        check(1 << 30, 4000);
    }
}
