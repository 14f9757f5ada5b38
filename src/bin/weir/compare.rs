//! `weir compare`: what moved between two captures.

use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::Result;
use weir::exchange::{Exchange, Heads, Policy};
use weir::export::{self, content};
use weir::query::Metric;
use weir::query::compare::{
    Answers, Check, Content, Contrast, Recording, Request, ValueReport, contrasts,
};
use weir::query::group::Keys;
use weir::query::scan::{self, Lookup, Question};
use weir::query::text::ExchangeText;
use weir::report::{self, detail};
use weir::segment::{SegmentError, Store};

use crate::args::CompareArgs;
use crate::exit::{Exit, UsageError};
use crate::open::{Opened, Reading, Subject, exit_code};
use crate::question::{Asked, secrets};
use crate::terminal;

/// Examples of different values that are shown in full.
const EXAMPLES_MAX: usize = 3;

/// Answers `weir compare`.
pub(crate) fn run(args: &CompareArgs) -> Result<Exit> {
    let keys = Keys::parse(&args.by).map_err(|error| UsageError(format!("--by: {error}")))?;
    let metric = Metric::ALL.into_iter().find(|metric| metric.name() == args.metric);
    let Some(metric) = metric else {
        let names = Metric::ALL.map(Metric::name).join(", ");
        let text = format!("--metric: `{}` is no phase: expected one of {names}", args.metric);
        return Err(UsageError(text).into());
    };
    let checks = args.fail_if.iter().map(|text| Check::parse(text));
    let checks: Vec<Check> = checks
        .collect::<Result<_, _>>()
        .map_err(|error| UsageError(format!("--fail-if: {error}")))?;
    if args.before.as_os_str() == "-" && args.after.as_os_str() == "-" {
        return Err(UsageError("standard input (-) can be read once".into()).into());
    }
    let sides = [Side::open(args, &args.before)?, Side::open(args, &args.after)?];
    let mut answers = Answers::default();
    let mut recordings = Vec::new();
    let mut damaged = Vec::new();
    for (side, turn) in sides.iter().zip([Turn::Before, Turn::After]) {
        let mut recording = Recording::new(keys.clone(), metric);
        damaged.extend(side.read(turn, &mut recording, &mut answers)?);
        recordings.push(recording);
    }
    let [before, after] = recordings.as_slice() else { anyhow::bail!("two sides were read") };
    let contrasts = contrasts(before, after);
    let report = answers.report();
    print(args, (&keys, metric), &contrasts, &report)?;
    if args.examples {
        let [before, after] = &sides;
        examples(&before.opened.store, &after.opened.store, &report)?;
    }
    let tripped = tell_tripped(&checks, &contrasts, &keys);
    let mut exit = exit_code(false, &damaged);
    for side in sides {
        if side.opened.close(&[])? == Exit::Failed {
            exit = Exit::Failed;
        }
    }
    Ok(if exit == Exit::Done && tripped { Exit::CheckFailed } else { exit })
}

/// Which of the two is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Before,
    After,
}

/// One of the two, opened.
struct Side {
    opened: Opened,
    question: Question,
}

impl Side {
    fn open(args: &CompareArgs, path: &PathBuf) -> Result<Self> {
        let asked = Asked::read(&args.which)?;
        let subject = Subject::look(std::slice::from_ref(path))?;
        let policy = Policy {
            heads: Heads::Whole,
            body_bytes_max: Some(usize::MAX),
            secrets: secrets(args.which.keep_secrets),
        };
        let opened = subject.store(&Reading { policy, workers: args.which.workers })?;
        let question = asked.question_of(&opened.store)?;
        Ok(Self { opened, question })
    }

    /// Reads everything, so that what a connection did before is known of every exchange that
    /// the question is about.
    fn read(
        &self,
        turn: Turn,
        recording: &mut Recording,
        answers: &mut Answers,
    ) -> Result<Vec<SegmentError>> {
        let everything = Question { span: self.question.span, ..Question::default() };
        let mut exchange = Exchange::default();
        let mut damaged = Vec::new();
        let scanned = scan::sorted(&self.opened.store, &everything, &mut |found| {
            if let Err(error) = found.exchange(&mut exchange) {
                damaged.push(error);
                return ControlFlow::Continue(());
            }
            let request = match turn {
                Turn::Before => answers.follow_before(&exchange),
                Turn::After => answers.follow_after(&exchange),
            };
            let facts = exchange.facts;
            if self.question.filter.matches(&facts, &mut ExchangeText::new(&exchange)) {
                recording.record(&facts, &mut ExchangeText::new(&exchange));
                take(turn, request, &exchange, answers);
            }
            ControlFlow::Continue(())
        })?;
        damaged.extend(scanned.damaged);
        Ok(damaged)
    }
}

/// Hands an answer on, its content codings undone.
fn take(turn: Turn, request: Request, exchange: &Exchange, answers: &mut Answers) {
    let length = exchange.facts.response.map_or(0, |response| response.body_bytes);
    let body = exchange.response.body.as_deref();
    let decoded = body.map(|body| content::decode(&exchange.response.head, body));
    let content = match (&decoded, body) {
        _ if length == 0 => Content::Whole(b""),
        (Some(decoded), Some(body)) => {
            if body.len() as u64 == length && decoded.shortfall.is_none() {
                Content::Whole(&decoded.bytes)
            } else {
                Content::Part
            }
        }
        _ => Content::NotKept,
    };
    match turn {
        Turn::Before => answers.learn(request, exchange, content),
        Turn::After => answers.compare(request, exchange, content),
    }
}

fn print(
    args: &CompareArgs,
    (keys, metric): (&Keys, Metric),
    contrasts: &[Contrast],
    values: &ValueReport,
) -> Result<()> {
    let mut out = terminal::output();
    if args.which.json {
        let mut lines = Vec::new();
        for contrast in contrasts {
            export::compare::write_contrast(keys, metric, contrast, &mut lines);
        }
        export::compare::write_values(values, &mut lines);
        out.write_all(&lines)?;
    } else {
        let (width, style) = (terminal::width(), terminal::style());
        let table = report::compare::contrasts(keys, contrasts, width, style);
        writeln!(out, "{table}\n{}", report::compare::values(values, style).trim_end())?;
    }
    out.flush()?;
    Ok(())
}

/// Shows both sides of some of the differences, each place once.
fn examples(before: &Store, after: &Store, report: &ValueReport) -> Result<()> {
    let mut out = terminal::output();
    for change in report.changes.iter().take(EXAMPLES_MAX) {
        writeln!(out, "\n{}", report::compare::sentence(change))?;
        let sides =
            [("BEFORE", before, change.example.before), ("AFTER", after, change.example.after)];
        for (name, store, id) in sides {
            if let Lookup::One(exchange) = scan::find(store, &id.to_string())? {
                writeln!(out, "\n{name}")?;
                detail::write(&exchange, terminal::style(), &mut out)?;
            }
        }
    }
    out.flush()?;
    Ok(())
}

/// Prints a line on standard error for every check that does not hold; says whether any does not.
fn tell_tripped(checks: &[Check], contrasts: &[Contrast], keys: &Keys) -> bool {
    let mut is_tripped = false;
    for check in checks {
        for contrast in contrasts {
            let Some(change) = check.trips(contrast) else { continue };
            is_tripped = true;
            let shown = report::compare::shown_change(check.quantity(), &change);
            let names = keys.as_slice().iter().zip(&contrast.values).map(|(key, value)| {
                let value = value.as_deref().unwrap_or(b"-");
                format!("{} {}", key.name(), report::escaped(value))
            });
            let names: Vec<String> = names.collect();
            eprintln!("failed: {check}: {} {shown}, {}", check.quantity().name(), names.join(", "));
        }
    }
    is_tripped
}
