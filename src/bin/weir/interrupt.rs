//! Ctrl-C and SIGTERM: the first asks the run to end in order, the second ends the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use signal_hook::consts::{SIGINT, SIGTERM};
use weir::pipeline::Watch;

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
            flag.store(true, Ordering::Relaxed);
            watch.stop.store(true, Ordering::Relaxed);
        }
    });
    Ok(stopped)
}
