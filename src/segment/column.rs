//! Columns of numbers: each encoded in whichever of three ways is estimated to be smallest.
//!
//! ```text
//! constant    0, the value as varint
//! dictionary  1, distinct values less one (u8), each value's distance to the one before it as
//!             varint, ascending; then packed: for every row the position of its value (u8)
//! tokens      2, divisor's position in DIVISORS, plus 128 in a signed column (u8), varint length
//!             of packed, packed: a token for every row (u8); then the extra bits of every row,
//!             lowest first, to the end
//! packed      0 and the bytes, or 1 and the bytes as a zstd frame
//! ```
//!
//! Signed numbers are zigzag (0, -1, 1, -2, ...). A number is multiplied by the divisor after its
//! token and extra bits gave it: captures often have whole microseconds. Tokens 0 to 7 are the values 0 to 7; token `8 + 4 (e - 1) + m` is
//! `(4 + m) << e` plus `e` extra bits. The tokens say the magnitude and are compressed together;
//! the extra bits of measured times are noise, and noise is kept as it is.

use std::cell::RefCell;
use std::io;

use zstd::zstd_safe::{CParameter, ParamSwitch};

use crate::segment::cursor::{Cursor, Malformed, put_bytes, put_varint, unzigzag, zigzag};

const CONSTANT: u8 = 0;
const DICTIONARY: u8 = 1;
const TOKENS: u8 = 2;

const PLAIN: u8 = 0;
const ZSTD: u8 = 1;

/// What all values of a column may be multiples of: nothing, Windows' ticks of 100 ns, whole
/// microseconds, whole milliseconds.
const DIVISORS: [u64; 4] = [1, 100, 1_000, 1_000_000];

/// Marks the divisor of a signed column.
const SIGNED: u8 = 128;

/// Whether the numbers of a column are zigzag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// They are lengths, times or positions.
    Unsigned,
    /// They are differences.
    Signed,
}

/// Most distinct values of a dictionary: their positions are bytes.
const DISTINCT_MAX: usize = 256;

/// Slots of the table that counts distinct values; a power of two, four times as many.
const SLOTS: usize = 1024;

/// What is said to zstd beside level 1: its table has half the size and stays near the processor,
/// and matches are looked for at two of four places. On heads and bodies of JSON that takes a sixth
/// of the time off and adds four percent of the length; level -3 is as fast and adds a fifth, since
/// it leaves literals as they are.
const QUICK: [CParameter; 3] = [
    CParameter::HashLog(13),
    CParameter::TargetLength(3),
    CParameter::LiteralCompressionMode(ParamSwitch::Enable),
];

/// Compresses with zstd.
pub(super) struct Packer {
    compressor: Option<zstd::bulk::Compressor<'static>>,
}

impl Packer {
    /// For blocks, of which each thread that captures compresses hundreds of megabytes a second;
    /// where zstd has no memory, nothing is compressed.
    pub(super) fn quick() -> Self {
        let mut packer = Self::new(1);
        if let Some(compressor) = &mut packer.compressor {
            for parameter in QUICK {
                // What zstd does not know of is only slower.
                let _ = compressor.set_parameter(parameter);
            }
        }
        packer
    }

    /// With that level of zstd; where zstd has no memory, nothing is compressed.
    pub(super) fn new(level: i32) -> Self {
        Self { compressor: zstd::bulk::Compressor::new(level).ok() }
    }

    /// Appends the bytes compressed, where they then are fewer than `below`; otherwise leaves `out`
    /// as it was and returns `false`.
    pub(super) fn compress(&mut self, bytes: &[u8], below: usize, out: &mut Vec<u8>) -> bool {
        let Some(compressor) = &mut self.compressor else { return false };
        let begin = out.len();
        out.reserve(zstd::zstd_safe::compress_bound(bytes.len()));
        // Compressed where it is to stand, so that it is not copied there.
        let mut place = io::Cursor::new(std::mem::take(out));
        place.set_position(begin as u64);
        let compressed = compressor.compress_to_buffer(bytes, &mut place);
        *out = place.into_inner();
        let is_shorter = compressed.is_ok_and(|len| len < below);
        if !is_shorter {
            out.truncate(begin);
        }
        is_shorter
    }

    /// Appends `bytes` packed.
    pub(super) fn pack(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let begin = out.len();
        out.push(ZSTD);
        if !self.compress(bytes, bytes.len(), out) {
            out.truncate(begin);
            out.push(PLAIN);
            out.extend_from_slice(bytes);
        }
    }
}

impl std::fmt::Debug for Packer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packer").finish_non_exhaustive()
    }
}

thread_local! {
    /// A context of zstd takes a hundred kilobytes: one serves every block that a thread reads.
    static DECOMPRESSOR: RefCell<Option<zstd::bulk::Decompressor<'static>>> =
        const { RefCell::new(None) };
}

/// Undoes one frame of zstd into `out`, whose capacity is the bound.
pub(super) fn decompress(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    DECOMPRESSOR.with_borrow_mut(|context| {
        if context.is_none() {
            *context = zstd::bulk::Decompressor::new().ok();
        }
        let context = context.as_mut().ok_or("no memory for zstd")?;
        context.decompress_to_buffer(bytes, out).map(drop).map_err(|error| error.to_string())
    })
}

/// Undoes [`Packer::pack`]; `len` bytes must come out.
pub(super) fn unpack(bytes: &[u8], len: usize, out: &mut Vec<u8>) -> Result<(), Malformed> {
    out.clear();
    match bytes.split_first() {
        Some((&PLAIN, plain)) => out.extend_from_slice(plain),
        Some((&ZSTD, frame)) => {
            out.reserve_exact(len);
            decompress(frame, out)?;
        }
        Some((codec, _)) => return Err(format!("codec 0 or 1 expected, {codec} found")),
        None => return Err("a codec expected, nothing found".to_owned()),
    }
    if out.len() == len {
        Ok(())
    } else {
        Err(format!("{len} unpacked bytes expected, {} found", out.len()))
    }
}

/// Encodes columns; its room serves the next one.
#[derive(Debug)]
pub(super) struct ColumnEncoder {
    packer: Packer,
    bytes: Vec<u8>,
    packed: Vec<u8>,
    extra: BitWriter,
    /// Where in `distinct` a value stands, plus one; 0 where the slot is free.
    slots: Box<[u16; SLOTS]>,
    /// Distinct values and how often each occurs.
    distinct: Vec<(u64, u32)>,
}

impl ColumnEncoder {
    pub(super) fn new() -> Self {
        Self {
            packer: Packer::quick(),
            bytes: Vec::new(),
            packed: Vec::new(),
            extra: BitWriter::default(),
            slots: Box::new([0; SLOTS]),
            distinct: Vec::new(),
        }
    }

    /// The compressor, for what is no column.
    pub(super) const fn packer(&mut self) -> &mut Packer {
        &mut self.packer
    }

    /// Appends the column of `values`, which are not empty.
    pub(super) fn encode(&mut self, values: &[u64], sign: Sign, out: &mut Vec<u8>) {
        let first = values.first().copied().unwrap_or(0);
        if values.iter().all(|&value| value == first) {
            out.push(CONSTANT);
            put_varint(out, first);
            return;
        }
        let scale = Scale::of(values, sign);
        let few = self.count_distinct(values);
        if few && self.dictionary_bits(values.len()) < self.token_bits(values.len(), scale) {
            self.encode_dictionary(values, out);
        } else {
            self.encode_tokens(values, scale, out);
        }
    }

    /// Fills `distinct`, in the order of first use; `false` where there are too many.
    fn count_distinct(&mut self, values: &[u64]) -> bool {
        self.slots.fill(0);
        self.distinct.clear();
        for &value in values {
            let mut at = slot(value);
            loop {
                let Some(place) = self.slots.get_mut(at) else { return false };
                let position = usize::from(*place).wrapping_sub(1);
                if let Some((held, count)) = self.distinct.get_mut(position) {
                    if *held == value {
                        *count += 1;
                        break;
                    }
                    at = (at + 1) % SLOTS;
                } else if self.distinct.len() == DISTINCT_MAX {
                    return false;
                } else {
                    self.distinct.push((value, 1));
                    *place = u16::try_from(self.distinct.len()).unwrap_or(0);
                    break;
                }
            }
        }
        true
    }

    /// About how many bits the column takes as a dictionary.
    fn dictionary_bits(&self, rows: usize) -> f64 {
        let table: usize = self.distinct.iter().map(|&(value, _)| varint_bits(value)).sum();
        entropy_bits(self.distinct.iter().map(|&(_, count)| count), rows) + bits(table)
    }

    /// About how many bits the column takes as tokens.
    fn token_bits(&self, rows: usize, scale: Scale) -> f64 {
        let mut counts = [0_u32; 256];
        let mut extra = 0_usize;
        for &(value, rows) in &self.distinct {
            let (token, extra_bits, _) = token_of(scale.down(value));
            extra += extra_bits as usize * rows as usize;
            if let Some(count) = counts.get_mut(usize::from(token)) {
                *count += rows;
            }
        }
        entropy_bits(counts.into_iter(), rows) + bits(extra)
    }

    fn encode_dictionary(&mut self, values: &[u64], out: &mut Vec<u8>) {
        self.distinct.sort_unstable_by_key(|&(value, _)| value);
        out.push(DICTIONARY);
        out.push(u8::try_from(self.distinct.len().saturating_sub(1)).unwrap_or(u8::MAX));
        let mut before = 0;
        for &(value, _) in &self.distinct {
            put_varint(out, value - before);
            before = value;
        }
        // The slots held the order of first use; now they hold the sorted one.
        self.slots.fill(0);
        for (place, &(value, _)) in (1..).zip(&self.distinct) {
            let mut at = slot(value);
            while self.slots.get(at).is_some_and(|&place| place != 0) {
                at = (at + 1) % SLOTS;
            }
            if let Some(free) = self.slots.get_mut(at) {
                *free = place;
            }
        }
        self.bytes.clear();
        for &value in values {
            let mut at = slot(value);
            let position = loop {
                let place = self.slots.get(at).copied().unwrap_or(0);
                let position = usize::from(place).wrapping_sub(1);
                match self.distinct.get(position) {
                    Some(&(held, _)) if held != value => at = (at + 1) % SLOTS,
                    _ => break position,
                }
            };
            #[expect(clippy::cast_possible_truncation, reason = "at most 256 are distinct")]
            self.bytes.push(position as u8);
        }
        self.packer.pack(&self.bytes, out);
    }

    fn encode_tokens(&mut self, values: &[u64], scale: Scale, out: &mut Vec<u8>) {
        out.push(TOKENS);
        out.push(scale.encode());
        self.bytes.clear();
        self.extra.clear();
        for &value in values {
            let (token, extra_bits, extra) = token_of(scale.down(value));
            self.bytes.push(token);
            self.extra.put(extra, extra_bits);
        }
        self.packed.clear();
        self.packer.pack(&self.bytes, &mut self.packed);
        put_bytes(out, &self.packed);
        out.extend_from_slice(self.extra.finish());
    }
}

/// Decodes a column of `rows` values.
pub(super) fn decode(bytes: &[u8], rows: usize) -> Result<Vec<u64>, Malformed> {
    let mut cursor = Cursor::new(bytes);
    match cursor.u8()? {
        CONSTANT => {
            let value = cursor.varint()?;
            cursor.end()?;
            Ok(vec![value; rows])
        }
        DICTIONARY => decode_dictionary(cursor, rows),
        TOKENS => decode_tokens(cursor, rows),
        encoding => Err(format!("encoding 0 to 2 expected, {encoding} found")),
    }
}

fn decode_dictionary(mut cursor: Cursor<'_>, rows: usize) -> Result<Vec<u64>, Malformed> {
    let mut table = [0_u64; DISTINCT_MAX];
    let distinct = usize::from(cursor.u8()?) + 1;
    let mut before = 0_u64;
    for value in table.iter_mut().take(distinct) {
        before = before.wrapping_add(cursor.varint()?);
        *value = before;
    }
    let mut positions = Vec::new();
    unpack(cursor.rest(), rows, &mut positions)?;
    if let Some(position) = positions.iter().find(|&&position| usize::from(position) >= distinct) {
        return Err(format!("a position below {distinct} expected, {position} found"));
    }
    let value = |position: &u8| table.get(usize::from(*position)).copied().unwrap_or(0);
    Ok(positions.iter().map(value).collect())
}

fn decode_tokens(mut cursor: Cursor<'_>, rows: usize) -> Result<Vec<u64>, Malformed> {
    let scale = Scale::decode(cursor.u8()?)?;
    let mut tokens = Vec::new();
    unpack(cursor.bytes()?, rows, &mut tokens)?;
    let mut extra = BitReader::new(cursor.rest());
    let mut values = Vec::with_capacity(rows);
    for token in tokens {
        let (base, extra_bits) =
            token_base(token).ok_or_else(|| format!("token 0 to 251 expected, {token} found"))?;
        values.push(scale.up(base | extra.take(extra_bits)));
    }
    extra.end()?;
    Ok(values)
}

/// How the numbers of a column are made smaller before they become tokens.
#[derive(Clone, Copy, Debug)]
struct Scale {
    sign: Sign,
    /// Position of the divisor in [`DIVISORS`].
    divisor: u8,
}

impl Scale {
    /// With the largest divisor of every value.
    fn of(values: &[u64], sign: Sign) -> Self {
        // Constants divide by multiplication; a divisor that is a variable would cost ten times
        // more.
        let all = |divides: fn(i64) -> bool| match sign {
            Sign::Unsigned => values.iter().all(|&value| i64::try_from(value).is_ok_and(divides)),
            Sign::Signed => values.iter().all(|&value| divides(unzigzag(value))),
        };
        let divisor = if !all(|value| value % 100 == 0) {
            0
        } else if !all(|value| value % 1_000 == 0) {
            1
        } else if !all(|value| value % 1_000_000 == 0) {
            2
        } else {
            3
        };
        Self { sign, divisor }
    }

    fn down(self, value: u64) -> u64 {
        let divided = |value: i64| match self.divisor {
            1 => value / 100,
            2 => value / 1_000,
            _ => value / 1_000_000,
        };
        match (self.divisor, self.sign) {
            (0, _) => value,
            (_, Sign::Unsigned) => divided(value.cast_signed()).cast_unsigned(),
            (_, Sign::Signed) => zigzag(divided(unzigzag(value))),
        }
    }

    fn up(self, value: u64) -> u64 {
        let factor = DIVISORS.get(usize::from(self.divisor)).copied().unwrap_or(1);
        match self.sign {
            Sign::Unsigned => value.wrapping_mul(factor),
            Sign::Signed if self.divisor == 0 => value,
            Sign::Signed => zigzag(unzigzag(value).wrapping_mul(factor.cast_signed())),
        }
    }

    fn encode(self) -> u8 {
        self.divisor | if self.sign == Sign::Signed { SIGNED } else { 0 }
    }

    fn decode(byte: u8) -> Result<Self, Malformed> {
        let (sign, divisor) = match byte.checked_sub(SIGNED) {
            Some(divisor) => (Sign::Signed, divisor),
            None => (Sign::Unsigned, byte),
        };
        if usize::from(divisor) < DIVISORS.len() {
            Ok(Self { sign, divisor })
        } else {
            Err(format!("divisor 0 to 3 expected, {divisor} found"))
        }
    }
}

/// The token of a value, the number of its extra bits, and these.
const fn token_of(value: u64) -> (u8, u32, u64) {
    if value < 8 {
        #[expect(clippy::cast_possible_truncation, reason = "below eight")]
        return (value as u8, 0, 0);
    }
    let extra_bits = 61 - value.leading_zeros();
    #[expect(clippy::cast_possible_truncation, reason = "at most 8 + 4 * 60 + 3")]
    let token = (4 * (extra_bits + 1)) as u8 + ((value >> extra_bits) & 3) as u8;
    (token, extra_bits, value & ((1 << extra_bits) - 1))
}

/// The least value of a token and the number of its extra bits.
const fn token_base(token: u8) -> Option<(u64, u32)> {
    match token {
        0..8 => Some((token as u64, 0)),
        8..252 => {
            let extra_bits = (token as u32 - 4) / 4;
            Some(((4 + (token as u64 & 3)) << extra_bits, extra_bits))
        }
        _ => None,
    }
}

/// Shannon's bound for symbols that occur so often among `rows`.
fn entropy_bits(counts: impl Iterator<Item = u32>, rows: usize) -> f64 {
    let rows = bits(rows);
    counts
        .filter(|&count| count > 0)
        .map(|count| f64::from(count) * (rows / f64::from(count)).log2())
        .sum()
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
const fn bits(count: usize) -> f64 {
    count as f64
}

const fn varint_bits(value: u64) -> usize {
    8 * ((64 - value.leading_zeros() as usize).div_ceil(7) + (value == 0) as usize)
}

const fn slot(value: u64) -> usize {
    (value.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54) as usize % SLOTS
}

/// Bits to bytes, lowest first.
#[derive(Debug, Default)]
struct BitWriter {
    bytes: Vec<u8>,
    held: u64,
    held_bits: u32,
}

impl BitWriter {
    fn clear(&mut self) {
        self.bytes.clear();
        self.held = 0;
        self.held_bits = 0;
    }

    /// Appends the `count` lowest bits of `value`, whose others are 0; `count` is at most 61.
    fn put(&mut self, value: u64, count: u32) {
        self.held |= value << self.held_bits;
        if self.held_bits + count >= 64 {
            self.bytes.extend_from_slice(&self.held.to_le_bytes());
            self.held = value.checked_shr(64 - self.held_bits).unwrap_or(0);
            self.held_bits = self.held_bits + count - 64;
        } else {
            self.held_bits += count;
        }
    }

    /// All bits, the last byte filled with zeros.
    fn finish(&mut self) -> &[u8] {
        let bytes = self.held.to_le_bytes();
        let used = self.held_bits.div_ceil(8) as usize;
        self.bytes.extend_from_slice(bytes.get(..used).unwrap_or(&bytes));
        self.held_bits = 0;
        &self.bytes
    }
}

/// Reads what [`BitWriter`] wrote; past the end come zeros, and [`BitReader::end`] tells.
struct BitReader<'a> {
    bytes: &'a [u8],
    /// Position of the next bit.
    at: usize,
}

impl<'a> BitReader<'a> {
    const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next `count` bits, at most 61.
    fn take(&mut self, count: u32) -> u64 {
        if count > 56 {
            let low = self.take(32);
            return low | self.take(count - 32) << 32;
        }
        let rest = self.bytes.get(self.at / 8..).unwrap_or_default();
        let word = match rest.first_chunk() {
            Some(chunk) => u64::from_le_bytes(*chunk),
            None => rest.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)),
        };
        let taken = (word >> (self.at % 8)) & ((1 << count) - 1);
        self.at = self.at.saturating_add(count as usize);
        taken
    }

    /// Holds that the bytes were as long as the bits that were read, and their padding zero.
    fn end(&self) -> Result<(), Malformed> {
        let read = self.at.div_ceil(8);
        let padding = match (self.at % 8, self.bytes.last()) {
            (0, _) | (_, None) => 0,
            (used, Some(last)) => last >> used,
        };
        if read == self.bytes.len() && padding == 0 {
            Ok(())
        } else {
            Err(format!("{read} bytes of extra bits expected, {} found", self.bytes.len()))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(values: &[u64], sign: Sign) -> Vec<u8> {
        let mut out = Vec::new();
        ColumnEncoder::new().encode(values, sign, &mut out);
        out
    }

    /// Columns of every kind: few values, many values, of all magnitudes, with and without a
    /// common divisor.
    fn column() -> impl Strategy<Value = Vec<u64>> {
        let value = prop_oneof![
            0_u64..300,
            (0_u32..64, any::<u64>()).prop_map(|(shift, value)| value >> shift),
        ];
        let values = proptest::collection::vec(value, 1..1000);
        (values, 0_usize..4, 0_u32..64, any::<bool>()).prop_map(
            |(mut values, divisor, shift, signed)| {
                for value in &mut values {
                    *value = (*value >> shift).wrapping_mul(DIVISORS[divisor]);
                    *value = if signed { zigzag(value.cast_signed()) } else { *value };
                }
                values
            },
        )
    }

    proptest! {
        #[test]
        fn columns_come_back(values in column()) {
            let signed = decode(&encoded(&values, Sign::Signed), values.len());
            prop_assert_eq!(signed.as_ref(), Ok(&values));
            prop_assert_eq!(decode(&encoded(&values, Sign::Unsigned), values.len()), Ok(values));
        }

        #[test]
        fn garbage_is_refused_quietly(bytes: Vec<u8>, rows in 0_usize..100) {
            let _ = decode(&bytes, rows);
        }

        #[test]
        fn a_changed_byte_never_panics(values in column(), at: usize, byte: u8) {
            let mut bytes = encoded(&values, Sign::Signed);
            let at = at % bytes.len();
            bytes[at] = byte;
            if let Ok(read) = decode(&bytes, values.len()) {
                prop_assert_eq!(read.len(), values.len());
            }
        }
    }

    #[test]
    fn tokens_cover_every_magnitude() {
        for shift in 0..64 {
            for value in [u64::MAX >> shift, 1 << shift, (1 << shift) - 1, (5 << shift) | 3] {
                let (token, extra_bits, extra) = token_of(value);
                let (base, known_bits) = token_base(token).unwrap();
                assert_eq!((base + extra, known_bits), (value, extra_bits), "{value}");
            }
        }
        assert_eq!(token_of(u64::MAX).0, 251);
    }

    #[test]
    fn each_column_takes_its_smallest_form() {
        let check = |values: &[u64], encoding: u8, bytes_max: usize| {
            let bytes = encoded(values, Sign::Unsigned);
            assert_eq!(bytes[0], encoding, "{:?}", &values[..4]);
            assert!(bytes.len() <= bytes_max, "{} bytes of {bytes_max}", bytes.len());
        };
        check(&[7; 1000], CONSTANT, 2);
        let few: Vec<u64> = (0..1000_u64).map(|n| 1_000_003 * (n * n % 5)).collect();
        check(&few, DICTIONARY, 350);
        let noise = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 50;
        check(&(0..1000).map(noise).collect::<Vec<_>>(), TOKENS, 1950);
        check(&(0..1000).map(|n| noise(n) * 1000).collect::<Vec<_>>(), TOKENS, 1950);
        let differences: Vec<u64> =
            (0..1000).map(|n| zigzag((noise(n).cast_signed() - 8192) * 1000)).collect();
        assert!(encoded(&differences, Sign::Signed).len() < 1950);
    }
}
