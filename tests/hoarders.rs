//! Strangers who begin heads and never end them take bounded room, and it is told.

use crate::run;
use crate::tape::{ACK, SYN, Said, Talker, Tape};

const START: i64 = 1_795_242_865_000_000_000;

/// So many connections of which each sends `head_bytes` of a head that does not end.
fn hoarders(connections: u16, head_bytes: usize) -> run::Seen {
    hoarders_in(connections, head_bytes, 1400, true)
}

/// The same in packets of that size, with or without the connection's beginning.
fn hoarders_in(connections: u16, head_bytes: usize, size: usize, begins: bool) -> run::Seen {
    let mut frames = Vec::new();
    let mut head = b"GET / HTTP/1.1\r\nX: ".to_vec();
    head.resize(head_bytes, b'x');
    for number in 0..connections {
        let mut seq = 999;
        let mut send = |flags, payload: &[u8]| {
            let client_port = 10_000 + number;
            let payload = payload.to_vec();
            let len = u32::try_from(payload.len()).expect("a packet").max(u32::from(flags == SYN));
            let said =
                Said { at: START, client_port, from: Talker::Client, seq, ack: 1, flags, payload };
            frames.push(said.record());
            seq += len;
        };
        if begins {
            send(SYN, b"");
        }
        head.chunks(size).for_each(|part| send(ACK, part));
    }
    run::source(&mut Tape::new(frames), 1)
}

#[test]
fn heads_without_end_are_given_up_at_the_bound() {
    // Twice what all shards together may hold, in heads that are no longer than one may be.
    let seen = hoarders(800, 200_000);
    assert!(seen.ledger.bytes.unparsed > 60_000_000, "{:?}", seen.ledger.bytes);
    assert!(seen.exchanges.len() < 400, "{} heads were kept", seen.exchanges.len());
}

#[test]
fn heads_without_end_that_are_all_of_a_flow_are_given_up_too() {
    let seen = hoarders_in(2400, 60_000, 60_000, false);
    assert!(seen.ledger.bytes.unparsed > 60_000_000, "{:?}", seen.ledger.bytes);
    assert!(seen.exchanges.len() < 1200, "{} heads were kept", seen.exchanges.len());
}

#[test]
fn heads_below_the_bound_are_all_kept() {
    let seen = hoarders(40, 20_000);
    assert_eq!((seen.exchanges.len(), seen.ledger.bytes.unparsed), (40, 0));
}
