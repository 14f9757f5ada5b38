//! Any bytes as a segment: every answer is a value or an error, never a panic, and whoever says a
//! segment is whole can read all of it.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use weir::exchange::Exchange;
use weir::query::{ExchangeText, Filter, Metric};
use weir::segment::{Segment, Summary};

fuzz_target!(|input: (bool, Vec<u8>)| {
    let (sealed, bytes) = input;
    let name = if sealed { "x.weir" } else { "x.weir.part" };
    let Ok(segment) = Segment::from_bytes(Path::new(name), bytes) else { return };
    let whole = segment.verify().expect("bytes at hand cannot fail to be read").is_empty();
    let summary = segment.summary().expect("bytes at hand cannot fail to be read");
    let mut totals = Summary::default();
    segment.add_summary(Metric::Total, &mut totals).expect("bytes at hand cannot fail to be read");
    // Of a damaged footer each answer falls back to the blocks by itself.
    let same = totals.exchanges() == summary.exchanges();
    assert!(same || !whole, "all metrics or one: the same exchanges");
    let filter = Filter::parse("status >= 500 or not total > 1ms").expect("an expression");
    let mut exchange = Exchange::default();
    for position in 0..segment.blocks().len() {
        match segment.block(position) {
            Ok(mut block) => {
                if let Some(candidates) = filter.candidates(&segment, position) {
                    for row in (0..block.len()).filter(|row| !holds(&candidates, *row)) {
                        let facts = block.facts(row);
                        let passes = filter.matches(&facts, &mut ExchangeText::new(&exchange));
                        assert!(!passes, "row {row} passes, and a glance left it out");
                    }
                }
                for row in 0..block.len() {
                    let read = block.exchange(row, &mut exchange);
                    assert!(read.is_ok() || !whole, "verified, and yet unreadable");
                }
            }
            Err(error) => assert!(!whole, "verified, and yet {error}"),
        }
    }
});

fn holds(candidates: &[u16], row: usize) -> bool {
    candidates.iter().any(|candidate| usize::from(*candidate) == row)
}
