//! `weir export`: the exchanges in the formats of other programs.

use std::fs::File;
use std::io::{BufWriter, IsTerminal as _, Write};

use anyhow::{Context as _, Result};
use weir::exchange::Policy;
use weir::export::packets::Form;
use weir::export::{csv, curl, har};
use weir::query::group::Keys;
use weir::query::scan::Question;
use weir::segment::{SegmentError, Store};

use crate::args::{ExportArgs, ExportFormat};
use crate::exit::{Exit, UsageError};
use crate::list::{self, each};
use crate::open::{Reading, Subject};
use crate::packets::Packets;
use crate::question::{Asked, secrets};
use crate::{histograms, parquet, terminal};

/// Answers `weir export`.
pub(crate) fn run(args: &ExportArgs) -> Result<Exit> {
    match args.format {
        ExportFormat::Pcap => return packets(args, Form::Pcap),
        ExportFormat::Pcapng => return packets(args, Form::Pcapng),
        ExportFormat::Parquet => return parquet::run(args),
        ExportFormat::Hgrm | ExportFormat::Hlog => return histograms::run(args),
        _ => {}
    }
    let asked = Asked::read(&args.which)?;
    args.grouping.keys()?;
    args.grouping.metric()?;
    let subject = Subject::look(&args.paths)?;
    let opened = subject.store(&Reading { policy: policy(args), workers: args.which.workers })?;
    let question = asked.question_of(&opened.store)?;
    let damaged = match &args.output {
        None => {
            let mut out = terminal::output();
            let damaged = write(args, &opened.store, &question, &mut out)?;
            out.flush()?;
            damaged
        }
        Some(path) => {
            let cannot = || format!("cannot write {}", path.display());
            let mut out = BufWriter::new(File::create(path).with_context(cannot)?);
            let damaged = write(args, &opened.store, &question, &mut out).with_context(cannot)?;
            out.flush().with_context(cannot)?;
            damaged
        }
    };
    opened.close(&damaged)
}

/// Writes packets. They are no text, so a terminal does not get them.
fn packets(args: &ExportArgs, form: Form) -> Result<Exit> {
    match &args.output {
        None if std::io::stdout().is_terminal() => {
            let text = "packets are not for a terminal: name a file with -o, or pipe them";
            Err(UsageError(text.into()).into())
        }
        None => Packets::look(args)?.write(form, &args.which, &mut terminal::output()),
        Some(path) => {
            let packets = Packets::look(args)?;
            let cannot = || format!("cannot write {}", path.display());
            let mut out = BufWriter::new(File::create(path).with_context(cannot)?);
            packets.write(form, &args.which, &mut out).with_context(cannot)
        }
    }
}

/// What is kept of captures: bodies where the format has a place for them.
fn policy(args: &ExportArgs) -> Policy {
    let has_bodies = matches!(args.format, ExportFormat::Har | ExportFormat::Curl);
    Policy {
        body_bytes_max: has_bodies.then_some(usize::MAX),
        secrets: secrets(args.which.keep_secrets),
        ..Policy::default()
    }
}

/// Writes the exchanges that the question is about, and tells what damage hid.
fn write(
    args: &ExportArgs,
    store: &Store,
    question: &Question,
    out: &mut impl Write,
) -> Result<Vec<SegmentError>> {
    match args.format {
        ExportFormat::Jsonl => {
            let keys = args.grouping.keys()?.unwrap_or_else(Keys::none);
            list::write(store, question, &list::Form::Json(keys), out)
        }
        ExportFormat::Csv => {
            out.write_all(csv::HEADER)?;
            each(store, question, out, &mut csv::write_exchange)
        }
        ExportFormat::Curl => each(store, question, out, &mut curl::write_exchange),
        ExportFormat::Har => {
            let mut archive = har::Archive::new(secrets(args.which.keep_secrets));
            let mut bytes = Vec::new();
            archive.write_start(&mut bytes);
            out.write_all(&bytes)?;
            let damaged = each(store, question, out, &mut |exchange, bytes| {
                archive.write_exchange(exchange, bytes);
            })?;
            out.write_all(har::END)?;
            Ok(damaged)
        }
        ExportFormat::Pcap
        | ExportFormat::Pcapng
        | ExportFormat::Parquet
        | ExportFormat::Hgrm
        | ExportFormat::Hlog => Ok(Vec::new()),
    }
}
