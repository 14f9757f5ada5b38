//! A client that measures itself: keep-alive connections that each ask in turn, and what it found by
//! its own clock, as JSON. `benches/live` holds the capture's times against it.
//!
//!     ask ADDRESS:PORT PATH CONNECTIONS REQUESTS [RATE]
//!     ask --once ADDRESS:PORT PATH CONNECTIONS REQUESTS
//!
//! With RATE (requests a second over all connections) a connection waits until its next request is
//! due; without it, it asks as soon as it is answered, and then the client waits for a processor
//! more than for the server, which its times contain and the wire's do not. `--once` opens a
//! connection for each request. Times run from before the request is written until the response is
//! read; they are raw: not corrected for requests that were asked late.

#![expect(clippy::expect_used, reason = "a client without a server has nothing to say")]
#![expect(clippy::disallowed_methods, reason = "it measures itself by the clock")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

#[derive(Clone)]
struct Plan {
    address: SocketAddr,
    request: Vec<u8>,
    requests: usize,
    /// Between two requests of one connection.
    pace: Option<Duration>,
    once: bool,
}

#[derive(Default)]
struct Found {
    took_ns: Vec<u64>,
    ok: usize,
    body_bytes: u64,
}

fn main() {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let once = arguments.first().is_some_and(|first| first == "--once");
    if once {
        arguments.remove(0);
    }
    let [address, path, connections, requests, rate @ ..] = arguments.as_slice() else {
        eprintln!("usage: ask [--once] ADDRESS:PORT PATH CONNECTIONS REQUESTS [RATE]");
        std::process::exit(2);
    };
    let connections: usize = connections.parse().expect("a number of connections");
    let requests: usize = requests.parse().expect("a number of requests");
    let pace = rate.first().map(|rate| {
        let rate: u32 = rate.parse().expect("requests a second");
        Duration::from_secs(1) * u32::try_from(connections).expect("few connections") / rate
    });
    let ends = if once { "Connection: close\r\n" } else { "" };
    let plan = Plan {
        address: address.parse().expect("ADDRESS:PORT"),
        request: format!("GET {path} HTTP/1.1\r\nHost: ask.test\r\n{ends}\r\n").into_bytes(),
        requests: requests / connections,
        pace,
        once,
    };
    let began = Instant::now();
    let threads: Vec<_> = (0..connections)
        .map(|number| {
            let plan = plan.clone();
            std::thread::spawn(move || ask(&plan, number, connections, began))
        })
        .collect();
    let mut all = Found::default();
    for thread in threads {
        let found = thread.join().expect("a thread that ends");
        all.took_ns.extend(found.took_ns);
        all.ok += found.ok;
        all.body_bytes += found.body_bytes;
    }
    let took = began.elapsed().as_secs_f64();
    all.took_ns.sort_unstable();
    let at = |share: usize| all.took_ns.get(all.took_ns.len() * share / 1000).copied().unwrap_or(0);
    println!(
        r#"{{"requests":{},"ok":{},"body_bytes":{},"seconds":{took:.3},"p50_ns":{},"p90_ns":{},"p99_ns":{}}}"#,
        all.took_ns.len(),
        all.ok,
        all.body_bytes,
        at(500),
        at(900),
        at(990),
    );
}

fn ask(plan: &Plan, number: usize, connections: usize, began: Instant) -> Found {
    let mut found = Found::default();
    let mut kept = None;
    let mut buffer = vec![0; 1 << 16];
    for turn in 0..plan.requests {
        if let Some(pace) = plan.pace {
            // The connections take turns: they do not all ask at the same instant.
            let share = |count: usize| u32::try_from(count).expect("few");
            let due = pace * share(turn) + pace * share(number) / share(connections);
            std::thread::sleep(due.saturating_sub(began.elapsed()));
        }
        let mut stream = kept.take().unwrap_or_else(|| connect(plan.address));
        let asked_at = Instant::now();
        stream.write_all(&plan.request).expect("the server reads");
        let (status, body_bytes) = read_response(&mut stream, &mut buffer);
        let took = asked_at.elapsed();
        found.took_ns.push(u64::try_from(took.as_nanos()).expect("short"));
        found.ok += usize::from(status == 200);
        found.body_bytes += body_bytes;
        if !plan.once {
            kept = Some(stream);
        }
    }
    found
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a server");
    stream.set_nodelay(true).expect("an option");
    stream
}

/// Reads one response with a Content-Length: its status and the length of its body.
fn read_response(stream: &mut TcpStream, buffer: &mut [u8]) -> (u16, u64) {
    let mut have = 0;
    loop {
        let room = buffer.get_mut(have..).filter(|room| !room.is_empty()).expect("a short head");
        let read = stream.read(room).expect("a response");
        assert!(read > 0, "the server closed before it answered");
        have += read;
        let seen = buffer.get(..have).expect("read");
        let Some(end) = seen.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = std::str::from_utf8(seen.get(..end).expect("found")).expect("ASCII");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length").then(|| value.parse().expect("a number"))
        });
        let length: u64 = length.expect("a Content-Length");
        let mut left = length - u64::try_from(have - end - 4).expect("short");
        while left > 0 {
            let read = stream.read(buffer).expect("a body");
            assert!(read > 0, "the server closed within a body");
            left -= u64::try_from(read).expect("short");
        }
        return (status.expect("a status"), length);
    }
}
