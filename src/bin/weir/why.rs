//! `weir why`: what was not seen of an exchange, and how that is known.

use std::io::Write as _;

use anyhow::{Result, bail};
use weir::exchange::Policy;
use weir::export;
use weir::query::scan::{self, Lookup};
use weir::query::why;
use weir::report::{self, escaped};

use crate::args::WhyArgs;
use crate::exit::Exit;
use crate::open::{Reading, Subject};
use crate::terminal;

/// Answers `weir why`.
pub(crate) fn run(args: &WhyArgs) -> Result<Exit> {
    let Some((id, paths)) = args.paths_and_id.split_last() else { bail!("no id was given") };
    let id = id.to_string_lossy();
    let subject = Subject::look(paths)?;
    let opened = subject.store(&Reading { policy: Policy::default(), workers: None })?;
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
    let around = why::neighbours(&opened.store, &exchange.facts)?;
    let reasons = report::reasons::reasons(&exchange.facts, &around);
    let mut out = terminal::output();
    if args.json {
        let mut line = Vec::new();
        export::why::write(&exchange.facts, &around, &reasons, &mut line);
        out.write_all(&line)?;
    } else {
        let text = report::why::why(&exchange.facts, &reasons, terminal::style());
        out.write_all(text.as_bytes())?;
    }
    out.flush()?;
    opened.close(&[])
}
