//! A table of flow states in bounded room: find, open, expire, evict; it knows nothing of states.

use hashbrown::HashTable;

use crate::flow::key::{FlowKey, KeyHash};
use crate::time::Timestamp;

/// Where a flow lies in its table; valid until the flow is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SlotId(u32);

/// No slot: the end of a list.
const NONE: u32 = u32::MAX;

/// How much later than its place in the idle order a flow must have been seen before it is
/// moved there, in nanoseconds: moving touches two neighbours, and once a second is enough.
const RELINK_NS: u64 = 1_000_000_000;

/// What each packet needs of a flow: one cache line, where the state is boxed.
#[derive(Debug)]
#[repr(align(64))]
struct Slot<S> {
    key: FlowKey,
    state: Option<S>,
    seen_at: Timestamp,
    linked_at: Timestamp,
}

/// Where a flow stands in the idle order, and its hash.
#[derive(Debug)]
struct Link {
    hash: KeyHash,
    older: u32,
    newer: u32,
}

/// Flow states by key, with the order in which they were last seen.
///
/// At most `flows_max` flows: [`open`](Self::open) asks the caller to make room first.
#[derive(Debug)]
pub struct FlowTable<S> {
    index: HashTable<u32>,
    slots: Vec<Slot<S>>,
    /// One for each slot.
    links: Vec<Link>,
    free: Vec<u32>,
    oldest: u32,
    newest: u32,
    flows_max: usize,
}

impl<S> FlowTable<S> {
    /// An empty table for at most `flows_max` flows (at least one).
    #[must_use]
    pub fn new(flows_max: usize) -> Self {
        Self {
            index: HashTable::new(),
            slots: Vec::new(),
            links: Vec::new(),
            free: Vec::new(),
            oldest: NONE,
            newest: NONE,
            flows_max: flows_max.clamp(1, NONE as usize - 1),
        }
    }

    /// How many flows it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Whether a flow must go before another can be opened.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len() >= self.flows_max
    }

    /// Where the flow of `key` lies, if it is here.
    #[inline]
    #[must_use]
    pub fn find(&self, hash: KeyHash, key: &FlowKey) -> Option<SlotId> {
        let is_of = |&at: &u32| self.slots.get(at as usize).is_some_and(|slot| slot.key == *key);
        self.index.find(hash.0, is_of).map(|&at| SlotId(at))
    }

    /// Notes that the flow of `key` was seen at `at`, if it is here: where it lies, its state, and
    /// when it was seen last before.
    #[inline]
    pub fn see(
        &mut self,
        hash: KeyHash,
        key: &FlowKey,
        at: Timestamp,
    ) -> Option<(SlotId, &mut S, Timestamp)> {
        let id = self.find(hash, key)?;
        let slot = self.slots.get(id.0 as usize)?;
        let before = slot.seen_at;
        if at.is_later(slot.linked_at, RELINK_NS) {
            self.refresh(id.0, at);
        }
        let slot = self.slots.get_mut(id.0 as usize)?;
        slot.seen_at = at.max(before);
        slot.state.as_mut().map(|state| (id, state, before))
    }

    /// Lends a flow's state.
    pub fn get_mut(&mut self, id: SlotId) -> Option<(&FlowKey, &mut S)> {
        let slot = self.slots.get_mut(id.0 as usize)?;
        slot.state.as_mut().map(|state| (&slot.key, state))
    }

    /// Opens a flow, of which [`find`](Self::find) finds none. `None` where the table is full.
    pub fn open(
        &mut self,
        hash: KeyHash,
        key: FlowKey,
        at: Timestamp,
        state: S,
    ) -> Option<(SlotId, &mut S)> {
        if self.is_full() {
            return None;
        }
        let slot = Slot { key, state: Some(state), seen_at: at, linked_at: at };
        let link = Link { hash, older: NONE, newer: NONE };
        let place = if let Some(place) = self.free.pop() {
            *self.slots.get_mut(place as usize)? = slot;
            *self.links.get_mut(place as usize)? = link;
            place
        } else {
            let place = u32::try_from(self.slots.len()).ok()?;
            self.slots.push(slot);
            self.links.push(link);
            place
        };
        self.link_newest(place);
        let Self { index, links, .. } = self;
        index.insert_unique(hash.0, place, |&at| {
            links.get(at as usize).map_or(0, |link| link.hash.0)
        });
        let state = self.slots.get_mut(place as usize)?.state.as_mut()?;
        Some((SlotId(place), state))
    }

    /// Takes a flow out.
    pub fn remove(&mut self, id: SlotId) -> Option<(FlowKey, S)> {
        let slot = self.slots.get_mut(id.0 as usize)?;
        let state = slot.state.take()?;
        let key = slot.key;
        let hash = self.links.get(id.0 as usize)?.hash;
        self.unlink(id.0);
        if let Ok(entry) = self.index.find_entry(hash.0, |&at| at == id.0) {
            entry.remove();
        }
        self.free.push(id.0);
        Some((key, state))
    }

    /// Takes out the flow that was seen least recently if it was last seen before `limit`.
    pub fn expire(&mut self, limit: Timestamp) -> Option<(FlowKey, S)> {
        let oldest = self.settle_oldest()?;
        let seen_at = self.slots.get(oldest as usize)?.seen_at;
        if seen_at < limit { self.remove(SlotId(oldest)) } else { None }
    }

    /// Takes out the flow that was seen least recently (to within a second).
    pub fn evict(&mut self) -> Option<(FlowKey, S)> {
        let oldest = self.settle_oldest()?;
        self.remove(SlotId(oldest))
    }

    /// Takes out every flow, the least recently seen first.
    pub fn drain(&mut self) -> impl Iterator<Item = (FlowKey, S)> + '_ {
        std::iter::from_fn(|| self.remove(SlotId(self.oldest)))
    }

    /// The oldest place whose flow has not been seen since it was put there; flows that were
    /// seen later are moved to their true place on the way.
    fn settle_oldest(&mut self) -> Option<u32> {
        for _ in 0..=self.len() {
            let slot = self.slots.get(self.oldest as usize)?;
            if slot.seen_at <= slot.linked_at {
                break;
            }
            self.relink(self.oldest);
        }
        (self.oldest != NONE).then_some(self.oldest)
    }

    /// Moves a flow to its true place, which is that of a flow seen at `at`, if that is later.
    #[cold]
    fn refresh(&mut self, place: u32, at: Timestamp) {
        if let Some(slot) = self.slots.get_mut(place as usize)
            && at > slot.seen_at
        {
            slot.seen_at = at;
            self.relink(place);
        }
    }

    fn relink(&mut self, place: u32) {
        self.unlink(place);
        if let Some(slot) = self.slots.get_mut(place as usize) {
            slot.linked_at = slot.seen_at;
        }
        self.link_newest(place);
    }

    fn link_newest(&mut self, place: u32) {
        let newest = self.newest;
        if let Some(link) = self.links.get_mut(place as usize) {
            link.older = newest;
            link.newer = NONE;
        }
        match self.links.get_mut(newest as usize) {
            Some(before) => before.newer = place,
            None => self.oldest = place,
        }
        self.newest = place;
    }

    fn unlink(&mut self, place: u32) {
        let Some(&Link { older, newer, .. }) = self.links.get(place as usize) else { return };
        match self.links.get_mut(older as usize) {
            Some(link) => link.newer = newer,
            None => self.oldest = newer,
        }
        match self.links.get_mut(newer as usize) {
            Some(link) => link.older = older,
            None => self.newest = older,
        }
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

    fn seconds(n: u64) -> Timestamp {
        Timestamp::MIN.plus(0).max(Timestamp::from_nanos(0)).plus(n * 1_000_000_000)
    }

    /// A table and the hashes of its keys.
    struct Hashed<S>(FlowTable<S>, KeyHasher);

    impl<S> Hashed<S> {
        fn new(flows_max: usize) -> Self {
            Self(FlowTable::new(flows_max), KeyHasher::default())
        }

        fn find(&self, key: &FlowKey) -> Option<SlotId> {
            self.0.find(self.1.hash(key), key)
        }

        fn see(&mut self, key: &FlowKey, at: Timestamp) -> Option<(SlotId, &mut S, Timestamp)> {
            self.0.see(self.1.hash(key), key, at)
        }

        fn open(&mut self, key: FlowKey, at: Timestamp, state: S) -> Option<(SlotId, &mut S)> {
            self.0.open(self.1.hash(&key), key, at, state)
        }
    }

    #[test]
    fn a_full_table_refuses_and_evicts_the_longest_idle() {
        let mut table = Hashed::new(2);
        table.open(key(1), seconds(0), 'a').unwrap();
        table.open(key(2), seconds(1), 'b').unwrap();
        assert!(table.0.is_full());
        assert!(table.open(key(3), seconds(2), 'c').is_none());
        table.see(&key(1), seconds(10)).unwrap();
        assert_eq!(table.0.evict().map(|(_, state)| state), Some('b'));
        assert!(table.open(key(3), seconds(11), 'c').is_some());
        assert_eq!(table.find(&key(2)), None);
    }

    #[test]
    fn expiry_takes_only_what_was_idle() {
        let mut table = Hashed::new(10);
        for n in 0..5 {
            table.open(key(n), seconds(u64::from(n)), n).unwrap();
        }
        assert_eq!(table.see(&key(2), seconds(100)).unwrap().2, seconds(2));
        let mut gone: Vec<u16> = Vec::new();
        while let Some((_, state)) = table.0.expire(seconds(50)) {
            gone.push(state);
        }
        assert_eq!(gone, [0, 1, 3, 4]);
        assert_eq!(table.0.drain().map(|(_, state)| state).collect::<Vec<_>>(), [2]);
        assert!(table.0.is_empty());
    }

    proptest! {
        /// Against a plain map: the same flows are found whatever was opened and removed.
        #[test]
        fn behaves_as_a_map(steps in proptest::collection::vec((0_u16..20, 0_u8..4), 0..200)) {
            let mut table = Hashed::new(12);
            let mut model = std::collections::HashMap::new();
            for (n, (port, step)) in (0_u64..).zip(steps) {
                let at = seconds(n);
                match (step, table.find(&key(port))) {
                    (0, Some(id)) => {
                        prop_assert_eq!(table.0.remove(id).map(|(_, s)| s), model.remove(&port));
                    }
                    (_, Some(found)) => {
                        let seen = table.see(&key(port), at).map(|(id, state, _)| (id, *state));
                        prop_assert_eq!(seen, Some((found, model[&port])));
                    }
                    (_, None) => {
                        prop_assert!(!model.contains_key(&port));
                        let opened = table.open(key(port), at, n).is_some();
                        prop_assert_eq!(opened, model.len() < 12);
                        if opened {
                            model.insert(port, n);
                        }
                    }
                }
                prop_assert_eq!(table.0.len(), model.len());
            }
            let mut left: Vec<u64> = table.0.drain().map(|(_, state)| state).collect();
            left.sort_unstable();
            let mut expected: Vec<u64> = model.into_values().collect();
            expected.sort_unstable();
            prop_assert_eq!(left, expected);
        }
    }
}
