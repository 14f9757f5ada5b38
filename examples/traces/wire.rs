//! Packets as Ethernet frames into a classic capture, in microseconds as tcpdump writes them.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use etherparse::{PacketBuilder, PacketBuilderStep, TcpHeader};

/// 2026-11-21 10:00:00 UTC.
const EPOCH_US: u64 = 1_795_255_200_000_000;

/// An address and a port.
pub(crate) type End = ([u8; 4], u16);

/// The flags that a packet can have beside ACK.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    Syn,
    /// The last one of a message.
    Push,
    Fin,
    None,
}

/// A packet without its payload.
pub(crate) struct Header {
    /// Nanoseconds since the beginning of the trace.
    pub(crate) at: u64,
    pub(crate) source: End,
    pub(crate) target: End,
    pub(crate) seq: u32,
    pub(crate) ack: Option<u32>,
    pub(crate) mark: Mark,
}

/// The capture.
pub(crate) struct Wire {
    file: BufWriter<File>,
    frame: Vec<u8>,
}

impl Wire {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
        for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 1] {
            file.write_all(&word.to_le_bytes())?;
        }
        Ok(Self { file, frame: Vec::new() })
    }

    pub(crate) fn send(&mut self, header: &Header, payload: &[u8]) -> io::Result<()> {
        let Header { at, source, target, seq, ack, mark } = header;
        let micros = EPOCH_US + at / 1000;
        let step = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
        let step = step.ipv4(source.0, target.0, 64).tcp(source.1, target.1, *seq, u16::MAX);
        let step = options(step, micros)?;
        let step = match ack {
            Some(ack) => step.ack(*ack),
            None => step,
        };
        let step = match mark {
            Mark::Syn => step.syn(),
            Mark::Push => step.psh(),
            Mark::Fin => step.fin(),
            Mark::None => step,
        };
        self.frame.clear();
        step.write(&mut self.frame, payload).map_err(io::Error::other)?;
        let len = self.frame.len() as u32;
        for word in [(micros / 1_000_000) as u32, (micros % 1_000_000) as u32, len, len] {
            self.file.write_all(&word.to_le_bytes())?;
        }
        self.file.write_all(&self.frame)
    }

    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Two no-operations and a time stamp in milliseconds, as Linux sends them.
fn options(
    step: PacketBuilderStep<TcpHeader>,
    micros: u64,
) -> io::Result<PacketBuilderStep<TcpHeader>> {
    let mut bytes = [1, 1, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0];
    let stamp = ((micros / 1000) as u32).to_be_bytes();
    bytes[4..8].copy_from_slice(&stamp);
    bytes[8..].copy_from_slice(&stamp);
    step.options_raw(&bytes).map_err(io::Error::other)
}
