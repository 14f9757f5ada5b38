//! Any stream, however cut and with whatever gaps, leaves the message parser in order: it uses up
//! its input, pairs heads with ends, and gives each byte one place.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir::http::{Answering, Ended, Ending, Framing, Input, MessageEvent, MessageParser, Side};
use weir::tcp::Data;
use weir::time::Timestamp;

/// What the events have told so far.
#[derive(Default)]
struct Account {
    brought: u64,
    explained: u64,
    seen: u64,
    known: u64,
    is_open: bool,
    had_chunks: bool,
}

impl Account {
    fn note(&mut self, event: &MessageEvent<'_>) {
        match event {
            MessageEvent::Head(head) => {
                assert!(!self.is_open && head.bytes.len() <= head.header_bytes as usize);
                self.is_open = true;
                self.had_chunks |= head.framing == Framing::Chunked;
                self.explained += u64::from(head.header_bytes);
                (self.seen, self.known) = (0, 0);
            }
            MessageEvent::Body(bytes) => {
                assert!(self.is_open && !bytes.is_empty());
                let len = bytes.len() as u64;
                (self.explained, self.seen, self.known) =
                    (self.explained + len, self.seen + len, self.known + len);
            }
            MessageEvent::BodyGap(len) => {
                assert!(self.is_open && *len > 0);
                self.known += len;
            }
            MessageEvent::End(end) => {
                assert!(self.is_open);
                self.is_open = false;
                assert_eq!((end.body_seen_bytes, end.body_bytes), (self.seen, self.known));
                assert!(end.ended != Ended::TailLost || self.seen < self.known);
            }
            MessageEvent::Unparsed(len) => {
                assert!(!self.is_open && *len > 0);
                self.explained += len;
            }
        }
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((&[setting, cut], stream)) = input.split_first_chunk::<2>() else { return };
    let side = if setting & 1 == 0 { Side::Request } else { Side::Response };
    let answering = match setting >> 1 & 3 {
        0 => Answering::Head,
        1 => Answering::Connect,
        _ => Answering::Other,
    };
    let ending = match setting >> 3 & 3 {
        0 => Ending::Closed,
        1 => Ending::Reset,
        _ => Ending::Cut,
    };
    let mut parser =
        if setting & 32 == 0 { MessageParser::new(side) } else { MessageParser::searching(side) };
    let mut account = Account::default();
    let (mut offset, mut at) = (0, Timestamp::MIN);
    // Packets of `cut` bytes; a packet that begins with 0xFF stands for a gap.
    for packet in stream.chunks(usize::from(cut).max(1)) {
        at = at.plus(1);
        let mut input = match packet {
            [0xff, len, ..] => Input::gap(u64::from(*len) + 1, offset, at),
            bytes => {
                account.brought += bytes.len() as u64;
                Input::data(Data { at, offset, acknowledged: 0, bytes })
            }
        };
        offset += input.gap + input.bytes.len() as u64;
        let mut events = 0;
        while let Some(event) = parser.advance(&mut input, answering) {
            account.note(&event);
            events += 1;
            assert!(events <= 4 * packet.len() + 4, "progress");
        }
        assert!(input.is_empty() && input.offset == offset);
    }
    while let Some(event) = parser.finish(ending, at, answering) {
        account.note(&event);
    }
    assert!(parser.is_idle() && !account.is_open && parser.held_bytes() == 0);
    assert!(account.explained <= account.brought);
    assert!(account.had_chunks || account.explained == account.brought);
});
