//! Captures made up with known times, of which packets are taken away: the true percentiles lie
//! in the intervals that are told.

use std::collections::BTreeMap;

use weir::exchange::{Exchange, Policy, State};
use weir::packet::{Frame, LinkType};
use weir::pipeline::{Options, Output, Watch, run};
use weir::query::Metric;
use weir::query::group::Keys;
use weir::query::latency::{Latency, PERCENTILES, Row};
use weir::segment::Latencies;
use weir::source::{Reading, Source, SourceError};
use weir::time::Timestamp;

/// Numbers that look random and are the same in every run (Steele, Lea and Flood, 2014).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to 1, without 1.
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, most: u64) -> u64 {
        self.next() % most
    }

    fn happens(&mut self, share: f64) -> bool {
        self.share() < share
    }

    /// A time with a heavy tail (Pareto, shape 2, from 1 ms): the quantile q is
    /// 1 ms / sqrt(1 - q). Held at ten seconds, far beyond every percentile that is asked for.
    fn total_ns(&mut self) -> u64 {
        (1e6 / (1.0 - self.share()).sqrt()).min(1e10) as u64
    }
}

fn true_quantile_ns(q: f64) -> f64 {
    1e6 / (1.0 - q).sqrt()
}

/// Frames in the order of their times.
struct Made {
    frames: Vec<(i64, Vec<u8>)>,
}

impl Source for Made {
    fn read(&mut self, take: &mut impl FnMut(&Frame<'_>)) -> Result<Reading, SourceError> {
        for (at, bytes) in self.frames.drain(..) {
            let wire_len = bytes.len() as u32;
            let at = Timestamp::from_nanos(at);
            take(&Frame { at, bytes: &bytes, wire_len, link: LinkType(1) });
        }
        Ok(Reading::End)
    }
}

const FIN: u8 = 1;
const SYN: u8 = 2;
const ACK: u8 = 16;

/// One connection as it is made.
struct Line<'a> {
    frames: &'a mut Vec<(i64, Vec<u8>)>,
    port: u16,
    /// Next numbers of client and server.
    numbers: [u32; 2],
}

impl Line<'_> {
    fn send(&mut self, at: i64, from_server: bool, flags: u8, payload: &[u8]) {
        let (own, peer) = (usize::from(from_server), usize::from(!from_server));
        let hosts: [([u8; 4], u16); 2] = [([10, 0, 0, 1], self.port), ([10, 0, 0, 2], 80)];
        let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0];
        frame.extend_from_slice(&(40 + payload.len() as u16).to_be_bytes());
        frame.extend_from_slice(&[0, 0, 0x40, 0, 64, 6, 0, 0]);
        frame.extend_from_slice(&hosts[own].0);
        frame.extend_from_slice(&hosts[peer].0);
        frame.extend_from_slice(&hosts[own].1.to_be_bytes());
        frame.extend_from_slice(&hosts[peer].1.to_be_bytes());
        frame.extend_from_slice(&self.numbers[own].to_be_bytes());
        let ack = if flags & ACK == 0 { 0 } else { self.numbers[peer] };
        frame.extend_from_slice(&ack.to_be_bytes());
        frame.extend_from_slice(&[0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        frame.extend_from_slice(payload);
        self.frames.push((at, frame));
        let taken = payload.len() as u32 + u32::from(flags & (SYN | FIN) != 0);
        self.numbers[own] = self.numbers[own].wrapping_add(taken);
    }
}

const CONNECTIONS: u16 = 10;
const EXCHANGES: u64 = 500;

/// The total of every exchange, by the client's port and the start.
type Truth = BTreeMap<(u16, i64), u64>;

/// A capture of exchanges with known totals.
fn make(dice: &mut Dice) -> (Vec<(i64, Vec<u8>)>, Truth) {
    let mut frames = Vec::new();
    let mut totals = Truth::new();
    for connection in 0..CONNECTIONS {
        let numbers = [dice.next() as u32, dice.next() as u32];
        let mut line = Line { frames: &mut frames, port: 40_000 + connection, numbers };
        let mut at = 1_795_242_840_000_000_000 + dice.below(50_000_000) as i64;
        line.send(at, false, SYN, b"");
        line.send(at + 30_000, true, SYN | ACK, b"");
        line.send(at + 60_000, false, ACK, b"");
        for _ in 0..EXCHANGES / u64::from(CONNECTIONS) {
            at += 100_000 + dice.below(2_000_000) as i64;
            let total = dice.total_ns();
            totals.insert((line.port, at), total);
            exchange(&mut line, at, total as i64, dice);
            at += total as i64;
        }
        at += 1_000_000;
        line.send(at, false, FIN | ACK, b"");
        line.send(at + 30_000, true, FIN | ACK, b"");
        line.send(at + 60_000, false, ACK, b"");
    }
    frames.sort_by_key(|(at, _)| *at);
    (frames, totals)
}

/// One exchange in one to three packets a message, and the client's acknowledgment.
fn exchange(line: &mut Line<'_>, at: i64, total: i64, dice: &mut Dice) {
    if dice.happens(0.2) {
        let body = 100 + dice.below(900) as usize;
        let head = format!("POST /things HTTP/1.1\r\nHost: a\r\nContent-Length: {body}\r\n\r\n");
        line.send(at, false, ACK, head.as_bytes());
        line.send(at + 10_000, false, ACK, &vec![b'x'; body]);
    } else {
        line.send(at, false, ACK, b"GET /things HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    let body = dice.below(400) as usize;
    let parts = 1 + dice.below(3);
    let whole = body * parts as usize;
    let mut first = format!("HTTP/1.1 200 OK\r\nContent-Length: {whole}\r\n\r\n").into_bytes();
    first.resize(first.len() + body, b'y');
    let begun = if parts == 1 || body == 0 { total } else { total / 10 * 9 };
    line.send(at + begun, true, ACK, &first);
    for part in 1..parts {
        let then = begun + (total - begun) * part as i64 / (parts as i64 - 1);
        if body > 0 {
            line.send(at + then, true, ACK, &vec![b'y'; body]);
        }
    }
    line.send(at + total + 20_000, false, ACK, b"");
}

/// Takes packets away: each by itself, or in runs of ten on average.
fn lose(frames: &mut Vec<(i64, Vec<u8>)>, share: f64, in_bursts: bool, dice: &mut Dice) {
    let mut losing = false;
    frames.retain(|_| {
        losing = match (in_bursts, losing) {
            (false, _) => dice.happens(share),
            (true, true) => !dice.happens(0.1),
            (true, false) => dice.happens(share / 10.0 / (1.0 - share)),
        };
        !losing
    });
}

struct Tally<'t> {
    latency: Latency,
    truth: &'t Truth,
    /// Complete exchanges that nothing was said against, and whose time is wrong.
    wrong: u64,
}

impl Output for Tally<'_> {
    fn exchange(&mut self, exchange: &Exchange) {
        self.latency.record(exchange);
        let facts = &exchange.facts;
        if facts.state == State::Complete && !facts.anomalies.is_suspect() {
            let key = (facts.connection.client.port(), facts.start.as_nanos());
            self.wrong += u64::from(self.truth.get(&key).copied() != facts.timing.total_ns);
        }
    }
}

fn measure(frames: Vec<(i64, Vec<u8>)>, truth: &Truth) -> (Row, u64) {
    let latency = Latency::new(Keys::none(), Metric::Total);
    let tally = Tally { latency, truth, wrong: 0 };
    let options = Options { policy: Policy::default(), ports: None };
    let mut source = Made { frames };
    let mut outcome =
        run(&mut source, &options, None, &Watch::default(), vec![tally]).expect("no panic");
    assert_eq!(outcome.ledger.imbalances(), [""; 0]);
    let tally = outcome.outputs.remove(0);
    (tally.latency.whole(), tally.wrong)
}

#[test]
fn the_true_percentiles_lie_in_their_intervals_in_95_of_100_captures() {
    let shares = [0.001, 0.003, 0.01, 0.03, 0.1];
    let mut inside = [[0_u32; 3]; 2];
    let mut runs = [0_u32; 2];
    let mut total_wrong = 0;
    let mut excess = 0;
    let mut untold = [0; 2];
    for seed in 0..1000_u64 {
        let mut dice = Dice(seed);
        let (mut frames, truth) = make(&mut dice);
        let in_bursts = seed % 2 == 1;
        let share = shares[(seed / 2 % shares.len() as u64) as usize];
        lose(&mut frames, share, in_bursts, &mut dice);
        let (row, wrong) = measure(frames, &truth);
        let kind = usize::from(in_bursts);
        total_wrong += wrong;
        // What is said to have been never passes what was; few are missed altogether.
        let told = row.count + row.sample().uncertain() - row.suspect;
        excess += u64::from(told > EXCHANGES);
        untold[kind] += EXCHANGES.saturating_sub(told);
        runs[kind] += 1;
        for (position, q) in [0.5, 0.9, 0.99].into_iter().enumerate() {
            let percentile = row.percentiles[position];
            let truth = true_quantile_ns(q);
            let holds = percentile.low_ns.is_some_and(|low| low as f64 <= truth)
                && percentile.high_ns.is_none_or(|high| high as f64 >= truth);
            inside[kind][position] += u32::from(holds);
        }
    }
    println!("{inside:?} of {runs:?}, {total_wrong} wrong");
    assert_eq!(total_wrong, 0);
    // A request and an orphan that may be one exchange count as two.
    assert!(excess * 100 <= 2 * 1000, "{excess} captures with too many exchanges");
    assert!(untold.iter().sum::<u64>() * 200 <= 1000 * EXCHANGES, "{untold:?} untold");
    for (inside, runs) in inside.iter().zip(runs) {
        for inside in inside {
            assert!(inside * 100 >= runs * 95, "{inside} of {runs}");
        }
    }
}

/// The ranks of the sampling interval, from the sums of the binomial distribution.
fn sampling_ranks(n: u64, q: f64) -> (u64, Option<u64>) {
    let mut ln = n as f64 * (1.0 - q).ln();
    let mut below = vec![0.0];
    for k in 0..=n {
        below.push(below[k as usize] + ln.exp());
        ln += ((n - k) as f64).ln() - ((k + 1) as f64).ln() + q.ln() - (1.0 - q).ln();
    }
    let low = (0..=n).rev().find(|&rank| below[rank as usize] <= 0.025).expect("0 at least");
    (low, (1..=n).find(|&rank| 1.0 - below[rank as usize] <= 0.025))
}

#[test]
fn with_nothing_lost_the_interval_is_that_of_the_sample() {
    for seed in 0..20 {
        let (frames, truth) = make(&mut Dice(seed));
        let mut totals: Vec<u64> = truth.values().copied().collect();
        let (row, wrong) = measure(frames, &truth);
        assert_eq!(wrong, 0);
        totals.sort_unstable();
        let mut exact = Latencies::default();
        totals.iter().for_each(|&ns| exact.record(ns));
        assert_eq!(row.latencies, exact);
        let unseen = (row.missing, row.suspect, row.truncated, row.unanswered, row.open);
        assert_eq!(unseen, (0, 0, 0, 0, 0));
        for ((_, mille), told) in PERCENTILES.into_iter().zip(row.percentiles) {
            let (low, high) = sampling_ranks(EXCHANGES, mille as f64 / 1000.0);
            let near = |ns: u64, rank: u64| {
                let exact = totals[rank as usize - 1];
                ns.abs_diff(exact) <= exact / 1000
            };
            assert!(near(told.low_ns.expect("a sample"), low), "p{mille}: {told:?}, rank {low}");
            assert_eq!(told.high_ns.is_some(), high.is_some());
            assert!(told.high_ns.zip(high).is_none_or(|(ns, rank)| near(ns, rank)));
        }
    }
}
