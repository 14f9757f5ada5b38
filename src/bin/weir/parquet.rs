//! `weir export --format parquet`: a directory of Parquet files by date and host.

use anyhow::Result;

use crate::args::ExportArgs;
use crate::exit::{Exit, UsageError};

/// Says how to get it.
#[cfg(not(feature = "parquet"))]
pub(crate) fn run(_: &ExportArgs) -> Result<Exit> {
    let text = "this build writes no Parquet: `cargo install weir --features parquet` gives one \
                that does; the same engines read --format csv and jsonl";
    Err(UsageError(text.into()).into())
}

/// Writes the lake, one segment after the other, because each says which host captured it.
#[cfg(feature = "parquet")]
pub(crate) fn run(args: &ExportArgs) -> Result<Exit> {
    use std::ops::ControlFlow;

    use weir::exchange::{Exchange, Policy};
    use weir::export::parquet::Lake;
    use weir::query::scan;
    use weir::report::units;
    use weir::segment::Store;

    use crate::open::{Reading, Subject};
    use crate::question::{Asked, secrets};

    let Some(dir) = &args.output else {
        let text = "Parquet is a directory of files: name it with -o DIR";
        return Err(UsageError(text.into()).into());
    };
    let asked = Asked::read(&args.which)?;
    let subject = Subject::look(&args.paths)?;
    let policy = Policy { secrets: secrets(args.which.keep_secrets), ..Policy::default() };
    let opened = subject.store(&Reading { policy, workers: args.which.workers })?;
    let question = asked.question_of(&opened.store)?;
    let mut lake = Lake::create(dir)?;
    let mut exchange = Exchange::default();
    let mut failure = None;
    let mut damaged = Vec::new();
    let mut rows = 0;
    for segment in opened.store.segments() {
        let segment = segment?;
        let host = segment.about().host.clone();
        let store = Store::open(&[segment.path()])?;
        let scanned = scan::scan(&store, &question, &mut |found| {
            if let Err(error) = found.exchange_without_bodies(&mut exchange) {
                damaged.push(error);
                return ControlFlow::Continue(());
            }
            match lake.push(&host, &exchange) {
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
        rows += scanned.matched;
        damaged.extend(scanned.damaged);
    }
    let files = lake.finish()?.len() as u64;
    eprintln!(
        "{} in {} under {}",
        units::counted(rows, "exchange", "exchanges"),
        units::counted(files, "file", "files"),
        weir::report::escaped(dir.as_os_str().as_encoded_bytes())
    );
    opened.close(&damaged)
}
