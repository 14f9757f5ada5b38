//! Captures built by hand, whole, cut at every byte, and damaged.

use std::io::{Cursor, Write as _};
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::limits::FRAME_BYTES_MAX;
use crate::packet::LinkType;
use crate::time::Timestamp;

/// A frame as it was lent, kept.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kept {
    at: i64,
    bytes: Vec<u8>,
    wire_len: u32,
    link: u16,
}

impl Kept {
    fn new(at: i64, bytes: &[u8]) -> Self {
        let wire_len = u32::try_from(bytes.len()).expect("short");
        Self { at, bytes: bytes.to_vec(), wire_len, link: 1 }
    }
}

/// A filling that differs from frame to frame.
fn low_byte(number: i64) -> u8 {
    number.to_le_bytes()[0]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Little,
    Big,
}

impl Order {
    fn u16(self, value: u16) -> [u8; 2] {
        if self == Self::Little { value.to_le_bytes() } else { value.to_be_bytes() }
    }
    fn u32(self, value: u32) -> [u8; 4] {
        if self == Self::Little { value.to_le_bytes() } else { value.to_be_bytes() }
    }
    fn u64(self, value: u64) -> [u8; 8] {
        if self == Self::Little { value.to_le_bytes() } else { value.to_be_bytes() }
    }
    fn len(self, value: usize) -> [u8; 4] {
        self.u32(u32::try_from(value).expect("short"))
    }
}

/// A classic file of these frames; the magic tells the unit and the form of the records.
fn pcap(order: Order, magic: u32, frames: &[Kept]) -> Vec<u8> {
    let mut file = [magic, 0x0004_0002, 0, 0, 96, 0x2400_0000 | 1].map(|w| order.u32(w)).concat();
    file[4..8].copy_from_slice(&[order.u16(2), order.u16(4)].concat());
    let nanos = if magic == 0xa1b2_3c4d { 1 } else { 1000 };
    for frame in frames {
        let seconds = u32::try_from(frame.at / 1_000_000_000).expect("in range");
        let fraction = u32::try_from(frame.at % 1_000_000_000 / nanos).expect("in range");
        file.extend([order.u32(seconds), order.u32(fraction)].concat());
        file.extend([order.len(frame.bytes.len()), order.u32(frame.wire_len)].concat());
        if magic == 0xa1b2_cd34 {
            file.extend([0xee; 8]);
        }
        file.extend(&frame.bytes);
    }
    file
}

fn block(order: Order, kind: u32, body: &[u8]) -> Vec<u8> {
    let padded = body.len().next_multiple_of(4);
    let total = order.len(padded + 12);
    let padding = vec![0; padded - body.len()];
    [&order.u32(kind)[..], &total, body, &padding, &total].concat()
}

fn section(order: Order) -> Vec<u8> {
    let body = [&order.u32(0x1a2b_3c4d)[..], &order.u16(1), &order.u16(0), &[0xff; 8]].concat();
    block(order, 0x0a0d_0d0a, &body)
}

fn option(order: Order, code: u16, value: &[u8]) -> Vec<u8> {
    let len = order.u16(u16::try_from(value.len()).expect("short"));
    let padding = vec![0; value.len().next_multiple_of(4) - value.len()];
    [&order.u16(code)[..], &len, value, &padding].concat()
}

fn interface(order: Order, link: u16, snap_len: u32, options: &[u8]) -> Vec<u8> {
    let body = [&order.u16(link)[..], &[0, 0], &order.u32(snap_len), options].concat();
    block(order, 1, &body)
}

fn enhanced(order: Order, interface: u32, ticks: u64, frame: &Kept) -> Vec<u8> {
    let (high, low) = ((ticks >> 32) as u32, (ticks & 0xffff_ffff) as u32);
    let head = [interface, high, low].map(|word| order.u32(word)).concat();
    let lens = [order.len(frame.bytes.len()), order.u32(frame.wire_len)].concat();
    block(order, 6, &[head, lens, frame.bytes.clone()].concat())
}

/// A pcapng file of one section, one nanosecond interface, and these frames.
fn pcapng(order: Order, frames: &[Kept]) -> Vec<u8> {
    let nanoseconds = [option(order, 9, &[9]), option(order, 0, &[])].concat();
    let mut file = [section(order), interface(order, 1, 0, &nanoseconds)].concat();
    for frame in frames {
        file.extend(enhanced(order, 0, frame.at.cast_unsigned(), frame));
    }
    file
}

fn frames() -> Vec<Kept> {
    let mut cut = Kept::new(1_795_242_865_000_009_000, b"cut");
    cut.wire_len = 1500;
    vec![
        Kept::new(1_795_242_865_123_456_000, b"first frame"),
        Kept::new(1_795_242_865_999_999_000, b""),
        cut,
        Kept::new(4_294_967_295_000_001_000, &[7; 5000]),
    ]
}

/// Every frame, and the error at the end; after either, only the end may come.
fn drain(source: &mut impl Source) -> (Vec<Kept>, Option<SourceError>) {
    let mut kept = Vec::new();
    let mut take = |frame: &Frame<'_>| {
        kept.push(Kept {
            at: frame.at.as_nanos(),
            bytes: frame.bytes.to_vec(),
            wire_len: frame.wire_len,
            link: frame.link.0,
        });
    };
    let error = loop {
        match source.read(&mut take) {
            Ok(Reading::More) => {}
            Ok(Reading::End) => break None,
            Ok(Reading::Idle(_)) => panic!("a file does not wait"),
            Err(error) => break Some(error),
        }
    };
    let mut late = 0;
    assert!(matches!(source.read(&mut |_| late += 1), Ok(Reading::End)));
    assert_eq!(late, 0);
    (kept, error)
}

/// A reader that gives a few bytes at a time, as pipes do.
struct Dribble(Cursor<Vec<u8>>, usize);

impl std::io::Read for Dribble {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let len = buffer.len().min(self.1);
        self.0.read(&mut buffer[..len])
    }
}

fn streamed(file: &[u8], step: usize) -> Result<CaptureFile, SourceError> {
    CaptureFile::from_reader(Dribble(Cursor::new(file.to_vec()), step), "stream")
}

fn on_disk(file: &[u8]) -> tempfile::NamedTempFile {
    let mut on_disk = tempfile::NamedTempFile::new().expect("temporary file");
    on_disk.write_all(file).expect("room");
    on_disk
}

/// The file must give these frames and no error, mapped and streamed alike.
fn check(file: &[u8], expected: &[Kept]) {
    let path = on_disk(file);
    let mut mapped = CaptureFile::open(path.path()).expect("a capture");
    let (kept, error) = drain(&mut mapped);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(kept, expected);
    assert_eq!(
        (mapped.bytes_read(), mapped.bytes_total()),
        (file.len() as u64, Some(file.len() as u64))
    );
    for step in [1, 7, usize::MAX] {
        let mut stream = streamed(file, step).expect("a capture");
        assert_eq!(stream.bytes_total(), None);
        let (kept, error) = drain(&mut stream);
        assert!(error.is_none(), "{error:?}");
        assert_eq!(kept, expected);
        assert_eq!(stream.bytes_read(), file.len() as u64);
    }
}

/// The file must give these frames and then this sentence, mapped and streamed alike.
fn check_error(file: &[u8], expected: &[Kept], sentence: &str) {
    let path = on_disk(file);
    for capture in [CaptureFile::open(path.path()), streamed(file, 5)] {
        let (kept, error) = match capture {
            Ok(mut capture) => drain(&mut capture),
            Err(error) => (Vec::new(), Some(error)),
        };
        assert_eq!(kept, expected);
        let said = error.map(|error| error.to_string()).expect("an error");
        let name = path.path().display().to_string();
        assert_eq!(said.replace(&name, "stream"), sentence);
    }
}

#[test]
fn trap_15_every_form_of_pcap() {
    for order in [Order::Little, Order::Big] {
        for magic in [0xa1b2_c3d4, 0xa1b2_3c4d, 0xa1b2_cd34] {
            check(&pcap(order, magic, &frames()), &frames());
            check(&pcap(order, magic, &[]), &[]);
        }
    }
    let nanos = [Kept::new(1_000_000_001, b"x")];
    check(&pcap(Order::Big, 0xa1b2_3c4d, &nanos), &nanos);
}

#[test]
fn microseconds_beyond_a_second_and_lengths_beyond_the_snap_length_are_taken() {
    let mut file = pcap(Order::Little, 0xa1b2_c3d4, &[Kept::new(5_000_000_000, &[1; 500])]);
    file[28..32].copy_from_slice(&2_500_000_u32.to_le_bytes());
    check(&file, &[Kept::new(7_500_000_000, &[1; 500])]);
}

#[test]
fn trap_15_pcapng_with_sections_interfaces_and_resolutions() {
    let (little, big) = (Order::Little, Order::Big);
    check(&pcapng(little, &frames()), &frames());
    check(&pcapng(big, &frames()), &frames());
    check(
        &[pcapng(little, &frames()), pcapng(big, &frames())].concat(),
        &[frames(), frames()].concat(),
    );

    let b = [0x8a];
    let resolutions: [(&[u8], u64, i64); 8] = [
        (&[], 3_000_001, 3_000_001_000),
        (&[0], 3, 3_000_000_000),
        (&[3], 3_001, 3_001_000_000),
        (&[12], 3_000_000_001_999, 3_000_000_001),
        (&[60], u64::MAX, 0),
        (&b, 3 * 1024 + 512, 3_500_000_000),
        (&[0xff], u64::MAX, 0),
        (&[0], u64::MAX, i64::MAX),
    ];
    for order in [little, big] {
        for (resolution, ticks, expected) in resolutions {
            let resolution =
                if resolution.is_empty() { vec![] } else { option(order, 9, resolution) };
            let options = [option(order, 1, b"a comment"), resolution].concat();
            let file = [
                section(order),
                interface(order, 1, 0, &options),
                enhanced(order, 0, ticks, &Kept::new(0, b"x")),
            ];
            check(&file.concat(), &[Kept::new(expected, b"x")]);
        }
        // Link types and offsets of several interfaces, one of them before the epoch.
        let offset = |seconds: i64| option(order, 14, &order.u64(seconds.cast_unsigned()));
        let file = [
            section(order),
            interface(order, 113, 0, &offset(100)),
            interface(order, 0, 0, &offset(-100)),
            interface(order, 1, 0, &offset(i64::MAX)),
            enhanced(order, 1, 1_000_000, &Kept::new(0, b"abc")),
            enhanced(order, 0, 1_000_000, &Kept::new(0, b"de")),
            enhanced(order, 2, 1_000_000, &Kept::new(0, b"f")),
        ];
        let expected = [
            Kept { link: 0, ..Kept::new(-99_000_000_000, b"abc") },
            Kept { link: 113, ..Kept::new(101_000_000_000, b"de") },
            Kept::new(i64::MAX, b"f"),
        ];
        check(&file.concat(), &expected);
    }
}

#[test]
fn simple_obsolete_and_unknown_blocks() {
    for order in [Order::Little, Order::Big] {
        let words = |words: &[u32]| words.iter().flat_map(|&w| order.u32(w)).collect::<Vec<_>>();
        let obsolete = [&order.u16(1)[..], &order.u16(9), &words(&[0, 7, 3, 60]), b"old"].concat();
        let unknown = vec![0x5a; 300_000];
        let file = [
            section(order),
            interface(order, 101, 4, &[]),
            interface(order, 1, 0, &[]),
            block(order, 0xbad, &unknown),
            block(order, 2, &obsolete),
            block(order, 3, &[&words(&[600])[..], b"cut."].concat()),
            block(order, 3, &[&words(&[3])[..], b"all"].concat()),
            block(order, 4, &[]),
        ];
        let expected = [
            Kept { wire_len: 60, ..Kept::new(7000, b"old") },
            Kept { wire_len: 600, link: 101, ..Kept::new(7000, b"cut.") },
            Kept { link: 101, ..Kept::new(7000, b"all") },
        ];
        check(&file.concat(), &expected);
    }
}

#[test]
fn statistics_tell_what_was_missed() {
    let order = Order::Big;
    let statistics = |interface: u32, dropped: u64| {
        let counts = [option(order, 5, &order.u64(dropped)), option(order, 7, &order.u64(3))];
        block(order, 5, &[&order.u32(interface)[..], &[0; 8], &counts.concat()].concat())
    };
    let one = [
        section(order),
        interface(order, 1, 0, &[]),
        interface(order, 1, 0, &[]),
        statistics(0, 1),
        statistics(1, 20),
        statistics(0, 5),
        statistics(9, 1000),
    ]
    .concat();
    let mut capture = streamed(&[one.clone(), one.clone()].concat(), 100).expect("a capture");
    assert!(drain(&mut capture).1.is_none());
    assert_eq!(capture.missed(), Missed { kernel: 12, interface: 50 });
    let (first, second) = (on_disk(&one), on_disk(&one));
    let mut files = CaptureFiles::new([first.path().into(), second.path().into()]);
    assert!(drain(&mut files).1.is_none());
    assert_eq!(files.missed(), Missed { kernel: 12, interface: 50 });
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("a vector takes everything");
    encoder.finish().expect("a vector takes everything")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).expect("a vector takes everything")
}

#[test]
fn trap_15_compressed_captures_of_several_members() {
    for file in [pcap(Order::Big, 0xa1b2_3c4d, &frames()), pcapng(Order::Little, &frames())] {
        for compress in [gzip, zstd] {
            check(&compress(&file), &frames());
            let (head, tail) = file.split_at(file.len() / 3);
            check(&[compress(head), compress(b""), compress(tail)].concat(), &frames());
        }
        let skippable = [&[0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 9, 9, 9], &zstd(&file)[..]].concat();
        check(&skippable, &frames());
        assert!(is_capture(&skippable));
    }
}

#[test]
fn a_cut_compressed_capture_gives_its_frames_and_one_error() {
    let many: Vec<_> = (0..2000).map(|at| Kept::new(at * 1000, &[low_byte(at); 100])).collect();
    let file = pcap(Order::Little, 0xa1b2_3c4d, &many);
    for (kind, packed) in [("gzip", gzip(&file)), ("zstd", zstd(&file))] {
        let mut capture = streamed(&packed[..packed.len() - 5], usize::MAX).expect("a capture");
        let (kept, error) = drain(&mut capture);
        assert_eq!(kept, many[..kept.len()]);
        let said = error.expect("an error").to_string();
        let start =
            format!("cannot read capture stream to its end: its {kind} data is damaged or cut");
        assert!(said.starts_with(&start), "{said}");
    }
    let packed = gzip(&file);
    let (kept, error) = drain(&mut streamed(&packed[..packed.len() - 5], 100).expect("a capture"));
    assert_eq!(kept, many);
    assert!(matches!(error, Some(SourceError::Compressed { .. })));
}

#[test]
fn every_prefix_gives_the_whole_frames_and_then_one_error() {
    let all = frames();
    let all = &all[..3];
    let order = Order::Little;
    let files = [
        (pcap(order, 0xa1b2_c3d4, all), 16),
        (pcap(Order::Big, 0xa1b2_cd34, all), 24),
        ([pcapng(order, all), block(order, 0xbad, &[1; 20])].concat(), 32),
    ];
    for (file, _) in files {
        // Where the capture may end, and how many frames it then has.
        let mut ends = Vec::new();
        let mut capture = streamed(&file, usize::MAX).expect("a capture");
        let header = if file[0] == 0x0a { 0 } else { 24 };
        let mut at = header;
        let mut count = 0;
        while at < file.len() {
            ends.push((at, count));
            let len = |place: usize| {
                let bytes = file[place..place + 4].try_into().expect("four bytes");
                let len = if file[0] == 0xa1 {
                    u32::from_be_bytes(bytes)
                } else {
                    u32::from_le_bytes(bytes)
                };
                len as usize
            };
            if file[0] == 0x0a {
                count += usize::from(file[at] == 6);
                at += len(at + 4);
            } else {
                count += 1;
                at += len(at + 8) + if file[0] == 0xa1 { 24 } else { 16 };
            }
        }
        ends.push((at, count));
        assert_eq!((at, count), (file.len(), 3));
        assert_eq!(drain(&mut capture).0, all);
        for len in 0..file.len() {
            let prefix = on_disk(&file[..len]);
            for capture in [CaptureFile::open(prefix.path()), streamed(&file[..len], 3)] {
                let (kept, error) = match capture {
                    Ok(mut capture) => drain(&mut capture),
                    Err(error) => (Vec::new(), Some(error)),
                };
                let (end, count) =
                    ends.iter().rev().find(|(end, _)| *end <= len).copied().unwrap_or((0, 0));
                assert_eq!(kept, all[..count]);
                assert_eq!(error.is_none(), end == len && len > 0, "{len}: {error:?}");
            }
        }
    }
}

#[test]
fn errors_tell_what_where_and_what_to_do() {
    let file = pcap(Order::Little, 0xa1b2_c3d4, &[Kept::new(0, b"one"), Kept::new(0, &[2; 1500])]);
    check_error(
        &file[..24 + 19 + 16 + 20],
        &[Kept::new(0, b"one")],
        "cannot read capture stream to its end: it is cut: record 2 at byte 43 needs 1516 bytes, \
         36 are left; what came before was read",
    );
    let mut absurd = file.clone();
    absurd[24 + 19 + 8..][..4].copy_from_slice(&0x4000_0000_u32.to_le_bytes());
    check_error(
        &absurd,
        &[Kept::new(0, b"one")],
        "cannot read capture stream to its end: it is damaged: record 2 at byte 43: captured \
         length: expected at most 262144, found 1073741824; what came before was read",
    );
    check_error(
        &file[..10],
        &[],
        "cannot read capture stream to its end: it is cut: file header 1 at byte 0 needs 24 \
         bytes, 10 are left; what came before was read",
    );
    check_error(
        &[],
        &[],
        "cannot read capture stream: it is empty, not even a file header is there",
    );
    check_error(
        b"PK\x03\x04 and so on",
        &[],
        "cannot read stream as a capture: it starts with 50 4b 03 04, which is neither pcap nor \
         pcapng nor either of them in gzip or zstd",
    );
    check_error(
        b"WEIR and columns",
        &[],
        "cannot read stream as a capture: it is a weir segment; its packets are gone, its \
         exchanges are shown by weir list, weir latency and weir info",
    );
    check_error(
        b"\xfd7zXZ\0\0\0",
        &[],
        "cannot read capture stream: it is compressed with xz, which is not opened here; pipe \
         it: xz -dc stream | weir capture -r -",
    );
    let missing = CaptureFile::open("no/such.pcap".as_ref()).err().expect("an error").to_string();
    assert!(missing.starts_with("cannot read capture no/such.pcap: No such file"), "{missing}");
}

#[test]
fn damaged_blocks_are_named() {
    let order = Order::Little;
    let start = [section(order), interface(order, 1, 0, &[])].concat();
    let good = enhanced(order, 0, 0, &Kept::new(0, b"good"));
    let check_block = |block: &[u8], sentence: &str| {
        let file = [&start, &good, block].concat();
        let sentence = format!(
            "cannot read capture stream to its end: it is damaged: block 4 at byte 84: \
             {sentence}; what came before was read"
        );
        check_error(&file, &[Kept::new(0, b"good")], &sentence);
    };
    let change = |place: usize, value: u32| {
        let mut block = good.clone();
        block[place..place + 4].copy_from_slice(&order.u32(value));
        block
    };
    check_block(&change(4, 8), "block length: expected a multiple of 4 from 12 on, found 8");
    check_block(&change(4, 37), "block length: expected a multiple of 4 from 12 on, found 37");
    check_block(&change(4, 1 << 30), "block length: expected at most 16777216, found 1073741824");
    check_block(&change(8, 7), "interface: expected one of 1 described, found 7");
    check_block(&change(20, 5), "captured length: expected at most 4, found 5");
    check_block(&change(32, 40), "block length at the block's end: expected 36, found 40");
    check_block(&block(order, 6, &[0; 8]), "packet block: expected 32 bytes or more, found 8");
    check_block(
        &block(order, 1, &[0; 4]),
        "interface description: expected 20 bytes or more, found 4",
    );
    let mut other = section(order);
    other[8] = 0;
    check_block(&other, "byte-order magic: expected 1a2b3c4d, found 00 3c 2b 1a");
    let mut later = section(order);
    later[12] = 2;
    check_block(&later, "major version of pcapng: expected 1, found 2");
    // The process information block that broke another reader: a length below its own head.
    check_block(
        &[1, 0, 0, 0x80, 6, 0, 0, 0, 0, 0, 0, 0],
        "block length: expected a multiple of 4 from 12 on, found 6",
    );
}

#[test]
fn several_captures_are_one_source_and_errors_wait_for_the_end() {
    let (one, two) = (frames()[..1].to_vec(), frames()[1..].to_vec());
    let good = on_disk(&pcap(Order::Little, 0xa1b2_c3d4, &one));
    let whole = pcapng(Order::Big, &two);
    let cut = on_disk(&whole[..whole.len() - 1]);
    let none = on_disk(b"no capture");
    let paths: Vec<PathBuf> =
        [good.path(), none.path(), "no/such.pcap".as_ref(), cut.path(), good.path()]
            .map(PathBuf::from)
            .into();
    let mut files = CaptureFiles::new(paths);
    assert_eq!(files.bytes_total(), None);
    let (kept, error) = drain(&mut files);
    assert!(error.is_none());
    assert_eq!(kept, [&one[..], &two[..2], &one].concat());
    let errors = files.take_errors();
    assert!(matches!(
        errors[..],
        [SourceError::NotCapture { .. }, SourceError::Io { .. }, SourceError::Cut { .. }]
    ));
    assert!(files.take_errors().is_empty());

    let mut files = CaptureFiles::new([good.path().into(), good.path().into()]);
    let total = files.bytes_total();
    drain(&mut files);
    assert_eq!(Some(files.bytes_read()), total);
    assert!(drain(&mut CaptureFiles::new([])).0.is_empty());
}

#[test]
fn captures_are_told_by_their_first_bytes() {
    for order in [Order::Little, Order::Big] {
        for file in [pcap(order, 0xa1b2_c3d4, &[]), pcapng(order, &[])] {
            assert!(is_capture(&file[..4]));
            assert!(is_capture(&gzip(&file)[..4]));
            assert!(is_capture(&zstd(&file)[..4]));
        }
    }
    for other in [&b"WEIR"[..], b"", b"\xa1\xb2", b"{\"id\"", b"PK\x03\x04"] {
        assert!(!is_capture(other));
    }
}

#[test]
fn a_large_map_is_moved_along_and_reads_the_same() {
    // More than two strides of the map, in frames of many sizes up to the largest.
    let mut file = pcap(Order::Little, 0xa1b2_3c4d, &[]);
    let mut lens = Vec::new();
    for i in 0..400_u32 {
        let len = (i * 2_654_435 % 60_000) as usize
            + if i % 90 == 0 { FRAME_BYTES_MAX - 60_000 } else { 0 };
        lens.push(len);
        file.extend([i.to_le_bytes(), 0_u32.to_le_bytes()].concat());
        file.extend([Order::Little.len(len), Order::Little.len(len)].concat());
        file.extend(std::iter::repeat_n(low_byte(i64::from(i)), len));
    }
    assert!(file.len() > 9 << 20);
    let path = on_disk(&file);
    let mut mapped = CaptureFile::open(path.path()).expect("a capture");
    for (i, &len) in lens.iter().enumerate() {
        let frame = mapped.next_frame().expect("sound").expect("a frame");
        assert_eq!(frame.at, Timestamp::from_nanos(i64::try_from(i).expect("few") * 1_000_000_000));
        assert_eq!((frame.bytes.len(), frame.link), (len, LinkType(1)));
        assert!(
            frame.bytes.iter().all(|&byte| byte == low_byte(frame.at.as_nanos() / 1_000_000_000))
        );
    }
    assert!(matches!(mapped.next_frame(), Ok(None)));
}

#[test]
fn a_file_made_shorter_while_it_is_read_is_an_error() {
    let frames: Vec<_> = (0..100).map(|at| Kept::new(at * 1_000_000, &vec![3; 100_000])).collect();
    let path = on_disk(&pcap(Order::Little, 0xa1b2_c3d4, &frames));
    let mut mapped = CaptureFile::open(path.path()).expect("a capture");
    assert!(matches!(mapped.next_frame(), Ok(Some(_))));
    // What was populated stays readable only where the file still has it: keep the first stride.
    path.as_file().set_len(5 << 20).expect("shorter");
    let mut given = 1;
    let error = loop {
        match mapped.next_frame() {
            Ok(Some(_)) => given += 1,
            Ok(None) => panic!("the end came first"),
            Err(error) => break error.to_string(),
        }
    };
    assert!(given < 50);
    assert!(error.contains("it was cut to 5242880 bytes"), "{error}");
    assert!(matches!(mapped.next_frame(), Ok(None)));
}

proptest! {
    #[test]
    fn random_bytes_end(start in 0_usize..6, tail in prop::collection::vec(any::<u8>(), 0..400)) {
        let starts = [
            pcap(Order::Little, 0xa1b2_c3d4, &[]),
            pcap(Order::Big, 0xa1b2_cd34, &[]),
            pcapng(Order::Little, &frames()[..1]),
            section(Order::Big),
            vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0],
            vec![],
        ];
        let file = [&starts[start][..], &tail].concat();
        if let Ok(mut capture) = streamed(&file, 50) {
            let (kept, _) = drain(&mut capture);
            prop_assert!(kept.len() <= file.len() / 12);
        }
    }

    #[test]
    fn changed_captures_end_and_agree_mapped_and_streamed(
        which in 0_usize..3,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut file = match which {
            0 => pcap(Order::Little, 0xa1b2_c3d4, &frames()),
            1 => pcapng(Order::Little, &frames()),
            _ => pcapng(Order::Big, &frames()),
        };
        for (place, value) in changes {
            let place = place.index(file.len());
            file[place] = value;
        }
        let path = on_disk(&file);
        match (CaptureFile::open(path.path()), streamed(&file, 9)) {
            (Ok(mut mapped), Ok(mut stream)) => {
                let ((kept, error), (same, other)) = (drain(&mut mapped), drain(&mut stream));
                prop_assert_eq!(kept, same);
                prop_assert_eq!(error.is_some(), other.is_some());
            }
            (Err(_), Err(_)) => {}
            _ => prop_assert!(false, "one of them opened it"),
        }
    }

    #[test]
    fn pcap_and_pcapng_of_the_same_frames_agree(
        frames in prop::collection::vec(
            (0_i64..4_294_967_295_000_000_000, prop::collection::vec(any::<u8>(), 0..300)), 0..20),
    ) {
        let frames: Vec<_> = frames.iter().map(|(at, bytes)| Kept::new(*at, bytes)).collect();
        for order in [Order::Little, Order::Big] {
            for file in [pcap(order, 0xa1b2_3c4d, &frames), pcapng(order, &frames)] {
                let (kept, error) = drain(&mut streamed(&file, 33).expect("a capture"));
                prop_assert!(error.is_none());
                prop_assert_eq!(&kept, &frames);
            }
        }
    }
}
