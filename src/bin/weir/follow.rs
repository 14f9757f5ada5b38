//! `weir list --follow`: what segments hold, then what is added to them.

use std::collections::HashMap;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Result, bail};
use weir::exchange::Exchange;
use weir::pipeline::Watch;
use weir::query::scan::{self, Progress, Question};
use weir::segment::{Segment, Store};

use crate::args::ListArgs;
use crate::exit::{Exit, complain};
use crate::list::Form;
use crate::question::Asked;
use crate::{interrupt, terminal};

/// How often the segments are looked at.
const STEP: Duration = Duration::from_millis(250);

/// Answers `weir list --follow`: in order of appearance, which is that of the exchanges' ends.
pub(crate) fn run(args: &ListArgs) -> Result<Exit> {
    let asked = Asked::read(&args.which)?;
    for path in &args.paths {
        let is_segment =
            path.is_dir() || path.extension().is_some_and(|end| end == "weir" || end == "part");
        if !is_segment {
            bail!(
                "cannot follow {}: expected a directory that a capture writes to",
                path.display()
            );
        }
    }
    let watch = Arc::new(Watch::default());
    interrupt::stops(&watch)?;
    let question = asked.question_of(&Store::open(&args.paths)?)?;
    let mut follower = Follower { question, form: Form::of(args)?, seen: HashMap::new() };
    let (_keep, never) = std::sync::mpsc::channel::<()>();
    while !watch.stop.load(Ordering::Relaxed) {
        follower.look(&args.paths)?;
        let _ = never.recv_timeout(STEP);
    }
    Ok(Exit::Done)
}

/// What was printed of each segment.
struct Follower {
    question: Question,
    form: Form,
    /// By the name that a segment has once it is sealed.
    seen: HashMap<PathBuf, Progress>,
}

impl Follower {
    /// Prints what is new.
    fn look(&mut self, paths: &[PathBuf]) -> Result<()> {
        let store = Store::open(paths)?;
        let mut out = terminal::output();
        let mut seen = HashMap::with_capacity(store.paths().len());
        for path in store.paths() {
            let name = sealed_name(path);
            let mut progress = self.seen.remove(&name).unwrap_or_default();
            if !progress.is_whole {
                self.print(path, &mut progress, &mut out)?;
            }
            seen.insert(name, progress);
        }
        self.seen = seen;
        out.flush()?;
        Ok(())
    }

    /// Prints what is new in a segment. One that was deleted meanwhile has nothing.
    fn print(
        &self,
        path: &Path,
        progress: &mut Progress,
        out: &mut impl std::io::Write,
    ) -> Result<()> {
        let opened = Segment::open(path).or_else(|_| Segment::open(&sealed_name(path)));
        let Ok(segment) = opened else { return Ok(()) };
        let mut exchange = Exchange::default();
        let mut bytes = Vec::new();
        let mut failure = None;
        let damaged = scan::further(&segment, &self.question, progress, &mut |found| {
            if found.exchange(&mut exchange).is_err() {
                return ControlFlow::Continue(());
            }
            bytes.clear();
            self.form.append(&exchange, &mut bytes);
            match out.write_all(&bytes) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failure = Some(error);
                    ControlFlow::Break(())
                }
            }
        });
        damaged.iter().for_each(|damage| complain(&damage.to_string()));
        failure.map_or(Ok(()), |error| Err(error.into()))
    }
}

fn sealed_name(path: &Path) -> PathBuf {
    if path.extension().is_some_and(|end| end == "part") {
        path.with_extension("")
    } else {
        path.to_owned()
    }
}
