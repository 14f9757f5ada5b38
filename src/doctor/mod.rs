//! Why a capture on an interface would or would not be trustworthy.

mod probe;

use std::fmt;

use crate::decode::Decoder;
use crate::ledger::Skip;
use crate::packet::{Frame, LinkType};
use crate::report::units;
use crate::source::live::{Hardware, Interfaces, Notice, Offload, Settings, hardware};
use crate::source::{Reading, Source, SourceError};
use crate::time::Timestamp;

pub use probe::{Connections, Counts};

use probe::Probe;

/// Names of link types.
const LINKS: [(u16, &str); 10] = [
    (1, "Ethernet"),
    (113, "Linux cooked"),
    (276, "Linux cooked, second form"),
    (101, "raw IP"),
    (228, "raw IPv4"),
    (229, "raw IPv6"),
    (0, "BSD loopback"),
    (108, "BSD loopback"),
    (9, "PPP"),
    (50, "PPP"),
];

/// What is known of an interface after a look at it.
#[derive(Clone, Debug)]
pub struct Examination {
    /// The interface.
    pub interface: String,
    /// How its frames begin.
    pub link: LinkType,
    /// What its driver says.
    pub hardware: Hardware,
    /// Bytes kept of each frame.
    pub snap_len: usize,
    /// Bytes of the ring.
    pub ring_bytes: usize,
    /// How long was looked, in nanoseconds.
    pub looked_ns: u64,
    /// What passed meanwhile.
    pub counts: Counts,
    /// What that means, in the order in which to read it.
    pub findings: Vec<Finding>,
}

/// Something that makes a capture trustworthy, or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How good or bad it is.
    pub verdict: Verdict,
    /// What was found, and what to do about it.
    pub text: String,
}

/// How good or bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// As it should be.
    Good,
    /// Good to know.
    Note,
    /// A capture would not be what it seems.
    Bad,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Good => "ok",
            Self::Note => "note",
            Self::Bad => "bad",
        })
    }
}

impl fmt::Display for Examination {
    /// A line a finding.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.findings
            .iter()
            .try_for_each(|found| writeln!(f, "{:4}  {}", found.verdict, found.text))
    }
}

impl Examination {
    /// The worst verdict.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.findings.iter().map(|found| found.verdict).max().unwrap_or(Verdict::Good)
    }
}

/// Captures on an interface for `look_ns` nanoseconds, and says what was found.
///
/// # Errors
///
/// Where it cannot be opened, and what to do about it: with that the examination is over.
pub fn examine(
    interface: &str,
    settings: &Settings,
    look_ns: u64,
) -> Result<Examination, SourceError> {
    let (tell, lost) = std::sync::mpsc::channel();
    let notify = Box::new(move |notice| {
        let _ = tell.send(notice);
    });
    let mut source = Interfaces::open(&[interface], settings.clone(), notify)?;
    let link = source.links().first().copied().unwrap_or(LinkType(u16::MAX));
    let mut probe = Probe::new();
    let looked_ns = look(&mut source, &mut probe, look_ns)?;
    let missed = source.missed();
    let mut examination = Examination {
        interface: interface.to_owned(),
        link,
        hardware: hardware(interface),
        snap_len: settings.snap_len,
        ring_bytes: settings.ring_bytes,
        looked_ns,
        counts: probe.finish(missed),
        findings: Vec::new(),
    };
    examination.findings = findings(&examination);
    for notice in lost.try_iter().filter(|notice| !matches!(notice, Notice::Up { .. })) {
        examination.findings.push(Finding { verdict: Verdict::Bad, text: notice.to_string() });
    }
    Ok(examination)
}

/// Shows the probe what comes in so much time; gives how long it was.
fn look(source: &mut Interfaces, probe: &mut Probe, look_ns: u64) -> Result<u64, SourceError> {
    let mut span: Option<(Timestamp, Timestamp)> = None;
    loop {
        let mut latest = Timestamp::MIN;
        let reading = source.read(&mut |frame| {
            latest = frame.at.max(latest);
            probe.frame(frame);
        })?;
        let now = match reading {
            Reading::End => break,
            Reading::More => latest,
            Reading::Idle(through) => through.max(latest),
        };
        let (first, last) = span.get_or_insert((now, now));
        *last = now.max(*last);
        if last.since(*first) >= look_ns {
            source.stop();
        }
    }
    Ok(span.map_or(0, |(first, last)| last.since(first)))
}

/// What an examination means.
fn findings(seen: &Examination) -> Vec<Finding> {
    let mut findings = vec![link(seen), clock(seen)];
    findings.extend(sizes(seen));
    findings.push(ring(seen));
    let counts = &seen.counts;
    if counts.packets == 0 {
        findings.push(nothing(seen));
        return findings;
    }
    findings.push(losses(seen));
    findings.push(directions(&counts.connections));
    findings.extend(protocols(&counts.connections));
    findings.extend(wrappings(counts));
    findings
}

fn good(text: String) -> Finding {
    Finding { verdict: Verdict::Good, text }
}

fn note(text: String) -> Finding {
    Finding { verdict: Verdict::Note, text }
}

fn bad(text: String) -> Finding {
    Finding { verdict: Verdict::Bad, text }
}

fn link(seen: &Examination) -> Finding {
    let LinkType(number) = seen.link;
    let (at, bytes, wire_len) = (Timestamp::default(), &[], 0);
    let empty = Frame { at, bytes, wire_len, link: seen.link };
    if matches!(Decoder::new().decode(&empty), Err(Skip::LinkType)) {
        return bad(format!("link type {number} is not read by weir: nothing would be seen"));
    }
    let name = LINKS.iter().find(|(link, _)| *link == number).map_or("other", |(_, name)| name);
    good(format!("link type: {name} ({number})"))
}

fn clock(seen: &Examination) -> Finding {
    const SOURCE: &str = "timestamps: the kernel's clock, in nanoseconds";
    match seen.counts.stepped_back {
        0 => good(SOURCE.to_owned()),
        count => note(format!(
            "{SOURCE}; {count} frames were stamped over a millisecond before an earlier one: \
             phases shorter than that are not to be trusted"
        )),
    }
}

fn sizes(seen: &Examination) -> Vec<Finding> {
    let Examination { hardware, counts, snap_len, .. } = seen;
    let mut found = Vec::new();
    if counts.cut > 0 {
        found.push(bad(format!(
            "{} of {} frames were cut by the snap length of {snap_len} bytes: bodies are measured \
             by their framing only; leave out -s",
            counts.cut, counts.frames
        )));
    }
    let names: Vec<String> = hardware.offloads.iter().map(Offload::to_string).collect();
    let frames = match hardware.mtu {
        Some(mtu) if counts.longest > mtu.saturating_add(64) => {
            format!("; frames of up to {} bytes were seen (MTU {mtu})", counts.longest)
        }
        _ => String::new(),
    };
    if names.is_empty() {
        found.push(good(format!("no offloading known: frames are those of the wire{frames}")));
    } else {
        let fits = if *snap_len > 65_549 { "take them whole" } else { "may cut them" };
        found.push(note(format!(
            "offloading ({}): frames on this host are larger than on the wire and their checksums \
             may be wrong{frames}; {snap_len} bytes of snap length {fits}",
            names.join(", ")
        )));
    }
    found
}

fn ring(seen: &Examination) -> Finding {
    let size = units::size(seen.ring_bytes as u64);
    let bytes = u128::from(seen.counts.bytes);
    let holds_ns = seen.ring_bytes as u128 * u128::from(seen.looked_ns);
    match holds_ns.checked_div(bytes).map(|ns| u64::try_from(ns).unwrap_or(u64::MAX)) {
        Some(ns) if ns < 200_000_000 => bad(format!(
            "ring of {size}: at this rate it holds {} only; give it more with -B",
            units::duration(ns)
        )),
        Some(ns) if ns < 60_000_000_000 => {
            good(format!("ring of {size}: at this rate it holds {}", units::duration(ns)))
        }
        _ => good(format!("ring of {size}")),
    }
}

fn nothing(seen: &Examination) -> Finding {
    let time = units::duration(seen.looked_ns);
    let running = match seen.hardware.is_running {
        Some(false) => "; it has no carrier",
        _ => "",
    };
    note(format!(
        "{} frames and not one TCP packet in {time}{running}: is this the interface that the \
         traffic takes?",
        seen.counts.frames
    ))
}

fn losses(seen: &Examination) -> Finding {
    let counts = &seen.counts;
    let time = units::duration(seen.looked_ns);
    match (counts.missed.kernel, counts.missed.interface) {
        (0, 0) => good(format!("nothing lost of {} frames in {time}", counts.frames)),
        (kernel, interface) => bad(format!(
            "lost in {time}: {kernel} frames for lack of room in the ring (more with -B), \
             {interface} by the interface (see ethtool -S)"
        )),
    }
}

fn directions(connections: &Connections) -> Finding {
    let Connections { all, one_sided, .. } = connections;
    match one_sided {
        0 => good(format!("both directions seen of {all} connections")),
        _ => bad(format!(
            "only one direction seen of {one_sided} of {all} connections: routing by another \
             interface (try -i any), or a mirror port of one direction; such requests stay \
             unanswered, such responses orphans"
        )),
    }
}

fn protocols(connections: &Connections) -> Vec<Finding> {
    let Connections { all, tls, http, http2, .. } = *connections;
    let share = |part: u64| part * 100 / all.max(1);
    let mut found = Vec::new();
    if http > 0 {
        found.push(good(format!("HTTP/1 on {http} of {all} connections ({}%)", share(http))));
    } else {
        found.push(note(format!("no HTTP/1 on any of {all} connections")));
    }
    if tls > 0 {
        found.push(note(format!(
            "TLS on {tls} of {all} connections ({}%): weir does not read it; capture behind what \
             ends it, such as the proxy's way to the service",
            share(tls)
        )));
    }
    if http2 > 0 {
        found.push(note(format!("HTTP/2 on {http2} of {all} connections: weir does not read it")));
    }
    found
}

fn wrappings(counts: &Counts) -> Vec<Finding> {
    let mut found = Vec::new();
    if counts.tagged > 0 {
        found.push(note(format!(
            "VLAN tags on {} packets: -p sees through them, a filter of your own needs `vlan and`",
            counts.tagged
        )));
    }
    if counts.wrapped > 0 {
        found.push(note(format!(
            "{} packets in tunnels, fragments or behind extension headers: -p sees through them, a \
             filter of your own may not",
            counts.wrapped
        )));
    }
    if counts.with_data > 20 && counts.repeated * 5 > counts.with_data {
        found.push(note(format!(
            "{} of {} packets with data came twice in a row: the interface shows copies (a bridge, \
             any, a mirror port); they are recognised, and cost time",
            counts.repeated, counts.with_data
        )));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(change: impl FnOnce(&mut Examination)) -> Vec<(Verdict, String)> {
        let connections = Connections { all: 10, http: 10, ..Connections::default() };
        let counts = Counts {
            frames: 1000,
            bytes: 1_000_000,
            longest: 1514,
            packets: 900,
            with_data: 500,
            connections,
            ..Counts::default()
        };
        let mut examination = Examination {
            interface: "eth0".to_owned(),
            link: LinkType(1),
            hardware: Hardware { mtu: Some(1500), ..Hardware::default() },
            snap_len: 262_144,
            ring_bytes: 64 << 20,
            looked_ns: 2_000_000_000,
            counts,
            findings: Vec::new(),
        };
        change(&mut examination);
        findings(&examination).into_iter().map(|found| (found.verdict, found.text)).collect()
    }

    /// The change must lead to a finding of that verdict with these words.
    fn check(change: impl FnOnce(&mut Examination), verdict: Verdict, words: &str) {
        let found = seen(change);
        let is_there = found.iter().any(|(v, text)| *v == verdict && text.contains(words));
        assert!(is_there, "{words}: {found:#?}");
    }

    #[test]
    fn a_sound_interface_is_good_throughout() {
        let found = seen(|_| {});
        assert!(found.iter().all(|(verdict, _)| *verdict == Verdict::Good), "{found:#?}");
        assert_eq!(found.len(), 7);
    }

    #[test]
    fn what_is_wrong_is_found() {
        check(|seen| seen.link = LinkType(147), Verdict::Bad, "is not read");
        check(|seen| seen.counts.cut = 3, Verdict::Bad, "3 of 1000 frames were cut");
        check(|seen| seen.counts.missed.kernel = 7, Verdict::Bad, "7 frames for lack of room");
        check(|seen| seen.counts.missed.interface = 7, Verdict::Bad, "7 by the interface");
        check(|seen| seen.counts.connections.one_sided = 4, Verdict::Bad, "4 of 10");
        check(|seen| seen.counts.bytes = 1 << 40, Verdict::Bad, "more with -B");
        check(|seen| seen.counts.connections.tls = 5, Verdict::Note, "(50%)");
        check(|seen| seen.counts.connections.http2 = 5, Verdict::Note, "HTTP/2 on 5 of 10");
        check(|seen| seen.counts.connections.http = 0, Verdict::Note, "no HTTP/1");
        check(|seen| seen.counts.tagged = 5, Verdict::Note, "VLAN tags on 5");
        check(|seen| seen.counts.wrapped = 5, Verdict::Note, "5 packets in tunnels");
        check(|seen| seen.counts.repeated = 250, Verdict::Note, "250 of 500");
        check(|seen| seen.counts.packets = 0, Verdict::Note, "not one TCP packet in 2.00 s");
        check(|seen| seen.counts.stepped_back = 1, Verdict::Note, "1 frames were stamped");
        let offload = |seen: &mut Examination| {
            seen.hardware.offloads = vec![Offload::Receive];
            seen.counts.longest = 65_226;
        };
        check(offload, Verdict::Note, "(GRO)");
        check(offload, Verdict::Note, "up to 65226 bytes were seen (MTU 1500)");
    }
}
