//! Weir measures HTTP exchanges from packets; this file is the map of its modules.
//!
//! A module may import only what is declared above it (a test holds this). Data flows down the
//! page: a [`source`] lends frames, [`decode`] finds the TCP packet in each, [`flow`] keeps one
//! state per connection, [`tcp`] puts bytes in order, [`http`] cuts them into messages,
//! [`exchange`] pairs the messages, [`segment`] keeps exchanges in files. Questions flow back:
//! [`query`] asks, [`report`] answers people, [`export`] answers programs, and [`pipeline`] is
//! the only place where the capturing stages meet.

/// Instants: nanoseconds since the Unix epoch.
pub mod time;
/// Every bound: what is bounded, by how much, and why.
pub mod limits;
/// Where every frame, byte, flow and exchange went, and the identities that must balance.
pub mod ledger;
/// What moves between the stages: `Frame`, `Packet`, `Endpoint`, `Flags`, `Direction`.
pub mod packet;
/// Hints to the processor which memory will be used soon.
mod prefetch;
/// The protocol oddities that are noted on an exchange.
pub mod anomaly;
/// Where frames come from: capture files and interfaces.
pub mod source;
/// Privileges given up for good once everything is open.
pub mod sandbox;
/// From a frame to the TCP packet in it, through link layers, tags, tunnels, IP and fragments.
pub mod decode;
/// One state per connection: look up, open, expire, evict.
pub mod flow;
/// Packets of a connection put in order: data, gaps, ends (RFC 9293).
pub mod tcp;
/// Stream bytes cut into HTTP/1 messages (RFC 9112).
pub mod http;
/// Messages paired into exchanges, with times, states, routes and redaction.
pub mod exchange;
/// What other tools wrote, read as exchanges: HTTP archives and access logs with times.
pub mod foreign;
/// Files of exchanges: written into reserved room, sealed by rename, read back block by block.
pub mod segment;
/// Questions asked of a store of segments, or of a capture read on the spot.
pub mod query;
/// Answers for programs: JSON Lines and the other formats.
pub mod export;
/// Answers for people: tables, plots, one exchange in full; everything escaped.
pub mod report;
/// Why a capture on an interface would or would not be trustworthy.
pub mod doctor;
/// The threads: the only place where the capturing stages meet.
pub mod pipeline;
