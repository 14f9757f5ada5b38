//! `weir latency`: percentiles by group, with their confidence.

use std::io::Write as _;

use anyhow::{Result, bail};
use weir::exchange::{Exchange, Heads, Policy};
use weir::export;
use weir::pipeline::Output;
use weir::query::ExchangeText;
use weir::query::group::Keys;
use weir::query::inflight::InFlight;
use weir::query::latency::{Collector, Latency};
use weir::query::phases::Phases;
use weir::query::scan::{self, Question};
use weir::query::series::Series;
use weir::report;
use weir::report::{histogram, table};
use weir::segment::Store;

use crate::args::{LatencyArgs, Which};
use crate::exit::Exit;
use crate::open::{Reading, Subject};
use crate::question::{Asked, secrets};
use crate::terminal;

/// Takes the exchanges of one worker that the question is about.
struct Tally<'q, C> {
    question: &'q Question,
    collector: C,
}

impl<C: Collector + Send> Output for Tally<'_, C> {
    fn exchange(&mut self, exchange: &Exchange) {
        let Question { filter, span } = self.question;
        if span.holds(exchange.facts.start)
            && (filter.is_everything()
                || filter.matches(&exchange.facts, &mut ExchangeText::new(exchange)))
        {
            self.collector.facts(&exchange.facts, &mut ExchangeText::new(exchange));
        }
    }
}

/// Answers `weir latency`.
pub(crate) fn run(args: &LatencyArgs) -> Result<Exit> {
    let keys = args.grouping.keys()?.unwrap_or_default();
    let metric = args.grouping.metric()?;
    let subject = Subject::look(&args.paths)?;
    if args.phases {
        let (phases, exit) = collect(&subject, &args.which, &keys, &Phases::new(keys.clone()))?;
        print_phases(args, &phases)?;
        return Ok(exit);
    }
    if args.in_flight {
        let empty = InFlight::new(args.every.unwrap_or(1_000_000_000));
        let (in_flight, exit) = collect(&subject, &args.which, &Keys::none(), &empty)?;
        print_in_flight(args, &in_flight)?;
        return Ok(exit);
    }
    if let Some(every_ns) = args.every {
        let series = Series::new(keys.clone(), metric, every_ns);
        let (series, exit) = collect(&subject, &args.which, &keys, &series)?;
        print_series(args, &series)?;
        return Ok(exit);
    }
    let latency = Latency::new(keys.clone(), metric);
    let (latency, exit) = collect(&subject, &args.which, &keys, &latency)?;
    print(args, &latency)?;
    Ok(exit)
}

/// Lets `empty` collect what the options ask of the subject.
pub(crate) fn collect<C: Collector + Clone + Send + Sync>(
    subject: &Subject,
    which: &Which,
    keys: &Keys,
    empty: &C,
) -> Result<(C, Exit)> {
    let asked = Asked::read(which)?;
    let is_brief = !keys.needs_heads() && !asked.filter.needs_heads();
    let policy = Policy {
        heads: if is_brief { Heads::Brief } else { Heads::Whole },
        body_bytes_max: None,
        secrets: secrets(which.keep_secrets),
    };
    let reading = Reading { policy, workers: which.workers };
    if asked.is_relative() || !subject.foreign.is_empty() {
        // The end of the data is known only when all of it was read.
        let opened = subject.store(&reading)?;
        let question = asked.question_of(&opened.store)?;
        let (collector, scanned) = scan::latency(&opened.store, &question, empty)?;
        return Ok((collector, opened.close(&scanned.damaged)?));
    }
    let question = asked.question(None);
    direct(subject, &reading, &question, empty)
}

/// Answers without keeping what captures hold.
fn direct<C: Collector + Clone + Send + Sync>(
    subject: &Subject,
    reading: &Reading,
    question: &Question,
    empty: &C,
) -> Result<(C, Exit)> {
    let store = Store::open(&subject.segments)?;
    let (mut collector, scanned) = scan::latency(&store, question, empty)?;
    let mut is_damaged = !scanned.damaged.is_empty();
    scanned.damaged.iter().for_each(|damage| crate::exit::complain(&damage.to_string()));
    if !subject.captures.is_empty() {
        let tally = || Tally { question, collector: empty.clone() };
        let outputs = (0..reading.workers.unwrap_or(1)).map(|_| tally()).collect();
        let captured = subject.read(reading, outputs)?;
        captured.outputs.iter().for_each(|tally| collector.merge(&tally.collector));
        is_damaged |= captured.is_damaged;
    }
    Ok((collector, if is_damaged { Exit::Failed } else { Exit::Done }))
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

fn print_series(args: &LatencyArgs, series: &Series) -> Result<()> {
    check_intervals(series.is_overfull())?;
    let mut out = terminal::output();
    if args.which.json {
        let mut line = Vec::new();
        for track in series.tracks() {
            for (from, row) in &track.intervals {
                line.clear();
                let span = (*from, from.plus(series.every_ns()));
                let what = (series.keys(), series.metric());
                export::latency::write_interval(what, span, row, &mut line);
                out.write_all(&line)?;
            }
        }
    } else {
        let text = report::series::series(series, terminal::width(), terminal::style());
        out.write_all(text.as_bytes())?;
    }
    out.flush()?;
    Ok(())
}

fn print_phases(args: &LatencyArgs, phases: &Phases) -> Result<()> {
    let mut out = terminal::output();
    if args.which.json {
        let mut line = Vec::new();
        let vantage = phases.vantage();
        for row in phases.rows() {
            line.clear();
            export::phases::write_row(phases.keys(), &row, vantage, &mut line);
            out.write_all(&line)?;
        }
    } else {
        let text = report::phases::phases(phases, terminal::width(), terminal::style());
        out.write_all(text.as_bytes())?;
    }
    out.flush()?;
    Ok(())
}

fn print_in_flight(args: &LatencyArgs, in_flight: &InFlight) -> Result<()> {
    check_intervals(in_flight.is_overfull())?;
    let mut text = Vec::new();
    if args.which.json {
        export::inflight::write(in_flight, &mut text);
    } else {
        text = report::inflight::in_flight(in_flight, terminal::style()).into_bytes();
    }
    let mut out = terminal::output();
    out.write_all(&text)?;
    out.flush()?;
    Ok(())
}

/// Fails where intervals were so many that some are left out.
pub(crate) fn check_intervals(is_overfull: bool) -> Result<()> {
    if is_overfull {
        bail!(
            "--every gives more than {} intervals: take a longer one, or less of the data with \
             --since and --until",
            weir::limits::INTERVALS_MAX
        );
    }
    Ok(())
}
