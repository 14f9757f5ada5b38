//! What is remembered of flows that are over, in bounded room and for a bounded time.

use std::collections::VecDeque;

use hashbrown::HashTable;

use crate::flow::key::{FlowKey, KeyHash};
use crate::time::Timestamp;

#[derive(Debug)]
struct Entry<S> {
    key: FlowKey,
    closed_at: Timestamp,
    state: S,
}

/// States of closed flows by key, the oldest forgotten first.
///
/// They lie in the order of their closing, apart from the flows that are open: remembering and
/// forgetting go through memory in order, and the few flows at work stay in the cache. What is
/// needed to forget one lies apart from what is remembered of it, which is long out of the cache.
#[derive(Debug)]
pub struct ClosedFlows<S> {
    /// Numbers of entries, by key; an entry whose number is gone is forgotten.
    index: HashTable<u32>,
    entries: VecDeque<Entry<S>>,
    /// The hash of each entry's key.
    hashes: VecDeque<KeyHash>,
    /// The number of the first entry; numbers go round.
    first: u32,
    flows_max: usize,
}

impl<S> ClosedFlows<S> {
    /// Room for `flows_max` flows (at least one), none of them remembered yet.
    #[must_use]
    pub fn new(flows_max: usize) -> Self {
        Self {
            index: HashTable::new(),
            entries: VecDeque::new(),
            hashes: VecDeque::new(),
            first: 0,
            flows_max: flows_max.clamp(1, u32::MAX as usize),
        }
    }

    /// How many flows are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// What is remembered of the flow of `key`.
    #[must_use]
    pub fn get(&self, hash: KeyHash, key: &FlowKey) -> Option<&S> {
        let number = self.index.find(hash.0, |&number| self.is_of(number, key))?;
        self.entries.get(number.wrapping_sub(self.first) as usize).map(|entry| &entry.state)
    }

    /// Remembers a flow that was closed at `at`, instead of any other of that key; the one that
    /// was closed first is forgotten where there is no room.
    pub fn remember(&mut self, hash: KeyHash, key: FlowKey, at: Timestamp, state: S) {
        self.forget(hash, &key);
        if self.entries.len() >= self.flows_max {
            self.forget_first();
        }
        #[expect(clippy::cast_possible_truncation, reason = "the bound fits, and numbers go round")]
        let number = self.first.wrapping_add(self.entries.len() as u32);
        self.entries.push_back(Entry { key, closed_at: at, state });
        self.hashes.push_back(hash);
        let Self { index, hashes, first, .. } = self;
        index.insert_unique(hash.0, number, |number| {
            hashes.get(number.wrapping_sub(*first) as usize).map_or(0, |hash| hash.0)
        });
    }

    /// Forgets the flow of `key`: its endpoints serve another.
    pub fn forget(&mut self, hash: KeyHash, key: &FlowKey) {
        let Self { index, entries, first, .. } = self;
        let entry = |number: u32| entries.get(number.wrapping_sub(*first) as usize);
        let is_of = |&number: &u32| entry(number).is_some_and(|it| it.key == *key);
        if let Ok(found) = index.find_entry(hash.0, is_of) {
            found.remove();
        }
    }

    /// Forgets the flows that were closed before `limit`, up to the first that was not.
    pub fn forget_before(&mut self, limit: Timestamp) {
        while self.entries.front().is_some_and(|entry| entry.closed_at < limit) {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        let Some(hash) = self.hashes.pop_front() else { return };
        self.entries.pop_front();
        let number = self.first;
        self.first = number.wrapping_add(1);
        if let Ok(found) = self.index.find_entry(hash.0, |&it| it == number) {
            found.remove();
        }
    }

    fn is_of(&self, number: u32, key: &FlowKey) -> bool {
        let entry = self.entries.get(number.wrapping_sub(self.first) as usize);
        entry.is_some_and(|entry| entry.key == *key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::KeyHasher;
    use crate::packet::Endpoint;
    use proptest::prelude::*;

    fn key(n: u16) -> FlowKey {
        FlowKey::between(&Endpoint::v4([1, 2, 3, 4], n), &Endpoint::v4([1, 2, 3, 5], 80)).0
    }

    proptest! {
        /// Against a plain list in the order of closing, also where numbers go round.
        #[test]
        fn remembers_as_a_list_does(
            start in prop::sample::select(vec![0_u32, u32::MAX - 3]),
            steps in proptest::collection::vec((0_u16..9, 0_u8..6), 0..200),
        ) {
            let hasher = KeyHasher::default();
            let hashed = |port| (hasher.hash(&key(port)), key(port));
            let mut closed = ClosedFlows::new(5);
            closed.first = start;
            let mut model: Vec<(u16, i64)> = Vec::new();
            let mut room: Vec<(u16, i64)> = Vec::new();
            for (at, (port, step)) in (0_i64..).zip(steps) {
                match step {
                    0 => {
                        let (hash, key) = hashed(port);
                        closed.forget(hash, &key);
                        model.retain(|(known, _)| *known != port);
                    }
                    1 => {
                        closed.forget_before(Timestamp::from_nanos(at - 4));
                        model.retain(|(_, closed_at)| *closed_at >= at - 4);
                        room.retain(|(_, closed_at)| *closed_at >= at - 4);
                    }
                    _ => {
                        let (hash, key) = hashed(port);
                        closed.remember(hash, key, Timestamp::from_nanos(at), at);
                        model.retain(|(known, _)| *known != port);
                        // A forgotten flow keeps its place until its turn comes.
                        if room.len() == 5 {
                            let oldest = room.remove(0);
                            model.retain(|known| *known != oldest);
                        }
                        model.push((port, at));
                        room.push((port, at));
                    }
                }
                prop_assert_eq!(closed.len(), model.len());
                prop_assert_eq!(closed.is_empty(), model.is_empty());
                for port in 0..9 {
                    let expected = model.iter().find(|(known, _)| *known == port);
                    let (hash, key) = hashed(port);
                    prop_assert_eq!(closed.get(hash, &key), expected.map(|(_, at)| at));
                }
            }
        }
    }
}
