//! The bytes of a capture as a window that moves on: a mapped file, or a stream read ahead.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::ops::Range;

use flate2::bufread::MultiGzDecoder;

use super::ahead::Ahead;
use super::map::Map;
use crate::limits::READ_AHEAD_BYTES;

/// Largest window that a zstd stream may ask for, as a power of two: 128 MiB, what `zstd --long`
/// makes and every `zstd -d` opens.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// A reader that tells how much was read of it, first of all the bytes that were looked at to
/// learn the format.
pub(super) struct Counted {
    head: io::Cursor<Vec<u8>>,
    rest: Box<dyn Read + Send>,
    count: u64,
}

impl Counted {
    pub(super) fn new(head: Vec<u8>, rest: Box<dyn Read + Send>) -> Self {
        Self { head: io::Cursor::new(head), rest, count: 0 }
    }
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match self.head.read(buffer)? {
            0 => self.rest.read(buffer)?,
            read => read,
        };
        self.count += read as u64;
        Ok(read)
    }
}

/// A stream, decompressed on the way.
pub(super) enum Reader {
    Plain(Counted),
    Gzip(Box<MultiGzDecoder<BufReader<Counted>>>),
    Zstd(Box<zstd::Decoder<'static, BufReader<Counted>>>),
}

impl Reader {
    /// Opens gzip data of any number of members.
    pub(super) fn gzip(counted: Counted) -> Self {
        let buffered = BufReader::with_capacity(READ_AHEAD_BYTES, counted);
        Self::Gzip(Box::new(MultiGzDecoder::new(buffered)))
    }

    /// Opens zstd data of any number of frames.
    pub(super) fn zstd(counted: Counted) -> io::Result<Self> {
        let buffered = BufReader::with_capacity(READ_AHEAD_BYTES, counted);
        let mut decoder = zstd::Decoder::with_buffer(buffered)?;
        decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
        Ok(Self::Zstd(Box::new(decoder)))
    }

    /// The compression, where there is one.
    pub(super) const fn compression(&self) -> Option<&'static str> {
        match self {
            Self::Plain(_) => None,
            Self::Gzip(_) => Some("gzip"),
            Self::Zstd(_) => Some("zstd"),
        }
    }

    /// Bytes read of the underlying file or pipe.
    fn count(&self) -> u64 {
        match self {
            Self::Plain(counted) => counted.count,
            Self::Gzip(decoder) => decoder.get_ref().get_ref().count,
            Self::Zstd(decoder) => decoder.get_ref().get_ref().count,
        }
    }

    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = match self {
                Self::Plain(counted) => counted.read(buffer),
                Self::Gzip(decoder) => decoder.read(buffer),
                Self::Zstd(decoder) => decoder.read(buffer),
            };
            match read {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }
}

enum Bytes {
    Mapped(Map),
    Streamed { reader: Reader, buffer: Vec<u8>, filled: usize },
}

/// The window for as long as nothing is read.
#[derive(Clone, Copy)]
pub(super) struct AtHand<'a> {
    pub(super) bytes: &'a [u8],
    /// How many of the bytes may be passed before [`Feed::keep_up`] is to be called.
    pub(super) due: usize,
    is_mapped: bool,
}

impl AtHand<'_> {
    /// What asks for bytes of it before the walk comes to them.
    #[inline]
    pub(super) const fn ahead(&self) -> Ahead {
        if self.is_mapped { Ahead::new() } else { Ahead::idle() }
    }
}

/// The window: everything from the position on that is at hand.
pub(super) struct Feed {
    bytes: Bytes,
    position: usize,
    /// Content bytes before the start of the buffer.
    before: u64,
    /// The position at which a map wants to be moved on.
    due: usize,
}

impl Feed {
    /// The bytes of a regular file, mapped.
    pub(super) fn mapped(file: File) -> io::Result<Self> {
        let map = Map::open(file)?;
        Ok(Self { bytes: Bytes::Mapped(map), position: 0, before: 0, due: 0 })
    }

    /// The bytes of a stream.
    pub(super) fn streamed(reader: Reader) -> Self {
        let bytes = Bytes::Streamed { reader, buffer: vec![0; READ_AHEAD_BYTES], filled: 0 };
        Self { bytes, position: 0, before: 0, due: usize::MAX }
    }

    #[inline]
    fn all(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Mapped(map) => map.bytes(),
            Bytes::Streamed { buffer, filled, .. } => buffer.get(..*filled).unwrap_or_default(),
        }
    }

    /// What is at hand from the position on.
    #[inline]
    pub(super) fn window(&self) -> &[u8] {
        self.all().get(self.position..).unwrap_or_default()
    }

    /// The bytes at `range`, as [`Self::advance`] tells positions; valid until more is read.
    #[inline]
    pub(super) fn get(&self, range: Range<usize>) -> &[u8] {
        self.all().get(range).unwrap_or_default()
    }

    /// Moves `len` bytes on, all of them in the window; gives the position it moved from.
    #[inline]
    pub(super) fn advance(&mut self, len: usize) -> usize {
        let from = self.position;
        self.position += len;
        from
    }

    /// What is at hand from the position on, and how much of it before the map must move.
    #[inline]
    pub(super) fn at_hand(&self) -> AtHand<'_> {
        AtHand {
            bytes: self.window(),
            due: self.due.saturating_sub(self.position),
            is_mapped: matches!(self.bytes, Bytes::Mapped(_)),
        }
    }

    /// Moves on over `len` bytes of what was at hand.
    #[inline]
    pub(super) const fn pass(&mut self, len: usize) {
        self.position += len;
    }

    /// Keeps the map moving with the walk; to be called before each step.
    #[inline]
    pub(super) fn keep_up(&mut self) -> io::Result<()> {
        if self.position < self.due { Ok(()) } else { self.slide() }
    }

    #[cold]
    fn slide(&mut self) -> io::Result<()> {
        if let Bytes::Mapped(map) = &mut self.bytes {
            self.due = map.slide(self.position)?.max(self.position + 1);
        }
        Ok(())
    }

    /// Reads until the window holds `len` bytes; false where the end comes first.
    ///
    /// # Errors
    ///
    /// Where reading or decompressing fails before that; the window holds what came until then.
    pub(super) fn fill(&mut self, len: usize) -> io::Result<bool> {
        let Bytes::Streamed { reader, buffer, filled } = &mut self.bytes else {
            return Ok(self.window().len() >= len);
        };
        if self.position > 0 {
            buffer.copy_within(self.position..*filled, 0);
            *filled -= self.position;
            self.before += self.position as u64;
            self.position = 0;
        }
        if buffer.len() < len {
            buffer.resize(len.next_multiple_of(READ_AHEAD_BYTES), 0);
        }
        while *filled < len {
            match reader.read(buffer.get_mut(*filled..).unwrap_or_default())? {
                0 => return Ok(false),
                read => *filled += read,
            }
        }
        Ok(true)
    }

    /// Passes over `len` bytes without holding them; gives how many of them were not there.
    ///
    /// # Errors
    ///
    /// Where reading or decompressing fails.
    pub(super) fn skip(&mut self, len: usize) -> io::Result<usize> {
        let mut left = len;
        while left > 0 {
            let step = left.min(self.window().len());
            self.position += step;
            left -= step;
            if left > 0 && !self.fill(1)? {
                break;
            }
        }
        Ok(left)
    }

    /// Where the window starts, in bytes of content.
    pub(super) fn offset(&self) -> u64 {
        self.before + self.position as u64
    }

    /// Bytes read of the file itself, compressed where it is.
    pub(super) fn bytes_read(&self) -> u64 {
        match &self.bytes {
            Bytes::Mapped(_) => self.offset(),
            Bytes::Streamed { reader, .. } => reader.count(),
        }
    }

    /// The compression, where there is one.
    pub(super) const fn compression(&self) -> Option<&'static str> {
        match &self.bytes {
            Bytes::Mapped(_) => None,
            Bytes::Streamed { reader, .. } => reader.compression(),
        }
    }
}
