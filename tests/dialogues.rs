//! Conversations written as text, played as packets, and the exchanges that must come of them.
//!
//! ```text
//! # name: what it shows                  a case begins
//! -- words                               a comment
//! open [2ms]                             the handshake, and how long it takes
//! isn 4294967290 7                       initial sequence numbers of client and server from here on
//! on B                                   the packets that follow are of another connection
//! capture client|server|both             whose packets are captured from here on
//! snap 100                               bytes of each payload that are kept from here on
//! once                                   the case is not played with every frame twice as well
//! @ +5ms                                 time moves on, or back
//! >>> GET / HTTP/1.1                     a line from the client; lines on end are one packet
//! <<< hello\                             a line from the server; the backslash leaves the CRLF out
//! -> fin                                 a packet without text: syn, ack, fin, rst, probe, with +
//! ><>                                    the next packet is not captured (its receiver has it)
//! [split 1, late 2]                      how the next packet is sent and captured
//! again                                  the last text is sent once more
//! = complete GET / 200 wait=5ms early_response   an exchange: state, method, target, status,
//!                                        then times and lengths, then every anomaly
//! ledger gap=5                           counters of the account
//! ```
//!
//! Options: `split N` pieces of N bytes; `every 1ms` between pieces; `late N` captured N frames
//! later with its own stamp; `stamp -5us` stamped so much off; `twice`; `back N` begins N bytes
//! before the sender's place; `skip N` so many bytes after it, which nobody has sent;
//! `ack N` acknowledges N bytes more (or fewer) than were sent;
//! `fin`, `syn`, `urg`: flags. In text: `\r \n \t \\ \xHH`, and `\{N}` is N bytes of filler.
//!
//! Each case is also played with every frame twice (the copy with a VLAN tag) and with three
//! workers: the exchanges must be the same. Names that begin with `trap_NN` belong to the traps
//! listed in [`crate::traps`].

use std::collections::BTreeMap;
use std::fmt::Write as _;

use weir::exchange::Exchange;
use weir::http::lines;

use crate::run::{self, Seen};
use crate::tape::{ACK, FIN, RST, Recorded, SYN, Said, Talker, Tape, URG};

/// When every dialogue begins: a second of 2026.
const START: i64 = 1_795_242_865_000_000_000;

/// One case of a dialogue file.
pub(crate) struct Dialogue {
    pub(crate) name: String,
    is_once: bool,
    pub(crate) tape: Tape,
    exchanges: Vec<String>,
    ledger: Vec<(String, u64)>,
}

/// How the next packet is sent and captured.
#[derive(Clone, Default)]
struct Manner {
    is_lost: bool,
    is_twice: bool,
    split: Option<usize>,
    every: i64,
    late: usize,
    stamp: i64,
    shift: i64,
    ack: i64,
    flags: u8,
}

/// One connection as its two ends know it.
#[derive(Clone)]
struct Wire {
    client_port: u16,
    /// Initial sequence numbers of client and server, and how much each has sent since.
    initial: [u32; 2],
    sent: [u32; 2],
    last: Option<(Talker, Vec<u8>)>,
}

/// Plays a script.
struct Player {
    now: i64,
    wires: BTreeMap<String, Wire>,
    on: String,
    initial: [u32; 2],
    captured: [bool; 2],
    snap: Option<usize>,
    manner: Manner,
    /// Packets that were sent and captured: the next one's identification.
    packets: u16,
    /// Frames with their place in the capture.
    frames: Vec<(usize, Recorded)>,
    text: Option<(Talker, Vec<u8>)>,
}

impl Wire {
    fn new(client_port: u16, initial: [u32; 2]) -> Self {
        Self { client_port, initial, sent: [0, 0], last: None }
    }

    /// The sequence number of what `talker` sends next.
    fn number(&self, talker: Talker) -> u32 {
        let at = talker as usize;
        self.initial[at].wrapping_add(1).wrapping_add(self.sent[at])
    }
}

impl Player {
    fn new() -> Self {
        let initial = [1000, 500_000];
        Self {
            now: START,
            wires: BTreeMap::from([("A".to_owned(), Wire::new(40_000, initial))]),
            on: "A".to_owned(),
            initial,
            captured: [true, true],
            snap: None,
            manner: Manner::default(),
            packets: 0,
            frames: Vec::new(),
            text: None,
        }
    }

    fn wire(&mut self) -> &mut Wire {
        self.wires.get_mut(&self.on).expect("a connection")
    }

    fn line(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let talker = match word {
            ">>>" => Some(Talker::Client),
            "<<<" => Some(Talker::Server),
            _ => None,
        };
        if let Some(talker) = talker {
            if self.text.as_ref().is_some_and(|(speaker, _)| *speaker != talker) {
                self.flush();
            }
            let text = &mut self.text.get_or_insert((talker, Vec::new())).1;
            text.extend(unescape(rest));
            return;
        }
        self.flush();
        match word {
            "" | "--" => {}
            "@" => self.now += duration(rest),
            "open" => self.open(rest),
            "isn" => self.initial = pair(rest),
            "on" => self.switch(rest),
            "capture" => self.captured = [rest != "server", rest != "client"],
            "snap" => self.snap = rest.parse().ok(),
            "><>" => self.manner.is_lost = true,
            "->" => self.bare(Talker::Client, rest),
            "<-" => self.bare(Talker::Server, rest),
            "again" => self.again(),
            _ if word.starts_with('[') => self.options(line),
            _ => panic!("not understood: {line}"),
        }
    }

    fn switch(&mut self, name: &str) {
        let port = 40_000 + u16::try_from(self.wires.len()).expect("few connections");
        let wire = Wire::new(port, self.initial);
        self.wires.entry(name.to_owned()).or_insert(wire);
        name.clone_into(&mut self.on);
    }

    fn open(&mut self, round_trip: &str) {
        let half = if round_trip.is_empty() { 0 } else { duration(round_trip) / 2 };
        let initial = self.initial;
        let wire = self.wire();
        *wire = Wire::new(wire.client_port, initial);
        self.bare(Talker::Client, "syn");
        self.now += half;
        self.bare(Talker::Server, "syn+ack");
        self.now += half;
        self.bare(Talker::Client, "ack");
    }

    fn options(&mut self, line: &str) {
        let inside = line.trim_start_matches('[').trim_end_matches(']');
        for option in inside.split(',').map(str::trim) {
            let (word, value) = option.split_once(' ').unwrap_or((option, ""));
            let number = || value.parse::<usize>().expect("a number");
            match word {
                "split" => self.manner.split = Some(number()),
                "every" => self.manner.every = duration(value),
                "late" => self.manner.late = number(),
                "stamp" => self.manner.stamp = duration(value),
                "twice" => self.manner.is_twice = true,
                "back" => self.manner.shift = -value.parse::<i64>().expect("a number"),
                "skip" => self.manner.shift = value.parse().expect("a number"),
                "ack" => self.manner.ack = value.parse().expect("a number"),
                _ => self.manner.flags |= flags(word),
            }
        }
    }

    /// Sends a packet without text.
    fn bare(&mut self, talker: Talker, word: &str) {
        let manner = std::mem::take(&mut self.manner);
        let wire = self.wire();
        let number = wire.number(talker);
        if word == "probe" {
            // Keep-alive probes repeat a byte, and nobody knows which value it has.
            return self.send(talker, number.wrapping_sub(1), ACK, vec![b'?'], &manner);
        }
        let flags = word.split('+').map(flags).fold(manner.flags, |all, flag| all | flag);
        let number = if flags & SYN != 0 { wire.initial[talker as usize] } else { number };
        if flags & FIN != 0 {
            wire.sent[talker as usize] += 1;
        }
        let flags = if flags & (SYN | RST) == 0 { flags | ACK } else { flags };
        let shifted = offset(number, manner.shift);
        self.send(talker, shifted, flags, Vec::new(), &manner);
    }

    /// Sends the text that was collected.
    fn flush(&mut self) {
        let Some((talker, text)) = self.text.take() else { return };
        let manner = std::mem::take(&mut self.manner);
        let wire = self.wire();
        wire.last = Some((talker, text.clone()));
        let start = wire.number(talker);
        let number = offset(start, manner.shift);
        let len = i64::try_from(text.len()).expect("a short text");
        let new = (len + manner.shift).max(0) + i64::from(manner.flags & FIN);
        wire.sent[talker as usize] += u32::try_from(new).expect("a short text");
        let size = manner.split.unwrap_or(text.len()).max(1);
        let pieces = text.len().div_ceil(size);
        for (index, piece) in text.chunks(size).enumerate() {
            let at = offset(number, i64::try_from(index * size).expect("a short text"));
            let is_last = index + 1 == pieces;
            let mut flags = manner.flags | ACK;
            if !is_last {
                flags &= !FIN;
            }
            // The SYN takes the number before its data.
            let at = if flags & SYN != 0 { at.wrapping_sub(1) } else { at };
            self.send(talker, at, flags, piece.to_vec(), &manner);
            self.now += if is_last { 0 } else { manner.every };
        }
    }

    fn again(&mut self) {
        let manner = std::mem::take(&mut self.manner);
        let (talker, text) = self.wire().last.clone().expect("something was said");
        let len = i64::try_from(text.len()).expect("a short text");
        let number = offset(self.wire().number(talker), -len);
        self.send(talker, number, ACK, text, &manner);
    }

    #[expect(clippy::too_many_arguments, reason = "what a packet says, and how it is sent")]
    fn send(&mut self, from: Talker, seq: u32, flags: u8, payload: Vec<u8>, manner: &Manner) {
        let wire = self.wire();
        let is_first = flags & SYN != 0 && from == Talker::Client;
        let flags = if is_first { flags & !ACK } else { flags };
        let ack = offset(wire.number(from.other()), manner.ack);
        let client_port = wire.client_port;
        let at = self.now + manner.stamp;
        let said = Said { at, client_port, from, seq, ack, flags, payload };
        if manner.is_lost || !self.captured[from as usize] {
            return;
        }
        self.packets += 1;
        let mut frame = said.record().identified(self.packets);
        if let Some(snap) = self.snap.filter(|&snap| snap < said.payload.len()) {
            frame = frame.cut(snap);
        }
        let place = self.frames.len() * 2;
        let late = if manner.late > 0 { manner.late * 2 + 1 } else { 0 };
        self.frames.push((place + late, frame.clone()));
        if manner.is_twice {
            self.frames.push((place + late, frame));
        }
    }

    fn tape(mut self) -> Tape {
        self.flush();
        self.frames.sort_by_key(|(place, _)| *place);
        Tape::new(self.frames.into_iter().map(|(_, frame)| frame).collect())
    }
}

fn offset(number: u32, by: i64) -> u32 {
    number.wrapping_add(i32::try_from(by).expect("a near place").cast_unsigned())
}

fn flags(word: &str) -> u8 {
    match word {
        "syn" => SYN,
        "ack" => ACK,
        "fin" => FIN,
        "rst" => RST,
        "urg" => URG,
        _ => panic!("no flag: {word}"),
    }
}

fn pair(text: &str) -> [u32; 2] {
    let mut numbers = text.split(' ').map(|number| number.parse().expect("a number"));
    [numbers.next().expect("two numbers"), numbers.next().expect("two numbers")]
}

/// `5ms`, `+30us`, `-2s`, `1h` in nanoseconds.
fn duration(text: &str) -> i64 {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "ns" | "" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        unit => panic!("no unit: {unit}"),
    };
    digits.parse::<i64>().unwrap_or_else(|_| panic!("no duration: {text}")) * unit
}

/// The bytes of a line: with CRLF, unless it ends in a backslash.
fn unescape(line: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend(before.as_bytes());
        let Some(kind) = after.chars().next() else { return bytes };
        let mut taken = 1;
        match kind {
            'r' => bytes.push(b'\r'),
            'n' => bytes.push(b'\n'),
            't' => bytes.push(b'\t'),
            'x' => {
                bytes.push(u8::from_str_radix(&after[1..3], 16).expect("two hex digits"));
                taken = 3;
            }
            '{' => {
                let end = after.find('}').expect("a closing brace");
                let len: usize = after[1..end].parse().expect("a number");
                bytes.extend((0..len).map(|n| b'a' + u8::try_from(n % 26).expect("a letter")));
                taken = end + 1;
            }
            other => bytes.extend(other.to_string().bytes()),
        }
        rest = &after[taken..];
    }
    bytes.extend(rest.as_bytes());
    bytes.extend(b"\r\n");
    bytes
}

/// Reads the cases of a dialogue file.
fn read(text: &str) -> Vec<Dialogue> {
    let mut dialogues = Vec::new();
    for case in text.split("\n# ").map(|case| case.trim_start_matches("# ")) {
        let (title, script) = case.split_once('\n').expect("a script");
        let mut player = Player::new();
        let mut is_once = false;
        let mut exchanges = Vec::new();
        let mut ledger = Vec::new();
        for line in script.lines() {
            match line.split_once(' ').unwrap_or((line, "")) {
                ("=", expected) => exchanges.push(expected.to_owned()),
                ("ledger", counts) => ledger.extend(counts.split(' ').map(|count| {
                    let (name, value) = count.split_once('=').expect("name=value");
                    (name.to_owned(), value.parse().expect("a number"))
                })),
                ("once", _) => is_once = true,
                _ => player.line(line),
            }
        }
        let name = title.split(':').next().expect("a name").to_owned();
        dialogues.push(Dialogue { name, is_once, tape: player.tape(), exchanges, ledger });
    }
    dialogues
}

/// Every case of every dialogue file.
pub(crate) fn all() -> Vec<Dialogue> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dialogues");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("the dialogues")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    paths.sort();
    paths.iter().flat_map(|path| read(&std::fs::read_to_string(path).expect("text"))).collect()
}

/// An exchange as text: state, method, target and status; every value that may be asked for; its
/// anomalies.
fn render(exchange: &Exchange) -> (String, BTreeMap<&'static str, String>, Vec<&'static str>) {
    let facts = &exchange.facts;
    let line = lines::request_line(&exchange.request.head);
    let text = |bytes: &[u8]| {
        let text = bytes.escape_ascii().to_string().replace(' ', "\\x20");
        if text.is_empty() { "-".to_owned() } else { text }
    };
    let status = facts.response.map_or("-".to_owned(), |_| facts.status.to_string());
    let first =
        format!("{} {} {} {status}", facts.state.name(), text(line.method), text(line.target));
    let time = |nanos: Option<u64>| nanos.map_or("-".to_owned(), time);
    let part = |message: Option<weir::exchange::MessageFacts>| {
        message.map_or(["-".to_owned(), "-".to_owned(), "-".to_owned()], |it| {
            let framing = format!("{:?}", it.framing).to_lowercase();
            [it.body_bytes.to_string(), it.body_seen_bytes.to_string(), framing]
        })
    };
    let [sent, sent_seen, sent_framing] = part(facts.request);
    let [body, seen, framing] = part(facts.response);
    let interim: Vec<String> = exchange.interim.iter().map(ToString::to_string).collect();
    let timing = facts.timing;
    let values = BTreeMap::from([
        ("sent", sent),
        ("sent_seen", sent_seen),
        ("sent_framing", sent_framing),
        ("body", body),
        ("seen", seen),
        ("framing", framing),
        ("interim", interim.join(",")),
        ("content", text(exchange.response.body.as_deref().unwrap_or_default())),
        ("index", facts.index.to_string()),
        ("client", facts.connection.client.to_string()),
        ("connect", time(timing.connect_ns)),
        ("send", time(timing.send_ns)),
        ("blocked", time(timing.blocked_ns)),
        ("wait", time(timing.wait_ns)),
        ("receive", time(timing.receive_ns)),
        ("total", time(timing.total_ns)),
        ("watched", self::time(facts.watched_ns)),
        ("retransmissions", facts.evidence.retransmissions.to_string()),
    ]);
    (first, values, facts.anomalies.iter().map(weir::anomaly::Anomaly::name).collect())
}

fn time(nanos: u64) -> String {
    for (unit, size) in [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)] {
        if nanos > 0 && nanos.is_multiple_of(size) {
            return format!("{}{unit}", nanos / size);
        }
    }
    nanos.to_string()
}

/// What an expected line and an exchange, whose frames may have been copied, do not agree on;
/// `None` where they agree.
fn difference(expected: &str, exchange: &Exchange, is_copied: bool) -> Option<String> {
    let (first, values, anomalies) = render(exchange);
    let mut words = expected.split(' ');
    let identity: Vec<&str> = words.by_ref().take(4).collect();
    let mut got = first.clone();
    let mut wanted_anomalies = Vec::new();
    let mut same = first == identity.join(" ");
    for word in words {
        if let Some((name, value)) = word.split_once('=') {
            let found = values.get(name).unwrap_or_else(|| panic!("no value {name}"));
            same &= found == value;
            write!(got, " {name}={found}").expect("text");
        } else {
            wanted_anomalies.push(word);
        }
    }
    wanted_anomalies.sort_unstable();
    let mut found: Vec<&str> = anomalies;
    found.retain(|&name| !is_copied || name != "duplicate_frames");
    found.sort_unstable();
    same &= found == wanted_anomalies;
    found.iter().for_each(|anomaly| write!(got, " {anomaly}").expect("text"));
    (!same).then(|| format!("  expected {expected}\n       got {got}"))
}

/// The variant in which every frame comes twice.
const TWICE: &str = " (every frame twice)";

fn compare(dialogue: &Dialogue, seen: &Seen, variant: &str, failures: &mut Vec<String>) {
    let mut report = Vec::new();
    for (place, exchange) in seen.exchanges.iter().enumerate() {
        if let Some(expected) = dialogue.exchanges.get(place) {
            report.extend(difference(expected, exchange, variant == TWICE));
        } else {
            let (first, _, anomalies) = render(exchange);
            report.push(format!("  expected nothing\n       got {first} {anomalies:?}"));
        }
    }
    for expected in dialogue.exchanges.iter().skip(seen.exchanges.len()) {
        report.push(format!("  expected {expected}\n       got nothing"));
    }
    if variant.is_empty() {
        for (name, expected) in &dialogue.ledger {
            let entries = seen.ledger.entries();
            let found = entries.iter().find(|(key, _)| key.rsplit('.').next() == Some(name));
            let found = found.unwrap_or_else(|| panic!("no counter {name}")).1;
            if *found != *expected {
                report.push(format!("  expected ledger {name}={expected}\n       got {found}"));
            }
        }
    }
    if !report.is_empty() {
        failures.push(format!("{}{variant}\n{}", dialogue.name, report.join("\n")));
    }
}

#[test]
fn dialogues_give_the_exchanges_that_are_written_in_them() {
    let mut failures = Vec::new();
    for dialogue in &all() {
        let before = failures.len();
        let once = run::source(&mut dialogue.tape.clone(), 1);
        compare(dialogue, &once, "", &mut failures);
        if failures.len() > before {
            continue;
        }
        let several = run::source(&mut dialogue.tape.clone(), 3);
        compare(dialogue, &several, " (three workers)", &mut failures);
        if !dialogue.is_once {
            let twice =
                dialogue.tape.frames.iter().flat_map(|frame| [frame.clone(), frame.tagged()]);
            let seen = run::source(&mut Tape::new(twice.collect()), 1);
            compare(dialogue, &seen, TWICE, &mut failures);
            let sent_again = |seen: &Seen| -> Vec<u32> {
                seen.exchanges.iter().map(|it| it.facts.evidence.retransmissions).collect()
            };
            let (expected, found) = (sent_again(&once), sent_again(&seen));
            if expected != found {
                let name = &dialogue.name;
                failures.push(format!("{name}: retransmissions {expected:?}, twice {found:?}"));
            }
        }
    }
    assert!(failures.is_empty(), "\n{}\n", failures.join("\n"));
}
