//! Bytes that are read from the front, a class of them at a time: how far the bytes of one reach.

#![expect(clippy::inline_always, reason = "what looks is compiled for each kind of processor")]

use crate::http::class::{Chunk, Look};

/// What is left of some bytes, to be read from the front.
#[derive(Clone, Copy)]
pub(super) struct Rest<'b, 'l> {
    pub(super) bytes: &'b [u8],
    /// The last of all the bytes: where fewer than a chunk are left they are looked at in it, so
    /// that none need be copied.
    last: &'l Chunk,
}

impl<'b, 'l> Rest<'b, 'l> {
    /// All of `bytes`; `room` is for a copy of them if they are fewer than a chunk has.
    #[inline(always)]
    pub(super) fn of(bytes: &'b [u8], room: &'l mut Chunk) -> Self
    where
        'b: 'l,
    {
        let last = bytes.last_chunk().unwrap_or_else(|| {
            *room = padded_before(bytes);
            room
        });
        Self { bytes, last }
    }

    /// The first `len` bytes, and what is left behind them; `None` where there are fewer.
    #[inline(always)]
    pub(super) fn split(self, len: usize) -> Option<(&'b [u8], Self)> {
        let (first, bytes) = self.bytes.split_at_checked(len)?;
        Some((first, Self { bytes, ..self }))
    }

    /// What is left behind the first `len` bytes; `None` where there are fewer.
    #[inline(always)]
    pub(super) fn behind(self, len: usize) -> Option<Self> {
        self.split(len).map(|(_, rest)| rest)
    }

    /// The first `N` bytes, and what is left behind them; `None` where there are fewer.
    #[inline(always)]
    pub(super) fn split_chunk<const N: usize>(self) -> Option<(&'b [u8; N], Self)> {
        let (first, bytes) = self.bytes.split_first_chunk()?;
        Some((first, Self { bytes, ..self }))
    }

    /// What is left behind `expected`; `None` where something else is first.
    #[inline(always)]
    pub(super) fn behind_of<const N: usize>(self, expected: &[u8; N]) -> Option<Self> {
        let (first, rest) = self.split_chunk()?;
        (first == expected).then_some(rest)
    }

    /// Which of the first bytes, up to a chunk of them, are not in a common name, and which are not
    /// in a value.
    #[inline(always)]
    pub(super) fn field_ends<L: Look>(self) -> (u32, u32) {
        match self.bytes.first_chunk() {
            Some(chunk) => (L::names(chunk), L::values(chunk)),
            None => (self.of_last(L::names(self.last)), self.of_last(L::values(self.last))),
        }
    }

    /// How many of the first bytes may be in a common name.
    #[inline(always)]
    pub(super) fn name_len<L: Look>(self) -> usize {
        self.run(L::names)
    }

    /// How many of the first bytes may be in a value.
    #[inline(always)]
    pub(super) fn value_len<L: Look>(self) -> usize {
        self.run(L::values)
    }

    /// How many of the first bytes may be in a target.
    #[inline(always)]
    pub(super) fn target_len<L: Look>(self) -> usize {
        self.run(L::targets)
    }

    /// How many of the first bytes have no bit.
    #[inline(always)]
    fn run(self, ends: impl Fn(&Chunk) -> u32) -> usize {
        let mut at = 0;
        let mut rest = self;
        while let Some((chunk, bytes)) = rest.bytes.split_first_chunk() {
            let found = ends(chunk);
            if found != 0 {
                return at + found.trailing_zeros() as usize;
            }
            at += chunk.len();
            rest = Self { bytes, ..self };
        }
        at + rest.bytes.len().min(rest.of_last(ends(self.last)).trailing_zeros() as usize)
    }

    /// The bits of the bytes that are left, of those that the last chunk has.
    #[inline(always)]
    fn of_last(self, bits: u32) -> u32 {
        let others = size_of::<Chunk>().saturating_sub(self.bytes.len());
        bits.unbounded_shr(u32::try_from(others).unwrap_or(u32::BITS))
    }
}

/// Fewer bytes than a chunk has, and before them zeros.
#[cold]
fn padded_before(bytes: &[u8]) -> Chunk {
    let mut chunk = [0; 32];
    let room = chunk.len().saturating_sub(bytes.len());
    if let Some(place) = chunk.get_mut(room..) {
        place.copy_from_slice(bytes);
    }
    chunk
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::class::{self, Looking, Narrow};

    /// Looks at what is left of some bytes for each of the classes.
    #[derive(Clone, Copy)]
    struct Lens<'b>(&'b [u8], usize);

    impl Looking for Lens<'_> {
        type Found = [usize; 5];

        fn look<L: Look>(self) -> [usize; 5] {
            let mut room = [0; 32];
            let rest = Rest::of(self.0, &mut room).behind(self.1).unwrap();
            let (names, values) = rest.field_ends::<L>();
            let ends = [names, values].map(|ends| ends.trailing_zeros() as usize);
            let lens = [rest.name_len::<L>(), rest.value_len::<L>(), rest.target_len::<L>()];
            [lens[0], lens[1], lens[2], ends[0], ends[1]]
        }
    }

    #[test]
    fn every_byte_at_every_place_is_classed_as_it_is_alone() {
        let classes: [fn(u8) -> bool; 3] =
            [class::is_name_byte, class::is_value_byte, class::is_target_byte];
        for (len, at) in [70, 31].into_iter().flat_map(|len| (0..len).map(move |at| (len, at))) {
            for (begin, byte) in [0, at / 2, at + 1]
                .into_iter()
                .flat_map(|begin| (0..=u8::MAX).map(move |byte| (begin, byte)))
            {
                let mut bytes = vec![b'a'; len];
                bytes[at] = byte;
                let left = len - begin;
                let runs =
                    classes.map(|has| if has(byte) || at < begin { left } else { at - begin });
                // What ends in the first chunk has its bit; of others none is within the bytes.
                let has_bit = |run: usize, bit: usize| match run {
                    run if run < left.min(32) => bit == run,
                    _ => bit >= left.min(32),
                };
                let lens = Lens(&bytes, begin);
                for found in [class::look(lens), lens.look::<Narrow>()] {
                    let [name, value, target, name_end, value_end] = found;
                    let case = format!("{byte:#04x} at {at} of {len} behind {begin}: {found:?}");
                    assert_eq!([name, value, target], runs, "{case}");
                    assert!(has_bit(name, name_end) && has_bit(value, value_end), "{case}");
                }
            }
        }
    }
}
