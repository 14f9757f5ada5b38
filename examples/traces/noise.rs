//! Numbers that look random and are the same everywhere: no floating point is in them.

/// A generator (splitmix64, Steele, Lea and Flood 2014).
pub(crate) struct Noise(u64);

impl Noise {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0xd134_2543_de82_ef95))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to `bound` - 1.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// Whether one of so many percent.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// A size whose logarithm is about normal: 2 to the power of `least` and of how many of `tosses`
    /// coins fall on their heads, and up to as much again. Most are small, few are large.
    pub(crate) fn size(&mut self, least: u32, tosses: u32) -> u64 {
        let coins = self.next() & ((1 << tosses) - 1);
        let base = 1 << (least + coins.count_ones());
        base + self.below(base)
    }
}
