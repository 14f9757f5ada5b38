//! Ctrl-C and SIGTERM: the first asks the run to end in order, the second ends the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use signal_hook::consts::{SIGINT, SIGTERM};
use weir::pipeline::Watch;

/// Whether a signal came that nobody has answered yet.
static ASKED: AtomicBool = AtomicBool::new(false);

/// Whether the user wants no more of the answer that is being given.
pub(crate) fn is_asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}

/// Takes the signal as answered: the run that it was meant for has ended.
pub(crate) fn forget() {
    ASKED.store(false, Ordering::Relaxed);
}

/// Lets the signals stop the run that `watch` watches, and tells afterwards whether one did.
pub(crate) fn stops(watch: &Arc<Watch>) -> anyhow::Result<Arc<AtomicBool>> {
    let stopped = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        let again = Arc::clone(&stopped);
        signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, again)
            .context("cannot listen for signals")?;
        signal_hook::flag::register(signal, Arc::clone(&stopped))
            .context("cannot listen for signals")?;
    }
    let (watch, flag) = (Arc::clone(watch), Arc::clone(&stopped));
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])
        .context("cannot listen for signals")?;
    std::thread::spawn(move || {
        if signals.forever().next().is_some() {
            ASKED.store(true, Ordering::Relaxed);
            flag.store(true, Ordering::Relaxed);
            watch.stop.store(true, Ordering::Relaxed);
        }
    });
    Ok(stopped)
}
