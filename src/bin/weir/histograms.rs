//! `weir export --format hgrm|hlog`: histograms for HdrHistogram's own tools.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context as _, Result};
use weir::export::hdr;
use weir::query::group::Keys;
use weir::query::latency::{Latency, Row};
use weir::query::series::Series;

use crate::args::{ExportArgs, ExportFormat};
use crate::exit::{Exit, UsageError};
use crate::latency::{Asking, check_intervals};
use crate::open::Subject;
use crate::terminal;

/// Longest name of a file that is made from the values of a group, in bytes.
const NAME_BYTES_MAX: usize = 120;

/// Answers `weir export --format hgrm` and `--format hlog`.
pub(crate) fn run(args: &ExportArgs) -> Result<Exit> {
    let metric = args.grouping.metric()?;
    let subject = Subject::look(&args.paths)?;
    let asking = Asking { subject: &subject, which: &args.which, counts_copies: false };
    if args.format == ExportFormat::Hlog {
        let keys = args.grouping.keys()?.unwrap_or_default();
        let series = Series::new(keys.clone(), metric, args.every.unwrap_or(u64::MAX));
        let (series, told) = asking.collect(&keys, &series)?;
        check_intervals(series.is_overfull())?;
        write(args.output.as_deref(), |out| hdr::write_hlog(&series, out))?;
        return Ok(told.exit);
    }
    let keys = args.grouping.keys()?.unwrap_or_else(Keys::none);
    let grouped = !keys.as_slice().is_empty();
    if grouped && args.output.is_none() {
        let text = "--by: one .hgrm file holds one distribution: name a directory with -o";
        return Err(UsageError(text.to_owned()).into());
    }
    let (latency, told) = asking.collect(&keys, &Latency::new(keys.clone(), metric))?;
    if let Some(dir) = args.output.as_deref().filter(|_| grouped) {
        write_each(dir, &latency.rows())?;
    } else {
        let whole = latency.whole();
        write(args.output.as_deref(), |out| hdr::write_hgrm(&whole.latencies, out))?;
    }
    Ok(told.exit)
}

/// Writes a file a group into `dir`. Names are made from the groups' values, which strangers
/// chose: only plain characters are left, and each name begins with its rank.
fn write_each(dir: &Path, rows: &[Row]) -> Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    for (rank, row) in rows.iter().enumerate() {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-{}".contains(c);
        let name: String = hdr::tag(&row.values)
            .replace("%20", "_")
            .chars()
            .map(|c| if is_plain(c) { c } else { '_' })
            .take(NAME_BYTES_MAX)
            .collect();
        let path = dir.join(format!("{:04}-{name}.hgrm", rank + 1));
        write(Some(&path), |out| hdr::write_hgrm(&row.latencies, out))?;
    }
    Ok(())
}

/// Writes to a file, or to standard output.
fn write(
    path: Option<&Path>,
    content: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<()> {
    let Some(path) = path else {
        let mut out = terminal::output();
        content(&mut out)?;
        out.flush()?;
        return Ok(());
    };
    let cannot = || format!("cannot write {}", path.display());
    let mut out = BufWriter::new(File::create(path).with_context(cannot)?);
    content(&mut out).with_context(cannot)?;
    out.flush().with_context(cannot)
}
