//! Captures that are cut, mutated, split over files, or no captures at all: nothing panics, and
//! the account balances.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use weir::exchange::Facts;
use weir::packet::LinkType;
use weir::source::{CaptureFile, CaptureFiles};

use crate::dialogues;
use crate::run;
use crate::tape::{Recorded, Tape};

/// Bytes of captures that are cut at every frame in a test run; longer ones are cut at fewer.
const EVERY_FRAME_BYTES: usize = 60_000;

/// Captures of this project, and those beside it where there are some.
fn captures() -> Vec<PathBuf> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    for folder in [project.join("captures"), project.join("../shared/captures")] {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            eprintln!("skipped: {} is not there", folder.display());
            continue;
        };
        paths.extend(entries.map(|entry| entry.expect("an entry").path()));
    }
    paths.retain(|path| path.extension().is_some_and(|e| e == "pcap" || e == "pcapng"));
    paths.sort();
    paths
}

fn frames(path: &Path) -> Vec<Recorded> {
    Tape::of(&mut CaptureFile::open(path).expect("a capture")).frames
}

#[test]
fn every_prefix_of_a_capture_balances() {
    for path in captures() {
        let frames = frames(&path);
        let bytes: usize = frames.iter().map(|frame| frame.bytes.len()).sum();
        let step = if bytes <= EVERY_FRAME_BYTES { 1 } else { frames.len() / 12 + 1 };
        let mut total = 0;
        for end in (0..frames.len()).step_by(step) {
            let seen = run::source(&mut Tape::new(frames[..end].to_vec()), 1);
            let requests = |seen: &run::Seen| {
                seen.exchanges.iter().filter(|it| it.facts.request.is_some()).count()
            };
            assert!(requests(&seen) >= total, "{} at frame {end}", path.display());
            total = requests(&seen);
        }
    }
}

#[test]
fn every_byte_at_which_a_small_capture_may_be_cut_balances() {
    let small = |path: &PathBuf| path.metadata().expect("a file").len() < 3_000;
    let mut files = vec![dialogues::all().swap_remove(0).tape.pcap()];
    let captures = captures().into_iter().filter(small);
    files.extend(captures.map(|path| std::fs::read(path).expect("a file")));
    let mut cuts = 0;
    for file in files {
        for end in 0..file.len() {
            let reader = Cursor::new(file[..end].to_vec());
            if let Ok(mut capture) = CaptureFile::from_reader(reader, "a prefix") {
                run::source(&mut capture, 1);
                cuts += 1;
            }
        }
    }
    assert!(cuts > 500);
}

#[test]
fn a_capture_split_over_files_gives_what_the_whole_gives() {
    let folder = tempfile::tempdir().expect("a folder");
    for path in captures() {
        let frames = frames(&path);
        if frames.windows(2).any(|two| two[0].link != two[1].link) {
            continue;
        }
        for pieces in [2, 7] {
            let size = frames.len().div_ceil(pieces).max(1);
            let paths = frames.chunks(size).enumerate().map(|(number, frames)| {
                let path = folder.path().join(format!("{number}.pcap"));
                std::fs::write(&path, Tape::new(frames.to_vec()).pcap()).expect("a file");
                path
            });
            let split = run::source(&mut CaptureFiles::new(paths.collect::<Vec<_>>()), 1);
            let whole = run::source(&mut Tape::new(frames.clone()), 1);
            assert_eq!(run::json(&split.exchanges), run::json(&whole.exchanges));
            assert_eq!(split.ledger, whole.ledger, "{}", path.display());
            assert_eq!(split.errors, [""; 0]);
        }
    }
}

/// One change to the frames of a capture.
#[derive(Clone, Debug)]
enum Change {
    /// A byte of a frame is another one.
    Byte(prop::sample::Index, prop::sample::Index, u8),
    /// A frame is cut short.
    Cut(prop::sample::Index, prop::sample::Index),
    /// A frame's stamp is off by so many nanoseconds.
    Stamp(prop::sample::Index, i64),
    /// Two frames change places.
    Swap(prop::sample::Index, prop::sample::Index),
    /// A frame is lost.
    Lose(prop::sample::Index),
    /// A frame is copied to another place.
    Copy(prop::sample::Index, prop::sample::Index),
    /// The length on the wire is another one.
    Wire(prop::sample::Index, u32),
}

fn any_change() -> impl Strategy<Value = Change> {
    let index = any::<prop::sample::Index>;
    let stamp = prop_oneof![any::<i64>(), -4_000_000_000_000_i64..4_000_000_000_000];
    prop_oneof![
        4 => (index(), index(), any::<u8>()).prop_map(|(a, b, c)| Change::Byte(a, b, c)),
        1 => (index(), index()).prop_map(|(a, b)| Change::Cut(a, b)),
        1 => (index(), stamp).prop_map(|(a, b)| Change::Stamp(a, b)),
        1 => (index(), index()).prop_map(|(a, b)| Change::Swap(a, b)),
        1 => index().prop_map(Change::Lose),
        1 => (index(), index()).prop_map(|(a, b)| Change::Copy(a, b)),
        1 => (index(), any::<u32>()).prop_map(|(a, b)| Change::Wire(a, b)),
    ]
}

fn change(frames: &mut Vec<Recorded>, change: &Change) {
    if frames.is_empty() {
        return;
    }
    let count = frames.len();
    match change {
        Change::Byte(frame, at, value) => {
            let bytes = &mut frames[frame.index(count)].bytes;
            // Headers are hit more often than bodies.
            let len = bytes.len().min(120);
            if len > 0 {
                bytes[at.index(len)] = *value;
            }
        }
        Change::Cut(frame, at) => {
            let bytes = &mut frames[frame.index(count)].bytes;
            bytes.truncate(at.index(bytes.len() + 1));
        }
        Change::Stamp(frame, by) => {
            let frame = &mut frames[frame.index(count)];
            frame.at = frame.at.wrapping_add(*by);
        }
        Change::Swap(one, two) => frames.swap(one.index(count), two.index(count)),
        Change::Lose(frame) => {
            frames.remove(frame.index(count));
        }
        Change::Copy(from, to) => {
            let frame = frames[from.index(count)].clone();
            frames.insert(to.index(count), frame);
        }
        Change::Wire(frame, wire_len) => frames[frame.index(count)].wire_len = *wire_len,
    }
}

/// What was measured of each exchange.
fn facts(seen: &run::Seen) -> Vec<Facts> {
    seen.exchanges.iter().map(|exchange| exchange.facts).collect()
}

#[test]
fn what_is_kept_changes_nothing_that_is_measured() {
    for path in captures() {
        let frames = frames(&path);
        let all = run::source(&mut Tape::new(frames.clone()), 1);
        let heads = run::source_by(run::KEEP_HEADS, &mut Tape::new(frames), 1);
        assert_eq!(facts(&all), facts(&heads), "{}", path.display());
        assert_eq!(all.ledger, heads.ledger, "{}", path.display());
    }
}

/// What the mutations begin with: the tapes of the dialogues, and small captures.
fn seeds() -> &'static [Vec<Recorded>] {
    static SEEDS: std::sync::LazyLock<Vec<Vec<Recorded>>> = std::sync::LazyLock::new(|| {
        let dialogues = dialogues::all().into_iter().map(|dialogue| dialogue.tape.frames);
        let is_small = |path: &PathBuf| path.metadata().is_ok_and(|about| about.len() < 40_000);
        let captures = captures().into_iter().filter(is_small).map(|path| frames(&path));
        dialogues.chain(captures).filter(|frames| !frames.is_empty()).collect()
    });
    &SEEDS
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    /// Whatever is changed in a capture: no panic, a balanced account, and neither a worker more or
    /// less nor what is kept (bodies that nobody keeps are passed over) changes what is listed.
    #[test]
    fn changed_captures_balance(
        seed in any::<prop::sample::Index>(),
        changes in proptest::collection::vec(any_change(), 1..40),
        workers in 2_usize..5,
    ) {
        let mut frames = seed.get(seeds()).clone();
        changes.iter().for_each(|it| change(&mut frames, it));
        let one = run::source(&mut Tape::new(frames.clone()), 1);
        let several = run::source(&mut Tape::new(frames.clone()), workers);
        prop_assert_eq!(run::json(&one.exchanges), run::json(&several.exchanges));
        prop_assert_eq!(&one.ledger, &several.ledger);
        let brief = run::source_by(run::KEEP_HEADS, &mut Tape::new(frames), 1);
        prop_assert_eq!(facts(&one), facts(&brief));
        prop_assert_eq!(one.ledger, brief.ledger);
    }

    /// Bytes that no network sent.
    #[test]
    fn garbage_balances(
        garbage in proptest::collection::vec(
            (any::<i64>(), proptest::collection::vec(any::<u8>(), 0..200), any::<u32>(), 0_u16..300),
            0..40,
        ),
    ) {
        let frames = garbage.into_iter().map(|(at, bytes, wire_len, link)| Recorded {
            at,
            bytes,
            wire_len,
            link: LinkType(link),
        });
        run::source(&mut Tape::new(frames.collect()), 2);
    }
}
