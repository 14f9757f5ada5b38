//! An expression as a tree: answered for one exchange, or bounded for a whole block.

use super::field::{Number, Role, Side, TextField};
use super::value::{AddressPattern, Comparison, Pattern, Possible};
use crate::anomaly::Anomaly;
use crate::exchange::{Exchange, Facts, State};
use crate::http::{Framing, lines};
use crate::query::text::{self, ExchangeText, Text};
use crate::segment::{BlockInfo, Glance, Metric};
use crate::time::Timestamp;

/// What has to be at hand to answer, cheapest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Need {
    /// The numbers.
    Facts,
    /// Methods, routes and hosts, which a block keeps once.
    Text,
    /// Heads.
    Heads,
}

/// Whether a test asks for a match or for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sense {
    Is,
    IsNot,
}

impl Sense {
    const fn applied(self, matched: bool) -> bool {
        match self {
            Self::Is => matched,
            Self::IsNot => !matched,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) enum Expression {
    /// Every one holds; all exchanges where there is none.
    All(Vec<Expression>),
    /// One holds.
    Any(Vec<Expression>),
    /// It does not hold.
    Not(Box<Expression>),
    Test(Test),
}

impl Default for Expression {
    fn default() -> Self {
        Self::All(Vec::new())
    }
}

/// One question about one field.
#[derive(Clone, Debug)]
pub(super) enum Test {
    Number(Number, Comparison, u64),
    /// It has a number there.
    HasNumber(Number),
    Start(Comparison, Timestamp),
    State(State, Sense),
    Framing(Side, Framing, Sense),
    Anomaly(Anomaly, Sense),
    AnyAnomaly,
    Suspect(Sense),
    Address(Role, AddressPattern, Sense),
    /// The endpoint as it is printed.
    AddressText(Role, Pattern, Sense),
    /// The identity begins so.
    Id(String, Sense),
    Text(TextField, Pattern, Sense),
    HasText(TextField),
}

impl Expression {
    pub(super) fn is_everything(&self) -> bool {
        matches!(self, Self::All(parts) if parts.is_empty())
    }

    pub(super) fn holds(&self, facts: &Facts, text: &mut dyn Text) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(facts, text)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(facts, text)),
            Self::Not(part) => !part.holds(facts, text),
            Self::Test(one) => one.holds(facts, text),
        }
    }

    /// Puts the parts of every conjunction and disjunction in the order of their cost: the
    /// answer is the same in any order.
    pub(super) fn cheapest_first(&mut self) {
        match self {
            Self::All(parts) | Self::Any(parts) => {
                parts.iter_mut().for_each(Self::cheapest_first);
                parts.sort_by_key(Self::cost);
            }
            Self::Not(part) => part.cheapest_first(),
            Self::Test(_) => {}
        }
    }

    fn cost(&self) -> u32 {
        match self {
            Self::All(parts) | Self::Any(parts) => {
                parts.iter().map(Self::cost).fold(0, u32::saturating_add)
            }
            Self::Not(part) => part.cost(),
            Self::Test(test) => test.cost(),
        }
    }

    pub(super) fn need(&self) -> Need {
        match self {
            Self::All(parts) | Self::Any(parts) => {
                parts.iter().map(Self::need).max().unwrap_or(Need::Facts)
            }
            Self::Not(part) => part.need(),
            Self::Test(test) => test.need(),
        }
    }

    /// What can come out for an exchange in a block of which this is known.
    pub(super) fn within(&self, info: &BlockInfo) -> Possible {
        match self {
            Self::All(parts) => parts.iter().map(|part| part.within(info)).fold(
                Possible { yes: true, no: false },
                |all, part| Possible { yes: all.yes && part.yes, no: all.no || part.no },
            ),
            Self::Any(parts) => {
                parts.iter().map(|part| part.within(info)).fold(Possible::NEVER, |any, part| {
                    Possible { yes: any.yes || part.yes, no: any.no && part.no }
                })
            }
            Self::Not(part) => {
                let Possible { yes, no } = part.within(info);
                Possible { yes: no, no: yes }
            }
            Self::Test(test) => test.within(info),
        }
    }
}

/// What can come out for the exchanges of a block, as far as columns tell.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcomes {
    /// The same for all.
    Same(Possible),
    /// For each: [`YES`] and [`NO`] where that can come out.
    Rows(Vec<u8>),
}

const YES: u8 = 1;
const NO: u8 = 2;

const fn bits(possible: Possible) -> u8 {
    (if possible.yes { YES } else { 0 }) | (if possible.no { NO } else { 0 })
}

impl Outcomes {
    const EITHER: Self = Self::Same(Possible::EITHER);

    /// Whether it can come out so for some exchange.
    fn has(&self, bit: u8) -> bool {
        match self {
            Self::Same(possible) => bits(*possible) & bit != 0,
            Self::Rows(rows) => rows.iter().any(|row| row & bit != 0),
        }
    }

    /// Both as one, by a function of their bits.
    fn with(self, other: Self, both: impl Fn(u8, u8) -> u8) -> Self {
        match (self, other) {
            (Self::Same(one), Self::Same(other)) => {
                let both = both(bits(one), bits(other));
                Self::Same(Possible { yes: both & YES != 0, no: both & NO != 0 })
            }
            (Self::Same(same), Self::Rows(mut rows)) | (Self::Rows(mut rows), Self::Same(same)) => {
                rows.iter_mut().for_each(|row| *row = both(*row, bits(same)));
                Self::Rows(rows)
            }
            (Self::Rows(mut rows), Self::Rows(others)) => {
                rows.iter_mut().zip(others).for_each(|(row, other)| *row = both(*row, other));
                Self::Rows(rows)
            }
        }
    }

    fn not(self) -> Self {
        match self {
            Self::Same(Possible { yes, no }) => Self::Same(Possible { yes: no, no: yes }),
            Self::Rows(mut rows) => {
                rows.iter_mut().for_each(|row| *row = (*row << 1 | *row >> 1) & (YES | NO));
                Self::Rows(rows)
            }
        }
    }
}

impl Expression {
    /// Whether a glance at a block's numbers can decide some part of it.
    pub(super) fn is_of_columns(&self) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().any(Self::is_of_columns),
            Self::Not(part) => part.is_of_columns(),
            Self::Test(test) => test.asks() != Asks::More,
        }
    }

    /// The rows of a block that may pass, ascending; `None` where all may, or the block is
    /// damaged.
    pub(super) fn candidates(&self, glance: &mut Glance<'_>) -> Option<Vec<u16>> {
        match self.outcomes(glance)? {
            Outcomes::Same(Possible { yes: true, .. }) => None,
            Outcomes::Same(_) => Some(Vec::new()),
            Outcomes::Rows(rows) => {
                let may_pass = (0..=u16::MAX).zip(rows).filter(|(_, row)| row & YES != 0);
                Some(may_pass.map(|(number, _)| number).collect())
            }
        }
    }

    /// `None` where the block is damaged.
    fn outcomes(&self, glance: &mut Glance<'_>) -> Option<Outcomes> {
        let start = |yes: bool| Outcomes::Same(Possible { yes, no: !yes });
        Some(match self {
            Self::All(parts) => {
                let mut all = start(true);
                for part in parts {
                    let both = |a: u8, b: u8| (a & b & YES) | ((a | b) & NO);
                    all = all.with(part.outcomes(glance)?, both);
                    if !all.has(YES) {
                        break;
                    }
                }
                all
            }
            Self::Any(parts) => {
                let mut any = start(false);
                for part in parts {
                    let both = |a: u8, b: u8| ((a | b) & YES) | (a & b & NO);
                    any = any.with(part.outcomes(glance)?, both);
                    if !any.has(NO) {
                        break;
                    }
                }
                any
            }
            Self::Not(part) => part.outcomes(glance)?.not(),
            Self::Test(test) => test.outcomes(glance)?,
        })
    }
}

/// Which columns decide a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asks {
    /// What many exchanges of a block have in common.
    Shape,
    Time(Metric),
    /// Further columns, or text.
    More,
}

impl Test {
    fn asks(&self) -> Asks {
        match self {
            Self::Number(number, ..) | Self::HasNumber(number) => match number {
                Number::Status | Number::Class => Asks::Shape,
                Number::Phase(metric) => Asks::Time(*metric),
                _ => Asks::More,
            },
            Self::State(..)
            | Self::Framing(..)
            | Self::Anomaly(..)
            | Self::AnyAnomaly
            | Self::Suspect(_) => Asks::Shape,
            _ => Asks::More,
        }
    }

    /// `None` where the block is damaged.
    fn outcomes(&self, glance: &mut Glance<'_>) -> Option<Outcomes> {
        let bit = |holds: bool| if holds { YES } else { NO };
        Some(match self.asks() {
            Asks::More => Outcomes::EITHER,
            Asks::Time(metric) => {
                let mut rows = Vec::with_capacity(glance.len());
                glance.times(metric, &mut |time| {
                    rows.push(bit(match self {
                        Self::Number(_, comparison, value) => {
                            time.is_some_and(|time| comparison.holds(&time, value))
                        }
                        _ => time.is_some(),
                    }));
                })?;
                Outcomes::Rows(rows)
            }
            Asks::Shape => {
                let empty = Exchange::default();
                let holds = |facts: Facts| self.holds(&facts, &mut ExchangeText::new(&empty));
                let shapes: Vec<u8> = glance.shapes().map(holds).map(bit).collect();
                let (yes, no) = (shapes.contains(&YES), shapes.contains(&NO));
                if !(yes && no) {
                    return Some(Outcomes::Same(Possible { yes, no }));
                }
                let of_row = |shape: &u64| {
                    let shape = usize::try_from(*shape).ok().and_then(|at| shapes.get(at));
                    shape.copied().unwrap_or(YES | NO)
                };
                Outcomes::Rows(glance.rows()?.iter().map(of_row).collect())
            }
        })
    }

    fn holds(&self, facts: &Facts, text: &mut dyn Text) -> bool {
        match self {
            Self::Number(number, comparison, value) => {
                number.of(facts).is_some_and(|found| comparison.holds(&found, value))
            }
            Self::HasNumber(number) => number.of(facts).is_some(),
            Self::Start(comparison, at) => comparison.holds(&facts.start, at),
            Self::State(state, sense) => sense.applied(facts.state == *state),
            Self::Framing(side, framing, sense) => {
                side.of(facts).is_some_and(|message| sense.applied(message.framing == *framing))
            }
            Self::Anomaly(anomaly, sense) => sense.applied(facts.anomalies.has(*anomaly)),
            Self::AnyAnomaly => !facts.anomalies.is_empty(),
            Self::Suspect(sense) => sense.applied(facts.anomalies.is_suspect()),
            Self::Address(role, pattern, sense) => sense.applied(pattern.holds(role.of(facts))),
            Self::AddressText(role, pattern, sense) => {
                sense.applied(pattern.holds(role.of(facts).to_string().as_bytes()))
            }
            Self::Id(prefix, sense) => sense.applied(facts.id().starts_with(prefix)),
            Self::Text(field, pattern, sense) => {
                let (mut found, mut matched) = (false, false);
                field.each(facts, text, &mut |bytes| {
                    found = true;
                    matched |= pattern.holds(bytes);
                });
                found && sense.applied(matched)
            }
            Self::HasText(field) => {
                let mut found = false;
                field.each(facts, text, &mut |_| found = true);
                found
            }
        }
    }

    fn cost(&self) -> u32 {
        match self {
            Self::Text(field, pattern, _) => {
                let regex = u32::from(matches!(pattern, Pattern::Regex(_)));
                field.cost() * 2 + regex
            }
            Self::HasText(field) => field.cost() * 2,
            Self::Id(..) => 3,
            Self::AddressText(..) => 6,
            Self::Number(Number::Phase(_), ..) | Self::HasNumber(Number::Phase(_)) => 2,
            _ => 1,
        }
    }

    fn need(&self) -> Need {
        match self {
            Self::Text(field, ..) | Self::HasText(field) => field.need(),
            _ => Need::Facts,
        }
    }

    fn within(&self, info: &BlockInfo) -> Possible {
        match self {
            Self::Start(comparison, at) => comparison.over(&info.first_start, &info.last_start, at),
            Self::Number(Number::Phase(Metric::Total), comparison, value) => {
                // Some exchange may have no total, so that "no" is always possible.
                Possible { no: true, ..comparison.over(&0, &info.total_ns_max, value) }
            }
            Self::Number(number @ (Number::Status | Number::Class), comparison, value) => {
                let width = if *number == Number::Status { 100 } else { 1 };
                over_classes(info.classes, |class| {
                    comparison.over(&(class * width), &(class * width + width - 1), value)
                })
            }
            Self::HasNumber(Number::Status | Number::Class) => {
                over_classes(info.classes, |_| Possible { yes: true, no: false })
            }
            Self::State(state, sense) => {
                let bit = 1 << *state as u8;
                let others = Possible { yes: info.states & !bit != 0, no: info.states & bit != 0 };
                match sense {
                    Sense::Is => Possible { yes: others.no, no: others.yes },
                    Sense::IsNot => others,
                }
            }
            Self::Text(TextField::Route, Pattern::Exactly(route), Sense::Is) => {
                let pattern = std::str::from_utf8(route).ok().and_then(|text| text.split_once(' '));
                let may = pattern.is_none_or(|(_, pattern)| info.may_have_route(pattern));
                Possible { yes: may, no: true }
            }
            Self::Text(TextField::Host, Pattern::Host(host), Sense::Is) => {
                // Without a port it stands for every port, and the index knows hosts with theirs.
                let with_port = text::without_port(host).len() < host.len();
                Possible { yes: !with_port || info.may_have_host(host), no: true }
            }
            _ => Possible::EITHER,
        }
    }
}

/// What can come out where a test is asked of each class that occurs (bit 5 for 5xx); it is false
/// where no response was seen (bit 0).
fn over_classes(classes: u16, test: impl Fn(u64) -> Possible) -> Possible {
    let mut possible = Possible { yes: false, no: classes & 1 != 0 };
    for class in (1..16).filter(|class| classes >> class & 1 != 0) {
        let Possible { yes, no } = test(class);
        possible.yes |= yes;
        possible.no |= no;
    }
    possible
}

impl TextField {
    /// Calls `visit` with every value of the field; not at all where the exchange has none.
    fn each(&self, facts: &Facts, text: &mut dyn Text, visit: &mut dyn FnMut(&[u8])) {
        if self.side().of(facts).is_none() {
            return;
        }
        let mut visit_some = |bytes: &[u8]| {
            if !bytes.is_empty() {
                visit(bytes);
            }
        };
        match self {
            Self::Method => visit_some(text.method()),
            Self::Host => visit_some(text.host()),
            Self::Route => {
                let mut route = text.method().to_vec();
                if !route.is_empty() {
                    route.push(b' ');
                    route.extend_from_slice(text.route().as_bytes());
                }
                visit_some(&route);
            }
            Self::Target => visit_some(lines::request_line(text.request_head()).target),
            Self::Path => {
                visit_some(text::path(lines::request_line(text.request_head()).target));
            }
            Self::Reason => visit_some(lines::status_line(text.response_head()).reason),
            Self::Version(Side::Request) => {
                visit_some(lines::request_line(text.request_head()).version);
            }
            Self::Version(Side::Response) => {
                visit_some(lines::status_line(text.response_head()).version);
            }
            Self::Header(side, name) => {
                let head = match side {
                    Side::Request => text.request_head(),
                    Side::Response => text.response_head(),
                };
                lines::fields(head)
                    .filter(|field| field.name.eq_ignore_ascii_case(name.as_bytes()))
                    .for_each(|field| visit(&field.value));
            }
        }
    }

    const fn side(&self) -> Side {
        match self {
            Self::Method | Self::Route | Self::Host | Self::Target | Self::Path => Side::Request,
            Self::Reason => Side::Response,
            Self::Version(side) | Self::Header(side, _) => *side,
        }
    }

    const fn need(&self) -> Need {
        match self {
            Self::Method | Self::Route | Self::Host => Need::Text,
            _ => Need::Heads,
        }
    }

    const fn cost(&self) -> u32 {
        match self {
            Self::Method => 2,
            Self::Route | Self::Host => 4,
            Self::Target | Self::Path | Self::Reason | Self::Version(_) => 16,
            Self::Header(..) => 20,
        }
    }
}
