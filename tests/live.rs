//! Interfaces captured while a real server answers real clients over them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant, SystemTime};

use crate::namespace::{Neighbour, in_namespace, ip, try_ip};
use crate::run::{KEEP_ALL, Seen};
use weir::anomaly::Anomaly;
use weir::exchange::{Exchange, State};
use weir::packet::Frame;
use weir::pipeline::{Options, Watch, run};
use weir::source::live::{Interfaces, Notice, Selection, Settings, Stopper};
use weir::source::{Reading, Source};

/// How long anything is waited for: far more than it takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

const PORT: u16 = 8080;

fn settings(selection: Selection) -> Settings {
    Settings { ring_bytes: 8 << 20, selection, ..Settings::default() }
}

fn our_ports() -> Selection {
    Selection::Ports(vec![(PORT, PORT)])
}

/// A capture under way, the events of its interfaces and its end.
struct Capture {
    notices: Receiver<Notice>,
    stopper: Stopper,
    thread: std::thread::JoinHandle<Seen>,
}

impl Capture {
    /// Opens interfaces in the network of this thread, and captures with so many workers.
    fn begin(names: &[&str], settings: Settings, workers: usize) -> Self {
        let (tell, notices) = channel();
        let notify = Box::new(move |notice| {
            let _ = tell.send(notice);
        });
        let mut source = Interfaces::open(names, settings, notify).expect("interfaces open");
        let stopper = source.stopper();
        let counts = source.counts();
        let thread = std::thread::spawn(move || {
            let seen = crate::run::source(&mut source, workers);
            let missed: u64 = counts
                .iter()
                .map(|count| count.dropped_by_kernel.load(std::sync::atomic::Ordering::Relaxed))
                .sum();
            assert_eq!(seen.ledger.missed.kernel, missed);
            seen
        });
        Self { notices, stopper, thread }
    }

    fn end(self) -> Seen {
        self.stopper.stop();
        let seen = self.thread.join().expect("no panic");
        assert_eq!(seen.errors, [""; 0]);
        seen
    }

    /// Waits until something happens to an interface.
    fn expect(&self, is_it: impl Fn(&Notice) -> bool) {
        loop {
            match self.notices.recv_timeout(PATIENCE) {
                Ok(notice) if is_it(&notice) => return,
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => panic!("nothing happened to the interface"),
                Err(RecvTimeoutError::Disconnected) => panic!("the capture ended"),
            }
        }
    }
}

/// Answers every request with `length` bytes after `delay`, and tells how long it really took.
struct Server {
    address: SocketAddr,
    took: Receiver<Duration>,
}

impl Server {
    fn start(address: IpAddr, delay: Duration, length: usize) -> Self {
        let listener = TcpListener::bind((address, PORT)).expect("a port in a new network");
        let address = listener.local_addr().expect("bound");
        let (tell, took) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let tell = tell.clone();
                std::thread::spawn(move || {
                    answer(&stream, delay, length, |took| {
                        let _ = tell.send(took);
                    });
                });
            }
        });
        Self { address, took }
    }
}

#[expect(clippy::disallowed_methods, reason = "a server knows how long it took by its clock")]
fn answer(mut stream: &TcpStream, delay: Duration, length: usize, tell: impl Fn(Duration)) {
    stream.set_nodelay(true).expect("an option");
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    while lines.by_ref().find(String::is_empty).is_some() {
        let asked_at = Instant::now();
        std::thread::sleep(delay);
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        let response = [head.into_bytes(), vec![b'x'; length]].concat();
        tell(asked_at.elapsed());
        if stream.write_all(&response).is_err() {
            break;
        }
    }
}

/// Asks so often over one connection, one request after the other.
pub(crate) fn ask(address: SocketAddr, requests: usize) {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).expect("a server");
    stream.set_nodelay(true).expect("an option");
    stream.set_read_timeout(Some(PATIENCE)).expect("an option");
    for number in 0..requests {
        let request = format!("GET /{number} HTTP/1.1\r\nHost: shop.test\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("the server reads");
        let mut reader = BufReader::new(&stream);
        let mut length = 0;
        for line in reader.by_ref().lines() {
            let line = line.expect("a head");
            if let Some(value) = line.strip_prefix("Content-Length: ") {
                length = value.parse().expect("a number");
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).expect("a body");
    }
}

/// Asks over several connections at once.
pub(crate) fn ask_in_parallel(address: SocketAddr, connections: usize, requests: usize) {
    std::thread::scope(|scope| {
        for _ in 0..connections {
            scope.spawn(|| ask(address, requests));
        }
    });
}

fn check_all_seen(seen: &Seen, requests: usize, length: usize) {
    assert_eq!(seen.ledger.missed.kernel, 0, "{:?}", seen.ledger);
    assert_eq!(seen.exchanges.len(), requests, "{:?}", seen.ledger);
    for exchange in &seen.exchanges {
        let facts = &exchange.facts;
        assert_eq!((facts.state, facts.status), (State::Complete, 200));
        assert_eq!(facts.response.expect("complete").body_bytes, length as u64);
        assert!(facts.connection.server.port() == PORT);
    }
    assert_eq!(seen.ledger.bytes.gap, 0);
}

/// How far `wait` may be from what the server says it took, in nanoseconds, at p50 and at p99.
const WAIT_BOUND_NS: u64 = 1_000_000;

/// The p50 and the p99 of some times.
fn quantiles(mut values: Vec<u64>) -> [u64; 2] {
    values.sort_unstable();
    [50, 99].map(|percent| values[values.len() * percent / 100])
}

/// How far the waits of the exchanges are from what the server says it took, at p50 and at p99.
fn wait_errors(seen: &Seen, took: &Receiver<Duration>) -> [u64; 2] {
    let waits = seen.exchanges.iter().map(|exchange| exchange.facts.timing.wait_ns);
    let waits = quantiles(waits.map(|wait| wait.expect("complete")).collect());
    let took = took.try_iter().map(|took| u64::try_from(took.as_nanos()).expect("short"));
    let took = quantiles(took.collect());
    [waits[0].abs_diff(took[0]), waits[1].abs_diff(took[1])]
}

/// Tries until the waits agree with the server. Its clock stops when it has written, and begins
/// when it has read: where the processor was taken from it in between, its own time is off, so
/// that a busy machine is given some more chances.
fn check_waits(attempt: impl Fn() -> [u64; 2]) {
    let mut errors = Vec::new();
    for _ in 0..10 {
        errors.push(attempt());
        if errors.last().is_some_and(|last| last.iter().all(|&error| error < WAIT_BOUND_NS)) {
            return;
        }
    }
    panic!("wait is off by so many ns at p50 and p99: {errors:?}");
}

#[test]
fn every_request_over_loopback_is_seen_and_its_wait_is_the_servers_delay() {
    for (selection, workers) in [(our_ports(), 1), (Selection::Expression("tcp".into()), 2)] {
        in_namespace(move || {
            let server = Server::start(Ipv4Addr::LOCALHOST.into(), Duration::from_millis(5), 1000);
            check_waits(|| {
                let capture = Capture::begin(&["lo"], settings(selection.clone()), workers);
                ask_in_parallel(server.address, 4, 50);
                let seen = capture.end();
                check_all_seen(&seen, 200, 1000);
                // Each frame once, though the kernel shows a packet socket both of its ends.
                assert_eq!(seen.ledger.bytes.duplicate, 0);
                wait_errors(&seen, &server.took)
            });
        });
    }
}

/// By the clock that the kernel stamps frames by, in nanoseconds since the Unix epoch.
#[expect(clippy::disallowed_methods, reason = "stamps are held against what the test did when")]
fn wall() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_nanos()).expect("before 2262")
}

/// How far the clocks of two processors may be apart, in nanoseconds.
const CLOCKS_APART_NS: i64 = 10_000;

/// However long a process waits for a processor, what it does is before or after what the wire
/// shows of it: the bounds hold on any machine, and are close together on a quiet one.
#[test]
fn times_lie_between_what_client_and_server_did() {
    with_cable(|neighbour| {
        const REQUESTS: usize = 300;
        const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        let listener = TcpListener::bind((NEAR, PORT)).expect("a port in a new network");
        let address = listener.local_addr().expect("bound");
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut buffer = [0; 1000];
            let turn = |_| {
                assert_ne!(stream.read(&mut buffer).expect("a request"), 0);
                let served_at = wall();
                stream.write_all(RESPONSE).expect("the client reads");
                served_at
            };
            (0..REQUESTS).map(turn).collect::<Vec<_>>()
        });
        let capture = Capture::begin(&["near"], settings(our_ports()), 1);
        let (tell, told) = channel();
        neighbour.run(move || {
            let mut stream = TcpStream::connect_timeout(&address, PATIENCE).expect("a server");
            stream.set_nodelay(true).expect("an option");
            stream.set_read_timeout(Some(PATIENCE)).expect("an option");
            let mut buffer = [0; RESPONSE.len()];
            for _ in 0..REQUESTS {
                let writes_at = wall();
                stream.write_all(b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").expect("sent");
                stream.read_exact(&mut buffer).expect("a response");
                tell.send((writes_at, wall())).expect("the test waits");
            }
        });
        let client: Vec<(i64, i64)> = told.iter().collect();
        let served_at = server.join().expect("no panic");
        let mut seen = capture.end();
        check_all_seen(&seen, REQUESTS, 2);
        seen.exchanges.sort_by_key(|exchange| exchange.facts.start);
        for ((exchange, client), served_at) in seen.exchanges.iter().zip(client).zip(served_at) {
            let total = exchange.facts.timing.total_ns.expect("complete");
            let start = exchange.facts.start.as_nanos();
            let end = start + i64::try_from(total).expect("short");
            let order = [client.0, start, served_at, end, client.1];
            let holds = |pair: &[i64]| pair[0] <= pair[1] + CLOCKS_APART_NS;
            assert!(order.windows(2).all(holds), "{order:?}");
        }
    });
}

/// Two networks with an interface each, `near` here and `far` there, joined by a cable.
fn with_cable(test: impl FnOnce(&Neighbour<'_, '_>) + Send) {
    in_namespace(|| {
        if !try_ip("link add near type veth peer name far") {
            eprintln!("skipped: this kernel has no veth interfaces");
            return;
        }
        ip("link del near");
        std::thread::scope(|scope| {
            let neighbour = Neighbour::new(scope);
            lay_cable(&neighbour);
            test(&neighbour);
        });
    });
}

fn lay_cable(neighbour: &Neighbour<'_, '_>) {
    ip("link add near type veth peer name far");
    ip(&format!("link set far netns {}", neighbour.id()));
    ip("addr add 10.7.0.1/24 dev near");
    ip("link set near up");
    neighbour.run(|| {
        ip("addr add 10.7.0.2/24 dev far");
        ip("link set far up");
    });
}

const NEAR: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 7, 0, 1));

#[test]
fn large_responses_over_a_cable_are_seen_whole_in_frames_beyond_the_mtu() {
    with_cable(|neighbour| {
        let server = Server::start(NEAR, Duration::from_millis(2), 300_000);
        let address = server.address;
        check_waits(|| {
            let capture = Capture::begin(&["near"], settings(our_ports()), 1);
            neighbour.run(move || ask_in_parallel(address, 4, 25));
            let seen = capture.end();
            check_all_seen(&seen, 100, 300_000);
            wait_errors(&seen, &server.took)
        });
    });
}

/// What an exchange is, whenever it was.
fn outlines(seen: &Seen) -> Vec<String> {
    let outline = |exchange: &weir::exchange::Exchange| {
        let facts = &exchange.facts;
        let sizes = [facts.request, facts.response].map(|m| m.map(|message| message.body_bytes));
        let head = String::from_utf8_lossy(&exchange.request.head).into_owned();
        format!("{} {} {sizes:?} {head}", facts.state.name(), facts.status)
    };
    let mut outlines: Vec<_> = seen.exchanges.iter().map(outline).collect();
    outlines.sort_unstable();
    outlines
}

/// The kernel takes the outer VLAN tag off a frame that comes in, and leaves it in one that goes
/// out; whichever it is, the filter for ports must pass what a file of the same frames gives.
#[test]
fn trap_14_replayed_frames_pass_the_filter_for_ports_at_both_ends() {
    with_cable(|neighbour| {
        ip("link set near mtu 65535");
        neighbour.run(|| ip("link set far mtu 65535"));
        let replays = [
            ("vlan", Wrapping::Bare),
            ("vxlan", Wrapping::Bare),
            ("fragments", Wrapping::Bare),
            ("pipeline", Wrapping::Bare),
            ("offload", Wrapping::Bare),
            ("old", Wrapping::Bare),
            ("static", Wrapping::Tags(1)),
            ("static", Wrapping::Tags(2)),
            ("static", Wrapping::Tags(3)),
            ("static", Wrapping::Label),
            ("static", Wrapping::Session),
        ];
        for (name, wrapping) in replays {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
            let path = folder.join(format!("{name}.pcap"));
            let file = crate::run::capture(&path, 1);
            let server_port = |exchange: &weir::exchange::Exchange| {
                let port = exchange.facts.connection.server.port();
                (port, port)
            };
            let mut ports: Vec<_> = file.exchanges.iter().map(server_port).collect();
            ports.sort_unstable();
            ports.dedup();
            let selected = settings(Selection::Ports(ports));
            let near = Capture::begin(&["near"], selected.clone(), 1);
            let far = neighbour.run(move || {
                let far = Capture::begin(&["far"], selected, 1);
                send(&path, wrapping);
                far
            });
            let (near, far) = (near.end(), far.end());
            assert!(!file.exchanges.is_empty());
            assert_eq!(outlines(&near), outlines(&file), "{name}, {wrapping:?}, coming in");
            assert_eq!(outlines(&far), outlines(&file), "{name}, {wrapping:?}, going out");
        }
    });
}

/// What is put between the addresses of an Ethernet frame and its packet.
#[derive(Clone, Copy, Debug)]
enum Wrapping {
    Bare,
    /// So many VLAN tags.
    Tags(usize),
    /// An MPLS label.
    Label,
    /// A session of PPP over Ethernet.
    Session,
}

/// Sends the frames of a capture from `far`.
fn send(path: &std::path::Path, wrapping: Wrapping) {
    let mut sender = pcap::Capture::from_device("far").and_then(pcap::Capture::open).expect("far");
    let mut capture = weir::source::CaptureFile::open(path).expect("a capture");
    while let Some(frame) = capture.next_frame().expect("sound") {
        let (addresses, rest) = frame.bytes.split_at(12);
        let (kind, packet) = rest.split_at(2);
        let is_v4 = kind == [8, 0];
        let between = match wrapping {
            Wrapping::Label if is_v4 => vec![0x88, 0x47, 0, 1, 0x31, 64],
            Wrapping::Session if is_v4 => {
                let [high, low] = u16::try_from(packet.len() + 2).expect("short").to_be_bytes();
                vec![0x88, 0x64, 0x11, 0, 0, 7, high, low, 0, 0x21]
            }
            Wrapping::Tags(tags) => {
                let pushed = [[0x88, 0xa8, 0, 7], [0x81, 0, 0, 8], [0x81, 0, 0, 9]];
                [pushed[..tags].as_flattened(), kind].concat()
            }
            _ => kind.to_vec(),
        };
        sender.sendpacket([addresses, &between, packet].concat()).expect("sent");
    }
}

#[test]
fn trap_13_frames_seen_twice_on_any_are_paired_once() {
    with_cable(|neighbour| {
        ip("addr del 10.7.0.1/24 dev near");
        if !try_ip("link add bridge type bridge") {
            eprintln!("skipped: this kernel has no bridges");
            return;
        }
        ip("link set near master bridge");
        ip("addr add 10.7.0.1/24 dev bridge");
        ip("link set bridge up");
        let server = Server::start(NEAR, Duration::from_millis(1), 5000);
        let address = server.address;
        check_waits(|| {
            let capture = Capture::begin(&["any"], settings(our_ports()), 2);
            neighbour.run(move || ask_in_parallel(address, 3, 40));
            let seen = capture.end();
            check_all_seen(&seen, 120, 5000);
            // The cable's end and the bridge show every byte, and the second copy is known as such.
            assert_eq!(seen.ledger.bytes.duplicate, seen.ledger.bytes.delivered);
            let is_told = |it: &Exchange| it.facts.anomalies.has(Anomaly::DuplicateFrames);
            assert!(seen.exchanges.iter().all(is_told));
            let sent_again = seen.exchanges.iter().map(|it| it.facts.evidence.retransmissions);
            assert_eq!(sent_again.sum::<u32>(), 0);
            wait_errors(&seen, &server.took)
        });
    });
}

#[test]
fn directions_on_two_interfaces_are_paired() {
    with_cable(|neighbour| {
        // The way out is another one than the way in, as behind a tap.
        ip("link add out type veth peer name back");
        ip(&format!("link set back netns {}", neighbour.id()));
        ip("link set out up");
        ip("addr add 10.7.1.1/24 dev out");
        neighbour.run(|| {
            ip("addr add 10.7.1.2/24 dev back");
            ip("link set back up");
            ip("addr add 10.7.2.2/32 dev lo");
            ip("route add 10.7.0.1/32 dev far src 10.7.2.2");
            for name in ["all", "far", "back"] {
                std::fs::write(format!("/proc/sys/net/ipv4/conf/{name}/rp_filter"), "0").ok();
            }
        });
        ip("route add 10.7.2.2/32 dev out via 10.7.1.2");
        for name in ["all", "near", "out"] {
            std::fs::write(format!("/proc/sys/net/ipv4/conf/{name}/rp_filter"), "0").ok();
        }
        let capture = Capture::begin(&["near", "out"], settings(our_ports()), 1);
        let server = Server::start(NEAR, Duration::from_millis(1), 20_000);
        let address = server.address;
        neighbour.run(move || ask_in_parallel(address, 3, 20));
        let seen = capture.end();
        check_all_seen(&seen, 60, 20_000);
        assert_eq!(seen.ledger.bytes.duplicate, 0, "{:?}", seen.ledger);
    });
}

#[test]
fn an_interface_that_is_deleted_is_captured_again_when_it_returns() {
    with_cable(|neighbour| {
        let capture = Capture::begin(&["near"], settings(our_ports()), 1);
        let server = Server::start(Ipv4Addr::UNSPECIFIED.into(), Duration::ZERO, 500);
        let address = SocketAddr::new(NEAR, server.address.port());
        neighbour.run(move || ask(address, 10));
        ip("link del near");
        capture.expect(
            |notice| matches!(notice, Notice::Lost { interface, .. } if interface == "near"),
        );
        lay_cable(neighbour);
        capture.expect(
            |notice| matches!(notice, Notice::Returned { interface, .. } if interface == "near"),
        );
        neighbour.run(move || ask(address, 15));
        check_all_seen(&capture.end(), 25, 500);
    });
}

#[test]
fn an_interface_that_is_switched_off_and_on_is_captured_on() {
    with_cable(|neighbour| {
        let capture = Capture::begin(&["near"], settings(our_ports()), 1);
        let server = Server::start(Ipv4Addr::UNSPECIFIED.into(), Duration::ZERO, 500);
        let address = SocketAddr::new(NEAR, server.address.port());
        neighbour.run(move || ask(address, 10));
        ip("link set near down");
        capture.expect(|notice| matches!(notice, Notice::Down { .. }));
        ip("link set near up");
        capture.expect(|notice| matches!(notice, Notice::Up { .. }));
        neighbour.run(move || ask(address, 15));
        check_all_seen(&capture.end(), 25, 500);
    });
}

/// What a ring too small for its reader lost is exactly what the sender sent less what was seen.
#[test]
fn what_is_missed_is_what_was_sent_less_what_was_seen() {
    const SENT: u64 = 20_000;
    in_namespace(|| {
        let selection = Selection::Expression("udp port 9".to_owned());
        let settings = Settings { ring_bytes: 1 << 20, ..settings(selection) };
        let mut source = Interfaces::open(&["lo"], settings, Box::new(|_| {})).expect("lo opens");
        // A receiver that is there, so that nothing answers; it reads nothing.
        let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 9)).expect("a port");
        let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        for _ in 0..SENT {
            sender.send_to(&[0; 200], receiver.local_addr().expect("bound")).expect("sent");
        }
        source.stopper().stop();
        let mut seen = 0;
        while source
            .read(&mut |frame: &Frame<'_>| seen += u64::from(frame.wire_len == 242))
            .expect("no error")
            != Reading::End
        {}
        let missed = source.missed();
        assert!(missed.kernel > 0 && seen > 100, "{missed:?}, {seen} seen");
        assert_eq!(seen + missed.kernel, SENT);
    });
}

#[test]
fn a_quiet_interface_lets_time_pass_and_stops_at_once() {
    in_namespace(|| {
        let mut source =
            Interfaces::open(&["lo"], settings(our_ports()), Box::new(|_| {})).expect("lo opens");
        let mut last = None;
        for _ in 0..3 {
            let reading = source.read(&mut |_| panic!("nothing was sent")).expect("no error");
            let Reading::Idle(through) = reading else { panic!("{reading:?}") };
            assert!(last.is_none_or(|last| through > last));
            last = Some(through);
        }
        let (watch, options) = (Watch::default(), Options { policy: KEEP_ALL, ports: None });
        watch.stop.store(true, std::sync::atomic::Ordering::Relaxed);
        let outputs = vec![crate::run::Collector::default()];
        let outcome = run(&mut source, &options, None, &watch, outputs).expect("no panic");
        assert_eq!(outcome.ledger.frames.seen, 0);
        assert_eq!(outcome.span, None);
    });
}

#[test]
fn mistakes_in_names_and_filters_are_told() {
    in_namespace(|| {
        let open = |name: &str, selection| {
            let opened = Interfaces::open(&[name], settings(selection), Box::new(|_| {}));
            opened.err().expect("a mistake").to_string()
        };
        let line = open("lo0", Selection::Everything);
        assert!(
            line.contains("there is no such interface; there are: ") && line.contains("lo"),
            "{line}"
        );
        let line = open("lo", Selection::Expression("tcp prot 80".to_owned()));
        assert!(line.contains("cannot use the filter `tcp prot 80`: syntax error"), "{line}");
        ip("link set lo down");
        let line = open("lo", Selection::Everything);
        assert!(line.contains("sudo ip link set lo up"), "{line}");
    });
}

#[test]
fn the_doctor_finds_what_passes() {
    use std::sync::atomic::{AtomicBool, Ordering};
    with_cable(|neighbour| {
        let server = Server::start(NEAR, Duration::ZERO, 5000);
        let address = server.address;
        let is_over = std::sync::Arc::new(AtomicBool::new(false));
        let until = std::sync::Arc::clone(&is_over);
        let client = neighbour.run(move || {
            // Now the cable carries, and there is traffic from the look's begin on.
            ask(address, 1);
            std::thread::spawn(move || {
                while !until.load(Ordering::Relaxed) {
                    ask(address, 5);
                }
            })
        });
        let examination =
            weir::doctor::examine("near", &settings(Selection::Everything), 300_000_000);
        is_over.store(true, Ordering::Relaxed);
        client.join().expect("no panic");
        let seen = examination.expect("it opens");
        assert!(seen.looked_ns >= 300_000_000);
        let connections = seen.counts.connections;
        // Of those that were under way when the look began or ended, a part was seen.
        assert!(connections.http > 0 && connections.all - connections.http <= 2, "{seen}");
        assert!(connections.one_sided <= 2, "{seen}");
        assert_eq!(seen.counts.missed.kernel, 0, "{seen}");
        assert_eq!(seen.hardware.mtu, Some(1500));
        assert!(seen.to_string().contains("HTTP/1 on "), "{seen}");
        let line = weir::doctor::examine("nosuch", &Settings::default(), 1).expect_err("none");
        assert!(line.to_string().contains("there is no such interface"));
    });
}
