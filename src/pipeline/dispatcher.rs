//! From frames to packets and ticks: what is read, what of it is captured, and how time goes on.

#![expect(clippy::inline_always, reason = "each frame comes through: calls would copy the packet")]

use std::sync::atomic::Ordering;

use crate::decode::Decoder;
use crate::flow::FlowKey;
use crate::ledger::{Ledger, Skip};
use crate::limits::{FLOW_IDLE_NS, SHARDS};
use crate::packet::{Frame, Packet};
use crate::pipeline::run::{FrameFilter, Options, Watch};
use crate::source::{Reading, Source, SourceError};
use crate::time::Timestamp;

/// How often flows that are over by time are looked for, in nanoseconds of packet time.
const TICK_NS: u64 = 1_000_000_000;

/// How long packets may wait for the company of others while some keep coming, in nanoseconds: a
/// worker that is woken for each few takes longer to wake than to work.
const HOLD_NS: u64 = 10_000_000;

/// What takes the packets.
pub(super) trait Taker {
    /// Takes a packet.
    fn packet(&mut self, packet: &Packet<'_>);

    /// Learns that packet time has come to `now`, about once a second of it.
    fn tick(&mut self, now: Timestamp);

    /// Hands on what is held back for company: nothing is coming, or it has waited long enough.
    fn flush(&mut self) {}
}

/// Lets the packets through that are captured, and accounts for the frames.
struct Gate<'r> {
    options: &'r Options,
    ledger: Ledger,
    /// How many shards of flows are captured; the packets of the others are dropped here.
    shards: usize,
}

impl Gate<'_> {
    #[inline(always)]
    fn packet(&mut self, packet: &Packet<'_>, taker: &mut impl Taker) {
        if self.options.ports.as_ref().is_some_and(|ports| !ports.watch(packet)) {
            return self.ledger.skip(Skip::Filtered);
        }
        if self.shards < SHARDS {
            let (key, _) = FlowKey::between(&packet.source, &packet.target);
            if key.shard() >= self.shards {
                self.ledger.frames.dropped += 1;
                return;
            }
        }
        self.ledger.frames.packets += 1;
        taker.packet(packet);
    }
}

/// Turns frames into packets and ticks, and accounts for the frames.
pub(super) struct Dispatcher<'r> {
    gate: Gate<'r>,
    filter: Option<FrameFilter<'r>>,
    watch: &'r Watch,
    decoder: Decoder,
    bytes: u64,
    /// Times of the earliest and the latest frame, the one after the other while there is none.
    span: (Timestamp, Timestamp),
    /// How far time has come: to the latest frame, or beyond it where the source says so.
    now: Timestamp,
    tick_at: Timestamp,
    /// A stamp far ahead of all others, until another confirms it.
    leapt_to: Option<Timestamp>,
    /// Whether a tick was given since the source was last asked for what it lost.
    has_ticked: bool,
    /// When what was held back was handed on last, as the source tells the time.
    flushed_at: Timestamp,
}

impl<'r> Dispatcher<'r> {
    pub(super) fn new(
        options: &'r Options,
        filter: Option<FrameFilter<'r>>,
        watch: &'r Watch,
    ) -> Self {
        Self {
            gate: Gate { options, ledger: Ledger::default(), shards: SHARDS },
            filter,
            watch,
            decoder: Decoder::new(),
            bytes: 0,
            span: (Timestamp::MAX, Timestamp::MIN),
            now: Timestamp::MIN,
            tick_at: Timestamp::MIN,
            leapt_to: None,
            has_ticked: false,
            flushed_at: Timestamp::MIN,
        }
    }

    pub(super) fn span(&self) -> Option<(Timestamp, Timestamp)> {
        (self.span.0 <= self.span.1).then_some(self.span)
    }

    /// Reads to the end, and says what could not be read and when the end was.
    pub(super) fn read<S: Source>(
        &mut self,
        source: &mut S,
        taker: &mut impl Taker,
    ) -> (Vec<SourceError>, Timestamp) {
        let mut errors = Vec::new();
        let mut is_stopping = false;
        loop {
            match source.read(&mut |frame| self.take(frame, taker)) {
                Ok(Reading::More) => {}
                Ok(Reading::Idle(through)) => {
                    if self.is_flush_due(through) {
                        taker.flush();
                    }
                    self.advance(through, taker);
                }
                Ok(Reading::End) => break,
                Err(error) => errors.push(error),
            }
            if std::mem::take(&mut self.has_ticked) {
                self.look_for_loss(source);
            }
            if self.look() && !std::mem::replace(&mut is_stopping, true) && !source.stop() {
                break;
            }
        }
        self.look();
        let end = if self.now == Timestamp::MIN { Timestamp::default() } else { self.now };
        (errors, end)
    }

    /// Brings the watch up to date; whether the run is to stop.
    fn look(&self) -> bool {
        self.watch.frames.store(self.gate.ledger.frames.seen, Ordering::Relaxed);
        self.watch.packets.store(self.gate.ledger.frames.packets, Ordering::Relaxed);
        self.watch.bytes.store(self.bytes, Ordering::Relaxed);
        self.watch.stop.load(Ordering::Relaxed)
    }

    /// Whether what is held back for company goes on `now`: it has waited, or the clock stepped.
    fn is_flush_due(&mut self, now: Timestamp) -> bool {
        let is_due = now < self.flushed_at || now.since(self.flushed_at) >= HOLD_NS;
        if is_due {
            self.flushed_at = now;
        }
        is_due
    }

    #[inline(always)]
    fn take(&mut self, frame: &Frame<'_>, taker: &mut impl Taker) {
        self.bytes += frame.bytes.len() as u64;
        self.gate.ledger.frames.seen += 1;
        let (earliest, latest) = &mut self.span;
        *earliest = frame.at.min(*earliest);
        *latest = frame.at.max(*latest);
        self.advance(frame.at, taker);
        self.frame(frame, taker);
    }

    fn look_for_loss<S: Source>(&self, source: &mut S) {
        let missed = source.missed();
        self.watch.missed_by_kernel.store(missed.kernel, Ordering::Relaxed);
        self.watch.missed_by_interface.store(missed.interface, Ordering::Relaxed);
        self.watch.account(0, &Ledger { missed, ..self.gate.ledger.clone() });
    }

    /// Moves time on, never back, and ticks where a second of it has passed. A leap that would
    /// expire flows needs a second stamp to confirm it: one wrong stamp must not end them all.
    #[inline]
    fn advance(&mut self, at: Timestamp, taker: &mut impl Taker) {
        // A tick is never further off than a second.
        if at < self.tick_at {
            self.leapt_to = None;
            self.now = at.max(self.now);
        } else {
            self.stride(at, taker);
        }
    }

    /// Moves time on to the next tick, or by a leap.
    #[cold]
    fn stride(&mut self, at: Timestamp, taker: &mut impl Taker) {
        if at.since(self.now) >= FLOW_IDLE_NS && self.now != Timestamp::MIN {
            let leapt_to = self.leapt_to.replace(at);
            if leapt_to.is_none_or(|before| before.since(at).max(at.since(before)) >= FLOW_IDLE_NS)
            {
                return;
            }
        }
        self.leapt_to = None;
        self.now = at.max(self.now);
        if self.now >= self.tick_at {
            self.tick_at = self.now.plus(TICK_NS);
            self.has_ticked = true;
            self.gate.shards = self.watch.reduction().shards();
            taker.tick(self.now);
        }
    }

    #[inline(always)]
    fn frame(&mut self, frame: &Frame<'_>, taker: &mut impl Taker) {
        if self.filter.is_some_and(|passes| !passes(frame)) {
            self.gate.ledger.skip(Skip::Filtered);
            return;
        }
        match Decoder::plain(frame) {
            Some(packet) => self.gate.packet(&packet, taker),
            None => self.odd_frame(frame, taker),
        }
    }

    /// Takes a frame that is not as nearly all are. Apart from the others, so that of those the
    /// compiler knows that they are IPv4.
    #[inline(never)]
    fn odd_frame(&mut self, frame: &Frame<'_>, taker: &mut impl Taker) {
        let Self { decoder, gate, .. } = self;
        match decoder.decode_layers(frame) {
            Ok(packet) => gate.packet(&packet, taker),
            Err(reason) => gate.ledger.skip(reason),
        }
    }

    /// Adds what the frames came to.
    pub(super) fn account<S: Source>(&mut self, source: &mut S, ledger: &mut Ledger) {
        let lost = self.decoder.finish();
        let skipped = &mut self.gate.ledger.frames.skipped;
        if let Some(waiting) = skipped.get_mut(Skip::Fragment as usize) {
            *waiting = waiting.saturating_sub(lost);
        }
        if let Some(gone) = skipped.get_mut(Skip::FragmentLost as usize) {
            *gone += lost;
        }
        *ledger += &self.gate.ledger;
        ledger.missed = source.missed();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seldom_packets_are_handed_on_at_once_and_frequent_ones_together() {
        let check = |idle_at_ms: &[i64], flushed_at_ms: &[i64]| {
            let (options, watch) = (Options::default(), Watch::default());
            let mut dispatcher = Dispatcher::new(&options, None, &watch);
            let at = |ms: i64| Timestamp::from_nanos(ms * 1_000_000);
            let flushed: Vec<i64> =
                idle_at_ms.iter().copied().filter(|&ms| dispatcher.is_flush_due(at(ms))).collect();
            assert_eq!(flushed, flushed_at_ms, "{idle_at_ms:?}");
        };
        check(&[0, 10, 20, 500], &[0, 10, 20, 500]);
        check(&[0, 4, 8, 12, 16, 20, 24], &[0, 12, 24]);
        // The clock stepped back by an hour: nothing waits for it to come round.
        check(&[3_600_000, 1, 5, 11], &[3_600_000, 1, 11]);
    }
}
