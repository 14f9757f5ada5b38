//! A segment opened for reading: sealed through a map, unsealed up to its last whole block.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::ledger::Ledger;
use crate::packet::Endpoint;
use crate::segment::block::Block;
use crate::segment::cursor::{Cursor, Malformed};
use crate::segment::error::{Damage, Part, Place, SegmentError};
use crate::segment::format::{
    ALIGNMENT, About, FILE_HEADER_BYTES, FileHeader, Region, RegionKind, TRAILER_BYTES, VERSION,
    decode_ledger, file_header, read_trailer,
};
use crate::segment::info::{BlockInfo, decode_index};
use crate::segment::map::ReadMap;
use crate::segment::numbers::Glance;
use crate::segment::source::Source;
use crate::segment::summary::{self, Metric, Summary};
use crate::segment::writer::UNSEALED;

/// One segment, open for reading. Cheap to keep: blocks are read when they are asked for.
#[derive(Debug)]
pub struct Segment {
    path: Arc<Path>,
    source: Arc<Source>,
    about: About,
    blocks: Vec<BlockInfo>,
    footer: Option<Region>,
    ledger: Option<Ledger>,
    damage: Vec<Damage>,
}

impl Segment {
    /// Opens a segment, sealed or not. Damage does not fail it: what is readable is read, and
    /// [`Segment::damage`] tells the rest.
    ///
    /// # Errors
    /// Where the file cannot be read, is no segment, or has an unknown version.
    pub fn open(path: &Path) -> Result<Self, SegmentError> {
        let failed = |error| SegmentError::io("open", path, error);
        let source = Self::file(path).map_err(failed)?;
        let sealed = read_trailer(&source).map_err(failed)?.is_ok();
        let source = match source {
            // A file that ends in a trailer is not written any more.
            Source::File { file, .. } if sealed => {
                Source::Mapped(ReadMap::new(&file).map_err(failed)?)
            }
            source => source,
        };
        Self::read(path, source)
    }

    /// Opens a segment of which hardly more than the summary is asked, one of thousands: its file
    /// stays open instead of being mapped, the footer is read in one go, and the ledger is looked
    /// at for damage but not read.
    ///
    /// # Errors
    /// As [`Segment::open`].
    pub fn open_briefly(path: &Path) -> Result<Self, SegmentError> {
        let failed = |error| SegmentError::io("open", path, error);
        let mut source = Self::file(path).map_err(failed)?;
        if let Ok(footer) = read_trailer(&source).map_err(failed)? {
            source.keep_end(footer).map_err(failed)?;
        }
        let mut segment = Self::read_blocks(path, source)?;
        segment.look_at_ledger().map_err(failed)?;
        Ok(segment)
    }

    fn file(path: &Path) -> io::Result<Source> {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        Ok(Source::File { file, len, end: Vec::new() })
    }

    /// A segment whose bytes are at hand; its name is told in errors, and whether it ends in
    /// `.weir.part` decides whether a missing trailer is damage.
    ///
    /// # Errors
    /// Where the bytes are no segment, or one of an unknown version.
    pub fn from_bytes(name: &Path, bytes: Vec<u8>) -> Result<Self, SegmentError> {
        Self::read(name, Source::Bytes(bytes))
    }

    /// Reads what the file tells of itself.
    fn read(path: &Path, source: Source) -> Result<Self, SegmentError> {
        let mut segment = Self::read_blocks(path, source)?;
        segment.read_ledger().map_err(|error| SegmentError::io("read", path, error))?;
        Ok(segment)
    }

    /// Reads all of that but the ledger.
    fn read_blocks(path: &Path, source: Source) -> Result<Self, SegmentError> {
        let failed = |error| SegmentError::io("read", path, error);
        let unsealed_name = path.as_os_str().as_encoded_bytes().ends_with(UNSEALED.as_bytes());
        let mut segment = Self {
            path: Arc::from(path),
            source: Arc::new(source),
            about: About::default(),
            blocks: Vec::new(),
            footer: None,
            ledger: None,
            damage: Vec::new(),
        };
        let mut start = None;
        match file_header(&segment.source).map_err(failed)? {
            FileHeader::Whole(about, end) => {
                segment.about = about;
                start = Some(end);
            }
            FileHeader::Version(found) => {
                let path = path.to_owned();
                return Err(SegmentError::Version { path, found, known: VERSION });
            }
            FileHeader::Blank if unsealed_name => return Ok(segment),
            FileHeader::Blank => segment.note(Place::Header, 0, Part::Head, "zeros found".into()),
            FileHeader::Broken(what) => segment.note(Place::Header, 0, Part::Head, what),
        }
        segment.find_blocks(start, unsealed_name).map_err(failed)?;
        if start.is_none() && segment.blocks.is_empty() && segment.footer.is_none() {
            return Err(SegmentError::NotASegment { path: path.to_owned() });
        }
        Ok(segment)
    }

    fn note(&mut self, place: Place, offset: u64, part: Part, what: Malformed) {
        self.damage.push(Damage { place, offset, part, what });
    }

    /// Finds the blocks by the footer's index, or one after the other where that fails.
    fn find_blocks(&mut self, start: Option<u64>, unsealed_name: bool) -> io::Result<()> {
        let trailer_at = self.source.len().saturating_sub(TRAILER_BYTES as u64);
        let mut end = self.source.len();
        match read_trailer(&self.source)? {
            Ok(offset) => {
                end = offset;
                match Region::read(&self.source, offset)? {
                    Ok(Some(region))
                        if region.kind == RegionKind::Footer && region.end() == trailer_at =>
                    {
                        self.footer = Some(region);
                        if self.read_index(start, offset)? {
                            return Ok(());
                        }
                    }
                    Ok(_) => {
                        let what = "a footer up to the trailer expected, none found".to_owned();
                        self.note(Place::Footer, offset, Part::Head, what);
                    }
                    Err(what) => self.note(Place::Footer, offset, Part::Head, what),
                }
            }
            Err(what) if !unsealed_name => {
                self.note(Place::Trailer, trailer_at, Part::Head, what);
            }
            Err(_) => {}
        }
        self.scan(start, end)
    }

    /// Reads the footer's index; `false` where it is damaged.
    fn read_index(&mut self, start: Option<u64>, end: u64) -> io::Result<bool> {
        let index = match self.footer_part(Part::Index)? {
            Ok(raw) => decode_index(&raw, start, end),
            Err(malformed) => Err(malformed),
        };
        match index {
            Ok(blocks) => {
                self.blocks = blocks;
                Ok(true)
            }
            Err(what) => {
                self.note(Place::Footer, end, Part::Index, what);
                Ok(false)
            }
        }
    }

    fn footer_part(&self, part: Part) -> io::Result<Result<Cow<'_, [u8]>, Malformed>> {
        match self.footer.as_ref().and_then(|footer| footer.part(part)) {
            Some(entry) => entry.read(&self.source),
            None => Ok(Err("the part is not there".to_owned())),
        }
    }

    /// Finds the blocks before `end` one after the other, and the footer behind them.
    fn scan(&mut self, start: Option<u64>, end: u64) -> io::Result<()> {
        let mut at = match start {
            Some(start) => start,
            None => match self.next_region(FILE_HEADER_BYTES as u64, end)? {
                Some(found) => found,
                None => return Ok(()),
            },
        };
        let mut number = 0;
        while at < end {
            match Region::read(&self.source, at)? {
                Ok(None) => break,
                Ok(Some(region)) if region.kind == RegionKind::Footer => {
                    self.footer.get_or_insert(region);
                    break;
                }
                Ok(Some(region)) => {
                    let info = self.read_info(&region, number)?;
                    self.blocks.push(info);
                    at = region.end();
                }
                Err(what) => {
                    self.note(Place::Block(number), at, Part::Head, what);
                    match self.next_region(at.saturating_add(ALIGNMENT), end)? {
                        Some(found) => at = found,
                        None => break,
                    }
                }
            }
            number += 1;
        }
        Ok(())
    }

    /// What a block tells of itself.
    fn read_info(&mut self, region: &Region, number: usize) -> io::Result<BlockInfo> {
        let info = match region.part(Part::Info) {
            Some(entry) => entry.read(&self.source)?,
            None => Err("the part is not there".to_owned()),
        };
        let info = info.and_then(|raw| {
            let mut cursor = Cursor::new(&raw);
            let info = BlockInfo::decode(&mut cursor)?;
            cursor.end().map(|()| info)
        });
        let info = info.unwrap_or_else(|what| {
            self.note(Place::Block(number), region.offset, Part::Info, what);
            BlockInfo::unknown(region.exchanges)
        });
        let (offset, len, exchanges) = (region.offset, region.len, region.exchanges);
        Ok(BlockInfo { offset, len, exchanges, number, ..info })
    }

    /// The next place from `at` on where a region's header is whole.
    fn next_region(&self, at: u64, end: u64) -> io::Result<Option<u64>> {
        const STRETCH: u32 = 1 << 16;
        for stretch in (at..end).step_by(STRETCH as usize) {
            let bytes = self.source.read(stretch, u64::from(STRETCH).min(end - stretch))?;
            for (place, word) in (stretch..).step_by(8).zip(bytes.chunks(8)) {
                if (word.starts_with(b"WBLK") || word.starts_with(b"WFTR"))
                    && matches!(Region::read(&self.source, place)?, Ok(Some(_)))
                {
                    return Ok(Some(place));
                }
            }
        }
        Ok(None)
    }

    fn read_ledger(&mut self) -> io::Result<()> {
        let Some(offset) = self.footer.as_ref().map(|footer| footer.offset) else { return Ok(()) };
        match self.footer_part(Part::Ledger)?.and_then(|raw| decode_ledger(&raw)) {
            Ok(ledger) => self.ledger = Some(ledger),
            Err(what) => self.note(Place::Footer, offset, Part::Ledger, what),
        }
        Ok(())
    }

    /// Notes a ledger whose bytes were changed.
    fn look_at_ledger(&mut self) -> io::Result<()> {
        let Some(footer) = &self.footer else { return Ok(()) };
        let offset = footer.offset;
        let looked = match footer.part(Part::Ledger) {
            Some(entry) => entry.look(&self.source)?,
            None => Err("the part is not there".to_owned()),
        };
        if let Err(what) = looked {
            self.note(Place::Footer, offset, Part::Ledger, what);
        }
        Ok(())
    }

    /// Which file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its length, in bytes; of an unsealed one, up to the end of its last block.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        match (&self.footer, self.blocks.last()) {
            (Some(_), _) => self.source.len(),
            (None, Some(last)) => last.offset.saturating_add(last.len),
            (None, None) => 0,
        }
    }

    /// Whether it was sealed: it has a footer.
    #[must_use]
    pub const fn is_sealed(&self) -> bool {
        self.footer.is_some()
    }

    /// Where it comes from; empty where the header is damaged.
    #[must_use]
    pub const fn about(&self) -> &About {
        &self.about
    }

    /// Its blocks, in the order of the file.
    #[must_use]
    pub fn blocks(&self) -> &[BlockInfo] {
        &self.blocks
    }

    /// How many exchanges its blocks hold.
    #[must_use]
    pub fn exchanges(&self) -> u64 {
        self.blocks.iter().map(|block| u64::from(block.exchanges)).sum()
    }

    /// Reads the numbers of the block at that position of [`Segment::blocks`].
    ///
    /// # Errors
    /// Where there is no such block, the file cannot be read, or the block is damaged.
    pub fn block(&self, position: usize) -> Result<Block, SegmentError> {
        let info = self.blocks.get(position).ok_or_else(|| {
            SegmentError::io("find a block in", &self.path, io::ErrorKind::InvalidInput.into())
        })?;
        Block::open(self.path.clone(), self.source.clone(), info)
    }

    /// Lets `ask` glance at the numbers of the block at that position of [`Segment::blocks`];
    /// `None` where they are damaged or cannot be read, which [`Segment::block`] tells.
    pub fn glance<T>(&self, position: usize, ask: impl FnOnce(&mut Glance<'_>) -> T) -> Option<T> {
        let info = self.blocks.get(position)?;
        let region = Region::read(&self.source, info.offset).ok()?.ok()??;
        let numbers = region.part(Part::Numbers)?.read(&self.source).ok()?.ok()?;
        let mut glance = Glance::read(&numbers).ok()?;
        let expected = info.exchanges as usize;
        let is_whole = region.kind == RegionKind::Block && glance.len() == expected;
        is_whole.then(|| ask(&mut glance))
    }

    /// The bytes of a block, as they stand in the file.
    pub(super) fn block_bytes(&self, info: &BlockInfo) -> Result<Vec<u8>, SegmentError> {
        let bytes = self.source.read(info.offset, info.len);
        Ok(bytes.map_err(|error| SegmentError::io("read", &self.path, error))?.into_owned())
    }

    /// The summary: from the footer, or from all whole blocks where there is none.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn summary(&self) -> Result<Summary, SegmentError> {
        let mut summary = Summary::default();
        if self.read_summary(&Metric::ALL, &mut summary)?.is_ok() {
            return Ok(summary);
        }
        self.each_block(&mut |block| summarise(block, &mut summary))?;
        Ok(summary)
    }

    /// Adds the summary, and of its times only `metric`, to `all`: from the footer where it has
    /// one, which is no more work than its bytes are, or from all whole blocks.
    ///
    /// # Errors
    /// Where the file cannot be read; a part may then have been added.
    pub fn add_summary(&self, metric: Metric, all: &mut Summary) -> Result<(), SegmentError> {
        if self.read_summary(&[metric], all)?.is_ok() {
            return Ok(());
        }
        self.each_block(&mut |block| {
            for row in 0..block.len() {
                let facts = block.facts(row);
                all.record_metric(&facts, block.method(row), block.route(row), metric);
            }
        })
    }

    /// The servers of its exchanges, some of them several times, from the footer; `None` where
    /// that cannot tell: there is none, it is damaged, or it names too few groups.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn servers(&self) -> Result<Option<Vec<Endpoint>>, SegmentError> {
        let groups = self.footer_part(Part::Summary);
        let groups = groups.map_err(|error| SegmentError::io("read", &self.path, error))?;
        Ok(groups.and_then(|groups| summary::servers(&groups)).unwrap_or(None))
    }

    /// Adds the footer's summary with the times of those metrics. Where it is damaged or not
    /// there, nothing is added.
    fn read_summary(
        &self,
        metrics: &[Metric],
        all: &mut Summary,
    ) -> Result<Result<(), (Part, Malformed)>, SegmentError> {
        let read = |part| {
            let bytes = self.footer_part(part);
            let bytes = bytes.map_err(|error| SegmentError::io("read", &self.path, error))?;
            Ok(bytes.map_err(|what| (part, what)))
        };
        let groups = match read(Part::Summary)? {
            Ok(groups) => groups,
            Err(malformed) => return Ok(Err(malformed)),
        };
        let mut times = Vec::new();
        for &metric in metrics {
            match read(Part::times(metric))? {
                Ok(bytes) => times.push((metric, bytes)),
                Err(malformed) => return Ok(Err(malformed)),
            }
        }
        let times = times.iter().map(|(metric, bytes)| (*metric, bytes.as_ref()));
        Ok(all.add_encoded(&groups, times).map_err(|what| (Part::Summary, what)))
    }

    /// Calls `visit` with every block that is whole.
    fn each_block(&self, visit: &mut dyn FnMut(&Block)) -> Result<(), SegmentError> {
        for position in 0..self.blocks.len() {
            match self.block(position) {
                Ok(block) => visit(&block),
                Err(SegmentError::Damaged { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// How many bytes the parts of all blocks take, by name, as stored.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn part_bytes(&self) -> Result<BTreeMap<&'static str, u64>, SegmentError> {
        let mut bytes = BTreeMap::new();
        for info in &self.blocks {
            let region = Region::read(&self.source, info.offset)
                .map_err(|error| SegmentError::io("read", &self.path, error))?;
            for entry in region.ok().flatten().iter().flat_map(|region| &region.parts) {
                *bytes.entry(entry.part().name()).or_insert(0) += entry.stored();
            }
        }
        Ok(bytes)
    }

    /// The ledger of the run up to the sealing; `None` where it was not sealed, is damaged, or was
    /// opened briefly.
    #[must_use]
    pub const fn ledger(&self) -> Option<&Ledger> {
        self.ledger.as_ref()
    }

    /// The damage that opening found.
    #[must_use]
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }

    /// Reads everything and returns all damage; empty where the segment is whole.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn verify(&self) -> Result<Vec<Damage>, SegmentError> {
        let failed = |error| SegmentError::io("read", &self.path, error);
        let mut all = self.damage.clone();
        let mut summary = Summary::default();
        for position in 0..self.blocks.len() {
            match self.verify_block(position, &mut summary)? {
                damage if damage.is_empty() => {}
                damage => all.extend(damage.into_iter().filter(|one| !self.damage.contains(one))),
            }
        }
        if let Some(footer) = &self.footer {
            let mut found = self.verify_parts(footer, Place::Footer).map_err(failed)?;
            if found.is_empty() {
                found.extend(self.verify_summary(footer, &summary, all.is_empty())?);
            }
            all.extend(found.into_iter().filter(|one| !self.damage.contains(one)));
        }
        Ok(all)
    }

    /// Holds that the summary is readable, and where all blocks are whole, that it is theirs.
    fn verify_summary(
        &self,
        footer: &Region,
        blocks: &Summary,
        whole: bool,
    ) -> Result<Option<Damage>, SegmentError> {
        let mut summary = Summary::default();
        let (part, what) = match self.read_summary(&Metric::ALL, &mut summary)? {
            Err(malformed) => malformed,
            Ok(()) if whole && summary != *blocks => {
                (Part::Summary, "the sums of the blocks expected, others found".to_owned())
            }
            Ok(()) => return Ok(None),
        };
        let (place, offset) = (Place::Footer, footer.offset);
        Ok(Some(Damage { place, offset, part, what }))
    }

    /// All damage of a block, whose share is added to the summary where it has none.
    pub(super) fn verify_block(
        &self,
        position: usize,
        summary: &mut Summary,
    ) -> Result<Vec<Damage>, SegmentError> {
        let failed = |error| SegmentError::io("read", &self.path, error);
        let Some(info) = self.blocks.get(position) else { return Ok(Vec::new()) };
        let place = Place::Block(info.number);
        if let Ok(Some(region)) = Region::read(&self.source, info.offset).map_err(failed)? {
            let mut found = self.verify_parts(&region, place).map_err(failed)?;
            if region.len != info.len {
                let what = format!("{} bytes expected, {} found", info.len, region.len);
                found.push(Damage { place, offset: info.offset, part: Part::Head, what });
            }
            if !found.is_empty() {
                return Ok(found);
            }
        }
        let read = self.block(position).and_then(|mut block| {
            block.load_heads()?;
            block.load_bodies()?;
            Ok(block)
        });
        match read {
            Ok(block) => {
                summarise(&block, summary);
                Ok(Vec::new())
            }
            Err(SegmentError::Damaged { damage, .. }) => Ok(vec![damage]),
            Err(error) => Err(error),
        }
    }

    /// Checks and unpacks every part of a region, known or not.
    fn verify_parts(&self, region: &Region, place: Place) -> io::Result<Vec<Damage>> {
        let offset = region.offset;
        let mut found = Vec::new();
        for entry in &region.parts {
            if let Err(what) = entry.read(&self.source)? {
                found.push(Damage { place, offset, part: entry.part(), what });
            }
        }
        if let Err(what) = region.check_padding(&self.source)? {
            found.push(Damage { place, offset, part: Part::Padding, what });
        }
        Ok(found)
    }
}

/// Adds a block's exchanges to a summary.
pub(super) fn summarise(block: &Block, summary: &mut Summary) {
    for row in 0..block.len() {
        summary.record_facts(&block.facts(row), block.method(row), block.route(row));
    }
}
