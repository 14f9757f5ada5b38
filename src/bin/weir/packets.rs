//! `weir export --format pcap|pcapng`: the packets of exchanges, copied or made anew.

use std::io::Write;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, anyhow, bail};
use weir::decode::Decoder;
use weir::exchange::{Exchange, Heads, Policy, Secrets};
use weir::export::packets::{Form, PacketWriter, Section, Synthesis, Wanted};
use weir::ledger::Skip;
use weir::pipeline::Watch;
use weir::query::scan::{self, Question};
use weir::segment::{SegmentError, Store};
use weir::source::{self, CaptureFiles, Source as _};

use crate::args::{ExportArgs, Which};
use crate::exit::{Exit, Interrupted, UsageError, complain};
use crate::open::{Opened, Reading, Subject};
use crate::question::Asked;
use crate::{interrupt, progress};

/// The captures and the segments of a question, apart.
pub(crate) struct Packets {
    captures: Subject,
    read: Opened,
    kept: Store,
    question: Question,
}

impl Packets {
    /// Reads the captures once, to find the exchanges in them.
    pub(crate) fn look(args: &ExportArgs) -> Result<Self> {
        let asked = Asked::read(&args.which)?;
        let Subject { segments, captures, foreign } = Subject::look(&args.paths)?;
        if let Some((path, _)) = foreign.first() {
            bail!("{} has no packets: expected captures or segments", path.display());
        }
        if captures.iter().any(|path| path.as_os_str() == "-") {
            let text = "packets are found in a first reading and copied in a second, and standard \
                        input (-) can be read once: save the capture to a file first";
            return Err(UsageError(text.into()).into());
        }
        let captures = Subject { captures, ..Subject::default() };
        // Nothing of this is written, so a filter may look at secrets.
        let policy = Policy { heads: Heads::Whole, body_bytes_max: None, secrets: Secrets::Kept };
        let read = captures.store(&Reading { policy, workers: args.which.workers })?;
        let kept = Store::open(&segments)?;
        let last = scan::last_start(&read.store)?.max(scan::last_start(&kept)?);
        Ok(Self { captures, read, kept, question: asked.question(last) })
    }

    /// Writes the packets to `out`.
    pub(crate) fn write(self, form: Form, which: &Which, out: &mut impl Write) -> Result<Exit> {
        let mut writer = PacketWriter::new(out, form);
        let mut damaged = Vec::new();
        let mut is_damaged = false;
        if !self.captures.captures.is_empty() || self.kept.paths().is_empty() {
            writer.section(Section::Copied)?;
        }
        if !self.captures.captures.is_empty() {
            is_damaged |= self.copy(&mut writer, &mut damaged)?;
            if !which.keep_secrets && writer.frames() > 0 {
                complain("packets are copied as captured: secrets in them are not redacted");
            }
        }
        if !self.kept.paths().is_empty() {
            writer.section(Section::Synthesised)?;
            damaged.extend(self.synthesise(&mut writer)?);
            if form == Form::Pcap {
                complain("packets of segments are synthesised, and a pcap file cannot say so");
            }
        }
        writer.finish()?;
        let exit = self.read.close(&damaged)?;
        Ok(if is_damaged { Exit::Failed } else { exit })
    }

    /// Copies the frames of the exchanges; whether a part of the captures could not be read.
    fn copy<W: Write>(
        &self,
        writer: &mut PacketWriter<W>,
        damaged: &mut Vec<SegmentError>,
    ) -> Result<bool> {
        let mut wanted = Wanted::default();
        let mut too_many = None;
        let scanned = scan::scan(&self.read.store, &self.question, &mut |found| match wanted
            .add(&found.facts)
        {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                too_many = Some(error);
                ControlFlow::Break(())
            }
        })?;
        if let Some(error) = too_many {
            return Err(error.into());
        }
        damaged.extend(scanned.damaged);
        wanted.prepare();
        let watch = Arc::new(Watch::default());
        let stopped = interrupt::stops(&watch)?;
        let mut files = CaptureFiles::new(self.captures.captures.iter().cloned());
        let progress = progress::show(&watch, files.bytes_total());
        let copied = copy_frames(&mut files, &mut wanted, writer, &watch);
        drop(progress);
        copied?;
        if stopped.load(Ordering::Relaxed) {
            return Err(Interrupted.into());
        }
        // The first reading has complained of what could not be read.
        Ok(!files.take_errors().is_empty())
    }

    /// Makes frames of the exchanges in segments.
    fn synthesise<W: Write>(&self, writer: &mut PacketWriter<W>) -> Result<Vec<SegmentError>> {
        let mut exchange = Exchange::default();
        let mut synthesis = Synthesis::default();
        let mut failure = None;
        let mut damaged = Vec::new();
        let scanned = scan::sorted(&self.kept, &self.question, &mut |found| {
            if let Err(error) = found.exchange(&mut exchange) {
                damaged.push(error);
                return ControlFlow::Continue(());
            }
            match synthesis.write(&exchange, writer) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failure = Some(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        if let Some(error) = failure {
            return Err(anyhow!(error));
        }
        damaged.extend(scanned.damaged);
        Ok(damaged)
    }
}

/// Copies the frames that are wanted. Fragments are copied where an exchange was under way: which
/// connection they belong to is known only of the last.
fn copy_frames<W: Write>(
    files: &mut CaptureFiles,
    wanted: &mut Wanted,
    writer: &mut PacketWriter<W>,
    watch: &Watch,
) -> Result<()> {
    let mut decoder = Decoder::new();
    let mut ids = Vec::new();
    let mut comment = String::new();
    let mut failure = None;
    while !is_set(&watch.stop) && failure.is_none() {
        let reading = files.read(&mut |frame| {
            watch.frames.fetch_add(1, Ordering::Relaxed);
            watch.bytes.fetch_add(frame.bytes.len() as u64, Ordering::Relaxed);
            ids.clear();
            let is_wanted = match decoder.decode(frame) {
                Ok(packet) => wanted.wants(&packet, &mut ids),
                Err(Skip::Fragment) => wanted.is_during(frame.at),
                Err(_) => false,
            };
            if is_wanted && failure.is_none() {
                comment.clear();
                for id in &ids {
                    comment.push_str(if comment.is_empty() { "weir exchange " } else { ", " });
                    comment.push_str(&id.to_string());
                }
                failure = writer.frame(frame, &comment).err();
            }
        })?;
        if reading == source::Reading::End {
            break;
        }
    }
    failure.map_or(Ok(()), |error| Err(error.into()))
}

fn is_set(flag: &AtomicBool) -> bool {
    flag.load(Ordering::Relaxed)
}
