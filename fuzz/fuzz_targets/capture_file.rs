//! The input is a capture: it must end, with one error at most, and give no more than it holds.

#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use weir::source::{CaptureFile, is_capture};

fuzz_target!(|input: &[u8]| {
    let Ok(mut capture) = CaptureFile::from_reader(Cursor::new(input.to_vec()), "input") else {
        return;
    };
    assert!(is_capture(input));
    let is_plain = !input.starts_with(&[0x1f, 0x8b]) && !matches!(input[1..], [0xb5 | 0x2a, ..]);
    let (mut frames, mut bytes) = (0, 0);
    while let Ok(Some(frame)) = capture.next_frame() {
        frames += 1;
        bytes += frame.bytes.len();
        // A bomb of compressed frames is the reader's to end, not this target's.
        if !is_plain && bytes > 64 << 20 {
            return;
        }
    }
    if is_plain {
        assert!(bytes + frames * 16 <= input.len());
    }
    assert!(matches!(capture.next_frame(), Ok(None)));
});
