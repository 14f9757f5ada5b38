//! Which exchanges of a store are other ends' copies of exchanges that count.

use std::collections::HashMap;

use foldhash::fast::RandomState;

/// Where an exchange stands in a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Spot {
    /// Which segment of the store.
    pub(super) segment: u32,
    /// Which of its readable blocks.
    pub(super) block: u32,
    pub(super) row: u16,
}

/// Exchanges that are left out, because another copy of each counts: a bit a row.
#[derive(Clone, Debug, Default)]
pub struct Copies {
    segments: HashMap<u32, HashMap<u32, Vec<u64>, RandomState>, RandomState>,
    count: u64,
}

impl Copies {
    /// How many are left out.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Leaves an exchange out; `false` where it was already.
    pub(super) fn add(&mut self, Spot { segment, block, row }: Spot) -> bool {
        let bits = self.segments.entry(segment).or_default().entry(block).or_default();
        let word = usize::from(row / 64);
        if bits.len() <= word {
            bits.resize(word + 1, 0);
        }
        let is_new = bits.get_mut(word).is_some_and(|word| {
            let before = std::mem::replace(word, *word | 1 << (row % 64));
            before != *word
        });
        self.count += u64::from(is_new);
        is_new
    }

    /// Those of one segment of the store; `None` where it has none.
    pub(in crate::query) fn of_segment(&self, segment: usize) -> Option<Left<'_>> {
        let segment = u32::try_from(segment).ok()?;
        self.segments.get(&segment).map(Left)
    }
}

/// What is left out of one segment.
#[derive(Clone, Copy, Debug)]
pub(in crate::query) struct Left<'c>(&'c HashMap<u32, Vec<u64>, RandomState>);

impl Left<'_> {
    /// Whether that row of a block is left out.
    pub(in crate::query) fn has(self, block: usize, row: usize) -> bool {
        let bits = u32::try_from(block).ok().and_then(|block| self.0.get(&block));
        bits.and_then(|bits| bits.get(row / 64)).is_some_and(|word| word & 1 << (row % 64) != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_left_out_and_nothing_else() {
        let mut copies = Copies::default();
        let spot = |row| Spot { segment: 3, block: 7, row };
        let rows = [0_u16, 63, 64, 16_383];
        assert!(rows.iter().all(|&row| copies.add(spot(row))));
        assert!(!copies.add(spot(63)));
        assert_eq!(copies.count(), 4);
        let left = copies.of_segment(3).expect("some");
        for row in 0..16_384_u16 {
            assert_eq!(left.has(7, row.into()), rows.contains(&row), "{row}");
        }
        assert!(!left.has(6, 0) && copies.of_segment(2).is_none());
    }
}
