//! Writes captures to measure with, the same on every machine, and says what is in them.
//!
//!     traces KIND COUNT FOLDER
//!
//! writes `FOLDER/KIND.pcap` with COUNT exchanges, and `FOLDER/KIND.server.txt`, the truth: how
//! many exchanges were served, on how many connections, and how many bytes of bodies went either
//! way (without the framing of chunks). KIND is one of
//!
//! - `api`: JSON interface, 64 keep-alive connections, 20 routes, bodies of 120 B to 8 KB
//! - `mixed`: 64 connections at a time with 1 to 200 requests each, bodies of 100 B to 2 MB by
//!   length, chunked or gzipped, some uploads
//! - `churn`: a connection a request, six server addresses, ports used twice
//! - `bulk`: four connections, downloads of 20 MB
//! - `super`: as `mixed`, in frames of up to 64 KiB, as a card that cuts them itself leaves them
//! - `idle`: COUNT connections that are all open at the end, each after one exchange
//! - `waiting`: COUNT connections whose requests all wait at once, before any is answered
//!
//! No packet is lost, repeated or late: speed is measured on these, not care.

#![expect(clippy::indexing_slicing, reason = "an example that fails has failed")]
#![expect(clippy::cast_possible_truncation, reason = "what is cut was bounded by the line above")]

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::path::PathBuf;

mod connection;
mod message;
mod noise;
mod wire;

use connection::{Connection, Opened};
use message::{Exchange, Shape};
use noise::Noise;
use wire::Wire;

/// Payload bytes of a packet: 1500 less the headers and the time stamp option.
const SEGMENT_BYTES: usize = 1448;
const SUPER_BYTES: usize = 45 * SEGMENT_BYTES;
/// Connections at a time.
const SLOTS: u64 = 64;

fn main() -> io::Result<()> {
    let mut args = std::env::args().skip(1);
    let usage = || io::Error::other("usage: traces KIND COUNT FOLDER");
    let kind = args.next().ok_or_else(usage)?;
    let count: u64 = args.next().and_then(|count| count.parse().ok()).ok_or_else(usage)?;
    let folder = PathBuf::from(args.next().ok_or_else(usage)?);
    let mut wire = Wire::create(&folder.join(format!("{kind}.pcap")))?;
    let truth = match kind.as_str() {
        "api" => serve(&mut wire, &Plan::new(Shape::Api, SLOTS, count))?,
        "mixed" => serve(&mut wire, &Plan::new(Shape::Mixed, SLOTS, count))?,
        "churn" => serve(&mut wire, &Plan::new(Shape::Churn, SLOTS, count))?,
        "bulk" => serve(&mut wire, &Plan::new(Shape::Bulk, 4, count))?,
        "super" => {
            let plan = Plan::new(Shape::Mixed, SLOTS, count);
            serve(&mut wire, &Plan { packet_bytes: SUPER_BYTES, ..plan })?
        }
        "idle" => stay_open(&mut wire, count, false)?,
        "waiting" => stay_open(&mut wire, count, true)?,
        _ => return Err(usage()),
    };
    wire.finish()?;
    let Truth { served, connections, response_bytes, request_bytes } = truth;
    let text = format!(
        "served={served} conns={connections} body={response_bytes} upload={request_bytes}\n"
    );
    print!("{kind}: {text}");
    std::fs::write(folder.join(format!("{kind}.server.txt")), text)
}

/// What the servers of a trace served.
#[derive(Default)]
struct Truth {
    served: u64,
    connections: u64,
    response_bytes: u64,
    request_bytes: u64,
}

impl Truth {
    fn count(&mut self, exchange: &Exchange) {
        self.served += 1;
        self.request_bytes += exchange.request.body_bytes;
        self.response_bytes += exchange.response.body_bytes;
    }
}

/// Clients that work at the same time, each on one connection after another.
struct Plan {
    shape: Shape,
    slots: u64,
    exchanges: u64,
    packet_bytes: usize,
}

impl Plan {
    fn new(shape: Shape, slots: u64, exchanges: u64) -> Self {
        Self { shape, slots, exchanges, packet_bytes: SEGMENT_BYTES }
    }

    /// How many exchanges the next connection is for, of those that are left.
    fn turns(&self, left: u64, noise: &mut Noise) -> u64 {
        let turns = match self.shape {
            Shape::Churn => 1,
            Shape::Mixed => 1 + noise.below(200),
            Shape::Api | Shape::Bulk => self.exchanges.div_ceil(self.slots),
        };
        turns.min(left)
    }

    /// The ends of connection `number`.
    fn opened(&self, number: u64, at: u64) -> Opened {
        let (client_port, server) = match self.shape {
            // Each pair of ends is used twice.
            Shape::Churn => {
                let ports = (self.exchanges / 12).clamp(SLOTS, 60_000);
                (1024 + number / 6 % ports, [10, 0, 1, (number % 6) as u8 + 1])
            }
            _ => (1024 + number % 60_000, [10, 0, 1, 1]),
        };
        Opened { client: ([10, 0, 0, 1], client_port as u16), server: (server, 80), at }
    }
}

/// A slot's connection, and what it is still to do.
struct Client {
    connection: Connection,
    turns: u64,
    noise: Noise,
}

/// Lets the clients work until all exchanges are served; packets go out in the order of time.
fn serve(wire: &mut Wire, plan: &Plan) -> io::Result<Truth> {
    let mut truth = Truth::default();
    let mut noise = Noise::new(1);
    let mut left = plan.exchanges;
    let mut open = |at, truth: &mut Truth| {
        let turns = plan.turns(left, &mut noise);
        left -= turns;
        truth.connections += u64::from(turns > 0);
        let opened = plan.opened(truth.connections, at);
        let connection = Connection::open(&opened, plan.packet_bytes);
        (turns > 0).then(|| Client { connection, turns, noise: Noise::new(truth.connections) })
    };
    let mut clients = Vec::new();
    let mut agenda = BinaryHeap::new();
    for slot in 0..plan.slots {
        if let Some(client) = open(slot * 10_000, &mut truth) {
            agenda.push(Reverse((client.connection.next_at(), clients.len())));
            clients.push(client);
        }
    }
    while let Some(Reverse((at, slot))) = agenda.pop() {
        let client = &mut clients[slot];
        client.connection.send_next(wire)?;
        if client.connection.is_done() && client.turns > 0 {
            client.turns -= 1;
            let exchange = message::exchange(plan.shape, truth.served, &mut client.noise);
            truth.count(&exchange);
            client.connection.converse(exchange, &mut client.noise);
            if client.turns == 0 {
                client.connection.close(plan.shape == Shape::Churn);
            }
        } else if client.connection.is_done() {
            match open(at + 50_000, &mut truth) {
                Some(next) => *client = next,
                None => continue,
            }
        }
        agenda.push(Reverse((client.connection.next_at(), slot)));
    }
    Ok(truth)
}

/// Connections that are never closed, 5 us apart.
fn stay_open(wire: &mut Wire, count: u64, is_waiting: bool) -> io::Result<Truth> {
    let mut truth = Truth { connections: count, ..Truth::default() };
    let mut now = 0;
    let mut waiting = Vec::new();
    for number in 0..count {
        now += 5_000;
        let client = [10, 1, (number / 60_000) as u8, 1];
        let client = (client, 1024 + (number % 60_000) as u16);
        let opened = Opened { client, server: ([10, 0, 1, 1], 80), at: now };
        let mut connection = Connection::open(&opened, SEGMENT_BYTES);
        let mut noise = Noise::new(number);
        let exchange = message::exchange(Shape::Api, number, &mut noise);
        truth.count(&exchange);
        connection.handshake(wire)?;
        connection.converse(exchange, &mut noise);
        if is_waiting {
            connection.send_request(wire)?;
            waiting.push(connection);
        } else {
            connection.send_rest(wire, now)?;
        }
    }
    for mut connection in waiting {
        now += 5_000;
        connection.send_rest(wire, now)?;
    }
    Ok(truth)
}
