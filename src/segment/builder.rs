//! A block being built: exchanges taken apart into columns, texts, names and a summary.

use std::borrow::Cow;
use std::ops::Range;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::exchange::{Exchange, host_of_line};
use crate::http::lines;
use crate::limits::{BLOCK_BYTES, BLOCK_EXCHANGES_MAX, METHOD_BYTES_MAX};
use crate::segment::column::ColumnEncoder;
use crate::segment::cursor::{put_bytes, put_varint};
use crate::segment::error::Part;
use crate::segment::format::{EncodedRegion, RegionBuilder, RegionKind};
use crate::segment::groups::{Groups, GroupsBuilder};
use crate::segment::info::{BlockInfo, Filter, Name};
use crate::segment::numbers::{BodiesKept, NumbersBuilder};
use crate::segment::summary::GroupKey;
use crate::segment::texts::TextsBuilder;
use crate::time::Timestamp;

/// Collects exchanges and encodes them; its buffers serve the next block.
#[derive(Debug)]
pub struct BlockBuilder {
    encoder: ColumnEncoder,
    region: RegionBuilder,
    numbers: NumbersBuilder,
    request_heads: TextsBuilder,
    response_heads: TextsBuilder,
    request_bodies: TextsBuilder,
    response_bodies: TextsBuilder,
    methods: Names,
    routes: Names,
    hosts: Names,
    /// Positions of method, route and host, and which call they are.
    calls: HashMap<[u32; 3], usize, RandomState>,
    groups: GroupsBuilder,
    info: BlockInfo,
}

impl BlockBuilder {
    /// An empty builder.
    #[must_use]
    pub fn new() -> Self {
        Self {
            encoder: ColumnEncoder::new(),
            region: RegionBuilder::default(),
            numbers: NumbersBuilder::default(),
            request_heads: TextsBuilder::default(),
            response_heads: TextsBuilder::default(),
            request_bodies: TextsBuilder::default(),
            response_bodies: TextsBuilder::default(),
            methods: Names::default(),
            routes: Names::default(),
            hosts: Names::default(),
            calls: HashMap::default(),
            groups: GroupsBuilder::default(),
            info: BlockInfo::default(),
        }
    }

    /// Adds one exchange.
    pub fn push(&mut self, exchange: &Exchange) {
        let facts = &exchange.facts;
        let Exchange { request, response, .. } = exchange;
        let line = lines::request_line(&request.head);
        let method = self.methods.position(line.method);
        let route = self.routes.position(exchange.route.as_bytes());
        let host = self.hosts.position(&host_of_line(line));
        let known = self.calls.len();
        let call = *self.calls.entry([method, route, host]).or_insert(known);
        if call == known {
            self.numbers.push_call(method.into(), route.into(), host.into());
        }
        let server = facts.connection.server;
        self.groups.record((server, [method, route], facts.class()), facts);
        self.note(exchange);
        let kept =
            BodiesKept { request: request.body.is_some(), response: response.body.is_some() };
        self.numbers.push(facts, call, &exchange.interim, kept);
        let told = facts.request.unwrap_or_default();
        self.request_heads.push(&request.head, told.header_bytes.into());
        if let Some(body) = &request.body {
            self.request_bodies.push(body, told.body_seen_bytes);
        }
        let told = facts.response.unwrap_or_default();
        self.response_heads.push(&response.head, told.header_bytes.into());
        if let Some(body) = &response.body {
            self.response_bodies.push(body, told.body_seen_bytes);
        }
    }

    /// Notes what the index is to know of the exchange.
    fn note(&mut self, exchange: &Exchange) {
        let (facts, info) = (&exchange.facts, &mut self.info);
        if info.exchanges == 0 {
            (info.first_start, info.last_start) = (Timestamp::MAX, Timestamp::MIN);
        }
        info.exchanges = info.exchanges.saturating_add(1);
        info.first_start = info.first_start.min(facts.start);
        info.last_start = info.last_start.max(facts.start);
        info.total_ns_max = info.total_ns_max.max(facts.timing.total_ns.unwrap_or(0));
        info.classes |= 1_u16.checked_shl(facts.class().into()).unwrap_or(0);
        info.states |= 1 << facts.state as u8;
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

    /// Whether a bound of `limits.rs` for one block is reached: it is time to finish.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len() >= BLOCK_EXCHANGES_MAX
            || self.request_heads.len() + self.response_heads.len() >= BLOCK_BYTES
            || self.request_bodies.len() + self.response_bodies.len() >= BLOCK_BYTES
    }

    /// Encodes what it holds and empties it. An empty block may be appended and writes nothing.
    pub fn finish(&mut self) -> EncodedBlock {
        if self.is_empty() {
            return EncodedBlock::default();
        }
        let groups = self.groups();
        let mut info = std::mem::take(&mut self.info);
        info.names = Filter::new(self.routes.len() + self.hosts.len());
        self.hosts.iter().for_each(|host| info.names.add(Name::host(host)));
        self.routes
            .iter()
            .filter_map(|route| std::str::from_utf8(route).ok())
            .for_each(|route| info.names.add(Name::route(route)));
        let mut encoded = Vec::new();
        info.encode(&mut encoded);
        self.region.plain_part(Part::Info, &encoded);
        let numbers = self.numbers.finish(&mut self.encoder);
        self.region.plain_part(Part::Numbers, &numbers);
        let mut names = Vec::new();
        for of_a_kind in [&mut self.methods, &mut self.routes, &mut self.hosts] {
            of_a_kind.finish(&mut names);
        }
        self.region.part(Part::Names, &names, self.encoder.packer());
        for (part, texts) in [
            (Part::RequestHeads, &mut self.request_heads),
            (Part::ResponseHeads, &mut self.response_heads),
            (Part::RequestBodies, &mut self.request_bodies),
            (Part::ResponseBodies, &mut self.response_bodies),
        ] {
            if let Some(raw) = texts.finish(&mut self.encoder) {
                self.region.part(part, raw, self.encoder.packer());
            }
            texts.clear();
        }
        self.calls.clear();
        let region = self.region.finish(RegionKind::Block, info.exchanges);
        info.len = region.len() as u64;
        EncodedBlock { region, info, groups }
    }

    /// Takes the room of a block that is no longer needed for one to come.
    pub fn reuse(&mut self, block: EncodedBlock) {
        self.region.reuse(block.region);
        self.groups.reuse(block.groups);
    }

    /// The groups that were collected.
    fn groups(&mut self) -> Groups {
        let methods: Vec<&[u8]> = self.methods.iter().collect();
        let routes: Vec<&[u8]> = self.routes.iter().collect();
        let name = |names: &[&[u8]], position: u32| {
            names.get(position as usize).map_or_else(Vec::new, |name| name.to_vec())
        };
        self.groups.finish(|(server, [method, route], class)| {
            let mut method = name(&methods, method);
            method.truncate(METHOD_BYTES_MAX);
            let route = String::from_utf8(name(&routes, route)).unwrap_or_default();
            GroupKey { server, method, route, class }
        })
    }
}

impl Default for BlockBuilder {
    fn default() -> Self {
        Self::new()
    }
}

/// Names of one kind, each once, in the order of their first use.
#[derive(Debug, Default)]
struct Names {
    positions: HashMap<Box<[u8]>, u32, RandomState>,
    /// The names back to back.
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// Where in `bytes` the latest name stands, and its position: mostly the next is the same.
    latest: Option<(Range<usize>, u32)>,
}

impl Names {
    fn len(&self) -> usize {
        self.ends.len()
    }

    fn position(&mut self, name: &[u8]) -> u32 {
        if let Some((place, position)) = &self.latest
            && self.bytes.get(place.clone()) == Some(name)
        {
            return *position;
        }
        let position = self.positions.get(name).copied().unwrap_or_else(|| {
            let position = u32::try_from(self.ends.len()).unwrap_or(u32::MAX);
            self.positions.insert(name.into(), position);
            self.bytes.extend_from_slice(name);
            self.ends.push(self.bytes.len());
            position
        });
        let end = self.ends.get(position as usize).copied().unwrap_or_default();
        self.latest = Some((end.saturating_sub(name.len())..end, position));
        position
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins.zip(&self.ends).map(|(begin, &end)| self.bytes.get(begin..end).unwrap_or_default())
    }

    /// Encodes them and empties itself.
    fn finish(&mut self, out: &mut Vec<u8>) {
        put_varint(out, self.len() as u64);
        self.iter().for_each(|name| put_bytes(out, name));
        self.positions.clear();
        self.bytes.clear();
        self.ends.clear();
        self.latest = None;
    }
}

/// The host that a request names (RFC 9112 section 3.2): that of a target in absolute or authority
/// form, else the first Host field's value; empty where there is neither. As sent, with the port;
/// without user and password.
#[must_use]
pub fn host_of(head: &[u8]) -> Cow<'_, [u8]> {
    host_of_line(lines::request_line(head))
}

/// A block ready to be appended to a segment. The default one is empty.
#[derive(Clone, Debug, Default)]
pub struct EncodedBlock {
    pub(super) region: EncodedRegion,
    /// What the index is to know of it, its offset excepted.
    pub(super) info: BlockInfo,
    /// Its share of the segment's summary.
    pub(super) groups: Groups,
}

impl EncodedBlock {
    /// How many exchanges it holds.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.info.exchanges as usize
    }

    /// Whether it holds none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.info.exchanges == 0
    }

    /// What the index will say of it.
    #[must_use]
    pub const fn info(&self) -> &BlockInfo {
        &self.info
    }

    /// How many bytes it takes in a file.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.region.len() as u64
    }
}
