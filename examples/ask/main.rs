//! A client that measures itself: keep-alive connections that each ask in turn, and what it found,
//! as JSON. `benches/live` holds the capture's times against it.
//!
//!     ask [--times FILE] ADDRESS:PORT PATH CONNECTIONS REQUESTS [RATE]
//!     ask --once ADDRESS:PORT PATH CONNECTIONS REQUESTS
//!
//! With RATE (requests a second over all connections) a connection waits until its next request is
//! due; without it, it asks as soon as it is answered. `--once` opens a connection for each
//! request. `own` runs from before the request is written until the response is read. It is raw:
//! not corrected for requests that were asked late, and it contains the client's wait for a
//! processor, while the response lies in its socket. All times are by the wall clock, which is the
//! one that the kernel stamps by: it must not be set meanwhile.
//!
//! `--times` takes that wait apart: `kernel` runs from before the request is written until the
//! last packet of the response entered the client's host, by the kernel's stamp, and `waited` is
//! what is left. The file gets a line an exchange: the client's port, the number of the exchange on
//! its connection, when it began (nanoseconds since the Unix epoch), `own` and `kernel` in
//! nanoseconds.
//!
//! One thread serves all connections: it reads whatever has arrived before it asks again, so that
//! its own wait is at most one request's writing as long as it has a processor.

#![expect(clippy::expect_used, reason = "a client without a server has nothing to say")]
#![expect(clippy::disallowed_methods, reason = "it measures itself by the clock")]

mod stamps;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant, SystemTime};

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};

struct Plan {
    address: SocketAddr,
    request: Vec<u8>,
    connections: usize,
    /// Of each connection.
    requests: usize,
    /// Between two requests of one connection.
    pace: Option<Duration>,
    once: bool,
    /// Where the times of each exchange go.
    times: Option<String>,
}

/// An exchange as the client saw it.
struct Seen {
    port: u16,
    index: usize,
    /// In nanoseconds since the Unix epoch.
    asked_at: i64,
    own_ns: u64,
    /// `None` without a stamp.
    kernel_ns: Option<u64>,
}

fn main() {
    let plan = plan();
    let mut client = Client::new(&plan);
    let began = Instant::now();
    client.run(began);
    let took = began.elapsed().as_secs_f64();
    let Client { seen, ok, body_bytes, .. } = client;
    if let Some(path) = &plan.times {
        let mut lines = String::new();
        for Seen { port, index, asked_at, own_ns, kernel_ns } in &seen {
            let kernel_ns = kernel_ns.map_or_else(|| "-".to_owned(), |ns| ns.to_string());
            let _ = writeln!(lines, "{port} {index} {asked_at} {own_ns} {kernel_ns}");
        }
        std::fs::write(path, lines).expect("a file");
    }
    let own = seen.iter().map(|seen| seen.own_ns);
    let kernel = seen.iter().filter_map(|seen| seen.kernel_ns);
    let waited = seen.iter().filter_map(|seen| Some(seen.own_ns - seen.kernel_ns?));
    println!(
        r#"{{"requests":{},"ok":{ok},"body_bytes":{body_bytes},"seconds":{took:.3},"stamped":{},"own":{},"kernel":{},"waited":{}}}"#,
        seen.len(),
        kernel.clone().count(),
        percentiles(own.collect()),
        percentiles(kernel.collect()),
        percentiles(waited.collect()),
    );
}

fn plan() -> Plan {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut once = false;
    let mut times = None;
    while let Some(option) = arguments.first().filter(|first| first.starts_with("--")).cloned() {
        arguments.remove(0);
        match option.as_str() {
            "--once" => once = true,
            "--times" if !arguments.is_empty() => times = Some(arguments.remove(0)),
            _ => usage(),
        }
    }
    let [address, path, connections, requests, rate @ ..] = arguments.as_slice() else { usage() };
    let connections: usize = connections.parse().expect("a number of connections");
    let requests: usize = requests.parse().expect("a number of requests");
    let pace = rate.first().map(|rate| {
        let rate: u32 = rate.parse().expect("requests a second");
        Duration::from_secs(1) * count(connections) / rate
    });
    let ends = if once { "Connection: close\r\n" } else { "" };
    Plan {
        address: address.parse().expect("ADDRESS:PORT"),
        request: format!("GET {path} HTTP/1.1\r\nHost: ask.test\r\n{ends}\r\n").into_bytes(),
        connections,
        requests: requests / connections,
        pace,
        once,
        times,
    }
}

fn usage() -> ! {
    eprintln!("usage: ask [--once] [--times FILE] ADDRESS:PORT PATH CONNECTIONS REQUESTS [RATE]");
    std::process::exit(2);
}

fn percentiles(mut values: Vec<u64>) -> String {
    values.sort_unstable();
    let at = |share: usize| values.get(values.len() * share / 1000).copied().unwrap_or(0);
    format!(r#"{{"p50_ns":{},"p90_ns":{},"p99_ns":{}}}"#, at(500), at(900), at(990))
}

/// Nanoseconds since the Unix epoch, by the clock that the kernel stamps by.
fn wall() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_nanos()).expect("before 2262")
}

/// Nanoseconds from one instant to a later one.
fn between(from: i64, to: i64) -> u64 {
    u64::try_from(to - from).expect("a clock that is not set back")
}

fn count(of: usize) -> u32 {
    u32::try_from(of).expect("few")
}

/// What happens on a connection.
#[derive(Default)]
struct Connection {
    stream: Option<TcpStream>,
    port: u16,
    /// How often it has asked.
    turn: usize,
    /// When it asked what is not answered, in nanoseconds since the Unix epoch.
    asked_at: Option<i64>,
    /// What has arrived of a head.
    head: Vec<u8>,
    /// Once the head is there: the status and the length of the body.
    answer: Option<(u16, u64)>,
    /// Bytes of the body that are to come.
    left: u64,
}

struct Client<'p> {
    plan: &'p Plan,
    connections: Vec<Connection>,
    epoll: OwnedFd,
    buffer: Vec<u8>,
    /// Which connections may ask next, and when, counted from the beginning.
    due: BinaryHeap<Reverse<(Duration, usize)>>,
    seen: Vec<Seen>,
    ok: usize,
    body_bytes: u64,
}

impl<'p> Client<'p> {
    /// Opens the connections that stay open.
    fn new(plan: &'p Plan) -> Self {
        let mut client = Self {
            plan,
            connections: Vec::new(),
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll"),
            buffer: vec![0; 1 << 16],
            due: BinaryHeap::new(),
            seen: Vec::with_capacity(plan.requests * plan.connections),
            ok: 0,
            body_bytes: 0,
        };
        client.connections.resize_with(plan.connections, Connection::default);
        for number in 0..plan.connections {
            if !plan.once {
                client.connect(number);
            }
            client.queue(number, Duration::ZERO);
        }
        client
    }

    fn connection(&mut self, number: usize) -> &mut Connection {
        self.connections.get_mut(number).expect("one of the connections")
    }

    fn connect(&mut self, number: usize) {
        let stream = TcpStream::connect(self.plan.address).expect("a server");
        stream.set_nodelay(true).expect("an option");
        if self.plan.times.is_some() {
            stamps::ask_for(&stream).expect("an option");
        }
        let data = epoll::EventData::new_u64(u64::from(count(number)));
        epoll::add(&self.epoll, &stream, data, epoll::EventFlags::IN).expect("a place");
        let connection = self.connection(number);
        connection.port = stream.local_addr().expect("connected").port();
        connection.stream = Some(stream);
    }

    /// Says when a connection that waits for nothing asks next.
    fn queue(&mut self, number: usize, now: Duration) {
        let (plan, turn) = (self.plan, self.connection(number).turn);
        if turn < plan.requests {
            // The connections take turns: they do not all ask at the same instant.
            let due = plan.pace.map_or(now, |pace| {
                pace * count(turn) + pace * count(number) / count(plan.connections)
            });
            self.due.push(Reverse((due, number)));
        }
    }

    fn run(&mut self, began: Instant) {
        let mut events = Vec::with_capacity(self.plan.connections);
        while self.seen.len() < self.plan.requests * self.plan.connections {
            let next = self.due.peek().map(|&Reverse((due, _))| due);
            let left = next.map(|due| due.saturating_sub(began.elapsed()));
            if left.is_none_or(|left| !left.is_zero()) {
                // Here, for epoll's own timeout counts in milliseconds.
                let timeout = left.map(|left| Timespec::try_from(left).expect("soon"));
                let mut ready = [PollFd::new(&self.epoll, PollFlags::IN)];
                poll(&mut ready, timeout.as_ref()).expect("a wait");
            }
            let now = Timespec { tv_sec: 0, tv_nsec: 0 };
            epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&now)).expect("events");
            for event in events.drain(..) {
                self.read(usize::try_from(event.data.u64()).expect("few"), began);
            }
            if next.is_some_and(|due| due <= began.elapsed())
                && let Some(Reverse((_, number))) = self.due.pop()
            {
                self.ask(number);
            }
        }
    }

    fn ask(&mut self, number: usize) {
        if self.plan.once {
            self.connect(number);
        }
        let plan = self.plan;
        let connection = self.connection(number);
        let mut stream = connection.stream.as_ref().expect("a connection");
        connection.asked_at = Some(wall());
        stream.write_all(&plan.request).expect("the server reads");
    }

    /// Reads what has arrived on a connection.
    fn read(&mut self, number: usize, began: Instant) {
        let connection = self.connections.get_mut(number).expect("one of the connections");
        let stream = connection.stream.as_ref().expect("a connection");
        let (read, stamp) = stamps::receive(stream, &mut self.buffer).expect("a response");
        let read_at = wall();
        assert!(read > 0, "the server closed before it answered");
        let answer = connection.take(self.buffer.get(..read).expect("read"));
        let Some((status, body_bytes)) = answer else { return };
        let asked_at = connection.asked_at.take().expect("a response to a request");
        self.seen.push(Seen {
            port: connection.port,
            index: if self.plan.once { 0 } else { connection.turn },
            asked_at,
            own_ns: between(asked_at, read_at),
            kernel_ns: stamp.map(|stamp| between(asked_at, stamp)),
        });
        connection.turn += 1;
        if self.plan.once {
            connection.stream = None;
        }
        self.ok += usize::from(status == 200);
        self.body_bytes += body_bytes;
        self.queue(number, began.elapsed());
    }
}

impl Connection {
    /// Takes more bytes of the response: its status and the length of its body, once all is there.
    fn take(&mut self, bytes: &[u8]) -> Option<(u16, u64)> {
        let mut body = count_bytes(bytes);
        if self.answer.is_none() {
            self.head.extend_from_slice(bytes);
            let end = self.head.windows(4).position(|four| four == b"\r\n\r\n")?;
            let head = std::str::from_utf8(self.head.get(..end).expect("found")).expect("ASCII");
            let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.parse().expect("a number"))
            });
            body = count_bytes(&self.head) - u64::try_from(end).expect("short") - 4;
            let length: u64 = length.expect("a Content-Length");
            self.answer = Some((status.expect("a status"), length));
            self.left = length;
            self.head.clear();
        }
        self.left = self.left.checked_sub(body).expect("no more than the response");
        if self.left == 0 { self.answer.take() } else { None }
    }
}

fn count_bytes(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).expect("short")
}
