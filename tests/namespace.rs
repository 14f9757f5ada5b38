//! Threads with networks of their own, which vanish with the threads.

use std::process::Command;
use std::sync::mpsc::{Sender, channel};
use std::thread::{Scope, ScopedJoinHandle};

/// Why network namespaces cannot be made here; `None` where they can.
pub(crate) fn lacking() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("network namespaces need root".to_owned());
    }
    match Command::new("ip").arg("-V").output() {
        Ok(_) => None,
        Err(error) => Some(format!("ip cannot be run: {error}")),
    }
}

/// Runs `test` in a network of its own where that is possible, else says why not. What the test
/// starts is in the same network.
pub(crate) fn in_namespace(test: impl FnOnce() + Send) {
    if let Some(reason) = lacking() {
        eprintln!("skipped: {reason}");
        return;
    }
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            enter_new();
            ip("link set lo up");
            test();
        });
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

/// Takes the calling thread, and what it starts from now on, into a network of its own.
#[expect(unsafe_code, reason = "namespaces are changed by the C library alone")]
fn enter_new() {
    // SAFETY: this moves the calling thread to another network and touches no memory.
    assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWNET) }, 0, "a network namespace");
}

/// Runs `ip` in the network of the calling thread; whether it succeeded.
pub(crate) fn try_ip(arguments: &str) -> bool {
    let output = Command::new("ip").args(arguments.split(' ')).output().expect("ip runs");
    output.status.success()
}

/// Runs `ip` in the network of the calling thread.
pub(crate) fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split(' ')).output().expect("ip runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {arguments}: {said}");
}

/// Another network, whose thread does what it is told.
pub(crate) struct Neighbour<'s, 'e> {
    work: Option<Sender<Box<dyn FnOnce() + Send + 'e>>>,
    thread: Option<ScopedJoinHandle<'s, ()>>,
    id: i32,
}

impl<'s, 'e: 's> Neighbour<'s, 'e> {
    /// Makes another network.
    pub(crate) fn new(scope: &'s Scope<'s, '_>) -> Self {
        let (work, tasks) = channel::<Box<dyn FnOnce() + Send + 'e>>();
        let (tell, told) = channel();
        let thread = scope.spawn(move || {
            enter_new();
            ip("link set lo up");
            tell.send(rustix::thread::gettid().as_raw_nonzero().get()).expect("awaited");
            tasks.into_iter().for_each(|task| task());
        });
        let id = told.recv().expect("the thread is there");
        Self { work: Some(work), thread: Some(thread), id }
    }

    /// Its number, by which `ip link set dev X netns ID` moves an interface into it.
    pub(crate) const fn id(&self) -> i32 {
        self.id
    }

    /// Does something in it, and waits for the end.
    pub(crate) fn run<R: Send + 'e>(&self, task: impl FnOnce() -> R + Send + 'e) -> R {
        let (give, result) = channel();
        let task = Box::new(move || give.send(task()).expect("awaited"));
        self.work.as_ref().expect("open").send(task).expect("the thread lives");
        result.recv().expect("the task did not panic")
    }
}

impl Drop for Neighbour<'_, '_> {
    fn drop(&mut self) {
        drop(self.work.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
