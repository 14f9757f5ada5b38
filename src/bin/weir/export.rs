//! `weir export`: the exchanges in the formats of other programs.

use std::fs::File;
use std::io::{BufWriter, Write as _};

use anyhow::{Context as _, Result};
use weir::exchange::Policy;
use weir::query::scan;

use crate::args::{ExportArgs, ExportFormat};
use crate::exit::Exit;
use crate::open::{Reading, Subject};
use crate::question::{Asked, secrets};
use crate::{histograms, list};

/// Answers `weir export`.
pub(crate) fn run(args: &ExportArgs) -> Result<Exit> {
    if matches!(args.format, ExportFormat::Hgrm | ExportFormat::Hlog) {
        return histograms::run(args);
    }
    let asked = Asked::read(&args.which)?;
    let subject = Subject::look(&args.paths)?;
    let policy = Policy { secrets: secrets(args.which.keep_secrets), ..Policy::default() };
    let opened = subject.store(&Reading { policy, workers: args.which.workers })?;
    let question = asked.question(scan::last_start(&opened.store)?);
    let form = match args.format {
        ExportFormat::Jsonl | ExportFormat::Hgrm | ExportFormat::Hlog => list::Form::Json,
    };
    let damaged = match &args.output {
        None => list::print(&opened.store, &question, form)?,
        Some(path) => {
            let cannot = || format!("cannot write {}", path.display());
            let mut out = BufWriter::new(File::create(path).with_context(cannot)?);
            let damaged = list::write(&opened.store, &question, form, &mut out)?;
            out.flush().with_context(cannot)?;
            damaged
        }
    };
    opened.close(&damaged)
}
