//! A connection: what its two ends will send, a packet at a time.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;

use crate::message::Exchange;
use crate::noise::Noise;
use crate::wire::{End, Header, Mark, Wire};

const CLIENT: usize = 0;
const SERVER: usize = 1;

/// Nanoseconds over the network, one way, and between packets of one message.
const FLIGHT_NS: u64 = 20_000;
const STEP_NS: u64 = 2_000;

/// Between whom, and from when on.
pub(crate) struct Opened {
    pub(crate) client: End,
    pub(crate) server: End,
    /// Nanoseconds since the beginning of the trace.
    pub(crate) at: u64,
}

/// A packet to come.
struct Step {
    from: usize,
    /// Nanoseconds after the one before.
    wait_ns: u64,
    mark: Mark,
    /// Of the bytes that its end sends in this exchange.
    bytes: Range<usize>,
}

pub(crate) struct Connection {
    ends: [End; 2],
    /// The next byte of each end.
    seq: [u32; 2],
    /// When the last packet was sent.
    at: u64,
    packet_bytes: usize,
    steps: VecDeque<Step>,
    messages: [Vec<u8>; 2],
}

impl Connection {
    /// A connection with its handshake to come.
    pub(crate) fn open(opened: &Opened, packet_bytes: usize) -> Self {
        let Opened { client, server, at } = *opened;
        let mut noise = Noise::new(at ^ u64::from(client.1) << 32);
        let seq = [noise.next() as u32, noise.next() as u32];
        let handshake = [(CLIENT, Mark::Syn), (SERVER, Mark::Syn), (CLIENT, Mark::None)];
        let steps =
            handshake.map(|(from, mark)| Step { from, wait_ns: FLIGHT_NS, mark, bytes: 0..0 });
        Self {
            ends: [client, server],
            seq,
            at,
            packet_bytes,
            steps: steps.into(),
            messages: [Vec::new(), Vec::new()],
        }
    }

    /// Plans an exchange, to be sent after what is planned already.
    pub(crate) fn converse(&mut self, exchange: Exchange, noise: &mut Noise) {
        let Exchange { request, response } = exchange;
        let think_ns = 20_000 + noise.below(100_000);
        let service_ns = 1000 * noise.size(5, 8);
        self.say(CLIENT, think_ns, request.bytes);
        self.say(SERVER, service_ns, response.bytes);
    }

    /// Plans a message; of three packets and more every second one is acknowledged.
    fn say(&mut self, from: usize, wait_ns: u64, message: Vec<u8>) {
        let len = message.len();
        let mut wait_ns = wait_ns;
        for (number, begin) in (0..len).step_by(self.packet_bytes).enumerate() {
            let end = len.min(begin + self.packet_bytes);
            let mark = if end == len { Mark::Push } else { Mark::None };
            self.steps.push_back(Step { from, wait_ns, mark, bytes: begin..end });
            wait_ns = STEP_NS;
            if number % 2 == 1 && end < len {
                let to = 1 - from;
                self.steps.push_back(Step { from: to, wait_ns, mark: Mark::None, bytes: 0..0 });
            }
        }
        self.messages[from] = message;
    }

    /// Plans the end: by the server or else by the client.
    pub(crate) fn close(&mut self, by_server: bool) {
        let first = if by_server { SERVER } else { CLIENT };
        for (from, mark) in [(first, Mark::Fin), (1 - first, Mark::Fin), (first, Mark::None)] {
            self.steps.push_back(Step { from, wait_ns: FLIGHT_NS, mark, bytes: 0..0 });
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.steps.is_empty()
    }

    /// When the next packet is due.
    pub(crate) fn next_at(&self) -> u64 {
        self.at + self.steps.front().map_or(0, |step| step.wait_ns)
    }

    pub(crate) fn send_next(&mut self, wire: &mut Wire) -> io::Result<()> {
        let Some(Step { from, wait_ns, mark, bytes }) = self.steps.pop_front() else {
            return Ok(());
        };
        self.at += wait_ns;
        let is_first = mark == Mark::Syn && from == CLIENT;
        let header = Header {
            at: self.at,
            source: self.ends[from],
            target: self.ends[1 - from],
            seq: self.seq[from],
            ack: (!is_first).then_some(self.seq[1 - from]),
            mark,
        };
        let takes_a_number = u32::from(matches!(mark, Mark::Syn | Mark::Fin));
        self.seq[from] = self.seq[from].wrapping_add(bytes.len() as u32 + takes_a_number);
        wire.send(&header, &self.messages[from][bytes])
    }

    /// Sends the handshake at once.
    pub(crate) fn handshake(&mut self, wire: &mut Wire) -> io::Result<()> {
        self.send_while(wire, |_| true)
    }

    /// Sends what the client has to say first.
    pub(crate) fn send_request(&mut self, wire: &mut Wire) -> io::Result<()> {
        self.send_while(wire, |step| step.from == CLIENT)
    }

    /// Sends all that is planned, from `at` on.
    pub(crate) fn send_rest(&mut self, wire: &mut Wire, at: u64) -> io::Result<()> {
        self.at = self.at.max(at);
        self.send_while(wire, |_| true)
    }

    /// Sends without regard to the order of time between connections: as if at one instant.
    fn send_while(&mut self, wire: &mut Wire, wanted: impl Fn(&Step) -> bool) -> io::Result<()> {
        while let Some(step) = self.steps.front_mut() {
            if !wanted(step) {
                return Ok(());
            }
            step.wait_ns = 100;
            self.send_next(wire)?;
        }
        Ok(())
    }
}
