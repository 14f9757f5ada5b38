//! A block read back: its numbers and names, and its heads and bodies once they are loaded.

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use crate::exchange::{Exchange, Facts, MessageFacts, MessageText, State, Timing};
use crate::http::lines;
use crate::limits::BLOCK_EXCHANGES_MAX;
use crate::segment::cursor::{Cursor, Malformed};
use crate::segment::error::{Damage, Part, Place, SegmentError};
use crate::segment::format::{PartEntry, Region, RegionKind};
use crate::segment::info::BlockInfo;
use crate::segment::numbers::{Call, Numbers};
use crate::segment::source::Source;
use crate::segment::texts::Texts;
use crate::time::Timestamp;

/// A block read back: its numbers, and its heads and bodies once they are loaded. A row is the
/// position of an exchange in the block, from 0; a row past the end answers as an empty exchange.
#[derive(Debug)]
pub struct Block {
    file: BlockFile,
    numbers: Numbers,
    names: Names,
    heads: Option<Sides>,
    bodies: Option<Sides>,
}

/// The texts of the requests and of the responses.
#[derive(Debug, Default)]
struct Sides {
    request: Texts,
    response: Texts,
}

/// Where a block's parts are read from.
#[derive(Debug)]
struct BlockFile {
    path: Arc<Path>,
    source: Arc<Source>,
    region: Region,
    number: usize,
}

impl BlockFile {
    fn damaged(&self, part: Part, what: Malformed) -> SegmentError {
        let damage =
            Damage { place: Place::Block(self.number), offset: self.region.offset, part, what };
        SegmentError::Damaged { path: self.path.to_path_buf(), damage }
    }

    /// The raw bytes of a part; `None` where the block has none of that kind.
    fn part(&self, part: Part) -> Result<Option<Vec<u8>>, SegmentError> {
        self.region.part(part).map(|entry| self.read(entry)).transpose()
    }

    fn read(&self, entry: &PartEntry) -> Result<Vec<u8>, SegmentError> {
        entry
            .read(&self.source)
            .map_err(|error| SegmentError::io("read", &self.path, error))?
            .map(Cow::into_owned)
            .map_err(|malformed| self.damaged(entry.part(), malformed))
    }

    /// The texts of a part, of whose rows the numbers tell those lengths.
    fn texts(
        &self,
        part: Part,
        told: impl Iterator<Item = Option<u64>> + Clone,
    ) -> Result<Texts, SegmentError> {
        match self.part(part)? {
            Some(raw) => Texts::decode(raw, told).map_err(|what| self.damaged(part, what)),
            None => Ok(Texts::default()),
        }
    }
}

impl Block {
    /// Reads the numbers and names of the block that `info` tells of.
    pub(super) fn open(
        path: Arc<Path>,
        source: Arc<Source>,
        info: &BlockInfo,
    ) -> Result<Self, SegmentError> {
        let region = Region::read(&source, info.offset)
            .map_err(|error| SegmentError::io("read", &path, error))?
            .and_then(|region| match region {
                Some(region) if region.kind != RegionKind::Block => Err("WBLK expected".into()),
                Some(region) if region.exchanges != info.exchanges => Err(format!(
                    "{} exchanges expected, {} found",
                    info.exchanges, region.exchanges
                )),
                Some(region) => Ok(region),
                None => Err("WBLK expected, zeros found".to_owned()),
            })
            .map_err(|what| {
                let place = Place::Block(info.number);
                let damage = Damage { place, offset: info.offset, part: Part::Head, what };
                SegmentError::Damaged { path: path.to_path_buf(), damage }
            })?;
        let file = BlockFile { path, source, region, number: info.number };
        let raw = file.part(Part::Numbers)?.unwrap_or_default();
        let expected = file.region.exchanges as usize;
        let numbers = Numbers::decode(&raw)
            .and_then(|numbers| match numbers.len() {
                len if len == expected => Ok(numbers),
                len => Err(format!("{expected} rows expected, {len} found")),
            })
            .map_err(|what| file.damaged(Part::Numbers, what))?;
        let raw = file.part(Part::Names)?.unwrap_or_default();
        let names =
            Names::decode(raw, numbers.calls()).map_err(|what| file.damaged(Part::Names, what))?;
        Ok(Self { file, numbers, names, heads: None, bodies: None })
    }

    /// How many exchanges it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every number of the exchange.
    #[must_use]
    pub fn facts(&self, row: usize) -> Facts {
        self.numbers.facts(row)
    }

    /// The exchange's start: cheaper than all its facts.
    #[must_use]
    pub fn start(&self, row: usize) -> Timestamp {
        self.numbers.start(row)
    }

    /// The exchange's state: cheaper than all its facts.
    #[must_use]
    pub fn state(&self, row: usize) -> State {
        self.numbers.state(row)
    }

    /// The exchange's status, 0 without response: cheaper than all its facts.
    #[must_use]
    pub fn status(&self, row: usize) -> u16 {
        self.numbers.status(row)
    }

    /// The exchange's phases: cheaper than all its facts.
    #[must_use]
    pub fn timing(&self, row: usize) -> Timing {
        self.numbers.timing(row)
    }

    /// The method; empty without request.
    #[must_use]
    pub fn method(&self, row: usize) -> &[u8] {
        self.names.bytes(&self.names.methods, self.call(row).map(|call| call.method))
    }

    /// The route pattern, without the method; empty without request.
    #[must_use]
    pub fn route(&self, row: usize) -> &str {
        let route = self.names.bytes(&self.names.routes, self.call(row).map(|call| call.route));
        std::str::from_utf8(route).unwrap_or_default()
    }

    /// The host that the request names; empty where it names none.
    #[must_use]
    pub fn host(&self, row: usize) -> &[u8] {
        self.names.bytes(&self.names.hosts, self.call(row).map(|call| call.host))
    }

    fn call(&self, row: usize) -> Option<Call> {
        self.numbers.call(row)
    }

    /// Statuses of the interim responses, in order.
    #[must_use]
    pub fn interim(&self, row: usize) -> &[u16] {
        self.numbers.interim(row)
    }

    /// Reads the heads; does nothing where they are loaded.
    ///
    /// # Errors
    /// Where the file cannot be read or the heads are damaged.
    pub fn load_heads(&mut self) -> Result<(), SegmentError> {
        if self.heads.is_none() {
            let told = |message: fn(&Facts) -> Option<MessageFacts>| {
                let facts = (0..self.len()).map(|row| self.facts(row));
                facts.map(move |facts| Some(message(&facts).map_or(0, |m| m.header_bytes.into())))
            };
            self.heads = Some(Sides {
                request: self.file.texts(Part::RequestHeads, told(|facts| facts.request))?,
                response: self.file.texts(Part::ResponseHeads, told(|facts| facts.response))?,
            });
        }
        Ok(())
    }

    /// Reads the bodies; does nothing where they are loaded.
    ///
    /// # Errors
    /// Where the file cannot be read or the bodies are damaged.
    pub fn load_bodies(&mut self) -> Result<(), SegmentError> {
        if self.bodies.is_none() {
            let seen = |message: Option<MessageFacts>| message.map_or(0, |m| m.body_seen_bytes);
            let rows = 0..self.len();
            let request = rows
                .clone()
                .map(|row| self.numbers.kept(row).request.then(|| seen(self.facts(row).request)));
            let response = rows
                .map(|row| self.numbers.kept(row).response.then(|| seen(self.facts(row).response)));
            self.bodies = Some(Sides {
                request: self.file.texts(Part::RequestBodies, request)?,
                response: self.file.texts(Part::ResponseBodies, response)?,
            });
        }
        Ok(())
    }

    /// The request's head; empty where it was not seen, not kept, or heads are not loaded.
    #[must_use]
    pub fn request_head(&self, row: usize) -> &[u8] {
        self.heads.as_ref().map_or(&[], |heads| heads.request.get(row))
    }

    /// The response's head; empty where it was not seen, not kept, or heads are not loaded.
    #[must_use]
    pub fn response_head(&self, row: usize) -> &[u8] {
        self.heads.as_ref().map_or(&[], |heads| heads.response.get(row))
    }

    /// The request's target as sent; empty where heads are not loaded.
    #[must_use]
    pub fn target(&self, row: usize) -> &[u8] {
        lines::request_line(self.request_head(row)).target
    }

    /// The request's kept body; `None` where none was kept or bodies are not loaded.
    #[must_use]
    pub fn request_body(&self, row: usize) -> Option<&[u8]> {
        let bodies = self.bodies.as_ref().filter(|_| self.numbers.kept(row).request);
        bodies.map(|bodies| bodies.request.get(row))
    }

    /// The response's kept body; `None` where none was kept or bodies are not loaded.
    #[must_use]
    pub fn response_body(&self, row: usize) -> Option<&[u8]> {
        let bodies = self.bodies.as_ref().filter(|_| self.numbers.kept(row).response);
        bodies.map(|bodies| bodies.response.get(row))
    }

    /// The exchange in full into `exchange`, loading heads and bodies where they are not.
    ///
    /// # Errors
    /// Where the file cannot be read or heads or bodies are damaged.
    pub fn exchange(&mut self, row: usize, exchange: &mut Exchange) -> Result<(), SegmentError> {
        self.load_heads()?;
        self.load_bodies()?;
        self.exchange_as_loaded(row, exchange);
        Ok(())
    }

    /// The exchange into `exchange`, its heads and bodies empty where they are not loaded.
    pub fn exchange_as_loaded(&self, row: usize, exchange: &mut Exchange) {
        exchange.clear();
        exchange.facts = self.facts(row);
        exchange.route.push_str(self.route(row));
        exchange.interim.extend_from_slice(self.interim(row));
        let fill = |text: &mut MessageText, head: &[u8], body: Option<&[u8]>| {
            text.head.extend_from_slice(head);
            text.body = body.map(<[u8]>::to_vec);
        };
        fill(&mut exchange.request, self.request_head(row), self.request_body(row));
        fill(&mut exchange.response, self.response_head(row), self.response_body(row));
    }
}

/// The methods, routes and hosts that a block refers to.
#[derive(Debug, Default)]
struct Names {
    raw: Vec<u8>,
    methods: Vec<Range<usize>>,
    routes: Vec<Range<usize>>,
    hosts: Vec<Range<usize>>,
}

impl Names {
    /// Reads the part, and holds that every call finds its names.
    fn decode(raw: Vec<u8>, calls: &[Call]) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(&raw);
        let mut kinds = [const { Vec::new() }; 3];
        for kind in &mut kinds {
            let count = cursor.count()?;
            if count > BLOCK_EXCHANGES_MAX {
                return Err(format!("{count} names found, {BLOCK_EXCHANGES_MAX} allowed"));
            }
            for _ in 0..count {
                let len = cursor.bytes()?.len();
                let end = raw.len() - cursor.rest().len();
                kind.push(end - len..end);
            }
        }
        cursor.end()?;
        let [methods, routes, hosts] = kinds;
        for call in calls {
            if call.method >= methods.len()
                || call.route >= routes.len()
                || call.host >= hosts.len()
            {
                return Err(format!("a call with {call:?} has no names"));
            }
        }
        for route in &routes {
            if std::str::from_utf8(raw.get(route.clone()).unwrap_or_default()).is_err() {
                return Err("a route in UTF-8 expected, other bytes found".to_owned());
            }
        }
        Ok(Self { raw, methods, routes, hosts })
    }

    fn bytes(&self, kind: &[Range<usize>], position: Option<usize>) -> &[u8] {
        let range = position.and_then(|position| kind.get(position));
        range.and_then(|range| self.raw.get(range.clone())).unwrap_or_default()
    }
}
