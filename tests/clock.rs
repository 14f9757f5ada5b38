//! One wrong time stamp in a capture costs no other connection its exchanges.

use weir::exchange::State;

use crate::run;
use crate::tape::{ACK, SYN, Said, Talker, Tape};

const START: i64 = 1_795_242_865_000_000_000;
const HOUR: i64 = 3_600_000_000_000;

/// A request, whatever `between` says on another connection, and the response.
fn states(between: &[i64]) -> Vec<State> {
    let said = |at, client_port, from, (seq, ack), flags, payload: &[u8]| {
        Said { at, client_port, from, seq, ack, flags, payload: payload.to_vec() }.record()
    };
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let response = b"HTTP/1.1 204 No Content\r\n\r\n";
    let asked = 1000 + u32::try_from(request.len()).expect("short");
    let mut frames = vec![
        said(START, 40_000, Talker::Client, (999, 0), SYN, b""),
        said(START, 40_000, Talker::Server, (999, 1000), SYN | ACK, b""),
        said(START, 40_000, Talker::Client, (1000, 1000), ACK, request),
    ];
    for at in between {
        frames.push(said(START + at, 50_000, Talker::Client, (1, 0), SYN, b""));
    }
    frames.push(said(START + 5_000_000, 40_000, Talker::Server, (1000, asked), ACK, response));
    let seen = run::source(&mut Tape::new(frames), 1);
    seen.exchanges.iter().map(|exchange| exchange.facts.state).collect()
}

#[test]
fn one_stamp_far_ahead_expires_nothing() {
    assert_eq!(states(&[10_000 * HOUR]), [State::Complete]);
}

#[test]
fn a_leap_that_a_second_stamp_confirms_is_believed() {
    let leapt = states(&[10_000 * HOUR, 10_000 * HOUR + 1]);
    assert_eq!(leapt, [State::Unanswered, State::Orphan]);
}
