//! `weir latency`: percentiles by group, with their confidence.

use std::io::Write as _;

use anyhow::{Result, bail};
use weir::exchange::{Exchange, Heads, Policy};
use weir::export;
use weir::pipeline::Output;
use weir::query::ends::{self, BothEnds, Copies};
use weir::query::group::Keys;
use weir::query::inflight::InFlight;
use weir::query::latency::{Collector, Latency};
use weir::query::phases::Phases;
use weir::query::scan::{self, Question, Scanned};
use weir::query::series::Series;
use weir::query::{ExchangeText, Metric};
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
    let asking = Asking { subject: &subject, which: &args.which, counts_copies: args.count_copies };
    if args.phases {
        let (phases, told) = asking.collect(&keys, &Phases::new(keys.clone()))?;
        print_phases(args, &phases)?;
        return told.print(args, Metric::Total);
    }
    if args.in_flight {
        let empty = InFlight::new(args.every.unwrap_or(1_000_000_000));
        let (in_flight, told) = asking.collect(&Keys::none(), &empty)?;
        print_in_flight(args, &in_flight)?;
        return told.print(args, Metric::Total);
    }
    if let Some(every_ns) = args.every {
        let series = Series::new(keys.clone(), metric, every_ns);
        let (series, told) = asking.collect(&keys, &series)?;
        print_series(args, &series)?;
        return told.print(args, metric);
    }
    let latency = Latency::new(keys.clone(), metric);
    let (latency, told) = asking.collect(&keys, &latency)?;
    print(args, &latency)?;
    told.print(args, metric)
}

/// What is asked, and how.
pub(crate) struct Asking<'a> {
    pub(crate) subject: &'a Subject,
    pub(crate) which: &'a Which,
    /// Whether exchanges that were captured at both ends count twice.
    pub(crate) counts_copies: bool,
}

/// What there is to tell beside an answer.
pub(crate) struct Told {
    both_ends: BothEnds,
    pub(crate) exit: Exit,
}

impl Told {
    /// Prints it below the answer.
    fn print(self, args: &LatencyArgs, metric: Metric) -> Result<Exit> {
        if !self.both_ends.is_empty() {
            let mut out = terminal::output();
            if args.which.json {
                let mut line = Vec::new();
                export::ends::write(&self.both_ends, &mut line);
                out.write_all(&line)?;
            } else {
                write!(out, "\n{}", report::ends::both_ends(&self.both_ends, metric))?;
            }
            out.flush()?;
        }
        Ok(self.exit)
    }
}

impl Asking<'_> {
    /// Lets `empty` collect what the options ask of the subject.
    pub(crate) fn collect<C: Collector + Clone + Send + Sync>(
        &self,
        keys: &Keys,
        empty: &C,
    ) -> Result<(C, Told)> {
        let asked = Asked::read(self.which)?;
        let is_brief = !keys.needs_heads() && !asked.filter.needs_heads();
        let policy = Policy {
            heads: if is_brief { Heads::Brief } else { Heads::Whole },
            body_bytes_max: None,
            secrets: secrets(self.which.keep_secrets),
        };
        let mut reading = Reading { policy, workers: self.which.workers };
        if asked.is_relative() || !self.subject.foreign.is_empty() {
            // The end of the data is known only when all of it was read.
            let opened = self.subject.store(&reading)?;
            let question = asked.question_of(&opened.store)?;
            let (collector, scanned, both_ends) = self.scan(&opened.store, &question, empty)?;
            let exit = opened.close(&scanned.damaged)?;
            return Ok((collector, Told { both_ends, exit }));
        }
        if is_brief && !keys.needs_hosts() && !asked.filter.needs_text() {
            reading.policy.heads = Heads::Route;
        }
        let question = asked.question(None);
        self.direct(&reading, &question, empty)
    }

    fn scan<C: Collector + Clone + Send + Sync>(
        &self,
        store: &Store,
        question: &Question,
        empty: &C,
    ) -> Result<(C, Scanned, BothEnds)> {
        if self.counts_copies {
            let all = Copies::default();
            let (collector, scanned) = scan::latency(store, question, &all, empty)?;
            return Ok((collector, scanned, BothEnds::default()));
        }
        Ok(ends::latency(store, question, empty)?)
    }

    /// Answers without keeping what captures hold.
    fn direct<C: Collector + Clone + Send + Sync>(
        &self,
        reading: &Reading,
        question: &Question,
        empty: &C,
    ) -> Result<(C, Told)> {
        let store = Store::open(&self.subject.segments)?;
        let (mut collector, scanned, both_ends) = self.scan(&store, question, empty)?;
        let mut is_damaged = !scanned.damaged.is_empty();
        scanned.damaged.iter().for_each(|damage| crate::exit::complain(&damage.to_string()));
        if !self.subject.captures.is_empty() {
            let tally = || Tally { question, collector: empty.clone() };
            let outputs = (0..reading.workers.unwrap_or(1)).map(|_| tally()).collect();
            let captured = self.subject.read(reading, outputs)?;
            for Tally { collector: mut more, .. } in captured.outputs {
                // Mostly one holds all there is: what little there is goes to it.
                std::mem::swap(&mut collector, &mut more);
                collector.merge(&more);
            }
            is_damaged |= captured.is_damaged;
        }
        let exit = if is_damaged { Exit::Failed } else { Exit::Done };
        Ok((collector, Told { both_ends, exit }))
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
        let whole = latency.whole();
        out.write_all(table::latency(latency, &whole, width, style).as_bytes())?;
        let plot = histogram::histogram(&whole, width, style);
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
