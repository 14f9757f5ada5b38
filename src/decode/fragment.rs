//! IP datagrams that came in fragments, put together (RFC 791 section 3.2, RFC 8200 section 4.5).

use std::ops::Range;

use super::ip::Addresses;
use super::view::View;
use crate::ledger::Skip;
use crate::limits::{
    FRAGMENT_BYTES_MAX, FRAGMENT_COPY_NS, FRAGMENT_WAIT_NS, FRAGMENTED_DATAGRAMS_MAX,
};
use crate::time::Timestamp;

/// Longest payload of a fragmented datagram, in bytes.
const DATAGRAM_BYTES_MAX: usize = 65_535;

/// What fragments of one datagram have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) addresses: Addresses,
    pub(super) id: u32,
    /// Part of the key in IPv4 only.
    pub(super) protocol: Option<u8>,
}

/// One fragment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    pub(super) key: Key,
    /// The protocol of the datagram's payload; in IPv6 that of the first fragment counts.
    pub(super) protocol: u8,
    /// Where in the datagram's payload it starts, in bytes.
    pub(super) offset: usize,
    pub(super) is_last: bool,
    pub(super) view: View<'a>,
}

/// A datagram's payload, complete.
pub(super) struct Whole {
    pub(super) addresses: Addresses,
    pub(super) protocol: u8,
    /// What was captured of it without a hole, from its start.
    pub(super) bytes: Vec<u8>,
    /// Its length on the wire.
    pub(super) wire: usize,
}

/// Stretches of a datagram's payload: sorted, apart from each other.
#[derive(Debug, Default)]
struct Stretches(Vec<Range<usize>>);

impl Stretches {
    /// Adds a stretch, and calls `new` with each part of it that was not there.
    fn add(&mut self, stretch: Range<usize>, mut new: impl FnMut(Range<usize>)) {
        if stretch.is_empty() {
            return;
        }
        let first = self.0.partition_point(|held| held.end < stretch.start);
        let mut merged = stretch.clone();
        let mut free_from = stretch.start;
        let mut after = first;
        for held in self.0.iter().skip(first).take_while(|held| held.start <= stretch.end) {
            if free_from < held.start {
                new(free_from..held.start);
            }
            free_from = free_from.max(held.end);
            merged = merged.start.min(held.start)..merged.end.max(held.end);
            after += 1;
        }
        if free_from < stretch.end {
            new(free_from..stretch.end);
        }
        self.0.splice(first..after, [merged]);
    }

    /// How far it reaches from 0 without a hole.
    fn reach(&self) -> usize {
        self.0.first().filter(|first| first.start == 0).map_or(0, |first| first.end)
    }

    /// What it costs to hold, in bytes.
    const fn cost(&self) -> usize {
        self.0.capacity() * size_of::<Range<usize>>()
    }
}

/// A datagram in the making, or one completed a moment ago.
#[derive(Debug)]
struct Datagram {
    key: Key,
    since: Timestamp,
    is_complete: bool,
    protocol: u8,
    /// Its length, once the last fragment came.
    end: Option<usize>,
    /// What the wire carried, and what of it was captured.
    seen: Stretches,
    held: Stretches,
    bytes: Vec<u8>,
    frames: u64,
}

impl Datagram {
    fn new(key: Key, since: Timestamp, protocol: u8) -> Self {
        Self {
            key,
            since,
            is_complete: false,
            protocol,
            end: None,
            seen: Stretches::default(),
            held: Stretches::default(),
            bytes: Vec::new(),
            frames: 0,
        }
    }

    /// Takes in what is new of a fragment: the first copy of a byte wins.
    fn place(&mut self, piece: &Piece<'_>) {
        let Self { bytes, held, .. } = self;
        self.frames += 1;
        if piece.offset == 0 {
            self.protocol = piece.protocol;
        }
        if piece.is_last && self.end.is_none() {
            self.end = Some(piece.offset + piece.view.wire);
        }
        self.seen.add(piece.offset..piece.offset + piece.view.wire, |_| {});
        let end = piece.offset + piece.view.bytes.len();
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        held.add(piece.offset..end, |new| {
            let from = new.start - piece.offset..new.end - piece.offset;
            if let (Some(to), Some(from)) = (bytes.get_mut(new), piece.view.bytes.get(from)) {
                to.copy_from_slice(from);
            }
        });
    }

    fn cost(&self) -> usize {
        self.bytes.capacity() + self.seen.cost() + self.held.cost()
    }

    /// The whole payload, once every byte of it was on the wire.
    fn complete(&mut self) -> Option<Whole> {
        let wire = self.end.filter(|&end| self.seen.reach() >= end)?;
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.truncate(self.held.reach().min(wire));
        (self.seen, self.held) = (Stretches::default(), Stretches::default());
        self.is_complete = true;
        Some(Whole { addresses: self.key.addresses, protocol: self.protocol, bytes, wire })
    }
}

/// The datagrams that wait for fragments: bounded in number, bytes and time.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    /// In the order of their first fragments.
    datagrams: Vec<Datagram>,
    bytes: usize,
    lost: u64,
}

impl Fragments {
    /// Takes in a fragment; gives the datagram that it completes.
    ///
    /// Otherwise gives why its frame is skipped: it waits, is a copy, or cannot be.
    pub(super) fn push(&mut self, at: Timestamp, piece: &Piece<'_>) -> Result<Whole, Skip> {
        let end = piece.offset + piece.view.wire;
        let is_odd = !piece.is_last && !piece.view.wire.is_multiple_of(8);
        if piece.view.wire == 0 || end > DATAGRAM_BYTES_MAX || is_odd {
            return Err(Skip::Malformed);
        }
        self.expire(at);
        let index = self.find(at, piece)?;
        let Some(datagram) = self.datagrams.get_mut(index) else { return Err(Skip::Fragment) };
        let before = datagram.cost();
        datagram.place(piece);
        let whole = datagram.complete();
        let after = datagram.cost();
        if whole.is_some() {
            datagram.since = at;
        }
        self.bytes = (self.bytes + after).saturating_sub(before);
        while self.bytes > FRAGMENT_BYTES_MAX && !self.datagrams.is_empty() {
            self.give_up(0);
        }
        whole.ok_or(Skip::Fragment)
    }

    /// The place of the fragment's datagram, made where there is none.
    fn find(&mut self, at: Timestamp, piece: &Piece<'_>) -> Result<usize, Skip> {
        if let Some(index) = self.datagrams.iter().position(|d| d.key == piece.key) {
            match self.datagrams.get(index) {
                Some(datagram) if !datagram.is_complete => return Ok(index),
                Some(datagram) if at.since(datagram.since) < FRAGMENT_COPY_NS => {
                    return Err(Skip::Copy);
                }
                // The identifier has come round: this is another datagram.
                _ => self.give_up(index),
            }
        }
        if self.datagrams.len() >= FRAGMENTED_DATAGRAMS_MAX {
            self.give_up(0);
        }
        self.datagrams.push(Datagram::new(piece.key, at, piece.protocol));
        Ok(self.datagrams.len() - 1)
    }

    /// Gives up what waited too long by packet time.
    fn expire(&mut self, at: Timestamp) {
        while self.datagrams.first().is_some_and(|d| at.since(d.since) > FRAGMENT_WAIT_NS) {
            self.give_up(0);
        }
    }

    fn give_up(&mut self, index: usize) {
        let datagram = self.datagrams.remove(index);
        self.bytes = self.bytes.saturating_sub(datagram.cost());
        if !datagram.is_complete {
            self.lost += datagram.frames;
        }
    }

    /// Gives up everything; how many frames were skipped as fragments whose datagrams never
    /// became whole, since the last call.
    pub(super) fn finish(&mut self) -> u64 {
        while !self.datagrams.is_empty() {
            self.give_up(self.datagrams.len() - 1);
        }
        std::mem::take(&mut self.lost)
    }

    /// How many datagrams are held, and how many bytes they cost.
    #[cfg(test)]
    pub(super) const fn held(&self) -> (usize, usize) {
        (self.datagrams.len(), self.bytes)
    }
}
