//! What holds for any conversations, however they were captured.

use std::collections::{BTreeSet, HashMap};

use proptest::prelude::*;
use weir::anomaly::Anomaly;
use weir::exchange::{Exchange, Facts, State};
use weir::http::lines;

use crate::run::{self, Seen};
use crate::talk::{self, Perfect, Sent};
use crate::tape::{Recorded, Talker, Tape};

fn target(exchange: &Exchange) -> String {
    String::from_utf8_lossy(lines::request_line(&exchange.request.head).target).into_owned()
}

/// An exchange in the words of the model.
fn perfect(exchange: &Exchange) -> Perfect {
    let facts = &exchange.facts;
    let line = lines::request_line(&exchange.request.head);
    let (Some(request), Some(response)) = (facts.request, facts.response) else {
        let line = format!("{} without a half", facts.state.name());
        return Perfect { target: target(exchange), line };
    };
    let time = |nanos: Option<u64>| nanos.map_or("-".to_owned(), |nanos| nanos.to_string());
    let timing = facts.timing;
    let line = format!(
        "{} {} sent={} body={} interim={} start={} connect={:?} send={} blocked={} wait={} \
         receive={} total={}",
        String::from_utf8_lossy(line.method),
        facts.status,
        request.body_bytes,
        response.body_bytes,
        exchange.interim.len(),
        facts.start.as_nanos(),
        timing.connect_ns,
        time(timing.send_ns),
        time(timing.blocked_ns),
        time(timing.wait_ns),
        time(timing.receive_ns),
        time(timing.total_ns),
    );
    // That frames were captured twice says nothing of what was said.
    let others = facts.anomalies.iter().filter(|it| *it != Anomaly::DuplicateFrames);
    let names: Vec<&str> = others.map(|it| it.name()).collect();
    let line = if facts.state == State::Complete && names.is_empty() {
        line
    } else {
        format!("{line} {} {names:?}", facts.state.name())
    };
    Perfect { target: target(exchange), line }
}

fn perfects(seen: &Seen) -> Vec<Perfect> {
    let mut list: Vec<Perfect> = seen.exchanges.iter().map(perfect).collect();
    list.sort();
    list
}

fn tape(sent: &[Sent]) -> Tape {
    Tape::new(sent.iter().map(|sent| sent.frame.clone()).collect())
}

/// How a capture may disturb frames without losing any.
#[derive(Clone, Debug)]
enum Disturbance {
    /// A frame is captured so many places later, if not more than 10 ms.
    Late(prop::sample::Index, usize),
    /// A frame is captured twice, the copy so many places later.
    Twice(prop::sample::Index, usize),
    /// A frame is sent again so many microseconds later, after its first copy was captured.
    Again(prop::sample::Index, i64),
}

fn any_disturbance() -> impl Strategy<Value = Disturbance> {
    prop_oneof![
        (any::<prop::sample::Index>(), 1_usize..30).prop_map(|(at, by)| Disturbance::Late(at, by)),
        (any::<prop::sample::Index>(), 0_usize..30).prop_map(|(at, by)| Disturbance::Twice(at, by)),
        (any::<prop::sample::Index>(), 20_000_i64..300_000)
            .prop_map(|(at, by)| Disturbance::Again(at, by)),
    ]
}

/// The frames as they are captured when one direction is `skew_us` late.
fn disturb(sent: &[Sent], disturbances: &[Disturbance], skew_us: i64) -> Vec<Recorded> {
    let mut frames = sent.to_vec();
    let arrival = |sent: &Sent| {
        let is_late = (sent.from == Talker::Client) == (skew_us > 0);
        sent.frame.at + if is_late { skew_us.abs() * 1000 } else { 0 }
    };
    frames.sort_by_key(arrival);
    for disturbance in disturbances.iter().filter(|_| !sent.is_empty()) {
        let place = |index: &prop::sample::Index| index.index(frames.len());
        let near = |from: usize, by: usize| {
            let window = frames.iter().enumerate().skip(from).take(by + 1);
            let at = frames[from].frame.at;
            let is_near = |sent: &Sent| sent.frame.at.abs_diff(at) <= 10_000_000;
            let last = window.take_while(|(_, sent)| is_near(sent)).last();
            last.map_or(from, |(place, _)| place)
        };
        match disturbance {
            Disturbance::Late(index, by) => {
                let from = place(index);
                // What comes before the handshake is not known to be of its connection.
                let to = if frames[from].is_handshake { from } else { near(from, *by) };
                let frame = frames.remove(from);
                frames.insert(to, frame);
            }
            Disturbance::Twice(index, by) => {
                let from = place(index);
                let frame = frames[from].clone();
                frames.insert(near(from, *by) + 1, frame);
            }
            Disturbance::Again(index, by) => {
                let mut frame = frames[place(index)].clone();
                frame.frame.at += by * 1000;
                frame.frame =
                    frame.frame.identified(0x8000 | u16::try_from(by % 0x7fff).expect("15 bits"));
                let to = frames.iter().position(|other| other.frame.at > frame.frame.at);
                frames.insert(to.unwrap_or(frames.len()), frame);
            }
        }
    }
    frames.into_iter().map(|sent| sent.frame).collect()
}

/// Loses single frames and bursts.
fn lose(sent: &[Sent], lost: &[(prop::sample::Index, usize)]) -> Vec<Sent> {
    let mut gone = BTreeSet::new();
    for (index, len) in lost {
        let from = index.index(sent.len());
        gone.extend(from..from + len);
    }
    let kept = sent.iter().enumerate().filter(|(place, _)| !gone.contains(place));
    kept.map(|(_, sent)| sent.clone()).collect()
}

/// Where a response says what it answers, whether that is what it is paired with; pairs with one
/// of the anomalies `but` are not looked at.
fn wrong_pairs(seen: &Seen, but: &[Anomaly]) -> Vec<String> {
    let paired = seen.exchanges.iter().filter(|exchange| {
        let Facts { request, response, anomalies, .. } = exchange.facts;
        let is_marked = but.iter().any(|anomaly| anomalies.has(*anomaly));
        request.is_some() && response.is_some() && !is_marked
    });
    let wrong = paired.filter_map(|exchange| {
        let answers = lines::field(&exchange.response.head, "x-answers")?;
        let target = target(exchange);
        // A head whose end was lost may have lost the end of its line as well.
        let is_cut = exchange.facts.anomalies.has(Anomaly::UnfinishedHead);
        let agrees =
            *answers == *target.as_bytes() || is_cut && target.as_bytes().starts_with(&answers);
        (!agrees)
            .then(|| format!("{target} was paired with the answer to {}", answers.escape_ascii()))
    });
    wrong.collect()
}

/// Requests of which the whole head was captured, and that are not listed.
fn unlisted(sent: &[Sent], kept: &[Sent], seen: &Seen) -> Vec<String> {
    let count = |sent: &[Sent]| {
        let mut counts: HashMap<String, usize> = HashMap::new();
        for target in sent.iter().flat_map(|sent| &sent.heads) {
            *counts.entry(target.clone()).or_default() += 1;
        }
        counts
    };
    let (all, kept) = (count(sent), count(kept));
    let listed: BTreeSet<String> = seen.exchanges.iter().map(target).collect();
    let whole = all.into_iter().filter(|(target, packets)| kept.get(target) == Some(packets));
    whole.map(|(target, _)| target).filter(|target| !listed.contains(target)).collect()
}

/// What tells that a pair of pipelined messages may be wrong.
const DOUBTS: [Anomaly; 4] = [
    Anomaly::AmbiguousPair,
    Anomaly::GapBeforeRequest,
    Anomaly::GapBeforeResponse,
    Anomaly::MidStream,
];

/// The exchanges as JSON, without the word that frames were captured twice.
fn but_copies(seen: &Seen) -> Vec<serde_json::Value> {
    let mut exchanges = run::json(&seen.exchanges);
    for exchange in &mut exchanges {
        if let Some(anomalies) = exchange["anomalies"].as_array_mut() {
            anomalies.retain(|name| name != "duplicate_frames");
        }
    }
    exchanges
}

/// A failure is kept as a dialogue, not as a seed.
fn config() -> ProptestConfig {
    let failure_persistence = None;
    ProptestConfig { max_shrink_iters: 20_000, failure_persistence, ..Default::default() }
}

proptest! {
    #![proptest_config(config())]

    /// A capture of everything lists what was said, to the nanosecond.
    #[test]
    fn everything_captured_gives_the_model(talks in talk::any_talks(true)) {
        let (sent, expected) = talk::play(&talks);
        prop_assert_eq!(perfects(&run::source(&mut tape(&sent), 1)), expected);
    }

    /// Packets that are late, or there twice, or sent again, change nothing.
    #[test]
    fn disturbed_captures_give_the_same(
        talks in talk::any_talks(true),
        disturbances in proptest::collection::vec(any_disturbance(), 0..40),
        skew_us in prop_oneof![Just(0_i64), -3000_i64..3000],
    ) {
        let (sent, expected) = talk::play(&talks);
        let calm = run::source(&mut tape(&sent), 1);
        let frames = disturb(&sent, &disturbances, skew_us);
        let tape = Tape::new(frames);
        let disturbed = run::source(&mut tape.clone(), 1);
        prop_assert_eq!(perfects(&disturbed), expected, "{}", tape.script());
        prop_assert_eq!(but_copies(&disturbed), but_copies(&calm));
    }

    /// Frames that are captured twice, the copies up to six packets behind, were not sent again.
    #[test]
    fn copied_frames_are_no_retransmissions(
        talks in talk::any_talks(true),
        behind in proptest::collection::vec(prop::option::of(0_usize..7), 1..50),
    ) {
        let (sent, _) = talk::play(&talks);
        let mut frames: Vec<(usize, &Recorded)> = Vec::new();
        for ((place, sent), behind) in sent.iter().enumerate().zip(behind.iter().cycle()) {
            frames.push((2 * place, &sent.frame));
            frames.extend(behind.map(|behind| (2 * (place + behind) + 1, &sent.frame)));
        }
        frames.sort_by_key(|(place, _)| *place);
        let tape = Tape::new(frames.into_iter().map(|(_, frame)| frame.clone()).collect());
        let seen = run::source(&mut tape.clone(), 1);
        let evidence = seen.exchanges.iter().map(|it| it.facts.evidence);
        let told = evidence.filter(|it| (it.retransmissions, it.stalled_ns) != (0, 0));
        prop_assert_eq!(told.count(), 0, "{}", tape.script());
    }

    /// Whatever is lost: no pair is wrong, and every request that was captured is listed.
    #[test]
    fn lost_packets_never_make_a_wrong_pair(
        talks in talk::any_talks(false),
        lost in proptest::collection::vec((any::<prop::sample::Index>(), 1_usize..4), 0..20),
    ) {
        let (sent, _) = talk::play(&talks);
        let kept = lose(&sent, &lost);
        let seen = run::source_by(run::KEEP_HEADS, &mut tape(&kept), 1);
        prop_assert_eq!(wrong_pairs(&seen, &[]), [""; 0], "{}", tape(&kept).script());
        prop_assert_eq!(unlisted(&sent, &kept, &seen), [""; 0], "{}", tape(&kept).script());
    }

    /// Where requests do not wait for responses, the numbers cannot always tell which of them was
    /// lost: then the pair says that a gap is near.
    #[test]
    fn lost_packets_never_make_an_unmarked_wrong_pair_of_pipelined_ones(
        talks in talk::any_talks(true),
        lost in proptest::collection::vec((any::<prop::sample::Index>(), 1_usize..4), 0..8),
    ) {
        let (sent, _) = talk::play(&talks);
        let kept = lose(&sent, &lost);
        let seen = run::source_by(run::KEEP_HEADS, &mut tape(&kept), 1);
        prop_assert_eq!(wrong_pairs(&seen, &DOUBTS), [""; 0], "{}", tape(&kept).script());
        prop_assert_eq!(unlisted(&sent, &kept, &seen), [""; 0], "{}", tape(&kept).script());
    }

    /// Lost, late and repeated packets at once give the same with any number of workers.
    #[test]
    fn any_number_of_workers_lists_the_same(
        talks in talk::any_talks(true),
        disturbances in proptest::collection::vec(any_disturbance(), 0..20),
        lost in proptest::collection::vec((any::<prop::sample::Index>(), 1_usize..4), 0..4),
        workers in 2_usize..8,
    ) {
        let (sent, _) = talk::play(&talks);
        let frames = disturb(&lose(&sent, &lost), &disturbances, 0);
        let one = run::source(&mut Tape::new(frames.clone()), 1);
        let several = run::source(&mut Tape::new(frames), workers);
        prop_assert_eq!(run::json(&one.exchanges), run::json(&several.exchanges));
        prop_assert_eq!(one.ledger, several.ledger);
    }
}
