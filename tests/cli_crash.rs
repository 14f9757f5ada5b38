//! A capture that is killed, interrupted or damaged loses no more than it must, and says so.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use weir::segment::{Part, Segment};

use crate::big;
use crate::cli::{Ran, of, run};

/// Rounds of the big capture: enough for several blocks.
const ROUNDS: u16 = 20;

/// Captures the file at `from` into `to` until a segment there holds so many whole blocks, then
/// sends the signal.
fn stopped(from: &Path, to: &Path, blocks: usize, signal: Signal) -> (Child, PathBuf) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(["capture", "--workers", "1", "-r"])
        .args([from, "-w".as_ref(), to])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let part = loop {
        assert!(child.try_wait().expect("a child").is_none(), "it ended too soon");
        let entries = std::fs::read_dir(to).into_iter().flatten();
        let part = entries
            .map(|entry| entry.expect("an entry").path())
            .find(|path| path.extension().is_some_and(|extension| extension == "part"));
        if let Some(part) = part
            && Segment::open(&part).is_ok_and(|segment| segment.blocks().len() >= blocks)
        {
            break part;
        }
        std::thread::yield_now();
    };
    let pid = Pid::from_child(&child);
    kill_process(pid, signal).expect("it is ours");
    (child, part)
}

fn asked(command: &[&str], path: &Path) -> Ran {
    run(&[command, &[path.to_str().expect("UTF-8")]].concat())
}

#[test]
fn what_a_kill_leaves_is_listed_and_sealed() {
    let capture = big::capture(ROUNDS);
    let dir = tempfile::tempdir().expect("a folder");
    let (mut child, part) = stopped(capture.path(), dir.path(), 3, Signal::KILL);
    assert_eq!(child.wait().expect("it ends").code(), None, "it was killed");
    let segment = Segment::open(&part).expect("a segment");
    assert!(!segment.is_sealed());
    let (exchanges, blocks) = (segment.exchanges(), segment.blocks().len());
    assert!(blocks >= 3 && exchanges < u64::from(ROUNDS) * big::EXCHANGES);
    drop(segment);

    let listed = asked(&["list", "--json"], dir.path());
    assert_eq!((listed.code, listed.err.as_str()), (Some(0), ""));
    assert_eq!(listed.out.lines().count() as u64, exchanges);
    let whole = asked(&["list", "--json"], capture.path());
    let whole: BTreeSet<&str> = whole.out.lines().collect();
    assert_eq!(whole.len() as u64, u64::from(ROUNDS) * big::EXCHANGES);
    assert!(listed.out.lines().all(|line| whole.contains(line)), "each as it was captured");

    let told = asked(&["verify"], dir.path());
    assert_eq!(told.code, Some(0), "{}", told.out);
    assert!(told.out.contains(": whole (not sealed, "), "{}", told.out);
    let repaired = asked(&["verify", "--repair"], dir.path());
    assert_eq!((repaired.code, repaired.err.as_str()), (Some(0), ""), "{}", repaired.out);
    assert!(repaired.out.contains(&format!("repaired: {blocks} blocks")), "{}", repaired.out);
    assert!(!part.exists() && part.with_extension("").exists());
    assert_eq!(asked(&["list", "--json"], dir.path()).out, listed.out);
    assert!(asked(&["verify"], dir.path()).out.contains(": whole (sealed, "));
    let info = asked(&["info", "--json"], dir.path()).out;
    let info: serde_json::Value = serde_json::from_str(&info).expect("JSON");
    assert_eq!(info["ledger"]["exchanges"]["total"], exchanges);
}

#[test]
fn an_interrupt_seals_and_says_what_there_is() {
    let capture = big::capture(ROUNDS);
    for signal in [Signal::INT, Signal::TERM] {
        let dir = tempfile::tempdir().expect("a folder");
        let (child, part) = stopped(capture.path(), dir.path(), 1, signal);
        let ran = of(&mut child.wait_with_output().expect("it ends"));
        assert_eq!((ran.code, ran.out.as_str()), (Some(0), ""), "{}", ran.err);
        assert!(ran.err.contains("\nThe account balances.\n"), "{}", ran.err);
        assert!(!part.exists() && part.with_extension("").exists(), "it is sealed");
        assert_eq!(asked(&["verify"], dir.path()).code, Some(0));
        let info = asked(&["info", "--json"], dir.path()).out;
        let ledger = &serde_json::from_str::<serde_json::Value>(&info).expect("JSON")["ledger"];
        let count = |pointer: &str| {
            ledger.pointer(pointer).and_then(serde_json::Value::as_u64).expect(pointer)
        };
        assert!(count("/frames/seen") < u64::from(ROUNDS) * 8859, "it was interrupted");
        let skipped = ledger["frames"]["skipped"].as_object().expect("an object").values();
        let skipped: u64 = skipped.map(|count| count.as_u64().expect("a count")).sum();
        assert_eq!(
            count("/frames/seen"),
            count("/frames/packets") + skipped + count("/frames/dropped")
        );
        assert_eq!(
            count("/bytes/payload"),
            count("/bytes/delivered") + count("/bytes/duplicate") + count("/bytes/refused")
        );
        let flows = ["closed", "expired", "evicted", "live"];
        let flows: u64 = flows.iter().map(|end| count(&format!("/flows/{end}"))).sum();
        assert_eq!(count("/flows/opened"), flows);
        let listed = asked(&["list"], dir.path()).out;
        assert_eq!(listed.lines().count() as u64, count("/exchanges/total"));
    }
}

#[test]
fn an_interrupted_question_gives_no_half_answer() {
    let capture = big::capture(ROUNDS);
    for command in [&["list", "--json"][..], &["latency"], &["info"]] {
        // On a busy machine the answer may be there before the signal is: then it is asked again.
        let mut ran = (0..10).map(|_| interrupted(command, capture.path()));
        let ran = ran.find(|ran| ran.code != Some(0)).expect("one was in time");
        assert_eq!((ran.code, ran.out.as_str()), (Some(130), ""), "{command:?}: {}", ran.err);
    }
}

/// Asks, and sends SIGINT as soon as it is caught.
fn interrupted(command: &[&str], capture: &Path) -> Ran {
    let child = Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(command)
        .arg(capture)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    // Once it catches SIGINT (2), it has begun; once it is over, it has no signals to catch.
    let has_begun = |status: String| {
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        mask.is_none_or(|mask| mask & 1 << 1 != 0) || status.contains("(zombie)")
    };
    while !has_begun(std::fs::read_to_string(&status).expect("it is not waited for")) {
        std::thread::yield_now();
    }
    kill_process(Pid::from_child(&child), Signal::INT).expect("it is ours");
    of(&mut child.wait_with_output().expect("it ends"))
}

#[test]
fn an_interrupted_list_leaves_nothing_behind() {
    let capture = big::capture(ROUNDS);
    let temporary = tempfile::tempdir().expect("a folder");
    let mut child = Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(["list", "--json"])
        .arg(capture.path())
        .env("TMPDIR", temporary.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut out = child.stdout.take().expect("a pipe");
    // The capture was read, and there is more to print than a pipe holds.
    out.read_exact(&mut [0; 1000]).expect("lines");
    assert_eq!(std::fs::read_dir(temporary.path()).expect("a folder").count(), 1);
    kill_process(Pid::from_child(&child), Signal::INT).expect("it is ours");
    let mut rest = Vec::new();
    out.read_to_end(&mut rest).expect("the rest");
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert!(rest.split(|&byte| byte == b'\n').count() < 20_000);
    assert_eq!(std::fs::read_dir(temporary.path()).expect("a folder").count(), 0);
}

/// A sealed segment with bodies, of at least a block a worker.
fn sealed(dir: &Path) -> PathBuf {
    let captures = ["features.pcapng", "odd.pcap", "offload.pcap", "lossy-server.pcap"];
    let captures = captures.map(|name| format!("captures/{name}"));
    let captures: Vec<&str> = captures.iter().map(String::as_str).collect();
    let dir = dir.to_str().expect("UTF-8");
    let words = [&["capture", "-w", dir, "--bodies", "all", "--workers", "3", "-r"], &captures[..]];
    assert_eq!(run(&words.concat()).code, Some(0));
    let mut entries = std::fs::read_dir(dir).expect("a folder");
    let path = entries.next().expect("a segment").expect("an entry").path();
    assert!(entries.next().is_none(), "one segment");
    path
}

/// Where the parts of a region are, as `src/segment/format.rs` lays them out: kind, first byte,
/// length.
fn parts(bytes: &[u8], region: usize) -> Vec<(u8, usize, usize)> {
    let number = u32::from_le_bytes(bytes[region + 16..region + 20].try_into().expect("4 bytes"));
    let entries = bytes[region + 24..].chunks_exact(24).take(number as usize);
    let mut start = region + 24 + 24 * number as usize;
    entries
        .map(|entry| {
            let len = u64::from_le_bytes(entry[8..16].try_into().expect("8 bytes"));
            let len = usize::try_from(len).expect("small");
            start += len;
            (entry[0], start - len, len)
        })
        .collect()
}

#[test]
fn a_flipped_bit_is_named_and_costs_at_most_its_block() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = sealed(dir.path());
    let whole = std::fs::read(&path).expect("a segment");
    let listed = asked(&["list", "--json"], &path).out;
    let lines: BTreeSet<&str> = listed.lines().collect();
    let segment = Segment::open(&path).expect("a segment");
    assert!(segment.blocks().len() > 1, "one block is lost, others are there");
    let last = segment.blocks().last().expect("a block");
    let size_max = segment.blocks().iter().map(|block| block.exchanges).max().expect("a block");
    let footer = usize::try_from(last.offset + last.len).expect("small");
    // Which byte, and what must be named.
    let mut flips = vec![
        (0, "file header".to_owned()),
        (30, "file header".to_owned()),
        (footer + 5, "footer".to_owned()),
        (whole.len() - 2, "trailer".to_owned()),
        (whole.len() - 16, "trailer".to_owned()),
    ];
    for (number, block) in segment.blocks().iter().enumerate() {
        let start = usize::try_from(block.offset).expect("small");
        flips.push((start + 9, format!("block {number} at byte {start}")));
        for (kind, at, len) in parts(&whole, start) {
            let named = format!("block {number} at byte {start}, {}:", Part::of_kind(kind).name());
            flips.extend([at, at + len / 2, at + len - 1].map(|at| (at, named.clone())));
        }
    }
    for (kind, at, len) in parts(&whole, footer) {
        flips.push((
            at + len / 2,
            format!("footer at byte {footer}, {}:", Part::of_kind(kind).name()),
        ));
    }
    for (at, named) in flips {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        std::fs::write(&path, &bytes).expect("room");
        let verified = asked(&["verify"], &path);
        assert_eq!(verified.code, Some(3), "byte {at}: {}{}", verified.out, verified.err);
        assert!(verified.out.contains(": DAMAGED ("), "{}", verified.out);
        assert!(verified.out.contains(&named), "{named}, byte {at}: {}", verified.out);
        let rest = asked(&["list", "--json"], &path);
        // What a list does not need, such as the summary, may be damaged all the same.
        assert!(rest.out == listed || rest.code == Some(1), "byte {at}: {}", rest.err);
        assert_eq!(rest.code == Some(1), rest.err.starts_with("weir: "), "byte {at}");
        let lost = lines.len() - rest.out.lines().count();
        assert!(lost <= size_max as usize, "byte {at}: {lost} lost");
        assert!(rest.out.lines().all(|line| lines.contains(line)), "byte {at}");
    }
}
