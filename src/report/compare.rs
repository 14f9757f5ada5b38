//! Two captures compared, for people: a few lines a group, then what differs in the answers.

use std::fmt::Write;

use crate::query::compare::{
    Change, Contrast, Counts, Decimal, Example, Finding, Outcome, Quantity, Test, Value,
    ValueChange, ValueReport,
};
use crate::query::group::{Key, Keys};
use crate::query::latency::Row;
use crate::report::escape::{cut, escaped};
use crate::report::sentence::note;
use crate::report::style::{Role, Style};
use crate::report::units;

/// Columns of a value with its interval.
const SIDE: usize = 26;

/// The groups of two captures, with a verdict where one is justified.
#[must_use]
pub fn contrasts(keys: &Keys, contrasts: &[Contrast], width: usize, style: Style) -> String {
    let mut out = String::new();
    if contrasts.is_empty() {
        return "No exchange in either.\n".to_owned();
    }
    let names: Vec<String> = keys.as_slice().iter().map(Key::name).collect();
    let _ = writeln!(out, "{}", style.paint(Role::Heading, names.join(", ")));
    for contrast in contrasts {
        group(&mut out, contrast, width, style);
    }
    out.push('\n');
    summary(&mut out, contrasts);
    out
}

fn label(contrast: &Contrast) -> String {
    let shown = |value: &Option<Vec<u8>>| match value {
        Some(value) => escaped(value).to_string(),
        None => "-".to_owned(),
    };
    let values: Vec<String> = contrast.values.iter().map(shown).collect();
    if values.is_empty() { "all".to_owned() } else { values.join("  ") }
}

fn group(out: &mut String, contrast: &Contrast, width: usize, style: Style) {
    let (word, role) = verdict(contrast);
    let room = width.saturating_sub(word.chars().count() + 2).max(20);
    let label = cut(&label(contrast), room);
    let gap = width.saturating_sub(label.chars().count() + word.chars().count());
    let (label, word) = (style.paint(Role::Heading, label), style.paint(role, word));
    let _ = writeln!(out, "{label}{:gap$}{word}", "");
    let (Some(before), Some(after)) = (&contrast.before, &contrast.after) else {
        let side = contrast.before.as_ref().or(contrast.after.as_ref());
        if let Some(row) = side {
            let p50 = row.percentiles.first().and_then(|p50| p50.ns);
            let p50 = p50.map_or_else(String::new, |ns| format!(", p50 {}", units::duration(ns)));
            let count = units::counted(row.total(), "exchange", "exchanges");
            let _ = writeln!(out, "  {count}{p50}");
        }
        return;
    };
    let counts = format!("{} → {}", units::count(before.count), units::count(after.count));
    line(out, "count", &counts, "");
    if before.errors + after.errors > 0 || contrast.has_moved(Quantity::Errors) {
        let errors = format!("{} → {}", error_share(before), error_share(after));
        quantity(out, contrast, Quantity::Errors, &errors, style);
    }
    if has(contrast, Test::Unanswered) {
        let share = |row: &Row| units::share(row.unanswered, row.total());
        line(out, "unanswered", &format!("{} → {}", share(before), share(after)), "");
    }
    for (moved, position) in [(Quantity::P50, 0), (Quantity::P90, 1), (Quantity::P99, 2)] {
        // What did not move is told by its two most telling numbers.
        if moved == Quantity::P90 && !contrast.has_moved(moved) {
            continue;
        }
        let side = |row: &Row| percentile(row, position);
        let text = format!("{:SIDE$} → {}", side(before), side(after));
        quantity(out, contrast, moved, &text, style);
    }
    if contrast.has_moved(Quantity::Size)
        && let Some(change) = contrast.change(Quantity::Size)
    {
        let text = format!("{} → {}", size(change.before), size(change.after));
        quantity(out, contrast, Quantity::Size, &text, style);
    }
}

fn has(contrast: &Contrast, test: Test) -> bool {
    contrast.verdicts().any(|finding| finding.test == test)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number")]
fn size(bytes: f64) -> String {
    units::size(bytes as u64)
}

fn error_share(row: &Row) -> String {
    units::share(row.errors, row.total())
}

fn percentile(row: &Row, position: usize) -> String {
    let Some(percentile) = row.percentiles.get(position) else { return "-".to_owned() };
    match (percentile.low_ns, percentile.ns) {
        (Some(low), Some(ns)) => {
            format!("{} {}", units::duration(ns), units::interval(low, ns, percentile.high_ns))
        }
        _ => "-".to_owned(),
    }
}

/// One quantity: before and after, and the change where a verdict stands behind it.
fn quantity(out: &mut String, contrast: &Contrast, quantity: Quantity, text: &str, style: Style) {
    let change = contrast.change(quantity).filter(|_| contrast.has_moved(quantity));
    let shown = change.map_or_else(String::new, |change| {
        let role = if change.percent > 0.0 { Role::Bad } else { Role::Good };
        style.paint(role, shown_change(quantity, &change)).to_string()
    });
    line(out, quantity.name(), text, &shown);
}

fn line(out: &mut String, name: &str, text: &str, change: &str) {
    let line = format!("  {name:<6} {text}  {change}");
    let _ = writeln!(out, "{}", line.trim_end());
}

/// `+31 %`, or in percentage points `+1.2 points`; an arrow says which way without colour.
#[must_use]
pub fn shown_change(quantity: Quantity, change: &Change) -> String {
    let arrow = if change.percent > 0.0 { "▲" } else { "▼" };
    let sign = if change.percent > 0.0 { "+" } else { "-" };
    let size = change.percent.abs();
    let number = if size.is_infinite() {
        "from nothing".to_owned()
    } else if size >= 1000.0 {
        format!("{:.1}x", change.after / change.before)
    } else if size >= 9.95 {
        format!("{sign}{size:.0}")
    } else {
        format!("{sign}{size:.1}")
    };
    match quantity {
        _ if size.is_infinite() || size >= 1000.0 => format!("{arrow} {number}"),
        Quantity::Errors => format!("{arrow} {number} points"),
        _ => format!("{arrow} {number} %"),
    }
}

/// What can be said of a group in a word or two.
fn verdict(contrast: &Contrast) -> (String, Role) {
    if contrast.before.is_none() {
        return ("new".to_owned(), Role::Odd);
    }
    if contrast.after.is_none() {
        return ("gone".to_owned(), Role::Odd);
    }
    let words = words(contrast.verdicts());
    if !words.is_empty() {
        let is_bad = contrast.verdicts().any(|one| one.is_up && one.test != Test::Sizes);
        return (words.join(", "), if is_bad { Role::Bad } else { Role::Good });
    }
    if contrast.withheld().next().is_some() {
        return (cannot_say(contrast), Role::Odd);
    }
    ("no change seen".to_owned(), Role::Faint)
}

/// The verdicts in words, each once. The tail has its own where it went the other way.
fn words<'f>(findings: impl Iterator<Item = &'f Finding>) -> Vec<&'static str> {
    let findings: Vec<&Finding> = findings.collect();
    let is_main = |one: &&&Finding| matches!(one.test, Test::Whole | Test::P50 | Test::P90);
    let main = findings.iter().find(is_main).map(|one| one.is_up);
    let mut words = Vec::new();
    for finding in findings {
        let word = match (finding.test, finding.is_up) {
            (Test::Errors, true) => "more errors",
            (Test::Errors, false) => "fewer errors",
            (Test::Unanswered, true) => "more unanswered",
            (Test::Unanswered, false) => "fewer unanswered",
            (Test::Sizes, true) => "larger",
            (Test::Sizes, false) => "smaller",
            (Test::Tail | Test::P99, true) if main == Some(false) => "slower tail",
            (Test::Tail | Test::P99, false) if main == Some(true) => "faster tail",
            (_, true) => "slower",
            (_, false) => "faster",
        };
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words
}

/// Why a verdict is withheld.
fn cannot_say(contrast: &Contrast) -> String {
    let unseen = |row: &Option<Row>| {
        row.as_ref().map_or((0, 1), |row| {
            let sample = row.sample();
            let uncertain = sample.uncertain();
            (uncertain, row.count.saturating_add(uncertain).saturating_sub(sample.suspect))
        })
    };
    let (before, after) = (unseen(&contrast.before), unseen(&contrast.after));
    let (name, (part, whole)) =
        if before.0.saturating_mul(after.1) > after.0.saturating_mul(before.1) {
            ("before", before)
        } else {
            ("after", after)
        };
    format!("cannot say: {} {name} not seen whole", units::share(part, whole))
}

fn summary(out: &mut String, contrasts: &[Contrast]) {
    let count =
        |is: &dyn Fn(&Contrast) -> bool| contrasts.iter().filter(|one| is(one)).count() as u64;
    let both = count(&|one| one.before.is_some() && one.after.is_some());
    let changed = count(&|one| one.verdicts().next().is_some());
    let (new, gone) = (count(&|one| one.before.is_none()), count(&|one| one.after.is_none()));
    let mut text = format!(
        "{} of {} in both changed by more than chance explains; the chance that any of these \
         verdicts is false is at most 5 %.",
        units::count(changed),
        units::counted(both, "group", "groups")
    );
    if new + gone > 0 {
        let _ = write!(text, " {} new, {} gone.", units::count(new), units::count(gone));
    }
    note(out, &text);
}

/// Differences that are told of those that cannot be decided.
const UNDECIDED_SHOWN: usize = 10;

/// What differs in the answers to the same requests.
#[must_use]
pub fn values(report: &ValueReport, style: Style) -> String {
    let mut out = String::new();
    let _ =
        writeln!(out, "{}", style.paint(Role::Heading, "values in answers to the same request"));
    for change in &report.changes {
        let _ = writeln!(out, "{}", style.paint(Role::Bad, sentence(change)));
        let Example { before, after } = change.example;
        let _ = writeln!(
            out,
            "{}",
            style.paint(Role::Faint, format!("    before {before}   after {after}"))
        );
    }
    let has_bodies = !holds_none(report.before) && !holds_none(report.after);
    if report.changes.is_empty() && report.after.matched > 0 {
        let seen = if has_bodies { "No difference" } else { "No status differs" };
        note(&mut out, &format!("{seen} beyond what always does."));
    }
    if !report.undecided.is_empty() {
        out.push('\n');
        note(&mut out, "These differ too, and BEFORE is too small to say whether they always do:");
        for change in report.undecided.iter().take(UNDECIDED_SHOWN) {
            let _ = writeln!(out, "  {}", sentence(change));
        }
        if report.undecided.len() > UNDECIDED_SHOWN {
            let more = (report.undecided.len() - UNDECIDED_SHOWN) as u64;
            let _ =
                writeln!(out, "  and {} (--json has them)", units::counted(more, "more", "more"));
        }
    }
    out.push('\n');
    coverage(&mut out, report);
    out
}

/// `$.cart.total: off by 0.01 in 37 of 412 answers to POST /cart/promo`.
#[must_use]
pub fn sentence(change: &ValueChange) -> String {
    let what = match change.outcome {
        Outcome::Changed => changed(change),
        Outcome::Length => between("another length", change),
        Outcome::Type => between("another type", change),
        Outcome::Gone => "gone".to_owned(),
        Outcome::New => "new".to_owned(),
        Outcome::Same => "the same".to_owned(),
    };
    format!(
        "{}: {what} in {} of {} to {}",
        escaped(change.path.as_bytes()),
        units::count(change.count),
        units::counted(change.of, "answer", "answers"),
        escaped(change.route.as_bytes())
    )
}

fn changed(change: &ValueChange) -> String {
    if let (Some(before), Some(after)) = (shown(change.before), shown(change.after)) {
        return format!("{before} → {after}");
    }
    let Some((least, most)) = change.deltas else { return "another value".to_owned() };
    let range = |least: Decimal, most: Decimal| {
        if least == most { most.to_string() } else { format!("{least} to {most}") }
    };
    let way = match change.rising {
        0 => " (down)",
        rising if rising == change.count => " (up)",
        _ => "",
    };
    format!("off by {}{way}", range(least, most))
}

/// `array → null`, or `2 → 3`, where all differ in the same way.
fn between(otherwise: &str, change: &ValueChange) -> String {
    match (change.before, change.after, change.outcome) {
        (Some(Value::Array(one)), Some(Value::Array(two)), Outcome::Length) => {
            format!("{one} → {two} elements")
        }
        (Some(one), Some(two), Outcome::Type) => format!("{} → {}", one.kind(), two.kind()),
        _ => otherwise.to_owned(),
    }
}

/// A value that can be told; of text only a number for it is known.
fn shown(value: Option<Value>) -> Option<String> {
    match value? {
        Value::Null => Some("null".to_owned()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::Status(status) => Some(status.to_string()),
        _ => None,
    }
}

/// Whether no answer's body was kept, of those that had one.
const fn holds_none(counts: Counts) -> bool {
    counts.without_body > 0 && counts.without_body + counts.empty == counts.answers
}

/// What could be compared, and what could not.
fn coverage(out: &mut String, report: &ValueReport) {
    let (before, after) = (report.before, report.after);
    note(
        out,
        &format!(
            "{} of {} in AFTER are to a request that was answered before too.",
            units::count(after.matched),
            units::counted(after.answers, "answer", "answers")
        ),
    );
    for (name, counts) in [("BEFORE", before), ("AFTER", after)] {
        if holds_none(counts) {
            note(out, &format!("{name} holds no bodies: capture with --bodies to compare values."));
        } else if counts.without_body > 0 {
            let some = units::counted(counts.without_body, "answer", "answers");
            note(
                out,
                &format!("{name} holds no body of {some}: only their statuses are compared."),
            );
        }
        if counts.partial > 0 {
            let some = units::counted(counts.partial, "body", "bodies");
            note(out, &format!("{some} of {name} are not all there, and were not compared."));
        }
    }
    if before.matched > 0 {
        let some = units::counted(before.matched, "answer", "answers");
        note(out, &format!("{some} of BEFORE were too many to keep: ask with --where for fewer."));
    }
    if !report.left_out.is_empty() {
        let mut names: Vec<String> =
            report.left_out.iter().map(|(_, path)| escaped(path.as_bytes()).to_string()).collect();
        names.sort();
        names.dedup();
        let more = names.len().saturating_sub(6);
        names.truncate(6);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        note(out, &format!("Left out, because it always differs: {}{more}.", names.join(", ")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{Exchange, Facts, MessageFacts, State, Timing};
    use crate::query::compare::{Recording, contrasts as compared};
    use crate::query::text::ExchangeText;
    use crate::segment::Metric;

    fn add(recording: &mut Recording, path: &str, total_ns: Option<u64>) {
        let state = if total_ns.is_some() { State::Complete } else { State::Open };
        let exchange = Exchange {
            facts: Facts {
                state,
                request: Some(MessageFacts::default()),
                response: total_ns.map(|_| MessageFacts::default()),
                status: if total_ns.is_some() { 200 } else { 0 },
                timing: Timing { total_ns, ..Timing::default() },
                ..Facts::default()
            },
            route: path.to_owned(),
            ..Exchange::default()
        };
        recording.record(&exchange.facts.clone(), &mut ExchangeText::new(&exchange));
    }

    /// The first line of the only group, where every time after is `percent` of that before, and
    /// `open` further exchanges were not seen to their end.
    fn heading(percent: u64, open: u64) -> String {
        let new = || Recording::new(Keys::default(), Metric::Total);
        let (mut before, mut after) = (new(), new());
        for n in 0..500_u64 {
            let ns = 1_000_000 + n * 7919 % 500 * 1000;
            // A few are as slow as ever, so that no edge gives the change away.
            let is_slow = n % 20 == 0;
            let ns = if is_slow { ns * 10 } else { ns };
            add(&mut before, "/a", Some(ns));
            add(&mut after, "/a", Some(if is_slow { ns } else { ns * percent / 100 }));
        }
        (0..open).for_each(|_| add(&mut after, "/a", None));
        let text = contrasts(&Keys::default(), &compared(&before, &after), 80, Style::Plain);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        text.lines().nth(1).expect("a group").to_owned()
    }

    #[test]
    fn a_verdict_is_a_word_and_its_lack_a_reason() {
        let check = |percent: u64, open: u64, expected: &str| {
            let heading = heading(percent, open);
            assert!(heading.starts_with("/a ") && heading.ends_with(expected), "{heading}");
            assert_eq!(heading.chars().count(), 80);
        };
        check(100, 0, " no change seen");
        check(110, 0, " slower");
        check(90, 0, " faster");
        check(110, 2, " slower");
        check(103, 300, " cannot say: 37.5 % after not seen whole");
    }

    #[test]
    fn changes_read_well() {
        let check = |before: f64, after: f64, expected: &str| {
            let percent = (after / before - 1.0) * 100.0;
            let change = Change { before, after, percent, interval: None };
            assert_eq!(shown_change(Quantity::P99, &change), expected);
        };
        check(100.0, 130.0, "▲ +30 %");
        check(100.0, 94.9, "▼ -5.1 %");
        check(1.0, 25.0, "▲ 25.0x");
        check(0.0, 25.0, "▲ from nothing");
    }
}
