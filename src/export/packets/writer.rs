//! Capture files written frame by frame: pcap with nanoseconds, and pcapng with comments.

use std::io::{self, Write};

use crate::limits::FRAME_BYTES_MAX;
use crate::packet::{Frame, LinkType};
use crate::time::Timestamp;

/// Which kind of capture file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The classic file: one link type, no comments.
    Pcap,
    /// Blocks: an interface for each link type, and a comment on each frame.
    Pcapng,
}

/// Where the frames of a section come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Copied from a capture.
    Copied,
    /// Made from what a segment holds.
    Synthesised,
}

impl Section {
    const fn comment(self) -> &'static str {
        match self {
            Self::Copied => "weir: frames of the exchanges that were asked for, as captured",
            Self::Synthesised => {
                "weir: SYNTHESISED frames. The packets were not kept: these were made from \
                 exchanges in segments. First and last byte of each message are at their true \
                 times; addresses, ports, heads and kept bodies are true; each exchange is a \
                 connection of its own; sequence numbers, packet sizes and acknowledgments are \
                 made up; bodies that were not kept are frames cut after their headers."
            }
        }
    }
}

/// Why packets could not be written.
#[derive(Debug, thiserror::Error)]
pub enum PacketsError {
    /// Writing failed.
    #[error("cannot write packets: {0}")]
    Io(#[from] io::Error),
    /// A pcap file holds frames of one link type.
    #[error(
        "cannot write frames of link types {first} and {other} to one pcap file: \
         use --format pcapng"
    )]
    LinkTypes {
        /// The link type of the frames before.
        first: u16,
        /// That of the frame that does not fit.
        other: u16,
    },
}

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const ENHANCED_PACKET: u32 = 6;

const OPTION_COMMENT: u16 = 1;
const OPTION_APPLICATION: u16 = 4;
const OPTION_RESOLUTION: u16 = 9;

/// Longest comment, in bytes: an option's length has sixteen bits.
const COMMENT_BYTES_MAX: usize = 4096;

/// Writes frames. An empty pcap file gets its header from [`PacketWriter::finish`].
#[derive(Debug)]
pub struct PacketWriter<W> {
    out: W,
    form: Form,
    /// The link types that the section has described, in the order of their numbers.
    links: Vec<LinkType>,
    block: Vec<u8>,
    frames: u64,
}

impl<W: Write> PacketWriter<W> {
    /// Writes to `out`, which should be buffered.
    pub const fn new(out: W, form: Form) -> Self {
        Self { out, form, links: Vec::new(), block: Vec::new(), frames: 0 }
    }

    /// Frames written so far.
    pub const fn frames(&self) -> u64 {
        self.frames
    }

    /// Begins a section (pcapng; a pcap file has none).
    ///
    /// # Errors
    ///
    /// Where `out` cannot be written.
    pub fn section(&mut self, section: Section) -> Result<(), PacketsError> {
        if self.form == Form::Pcap {
            return Ok(());
        }
        self.links.clear();
        self.block.clear();
        self.block.extend_from_slice(&0x1a2b_3c4d_u32.to_le_bytes());
        self.block.extend_from_slice(&1_u16.to_le_bytes());
        self.block.extend_from_slice(&0_u16.to_le_bytes());
        // The length of the section is not known before it is written.
        self.block.extend_from_slice(&u64::MAX.to_le_bytes());
        self.option(OPTION_COMMENT, section.comment().as_bytes());
        self.option(OPTION_APPLICATION, concat!("weir ", env!("CARGO_PKG_VERSION")).as_bytes());
        self.option(0, b"");
        self.write_block(SECTION_HEADER)
    }

    /// Writes a frame, with a comment in pcapng.
    ///
    /// # Errors
    ///
    /// Where `out` cannot be written, or a pcap file would hold two link types.
    pub fn frame(&mut self, frame: &Frame<'_>, comment: &str) -> Result<(), PacketsError> {
        self.frames += 1;
        match self.form {
            Form::Pcap => self.pcap_frame(frame),
            Form::Pcapng => self.pcapng_frame(frame, comment),
        }
    }

    /// Ends the file and gives back what it was written to, flushed.
    ///
    /// # Errors
    ///
    /// Where `out` cannot be written.
    pub fn finish(mut self) -> Result<W, PacketsError> {
        if self.form == Form::Pcap && self.links.is_empty() {
            self.pcap_header(LinkType(1))?;
        }
        self.out.flush()?;
        Ok(self.out)
    }

    fn pcap_header(&mut self, link: LinkType) -> io::Result<()> {
        self.links.push(link);
        // The magic that says nanoseconds; version 2.4; UTC.
        self.out.write_all(&0xa1b2_3c4d_u32.to_le_bytes())?;
        self.out.write_all(&2_u16.to_le_bytes())?;
        self.out.write_all(&4_u16.to_le_bytes())?;
        self.out.write_all(&[0; 8])?;
        self.out.write_all(&length(FRAME_BYTES_MAX).to_le_bytes())?;
        self.out.write_all(&u32::from(link.0).to_le_bytes())
    }

    fn pcap_frame(&mut self, frame: &Frame<'_>) -> Result<(), PacketsError> {
        match self.links.first() {
            None => self.pcap_header(frame.link)?,
            Some(first) if *first != frame.link => {
                let (first, other) = (first.0, frame.link.0);
                return Err(PacketsError::LinkTypes { first, other });
            }
            Some(_) => {}
        }
        let nanos = nanoseconds(frame.at);
        let seconds = u32::try_from(nanos / 1_000_000_000).unwrap_or(u32::MAX);
        self.out.write_all(&seconds.to_le_bytes())?;
        let rest = u32::try_from(nanos % 1_000_000_000).unwrap_or(0);
        self.out.write_all(&rest.to_le_bytes())?;
        self.out.write_all(&length(frame.bytes.len()).to_le_bytes())?;
        self.out.write_all(&frame.wire_len.to_le_bytes())?;
        self.out.write_all(frame.bytes)?;
        Ok(())
    }

    fn pcapng_frame(&mut self, frame: &Frame<'_>, comment: &str) -> Result<(), PacketsError> {
        let known = self.links.iter().position(|link| *link == frame.link);
        let interface = known.unwrap_or(self.links.len());
        if known.is_none() {
            self.interface(frame.link)?;
        }
        self.block.clear();
        let nanos = nanoseconds(frame.at);
        self.block.extend_from_slice(&length(interface).to_le_bytes());
        #[expect(clippy::cast_possible_truncation, reason = "the halves of 64 bits")]
        let (high, low) = ((nanos >> 32) as u32, nanos as u32);
        self.block.extend_from_slice(&high.to_le_bytes());
        self.block.extend_from_slice(&low.to_le_bytes());
        self.block.extend_from_slice(&length(frame.bytes.len()).to_le_bytes());
        self.block.extend_from_slice(&frame.wire_len.to_le_bytes());
        self.block.extend_from_slice(frame.bytes);
        self.pad();
        if !comment.is_empty() {
            self.option(OPTION_COMMENT, comment.as_bytes());
            self.option(0, b"");
        }
        self.write_block(ENHANCED_PACKET)
    }

    /// Describes an interface of that link type, with times in nanoseconds.
    fn interface(&mut self, link: LinkType) -> Result<(), PacketsError> {
        self.links.push(link);
        self.block.clear();
        self.block.extend_from_slice(&link.0.to_le_bytes());
        self.block.extend_from_slice(&[0; 2]);
        self.block.extend_from_slice(&length(FRAME_BYTES_MAX).to_le_bytes());
        self.option(OPTION_RESOLUTION, &[9]);
        self.option(0, b"");
        self.write_block(INTERFACE)
    }

    /// Appends an option to the block; number 0 ends them.
    fn option(&mut self, number: u16, value: &[u8]) {
        let value = value.get(..value.len().min(COMMENT_BYTES_MAX)).unwrap_or_default();
        self.block.extend_from_slice(&number.to_le_bytes());
        let bytes = u16::try_from(value.len()).unwrap_or(0);
        self.block.extend_from_slice(&bytes.to_le_bytes());
        self.block.extend_from_slice(value);
        self.pad();
    }

    fn pad(&mut self) {
        self.block.resize(self.block.len().next_multiple_of(4), 0);
    }

    fn write_block(&mut self, kind: u32) -> Result<(), PacketsError> {
        let bytes = length(self.block.len() + 12).to_le_bytes();
        self.out.write_all(&kind.to_le_bytes())?;
        self.out.write_all(&bytes)?;
        self.out.write_all(&self.block)?;
        self.out.write_all(&bytes)?;
        Ok(())
    }
}

/// A length that a bound keeps far below four gigabytes.
fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// Nanoseconds since 1970; capture files cannot say an earlier time.
fn nanoseconds(at: Timestamp) -> u64 {
    u64::try_from(at.as_nanos()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::source::CaptureFile;

    type Copied = (i64, Vec<u8>, u32, u16);

    fn write(form: Form, frames: &[Copied]) -> Result<Vec<u8>, PacketsError> {
        let mut writer = PacketWriter::new(Vec::new(), form);
        writer.section(Section::Copied)?;
        for (at, bytes, wire_len, link) in frames {
            let at = Timestamp::from_nanos(*at);
            let link = LinkType(*link);
            writer.frame(&Frame { at, bytes, wire_len: *wire_len, link }, "weir exchange x")?;
        }
        writer.finish()
    }

    /// The frames of a capture file, read by Weir's own reader.
    fn read(bytes: &[u8]) -> Vec<Copied> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), bytes).expect("written");
        let mut capture = CaptureFile::open(file.path()).expect("a capture");
        let mut frames = Vec::new();
        while let Some(frame) = capture.next_frame().expect("sound") {
            let Frame { at, bytes, wire_len, link } = frame;
            frames.push((at.as_nanos(), bytes.to_vec(), wire_len, link.0));
        }
        frames
    }

    #[test]
    fn a_pcap_file_refuses_a_second_link_type() {
        let frames = [(1, vec![1], 1, 1), (2, vec![2], 1, 101)];
        let error = write(Form::Pcap, &frames).expect_err("two link types");
        assert!(error.to_string().contains("use --format pcapng"), "{error}");
        assert_eq!(read(&write(Form::Pcapng, &frames).expect("written")), frames);
        assert!(read(&write(Form::Pcap, &[]).expect("written")).is_empty());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            frames in prop::collection::vec(
                (0..4_000_000_000_000_000_000_i64, prop::collection::vec(any::<u8>(), 0..70), 0..100_u32),
                0..8,
            ),
        ) {
            let frames: Vec<Copied> = frames
                .into_iter()
                .map(|(at, bytes, more)| {
                    let wire_len = u32::try_from(bytes.len()).expect("short") + more;
                    (at, bytes, wire_len, 113)
                })
                .collect();
            for form in [Form::Pcap, Form::Pcapng] {
                prop_assert_eq!(read(&write(form, &frames).expect("written")), frames.clone());
            }
        }
    }
}
