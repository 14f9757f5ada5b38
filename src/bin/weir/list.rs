//! `weir list`: one line an exchange, sorted by start.

use std::io::Write;
use std::ops::ControlFlow;

use anyhow::Result;
use weir::exchange::{Exchange, Policy};
use weir::export::{jsonl, latency::write_by};
use weir::query::group::Keys;
use weir::query::scan::{self, Question};
use weir::report::list::{Layout, line};
use weir::segment::{SegmentError, Store};

use crate::args::ListArgs;
use crate::exit::{Exit, Interrupted};
use crate::open::{Reading, Subject};
use crate::question::{Asked, secrets};
use crate::{follow, interrupt, terminal};

/// What a listing is written as.
#[derive(Clone, Debug)]
pub(crate) enum Form {
    /// Lines for people.
    Lines(Layout),
    /// JSON Lines, with the values of the keys in a last member where there are any.
    Json(Keys),
}

impl Form {
    /// What the options ask for.
    pub(crate) fn of(args: &ListArgs) -> Result<Self> {
        let keys = args.grouping.keys()?.unwrap_or_else(Keys::none);
        let metric = args.grouping.metric()?;
        if args.which.json {
            return Ok(Self::Json(keys));
        }
        let layout = Layout::new(terminal::line_width(), terminal::style());
        Ok(Self::Lines(layout.with(keys, metric)))
    }

    /// Appends an exchange to `bytes`.
    pub(crate) fn append(&self, exchange: &Exchange, bytes: &mut Vec<u8>) {
        match self {
            Self::Json(keys) => {
                jsonl::write_exchange(exchange, bytes);
                append_by(keys, exchange, bytes);
            }
            Self::Lines(layout) => line(exchange, layout, bytes),
        }
    }
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
    let question = asked.question_of(&opened.store)?;
    let form = Form::of(args)?;
    let damaged = print(&opened.store, &question, &form)?;
    opened.close(&damaged)
}

/// Prints the exchanges that the question is about, and tells what damage hid.
pub(crate) fn print(store: &Store, question: &Question, form: &Form) -> Result<Vec<SegmentError>> {
    let mut out = terminal::output();
    let damaged = write(store, question, form, &mut out)?;
    out.flush()?;
    Ok(damaged)
}

/// Writes the exchanges that the question is about, and tells what damage hid.
pub(crate) fn write(
    store: &Store,
    question: &Question,
    form: &Form,
    out: &mut impl Write,
) -> Result<Vec<SegmentError>> {
    each(store, question, out, &mut |exchange, bytes| form.append(exchange, bytes))
}

/// Writes what `form` makes of each exchange that the question is about, sorted by start, and
/// tells what damage hid.
pub(crate) fn each(
    store: &Store,
    question: &Question,
    out: &mut impl Write,
    form: &mut dyn FnMut(&Exchange, &mut Vec<u8>),
) -> Result<Vec<SegmentError>> {
    let mut exchange = Exchange::default();
    let mut bytes = Vec::new();
    let mut failure = None;
    let mut damaged = Vec::new();
    let scanned = scan::sorted(store, question, &mut |found| {
        if let Err(error) = found.exchange(&mut exchange) {
            damaged.push(error);
            return ControlFlow::Continue(());
        }
        bytes.clear();
        form(&exchange, &mut bytes);
        failure = match out.write_all(&bytes) {
            Ok(()) if interrupt::is_asked() => Some(Interrupted.into()),
            written => written.err().map(anyhow::Error::from),
        };
        if failure.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    if let Some(error) = failure {
        return Err(error);
    }
    damaged.extend(scanned.damaged);
    Ok(damaged)
}

/// Puts the values of the keys into the line of JSON that `json` ends with.
fn append_by(keys: &Keys, exchange: &Exchange, json: &mut Vec<u8>) {
    if keys.as_slice().is_empty() {
        return;
    }
    json.truncate(json.len() - b"}\n".len());
    json.push(b',');
    write_by(keys, &keys.of(exchange), json);
    json.extend_from_slice(b"}\n");
}
