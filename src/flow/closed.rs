//! What is remembered of flows that are over, in bounded room and for a bounded time.

use crate::flow::key::{FlowKey, KeyHash};
use crate::prefetch;
use crate::time::Timestamp;

/// How many flows one set remembers.
const SET_FLOWS: usize = 16;

#[derive(Debug)]
struct Entry<S> {
    key: FlowKey,
    closed_at: Timestamp,
    state: S,
}

/// Some of the flows, which ones depends on their endpoints alone, so that every run forgets the
/// same: one cache line.
#[derive(Debug)]
#[repr(align(64))]
struct Set<S> {
    /// Bits of the hash of each entry; [`NOBODY`] where there is none.
    tags: [u16; SET_FLOWS],
    /// In the order of their closing, from the oldest on and round.
    entries: Vec<Entry<S>>,
    oldest: usize,
}

/// No hash has this tag.
const NOBODY: u16 = 0;

/// States of closed flows by key.
///
/// They are looked for with each flow that opens, which is mostly not among them, and lie in much
/// more memory than a processor keeps at hand: so tags tell what is not there, in little
/// room, and a flow takes the place of the oldest one of a small set.
#[derive(Debug)]
pub struct ClosedFlows<S> {
    sets: Vec<Set<S>>,
    /// How long a flow is remembered, in nanoseconds.
    keep_ns: u64,
}

impl<S> ClosedFlows<S> {
    /// Remembers each flow for `keep_ns` nanoseconds, or until sixteen others of its set were closed;
    /// at most `flows_max` in all, rounded to a power of two of at least sixteen.
    #[must_use]
    pub fn new(flows_max: usize, keep_ns: u64) -> Self {
        let count = (flows_max / SET_FLOWS).next_power_of_two();
        let set = || Set { tags: [NOBODY; SET_FLOWS], entries: Vec::new(), oldest: 0 };
        Self { sets: (0..count).map(|_| set()).collect(), keep_ns }
    }

    /// What is remembered at the time `now` of the flow of `key`.
    #[must_use]
    pub fn get(&self, hash: KeyHash, key: &FlowKey, now: Timestamp) -> Option<&S> {
        let set = self.sets.get(key.part(self.sets.len()))?;
        let Some(entry) = set.find(hash, key).and_then(|place| set.entries.get(place)) else {
            // Where the flow that opens now will be remembered.
            set.entries.get(set.oldest).inspect(|entry| prefetch::all_of(*entry));
            return None;
        };
        (now.since(entry.closed_at) <= self.keep_ns).then_some(&entry.state)
    }

    /// Remembers a flow that was closed at `at`, instead of any other of that key.
    pub fn remember(&mut self, hash: KeyHash, key: FlowKey, at: Timestamp, state: S) {
        let Some(set) = self.set_mut(&key) else { return };
        set.forget(hash, &key);
        let entry = Entry { key, closed_at: at, state };
        if set.entries.len() < SET_FLOWS {
            set.oldest = set.entries.len();
            set.entries.push(entry);
        } else if let Some(oldest) = set.entries.get_mut(set.oldest) {
            *oldest = entry;
        }
        if let Some(free) = set.tags.get_mut(set.oldest) {
            *free = tag(hash);
        }
        set.oldest = (set.oldest + 1) % SET_FLOWS;
    }

    /// Forgets the flow of `key`: its endpoints serve another.
    pub fn forget(&mut self, hash: KeyHash, key: &FlowKey) {
        if let Some(set) = self.set_mut(key) {
            set.forget(hash, key);
        }
    }

    fn set_mut(&mut self, key: &FlowKey) -> Option<&mut Set<S>> {
        let place = key.part(self.sets.len());
        self.sets.get_mut(place)
    }
}

impl<S> Set<S> {
    /// Where the entry of `key` lies.
    fn find(&self, hash: KeyHash, key: &FlowKey) -> Option<usize> {
        let tag = tag(hash);
        let alike = self.tags.iter().enumerate();
        let mut alike = alike.fold(0_u16, |all, (place, it)| all | u16::from(*it == tag) << place);
        while alike != 0 {
            let place = alike.trailing_zeros() as usize;
            if self.entries.get(place).is_some_and(|entry| entry.key == *key) {
                return Some(place);
            }
            alike &= alike - 1;
        }
        None
    }

    fn forget(&mut self, hash: KeyHash, key: &FlowKey) {
        if let Some(place) = self.find(hash, key)
            && let Some(tag) = self.tags.get_mut(place)
        {
            *tag = NOBODY;
        }
    }
}

/// Bits of a hash.
const fn tag(hash: KeyHash) -> u16 {
    (hash.0 >> 48) as u16 | 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::KeyHasher;
    use crate::packet::Endpoint;
    use proptest::prelude::*;

    const KEEP_NS: u64 = 50;

    fn key(n: u16) -> FlowKey {
        FlowKey::between(&Endpoint::v4([1, 2, 3, 4], n), &Endpoint::v4([1, 2, 3, 5], 80)).0
    }

    proptest! {
        /// Against a plain list in the order of closing.
        #[test]
        fn a_set_remembers_as_a_list_does(
            steps in proptest::collection::vec((0_u16..24, 0_u8..6, 0_i64..5), 0..300),
        ) {
            let hasher = KeyHasher::default();
            let hashed = |port| (hasher.hash(&key(port)), key(port));
            let mut closed = ClosedFlows::new(SET_FLOWS, KEEP_NS);
            // Ports, none of them where forgotten: a forgotten flow keeps its place.
            let mut model: Vec<(Option<u16>, i64)> = Vec::new();
            let mut now = 0;
            for (port, step, pause) in steps {
                now += pause;
                let (hash, key) = hashed(port);
                for known in model.iter_mut().filter(|(known, _)| *known == Some(port)) {
                    known.0 = None;
                }
                if step == 0 {
                    closed.forget(hash, &key);
                } else {
                    closed.remember(hash, key, Timestamp::from_nanos(now), now);
                    if model.len() == SET_FLOWS {
                        model.remove(0);
                    }
                    model.push((Some(port), now));
                }
                for port in 0..24 {
                    let (hash, key) = hashed(port);
                    let expected = model.iter().find(|(known, closed_at)| {
                        *known == Some(port) && now.abs_diff(*closed_at) <= KEEP_NS
                    });
                    let found = closed.get(hash, &key, Timestamp::from_nanos(now));
                    prop_assert_eq!(found, expected.map(|(_, at)| at));
                }
            }
        }
    }

    #[test]
    fn every_run_forgets_the_same() {
        let known = || -> Vec<u16> {
            let hasher = KeyHasher::default();
            let mut closed = ClosedFlows::new(64, KEEP_NS);
            for port in 0..500 {
                closed.remember(hasher.hash(&key(port)), key(port), Timestamp::default(), ());
            }
            let get = |port| closed.get(hasher.hash(&key(port)), &key(port), Timestamp::default());
            (0..500).filter(|&port| get(port).is_some()).collect()
        };
        assert_eq!(known().len(), 64);
        assert_eq!(known(), known());
    }

    #[test]
    fn sets_are_filled_alike() {
        let hasher = KeyHasher::default();
        let mut closed = ClosedFlows::new(1024, KEEP_NS);
        for port in 0..2048 {
            closed.remember(hasher.hash(&key(port)), key(port), Timestamp::default(), port);
        }
        let is_known = |port: &u16| {
            closed.get(hasher.hash(&key(*port)), &key(*port), Timestamp::default()) == Some(port)
        };
        // A flow among the last 256 is gone only where 16 of them share its set: of 64 sets, 4.
        let known = (2048 - 256..2048).filter(is_known).count();
        assert!(known > 250, "{known} of the last 256");
        let known = (0..2048).filter(is_known).count();
        assert!((800..=1024).contains(&known), "{known} of all");
    }
}
