//! `weir show`: one exchange in full.

use std::io::Write as _;

use anyhow::{Result, bail};
use weir::exchange::{Heads, Policy};
use weir::export::jsonl;
use weir::query::scan::{self, Lookup};
use weir::report::{detail, escaped};

use crate::args::ShowArgs;
use crate::exit::{Exit, UsageError};
use crate::open::{Reading, Subject};
use crate::question::secrets;
use crate::terminal;

/// Answers `weir show`.
pub(crate) fn run(args: &ShowArgs) -> Result<Exit> {
    let Some((id, paths)) = args.paths_and_id.split_last().filter(|(_, paths)| !paths.is_empty())
    else {
        let text = "an id is missing: weir show PATH... ID; weir list shows the ids";
        return Err(UsageError(text.to_owned()).into());
    };
    let id = id.to_string_lossy();
    let subject = Subject::look(paths)?;
    let policy = Policy {
        heads: Heads::Whole,
        body_bytes_max: Some(usize::MAX),
        secrets: secrets(args.keep_secrets),
    };
    let opened = subject.store(&Reading { policy, workers: None })?;
    let exchange = match scan::find(&opened.store, &id)? {
        Lookup::One(exchange) => exchange,
        Lookup::None => {
            bail!(
                "no exchange has an id that begins with `{}`: weir list shows the ids",
                escaped(id.as_bytes())
            )
        }
        Lookup::Many(candidates) => {
            let ids: Vec<String> = candidates.iter().map(ToString::to_string).collect();
            bail!("several ids begin with `{}`: {}", escaped(id.as_bytes()), ids.join(", "))
        }
    };
    let mut out = terminal::output();
    if args.json {
        let mut line = Vec::new();
        jsonl::write_exchange(&exchange, &mut line);
        out.write_all(&line)?;
    } else {
        detail::write(&exchange, terminal::style(), &mut out)?;
    }
    out.flush()?;
    opened.close(&[])
}
