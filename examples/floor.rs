//! The floor: what a program must at least do to find the HTTP exchanges in a capture, and no more.
//!
//!     floor CAPTURE > exchanges.tsv       a line an exchange; the totals on standard error
//!
//! It is what Weir's speed is held against, and no alternative to it. One thread, none of Weir's
//! code: `read(2)` into 128 KiB, headers sliced by hand, one look-up a packet, bytes in order taken
//! where they lie, `httparse` for heads, bodies of known length skipped without being touched.
//!
//! **It leaves out** what makes an answer trustworthy: anything but classic little-endian captures
//! of Ethernet, IPv4 and TCP (no IPv6, tags, tunnels, fragments, pcapng, compression, pipes); gaps (a lost packet
//! stalls its direction for good); packets that two sides of a host saw in another order; bounds
//! on anything but early bytes; responses cut off, requests never answered; redaction, routes,
//! identities, anomalies, a ledger; escaping of what strangers wrote. Checksums Weir leaves out too.

#![expect(clippy::indexing_slicing, reason = "the point is to see what checks and care cost")]
#![expect(clippy::cast_possible_truncation, reason = "positions are below 128 KiB")]

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufWriter, Read as _, StdoutLock, Write as _};
use std::mem::MaybeUninit;

use hashbrown::HashMap;
use httparse::{Header, ParserConfig, Status};

const BUFFER_BYTES: usize = 128 << 10;
const HEADERS: usize = 64;
/// What a direction may hold that came before its turn; beyond it the direction is given up.
const EARLY_BYTES: usize = 4 << 20;

fn main() -> io::Result<()> {
    let Some(path) = std::env::args_os().nth(1) else {
        return Err(io::Error::other("usage: floor CAPTURE"));
    };
    let mut floor = Floor::new();
    walk(&mut File::open(path)?, |at, frame| floor.frame(at, frame))?;
    floor.out.lines.flush()?;
    let Totals { exchanges, response_bytes, request_bytes } = floor.out.totals;
    eprintln!(
        "exchanges {exchanges} response_bytes {response_bytes} request_bytes {request_bytes}"
    );
    Ok(())
}

/// Calls `each` with the time (ns since 1970) and the bytes of every frame.
fn walk(file: &mut File, mut each: impl FnMut(u64, &[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut header = [0; 24];
    file.read_exact(&mut header)?;
    let nanos_each = match le32(&header) {
        0xa1b2_c3d4 => 1000,
        0xa1b2_3c4d => 1,
        _ => return Err(io::Error::other("only classic little-endian captures are read")),
    };
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut len = 0;
    loop {
        let read = file.read(&mut buffer[len..])?;
        if read == 0 {
            return Ok(());
        }
        len += read;
        let mut rest = &buffer[..len];
        while rest.len() >= 16 {
            let size = 16 + le32(&rest[8..]) as usize;
            if size > BUFFER_BYTES {
                return Err(io::Error::other("a frame is longer than the buffer"));
            }
            if rest.len() < size {
                break;
            }
            let at =
                u64::from(le32(rest)) * 1_000_000_000 + u64::from(le32(&rest[4..])) * nanos_each;
            each(at, &rest[16..size])?;
            rest = &rest[size..];
        }
        let left = rest.len();
        buffer.copy_within(len - left..len, 0);
        len = left;
    }
}

/// A TCP packet: one end of its connection is 0, the other 1, whichever way it goes.
struct Packet<'a> {
    key: Key,
    from: usize,
    seq: u32,
    flags: u8,
    payload: &'a [u8],
}

/// Both addresses and both ports, the lower end first: 12 bytes.
#[derive(PartialEq, Eq, Hash, Clone, Copy)]
struct Key {
    addresses: u64,
    ports: u32,
}

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

impl<'a> Packet<'a> {
    #[inline]
    fn slice(frame: &'a [u8]) -> Option<Self> {
        if frame.len() < 14 + 20 + 20 || frame[12..14] != [8, 0] || frame[14] >> 4 != 4 {
            return None;
        }
        let ip = &frame[14..];
        let is_fragment = be16(&ip[6..]) & 0x3fff != 0;
        if ip[9] != 6 || is_fragment {
            return None;
        }
        let header_len = usize::from(ip[0] & 15) * 4;
        let total_len = match usize::from(be16(&ip[2..])) {
            0 => ip.len(), // the network card was to cut it
            len => len.min(ip.len()),
        };
        let tcp = ip.get(header_len..total_len)?;
        let payload = tcp.get(usize::from(tcp.get(12)? >> 4) * 4..)?;
        let source = (be32(&ip[12..]), be16(tcp));
        let target = (be32(&ip[16..]), be16(&tcp[2..]));
        let (low, high) = if source < target { (source, target) } else { (target, source) };
        let key = Key {
            addresses: u64::from(low.0) << 32 | u64::from(high.0),
            ports: u32::from(low.1) << 16 | u32::from(high.1),
        };
        let from = usize::from(source > target);
        Some(Packet { key, from, seq: be32(&tcp[4..]), flags: tcp[13], payload })
    }
}

/// The connections, by key; a slot of the pool keeps its buffers for the next connection.
struct Floor {
    table: HashMap<Key, u32, foldhash::fast::RandomState>,
    pool: Vec<Flow>,
    free: Vec<u32>,
    out: Output,
}

impl Floor {
    fn new() -> Self {
        Floor {
            table: HashMap::default(),
            pool: Vec::new(),
            free: Vec::new(),
            out: Output {
                lines: BufWriter::with_capacity(BUFFER_BYTES, io::stdout().lock()),
                totals: Totals::default(),
                spare: Vec::new(),
            },
        }
    }

    #[inline]
    fn frame(&mut self, at: u64, frame: &[u8]) -> io::Result<()> {
        let Some(packet) = Packet::slice(frame) else {
            return Ok(());
        };
        let opens = packet.flags & (SYN | ACK) == SYN;
        let slot = match self.table.get(&packet.key) {
            Some(slot) => *slot,
            None if opens || !packet.payload.is_empty() => self.open(packet.key),
            None => return Ok(()),
        };
        let flow = &mut self.pool[slot as usize];
        if packet.flags & SYN != 0 {
            flow.handshake(&packet, opens);
        }
        if !packet.payload.is_empty() || packet.flags & FIN != 0 {
            flow.push(at, &packet, &mut self.out)?;
        }
        if packet.flags & RST != 0 || flow.halves.iter().all(|half| half.has_ended) {
            flow.reset();
            self.table.remove(&packet.key);
            self.free.push(slot);
        }
        Ok(())
    }

    fn open(&mut self, key: Key) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.pool.push(Flow::default());
            self.pool.len() as u32 - 1
        });
        self.table.insert(key, slot);
        slot
    }
}

/// A connection.
#[derive(Default)]
struct Flow {
    halves: [Half; 2],
    /// The half that asks, once it is known.
    client: Option<usize>,
    /// Requests not answered yet, oldest first; the last may still be under way.
    asked: VecDeque<Request>,
    answer: Answer,
}

/// One direction: where it stands in its bytes, and in its messages.
#[derive(Default)]
struct Half {
    next: Option<u32>,
    fin: Option<u32>,
    has_ended: bool,
    /// Packets that came before their turn.
    early: Vec<(u32, Vec<u8>)>,
    early_bytes: usize,
    /// The beginning of a head that is not whole yet.
    head: Vec<u8>,
    state: State,
}

/// What the next byte of a direction belongs to.
#[derive(Default, Clone, Copy)]
enum State {
    #[default]
    Head,
    /// A body of which so many bytes are left.
    Length(u64),
    ToClose,
    /// A line with a chunk's size; `true` when the digits are over.
    Size(u64, bool),
    Chunk(u64),
    /// The line end after a chunk.
    ChunkEnd,
    /// A trailer line of which so many bytes were seen.
    Trailer(u32),
    /// Not HTTP, or more early bytes than are held.
    Lost,
}

struct Request {
    start: u64,
    end: u64,
    is_head: bool,
    /// Method, tab, target.
    line: Vec<u8>,
}

#[derive(Default)]
struct Answer {
    start: u64,
    status: u16,
    body_bytes: u64,
}

impl Flow {
    fn reset(&mut self) {
        for half in &mut self.halves {
            let mut head = std::mem::take(&mut half.head);
            head.clear();
            *half = Half { head, ..Half::default() };
        }
        self.client = None;
        self.asked.clear();
        self.answer = Answer::default();
    }

    fn handshake(&mut self, packet: &Packet, opens: bool) {
        let first = packet.seq.wrapping_add(1);
        let is_repeated = self.halves[packet.from].next == Some(first);
        if opens && !is_repeated {
            self.reset();
            self.client = Some(packet.from);
        }
        self.halves[packet.from].next.get_or_insert(first);
    }

    #[inline]
    fn push(&mut self, at: u64, packet: &Packet, out: &mut Output) -> io::Result<()> {
        let half = &mut self.halves[packet.from];
        let next = *half.next.get_or_insert(packet.seq);
        let payload = packet.payload;
        if packet.flags & FIN != 0 {
            half.fin = Some(packet.seq.wrapping_add(payload.len() as u32));
        }
        let ahead = packet.seq.wrapping_sub(next).cast_signed();
        if ahead > 0 {
            half.early_bytes += payload.len();
            if half.early_bytes > EARLY_BYTES {
                half.early.clear();
                half.state = State::Lost;
            } else if !payload.is_empty() {
                half.early.push((packet.seq, payload.to_vec()));
            }
            return Ok(());
        }
        let seen = ahead.unsigned_abs() as usize;
        if seen < payload.len() {
            self.in_order(at, packet.from, &payload[seen..], out)?;
        }
        if !self.halves[packet.from].early.is_empty() {
            self.catch_up(at, packet.from, out)?;
        }
        let half = &mut self.halves[packet.from];
        if half.fin.is_some() && half.fin == half.next {
            half.has_ended = true;
            if matches!(half.state, State::ToClose) {
                half.state = State::Head;
                self.answered(at, out)?;
            }
        }
        Ok(())
    }

    /// Takes the early packets whose turn has come.
    fn catch_up(&mut self, at: u64, from: usize, out: &mut Output) -> io::Result<()> {
        loop {
            let half = &mut self.halves[from];
            let next = half.next.unwrap_or(0);
            let is_due = |(seq, _): &(u32, _)| seq.wrapping_sub(next).cast_signed() <= 0;
            let Some(position) = half.early.iter().position(is_due) else {
                return Ok(());
            };
            let (seq, bytes) = half.early.swap_remove(position);
            half.early_bytes -= bytes.len();
            let seen = next.wrapping_sub(seq) as usize;
            if seen < bytes.len() {
                self.in_order(at, from, &bytes[seen..], out)?;
            }
        }
    }

    #[inline]
    fn in_order(
        &mut self,
        at: u64,
        from: usize,
        mut bytes: &[u8],
        out: &mut Output,
    ) -> io::Result<()> {
        let half = &mut self.halves[from];
        half.next = half.next.map(|next| next.wrapping_add(bytes.len() as u32));
        if self.client.is_none() {
            self.client = Some(if bytes.starts_with(b"HTTP/") { 1 - from } else { from });
        }
        let is_client = self.client == Some(from);
        while !bytes.is_empty() {
            let (used, body_bytes, has_ended) = match self.halves[from].state {
                State::Head => match self.head(at, from, bytes, out) {
                    Some((used, has_ended)) => (used, 0, has_ended),
                    None => return Ok(()),
                },
                State::Lost => return Ok(()),
                _ => self.halves[from].body(bytes),
            };
            bytes = &bytes[used..];
            if is_client {
                out.totals.request_bytes += body_bytes;
            } else {
                self.answer.body_bytes += body_bytes;
                out.totals.response_bytes += body_bytes;
            }
            if has_ended {
                self.halves[from].state = State::Head;
                if is_client {
                    if let Some(request) = self.asked.back_mut() {
                        request.end = at;
                    }
                } else {
                    self.answered(at, out)?;
                }
            }
        }
        Ok(())
    }

    /// Reads a head: how many of the bytes it took, and whether the message ends with it.
    #[inline]
    fn head(
        &mut self,
        at: u64,
        from: usize,
        bytes: &[u8],
        out: &mut Output,
    ) -> Option<(usize, bool)> {
        let is_client = self.client == Some(from);
        let half = &mut self.halves[from];
        let before = half.head.len();
        if before == 0 && is_client {
            // The last one of `asked` is under way from its first byte on, for its start.
            let line = out.spare.pop().unwrap_or_default();
            self.asked.push_back(Request { start: at, end: at, is_head: false, line });
        } else if before == 0 {
            self.answer = Answer { start: at, ..Answer::default() };
        }
        let text = if before == 0 {
            bytes
        } else {
            half.head.extend_from_slice(bytes);
            &half.head
        };
        let parsed = if is_client {
            self.asked.back_mut().map_or(Head::Broken, |request| Head::of_request(text, request))
        } else {
            let is_head = self.asked.front().is_some_and(|request| request.is_head);
            Head::of_response(text, &mut self.answer, is_head)
        };
        match parsed {
            Head::Whole { len, state } => {
                half.head.clear();
                half.state = state;
                Some((len - before, matches!(state, State::Head)))
            }
            Head::Partial => {
                if before == 0 {
                    half.head.extend_from_slice(bytes);
                }
                None
            }
            Head::Broken => {
                half.state = State::Lost;
                None
            }
        }
    }

    /// A response has ended: the line of its exchange.
    #[inline]
    fn answered(&mut self, at: u64, out: &mut Output) -> io::Result<()> {
        if self.answer.status < 200 {
            return Ok(());
        }
        match self.asked.pop_front() {
            Some(request) => out.line(request, &self.answer, at),
            None => Ok(()),
        }
    }
}

impl Half {
    /// Takes body bytes: how many of them, how many were content, and whether it is the end.
    #[inline]
    fn body(&mut self, bytes: &[u8]) -> (usize, u64, bool) {
        match &mut self.state {
            State::Length(left) => {
                let used = (*left).min(bytes.len() as u64);
                *left -= used;
                (used as usize, used, *left == 0)
            }
            State::Chunk(left) => {
                let used = (*left).min(bytes.len() as u64);
                *left -= used;
                if *left == 0 {
                    self.state = State::ChunkEnd;
                }
                (used as usize, used, false)
            }
            State::Size(size, is_over) => {
                for (position, byte) in bytes.iter().enumerate() {
                    match (char::from(*byte).to_digit(16), byte) {
                        (_, b'\n') => {
                            let size = *size;
                            self.state =
                                if size == 0 { State::Trailer(0) } else { State::Chunk(size) };
                            return (position + 1, 0, false);
                        }
                        (Some(digit), _) if !*is_over => *size = *size << 4 | u64::from(digit),
                        _ => *is_over = true,
                    }
                }
                (bytes.len(), 0, false)
            }
            State::ChunkEnd => {
                let end = bytes.iter().position(|byte| *byte == b'\n');
                if end.is_some() {
                    self.state = State::Size(0, false);
                }
                (end.map_or(bytes.len(), |end| end + 1), 0, false)
            }
            State::Trailer(seen) => {
                for (position, byte) in bytes.iter().enumerate() {
                    match byte {
                        b'\n' if *seen == 0 => return (position + 1, 0, true),
                        b'\n' => *seen = 0,
                        b'\r' => {}
                        _ => *seen += 1,
                    }
                }
                (bytes.len(), 0, false)
            }
            State::Head | State::ToClose | State::Lost => (bytes.len(), bytes.len() as u64, false),
        }
    }
}

enum Head {
    /// So long, and then this; `State::Head` where there is no body.
    Whole {
        len: usize,
        state: State,
    },
    Partial,
    Broken,
}

impl Head {
    #[inline]
    fn of_request(text: &[u8], request: &mut Request) -> Head {
        let mut headers = [const { MaybeUninit::uninit() }; HEADERS];
        let mut parsed = httparse::Request::new(&mut []);
        let len = match parsed.parse_with_uninit_headers(text, &mut headers) {
            Ok(Status::Complete(len)) => len,
            Ok(Status::Partial) => return Head::Partial,
            Err(_) => return Head::Broken,
        };
        let method = parsed.method.unwrap_or_default();
        request.is_head = method == "HEAD";
        request.line.clear();
        request.line.extend_from_slice(method.as_bytes());
        request.line.push(b'\t');
        request.line.extend_from_slice(parsed.path.unwrap_or_default().as_bytes());
        Head::Whole { len, state: body_of(parsed.headers).unwrap_or(State::Head) }
    }

    #[inline]
    fn of_response(text: &[u8], answer: &mut Answer, to_head: bool) -> Head {
        let mut headers = [const { MaybeUninit::uninit() }; HEADERS];
        let mut parsed = httparse::Response::new(&mut []);
        let config = ParserConfig::default();
        let len = match config.parse_response_with_uninit_headers(&mut parsed, text, &mut headers) {
            Ok(Status::Complete(len)) => len,
            Ok(Status::Partial) => return Head::Partial,
            Err(_) => return Head::Broken,
        };
        answer.status = parsed.code.unwrap_or_default();
        let has_body = !to_head && !matches!(answer.status, ..200 | 204 | 304);
        let body = has_body.then(|| body_of(parsed.headers).unwrap_or(State::ToClose));
        Head::Whole { len, state: body.unwrap_or(State::Head) }
    }
}

/// How the body ends, if a header says so; `State::Head` is a body of no bytes.
#[inline]
fn body_of(headers: &[Header]) -> Option<State> {
    let mut body = None;
    for header in headers {
        if header.name.len() == 14 && header.name.eq_ignore_ascii_case("content-length") {
            let length = std::str::from_utf8(header.value).ok()?.parse().ok()?;
            body.get_or_insert(if length == 0 { State::Head } else { State::Length(length) });
        } else if header.name.len() == 17 && header.name.eq_ignore_ascii_case("transfer-encoding") {
            body = Some(State::Size(0, false));
        }
    }
    body
}

/// The lines, and what they add up to.
struct Output {
    lines: BufWriter<StdoutLock<'static>>,
    totals: Totals,
    /// Room of lines that were printed, for lines to come.
    spare: Vec<Vec<u8>>,
}

#[derive(Default)]
struct Totals {
    exchanges: u64,
    response_bytes: u64,
    request_bytes: u64,
}

impl Output {
    /// Start (ns since 1970), method, target, status, body bytes, wait and total (ns).
    #[inline]
    fn line(&mut self, request: Request, answer: &Answer, end: u64) -> io::Result<()> {
        let Request { start, end: asked, line, .. } = request;
        self.totals.exchanges += 1;
        write!(self.lines, "{start}\t")?;
        self.lines.write_all(&line)?;
        let wait = answer.start.saturating_sub(asked);
        let total = end.saturating_sub(start);
        let Answer { status, body_bytes, .. } = answer;
        writeln!(self.lines, "\t{status}\t{body_bytes}\t{wait}\t{total}")?;
        self.spare.push(line);
        Ok(())
    }
}

#[inline]
fn le32(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

#[inline]
fn be32(bytes: &[u8]) -> u32 {
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

#[inline]
fn be16(bytes: &[u8]) -> u16 {
    u16::from_be_bytes([bytes[0], bytes[1]])
}
