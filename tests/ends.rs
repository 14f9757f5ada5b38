//! One conversation captured at the client and at the server: what is the same is recognised, by
//! clocks that are apart, and counted once.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use weir::exchange::{Facts, Policy, State};
use weir::pipeline::{BlockOutput, Options, Recorder, Recording, Watch, run};
use weir::query::Text;
use weir::query::ends::{self, BothEnds, Copies};
use weir::query::latency::Collector;
use weir::query::scan::{self, Question};
use weir::segment::{About, Segment, SegmentError, Store};
use weir::time::Timestamp;

use crate::tape::{ACK, FIN, Recorded, SYN, Said, Talker, Tape};

const START: i64 = 1_795_242_865_000_000_000;

/// A source of numbers (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)).checked_rem(below.max(1) as u64).expect("some") as i64
    }
}

/// What is between two hosts, and what their captures do.
#[derive(Clone, Debug)]
struct Plan {
    seed: u64,
    connections: usize,
    /// Of the client: few, so that they are used again.
    ports: i64,
    turns: i64,
    /// The shortest way and what may be added to it, in nanoseconds.
    way: (i64, i64),
    /// The longest that server and client think.
    think: (i64, i64),
    /// What the second host's clock is ahead.
    apart: i64,
    /// Of 1000 frames, those that each capture misses.
    lost: [i64; 2],
    /// The second capture begins after so many of its frames.
    late: usize,
}

/// Both captures. The first host is 10.0.0.1; what it asks are the servers 10.0.0.2 and .3 behind
/// the second capture, and some connections go the other way.
fn play(plan: &Plan) -> [Vec<Recorded>; 2] {
    let mut dice = Dice(plan.seed);
    let mut tapes: [Vec<Recorded>; 2] = Default::default();
    let mut free = vec![START; plan.ports as usize];
    let mut id = 0;
    for _ in 0..plan.connections {
        let slot = dice.roll(plan.ports) as usize;
        let (server, is_back) = (2 + dice.roll(2) as u8, dice.roll(4) == 0);
        let begun = free[slot] + 200_000_000 + dice.roll(80_000_000);
        let said = [dice.roll(1 << 32) as u32, dice.roll(1 << 32) as u32];
        let mut speech = Speech {
            plan,
            dice: &mut dice,
            tapes: &mut tapes,
            now: begun,
            port: 40_000 + slot as u16,
            said,
            server,
            is_back,
        };
        speech.hold(&mut id);
        free[slot] = speech.now;
    }
    for (tape, lost) in tapes.iter_mut().zip(plan.lost) {
        tape.sort_by_key(|frame| frame.at);
        tape.retain(|_| dice.roll(1000) >= lost);
    }
    let late = plan.late.min(tapes[1].len());
    tapes[1].drain(..late);
    tapes
}

struct Speech<'p> {
    plan: &'p Plan,
    dice: &'p mut Dice,
    tapes: &'p mut [Vec<Recorded>; 2],
    now: i64,
    port: u16,
    said: [u32; 2],
    server: u8,
    is_back: bool,
}

impl Speech<'_> {
    fn hold(&mut self, id: &mut i64) {
        let Plan { turns, think, .. } = *self.plan;
        self.packet(Talker::Client, SYN, b"");
        self.packet(Talker::Server, SYN | ACK, b"");
        self.packet(Talker::Client, ACK, b"");
        for _ in 0..1 + self.dice.roll(turns) {
            self.now += 20_000 + self.dice.roll(think.1);
            // Of one length, so that nothing but time and order tells them apart.
            let request = format!("GET /item?id={id:06} HTTP/1.1\r\nHost: shop\r\n\r\n");
            *id += 1;
            self.packet(Talker::Client, ACK, request.as_bytes());
            self.now += 20_000 + self.dice.roll(think.0);
            self.packet(Talker::Server, ACK, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
        self.packet(Talker::Client, ACK | FIN, b"");
        self.packet(Talker::Server, ACK | FIN, b"");
        self.packet(Talker::Client, ACK, b"");
    }

    /// A packet is sent now, and has arrived after.
    fn packet(&mut self, from: Talker, flags: u8, payload: &[u8]) {
        let sent_at = self.now;
        self.now += self.plan.way.0 + self.dice.roll(self.plan.way.1);
        let is_client = from == Talker::Client;
        let (seq, ack) = (self.said[usize::from(!is_client)], self.said[usize::from(is_client)]);
        for (tape, frames) in self.tapes.iter_mut().enumerate() {
            // The first host is the client's, or of connections that go back the server's.
            let is_sender = ((tape == 0) == is_client) != self.is_back;
            let at = if is_sender { sent_at } else { self.now };
            let at = at + if tape == 1 { self.plan.apart } else { 0 };
            let payload = payload.to_vec();
            let said = Said { at, client_port: self.port, from, seq, ack, flags, payload };
            let mut frame = said.record();
            // The server's address: one of two, or that of the first host.
            let (client, server) = if self.is_back { (self.server, 1) } else { (1, self.server) };
            let (source, target) = if is_client { (client, server) } else { (server, client) };
            frame.bytes[29] = source;
            frame.bytes[33] = target;
            frames.push(frame);
        }
        let length = payload.len() as u32 + u32::from(flags & (SYN | FIN) != 0);
        let said = &mut self.said[usize::from(!is_client)];
        *said = said.wrapping_add(length);
    }
}

fn record(dir: &Path, host: &str, frames: &[Recorded]) {
    let about = About { host: host.into(), source: "eth0".into(), ..About::default() };
    let recording =
        Recording { dir: dir.to_owned(), about, rotate_bytes: u64::MAX, rotate_ns: u64::MAX };
    let recorder = Recorder::start(recording).expect("a recorder");
    let options = Options { policy: Policy::default(), ports: None };
    let mut tape = Tape::new(frames.to_vec());
    let watch = Arc::new(Watch::default());
    let outcome = run(&mut tape, &options, None, &watch, vec![recorder.output()]).expect("run");
    outcome.outputs.into_iter().for_each(BlockOutput::finish);
    recorder.seal(&outcome.ledger).expect("sealed");
}

/// How often each complete exchange counts, by its target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Counted(BTreeMap<String, u32>);

impl Collector for Counted {
    fn takes_summary(&self, _: Timestamp, _: Timestamp) -> bool {
        false
    }

    fn summary(&mut self, _: (Timestamp, Timestamp), _: &Segment) -> Result<(), SegmentError> {
        Ok(())
    }

    fn facts(&mut self, facts: &Facts, text: &mut dyn Text) {
        if facts.state == State::Complete {
            let head = String::from_utf8_lossy(text.request_head()).into_owned();
            let target = head.split(' ').nth(1).expect("a target").to_owned();
            *self.0.entry(target).or_default() += 1;
        }
    }

    fn merge(&mut self, other: &Self) {
        for (target, count) in &other.0 {
            *self.0.entry(target.clone()).or_default() += count;
        }
    }
}

/// What both captures hold, each alone, and what is counted of them together.
struct Asked {
    alone: [Counted; 2],
    together: Counted,
    ends: BothEnds,
}

fn ask(tapes: &[Vec<Recorded>; 2]) -> Asked {
    let dir = tempfile::tempdir().expect("a directory");
    let dirs = ["one", "two"].map(|host| dir.path().join(host));
    for ((dir, host), frames) in dirs.iter().zip(["one", "two"]).zip(tapes) {
        record(dir, host, frames);
    }
    let question = Question::default();
    let alone = dirs.clone().map(|dir| {
        let store = Store::open(&[dir]).expect("a store");
        let none = Copies::default();
        scan::latency(&store, &question, &none, &Counted::default()).expect("asked").0
    });
    let store = Store::open(&dirs).expect("a store");
    let (together, _, ends) = ends::latency(&store, &question, &Counted::default()).expect("asked");
    Asked { alone, together, ends }
}

fn any_plan() -> impl Strategy<Value = Plan> {
    let way = prop::sample::select(vec![
        (30_000, 20_000),
        (300_000, 200_000),
        (20_000_000, 9_000_000),
        (1_000_000, 40_000_000),
    ]);
    let think =
        prop::sample::select(vec![(30_000, 30_000), (3_000_000, 1_000_000), (1, 400_000_000)]);
    let lost = prop::sample::select(vec![[0, 0], [0, 30], [30, 0], [40, 40], [200, 200]]);
    let late = prop_oneof![2 => Just(0), 1 => 0_usize..200];
    let apart = -9_000_000_000_i64..9_000_000_000;
    (any::<u64>(), (1_usize..16, 1_i64..20), 1_i64..40, way, think, apart, lost, late).prop_map(
        |(seed, (connections, ports), turns, way, think, apart, lost, late)| Plan {
            seed,
            connections,
            ports,
            turns,
            way,
            think,
            apart,
            lost,
            late,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    /// An exchange that was taken for another would be missing from the answer.
    #[test]
    fn no_exchange_is_taken_for_another(plan in any_plan()) {
        let Asked { alone, together, ends } = ask(&play(&plan));
        let mut both = 0;
        let mut twice = 0;
        let mut all = alone[0].clone();
        all.merge(&alone[1]);
        for (target, &copies) in &all.0 {
            let counted = together.0.get(target).copied().unwrap_or(0);
            prop_assert!(counted >= 1 && counted <= copies, "{target}: {counted} of {copies}");
            both += u32::from(copies == 2);
            twice += u32::from(counted == 2);
        }
        let count: u64 = ends.pairs.iter().map(|pair| pair.count).sum();
        prop_assert_eq!(count, u64::from(both - twice));
        if plan.lost == [0, 0] && plan.late == 0 && both >= 3 {
            prop_assert_eq!(twice, 0, "{:?}", ends);
            prop_assert!(ends.pairs.iter().all(|pair| pair.unsure == 0));
        }
        for pair in ends.pairs.iter().filter(|pair| pair.count > 0) {
            let is_first = pair.client.host == "one";
            let clock = if is_first { pair.clock_ns } else { -pair.clock_ns };
            // Half a way off at most, and what stamps are believed.
            let off = (plan.way.0 + plan.way.1) as u64 + 2_000_000;
            prop_assert!(clock.abs_diff(plan.apart) <= off);
            let (least, most) = (2 * plan.way.0, 2 * (plan.way.0 + plan.way.1));
            if plan.lost == [0, 0] {
                prop_assert!(pair.total.min() >= least as u64 && pair.total.max() <= most as u64);
                prop_assert!(pair.wait.min() >= least as u64 && pair.wait.max() <= most as u64);
            }
        }
    }
}

fn plan() -> Plan {
    Plan {
        seed: 7,
        connections: 20,
        ports: 9,
        turns: 30,
        way: (200_000, 100_000),
        think: (2_000_000, 3_000_000),
        apart: 1_700_000_000,
        lost: [0, 0],
        late: 0,
    }
}

#[test]
fn most_is_recognised_where_little_was_lost() {
    let check = |plan: &Plan, share: f64| {
        let Asked { alone, together, .. } = ask(&play(plan));
        let both = alone[0].0.keys().filter(|target| alone[1].0.contains_key(*target)).count();
        let once = together.0.values().filter(|count| **count == 1).count();
        let only_one = together.0.len() - both;
        let found = (once - only_one) as f64 / both as f64;
        assert!(both > 100 && found >= share, "{found} of {both}: {plan:?}");
    };
    check(&plan(), 1.0);
    check(&Plan { lost: [10, 0], ..plan() }, 0.9);
    check(&Plan { lost: [20, 20], ..plan() }, 0.8);
    check(&Plan { late: 400, ..plan() }, 0.95);
}

/// Hosts that use the same private addresses have nothing in common but these.
#[test]
fn equal_addresses_are_no_evidence() {
    for seed in 0..20 {
        let tapes = [seed, seed + 1000].map(|seed| {
            let plan = Plan { seed, connections: 4, turns: 2, apart: 0, ..plan() };
            play(&plan)[0].clone()
        });
        let Asked { together, ends, alone } = ask(&tapes);
        let mut all = alone[0].clone();
        all.merge(&alone[1]);
        assert_eq!(together, all, "{ends:?}");
    }
}
