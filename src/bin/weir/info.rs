//! `weir info`: what is in there, and the ledger.

use std::collections::BTreeSet;
use std::io::Write as _;

use anyhow::Result;
use weir::exchange::{Policy, State};
use weir::export::{self, json};
use weir::ledger::Ledger;
use weir::report::{self, escaped, units};
use weir::segment::Summary;
use weir::time::Timestamp;

use crate::args::InfoArgs;
use crate::exit::Exit;
use crate::open::{Opened, Reading, Subject};
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
    sources: BTreeSet<String>,
}

/// Answers `weir info`.
pub(crate) fn run(args: &InfoArgs) -> Result<Exit> {
    let subject = Subject::look(&args.paths)?;
    let opened = subject.store(&Reading { policy: Policy::default(), workers: args.workers })?;
    let holdings = Holdings::of(&opened)?;
    let mut out = terminal::output();
    if args.json {
        out.write_all(&holdings.json())?;
    } else {
        out.write_all(holdings.text().as_bytes())?;
    }
    out.flush()?;
    opened.close(&[])
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
            holdings.sources.insert(format!("{} on {}", about.source, about.host));
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
            for source in &self.sources {
                text.push_str(&format!("captured   {}\n", escaped(source.as_bytes())));
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
        exchanges.total += stats.total();
        exchanges.complete += stats.state(State::Complete);
        exchanges.truncated += stats.state(State::Truncated);
        exchanges.unanswered += stats.state(State::Unanswered);
        exchanges.open += stats.state(State::Open);
        exchanges.orphan += stats.state(State::Orphan);
    }
    ledger
}
