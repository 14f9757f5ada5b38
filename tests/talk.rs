//! Conversations made at random for the properties: what was said, as frames, and the exchanges
//! that a perfect observer would list.

use std::fmt::Write as _;

use proptest::prelude::*;

use crate::tape::{ACK, FIN, Recorded, SYN, Said, Talker};

/// How a body is sent.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    None,
    Length(usize),
    Chunked(Vec<usize>),
}

/// One request and its response.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    method: &'static str,
    status: u16,
    interim: u8,
    up: Body,
    down: Body,
    /// Bytes of the packets of both messages.
    packet_bytes: usize,
    /// Microseconds between packets, and before the response.
    step_us: i64,
    think_us: i64,
    /// Whether the next request is sent before the response to this one.
    is_pipelined: bool,
    /// Whether receivers acknowledge the messages without data.
    is_acknowledged: bool,
}

/// One connection.
#[derive(Clone)]
pub(crate) struct Talk {
    pub(crate) turns: Vec<Turn>,
    initial: [u32; 2],
    start_us: i64,
    is_closed: bool,
}

/// On one line: a failing property shows several of them.
impl std::fmt::Debug for Talk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { turns, initial, start_us, is_closed } = self;
        write!(f, "initial {initial:?} start {start_us} closed {is_closed}: {turns:?}")
    }
}

/// What a perfect observer lists of an exchange.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Perfect {
    pub(crate) target: String,
    pub(crate) line: String,
}

/// A frame, whose it is, and whether it holds bytes of this request's head.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) frame: Recorded,
    pub(crate) from: Talker,
    pub(crate) heads: Vec<String>,
    pub(crate) is_handshake: bool,
}

const START: i64 = 1_795_242_865_000_000_000;

fn any_body() -> impl Strategy<Value = Body> {
    prop_oneof![
        2 => Just(Body::None),
        3 => (0_usize..4000).prop_map(Body::Length),
        2 => proptest::collection::vec(1_usize..900, 0..5).prop_map(Body::Chunked),
    ]
}

pub(crate) fn any_turn(pipelined: bool) -> impl Strategy<Value = Turn> {
    let methods = prop::sample::select(vec!["GET", "GET", "POST", "HEAD", "PUT"]);
    let statuses = prop::sample::select(vec![200, 200, 404, 204, 304, 500]);
    let sizes = prop::sample::select(vec![7_usize, 100, 1448, 1448, 9000]);
    let next = prop::bool::weighted(if pipelined { 0.3 } else { 0.0 });
    let times = (1_i64..900, 0_i64..50_000);
    (methods, statuses, 0_u8..3, any_body(), any_body(), sizes, times, next, any::<bool>())
        .prop_map(
            |(
                method,
                status,
                interim,
                up,
                down,
                packet_bytes,
                times,
                is_pipelined,
                is_acknowledged,
            )| {
                let up = if matches!(method, "GET" | "HEAD") { Body::None } else { up };
                // Tiny packets only for small messages, so that the tapes stay short.
                let is_large = body_bytes(&up).max(body_bytes(&down)) > 300;
                let packet_bytes = if is_large { packet_bytes.max(100) } else { packet_bytes };
                let (step_us, think_us) = times;
                Turn {
                    method,
                    status,
                    interim,
                    up,
                    down,
                    packet_bytes,
                    step_us,
                    think_us,
                    is_pipelined,
                    is_acknowledged,
                }
            },
        )
}

/// Several connections at once; `pipelined`: with requests that do not wait.
pub(crate) fn any_talks(pipelined: bool) -> impl Strategy<Value = Vec<Talk>> {
    let talk = (
        proptest::collection::vec(any_turn(pipelined), 1..9),
        any::<[u32; 2]>(),
        0_i64..40_000,
        any::<bool>(),
    )
        .prop_map(|(turns, initial, start_us, is_closed)| Talk {
            turns,
            initial,
            start_us,
            is_closed,
        });
    proptest::collection::vec(talk, 1..5)
}

/// All connections as one capture, in the order of the stamps, and what is to be listed.
pub(crate) fn play(talks: &[Talk]) -> (Vec<Sent>, Vec<Perfect>) {
    let mut sent = Vec::new();
    let mut perfect = Vec::new();
    for (number, talk) in talks.iter().enumerate() {
        let mut speech = Speech::new(talk, 41_000 + u16::try_from(number).expect("few"));
        perfect.extend(speech.hold());
        sent.extend(speech.sent);
    }
    sent.sort_by_key(|sent| sent.frame.at);
    perfect.sort();
    (sent, perfect)
}

/// A connection being spoken.
struct Speech<'t> {
    talk: &'t Talk,
    port: u16,
    now: i64,
    said: [u32; 2],
    sent: Vec<Sent>,
}

/// When a message began and ended.
#[derive(Clone, Copy)]
struct Span(i64, i64);

impl<'t> Speech<'t> {
    fn new(talk: &'t Talk, port: u16) -> Self {
        Self { talk, port, now: START + talk.start_us * 1000, said: [0, 0], sent: Vec::new() }
    }

    fn hold(&mut self) -> Vec<Perfect> {
        self.packet(Talker::Client, SYN, Vec::new());
        self.now += 150_000;
        self.packet(Talker::Server, SYN | ACK, Vec::new());
        self.now += 150_000;
        self.packet(Talker::Client, ACK, Vec::new());
        let mut perfect = Vec::new();
        let mut waiting: Vec<(usize, Span)> = Vec::new();
        let mut previous_end = i64::MIN;
        let turns = &self.talk.turns;
        for (index, turn) in turns.iter().enumerate() {
            self.now += 1_000_000;
            let target = format!("/{}/{index}", self.port);
            let (head, body) = (request_head(turn, &target), encode(&turn.up));
            let span = self.message(Talker::Client, turn, &head, &body, Some(&target));
            waiting.push((index, span));
            if turn.is_pipelined && index + 1 < turns.len() {
                continue;
            }
            for (index, request) in waiting.drain(..) {
                let turn = &turns[index];
                let target = format!("/{}/{index}", self.port);
                self.now += turn.think_us * 1000;
                for _ in 0..turn.interim {
                    let interim = b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n";
                    self.message(Talker::Server, turn, interim, &[], None);
                }
                let head = response_head(turn, &target);
                let is_bodiless = turn.method == "HEAD" || matches!(turn.status, 204 | 304);
                let body = if is_bodiless { Vec::new() } else { encode(&turn.down) };
                let response = self.message(Talker::Server, turn, &head, &body, None);
                perfect.push(listed(turn, &target, index, (request, response, previous_end)));
                previous_end = response.1;
            }
        }
        if self.talk.is_closed {
            self.now += 1_000_000;
            self.packet(Talker::Client, FIN | ACK, Vec::new());
            self.now += 100_000;
            self.packet(Talker::Server, FIN | ACK, Vec::new());
            self.now += 100_000;
            self.packet(Talker::Client, ACK, Vec::new());
        }
        perfect
    }

    /// Says a message in packets.
    #[expect(clippy::too_many_arguments, reason = "a message and who says it how")]
    fn message(
        &mut self,
        from: Talker,
        turn: &Turn,
        head: &[u8],
        body: &[u8],
        request: Option<&str>,
    ) -> Span {
        let bytes = [head, body].concat();
        let began = self.now;
        let mut ended = began;
        for (piece, bytes) in bytes.chunks(turn.packet_bytes).enumerate() {
            ended = self.now;
            let is_in_head = piece * turn.packet_bytes < head.len();
            self.packet(from, ACK, bytes.to_vec());
            if let (Some(request), true, Some(last)) = (request, is_in_head, self.sent.last_mut()) {
                last.heads.push(request.to_owned());
            }
            self.now += turn.step_us * 1000;
        }
        if turn.is_acknowledged {
            self.packet(from.other(), ACK, Vec::new());
        }
        Span(began, ended)
    }

    fn packet(&mut self, from: Talker, flags: u8, payload: Vec<u8>) {
        let [own, other] = [from as usize, from.other() as usize];
        let number =
            |index: usize, said: u32| self.talk.initial[index].wrapping_add(1).wrapping_add(said);
        let is_syn = flags & SYN != 0;
        let said = Said {
            at: self.now,
            client_port: self.port,
            from,
            seq: number(own, self.said[own]).wrapping_sub(u32::from(is_syn)),
            ack: if flags & ACK == 0 { 0 } else { number(other, self.said[other]) },
            flags,
            payload,
        };
        self.said[own] += u32::try_from(said.payload.len()).expect("a short packet");
        self.said[own] += u32::from(flags & FIN != 0);
        let is_handshake = self.sent.len() < 3;
        let id = u16::try_from(self.sent.len() + 1).expect("a short talk");
        let (frame, heads) = (said.record().identified(id), Vec::new());
        self.sent.push(Sent { frame, from, heads, is_handshake });
    }
}

fn request_head(turn: &Turn, target: &str) -> Vec<u8> {
    let mut head = format!("{} {target} HTTP/1.1\r\nHost: shop.test\r\n", turn.method);
    write_framing(&mut head, &turn.up);
    head.push_str("\r\n");
    head.into_bytes()
}

fn response_head(turn: &Turn, target: &str) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {} Said\r\nX-Answers: {target}\r\n", turn.status);
    match turn.down {
        Body::None => head.push_str("Content-Length: 0\r\n"),
        _ => write_framing(&mut head, &turn.down),
    }
    head.push_str("\r\n");
    head.into_bytes()
}

fn write_framing(head: &mut String, body: &Body) {
    match body {
        Body::None => {}
        Body::Length(len) => write!(head, "Content-Length: {len}\r\n").expect("text"),
        Body::Chunked(_) => head.push_str("Transfer-Encoding: chunked\r\n"),
    }
}

fn encode(body: &Body) -> Vec<u8> {
    match body {
        Body::None => Vec::new(),
        Body::Length(len) => vec![b'.'; *len],
        Body::Chunked(sizes) => {
            let mut bytes = Vec::new();
            for size in sizes {
                bytes.extend(format!("{size:x}\r\n").bytes());
                bytes.extend(std::iter::repeat_n(b'.', *size));
                bytes.extend(b"\r\n");
            }
            bytes.extend(b"0\r\n\r\n");
            bytes
        }
    }
}

fn body_bytes(body: &Body) -> usize {
    match body {
        Body::None => 0,
        Body::Length(len) => *len,
        Body::Chunked(sizes) => sizes.iter().sum(),
    }
}

/// The exchange as the model has it.
fn listed(
    turn: &Turn,
    target: &str,
    index: usize,
    (request, response, previous_end): (Span, Span, i64),
) -> Perfect {
    let is_bodiless = turn.method == "HEAD" || matches!(turn.status, 204 | 304);
    let body = if is_bodiless { 0 } else { body_bytes(&turn.down) };
    let wait = response.0 - request.1;
    let blocked = previous_end.saturating_sub(request.1).clamp(0, wait);
    let connect = if index == 0 { Some(300_000) } else { None };
    let line = format!(
        "{} {} sent={} body={body} interim={} start={} connect={connect:?} send={} blocked={blocked} \
         wait={wait} receive={} total={}",
        turn.method,
        turn.status,
        body_bytes(&turn.up),
        turn.interim,
        request.0,
        request.1 - request.0,
        response.1 - response.0,
        response.1 - request.0,
    );
    Perfect { target: target.to_owned(), line }
}
