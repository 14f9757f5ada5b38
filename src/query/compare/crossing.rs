//! What was learned of one place in the answers of a route, and how it differs after.

use crate::exchange::ExchangeId;
use crate::query::compare::answers::{Answers, Counts, ENOUGH, Event, Way};
use crate::query::compare::decimal::Decimal;
use crate::query::compare::leaves::{NameId, STATUS, Value};
use crate::query::compare::statistic;

/// The chance that a report of values holds one that chance alone explains, where chance decides.
const LEVEL: f64 = 0.01;

/// A value that changed by itself in more than one of so many repeated answers is left out.
const SELDOM: u64 = 20;

/// How many times as often as by itself a value must differ to have changed.
const OFTENER: u64 = 5;

/// How a place of an answer compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The same value.
    Same,
    /// Another value of the same type.
    Changed,
    /// An array of another length.
    Length,
    /// A value of another type.
    Type,
    /// It was there, and is not.
    Gone,
    /// It is there, and was not.
    New,
}

impl Outcome {
    const DIFFERENT: [Self; 5] = [Self::Changed, Self::Length, Self::Type, Self::Gone, Self::New];

    /// Its name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Changed => "changed",
            Self::Length => "length",
            Self::Type => "type",
            Self::Gone => "gone",
            Self::New => "new",
        }
    }

    pub(super) fn of(before: Option<Value>, after: Option<Value>) -> Self {
        match (before, after) {
            (Some(_), None) => Self::Gone,
            (None, _) => Self::New,
            (Some(one), Some(two)) if one == two => Self::Same,
            (Some(Value::Array(_)), Some(Value::Array(_))) => Self::Length,
            (Some(one), Some(two)) if one.kind_bit() == two.kind_bit() => Self::Changed,
            _ => Self::Type,
        }
    }
}

/// The exchanges of one difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Example {
    /// The exchange before.
    pub before: ExchangeId,
    /// The exchange after.
    pub after: ExchangeId,
}

/// What the first capture says of one place in the answers of a route.
#[derive(Clone, Debug, Default)]
pub(super) struct Learned {
    /// Answers to a request asked before, and those of them that differ from the first.
    repeated: u64,
    differing: u64,
    /// Answers that have it; the place that holds it.
    answers: u64,
    parent: NameId,
    first: Option<Value>,
    is_varied: bool,
    kinds: u8,
}

impl Learned {
    pub(super) fn repeated(&mut self, outcome: Outcome) {
        self.repeated += 1;
        self.differing += u64::from(outcome != Outcome::Same);
    }

    pub(super) fn saw(&mut self, value: Value) {
        self.is_varied |= *self.first.get_or_insert(value) != value;
        self.kinds |= value.kind_bit();
    }

    pub(super) fn answered(&mut self, parent: NameId) {
        self.answers += 1;
        self.parent = parent;
    }
}

/// How one place in the answers of a route compares.
#[derive(Clone, Debug, Default)]
pub(super) struct Crossed {
    /// Answers compared at this place.
    pairs: u64,
    kinds: [Differing; Outcome::DIFFERENT.len()],
    /// Answers compared with the one before that of another request, and those that agreed.
    strangers: u64,
    agreeing_strangers: u64,
    stranger: Option<(ExchangeId, Value)>,
    /// Whether every value that differs looks like an instant or an identity.
    has_lasting: bool,
}

/// The differences of one sort at one place.
#[derive(Clone, Debug, Default)]
struct Differing {
    count: u64,
    first: Option<(Example, Option<Value>, Option<Value>)>,
    /// Whether all have the same values before and after as the first.
    is_mixed: bool,
    least: Option<Decimal>,
    most: Option<Decimal>,
    /// How many rose, of those with a difference.
    rising: u64,
    measured: u64,
}

impl Crossed {
    pub(super) fn add(&mut self, event: &Event, example: Example) {
        self.pairs += 1;
        if let (Some((id, stranger)), Some(after)) = (self.stranger, event.after)
            && id != example.before
        {
            self.strangers += 1;
            self.agreeing_strangers += u64::from(stranger == after);
        }
        if let Some(before) = event.before {
            self.stranger = Some((example.before, before));
        }
        let position = Outcome::DIFFERENT.iter().position(|kind| *kind == event.outcome);
        let Some(kind) = position.and_then(|position| self.kinds.get_mut(position)) else { return };
        kind.add(event, example);
        let is_fleeting = |value: Option<Value>| value.is_none_or(Value::is_fleeting);
        self.has_lasting |= !(is_fleeting(event.before) && is_fleeting(event.after));
    }

    fn differing(&self) -> u64 {
        self.kinds.iter().map(|kind| kind.count).sum()
    }
}

impl Differing {
    fn add(&mut self, event: &Event, example: Example) {
        self.count += 1;
        let &mut (_, before, after) =
            self.first.get_or_insert((example, event.before, event.after));
        self.is_mixed |= before != event.before || after != event.after;
        let (Some(Value::Number(before)), Some(Value::Number(after))) = (event.before, event.after)
        else {
            return;
        };
        let Some(delta) = after.minus(before) else { return };
        self.measured += 1;
        self.rising += u64::from(!delta.is_negative());
        let size = delta.magnitude();
        let keep = |held: Option<Decimal>, is_better: bool| match held {
            Some(held) if !is_better => Some(held),
            _ => Some(size),
        };
        let larger = |held: Option<Decimal>| held.and_then(|held| size.at_least(held));
        self.most = keep(self.most, larger(self.most) == Some(true));
        self.least = keep(self.least, larger(self.least) == Some(false));
    }
}

/// One reported difference of values.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueChange {
    /// Method and route.
    pub route: String,
    /// The place: `$.cart.lines[*].price`, `status`, or `body` where that is no JSON.
    pub path: String,
    /// How it differs.
    pub outcome: Outcome,
    /// In how many answers.
    pub count: u64,
    /// Of how many that were compared at this place.
    pub of: u64,
    /// The value before; `None` where there was none, or where they are not all the same.
    pub before: Option<Value>,
    /// The value after, in the same way.
    pub after: Option<Value>,
    /// Smallest and largest difference, where all are numbers.
    pub deltas: Option<(Decimal, Decimal)>,
    /// How many of the differences are upwards, where all are numbers.
    pub rising: u64,
    /// One pair of exchanges that differ so.
    pub example: Example,
}

/// What was found of the values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ValueReport {
    /// What differs, and did not before; by route, then by place.
    pub changes: Vec<ValueChange>,
    /// What differs where the first capture cannot say whether it always does.
    pub undecided: Vec<ValueChange>,
    /// Places of which the first capture shows that they always differ (routes and places).
    pub left_out: Vec<(String, String)>,
    /// What was at hand before.
    pub before: Counts,
    /// What was at hand after.
    pub after: Counts,
}

/// What the evidence says of one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Nothing differs.
    Same,
    /// It differs, and did not before.
    Changed,
    /// It always differs.
    Fleeting,
    /// The first capture cannot say.
    Unknown,
}

impl Answers {
    /// What differs by more than it did before.
    #[must_use]
    pub fn report(&self) -> ValueReport {
        let mut report = ValueReport {
            before: self.counts_before,
            after: self.counts_after,
            ..ValueReport::default()
        };
        // Of a route that nobody asked for again there is nothing to leave out.
        let is_asked = |route: u32| self.plain.crossed.contains_key(&(route, STATUS));
        let learned = self.plain.learned.keys().filter(|(route, _)| is_asked(*route));
        let crossed = self.plain.crossed.keys().chain(self.chained.crossed.keys());
        let mut places: Vec<(u32, NameId)> = learned.chain(crossed).copied().collect();
        places.sort_unstable();
        places.dedup();
        places.sort_by_key(|&(route, name)| (self.route_name(route), self.paths.text(name)));
        let differing = |way: &Way| way.crossed.values().filter(|one| one.differing() > 0).count();
        let level = LEVEL / statistic::float(differing(&self.plain).max(1) as u64);
        for place in places {
            let plain = self.plain.standing(place, level);
            let chained = self.chained.standing(place, level);
            let is_still = |way: &Way| way.learned.get(&place).is_none_or(|one| one.differing == 0);
            // By themselves requests are asked more often, so there is more to learn from; where
            // that shows that more than the request decides, the session does.
            let (standing, way) = if is_still(&self.plain) && plain != Standing::Unknown {
                (plain, &self.plain)
            } else if matches!(chained, Standing::Same | Standing::Changed)
                && self.chained.crossed.contains_key(&place)
            {
                (chained, &self.chained)
            } else {
                (plain, &self.plain)
            };
            let crossed = way.crossed.get(&place);
            let changes = crossed.map_or_else(Vec::new, |crossed| self.changes(place, crossed));
            match standing {
                Standing::Same => {}
                Standing::Changed => report.changes.extend(changes),
                Standing::Unknown => report.undecided.extend(changes),
                Standing::Fleeting => report.left_out.push((
                    self.route_name(place.0).to_owned(),
                    self.paths.text(place.1).to_owned(),
                )),
            }
        }
        report
    }

    fn route_name(&self, route: u32) -> &str {
        self.routes.get(route as usize).map_or("", String::as_str)
    }

    fn changes(&self, (route, name): (u32, NameId), crossed: &Crossed) -> Vec<ValueChange> {
        let kinds = Outcome::DIFFERENT.into_iter().zip(&crossed.kinds);
        kinds
            .filter_map(|(outcome, kind)| {
                let (example, before, after) = kind.first?;
                let is_measured = kind.measured == kind.count;
                Some(ValueChange {
                    route: self.route_name(route).to_owned(),
                    path: self.paths.text(name).to_owned(),
                    outcome,
                    count: kind.count,
                    of: crossed.pairs,
                    before: before.filter(|_| !kind.is_mixed),
                    after: after.filter(|_| !kind.is_mixed),
                    deltas: kind.least.zip(kind.most).filter(|_| is_measured),
                    rising: kind.rising,
                    example,
                })
            })
            .collect()
    }
}

impl Way {
    fn standing(&self, place: (u32, NameId), level: f64) -> Standing {
        let learned = self.learned.get(&place).cloned().unwrap_or_default();
        let Some(crossed) = self.crossed.get(&place) else {
            // It was passed over, request by request.
            let varies = learned.differing.saturating_mul(2) > learned.repeated;
            return if varies { Standing::Fleeting } else { Standing::Same };
        };
        let differing = crossed.differing();
        if differing == 0 {
            return Standing::Same;
        }
        let all_differ = differing == crossed.pairs;
        if !crossed.has_lasting && all_differ {
            return Standing::Fleeting;
        }
        if self.is_new_structure(place, crossed, &learned) {
            return Standing::Changed;
        }
        let (repeated, varied) = (learned.repeated, learned.differing);
        let chance = statistic::share_above((varied, repeated), (differing, crossed.pairs));
        // A server may fail now and then: a status is held to chance even where it never changed.
        if place.1 == STATUS && (varied > 0 || repeated >= ENOUGH) {
            return if chance <= level { Standing::Changed } else { Standing::Unknown };
        }
        if varied > 0 {
            // What changes by itself may have drifted on between the captures: only what hardly
            // ever changed, and differs many times as often now, has changed its ways.
            let is_seldom = varied.saturating_mul(SELDOM) < repeated;
            let is_frequent = u128::from(differing) * u128::from(repeated)
                > u128::from(OFTENER) * u128::from(varied) * u128::from(crossed.pairs);
            let is_changed = is_seldom && is_frequent && chance <= level;
            return if is_changed { Standing::Changed } else { Standing::Fleeting };
        }
        let is_constant = !learned.is_varied && learned.answers > ENOUGH;
        if repeated >= ENOUGH || is_constant {
            return Standing::Changed;
        }
        let agreeing = crossed.pairs - differing;
        let chance = statistic::share_above(
            (crossed.agreeing_strangers, crossed.strangers),
            (agreeing, crossed.pairs),
        );
        if agreeing >= differing && chance <= level {
            return Standing::Changed;
        }
        Standing::Unknown
    }

    /// Whether a member is gone that all answers of the route had, or is new to them, or has a
    /// type that none had.
    fn is_new_structure(&self, place: (u32, NameId), crossed: &Crossed, learned: &Learned) -> bool {
        let has = |outcome: Outcome| {
            let position = Outcome::DIFFERENT.iter().position(|kind| *kind == outcome);
            position.and_then(|at| crossed.kinds.get(at)).filter(|kind| kind.count > 0)
        };
        let answers_of = |name| self.learned.get(&(place.0, name)).map_or(0, |one| one.answers);
        let holder = answers_of(learned.parent);
        if has(Outcome::Gone).is_some() && learned.answers >= ENOUGH && learned.answers == holder {
            return true;
        }
        // Nothing was learned of it: no answer had it.
        if has(Outcome::New).is_some() && learned.answers == 0 {
            let answers = self.learned.iter().filter(|((route, _), _)| *route == place.0);
            return answers.map(|(_, one)| one.answers).max().unwrap_or(0) >= ENOUGH;
        }
        let after = has(Outcome::Type).and_then(|kind| kind.first?.2);
        after.is_some_and(|after| learned.kinds & after.kind_bit() == 0)
            && learned.answers >= ENOUGH
    }
}
