//! The groups of a block: what of them is counted, and the times that the segment's summary is to
//! sort in. A block holds few of a group, which are better listed than sorted in twice.

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::exchange::{Facts, State, Timing};
use crate::packet::Endpoint;
use crate::segment::summary::{GroupKey, GroupStats, Summary};

/// Server, positions of method and route among the block's names, and status class.
pub(super) type GroupPlace = (Endpoint, [u32; 2], u8);

/// Collects the groups of a block.
#[derive(Debug, Default)]
pub(super) struct GroupsBuilder {
    positions: HashMap<GroupPlace, usize, RandomState>,
    groups: Vec<(GroupPlace, Counted)>,
    times: Vec<Times>,
}

/// What is counted of a group.
#[derive(Clone, Debug, Default)]
struct Counted {
    stats: GroupStats,
    /// Position past its latest times; 0 where it has none.
    latest: usize,
}

/// The times of a complete exchange.
#[derive(Clone, Copy, Debug)]
struct Times {
    timing: Timing,
    /// Position past the times before these of the same group; 0 where there are none.
    before: usize,
}

/// The groups of a block that is to be appended.
#[derive(Clone, Debug, Default)]
pub(super) struct Groups {
    groups: Vec<(GroupKey, Counted)>,
    times: Vec<Times>,
}

impl GroupsBuilder {
    /// Adds one exchange.
    pub(super) fn record(&mut self, place: GroupPlace, facts: &Facts) {
        let known = self.groups.len();
        let position = *self.positions.entry(place).or_insert(known);
        if position == known {
            self.groups.push((place, Counted::default()));
        }
        let Some((_, counted)) = self.groups.get_mut(position) else { return };
        counted.stats.count(facts);
        if facts.state == State::Complete {
            self.times.push(Times { timing: facts.timing, before: counted.latest });
            counted.latest = self.times.len();
        }
    }

    /// The groups, whose keys `key` tells; it is empty afterwards.
    pub(super) fn finish(&mut self, key: impl Fn(GroupPlace) -> GroupKey) -> Groups {
        self.positions.clear();
        let groups = self.groups.drain(..).map(|(place, counted)| (key(place), counted));
        Groups { groups: groups.collect(), times: std::mem::take(&mut self.times) }
    }

    /// Takes the room of groups that are no longer needed for those to come.
    pub(super) fn reuse(&mut self, groups: Groups) {
        if self.times.capacity() == 0 {
            self.times = groups.times;
            self.times.clear();
        }
    }
}

impl Groups {
    /// Adds them to a summary.
    pub(super) fn add_to(&self, summary: &mut Summary) {
        for (key, counted) in &self.groups {
            let stats = summary.add(key, &counted.stats);
            let mut at = counted.latest;
            while let Some(times) = at.checked_sub(1).and_then(|at| self.times.get(at)) {
                stats.time(&times.timing);
                at = times.before;
            }
        }
    }
}
