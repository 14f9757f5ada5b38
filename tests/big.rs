//! Captures of any size, made of a recorded one: its frames again and again, each time later and
//! from other clients.

use std::io::{BufWriter, Write as _};

use crate::cli::project;

/// Exchanges in one round of a big capture.
pub(crate) const EXCHANGES: u64 = 2194;

/// The recorded capture: classic, in nanoseconds of this byte order, of Ethernet and IPv4.
const RECORDED: &str = "captures/shop.pcap";

/// How much later each round is; longer than the recorded capture.
const ROUND_SECONDS: u32 = 9;

/// Address of the recorded clients.
const CLIENT: [u8; 4] = [192, 0, 2, 2];

/// Writes so many rounds of the recorded capture to a file that goes with the value.
pub(crate) fn capture(rounds: u16) -> tempfile::NamedTempFile {
    let bytes = std::fs::read(project().join(RECORDED)).expect("a capture");
    assert_eq!(bytes[..4], 0xa1b2_3c4d_u32.to_le_bytes(), "pcap, nanoseconds, little-endian");
    let (header, records) = bytes.split_at(24);
    let file = tempfile::Builder::new().suffix(".pcap").tempfile().expect("a file");
    let mut out = BufWriter::new(&file);
    out.write_all(header).expect("room");
    let mut round_bytes = records.to_vec();
    for round in 0..rounds {
        round_bytes.copy_from_slice(records);
        shift(&mut round_bytes, round);
        out.write_all(&round_bytes).expect("room");
    }
    out.flush().expect("room");
    drop(out);
    file
}

/// Makes one round later, and of other clients.
fn shift(records: &mut [u8], round: u16) {
    let [high, low] = round.to_be_bytes();
    let client = [10, high, low, CLIENT[3]];
    let mut rest = records;
    while let Some((record, bytes)) = rest.split_at_mut_checked(16) {
        let word = |at: usize| u32::from_le_bytes(record[at..at + 4].try_into().expect("4 bytes"));
        let (seconds, length) = (word(0), word(8) as usize);
        record[..4].copy_from_slice(&(seconds + ROUND_SECONDS * u32::from(round)).to_le_bytes());
        let (frame, after) = bytes.split_at_mut(length);
        for address in [26..30, 30..34] {
            if let Some(address) = frame.get_mut(address).filter(|address| **address == CLIENT) {
                address.copy_from_slice(&client);
            }
        }
        rest = after;
    }
}
