//! A run with more workers than one: packets go to their threads in batches.

use crossbeam_channel::{Receiver, Select, Sender, bounded};

use crate::exchange::{Exchange, Policy};
use crate::flow::FlowKey;
use crate::ledger::Ledger;
use crate::packet::Packet;
use crate::pipeline::batch::Batch;
use crate::pipeline::dispatcher::{Dispatcher, Taker};
use crate::pipeline::run::{Outcome, Output, PipelineError, Watch};
use crate::pipeline::worker::Worker;
use crate::source::Source;
use crate::time::Timestamp;

/// Batches on their way to one worker; enough to ride out a block's compression.
const BATCHES_MAX: usize = 16;

/// What a worker's thread receives.
enum Delivery {
    Batch(Batch),
    Tick(Timestamp),
    End(Timestamp),
}

/// The sending end of a worker's queue, with the batch that is being filled.
struct Queue {
    batch: Batch,
    deliveries: Sender<Delivery>,
    returned: Receiver<Batch>,
}

impl Queue {
    fn push(&mut self, packet: &Packet<'_>) {
        self.batch.push(packet);
        if self.batch.is_full() {
            self.flush();
        }
    }

    /// Sends what is in the batch. A worker that is gone has panicked: it is told at the end.
    fn flush(&mut self) {
        if !self.batch.is_empty() {
            let empty = self.returned.try_recv().unwrap_or_default();
            let full = std::mem::replace(&mut self.batch, empty);
            self.send(Delivery::Batch(full));
        }
    }

    fn send(&self, delivery: Delivery) {
        let _ = self.deliveries.send(delivery);
    }
}

/// The queues of all workers.
struct Queues(Vec<Queue>);

impl Queues {
    /// Tells every worker, behind what it was sent before.
    fn tell(&mut self, delivery: impl Fn() -> Delivery) {
        for queue in &mut self.0 {
            queue.flush();
            queue.send(delivery());
        }
    }
}

impl Taker for Queues {
    fn packet(&mut self, packet: &Packet<'_>) {
        let (key, _) = FlowKey::between(&packet.source, &packet.target);
        let workers = self.0.len();
        if let Some(queue) = self.0.get_mut(key.shard() % workers) {
            queue.push(packet);
        }
    }

    fn tick(&mut self, now: Timestamp) {
        self.tell(|| Delivery::Tick(now));
    }

    fn flush(&mut self) {
        self.0.iter_mut().for_each(Queue::flush);
    }
}

/// Reads `source` to its end with a thread for each output.
///
/// # Errors
///
/// Where a thread panicked.
pub(super) fn run_threads<S: Source, O: Output>(
    source: &mut S,
    mut dispatcher: Dispatcher<'_>,
    (policy, watch): (Policy, &Watch),
    outputs: Vec<O>,
) -> Result<Outcome<O>, PipelineError> {
    let workers = outputs.len();
    std::thread::scope(|scope| {
        let mut queues = Vec::with_capacity(workers);
        let mut threads = Vec::with_capacity(workers);
        for (number, output) in outputs.into_iter().enumerate() {
            let (deliveries, inbox) = bounded(BATCHES_MAX);
            let (give_back, returned) = bounded(BATCHES_MAX);
            queues.push(Queue { batch: Batch::default(), deliveries, returned });
            let work = move || work(policy, output, (&inbox, &give_back), (watch, number));
            threads.push(scope.spawn(work));
        }
        let mut queues = Queues(queues);
        let (errors, end) = dispatcher.read(source, &mut queues);
        queues.tell(|| Delivery::End(end));
        drop(queues);
        let mut ledger = Ledger::default();
        let mut outputs = Vec::with_capacity(workers);
        for (number, thread) in threads.into_iter().enumerate() {
            let (output, account) = thread.join().map_err(|_| PipelineError::Panicked(number))?;
            ledger += &account;
            outputs.push(output);
        }
        dispatcher.account(source, &mut ledger);
        Ok(Outcome { ledger, outputs, errors, span: dispatcher.span() })
    })
}

/// Waits for the next delivery; `None` where there will be no more.
///
/// A bare `recv` yields its processor several times before it sleeps. Where the processors are busy
/// each of these yields is a switch to another thread and back, many thousand a second; waiting
/// through a selection sleeps at once.
fn receive(inbox: &Receiver<Delivery>) -> Option<Delivery> {
    if let Ok(delivery) = inbox.try_recv() {
        return Some(delivery);
    }
    let mut select = Select::new();
    select.recv(inbox);
    select.select().recv(inbox).ok()
}

/// A worker's thread: takes deliveries until the end.
fn work<O: Output>(
    policy: Policy,
    mut output: O,
    (inbox, give_back): (&Receiver<Delivery>, &Sender<Batch>),
    (watch, number): (&Watch, usize),
) -> (O, Ledger) {
    let mut worker = Worker::new(policy);
    let mut end = Timestamp::default();
    while let Some(delivery) = receive(inbox) {
        match delivery {
            Delivery::Batch(mut batch) => {
                for packet in batch.packets() {
                    worker.packet(&packet, &mut |exchange: &Exchange| output.exchange(exchange));
                }
                batch.clear();
                let _ = give_back.try_send(batch);
            }
            Delivery::Tick(now) => {
                worker.reduce(watch.reduction(), now, &mut |e: &Exchange| output.exchange(e));
                worker.tick(now, &mut |exchange: &Exchange| output.exchange(exchange));
                watch.account(number + 1, &worker.account());
                output.tick(now);
            }
            Delivery::End(at) => end = at,
        }
    }
    let ledger = worker.finish(end, &mut |exchange: &Exchange| output.exchange(exchange));
    (output, ledger)
}
