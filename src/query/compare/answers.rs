//! The answers to the same request before and after, value by value.
//!
//! Two requests are the same in one of two ways: by themselves (method, target, body), or with
//! what their connection changed on the server before them, so that a cart is compared with the
//! same cart. Of the first capture's answers a summary is kept: each request's values, and which
//! of them changed when it was asked again. That is how it is learned what always differs. A
//! difference is reported where the first capture shows that the value stands still:
//!
//! - asked again at least [`ENOUGH`] times, it never changed on this route; or it is one and the
//!   same in all answers of the route;
//! - it changed now and then, and differs now by far more often (Fisher's exact test);
//! - requests were seldom asked again, but most values agree, by far more than with the answer
//!   to another request: so that the request decides them;
//! - a member that every answer had, or none, or a type that none had.
//!
//! What looks like an instant or an identity made anew, and differs always, is left out. What
//! differs and is none of these is told apart, as what cannot be said.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::exchange::{Exchange, ExchangeId, State};
use crate::http::lines;
use crate::limits::{GROUPS_MAX, VALUE_PATHS_MAX, VALUES_KEPT_MAX};
use crate::query::compare::crossing::{Crossed, Example, Learned, Outcome};
use crate::query::compare::leaves::{self, Leaf, NameId, PathId, Paths, STATUS, Value};
use crate::query::compare::request::{Follower, Request, mix};

/// Repeated answers from which on a value that never changed stands still.
pub const ENOUGH: u64 = 20;

/// What is at hand of a response's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content<'a> {
    /// All of it, content codings undone.
    Whole(&'a [u8]),
    /// Not all: it was cut, lost, or its coding cannot be undone.
    Part,
    /// The capture does not keep bodies.
    NotKept,
}

/// How many answers of one capture could be compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Complete answers.
    pub answers: u64,
    /// Of these: without a body because bodies were not kept.
    pub without_body: u64,
    /// Of these: which have no body at all.
    pub empty: u64,
    /// Of these: whose body is not all there.
    pub partial: u64,
    /// After: answers to a request that was answered before too. Before: the others of
    /// which nothing was kept, for lack of room.
    pub matched: u64,
}

/// A value of the first capture's answers to one request.
#[derive(Clone, Copy, Debug)]
struct Seen {
    path: PathId,
    value: Value,
    /// In how many of the answers it was; [`VARIES`] where it was not the same in all.
    count: u32,
}

/// Stands for the count of a value that varies: how often it was there no longer matters.
const VARIES: u32 = u32::MAX;

/// The first capture's answers to one request.
#[derive(Debug)]
struct Known {
    id: ExchangeId,
    answers: u32,
    values: Vec<Seen>,
}

/// One way of telling requests apart, and everything learned in it.
#[derive(Debug, Default)]
pub(super) struct Way {
    known: HashMap<u64, Known, RandomState>,
    kept: usize,
    pub(super) learned: HashMap<(u32, NameId), Learned, RandomState>,
    pub(super) crossed: HashMap<(u32, NameId), Crossed, RandomState>,
    events: Vec<Event>,
}

/// Compares the answers of two captures: first all of the one, then all of the other.
#[derive(Debug, Default)]
pub struct Answers {
    pub(super) paths: Paths,
    before: Follower,
    after: Follower,
    pub(super) plain: Way,
    pub(super) chained: Way,
    pub(super) routes: Vec<String>,
    by_route: HashMap<String, u32, RandomState>,
    /// What was at hand before.
    pub counts_before: Counts,
    /// What was at hand after.
    pub counts_after: Counts,
    leaves: Vec<Leaf>,
}

/// One place of an answer against what was known of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub(super) name: NameId,
    pub(super) outcome: Outcome,
    pub(super) before: Option<Value>,
    pub(super) after: Option<Value>,
}

impl Answers {
    /// Takes the next exchange of the first capture, in the order of its start, whether it is
    /// compared or not.
    pub fn follow_before(&mut self, exchange: &Exchange) -> Request {
        self.before.follow(exchange)
    }

    /// The same of the second capture.
    pub fn follow_after(&mut self, exchange: &Exchange) -> Request {
        self.after.follow(exchange)
    }

    /// Learns from an answer of the first capture.
    pub fn learn(&mut self, request: Request, exchange: &Exchange, content: Content<'_>) {
        if !is_compared(exchange) {
            return;
        }
        self.counts_before.note(content);
        let route = self.route(exchange);
        let id = exchange.id();
        let status = [Leaf { path: STATUS, value: Value::Status(exchange.facts.status) }];
        let has_body = self.read(content);
        let keys = keys(request, exchange);
        let mut is_kept = true;
        for (way, (whole, body)) in [&mut self.plain, &mut self.chained].into_iter().zip(keys) {
            is_kept &= way.learn(whole, route, id, (&self.paths, &status));
            if has_body {
                is_kept &= way.learn(body, route, id, (&self.paths, &self.leaves));
            }
        }
        self.counts_before.matched += u64::from(!is_kept);
    }

    /// Compares an answer of the second capture.
    pub fn compare(&mut self, request: Request, exchange: &Exchange, content: Content<'_>) {
        if !is_compared(exchange) {
            return;
        }
        self.counts_after.note(content);
        let route = self.route(exchange);
        let id = exchange.id();
        let status = [Leaf { path: STATUS, value: Value::Status(exchange.facts.status) }];
        let has_body = self.read(content);
        let keys = keys(request, exchange);
        let mut is_matched = false;
        for (way, (whole, body)) in [&mut self.plain, &mut self.chained].into_iter().zip(keys) {
            is_matched |= way.cross(whole, route, id, (&self.paths, &status));
            if has_body {
                way.cross(body, route, id, (&self.paths, &self.leaves));
            }
        }
        self.counts_after.matched += u64::from(is_matched);
    }

    fn read(&mut self, content: Content<'_>) -> bool {
        let Content::Whole(body) = content else { return false };
        leaves::of_body(body, &mut self.paths, &mut self.leaves);
        true
    }

    /// The number of the route; all beyond [`GROUPS_MAX`] have one together.
    fn route(&mut self, exchange: &Exchange) -> u32 {
        let method = lines::request_line(&exchange.request.head).method;
        let mut name = String::from_utf8_lossy(method).into_owned();
        name.push(' ');
        name.push_str(&exchange.route);
        if let Some(&known) = self.by_route.get(&name) {
            return known;
        }
        if self.routes.len() > GROUPS_MAX {
            return u32::try_from(GROUPS_MAX).unwrap_or(u32::MAX);
        }
        if self.routes.len() == GROUPS_MAX {
            "{other}".clone_into(&mut name);
        }
        let number = u32::try_from(self.routes.len()).unwrap_or(u32::MAX);
        self.routes.push(name.clone());
        self.by_route.insert(name, number);
        number
    }
}

impl Counts {
    fn note(&mut self, content: Content<'_>) {
        self.answers += 1;
        self.without_body += u64::from(content == Content::NotKept);
        self.empty += u64::from(content == Content::Whole(b""));
        self.partial += u64::from(content == Content::Part);
    }
}

/// Whether both messages are whole, and no byte of the answer is in doubt.
fn is_compared(exchange: &Exchange) -> bool {
    let facts = &exchange.facts;
    facts.state == State::Complete && !facts.anomalies.is_suspect()
}

/// For each way: the key of the request, whose status is compared, and that of its answers of
/// this status, whose bodies are.
fn keys(request: Request, exchange: &Exchange) -> [(u64, u64); 2] {
    let status = u64::from(exchange.facts.status);
    [request.plain, request.chained].map(|key| (key, mix(key, status)))
}

impl Way {
    /// Learns from one answer; says whether there was room for it.
    fn learn(
        &mut self,
        key: u64,
        route: u32,
        id: ExchangeId,
        (paths, leaves): (&Paths, &[Leaf]),
    ) -> bool {
        let mut is_kept = true;
        if let Some(known) = self.known.get_mut(&key) {
            known.answers = known.answers.saturating_add(1);
            join(known, leaves, paths, Loose::Compared, &mut self.events);
            let before = known.values.len();
            known.take(leaves);
            self.kept += known.values.len() - before;
            for event in per_name(&mut self.events) {
                if let Some(learned) = entry(&mut self.learned, (route, event.name)) {
                    learned.repeated(event.outcome);
                }
            }
        } else if self.kept + leaves.len() <= VALUES_KEPT_MAX {
            self.kept += leaves.len() + 2;
            let seen = |leaf: &Leaf| Seen { path: leaf.path, value: leaf.value, count: 1 };
            let values = leaves.iter().map(seen).collect();
            self.known.insert(key, Known { id, answers: 1, values });
        } else {
            is_kept = false;
        }
        let mut last = None;
        let mut named: Vec<(NameId, Leaf)> =
            leaves.iter().map(|leaf| (paths.name_of(leaf.path), *leaf)).collect();
        named.sort_unstable_by_key(|(name, leaf)| (*name, leaf.path));
        for (name, leaf) in named {
            if let Some(learned) = entry(&mut self.learned, (route, name)) {
                learned.saw(leaf.value);
                if last != Some(name) {
                    let parent = paths.name_of(paths.parent(leaf.path));
                    learned.answered(parent);
                }
            }
            last = Some(name);
        }
        is_kept
    }

    /// Compares one answer; says whether its request is known.
    fn cross(
        &mut self,
        key: u64,
        route: u32,
        id: ExchangeId,
        (paths, leaves): (&Paths, &[Leaf]),
    ) -> bool {
        let Some(known) = self.known.get(&key) else { return false };
        join(known, leaves, paths, Loose::PassedOver, &mut self.events);
        for event in per_name(&mut self.events) {
            if let Some(crossed) = entry(&mut self.crossed, (route, event.name)) {
                crossed.add(event, Example { before: known.id, after: id });
            }
        }
        true
    }
}

/// The entry of a place; `None` where there is no room for another.
fn entry<T: Default>(
    map: &mut HashMap<(u32, NameId), T, RandomState>,
    key: (u32, NameId),
) -> Option<&mut T> {
    if map.len() >= VALUE_PATHS_MAX && !map.contains_key(&key) {
        return None;
    }
    Some(map.entry(key).or_default())
}

impl Known {
    /// Adds the values of a further answer.
    fn take(&mut self, leaves: &[Leaf]) {
        let mut new = Vec::new();
        let mut at = 0;
        for leaf in leaves {
            while self.values.get(at).is_some_and(|seen| seen.path < leaf.path) {
                at += 1;
            }
            match self.values.get_mut(at).filter(|seen| seen.path == leaf.path) {
                Some(seen) => {
                    let is_same = seen.count != VARIES && seen.value == leaf.value;
                    seen.count = if is_same { seen.count.saturating_add(1) } else { VARIES };
                }
                None => {
                    new.push(Seen { path: leaf.path, value: leaf.value, count: 1 });
                }
            }
        }
        if !new.is_empty() {
            self.values.append(&mut new);
            self.values.sort_unstable_by_key(|seen| seen.path);
        }
    }
}

/// What becomes of values that varied, or were not always there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loose {
    /// They are compared with the first one.
    Compared,
    /// They are passed over, with all that is in them.
    PassedOver,
}

/// Goes through both lists of places, each ascending, and puts down how each compares. What is
/// inside of something that differs is passed over: a place comes after the one that holds it.
fn join(known: &Known, leaves: &[Leaf], paths: &Paths, loose: Loose, events: &mut Vec<Event>) {
    events.clear();
    let mut blocked: Vec<PathId> = Vec::new();
    let mut left = known.values.iter().peekable();
    let mut right = leaves.iter().peekable();
    loop {
        let path = match (left.peek(), right.peek()) {
            (Some(seen), Some(leaf)) => seen.path.min(leaf.path),
            (Some(seen), None) => seen.path,
            (None, Some(leaf)) => leaf.path,
            (None, None) => return,
        };
        let seen = left.next_if(|seen| seen.path == path);
        let after = right.next_if(|leaf| leaf.path == path).map(|leaf| leaf.value);
        let parent = paths.parent(path);
        let is_blocked = parent != path && blocked.binary_search(&parent).is_ok();
        // An answer that is being learned has been counted already, its values have not.
        let always = if loose == Loose::Compared { known.answers - 1 } else { known.answers };
        let is_loose = seen.is_some_and(|seen| seen.count == VARIES || seen.count < always);
        if is_blocked || (is_loose && loose == Loose::PassedOver) {
            blocked.push(path);
            continue;
        }
        let before = seen.map(|seen| seen.value);
        let outcome = Outcome::of(before, after);
        if outcome != Outcome::Same {
            blocked.push(path);
        }
        events.push(Event { name: paths.name_of(path), outcome, before, after });
    }
}

/// One event a name: the first that differs, if any does.
fn per_name(events: &mut [Event]) -> impl Iterator<Item = &Event> {
    events.sort_by_key(|event| (event.name, event.outcome == Outcome::Same));
    events.chunk_by(|one, two| one.name == two.name).filter_map(<[Event]>::first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_kept_is_small() {
        assert_eq!(size_of::<Seen>(), 24);
    }
}
