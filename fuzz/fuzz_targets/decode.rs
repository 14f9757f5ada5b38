//! Frames made of the input go through one decoder: nothing may panic, no payload may be longer
//! than what was given, and no more fragments may be lost than were skipped.

#![no_main]

use libfuzzer_sys::fuzz_target;
use weir::decode::Decoder;
use weir::ledger::Skip;
use weir::limits::WIRE_BYTES_MAX;
use weir::packet::{Frame, LinkType};
use weir::time::Timestamp;

const LINKS: [u16; 14] = [1, 0, 9, 12, 14, 50, 51, 101, 108, 113, 228, 229, 276, 7];

fuzz_target!(|input: &[u8]| {
    let mut decoder = Decoder::new();
    let (mut rest, mut given, mut fragments) = (input, 0, 0);
    // A frame: link type, seconds passed, bytes cut off, length, bytes.
    let mut at = Timestamp::from_nanos(0);
    while let Some((&[link, passed, cut, len], tail)) = rest.split_first_chunk() {
        let (bytes, after) = tail.split_at(usize::from(len).min(tail.len()));
        rest = after;
        given += bytes.len();
        at = at.plus(u64::from(passed) * 100_000_000);
        let link = LinkType(LINKS[usize::from(link) % LINKS.len()]);
        let wire_len = bytes.len() as u32 + u32::from(cut) * 1000;
        match decoder.decode(&Frame { at, bytes, wire_len, link }) {
            Ok(packet) => {
                assert!(packet.payload.len() <= given);
                assert!(packet.cut as usize <= WIRE_BYTES_MAX.max(usize::from(u16::MAX)));
            }
            Err(Skip::Fragment) => fragments += 1,
            Err(_) => {}
        }
    }
    assert!(decoder.finish() <= fragments + 1);
});
