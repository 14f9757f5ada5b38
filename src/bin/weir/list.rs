//! `weir list`: one line an exchange, sorted by start.

use std::io::Write;
use std::ops::ControlFlow;

use anyhow::Result;
use weir::exchange::{Exchange, Policy};
use weir::export::jsonl;
use weir::query::scan::{self, Question};
use weir::report;
use weir::segment::{SegmentError, Store};

use crate::args::ListArgs;
use crate::exit::Exit;
use crate::open::{Reading, Subject};
use crate::question::{Asked, secrets};
use crate::{follow, terminal};

/// What a listing is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Lines for people.
    Lines,
    /// JSON Lines.
    Json,
}

/// Answers `weir list`.
pub(crate) fn run(args: &ListArgs) -> Result<Exit> {
    if args.follow {
        return follow::run(args);
    }
    let asked = Asked::read(&args.which)?;
    let subject = Subject::look(&args.paths)?;
    let policy = Policy { secrets: secrets(args.which.keep_secrets), ..Policy::default() };
    let opened = subject.store(&Reading { policy, workers: args.which.workers })?;
    let question = asked.question(scan::last_start(&opened.store)?);
    let form = if args.which.json { Form::Json } else { Form::Lines };
    let damaged = print(&opened.store, &question, form)?;
    opened.close(&damaged)
}

/// Prints the exchanges that the question is about, and tells what damage hid.
pub(crate) fn print(store: &Store, question: &Question, form: Form) -> Result<Vec<SegmentError>> {
    let mut out = terminal::output();
    let damaged = write(store, question, form, &mut out)?;
    out.flush()?;
    Ok(damaged)
}

/// Writes the exchanges that the question is about, and tells what damage hid.
pub(crate) fn write(
    store: &Store,
    question: &Question,
    form: Form,
    out: &mut impl Write,
) -> Result<Vec<SegmentError>> {
    let (width, style) = (terminal::line_width(), terminal::style());
    let mut exchange = Exchange::default();
    let mut bytes = Vec::new();
    let mut line = String::new();
    let mut failure = None;
    let mut damaged = Vec::new();
    let scanned = scan::sorted(store, question, &mut |found| {
        if let Err(error) = found.exchange(&mut exchange) {
            damaged.push(error);
            return ControlFlow::Continue(());
        }
        bytes.clear();
        line.clear();
        let written = match form {
            Form::Json => {
                jsonl::write_exchange(&exchange, &mut bytes);
                out.write_all(&bytes)
            }
            Form::Lines => {
                report::list::line(&exchange, width, style, &mut line);
                out.write_all(line.as_bytes())
            }
        };
        match written {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failure = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    if let Some(error) = failure {
        return Err(error.into());
    }
    damaged.extend(scanned.damaged);
    Ok(damaged)
}
