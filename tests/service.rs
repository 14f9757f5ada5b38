//! `weir capture -i` as it is run on a host: what it prints and keeps, what ends it, and what it
//! survives.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::live::{ask, ask_in_parallel};
use crate::namespace::in_namespace;

/// How long anything is waited for: far more than it takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(40);

const WEIR: &str = env!("CARGO_BIN_EXE_weir");

pub(crate) const HERE: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// Asks again and again, until there is an answer.
#[expect(clippy::disallowed_methods, reason = "a deadline is a time on the wall")]
pub(crate) fn until<T>(what: &str, mut answer: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(answer) = answer() {
            return answer;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("waited in vain: {what}");
}

/// Bytes that do not compress.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

/// Answers every request with such a body, and whatever number the target names as its status.
pub(crate) fn serve(body: Vec<u8>) {
    let listener = TcpListener::bind(HERE).expect("a port in a new network");
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let body = body.clone();
            std::thread::spawn(move || answer(&stream, &body));
        }
    });
}

fn answer(mut stream: &TcpStream, body: &[u8]) {
    let _ = stream.set_nodelay(true);
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    while let Some(target) = lines.next() {
        let number = target.split(['/', ' ']).nth(2).and_then(|word| word.parse().ok());
        let status = number.filter(|status| (200..600).contains(status)).unwrap_or(200);
        let _ = lines.by_ref().find(|line| line.is_empty());
        let length = body.len();
        let head = format!("HTTP/1.1 {status} Fine\r\nContent-Length: {length}\r\n\r\n");
        if stream.write_all(&[head.as_bytes(), body].concat()).is_err() {
            return;
        }
    }
}

/// A `weir` that runs, and the lines it printed so far.
pub(crate) struct Weir {
    child: Child,
    out: Arc<Mutex<Vec<String>>>,
    err: Arc<Mutex<Vec<String>>>,
    readers: Vec<std::thread::JoinHandle<()>>,
}

fn read_lines(
    from: impl std::io::Read + Send + 'static,
) -> (Arc<Mutex<Vec<String>>>, std::thread::JoinHandle<()>) {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&lines);
    let thread = std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            into.lock().expect("no panic").push(line);
        }
    });
    (lines, thread)
}

impl Weir {
    fn start(command: &mut Command) -> Self {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("weir runs");
        let (out, reading_out) = read_lines(child.stdout.take().expect("a pipe"));
        let (err, reading_err) = read_lines(child.stderr.take().expect("a pipe"));
        Self { child, out, err, readers: vec![reading_out, reading_err] }
    }

    /// Starts a capture of loopback, and waits until it captures.
    fn capture(arguments: &[&str]) -> Self {
        let mut command = Command::new(WEIR);
        Self::start_capture(
            command.args(["capture", "-i", "lo", "-p", "8080-8081", "-B", "32M"]),
            arguments,
        )
    }

    pub(crate) fn start_capture(command: &mut Command, arguments: &[&str]) -> Self {
        let weir = Self::start(command.args(arguments));
        weir.said("capturing lo");
        weir
    }

    /// Waits for a line on standard error that holds `text`.
    pub(crate) fn said(&self, text: &str) -> String {
        let find = || self.err.lock().expect("no panic").iter().find(|l| l.contains(text)).cloned();
        until(&format!("{text} among {:?}", self.err.lock().expect("no panic")), find)
    }

    /// How many lines it has printed.
    #[cfg(feature = "otlp")]
    pub(crate) fn lines(&self) -> usize {
        self.out.lock().expect("no panic").len()
    }

    /// Whether it has said `text` on standard error.
    #[cfg(feature = "otlp")]
    pub(crate) fn has_said(&self, text: &str) -> bool {
        self.err.lock().expect("no panic").iter().any(|line| line.contains(text))
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("a number");
        kill_process(Pid::from_raw(id).expect("a process"), signal).expect("it lives");
    }

    /// Ends it, and gives its end, its lines and its complaints.
    pub(crate) fn end(mut self, signal: Signal) -> (ExitStatus, Vec<String>, Vec<String>) {
        self.signal(signal);
        let status = self.child.wait().expect("it ends");
        self.readers.drain(..).for_each(|reader| reader.join().expect("no panic"));
        let out = std::mem::take(&mut *self.out.lock().expect("no panic"));
        let err = std::mem::take(&mut *self.err.lock().expect("no panic"));
        (status, out, err)
    }

    /// Ends a capture as a service manager does; it must end well.
    fn stop(self) -> Vec<String> {
        let (status, _, err) = self.end(Signal::TERM);
        assert_eq!(status.code(), Some(0), "{err:?}");
        err
    }
}

impl Drop for Weir {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn weir(arguments: &[&str]) -> Output {
    Command::new(WEIR).args(arguments).output().expect("weir runs")
}

/// The lines that `weir list` prints of a directory.
fn listed(dir: &Path) -> Vec<String> {
    let output = weir(&["list", dir.to_str().expect("plain")]);
    String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect()
}

/// Waits until so many exchanges are listed.
fn expect_listed(dir: &Path, count: usize) {
    until(&format!("{count} exchanges"), || (listed(dir).len() >= count).then_some(()));
    assert_eq!(listed(dir).len(), count);
}

/// The ledger of a directory, which must balance; and every file must be whole.
fn checked_ledger(dir: &Path) -> serde_json::Value {
    let dir = dir.to_str().expect("plain");
    let verified = weir(&["verify", dir]);
    assert!(verified.status.success(), "{verified:?}");
    let info = weir(&["info", dir]);
    let text = String::from_utf8_lossy(&info.stdout);
    assert!(text.contains("The account balances."), "{text}");
    let info = weir(&["info", "--json", dir]);
    let line: serde_json::Value = serde_json::from_slice(&info.stdout).expect("JSON");
    line["ledger"].clone()
}

fn sealed(dir: &Path) -> usize {
    names(dir).iter().filter(|name| name.ends_with(".weir")).count()
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("a directory").filter_map(Result::ok);
    entries.map(|entry| entry.file_name().into_string().expect("plain")).collect()
}

fn temporary() -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().expect("a directory");
    let text = dir.path().to_str().expect("plain").to_owned();
    (dir, text)
}

#[test]
fn each_exchange_is_a_line_as_it_completes() {
    in_namespace(|| {
        serve(noise(100));
        let weir = Weir::capture(&[]);
        ask(HERE, 250);
        let lines = || weir.out.lock().expect("no panic").len();
        until("250 lines", || (lines() == 250).then_some(()));
        let (ended, out, err) = weir.end(Signal::INT);
        assert_eq!(ended.code(), Some(0));
        // Date, time and id stand before the status; a duration may have its digits too.
        let status = |line: &String| line.split_whitespace().nth(3).map(str::to_owned);
        let has = |line: &String, code: &str| status(line).as_deref() == Some(code);
        let with = |code: &str| out.iter().filter(|line| has(line, code)).count();
        // Requests 0 to 249: those from 200 on name a status.
        assert_eq!((with("200"), with("249"), out.len()), (201, 1, 250));
        let summary = err.join("\n");
        assert!(summary.contains("250 in all = 250 complete"), "{summary}");
        assert!(summary.contains("0 by the kernel, 0 by the interface"), "{summary}");
    });
}

#[test]
fn the_count_and_the_duration_end_a_capture() {
    in_namespace(|| {
        serve(noise(10));
        let mut weir = Weir::capture(&["-c", "5", "--json"]);
        ask(HERE, 9);
        let status = weir.child.wait().expect("it ends");
        assert_eq!(status.code(), Some(0));
        until("5 lines", || (weir.out.lock().expect("no panic").len() == 5).then_some(()));
        let mut weir = Weir::capture(&["--duration", "300ms"]);
        assert_eq!(weir.child.wait().expect("it ends").code(), Some(0));
    });
}

#[test]
fn what_is_recorded_can_be_asked_for_while_it_is_written() {
    in_namespace(|| {
        let (dir, path) = temporary();
        serve(noise(100));
        let weir = Weir::capture(&["-w", &path, "--stats", "200ms"]);
        ask_in_parallel(HERE, 4, 25);
        expect_listed(dir.path(), 100);
        assert_eq!(sealed(dir.path()), 0);
        let latency = crate::service::weir(&["latency", &path, "--json"]);
        assert!(String::from_utf8_lossy(&latency.stdout).contains("\"count\":100"), "{latency:?}");
        weir.said("exchanges/s");
        weir.stop();
        assert_eq!((listed(dir.path()).len(), sealed(dir.path())), (100, 1));
        assert_eq!(checked_ledger(dir.path())["exchanges"]["complete"], 100);
    });
}

#[test]
fn sighup_in_mid_exchange_begins_a_segment_and_loses_nothing() {
    in_namespace(|| {
        let (dir, path) = temporary();
        serve(noise(100));
        let weir = Weir::capture(&["-w", &path]);
        ask(HERE, 20);
        expect_listed(dir.path(), 20);
        // A server that answers when it is told to.
        let slow = TcpListener::bind((Ipv4Addr::LOCALHOST, 8081)).expect("a port");
        let mut client = TcpStream::connect(slow.local_addr().expect("bound")).expect("a server");
        client.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").expect("written");
        let (mut server, _) = slow.accept().expect("a client");
        assert!(server.read(&mut [0; 100]).expect("a request") > 10);
        weir.signal(Signal::HUP);
        until("a sealed segment", || (sealed(dir.path()) == 1).then_some(()));
        server.write_all(b"HTTP/1.1 203 Slow\r\nContent-Length: 0\r\n\r\n").expect("written");
        ask(HERE, 5);
        expect_listed(dir.path(), 26);
        weir.stop();
        let lines = listed(dir.path());
        assert_eq!((lines.len(), sealed(dir.path())), (26, 2));
        assert!(lines.iter().any(|line| line.contains(" 203 ")), "{lines:?}");
        let ledger = checked_ledger(dir.path());
        assert_eq!(ledger["exchanges"]["total"], 26);
        assert_eq!(ledger["exchanges"]["complete"], 26);
    });
}

/// Asks until it is told to stop.
fn with_load(test: impl FnOnce()) {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                ask_in_parallel(HERE, 4, 50);
            }
        });
        // Also where the test fails.
        let stops = std::panic::catch_unwind(std::panic::AssertUnwindSafe(test));
        stop.store(true, Ordering::Relaxed);
        if let Err(panic) = stops {
            std::panic::resume_unwind(panic);
        }
    });
}

#[test]
fn a_capture_that_is_killed_under_load_leaves_what_was_listed() {
    in_namespace(|| {
        let (dir, path) = temporary();
        serve(noise(1000));
        let mut before = 0;
        with_load(|| {
            let weir = Weir::capture(&["-w", &path]);
            until("some exchanges", || (listed(dir.path()).len() > 500).then_some(()));
            before = listed(dir.path()).len();
            let (status, ..) = weir.end(Signal::KILL);
            assert_eq!(status.code(), None);
        });
        let after = listed(dir.path()).len();
        assert!(after >= before, "{after} of {before}");
        let repaired = weir(&["verify", "--repair", &path]);
        assert!(repaired.status.success(), "{repaired:?}");
        assert_eq!((listed(dir.path()).len(), sealed(dir.path())), (after, 1));
        checked_ledger(dir.path());
    });
}

#[test]
fn what_a_crash_left_open_is_sealed_by_the_next_capture() {
    in_namespace(|| {
        let (dir, path) = temporary();
        serve(noise(100));
        let weir = Weir::capture(&["-w", &path]);
        ask(HERE, 7);
        expect_listed(dir.path(), 7);
        weir.end(Signal::KILL);
        let weir = Weir::capture(&["-w", &path]);
        weir.said("with 7 exchanges");
        ask(HERE, 3);
        expect_listed(dir.path(), 10);
        weir.stop();
        assert_eq!((sealed(dir.path()), names(dir.path()).len()), (2, 2));
    });
}

/// A file system of its own; it goes with the value.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Option<Self> {
        let dir = tempfile::tempdir().expect("a directory");
        let option = format!("size={size}");
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", &option, "tmpfs"]).arg(dir.path()).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Self(dir))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).output();
    }
}

#[test]
fn a_full_disk_stops_the_writing_and_nothing_else_until_there_is_room() {
    in_namespace(|| {
        let Some(disk) = SmallDisk::mount("12m") else {
            eprintln!("skipped: tmpfs cannot be mounted here");
            return;
        };
        let dir = disk.0.path().join("segments");
        serve(noise(100_000));
        let weir = Weir::capture(&["-w", dir.to_str().expect("plain"), "--bodies", "all"]);
        ask(HERE, 5);
        expect_listed(&dir, 5);
        // Somebody else fills the disk.
        let filler = disk.0.path().join("filler");
        let mut file = fs::File::create(&filler).expect("created");
        while file.write_all(&[1; 4096]).is_ok() {}
        drop(file);
        until("a complaint", || {
            ask(HERE, 5);
            let err = weir.err.lock().expect("no panic");
            err.iter().any(|line| line.contains("writing stopped: ")).then_some(())
        });
        // What is measured now is not kept, and counted.
        let kept = listed(&dir).len();
        ask(HERE, 10);
        fs::remove_file(&filler).expect("removed");
        let line = weir.said("writing again; ");
        let again = listed(&dir).len();
        assert!(again >= kept, "what is sealed is not lost");
        ask(HERE, 5);
        until("five more", || (listed(&dir).len() >= again + 5).then_some(()));
        let err = weir.stop();
        let stops = err.iter().filter(|line| line.contains("writing stopped")).count();
        assert_eq!(stops, 1, "{err:?}");
        let lost: u64 = line
            .split_once("writing again; ")
            .and_then(|(_, rest)| rest.split(' ').next()?.parse().ok())
            .expect("a number");
        assert!(lost > 0);
        let ledger = checked_ledger(&dir);
        assert_eq!(ledger["exchanges"]["total"], listed(&dir).len() as u64 + lost, "{err:?}");
        assert!(names(&dir).iter().all(|name| name.ends_with(".weir")));
    });
}

fn bytes(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).expect("a directory").filter_map(Result::ok);
    // Files come and go meanwhile.
    entries.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum()
}

#[test]
fn what_is_kept_is_never_above_the_budget() {
    const BUDGET: u64 = 16 << 20;
    in_namespace(|| {
        let (dir, path) = temporary();
        serve(noise(100_000));
        let arguments = ["-w", &path, "--bodies", "all", "--keep", "16M,1h", "--rotate", "64M"];
        let weir = Weir::capture(&arguments);
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let now = bytes(dir.path());
                    assert!(now <= BUDGET, "{now} bytes: {:?}", names(dir.path()));
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
            let asked = std::panic::catch_unwind(|| {
                // Until several segments have come and gone.
                let mut gone = std::collections::BTreeSet::new();
                until("deletions", || {
                    ask(HERE, 20);
                    gone.extend(names(dir.path()).into_iter().filter(|n| n.ends_with(".weir")));
                    (gone.len() >= sealed(dir.path()) + 3).then_some(())
                });
            });
            stop.store(true, Ordering::Relaxed);
            asked.expect("answers");
        });
        let err = weir.stop();
        let kept = bytes(dir.path());
        assert!((BUDGET / 4..=BUDGET).contains(&kept), "{kept}: {err:?}");
        assert!(sealed(dir.path()) > 1);
        assert!(listed(dir.path()).len() > 40);
        checked_ledger(dir.path());
    });
}

#[test]
fn old_segments_are_deleted_by_age() {
    in_namespace(|| {
        let (dir, path) = temporary();
        serve(noise(100));
        let weir = Weir::capture(&["-w", &path, "--keep", "2s"]);
        ask(HERE, 5);
        expect_listed(dir.path(), 5);
        weir.signal(Signal::HUP);
        // Sealed, and then deleted.
        until("its deletion", || names(dir.path()).is_empty().then_some(()));
        weir.stop();
    });
}

#[test]
fn followers_see_every_exchange_through_rotation() {
    in_namespace(|| {
        let (dir, path) = temporary();
        serve(noise(100));
        let weir = Weir::capture(&["-w", &path]);
        let follower = Weir::start(Command::new(WEIR).args(["list", "--follow", &path]));
        let lines = |count: usize| {
            let seen = || follower.out.lock().expect("no panic").len();
            until(&format!("{count} lines"), || (seen() >= count).then_some(()));
            assert_eq!(seen(), count);
        };
        ask(HERE, 10);
        lines(10);
        weir.signal(Signal::HUP);
        until("a sealed segment", || (sealed(dir.path()) == 1).then_some(()));
        ask(HERE, 10);
        lines(20);
        let sealed = names(dir.path()).into_iter().find(|name| name.ends_with(".weir"));
        fs::remove_file(dir.path().join(sealed.expect("one"))).expect("removed");
        ask(HERE, 5);
        lines(25);
        weir.stop();
        lines(25);
        let (status, ..) = follower.end(Signal::INT);
        assert_eq!(status.code(), Some(0));
    });
}

#[test]
fn beyond_a_budget_less_is_kept_and_what_was_kept_says_so() {
    in_namespace(|| {
        let (dir, path) = temporary();
        serve(noise(1000));
        let weir = Weir::capture(&["-w", &path, "--max-cpu", "1", "--bodies", "all"]);
        with_load(|| {
            weir.said("the budget of processor time is reached: bodies are not kept");
            until("a mark", || {
                listed(dir.path()).iter().any(|line| line.contains("reduced")).then_some(())
            });
            weir.said("one flow in 2 is captured, without bodies");
        });
        weir.stop();
        let ledger = checked_ledger(dir.path());
        assert!(ledger["frames"]["packets"].as_u64() > Some(0), "{ledger}");
        let output = crate::service::weir(&["capture", "-i", "lo", "--max-memory", "64M"]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("--max-memory has to hold the rings"), "{said}");
    });
}

/// What is answered over HTTP.
fn get(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a server");
    stream.write_all(request.as_bytes()).expect("written");
    let mut response = String::new();
    stream.read_to_string(&mut response).expect("text");
    response
}

#[test]
fn metrics_are_prometheus_text() {
    in_namespace(|| {
        serve(noise(100));
        let weir = Weir::capture(&["--metrics", "127.0.0.1:9100"]);
        ask(HERE, 30);
        let scrape = || {
            let response = get(9100, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
            let (head, body) = response.split_once("\r\n\r\n").expect("a head");
            assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
            body.to_owned()
        };
        let value = |text: &str, of: &str| -> f64 {
            let line = text.lines().find(|line| line.starts_with(of));
            line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(-1.0)
        };
        let count = "http_server_request_duration_seconds_count{server=\"127.0.0.1:8080\",\
                     method=\"GET\",route=\"/{int}\",status_class=\"2xx\"}";
        let text =
            until("30 exchanges", || Some(scrape()).filter(|text| value(text, count) == 30.0));
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').expect("a name and a value");
            assert!(value.parse::<f64>().is_ok(), "{line}");
            assert!(name.starts_with(|c: char| c.is_ascii_alphabetic()), "{line}");
        }
        assert_eq!(value(&text, "weir_exchanges_total{state=\"complete\"}"), 30.0);
        assert_eq!(value(&text, "weir_frames_missed_total{by=\"kernel\"}"), 0.0);
        assert_eq!(value(&text, "weir_build_info{version="), 1.0);
        assert!(value(&text, "process_cpu_seconds_total") > 0.0);
        assert!(value(&text, "process_resident_memory_bytes") > 1e6);
        assert!(get(9100, "GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404"));
        assert!(get(9100, "nonsense\r\n\r\n").starts_with("HTTP/1.1 400"));
        weir.stop();
    });
}

/// Another user's command line.
fn as_nobody(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program);
    command
}

#[test]
fn an_unprivileged_user_captures_with_the_capability_and_is_told_without() {
    in_namespace(|| {
        use std::os::unix::fs::PermissionsExt as _;
        let (dir, _) = temporary();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("changed");
        let program = dir.path().join("weir");
        fs::copy(WEIR, &program).expect("copied");
        let arguments = ["capture", "-i", "lo", "-p", "8080", "-B", "8M"];
        let Ok(refused) = as_nobody(&program).args(arguments).output() else {
            eprintln!("skipped: setpriv cannot be run");
            return;
        };
        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(
            said.contains(&format!("sudo setcap cap_net_raw+ep {}", program.display())),
            "{said}"
        );
        let given = Command::new("setcap").arg("cap_net_raw+ep").arg(&program).output();
        if !given.is_ok_and(|output| output.status.success()) {
            eprintln!("skipped: setcap does not work here");
            return;
        }
        serve(noise(100));
        let weir = Weir::start_capture(&mut as_nobody(&program), &arguments);
        ask(HERE, 10);
        until("10 lines", || (weir.out.lock().expect("no panic").len() == 10).then_some(()));
        weir.stop();
    });
}

#[test]
fn root_becomes_the_user_and_what_is_written_is_that_users_alone() {
    in_namespace(|| {
        use std::os::unix::fs::MetadataExt as _;
        let (dir, _) = temporary();
        // The way there must be open to anybody.
        let new = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(dir.path(), new).expect("changed");
        let segments = dir.path().join("segments");
        serve(noise(100));
        let weir = Weir::capture(&["-w", segments.to_str().expect("plain"), "--user", "65534"]);
        ask(HERE, 10);
        expect_listed(&segments, 10);
        weir.said("running as 65534");
        weir.signal(Signal::HUP);
        until("a sealed segment", || (sealed(&segments) == 1).then_some(()));
        weir.stop();
        let of = |path: &Path| {
            let metadata = fs::metadata(path).expect("there");
            (metadata.uid(), metadata.mode() & 0o777)
        };
        assert_eq!(of(&segments), (65_534, 0o700));
        assert_eq!(sealed(&segments), 2);
        for name in names(&segments) {
            assert_eq!(of(&segments.join(name)), (65_534, 0o600));
        }
    });
}

#[test]
fn mistakes_are_told_before_anything_is_captured() {
    in_namespace(|| {
        let (dir, path) = temporary();
        let check = |arguments: &[&str], code: i32, text: &str| {
            let output = weir(&[&["capture"], arguments].concat());
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(code), "{said}");
            assert!(said.contains(text), "{said}");
        };
        check(&["-i", "lo0"], 1, "there is no such interface; there are: ");
        check(&["-i", "lo", "tcp", "prot", "80"], 1, "cannot use the filter `tcp prot 80`");
        check(&["-i", "lo", "-r", "x.pcap"], 2, "cannot be used with");
        check(&["-i", "lo", "--keep", "1G"], 2, "--write");
        check(&["-i", "lo", "-w", &path, "--keep", "1M"], 2, "at least 16M");
        check(&["-i", "lo", "-w", &path, "--user", "nobody-here"], 1, "no such user");
        let file = dir.path().join("file");
        fs::write(&file, "").expect("written");
        check(&["-i", "lo", "-w", file.to_str().expect("plain")], 1, "cannot make directory");
    });
}
