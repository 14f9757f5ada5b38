//! Any bytes as a segment: every answer is a value or an error, never a panic, and whoever says a
//! segment is whole can read all of it.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use weir::exchange::Exchange;
use weir::segment::Segment;

fuzz_target!(|input: (bool, Vec<u8>)| {
    let (sealed, bytes) = input;
    let name = if sealed { "x.weir" } else { "x.weir.part" };
    let Ok(segment) = Segment::from_bytes(Path::new(name), bytes) else { return };
    let whole = segment.verify().expect("bytes at hand cannot fail to be read").is_empty();
    segment.summary().expect("bytes at hand cannot fail to be read");
    let mut exchange = Exchange::default();
    for position in 0..segment.blocks().len() {
        match segment.block(position) {
            Ok(mut block) => {
                for row in 0..block.len() {
                    let read = block.exchange(row, &mut exchange);
                    assert!(read.is_ok() || !whole, "verified, and yet unreadable");
                }
            }
            Err(error) => assert!(!whole, "verified, and yet {error}"),
        }
    }
});
