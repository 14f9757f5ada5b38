//! The bytes of a segment, version 1: every field of every region, little-endian.
//!
//! A segment is a file header, blocks, a footer and a trailer, each beginning at a multiple of
//! eight bytes. An unsealed one (`.weir.part`) ends after some block; zeros follow, room that was
//! reserved. `varint` is a number in groups of seven bits, lowest first, the eighth bit set on all
//! but the last. Checksums are CRC-32 (ISO-HDLC, as in gzip).
//!
//! ```text
//! File header
//!   0   4  magic `WEIR`
//!   4   2  version, 1
//!   6   2  0
//!   8   4  length A of what follows
//!  12   4  checksum of bytes 0 to 12 and of the A bytes
//!  16   A  varint number of entries; each a key and a value, both varint length and UTF-8;
//!          unknown keys are passed over; then zeros up to a multiple of 8. The keys are
//!          started_at (ns), host, version, source, configuration, repaired: see `About`
//!
//! Region: a block or the footer
//!   0   4  magic `WBLK` or `WFTR`; a region is published by writing bytes 0 to 8 last
//!   4   4  checksum of bytes 8 to 24 + 24 P, exclusive-or an eighth of the region's offset: a
//!          region that stands elsewhere, as in a captured copy of a segment, is none
//!   8   8  length of the region, padding included: a multiple of 8
//!  16   4  number P of parts, 1 to 64
//!  20   4  number of exchanges, 1 to 16384; 0 in the footer
//!  24  24P the parts in the order of their bytes; each
//!            0  1  kind: see below; unknown kinds are passed over
//!            1  1  codec: 0 as it is, 1 one zstd frame
//!            2  2  0
//!            4  4  checksum of the stored bytes
//!            8  8  stored length
//!           16  8  raw length, at most 1 GiB
//!   ..     the stored bytes of the parts, back to back; then zeros up to a multiple of 8
//!
//! Parts of a block
//!   1  info             what the index repeats: exchanges (u32), earliest and latest start
//!                       (i64 ns), largest total (u64 ns), status classes (u16: bit c for cxx,
//!                       bit 0 for no response), states (u8: a bit each), filter (varint length
//!                       and bytes, see `Filter`)
//!   2  numbers          columns, see `numbers`
//!   3  request heads    texts, see `texts.rs`; parts 3 to 6 are absent where empty
//!   4  response heads   texts
//!   5  request bodies   texts
//!   6  response bodies  texts
//!   7  names            methods, routes and hosts in the order of their first use: of each a
//!                       varint number, then of each name a varint length and its bytes
//!
//! Parts of the footer
//!  16  index            varint number of blocks; each its offset (u64), length (u64), info
//!  17  ledger           varint number of counters; each a key (varint length, UTF-8) and a
//!                       varint; unknown keys are passed over
//!  18  summary          groups and their counters, see `summary.rs`
//!  19  totals           times of each metric, see `summary.rs`: parts 19 to 24 are total, wait,
//!  20  waits            blocked, send, receive, connect; as they are or compressed, whichever
//!  21  blocked times    is read faster for its length
//!  22  sending times
//!  23  receiving times
//!  24  connecting times
//!
//! Trailer: the last 16 bytes of a sealed segment
//!   0   8  offset of the footer
//!   8   4  checksum of bytes 0 to 8
//!  12   4  magic `WEND`
//! ```

use std::borrow::Cow;

use crate::ledger::Ledger;
use crate::limits::{BLOCK_BYTES, BLOCK_EXCHANGES_MAX, PART_BYTES_MAX};
use crate::segment::column::{Packer, decompress};
use crate::segment::cursor::{Cursor, Malformed, put_bytes, put_varint};
use crate::segment::error::Part;
use crate::segment::source::Source;
use crate::time::Timestamp;

/// The version that is written, and the only one that is read.
pub(super) const VERSION: u16 = 1;

/// Every region begins at a multiple of this.
pub(super) const ALIGNMENT: u64 = 8;

/// Bytes of the file header before its entries.
pub(super) const FILE_HEADER_BYTES: usize = 16;

/// Bytes of the trailer.
pub(super) const TRAILER_BYTES: usize = 16;

/// Longest entries of a file header.
const ABOUT_BYTES_MAX: usize = 65_536;

/// Longest value of an entry that is written; a longer one is cut.
const ABOUT_VALUE_BYTES_MAX: usize = 8_192;

/// Most parts of a region.
const PARTS_MAX: usize = 64;

const FILE_MAGIC: &[u8; 4] = b"WEIR";
const TRAILER_MAGIC: &[u8; 4] = b"WEND";

const REGION_HEADER_BYTES: usize = 24;
const PART_ENTRY_BYTES: usize = 24;

const PLAIN: u8 = 0;
const ZSTD: u8 = 1;

/// Raw parts up to this length are unpacked in one step into room of their length; longer ones
/// grow as their data arrives, so that a wrong length cannot ask for a gigabyte.
const UNPACKED_AT_ONCE_MAX: usize = 4 << 20;

/// Most room of a region that is kept for the next one: more than blocks take without bodies that
/// are kept whole beyond [`BLOCK_BYTES`].
const REGION_ROOM_BYTES_MAX: usize = 4 * BLOCK_BYTES;

/// Where a segment comes from; kept in its header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// The time in the segment's name: of the capture's or the segment's first packet.
    pub started_at: Timestamp,
    /// Name of the host that captured; empty where unknown.
    pub host: String,
    /// Version of the program that wrote it.
    pub version: String,
    /// The interfaces or files that were read, as a person would name them.
    pub source: String,
    /// What of that was captured and kept: filter, ports, snap length, bodies, secrets, budgets,
    /// as a person would say it. Captures of one host and source that differ in it are others.
    pub configuration: String,
    /// Whether it was left unsealed and sealed by a repair: its ledger then counts exchanges only.
    pub repaired: bool,
}

impl About {
    /// The file header.
    pub(super) fn encode(&self) -> Vec<u8> {
        let started_at = self.started_at.as_nanos().to_string();
        let repaired = if self.repaired { "yes" } else { "no" };
        let entries = [
            ("started_at", started_at.as_str()),
            ("host", &self.host),
            ("version", &self.version),
            ("source", &self.source),
            ("configuration", &self.configuration),
            ("repaired", repaired),
        ];
        let mut about = Vec::new();
        put_varint(&mut about, entries.len() as u64);
        for (key, value) in entries {
            put_bytes(&mut about, key.as_bytes());
            let mut cut = value.len().min(ABOUT_VALUE_BYTES_MAX);
            while !value.is_char_boundary(cut) {
                cut -= 1;
            }
            put_bytes(&mut about, value.get(..cut).unwrap_or_default().as_bytes());
        }
        let mut out = Vec::from(*FILE_MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&0_u16.to_le_bytes());
        out.extend_from_slice(&u32::try_from(about.len()).unwrap_or(0).to_le_bytes());
        let checksum = checksum(&[&out, &about]);
        out.extend_from_slice(&checksum.to_le_bytes());
        out.extend_from_slice(&about);
        pad(&mut out);
        out
    }

    /// Reads the entries of a file header.
    fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(bytes);
        let mut about = Self::default();
        for _ in 0..cursor.count()? {
            let (key, value) = (cursor.text()?, cursor.text()?);
            match key {
                "started_at" => {
                    let nanos = value.parse().map_err(|_| format!("a time found: {value:?}"))?;
                    about.started_at = Timestamp::from_nanos(nanos);
                }
                "host" => value.clone_into(&mut about.host),
                "version" => value.clone_into(&mut about.version),
                "source" => value.clone_into(&mut about.source),
                "configuration" => value.clone_into(&mut about.configuration),
                "repaired" => about.repaired = value == "yes",
                _ => {}
            }
        }
        cursor.end()?;
        Ok(about)
    }
}

/// What the first bytes of a file say.
#[derive(Debug)]
pub(super) enum FileHeader {
    /// A header of this version, and where the first block begins.
    Whole(About, u64),
    /// A whole header of another version.
    Version(u16),
    /// The file begins with room that was only reserved.
    Blank,
    /// Something else, or a header that was changed.
    Broken(Malformed),
}

/// Reads a file header from the first bytes of a file.
pub(super) fn file_header(source: &Source) -> std::io::Result<FileHeader> {
    let fixed = source.read(0, FILE_HEADER_BYTES as u64)?;
    if fixed.len() < FILE_HEADER_BYTES || fixed.iter().all(|&byte| byte == 0) {
        let blank = fixed.iter().all(|&byte| byte == 0);
        let broken = || FileHeader::Broken(format!("16 bytes expected, {} found", fixed.len()));
        return Ok(if blank { FileHeader::Blank } else { broken() });
    }
    let mut cursor = Cursor::new(&fixed);
    let mut fields = || -> Result<_, Malformed> {
        let magic = cursor.take(4)?;
        Ok((magic, cursor.u16()?, cursor.u16()?, cursor.u32()?, cursor.u32()?))
    };
    let (magic, version, _, len, expected) = match fields() {
        Ok(fields) => fields,
        Err(malformed) => return Ok(FileHeader::Broken(malformed)),
    };
    if magic != FILE_MAGIC {
        return Ok(FileHeader::Broken(format!(
            "WEIR expected, \"{}\" found",
            magic.escape_ascii()
        )));
    }
    if len as usize > ABOUT_BYTES_MAX {
        return Ok(FileHeader::Broken(format!("length {len} found, {ABOUT_BYTES_MAX} allowed")));
    }
    let end = FILE_HEADER_BYTES as u64 + u64::from(len);
    let padded = source.read(FILE_HEADER_BYTES as u64, end.next_multiple_of(ALIGNMENT) - 16)?;
    let (about, padding) = padded.split_at(padded.len().min(len as usize));
    let found = checksum(&[fixed.get(..12).unwrap_or_default(), about]);
    Ok(if found != expected {
        FileHeader::Broken(mismatch(expected, found))
    } else if version != VERSION {
        FileHeader::Version(version)
    } else if padding.iter().any(|&byte| byte != 0) {
        FileHeader::Broken("zeros expected after the entries".to_owned())
    } else {
        match About::decode(about) {
            Ok(about) => FileHeader::Whole(about, end.next_multiple_of(ALIGNMENT)),
            Err(malformed) => FileHeader::Broken(malformed),
        }
    })
}

/// Which region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RegionKind {
    Block,
    Footer,
}

impl RegionKind {
    const fn magic(self) -> &'static [u8; 4] {
        match self {
            Self::Block => b"WBLK",
            Self::Footer => b"WFTR",
        }
    }
}

/// One part of a region, as the region's header tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PartEntry {
    kind: u8,
    codec: u8,
    checksum: u32,
    stored: u64,
    raw: u64,
    /// Where its bytes begin in the file.
    offset: u64,
}

impl PartEntry {
    pub(super) const fn part(&self) -> Part {
        Part::of_kind(self.kind)
    }

    /// How many bytes it takes in the file.
    pub(super) const fn stored(&self) -> u64 {
        self.stored
    }

    /// Reads the part, checks it and unpacks it.
    pub(super) fn read<'s>(
        &self,
        source: &'s Source,
    ) -> std::io::Result<Result<Cow<'s, [u8]>, Malformed>> {
        let stored = source.read(self.offset, self.stored)?;
        if let Err(malformed) = self.check(&stored) {
            return Ok(Err(malformed));
        }
        if self.codec == PLAIN {
            return Ok(Ok(stored));
        }
        Ok(unpack(&stored, usize::try_from(self.raw).unwrap_or(usize::MAX)).map(Cow::Owned))
    }

    /// Reads the part and checks it, without unpacking it.
    pub(super) fn look(&self, source: &Source) -> std::io::Result<Result<(), Malformed>> {
        Ok(self.check(&source.read(self.offset, self.stored)?))
    }

    fn check(&self, stored: &[u8]) -> Result<(), Malformed> {
        if stored.len() as u64 != self.stored {
            return Err(format!("{} bytes expected, {} found", self.stored, stored.len()));
        }
        let found = crc32fast::hash(stored);
        if found == self.checksum { Ok(()) } else { Err(mismatch(self.checksum, found)) }
    }
}

/// Undoes a zstd frame that is said to hold `raw` bytes.
fn unpack(frame: &[u8], raw: usize) -> Result<Vec<u8>, Malformed> {
    let mut out = Vec::new();
    if raw <= UNPACKED_AT_ONCE_MAX {
        out.reserve_exact(raw);
        decompress(frame, &mut out)?;
    } else {
        use std::io::Read as _;
        zstd::stream::read::Decoder::with_buffer(frame)
            .and_then(|decoder| decoder.take(raw as u64 + 1).read_to_end(&mut out))
            .map_err(|error| error.to_string())?;
    }
    if out.len() == raw {
        Ok(out)
    } else {
        Err(format!("{raw} unpacked bytes expected, {} or more found", out.len()))
    }
}

/// The header of a region, read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) kind: RegionKind,
    /// Where it begins.
    pub(super) offset: u64,
    /// Its length, padding included.
    pub(super) len: u64,
    pub(super) exchanges: u32,
    pub(super) parts: Vec<PartEntry>,
}

impl Region {
    /// Reads the header of the region at `offset`; `None` where nothing was published there.
    pub(super) fn read(
        source: &Source,
        offset: u64,
    ) -> std::io::Result<Result<Option<Self>, Malformed>> {
        // The published word is read before anything else, so that what it publishes is there.
        let word = source.read(offset, 8)?;
        if word.len() < 8 || word.iter().all(|&byte| byte == 0) {
            return Ok(Ok(None));
        }
        let fixed = source.read(offset, REGION_HEADER_BYTES as u64)?;
        let parts = match Self::parts(&fixed) {
            Ok(parts) => parts,
            Err(malformed) => return Ok(Err(malformed)),
        };
        let header =
            source.read(offset, (REGION_HEADER_BYTES + PART_ENTRY_BYTES * parts) as u64)?;
        Ok(Self::decode(&header, offset, source.len()).map(Some))
    }

    /// The number of parts that a header tells.
    fn parts(fixed: &[u8]) -> Result<usize, Malformed> {
        let mut cursor = Cursor::new(fixed);
        let magic = cursor.take(4)?;
        if magic != RegionKind::Block.magic() && magic != RegionKind::Footer.magic() {
            return Err(format!("WBLK or WFTR expected, \"{}\" found", magic.escape_ascii()));
        }
        cursor.take(12)?;
        let parts = cursor.u32()? as usize;
        if (1..=PARTS_MAX).contains(&parts) {
            Ok(parts)
        } else {
            Err(format!("1 to {PARTS_MAX} parts expected, {parts} found"))
        }
    }

    fn decode(header: &[u8], offset: u64, file_len: u64) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(header);
        let magic = cursor.take(4)?;
        let expected = cursor.u32()?;
        let found = crc32fast::hash(cursor.rest()) ^ mark(offset);
        if found != expected {
            return Err(mismatch(expected, found));
        }
        let kind =
            if magic == RegionKind::Block.magic() { RegionKind::Block } else { RegionKind::Footer };
        let len = cursor.u64()?;
        let parts = cursor.u32()?;
        let exchanges = cursor.u32()?;
        let known = match kind {
            RegionKind::Block => 1..=BLOCK_EXCHANGES_MAX,
            RegionKind::Footer => 0..=0,
        };
        if !known.contains(&(exchanges as usize)) {
            return Err(format!(
                "1 to {BLOCK_EXCHANGES_MAX} exchanges expected, {exchanges} found"
            ));
        }
        let mut region = Self { kind, offset, len, exchanges, parts: Vec::new() };
        let mut end = offset.saturating_add(header.len() as u64);
        for _ in 0..parts {
            let entry = part_entry(&mut cursor, end)?;
            end = end.saturating_add(entry.stored);
            region.parts.push(entry);
        }
        if end.checked_next_multiple_of(ALIGNMENT) != offset.checked_add(len) {
            return Err(format!("length {len} found, and parts that end at byte {end}"));
        }
        if end > file_len {
            return Err(format!("cut off: {end} bytes of the file expected, {file_len} found"));
        }
        Ok(region)
    }

    /// Where the region ends: where the next one begins.
    pub(super) const fn end(&self) -> u64 {
        self.offset.saturating_add(self.len)
    }

    /// The part of that kind, if it has one.
    pub(super) fn part(&self, part: Part) -> Option<&PartEntry> {
        self.parts.iter().find(|entry| entry.part() == part)
    }

    /// Whether the bytes after the last part are as they were written.
    pub(super) fn check_padding(&self, source: &Source) -> std::io::Result<Result<(), Malformed>> {
        let end = self.parts.last().map_or(self.end(), |last| last.offset + last.stored);
        let padding = source.read(end, self.end().saturating_sub(end))?;
        Ok(if padding.iter().all(|&byte| byte == 0) {
            Ok(())
        } else {
            Err("zeros expected, other bytes found".to_owned())
        })
    }
}

fn part_entry(cursor: &mut Cursor<'_>, offset: u64) -> Result<PartEntry, Malformed> {
    let (kind, codec, _) = (cursor.u8()?, cursor.u8()?, cursor.u16()?);
    let checksum = cursor.u32()?;
    let (stored, raw) = (cursor.u64()?, cursor.u64()?);
    if codec > ZSTD || raw > PART_BYTES_MAX as u64 || (codec == PLAIN && raw != stored) {
        return Err(format!(
            "codec 0 or 1 and at most {PART_BYTES_MAX} bytes expected, codec {codec} with \
             {stored} for {raw} bytes found"
        ));
    }
    Ok(PartEntry { kind, codec, checksum, stored, raw, offset })
}

/// A region as it stands at the start of a file; [`published_word`] puts it elsewhere.
#[derive(Clone, Debug, Default)]
pub(super) struct EncodedRegion {
    header: Vec<u8>,
    /// The stored bytes of its parts, and the padding.
    stored: Vec<u8>,
}

impl EncodedRegion {
    /// How many bytes it takes in a file.
    pub(super) const fn len(&self) -> usize {
        self.header.len() + self.stored.len()
    }

    /// Its bytes.
    pub(super) fn pieces(&self) -> [&[u8]; 2] {
        [&self.header, &self.stored]
    }
}

/// Puts the parts of a region together.
#[derive(Debug, Default)]
pub(super) struct RegionBuilder {
    /// The parts' entries in their encoded form.
    entries: Vec<u8>,
    stored: Vec<u8>,
}

impl RegionBuilder {
    /// Adds a part, as it is or compressed, whichever is shorter.
    pub(super) fn part(&mut self, part: Part, raw: &[u8], packer: &mut Packer) {
        self.packed(part, raw, raw.len(), packer);
    }

    /// Adds a part that is read in great numbers: compressed only where that saves a quarter.
    pub(super) fn quick_part(&mut self, part: Part, raw: &[u8], packer: &mut Packer) {
        self.packed(part, raw, raw.len() / 4 * 3, packer);
    }

    /// Adds a part as it is.
    pub(super) fn plain_part(&mut self, part: Part, raw: &[u8]) {
        let begin = self.stored.len();
        self.stored.extend_from_slice(raw);
        self.entry(part, PLAIN, begin, raw.len());
    }

    /// Adds a part, compressed where it then takes less than `below` bytes.
    fn packed(&mut self, part: Part, raw: &[u8], below: usize, packer: &mut Packer) {
        let begin = self.stored.len();
        if packer.compress(raw, below, &mut self.stored) {
            self.entry(part, ZSTD, begin, raw.len());
        } else {
            self.plain_part(part, raw);
        }
    }

    /// Adds the entry of the part whose stored bytes begin there and are the last so far.
    fn entry(&mut self, part: Part, codec: u8, begin: usize, raw: usize) {
        let stored = self.stored.get(begin..).unwrap_or_default();
        self.entries.extend_from_slice(&[part as u8, codec, 0, 0]);
        self.entries.extend_from_slice(&crc32fast::hash(stored).to_le_bytes());
        self.entries.extend_from_slice(&(stored.len() as u64).to_le_bytes());
        self.entries.extend_from_slice(&(raw as u64).to_le_bytes());
    }

    /// The region. The builder is empty afterwards.
    pub(super) fn finish(&mut self, kind: RegionKind, exchanges: u32) -> EncodedRegion {
        let parts = self.entries.len() / PART_ENTRY_BYTES;
        let header_len = REGION_HEADER_BYTES + self.entries.len();
        let mut stored = std::mem::take(&mut self.stored);
        // The header's length is a multiple of eight.
        pad(&mut stored);
        let len = header_len + stored.len();
        let mut header = Vec::with_capacity(header_len);
        header.extend_from_slice(kind.magic());
        header.extend_from_slice(&[0; 4]);
        header.extend_from_slice(&(len as u64).to_le_bytes());
        header.extend_from_slice(&u32::try_from(parts).unwrap_or(0).to_le_bytes());
        header.extend_from_slice(&exchanges.to_le_bytes());
        header.extend_from_slice(&self.entries);
        let checksum = crc32fast::hash(header.get(8..).unwrap_or_default());
        if let Some(place) = header.get_mut(4..8) {
            place.copy_from_slice(&checksum.to_le_bytes());
        }
        self.entries.clear();
        EncodedRegion { header, stored }
    }

    /// Takes the room of a region that is no longer needed for the next one.
    pub(super) fn reuse(&mut self, region: EncodedRegion) {
        let mut room = region.stored;
        if self.stored.capacity() == 0 && room.capacity() <= REGION_ROOM_BYTES_MAX {
            room.clear();
            self.stored = room;
        }
    }
}

/// The first eight bytes of a region that is made for offset `from` and goes to offset `to`.
pub(super) fn published_word(region: &[u8], from: u64, to: u64) -> [u8; 8] {
    let mut word: [u8; 8] = region.first_chunk().copied().unwrap_or_default();
    let [.., a, b, c, d] = &mut word;
    let checksum = u32::from_le_bytes([*a, *b, *c, *d]) ^ mark(from) ^ mark(to);
    [*a, *b, *c, *d] = checksum.to_le_bytes();
    word
}

/// What the place of a region adds to its checksum.
fn mark(offset: u64) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "it only has to differ between places")]
    let mark = (offset / ALIGNMENT) as u32;
    mark
}

/// The trailer of a segment whose footer begins there.
pub(super) fn trailer(footer: u64) -> Vec<u8> {
    let offset = footer.to_le_bytes();
    let checksum = crc32fast::hash(&offset).to_le_bytes();
    [&offset[..], &checksum, TRAILER_MAGIC].concat()
}

/// Where the footer is, as the last bytes of the file tell.
pub(super) fn read_trailer(source: &Source) -> std::io::Result<Result<u64, Malformed>> {
    let at = source.len().saturating_sub(TRAILER_BYTES as u64);
    let bytes = source.read(at, TRAILER_BYTES as u64)?;
    let mut cursor = Cursor::new(&bytes);
    let mut fields =
        || -> Result<_, Malformed> { Ok((cursor.take(8)?, cursor.u32()?, cursor.take(4)?)) };
    Ok(fields().and_then(|(offset, expected, magic)| {
        let found = crc32fast::hash(offset);
        if magic != TRAILER_MAGIC {
            Err(format!("WEND expected, \"{}\" found", magic.escape_ascii()))
        } else if found != expected {
            Err(mismatch(expected, found))
        } else {
            Cursor::new(offset).u64()
        }
    }))
}

/// The ledger's part.
pub(super) fn encode_ledger(ledger: &Ledger) -> Vec<u8> {
    let entries = ledger.entries();
    let mut out = Vec::new();
    put_varint(&mut out, entries.len() as u64);
    for (key, count) in entries {
        put_bytes(&mut out, key.as_bytes());
        put_varint(&mut out, count);
    }
    out
}

/// Reads what [`encode_ledger`] wrote.
pub(super) fn decode_ledger(bytes: &[u8]) -> Result<Ledger, Malformed> {
    let mut cursor = Cursor::new(bytes);
    let mut ledger = Ledger::default();
    for _ in 0..cursor.count()? {
        let key = cursor.text()?;
        ledger.add_entry(key, cursor.varint()?);
    }
    cursor.end()?;
    Ok(ledger)
}

fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(8), 0);
}

fn checksum(pieces: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for piece in pieces {
        hasher.update(piece);
    }
    hasher.finalize()
}

fn mismatch(expected: u32, found: u32) -> Malformed {
    format!("checksum {expected:#010x} expected, {found:#010x} found")
}
