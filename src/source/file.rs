//! One capture file, pipe or compressed file, told by its first bytes, lent frame by frame.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::os::fd::AsFd as _;
use std::path::Path;

use super::error::SourceError;
use super::feed::{Counted, Feed, Reader};
use super::pcap::{self, Pcap};
use super::pcapng::{self, Pcapng, hex};
use super::record::{Damage, Record, Step};
use crate::ledger::Missed;
use crate::packet::Frame;

/// First bytes of the compressions that are opened here.
const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// First bytes of the compressions that are known and not opened, and their programs.
const OTHER_COMPRESSIONS: [(&[u8], &str); 3] = [
    (&[0xfd, b'7', b'z', b'X', b'Z'], "xz"),
    (b"BZh", "bzip2"),
    (&[0x04, 0x22, 0x4d, 0x18], "lz4"),
];

/// First bytes of a file of exchanges.
const SEGMENT: &[u8] = b"WEIR";

/// Whether a file that starts with these bytes (four are enough) is a capture: pcap or pcapng,
/// or something compressed, which no segment ever is.
#[must_use]
pub fn is_capture(first_bytes: &[u8]) -> bool {
    let plain = first_bytes.first_chunk::<4>().is_some_and(|&magic| is_plain(magic));
    plain
        || first_bytes.starts_with(GZIP)
        || is_zstd(first_bytes)
        || other_compression(first_bytes).is_some()
}

fn is_plain(magic: [u8; 4]) -> bool {
    pcap::is_magic(magic) || magic == pcapng::SECTION_MAGIC
}

/// A gzip member (RFC 1952 section 2.3.1).
pub(super) fn is_gzip(first_bytes: &[u8]) -> bool {
    first_bytes.starts_with(GZIP)
}

/// A zstd frame, or a skippable one before it (RFC 8878 section 3.1.2).
pub(super) fn is_zstd(first_bytes: &[u8]) -> bool {
    first_bytes.starts_with(ZSTD)
        || matches!(first_bytes, [low, 0x2a, 0x4d, 0x18, ..] if low & 0xf0 == 0x50)
}

fn other_compression(first_bytes: &[u8]) -> Option<&'static str> {
    let known = OTHER_COMPRESSIONS.iter().find(|(magic, _)| first_bytes.starts_with(magic));
    known.map(|(_, kind)| *kind)
}

/// How the content is walked.
enum Walk {
    Pcap(Pcap),
    /// Boxed: the other variant is small, and one jump to the interfaces is there anyway.
    Pcapng(Box<Pcapng>),
}

impl Walk {
    /// What stands at the start of `window`.
    #[inline]
    fn step(&mut self, window: &[u8]) -> Step {
        match self {
            Self::Pcap(pcap) => pcap.step(window),
            Self::Pcapng(pcapng) => pcapng.step(window),
        }
    }
}

/// A capture being read from its start to its end.
pub struct CaptureFile {
    feed: Feed,
    walk: Walk,
    ended: bool,
    /// Records or blocks that were passed, for the sentence of an error.
    units: u64,
    name: String,
    total: Option<u64>,
}

impl CaptureFile {
    /// Opens a capture; `-` is standard input. The first bytes tell the format (pcap, pcapng,
    /// or one of them in gzip or zstd), never the name.
    ///
    /// An uncompressed regular file is mapped and its frames are lent without a copy. Another
    /// process that truncates it while it is read may crash this one (SIGBUS).
    ///
    /// # Errors
    ///
    /// Where it cannot be opened or read, is empty, is no capture, or its file header is cut.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        let name = path.display().to_string();
        if path.as_os_str() == "-" {
            return Self::open_stdin();
        }
        let fail = |source| SourceError::Io { name: name.clone(), source };
        let mut file = File::open(path).map_err(fail)?;
        let total = file.metadata().map_err(fail).map(|m| m.is_file().then_some(m.len()))?;
        let head = read_head(&mut file).map_err(fail)?;
        if total.is_some() && head.first_chunk::<4>().is_some_and(|&magic| is_plain(magic)) {
            let feed = Feed::mapped(file).map_err(fail)?;
            return Self::begin(feed, name, total);
        }
        Self::from_stream(head, Box::new(file), (name, total))
    }

    /// Reads a capture from any reader, such as a pipe; `name` stands for it in errors.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub fn from_reader(
        mut reader: impl Read + Send + 'static,
        name: &str,
    ) -> Result<Self, SourceError> {
        let head = read_head(&mut reader)
            .map_err(|source| SourceError::Io { name: name.to_owned(), source })?;
        Self::from_stream(head, Box::new(reader), (name.to_owned(), None))
    }

    fn open_stdin() -> Result<Self, SourceError> {
        let stdin = io::stdin();
        if stdin.is_terminal() {
            return Err(SourceError::Terminal);
        }
        let name = "-".to_owned();
        let fail = |source| SourceError::Io { name: name.clone(), source };
        // The descriptor itself: the standard library's handle would copy through 8 KiB.
        let mut file = File::from(stdin.as_fd().try_clone_to_owned().map_err(fail)?);
        let total = file.metadata().ok().filter(std::fs::Metadata::is_file).map(|m| m.len());
        let head = read_head(&mut file).map_err(fail)?;
        Self::from_stream(head, Box::new(file), (name, total))
    }

    fn from_stream(
        head: Vec<u8>,
        rest: Box<dyn Read + Send>,
        (name, total): (String, Option<u64>),
    ) -> Result<Self, SourceError> {
        if let Some(kind) = other_compression(&head) {
            return Err(SourceError::Compression { name, kind });
        }
        let is_gzip = head.starts_with(GZIP);
        let is_zstd = is_zstd(&head);
        let counted = Counted::new(head, rest);
        let reader = if is_gzip {
            Reader::gzip(counted)
        } else if is_zstd {
            Reader::zstd(counted)
                .map_err(|source| SourceError::Io { name: name.clone(), source })?
        } else {
            Reader::Plain(counted)
        };
        Self::begin(Feed::streamed(reader), name, total)
    }

    /// Reads the file header.
    fn begin(mut feed: Feed, name: String, total: Option<u64>) -> Result<Self, SourceError> {
        if let Err(source) = feed.fill(pcap::FILE_HEADER) {
            return Err(broken_stream(&feed, name, source));
        }
        let window = feed.window();
        let Some(&magic) = window.first_chunk::<4>() else {
            return Err(no_capture(window, name));
        };
        let walk = if magic == pcapng::SECTION_MAGIC {
            Walk::Pcapng(Box::new(Pcapng::new()))
        } else if pcap::is_magic(magic) {
            let Some(header) = window.first_chunk().and_then(Pcap::open) else {
                let (needed, left) = (pcap::FILE_HEADER as u64, window.len() as u64);
                let unit = "file header";
                return Err(SourceError::Cut { name, unit, number: 1, offset: 0, needed, left });
            };
            feed.advance(pcap::FILE_HEADER);
            Walk::Pcap(header)
        } else {
            return Err(no_capture(window, name));
        };
        Ok(Self { feed, walk, ended: false, units: 0, name, total })
    }

    /// The next frame, in the order of the file; `None` at the end.
    ///
    /// # Errors
    ///
    /// Once, where the capture is damaged or cut: every whole frame before that place was given,
    /// and `None` follows.
    #[inline]
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, SourceError> {
        match self.next_place()? {
            Some(place) => Ok(Some(self.frame(&place))),
            None => Ok(None),
        }
    }

    /// Where the next frame stands, until the next call; its `start` is a place in the feed.
    #[inline]
    fn next_place(&mut self) -> Result<Option<Record>, SourceError> {
        loop {
            if self.ended {
                return Ok(None);
            }
            self.keep_up()?;
            let step = self.walk.step(self.feed.window());
            if let Step::Frame(mut record) = step {
                self.units += 1;
                record.start += self.feed.advance(record.taken);
                return Ok(Some(record));
            }
            self.between_frames(step)?;
        }
    }

    /// The frame at a place that [`Self::next_place`] gave last.
    #[inline]
    fn frame(&self, place: &Record) -> Frame<'_> {
        let bytes = self.feed.get(place.start..place.start + place.captured);
        Frame { at: place.at, bytes, wire_len: place.wire_len, link: place.link }
    }

    /// Lends the next frames to `take`: as many as stand whole in what is at hand, at most `most`.
    /// Gives how many; `None` at the end.
    ///
    /// # Errors
    ///
    /// As [`Self::next_frame`]; frames that were lent before that are not counted.
    #[inline]
    pub(super) fn run(
        &mut self,
        most: usize,
        take: &mut impl FnMut(&Frame<'_>),
    ) -> Result<Option<usize>, SourceError> {
        if self.ended {
            return Ok(None);
        }
        self.keep_up()?;
        let window = self.feed.at_hand();
        let mut ahead = window.ahead();
        let (mut rest, mut position, mut count) = (window.bytes, 0, 0);
        let stopped = loop {
            if count == most || position >= window.due {
                break None;
            }
            // In two arms, so that the record of the common one never goes through memory.
            let record = match &mut self.walk {
                Walk::Pcap(pcap) => match pcap.step(rest) {
                    Step::Frame(record) => record,
                    step => break Some(step),
                },
                Walk::Pcapng(pcapng) => match pcapng.step(rest) {
                    Step::Frame(record) => record,
                    step => break Some(step),
                },
            };
            let Record { taken, start, captured, at, wire_len, link } = record;
            // A step's record lies in what it was shown.
            let (Some(after), Some(bytes)) = (rest.get(taken..), rest.get(start..)) else {
                break Some(Step::Need(taken));
            };
            let Some(bytes) = bytes.get(..captured) else { break Some(Step::Need(taken)) };
            position += taken;
            ahead.pass(window.bytes, position);
            take(&Frame { at, bytes, wire_len, link });
            rest = after;
            count += 1;
        };
        self.feed.pass(position);
        self.units += count as u64;
        if let Some(step) = stopped {
            self.between_frames(step)?;
        }
        Ok(Some(count))
    }

    /// Keeps the map moving with the walk.
    #[inline]
    fn keep_up(&mut self) -> Result<(), SourceError> {
        self.feed.keep_up().map_err(|source| {
            self.ended = true;
            SourceError::Io { name: self.name.clone(), source }
        })
    }

    /// Everything that is not a frame: more to read, something to pass over, the end. After an
    /// error nothing follows.
    #[cold]
    fn between_frames(&mut self, step: Step) -> Result<(), SourceError> {
        let done = self.turn(step);
        self.ended |= done.is_err();
        done
    }

    fn turn(&mut self, step: Step) -> Result<(), SourceError> {
        match step {
            Step::Frame(_) => Ok(()),
            Step::Pass(len) => {
                self.units += 1;
                self.feed.advance(len);
                Ok(())
            }
            Step::Skip(len) => match self.feed.skip(len) {
                Ok(0) => Ok(()),
                Ok(missing) => {
                    let left = (len - missing) as u64;
                    let offset = self.feed.offset() - left;
                    // The length that follows the block's body is missing as well.
                    Err(self.cut(len as u64 + 4, offset, left))
                }
                Err(source) => Err(self.broken_stream(source)),
            },
            Step::Need(len) => match self.feed.fill(len) {
                Ok(true) => Ok(()),
                Ok(false) if self.feed.window().is_empty() && self.is_between() => {
                    self.ended = true;
                    Ok(())
                }
                Ok(false) => {
                    let left = self.feed.window().len() as u64;
                    Err(self.cut(len as u64, self.feed.offset(), left))
                }
                Err(source) => Err(self.broken_stream(source)),
            },
            Step::Damaged(damage) => Err(self.damaged(*damage)),
        }
    }

    fn is_between(&self) -> bool {
        match &self.walk {
            Walk::Pcap(_) => true,
            Walk::Pcapng(pcapng) => pcapng.is_between(),
        }
    }

    fn unit(&self) -> &'static str {
        match self.walk {
            Walk::Pcap(_) => "record",
            Walk::Pcapng(_) => "block",
        }
    }

    fn cut(&self, needed: u64, offset: u64, left: u64) -> SourceError {
        let (name, unit, number) = (self.name.clone(), self.unit(), self.units + 1);
        SourceError::Cut { name, unit, number, offset, needed, left }
    }

    fn damaged(&self, Damage { what, expected, found }: Damage) -> SourceError {
        let (name, unit, number) = (self.name.clone(), self.unit(), self.units + 1);
        let offset = self.feed.offset();
        SourceError::Damaged { name, unit, number, offset, what, expected, found }
    }

    fn broken_stream(&self, source: io::Error) -> SourceError {
        broken_stream(&self.feed, self.name.clone(), source)
    }

    /// Bytes read so far, of [`Self::bytes_total`]; compressed bytes where it is compressed.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.feed.bytes_read()
    }

    /// Length of the file when it was opened; `None` for a pipe.
    #[must_use]
    pub fn bytes_total(&self) -> Option<u64> {
        self.total
    }

    /// What the capturing program said it lost (pcapng statistics); known at the end only.
    #[must_use]
    pub fn missed(&self) -> Missed {
        match &self.walk {
            Walk::Pcap(_) => Missed::default(),
            Walk::Pcapng(pcapng) => pcapng.missed(),
        }
    }
}

/// The first bytes, enough for any magic; fewer where there are no more.
fn read_head(reader: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(8);
    reader.by_ref().take(8).read_to_end(&mut head)?;
    Ok(head)
}

fn broken_stream(feed: &Feed, name: String, source: io::Error) -> SourceError {
    match feed.compression() {
        Some(kind) => {
            let bytes = feed.offset() + feed.window().len() as u64;
            SourceError::Compressed { name, kind, bytes, source }
        }
        None => SourceError::Io { name, source },
    }
}

/// Why bytes that start neither a pcap nor a pcapng file are no capture.
fn no_capture(window: &[u8], name: String) -> SourceError {
    match window {
        [] => SourceError::Empty { name },
        _ if window.starts_with(SEGMENT) => SourceError::Segment { name },
        _ => SourceError::NotCapture { name, found: hex(window.get(..4).unwrap_or(window)) },
    }
}
