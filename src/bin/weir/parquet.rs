//! `weir export --format parquet`: a directory of Parquet files by date and host.

use anyhow::Result;

use crate::args::ExportArgs;
use crate::exit::{Exit, UsageError};

/// Says how to get it.
#[cfg(not(feature = "parquet"))]
pub(crate) fn run(_: &ExportArgs) -> Result<Exit> {
    let text = "this build writes no Parquet: `cargo install weir --features parquet` gives one \
                that does; --format csv and jsonl are read by the same engines";
    Err(UsageError(text.into()).into())
}
