//! Standard output behind a queue: who reads it slowly is felt by those who capture last.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Select, Sender, bounded};
use weir::limits::PRINTED_BUFFERS_MAX;
use weir::pipeline::Watch;

/// Writes what it is given, in order, on a thread of its own.
pub(crate) struct Printer {
    buffers: Sender<Vec<u8>>,
    thread: JoinHandle<io::Result<()>>,
}

/// Gives whole lines to a printer.
#[derive(Clone)]
pub(crate) struct Pen(Sender<Vec<u8>>);

impl Printer {
    /// Begins to write to `out`. Where that fails, the run that `watch` belongs to is stopped.
    pub(crate) fn start(out: impl Write + Send + 'static, watch: &Arc<Watch>) -> Self {
        let (buffers, queue) = bounded(PRINTED_BUFFERS_MAX);
        let watch = Arc::clone(watch);
        let thread = std::thread::spawn(move || {
            let written = write(out, &queue);
            if written.is_err() {
                watch.stop.store(true, Ordering::Relaxed);
            }
            written
        });
        Self { buffers, thread }
    }

    pub(crate) fn pen(&self) -> Pen {
        Pen(self.buffers.clone())
    }

    /// Waits until everything is written; all pens are gone by then.
    ///
    /// # Errors
    ///
    /// What kept it from writing.
    pub(crate) fn finish(self) -> io::Result<()> {
        drop(self.buffers);
        let panicked = |_| Err(io::Error::other("the thread that writes lines panicked"));
        self.thread.join().unwrap_or_else(panicked)
    }
}

impl Pen {
    /// Hands lines on; waits where the queue is full. Without effect once nothing can be written.
    pub(crate) fn print(&self, lines: Vec<u8>) {
        if !lines.is_empty() {
            let _ = self.0.send(lines);
        }
    }
}

fn write(mut out: impl Write, queue: &Receiver<Vec<u8>>) -> io::Result<()> {
    loop {
        // A bare `recv` yields its processor several times before it sleeps.
        let mut select = Select::new();
        select.recv(queue);
        let Ok(lines) = select.select().recv(queue) else { return Ok(()) };
        out.write_all(&lines)?;
        out.flush()?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes only when it is let.
    struct Gate {
        open: Receiver<()>,
        written: Sender<Vec<u8>>,
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.open.recv().map_err(|_| io::ErrorKind::BrokenPipe)?;
            self.written.send(bytes.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_rests_is_not_felt() {
        let count = PRINTED_BUFFERS_MAX;
        let (let_go, open) = bounded(count);
        let (written, read) = bounded(count);
        let watch = Arc::new(Watch::default());
        let printer = Printer::start(Gate { open, written }, &watch);
        let pen = printer.pen();
        // None of these waits, though nothing is read yet.
        (0..count).for_each(|number| pen.print(number.to_string().into_bytes()));
        assert!(read.is_empty());
        (0..count).for_each(|_| let_go.send(()).unwrap());
        drop(pen);
        printer.finish().unwrap();
        let lines: Vec<_> = read.try_iter().collect();
        let expected: Vec<_> = (0..count).map(|number| number.to_string().into_bytes()).collect();
        assert_eq!(lines, expected);
        assert!(!watch.stop.load(Ordering::Relaxed));
    }

    #[test]
    fn a_reader_that_is_gone_stops_the_run() {
        let (let_go, open) = bounded(1);
        let (written, _read) = bounded(1);
        let watch = Arc::new(Watch::default());
        let printer = Printer::start(Gate { open, written }, &watch);
        let pen = printer.pen();
        drop(let_go);
        (0..PRINTED_BUFFERS_MAX * 2).for_each(|_| pen.print(b"line\n".to_vec()));
        drop(pen);
        let error = printer.finish().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        assert!(watch.stop.load(Ordering::Relaxed));
    }
}
