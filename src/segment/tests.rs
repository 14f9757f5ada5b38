//! Segments from exchanges to files and back: whole, cut, flipped, crashed, repaired, full.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::anomaly::Anomalies;
use crate::exchange::{
    ConnectionKey, Evidence, Exchange, Facts, MessageFacts, MessageText, Network, State, Timing,
};
use crate::http::Framing;
use crate::ledger::Ledger;
use crate::packet::Endpoint;
use crate::time::Timestamp;

fn endpoint() -> impl Strategy<Value = Endpoint> {
    prop_oneof![
        (0_u8..3, 0_u16..3).prop_map(|(a, port)| Endpoint::v4([10, 0, 0, a], 40_000 + port)),
        (any::<[u8; 16]>(), any::<u16>()).prop_map(|(octets, port)| Endpoint::v6(octets, port)),
    ]
}

/// A number that is mostly small.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        3 => 0_u64..2000,
        2 => (0_u64..1000).prop_map(|n| n * 1000),
        1 => any::<u64>(),
    ]
}

fn message() -> impl Strategy<Value = Option<MessageFacts>> {
    let facts = (any::<u32>(), 0_usize..5, number(), number());
    proptest::option::of(facts.prop_map(|(header_bytes, framing, body_bytes, unseen)| {
        MessageFacts {
            header_bytes: header_bytes % 500,
            framing: Framing::ALL[framing],
            body_bytes,
            body_seen_bytes: body_bytes.wrapping_sub(unseen),
        }
    }))
}

fn timing() -> impl Strategy<Value = Timing> {
    let time = || proptest::option::of(number());
    (time(), time(), time(), time(), time(), time()).prop_map(
        |(connect_ns, send_ns, blocked_ns, wait_ns, receive_ns, total_ns)| Timing {
            connect_ns,
            send_ns,
            blocked_ns,
            wait_ns,
            receive_ns,
            total_ns,
        },
    )
}

fn facts() -> impl Strategy<Value = Facts> {
    let start = prop_oneof![1_000_000_i64..2_000_000, any::<i64>()].prop_map(Timestamp::from_nanos);
    let opened_at = prop_oneof![0_i64..3, any::<i64>()].prop_map(Timestamp::from_nanos);
    let connection = (endpoint(), endpoint(), opened_at)
        .prop_map(|(client, server, opened_at)| ConnectionKey { client, server, opened_at });
    let index = prop_oneof![0_u32..4, any::<u32>()];
    let anomalies = prop_oneof![3 => Just(0_u64), 1 => any::<u64>()];
    let status = prop_oneof![Just(200_u16), 0_u16..1000, any::<u16>()];
    (
        (connection, index, start, 0_usize..5),
        (message(), message(), status),
        (timing(), prop_oneof![Just(0_u64), number()], anomalies, evidence()),
    )
        .prop_map(|(which, messages, rest)| Facts {
            connection: which.0,
            index: which.1,
            start: which.2,
            state: State::ALL[which.3],
            request: messages.0,
            response: messages.1,
            status: messages.2,
            timing: rest.0,
            watched_ns: rest.1,
            anomalies: Anomalies::from_bits(rest.2),
            evidence: rest.3,
        })
}

fn evidence() -> impl Strategy<Value = Evidence> {
    let network =
        prop_oneof![Just([0_u32; 4]), any::<[u32; 4]>()].prop_map(|[a, b, c, d]| Network {
            server_handshake_ns: a,
            client_handshake_ns: b,
            server_least_ns: c,
            client_least_ns: d,
        });
    let counts = prop_oneof![3 => Just([0_u64; 12]), 1 => any::<[u64; 12]>()];
    (counts, network).prop_map(|(mut counts, network)| {
        counts[8] %= 1 << 32;
        counts[9] %= 1 << 32;
        Evidence::of_counts(counts, network)
    })
}

fn text(head: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = MessageText> {
    let body = proptest::option::weighted(0.3, proptest::collection::vec(any::<u8>(), 0..50));
    (head, body).prop_map(|(head, body)| MessageText { head, body })
}

fn exchange() -> impl Strategy<Value = Exchange> {
    let head = prop_oneof![
        (0_u32..5, 0_u32..3).prop_map(|(item, host)| {
            format!("GET /items/{item} HTTP/1.1\r\nHost: h{host}.test\r\n\r\n").into_bytes()
        }),
        proptest::collection::vec(any::<u8>(), 0..60),
    ];
    let interim = proptest::collection::vec(any::<u16>(), 0..3);
    let route = prop_oneof![Just("/items/{int}".to_owned()), ".{0,20}"];
    (facts(), text(head), text(proptest::collection::vec(any::<u8>(), 0..60)), interim, route)
        .prop_map(|(facts, request, response, interim, route)| Exchange {
            facts,
            request,
            response,
            interim,
            route,
            ..Exchange::default()
        })
}

/// Exchanges that look like a small program interface, always the same.
fn plain(count: u32) -> Vec<Exchange> {
    (0..count)
        .map(|n| {
            let mut exchange = Exchange::default();
            let head = format!("GET /items/{n} HTTP/1.1\r\nHost: shop.test\r\n\r\n").into_bytes();
            let lengths = |header_bytes: usize, body_bytes| MessageFacts {
                header_bytes: u32::try_from(header_bytes).unwrap(),
                framing: Framing::Length,
                body_bytes,
                body_seen_bytes: body_bytes,
            };
            exchange.facts.connection.client = Endpoint::v4([10, 0, 0, 1], 50_000 + (n % 3) as u16);
            exchange.facts.connection.server = Endpoint::v4([10, 0, 0, 2], 80);
            exchange.facts.index = n / 3;
            exchange.facts.start = Timestamp::from_nanos(1_000_000_000 + i64::from(n) * 70_000);
            exchange.facts.request = Some(lengths(head.len(), 0));
            exchange.facts.status = if n % 5 == 4 { 503 } else { 200 };
            exchange.request.head = head;
            exchange.response.head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n".to_vec();
            exchange.response.body = Some(b"ok".to_vec());
            exchange.facts.response = Some(lengths(exchange.response.head.len(), 2));
            exchange.facts.timing.wait_ns = Some(1_000 * u64::from(n * n % 17 + 1));
            exchange.facts.timing.total_ns = exchange.facts.timing.wait_ns;
            exchange.route = "/items/{int}".to_owned();
            exchange
        })
        .collect()
}

fn about() -> About {
    About {
        started_at: Timestamp::from_nanos(1_795_242_865_123_456_789),
        host: "here".to_owned(),
        version: "0.1.0".to_owned(),
        source: "eth0".to_owned(),
        configuration: "ports 80".to_owned(),
        repaired: false,
    }
}

/// A writer with those exchanges in blocks of `per_block`.
fn writer(dir: &Path, exchanges: &[Exchange], per_block: usize) -> SegmentWriter {
    let mut writer = SegmentWriter::create(dir, &about()).unwrap();
    let mut builder = BlockBuilder::new();
    for run in exchanges.chunks(per_block) {
        for exchange in run {
            builder.push(exchange);
        }
        writer.append(&builder.finish()).unwrap();
    }
    writer
}

fn ledger() -> Ledger {
    let mut ledger = Ledger::default();
    ledger.frames.seen = 7;
    ledger.frames.packets = 7;
    ledger
}

fn read(block: &mut Block) -> Result<Vec<Exchange>, SegmentError> {
    let mut read = Vec::new();
    for row in 0..block.len() {
        let mut exchange = Exchange::default();
        block.exchange(row, &mut exchange)?;
        read.push(exchange);
    }
    Ok(read)
}

/// All exchanges of the blocks that are whole.
fn read_all(segment: &Segment) -> Vec<Exchange> {
    (0..segment.blocks().len())
        .filter_map(|position| segment.block(position).and_then(|mut block| read(&mut block)).ok())
        .flatten()
        .collect()
}

fn summary_of(exchanges: &[Exchange]) -> Summary {
    let mut summary = Summary::default();
    for exchange in exchanges {
        summary.record(exchange);
    }
    summary
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_exchanges_come_back(
        exchanges in proptest::collection::vec(exchange(), 0..60),
        per_block in 1_usize..40,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = writer(dir.path(), &exchanges, per_block).seal(&ledger()).unwrap();
        let segment = Segment::open(&path).unwrap();
        prop_assert!(segment.is_sealed());
        prop_assert_eq!(segment.verify().unwrap(), []);
        prop_assert_eq!(segment.about(), &about());
        prop_assert_eq!(segment.ledger(), Some(&ledger()));
        prop_assert_eq!(segment.blocks().len(), exchanges.len().div_ceil(per_block));
        prop_assert_eq!(segment.summary().unwrap(), summary_of(&exchanges));
        for (number, run) in exchanges.chunks(per_block).enumerate() {
            let info = &segment.blocks()[number];
            let mut block = segment.block(number).unwrap();
            prop_assert_eq!(info.first_start, run.iter().map(|e| e.facts.start).min().unwrap());
            prop_assert_eq!(info.last_start, run.iter().map(|e| e.facts.start).max().unwrap());
            for (row, exchange) in run.iter().enumerate() {
                prop_assert!(info.may_have_route(&exchange.route));
                prop_assert!(info.may_have_host(&host_of(&exchange.request.head)));
                prop_assert_eq!(block.facts(row), exchange.facts);
                prop_assert_eq!(block.route(row), &exchange.route);
                prop_assert_eq!(block.request_body(row), None, "not loaded yet");
            }
            prop_assert_eq!(&read(&mut block).unwrap(), run);
            prop_assert_eq!(block.facts(run.len()), Facts::default());
        }
    }

    #[test]
    fn garbage_is_refused_quietly(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..300),
        magic in 0_usize..4,
        at: usize,
    ) {
        let magic = [&b""[..], b"WEIR\x01\0\0\0", b"WBLK", b"WEND"][magic];
        let at = at % (bytes.len() + 1) / 8 * 8;
        bytes.splice(at..at, magic.iter().copied());
        for name in ["x.weir", "x.weir.part"] {
            if let Ok(segment) = Segment::from_bytes(Path::new(name), bytes.clone()) {
                prop_assert!(segment.blocks().is_empty());
                segment.verify().unwrap();
            }
        }
    }

    #[test]
    fn any_change_is_found_or_harmless(
        changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..6),
        cut: Option<usize>,
    ) {
        let exchanges = plain(20);
        let mut bytes = sealed_bytes(&exchanges, 7);
        let whole = bytes.clone();
        for (at, byte) in changes {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut % bytes.len());
        }
        let changed = bytes != whole;
        if let Ok(segment) = Segment::from_bytes(Path::new("x.weir"), bytes) {
            prop_assert_eq!(changed, !segment.verify().unwrap().is_empty());
            let read = read_all(&segment);
            prop_assert!(read.iter().all(|exchange| exchanges.contains(exchange)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn room_that_is_used_again_holds_nothing_of_before(
        exchanges in proptest::collection::vec(exchange(), 1..60),
        per_block in 1_usize..40,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = SegmentWriter::create(dir.path(), &about()).unwrap();
        let mut builder = BlockBuilder::new();
        for run in exchanges.chunks(per_block) {
            run.iter().for_each(|exchange| builder.push(exchange));
            let block = builder.finish();
            writer.append(&block).unwrap();
            builder.reuse(block);
        }
        let bytes = fs::read(writer.seal(&ledger()).unwrap()).unwrap();
        prop_assert_eq!(bytes, sealed_bytes(&exchanges, per_block));
    }
}

fn sealed_bytes(exchanges: &[Exchange], per_block: usize) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    fs::read(writer(dir.path(), exchanges, per_block).seal(&ledger()).unwrap()).unwrap()
}

/// The bytes of an unsealed segment with some of the room that was reserved.
fn unsealed_bytes(exchanges: &[Exchange], per_block: usize) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let writer = writer(dir.path(), exchanges, per_block);
    let mut bytes = fs::read(writer.path()).unwrap();
    bytes.truncate(usize::try_from(writer.bytes()).unwrap() + 64);
    bytes
}

/// Flips every bit of `bytes`; each must be told of where it is, and cost its block at most.
fn check_flips(name: &str, bytes: &[u8], exchanges: &[Exchange], per_block: usize) {
    let whole = Segment::from_bytes(Path::new(name), bytes.to_vec()).unwrap();
    assert_eq!(whole.verify().unwrap(), []);
    let blocks = whole.blocks().to_vec();
    let end = blocks.last().map_or(0, |last| last.offset + last.len);
    let mut flipped = bytes.to_vec();
    for bit in 0..bytes.len() * 8 {
        let at = (bit / 8) as u64;
        flipped[bit / 8] ^= 1 << (bit % 8);
        let segment = Segment::from_bytes(Path::new(name), flipped.clone()).unwrap();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let damage = segment.verify().unwrap();
        let hit = blocks.iter().position(|b| (b.offset..b.offset + b.len).contains(&at));
        let expected = match hit {
            Some(number) => Place::Block(number),
            None if at < blocks[0].offset => Place::Header,
            None if at + 16 >= bytes.len() as u64 && whole.is_sealed() => Place::Trailer,
            None if whole.is_sealed() => Place::Footer,
            // Nobody reads the room behind the word that would announce a further block.
            None if at >= end + 8 => continue,
            None => Place::Block(blocks.len()),
        };
        assert!(!damage.is_empty(), "bit {bit}: {expected} was not told of");
        assert!(damage.iter().all(|one| one.place == expected), "bit {bit}: {damage:?}");
        let kept: Vec<Exchange> = exchanges
            .chunks(per_block)
            .enumerate()
            .filter(|&(number, _)| hit != Some(number))
            .flat_map(|(_, run)| run.to_vec())
            .collect();
        let read = read_all(&segment);
        let others: Vec<&Exchange> = read.iter().filter(|one| kept.contains(one)).collect();
        assert_eq!(others.len(), kept.len(), "bit {bit}: {damage:?}");
        assert!(read.iter().all(|one| exchanges.contains(one)), "bit {bit}");
        assert_eq!(
            segment.is_sealed(),
            whole.is_sealed() && expected != Place::Footer
                || whole.is_sealed() && damage[0].part != Part::Head,
            "bit {bit}: {damage:?}"
        );
    }
}

#[test]
fn every_flipped_bit_of_a_sealed_segment_is_told_of() {
    let exchanges = plain(6);
    check_flips("x.weir", &sealed_bytes(&exchanges, 2), &exchanges, 2);
}

#[test]
fn every_flipped_bit_of_an_unsealed_segment_is_told_of() {
    let exchanges = plain(6);
    check_flips("x.weir.part", &unsealed_bytes(&exchanges, 2), &exchanges, 2);
}

#[test]
fn a_flipped_bit_names_its_part() {
    let exchanges = plain(6);
    let bytes = sealed_bytes(&exchanges, 3);
    let whole = Segment::from_bytes(Path::new("x.weir"), bytes.clone()).unwrap();
    let at = usize::try_from(whole.blocks()[1].offset).unwrap();
    // By the table of parts: what is compressed need not hold any text as it was.
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let parts = number(at + 16);
    let inside = |kind: u8| {
        let mut begin = at + 24 + 24 * parts;
        for entry in (0..parts).map(|part| at + 24 + 24 * part) {
            if bytes[entry] == kind {
                return begin + number(entry + 8) / 2;
            }
            begin += number(entry + 8);
        }
        panic!("no part of kind {kind}");
    };
    let check = |at: usize, expected: &str| {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        let segment = Segment::from_bytes(Path::new("x.weir"), flipped).unwrap();
        let [damage] = &segment.verify().unwrap()[..] else { panic!("one damage expected") };
        let told = damage.to_string();
        assert!(told.starts_with(&format!("block 1 at byte {}", whole.blocks()[1].offset)));
        assert!(told.contains(expected), "{told}");
    };
    check(at + 1, ": WBLK or WFTR expected, \"WCLK\" found");
    check(at + 9, ": checksum 0x");
    check(inside(3), ", request heads: checksum 0x");
    check(inside(4), ", response heads: checksum 0x");
    check(inside(6), ", response bodies: checksum 0x");
    check(inside(7), ", names: checksum 0x");
}

#[test]
fn a_cut_segment_keeps_every_whole_block() {
    let exchanges = plain(8);
    for (name, bytes) in
        [("x.weir", sealed_bytes(&exchanges, 2)), ("x.weir.part", unsealed_bytes(&exchanges, 2))]
    {
        let whole = Segment::from_bytes(Path::new(name), bytes.clone()).unwrap();
        let ends: Vec<u64> = whole.blocks().iter().map(|b| b.offset + b.len).collect();
        let header = whole.blocks()[0].offset;
        for cut in 0..bytes.len() {
            let cut_bytes = bytes[..cut].to_vec();
            let kept = ends.iter().filter(|&&end| end <= cut as u64).count() * 2;
            match Segment::from_bytes(Path::new(name), cut_bytes) {
                Ok(segment) => {
                    let read = read_all(&segment);
                    assert!(read.starts_with(&exchanges[..kept]), "cut at {cut}");
                    // A block whose padding alone was cut is still whole.
                    assert!(exchanges[..(kept + 2).min(8)].starts_with(&read), "cut at {cut}");
                    let told = !segment.verify().unwrap().is_empty();
                    assert!(told || !whole.is_sealed(), "cut at {cut}");
                }
                Err(SegmentError::NotASegment { .. }) => assert!((cut as u64) < header, "{cut}"),
                Err(error) => panic!("cut at {cut}: {error}"),
            }
        }
    }
}

#[test]
fn a_region_that_stands_elsewhere_is_none() {
    // A captured body may be a segment itself; when its block is damaged and the scan goes on
    // behind it, the blocks in the body must not be taken for the file's own.
    let exchanges = plain(4);
    let mut carrier = plain(1);
    carrier[0].response.body = Some(sealed_bytes(&exchanges, 4));
    let mut bytes = unsealed_bytes(&carrier, 1);
    let whole = Segment::from_bytes(Path::new("x.weir.part"), bytes.clone()).unwrap();
    let at = usize::try_from(whole.blocks()[0].offset).unwrap();
    bytes[at] ^= 1;
    let segment = Segment::from_bytes(Path::new("x.weir.part"), bytes).unwrap();
    assert!(segment.blocks().is_empty());
}

#[test]
fn an_unknown_version_is_a_readable_error() {
    let mut bytes = sealed_bytes(&plain(1), 1);
    bytes[4] = 2;
    let len = u32::from_le_bytes(bytes[8..12].try_into().unwrap()) as usize;
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&bytes[..12]);
    hasher.update(&bytes[16..16 + len]);
    bytes[12..16].copy_from_slice(&hasher.finalize().to_le_bytes());
    let error = Segment::from_bytes(Path::new("x.weir"), bytes).unwrap_err();
    let expected =
        "x.weir has segment version 2, and this program reads version 1: use a newer weir";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_segment_is_read_while_it_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let exchanges = plain(30);
    let mut writer = SegmentWriter::create(dir.path(), &about()).unwrap();
    let mut builder = BlockBuilder::new();
    for (number, run) in exchanges.chunks(3).enumerate() {
        let segment = Segment::open(writer.path()).unwrap();
        assert!(!segment.is_sealed());
        assert_eq!(read_all(&segment), exchanges[..number * 3]);
        for exchange in run {
            builder.push(exchange);
        }
        writer.append(&builder.finish()).unwrap();
    }
    assert_eq!(writer.exchanges(), 30);
    let early = Segment::open(writer.path()).unwrap();
    let unsealed = writer.path().to_owned();
    assert!(matches!(repair(&unsealed), Err(SegmentError::Busy { .. })));
    let path = writer.seal(&ledger()).unwrap();
    assert!(!unsealed.exists());
    assert_eq!(path.file_name().unwrap(), "20261121T063425.123456789Z.weir");
    assert_eq!(read_all(&early), exchanges, "what was open stays readable");
    assert_eq!(Segment::open(&path).unwrap().summary().unwrap(), early.summary().unwrap());
}

#[test]
fn a_crash_loses_nothing_that_was_appended_and_is_repaired() {
    let dir = tempfile::tempdir().unwrap();
    let exchanges = plain(20);
    let unsealed = writer(dir.path(), &exchanges, 6).path().to_owned();
    let store = Store::open(&[dir.path()]).unwrap();
    assert_eq!(store.paths(), std::slice::from_ref(&unsealed));
    let repaired = repair(&unsealed).unwrap();
    assert_eq!((repaired.blocks, repaired.exchanges), (4, 20));
    assert_eq!(repaired.damage, []);
    // The store that was opened before finds it under its new name.
    let segment = store.segments().next().unwrap().unwrap();
    assert_eq!(segment.path(), repaired.path);
    assert!(segment.is_sealed() && segment.about().repaired);
    assert_eq!(segment.verify().unwrap(), []);
    assert_eq!(read_all(&segment), exchanges);
    assert_eq!(segment.summary().unwrap(), summary_of(&exchanges));
    let ledger = segment.ledger().unwrap();
    assert_eq!((ledger.exchanges.total, ledger.imbalances().len()), (20, 0));
    assert!(matches!(repair(&repaired.path), Err(SegmentError::Sealed { .. })));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_repair_leaves_out_damaged_blocks_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let exchanges = plain(20);
    let unsealed = writer(dir.path(), &exchanges, 5).path().to_owned();
    let segment = Segment::open(&unsealed).unwrap();
    let at = usize::try_from(segment.blocks()[1].offset + 200).unwrap();
    let mut bytes = fs::read(&unsealed).unwrap();
    bytes[at] ^= 4;
    fs::write(&unsealed, bytes).unwrap();
    let repaired = repair(&unsealed).unwrap();
    assert_eq!((repaired.blocks, repaired.exchanges, repaired.damage.len()), (3, 15, 1));
    assert_eq!(repaired.damage[0].place, Place::Block(1));
    let segment = Segment::open(&repaired.path).unwrap();
    assert_eq!(segment.verify().unwrap(), []);
    assert_eq!(read_all(&segment), [&exchanges[..5], &exchanges[10..]].concat());
}

#[test]
fn a_store_sorts_by_time_and_lists_each_file_once() {
    let dir = tempfile::tempdir().unwrap();
    let seal = |seconds: i64| -> PathBuf {
        let started_at = Timestamp::from_nanos(seconds * 1_000_000_000);
        let about = About { started_at, ..about() };
        SegmentWriter::create(dir.path(), &about).unwrap().seal(&ledger()).unwrap()
    };
    let (late, early, again) = (seal(90), seal(5), seal(5));
    assert_ne!(early, again);
    fs::write(dir.path().join("notes.txt"), "x").unwrap();
    let store = Store::open(&[dir.path(), &early]).unwrap();
    assert_eq!(store.paths().len(), 3);
    assert_eq!(store.paths()[2], late);
    assert!(store.segments().all(|segment| segment.unwrap().is_sealed()));
    let error = Store::open(&[dir.path().join("missing")]).unwrap_err().to_string();
    assert!(error.starts_with("cannot open "), "{error}");
    let error = Segment::open(&dir.path().join("notes.txt")).unwrap_err().to_string();
    assert!(error.ends_with("notes.txt is no segment: it does not begin with WEIR"), "{error}");
}

#[test]
fn new_files_and_directories_are_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("made");
    let writer = SegmentWriter::create(&inner, &about()).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&inner), mode(writer.path())), (0o700, 0o600));
}

/// Runs this test's program again under a limit on the size of files, where a write past the
/// limit would end it by a signal.
#[test]
fn a_full_disk_is_an_error_and_the_segment_can_still_be_sealed() {
    const DIR: &str = "WEIR_TEST_LIMITED_DIR";
    if let Some(dir) = std::env::var_os(DIR) {
        let exchanges = plain(500);
        let mut writer = SegmentWriter::create(Path::new(&dir), &about()).unwrap();
        let mut builder = BlockBuilder::new();
        let mut kept = 0;
        let error = loop {
            for exchange in &exchanges {
                let mut large = exchange.clone();
                let noise = (0..2000_u64).map(|n| (n * n).to_le_bytes()[1]);
                large.response.body = Some(noise.collect());
                builder.push(&large);
            }
            match writer.append(&builder.finish()) {
                Ok(()) => kept += exchanges.len(),
                Err(error) => break error,
            }
            assert!(kept < 10_000_000, "no limit was reached");
        };
        assert!(matches!(error, SegmentError::Full { .. }), "{error}");
        let segment = Segment::open(&writer.seal(&ledger()).unwrap()).unwrap();
        assert_eq!(segment.verify().unwrap(), []);
        assert_eq!(segment.exchanges(), kept as u64);
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let limited = std::process::Command::new("sh")
        .args(["-c", "ulimit -f 4000 && exec \"$0\" --exact \"$1\""])
        .arg(std::env::current_exe().unwrap())
        .arg("segment::tests::a_full_disk_is_an_error_and_the_segment_can_still_be_sealed")
        .env(DIR, dir.path())
        .output()
        .unwrap();
    assert!(limited.status.success(), "{}", String::from_utf8_lossy(&limited.stdout));
    assert_eq!(Store::open(&[dir.path()]).unwrap().paths().len(), 1);
}

#[test]
fn hosts_are_found_in_every_form_of_target() {
    let check = |head: &str, expected: &str| {
        assert_eq!(host_of(head.as_bytes()), expected.as_bytes(), "{head:?}");
    };
    check("GET / HTTP/1.1\r\nA: b\r\nhost:  shop.test:81 \r\n\r\n", "shop.test:81");
    check("GET http://user:pass@shop.test:81/a HTTP/1.1\r\nHost: other\r\n\r\n", "shop.test:81");
    check("GET http://shop.test HTTP/1.1\r\n\r\n", "shop.test");
    check("CONNECT shop.test:443 HTTP/1.1\r\nHost: other\r\n\r\n", "shop.test:443");
    check("OPTIONS * HTTP/1.1\r\nHost: shop.test\r\n\r\n", "shop.test");
    check("GET /?u=http://other/ HTTP/1.1\r\nHost: shop.test\r\n\r\n", "shop.test");
    check("GET / HTTP/1.0\r\n\r\n", "");
    check("", "");
}
