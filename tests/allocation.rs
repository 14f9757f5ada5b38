//! What a long flow in order allocates: nothing per packet and nothing per exchange, once warm.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use weir::exchange::{Exchange, Policy};
use weir::pipeline::{Options, Output, Watch, run};

use crate::tape::{ACK, Recorded, SYN, Said, Talker, Tape};

/// The system's allocator, counting the allocations of each thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call is handed to the system's allocator as it came; counting touches only a
// cell of the thread that needs no allocation and no destructor.
#[expect(unsafe_code, reason = "an allocator that counts has no safe form")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: as above.
        unsafe { System.realloc(at, layout, size) }
    }
}

/// Counts exchanges and keeps none.
#[derive(Default)]
struct Counter(usize);

impl Output for Counter {
    fn exchange(&mut self, _: &Exchange) {
        self.0 += 1;
    }
}

/// A keep-alive connection of so many exchanges, each of a request in one packet, a response in
/// three, and the acknowledgments between.
fn keep_alive(exchanges: usize) -> Vec<Recorded> {
    let mut frames = Vec::new();
    let mut said = [0_u32; 2];
    let mut at = 1_795_242_865_000_000_000;
    let mut send = |from: Talker, flags: u8, payload: &[u8]| {
        let [own, other] = [from as usize, from.other() as usize];
        // All within a second: once a second the account is published, which allocates a little.
        at += 10_000;
        let is_syn = flags & SYN != 0;
        let seq = 1000 + said[own] - u32::from(is_syn);
        let payload = payload.to_vec();
        said[own] += u32::try_from(payload.len()).expect("a short packet");
        let ack = 1000 + said[other];
        let said = Said { at, client_port: 40_000, from, seq, ack, flags, payload };
        frames.push(said.record());
    };
    send(Talker::Client, SYN, b"");
    send(Talker::Server, SYN | ACK, b"");
    send(Talker::Client, ACK, b"");
    for _ in 0..exchanges {
        send(Talker::Client, ACK, b"GET /cart/17?page=2 HTTP/1.1\r\nHost: shop.test\r\n\r\n");
        send(Talker::Server, ACK, b"");
        send(
            Talker::Server,
            ACK,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nServer: shop\r\n\r\n",
        );
        send(Talker::Server, ACK, b"5\r\nhello\r\n6\r\n world\r\n");
        send(Talker::Client, ACK, b"");
        send(Talker::Server, ACK, b"0\r\n\r\n");
        send(Talker::Client, ACK, b"");
    }
    frames
}

fn allocations(exchanges: usize) -> u64 {
    let mut tape = Tape::new(keep_alive(exchanges));
    let options = Options { policy: Policy::default(), ports: None };
    let watch = Watch::default();
    let outputs = vec![Counter::default()];
    let before = ALLOCATIONS.with(Cell::get);
    let outcome = run(&mut tape, &options, None, &watch, outputs).expect("no panic");
    let allocations = ALLOCATIONS.with(Cell::get) - before;
    assert_eq!(outcome.outputs[0].0, exchanges);
    assert_eq!(outcome.ledger.exchanges.complete, exchanges as u64);
    allocations
}

#[test]
fn a_flow_in_order_allocates_nothing_once_warm() {
    allocations(10);
    let (some, twice) = (allocations(1000), allocations(2000));
    assert_eq!(some, twice, "allocations of 1000 and of 2000 exchanges");
    assert!(some < 200, "{some} allocations to begin with");
}
