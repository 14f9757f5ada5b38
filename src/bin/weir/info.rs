//! `weir info`: what is in there, and the ledger.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::ops::ControlFlow;

use anyhow::Result;
use weir::exchange::{Policy, State};
use weir::export::{self, json};
use weir::ledger::{Exchanges, Ledger};
use weir::query::group::Keys;
use weir::query::latency::Latency;
use weir::query::scan::{self, Question};
use weir::report::{self, escaped, units};
use weir::segment::{SegmentError, Store, Summary};
use weir::time::Timestamp;

use crate::args::InfoArgs;
use crate::exit::Exit;
use crate::open::{Opened, Reading, Subject};
use crate::question::{Asked, secrets};
use crate::terminal;

/// What the segments of an answer are.
#[derive(Default)]
struct Holdings {
    ledger: Ledger,
    /// First and last start of an exchange.
    span: Option<(Timestamp, Timestamp)>,
    /// Segments that the user has: those of captures read on the spot do not count.
    segments: u64,
    unsealed: u64,
    bytes: u64,
    /// Where the segments say they are from.
    sources: BTreeSet<Captured>,
    /// Where the user asked for some of the exchanges, or for groups.
    matching: Option<Matching>,
}

/// Where a segment says it is from.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Captured {
    host: String,
    source: String,
    version: String,
    configuration: String,
}

/// Answers `weir info`.
pub(crate) fn run(args: &InfoArgs) -> Result<Exit> {
    let which = &args.which;
    let asked = Asked::read(which)?;
    let latency =
        Latency::new(args.grouping.keys()?.unwrap_or_else(Keys::none), args.grouping.metric()?);
    let asks = [&which.filter, &which.since, &which.until, &args.grouping.by];
    let is_asked = asks.into_iter().any(Option::is_some) || args.grouping.metric.is_some();
    let subject = Subject::look(&args.paths)?;
    let policy = Policy { secrets: secrets(which.keep_secrets), ..Policy::default() };
    let opened = subject.store(&Reading { policy, workers: which.workers })?;
    let mut holdings = Holdings::of(&opened)?;
    let mut damaged = Vec::new();
    if is_asked {
        let question = asked.question_of(&opened.store)?;
        let mut matching = Matching { exchanges: Exchanges::default(), latency };
        damaged = matching.count(&opened.store, &question)?;
        holdings.matching = Some(matching);
    }
    let mut out = terminal::output();
    if which.json {
        out.write_all(&holdings.json())?;
    } else {
        out.write_all(holdings.text().as_bytes())?;
    }
    out.flush()?;
    opened.close(&damaged)
}

/// The exchanges that the user asked for.
struct Matching {
    exchanges: Exchanges,
    /// By the keys; without any, all of them are one group.
    latency: Latency,
}

impl Matching {
    /// Counts the exchanges that the question is about, and tells what damage hid.
    fn count(&mut self, store: &Store, question: &Question) -> Result<Vec<SegmentError>> {
        let scanned = scan::scan(store, question, &mut |found| {
            let facts = found.facts;
            count_state(&mut self.exchanges, facts.state, 1);
            self.latency.record_facts(&facts, found);
            ControlFlow::Continue(())
        })?;
        Ok(scanned.damaged)
    }
}

fn count_state(exchanges: &mut Exchanges, state: State, number: u64) {
    exchanges.total += number;
    *match state {
        State::Complete => &mut exchanges.complete,
        State::Truncated => &mut exchanges.truncated,
        State::Unanswered => &mut exchanges.unanswered,
        State::Open => &mut exchanges.open,
        State::Orphan => &mut exchanges.orphan,
    } += number;
}

impl Holdings {
    fn of(opened: &Opened) -> Result<Self> {
        let mut holdings = Self::default();
        for segment in opened.store.segments() {
            let segment = segment?;
            // Where a crash left no account, or it stands in a later segment of the run, the
            // exchanges at least are known.
            match segment.ledger() {
                Some(ledger) => holdings.ledger += ledger,
                None => holdings.ledger += &counted(&segment.summary()?),
            }
            for block in segment.blocks() {
                let (first, last) = holdings.span.unwrap_or((block.first_start, block.last_start));
                holdings.span = Some((first.min(block.first_start), last.max(block.last_start)));
            }
            if opened.is_temporary(segment.path()) {
                continue;
            }
            holdings.segments += 1;
            holdings.unsealed += u64::from(!segment.is_sealed());
            holdings.bytes += segment.bytes();
            let about = segment.about();
            holdings.sources.insert(Captured {
                host: about.host.clone(),
                source: about.source.clone(),
                version: about.version.clone(),
                configuration: about.configuration.clone(),
            });
        }
        Ok(holdings)
    }

    fn text(&self) -> String {
        let style = terminal::style();
        let mut text = report::ledger::ledger(&self.ledger, style);
        if let Some((first, last)) = self.span {
            text.push_str(&format!("from       {first}\nto         {last}\n"));
        }
        if self.segments > 0 {
            let segments = units::counted(self.segments, "segment", "segments");
            let unsealed = match self.unsealed {
                0 => String::new(),
                some => format!(", {} not sealed", units::count(some)),
            };
            let size = units::size(self.bytes);
            let each = match self.ledger.exchanges.total {
                0 => String::new(),
                total => format!(", {} bytes an exchange", units::count(self.bytes / total)),
            };
            text.push_str(&format!("on disk    {segments}{unsealed}, {size}{each}\n"));
            for Captured { host, source, version, configuration } in &self.sources {
                let captured = format!("{source} on {host} by weir {version}: {configuration}");
                text.push_str(&format!("captured   {}\n", escaped(captured.as_bytes())));
            }
        }
        if let Some(Matching { exchanges, latency }) = &self.matching {
            text.push('\n');
            report::ledger::exchanges(&mut text, style, "matching", exchanges);
            let (keys, rows) = (latency.keys(), latency.rows());
            if exchanges.total > 0 {
                text.push_str(&report::groups::groups(keys, &rows, terminal::width(), style));
            }
        }
        text
    }

    fn json(&self) -> Vec<u8> {
        let mut out = b"{\"ledger\":".to_vec();
        export::ledger::write_ledger(&self.ledger, &mut out);
        if let Some((first, last)) = self.span {
            out.extend_from_slice(b",\"first_start\":");
            json::timestamp(&mut out, first);
            out.extend_from_slice(b",\"last_start\":");
            json::timestamp(&mut out, last);
        }
        if self.segments > 0 {
            let Self { segments, unsealed, bytes, .. } = self;
            let object = format!(
                ",\"segments\":{{\"count\":{segments},\"unsealed\":{unsealed},\"bytes\":{bytes}}}"
            );
            out.extend_from_slice(object.as_bytes());
            out.extend_from_slice(b",\"captured\":[");
            for (position, source) in self.sources.iter().enumerate() {
                let Captured { host, source, version, configuration } = source;
                let members = [
                    (if position > 0 { ",{\"host\":" } else { "{\"host\":" }, host),
                    (",\"source\":", source),
                    (",\"version\":", version),
                    (",\"configuration\":", configuration),
                ];
                for (key, value) in members {
                    out.extend_from_slice(key.as_bytes());
                    json::string(&mut out, value.as_bytes());
                }
                out.push(b'}');
            }
            out.push(b']');
        }
        if let Some(Matching { exchanges, latency }) = &self.matching {
            out.extend_from_slice(b",\"matching\":");
            export::ledger::write_exchanges(exchanges, &mut out);
            out.extend_from_slice(b",\"groups\":[");
            for (position, row) in latency.rows().iter().enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                export::latency::write_group(latency.keys(), latency.metric(), row, &mut out);
            }
            out.push(b']');
        }
        out.extend_from_slice(b"}\n");
        out
    }
}

/// The exchanges that a summary counts, by state.
fn counted(summary: &Summary) -> Ledger {
    let mut ledger = Ledger::default();
    let exchanges = &mut ledger.exchanges;
    for stats in summary.groups().map(|(_, stats)| stats).chain(summary.other()) {
        for state in State::ALL {
            count_state(exchanges, state, stats.state(state));
        }
    }
    ledger
}
