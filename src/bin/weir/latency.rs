//! `weir latency`: percentiles by group, with their confidence.

use std::io::Write as _;

use anyhow::Result;
use weir::exchange::{Exchange, Heads, Policy};
use weir::export;
use weir::pipeline::Output;
use weir::query::group::Keys;
use weir::query::latency::Latency;
use weir::query::scan::{self, Question};
use weir::query::{ExchangeText, Filter};
use weir::report::{histogram, table};
use weir::segment::Store;

use crate::args::LatencyArgs;
use crate::exit::Exit;
use crate::open::{Reading, Subject};
use crate::question::{Asked, secrets};
use crate::terminal;

/// Takes the exchanges of one worker that the question is about.
struct Tally<'q> {
    question: &'q Question,
    latency: Latency,
}

impl Output for Tally<'_> {
    fn exchange(&mut self, exchange: &Exchange) {
        let Question { filter, span } = self.question;
        if span.holds(exchange.facts.start)
            && (filter.is_everything()
                || filter.matches(&exchange.facts, &mut ExchangeText::new(exchange)))
        {
            self.latency.record(exchange);
        }
    }
}

/// Answers `weir latency`.
pub(crate) fn run(args: &LatencyArgs) -> Result<Exit> {
    let asked = Asked::read(&args.which)?;
    let keys = args.grouping.keys()?.unwrap_or_default();
    let metric = args.grouping.metric()?;
    let subject = Subject::look(&args.paths)?;
    let reading =
        Reading { policy: policy(args, &asked.filter, &keys), workers: args.which.workers };
    let mut latency = Latency::new(keys, metric);
    let exit = if asked.is_relative() || !subject.foreign.is_empty() {
        // The end of the data is known only when all of it was read.
        let opened = subject.store(&reading)?;
        let question = asked.question(scan::last_start(&opened.store)?);
        let scanned = scan::latency(&opened.store, &question, &mut latency)?;
        opened.close(&scanned.damaged)?
    } else {
        let question = asked.question(None);
        direct(&subject, &reading, &question, &mut latency)?
    };
    print(args, &latency)?;
    Ok(exit)
}

/// Answers without keeping what captures hold.
fn direct(
    subject: &Subject,
    reading: &Reading,
    question: &Question,
    latency: &mut Latency,
) -> Result<Exit> {
    let store = Store::open(&subject.segments)?;
    let scanned = scan::latency(&store, question, latency)?;
    let mut is_damaged = !scanned.damaged.is_empty();
    scanned.damaged.iter().for_each(|damage| crate::exit::complain(&damage.to_string()));
    if !subject.captures.is_empty() {
        let empty = Latency::new(latency.keys().clone(), latency.metric());
        let tally = || Tally { question, latency: empty.clone() };
        let outputs = (0..reading.workers.unwrap_or(1)).map(|_| tally()).collect();
        let captured = subject.read(reading, outputs)?;
        captured.outputs.iter().for_each(|tally| latency.merge(&tally.latency));
        is_damaged |= captured.is_damaged;
    }
    Ok(if is_damaged { Exit::Failed } else { Exit::Done })
}

/// What of captures must be kept to answer.
fn policy(args: &LatencyArgs, filter: &Filter, keys: &Keys) -> Policy {
    let is_brief = !keys.needs_heads() && !filter.needs_heads();
    Policy {
        heads: if is_brief { Heads::Brief } else { Heads::Whole },
        body_bytes_max: None,
        secrets: secrets(args.which.keep_secrets),
    }
}

fn print(args: &LatencyArgs, latency: &Latency) -> Result<()> {
    let mut out = terminal::output();
    if args.which.json {
        let mut line = Vec::new();
        for row in latency.rows() {
            line.clear();
            export::latency::write_row(latency.keys(), latency.metric(), &row, &mut line);
            out.write_all(&line)?;
        }
    } else {
        let (width, style) = (terminal::width(), terminal::style());
        write!(out, "{}", table::latency(latency, width, style))?;
        let plot = histogram::histogram(&latency.whole(), width, style);
        if !plot.is_empty() {
            write!(out, "\n{plot}")?;
        }
    }
    out.flush()?;
    Ok(())
}
