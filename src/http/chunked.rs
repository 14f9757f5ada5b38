//! The chunked transfer coding's own lines: sizes, extensions, trailers (RFC 9112 section 7.1).

use memchr::memchr2;

use crate::anomaly::{Anomalies, Anomaly};
use crate::limits::{CHUNK_LINE_BYTES_MAX, TRAILER_BYTES_MAX};

/// Where in the coding the next byte stands.
///
/// ```text
///  Start ──▶ Size ──▶ Blank ──▶ Extension ──▶ SizeFeed ──▶ Data ──▶ DataEnd ──▶ DataFeed
///    ▲                                            │                                │
///    └────────────────────────────────────────────┼────────────────────────────────┘
///                                                 └─(size 0)─▶ Trailer ──▶ LastFeed ──▶ Ended
///                                                              ▲     └▶ TrailerLine ─┐
///                                                              └─── TrailerFeed ◀────┘
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before a size's first digit.
    Start,
    /// After at least one digit.
    Size,
    /// In blanks after the size.
    Blank,
    /// In extensions; a quoted string in them holds no line end, so they need no parsing.
    Extension,
    /// After the CR of a size line.
    SizeFeed,
    /// In a chunk's data.
    Data,
    /// After a chunk's data.
    DataEnd,
    /// After the CR that follows a chunk's data.
    DataFeed,
    /// At the start of a trailer line.
    Trailer,
    /// In a trailer line.
    TrailerLine,
    /// After a CR in a trailer line.
    TrailerFeed,
    /// After the CR of the last, empty line.
    LastFeed,
    /// After the last, empty line.
    Ended,
}

/// What a run of framing bytes led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framed {
    /// To a chunk's data, or to the end of the input.
    On,
    /// To the end of the message.
    End,
    /// To a byte that cannot stand there.
    Broken,
}

/// The state of one chunked body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunks {
    /// The size as read so far; in data, the bytes that are left.
    left: u64,
    /// Bytes of the size line, or of the trailers, so far.
    line_bytes: u32,
    place: Place,
}

impl Chunks {
    pub(super) const fn new() -> Self {
        Self { left: 0, line_bytes: 0, place: Place::Start }
    }

    /// The bytes that are left of the current chunk's data; `None` in the framing between.
    pub(super) fn data_left(&self) -> Option<u64> {
        (self.place == Place::Data).then_some(self.left)
    }

    /// Takes `len` bytes of the current chunk's data, seen or not.
    pub(super) const fn take_data(&mut self, len: u64) {
        self.left = self.left.saturating_sub(len);
        if self.left == 0 {
            self.place = Place::DataEnd;
        }
    }

    /// Bytes of the trailer lines so far, with their line ends.
    pub(super) fn trailer_bytes(&self) -> u32 {
        match self.place {
            Place::Trailer
            | Place::TrailerLine
            | Place::TrailerFeed
            | Place::LastFeed
            | Place::Ended => self.line_bytes,
            _ => 0,
        }
    }

    /// Reads framing from the front of `bytes` and tells how many it took.
    pub(super) fn read(&mut self, bytes: &[u8], anomalies: &mut Anomalies) -> (usize, Framed) {
        let mut rest = bytes;
        let framed = loop {
            if self.place == Place::Data {
                break Framed::On;
            }
            self.pass(&mut rest);
            let Some((&byte, after)) = rest.split_first() else { break Framed::On };
            let Some(next) = self.step(byte, anomalies) else { break Framed::Broken };
            rest = after;
            self.place = next;
            if next == Place::Ended {
                break Framed::End;
            }
        };
        (bytes.len() - rest.len(), framed)
    }

    /// Passes over what cannot end the part of a line that it stands in.
    fn pass(&mut self, rest: &mut &[u8]) {
        if matches!(self.place, Place::Extension | Place::TrailerLine) {
            let len = memchr2(b'\r', b'\n', rest).unwrap_or(rest.len()).min(self.room());
            *rest = rest.split_at(len).1;
            self.line_bytes += u32::try_from(len).unwrap_or(u32::MAX);
        }
    }

    /// How many more bytes the current line or the trailers may have.
    fn room(&self) -> usize {
        let most = match self.place {
            Place::Trailer | Place::TrailerLine | Place::TrailerFeed => TRAILER_BYTES_MAX,
            _ => CHUNK_LINE_BYTES_MAX,
        };
        most.saturating_sub(self.line_bytes as usize)
    }

    /// The place after one byte of framing; `None` where the byte breaks the coding.
    fn step(&mut self, byte: u8, anomalies: &mut Anomalies) -> Option<Place> {
        let is_empty_line = matches!((self.place, byte), (Place::Trailer, b'\r' | b'\n'));
        let counts = !matches!(self.place, Place::DataEnd | Place::DataFeed | Place::LastFeed);
        if counts && !is_empty_line {
            if self.room() == 0 {
                return None;
            }
            self.line_bytes += 1;
        }
        let ends_bare = !matches!(
            self.place,
            Place::SizeFeed | Place::DataFeed | Place::TrailerFeed | Place::LastFeed
        );
        let next = match (self.place, byte) {
            (Place::Start | Place::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = char::from(byte).to_digit(16)?;
                self.left = self.left.checked_mul(16)?.checked_add(u64::from(digit))?;
                Place::Size
            }
            (Place::Size | Place::Blank, b' ' | b'\t') => Place::Blank,
            (Place::Size | Place::Blank, b';') => Place::Extension,
            (Place::Size | Place::Blank | Place::Extension, b'\r') => Place::SizeFeed,
            (Place::Size | Place::Blank | Place::Extension | Place::SizeFeed, b'\n') => {
                self.line_bytes = 0;
                if self.left == 0 { Place::Trailer } else { Place::Data }
            }
            (Place::DataEnd, b'\r') => Place::DataFeed,
            (Place::Trailer, b'\r') => Place::LastFeed,
            (Place::DataEnd | Place::DataFeed, b'\n') => Place::Start,
            (Place::Trailer | Place::LastFeed, b'\n') => Place::Ended,
            (Place::TrailerLine | Place::TrailerFeed, b'\n') => Place::Trailer,
            (Place::TrailerLine | Place::TrailerFeed, b'\r') => Place::TrailerFeed,
            (Place::Trailer | Place::TrailerLine | Place::TrailerFeed, _) => Place::TrailerLine,
            _ => return None,
        };
        if byte == b'\n' && ends_bare {
            anomalies.add(Anomaly::BareLineFeed);
        }
        Some(next)
    }
}
