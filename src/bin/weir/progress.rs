//! A progress bar on the terminal for work that takes over a second; nothing in a pipe.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use indicatif::{ProgressBar, ProgressStyle};
use weir::pipeline::Watch;

/// How long nothing is shown.
const QUIET: Duration = Duration::from_secs(1);

/// How often the bar moves.
const STEP: Duration = Duration::from_millis(200);

/// Shows how far a run has come until it is dropped.
pub(crate) struct Progress {
    done: Option<Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// Shows the progress of reading `total` bytes, where standard error is a terminal.
pub(crate) fn show(watch: &Arc<Watch>, total: Option<u64>) -> Progress {
    if !std::io::stderr().is_terminal() {
        return Progress { done: None, thread: None };
    }
    let (done, stopped) = bounded::<()>(1);
    let watch = Arc::clone(watch);
    let thread = std::thread::spawn(move || {
        if stopped.recv_timeout(QUIET) != Err(RecvTimeoutError::Timeout) {
            return;
        }
        let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        let template = "{wide_bar} {bytes} of {total_bytes}, {eta} left";
        if let Some(style) = total.and_then(|_| ProgressStyle::with_template(template).ok()) {
            bar.set_style(style);
        }
        loop {
            bar.set_position(watch.bytes.load(Ordering::Relaxed));
            if stopped.recv_timeout(STEP) != Err(RecvTimeoutError::Timeout) {
                bar.finish_and_clear();
                return;
            }
        }
    });
    Progress { done: Some(done), thread: Some(thread) }
}

impl Drop for Progress {
    fn drop(&mut self) {
        drop(self.done.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
