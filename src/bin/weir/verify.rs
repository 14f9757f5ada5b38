//! `weir verify`: checks segments, and seals what a crash left open.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Result, bail};
use weir::exchange::{Heads, Policy, Secrets};
use weir::export::json;
use weir::pipeline::Output;
use weir::report::{escaped, units};
use weir::segment::{Damage, Segment, Store, repair};

use crate::args::VerifyArgs;
use crate::exit::Exit;
use crate::open::{Reading, Subject};
use crate::terminal;

/// What was found about one file.
struct Finding {
    path: String,
    /// What it is and holds, in a few words.
    is: String,
    exchanges: u64,
    damage: Vec<String>,
}

/// Counts what a capture gives and keeps nothing.
struct Nothing;

impl Output for Nothing {
    fn exchange(&mut self, _: &weir::exchange::Exchange) {}
}

/// Answers `weir verify`.
pub(crate) fn run(args: &VerifyArgs) -> Result<Exit> {
    let subject = Subject::look(&args.paths)?;
    if let Some((path, _)) = subject.foreign.first() {
        bail!("{} is neither a segment nor a capture: it has no checksums", path.display());
    }
    let mut findings = Vec::new();
    for path in Store::open(&subject.segments)?.paths() {
        findings.push(verify(path, args.repair)?);
    }
    for path in &subject.captures {
        findings.push(capture(path)?);
    }
    let mut out = terminal::output();
    for finding in &findings {
        if args.json {
            out.write_all(&finding.json())?;
        } else {
            out.write_all(finding.text().as_bytes())?;
        }
    }
    out.flush()?;
    let is_whole = findings.iter().all(|finding| finding.damage.is_empty());
    Ok(if is_whole { Exit::Done } else { Exit::CheckFailed })
}

/// Checks one segment; repairs it first where that is asked for and needed.
fn verify(path: &Path, repairs: bool) -> Result<Finding> {
    let segment = Segment::open(path)?;
    let told = |damage: Vec<Damage>| damage.iter().map(ToString::to_string).collect();
    let is_left_open = !segment.is_sealed() || path.extension().is_some_and(|e| e == "part");
    if repairs && is_left_open {
        drop(segment);
        let repaired = repair(path)?;
        return Ok(Finding {
            path: repaired.path.display().to_string(),
            is: format!("repaired: {}", blocks(repaired.blocks)),
            exchanges: repaired.exchanges,
            damage: told(repaired.damage),
        });
    }
    let is = if segment.is_sealed() { "sealed" } else { "not sealed" };
    Ok(Finding {
        path: path.display().to_string(),
        is: format!("{is}, {}", blocks(segment.blocks().len())),
        exchanges: segment.exchanges(),
        damage: told(segment.verify()?),
    })
}

/// Reads a capture to its end; damage is what the reading complains of, and an account that
/// does not balance.
fn capture(path: &Path) -> Result<Finding> {
    let policy = Policy { heads: Heads::Brief, body_bytes_max: None, secrets: Secrets::Redacted };
    let subject = Subject { captures: vec![path.to_owned()], ..Subject::default() };
    let captured = subject.read(&Reading { policy, workers: None }, vec![Nothing])?;
    let mut damage = captured.ledger.imbalances();
    if captured.is_damaged {
        damage.push("not all of it could be read".to_owned());
    }
    Ok(Finding {
        path: path.display().to_string(),
        is: format!("{} read", units::counted(captured.ledger.frames.seen, "frame", "frames")),
        exchanges: captured.ledger.exchanges.total,
        damage,
    })
}

fn blocks(number: usize) -> String {
    units::counted(number as u64, "block", "blocks")
}

impl Finding {
    fn text(&self) -> String {
        let verdict = if self.damage.is_empty() { "whole" } else { "DAMAGED" };
        let exchanges = units::counted(self.exchanges, "exchange", "exchanges");
        let path = escaped(self.path.as_bytes());
        let mut text = format!("{path}: {verdict} ({}, {exchanges})\n", self.is);
        for damage in &self.damage {
            text.push_str(&format!("  {}\n", escaped(damage.as_bytes())));
        }
        text
    }

    fn json(&self) -> Vec<u8> {
        let mut out = b"{\"path\":".to_vec();
        json::string(&mut out, self.path.as_bytes());
        out.extend_from_slice(b",\"is\":");
        json::string(&mut out, self.is.as_bytes());
        out.extend_from_slice(b",\"exchanges\":");
        json::number(&mut out, self.exchanges);
        out.extend_from_slice(b",\"damage\":[");
        for (position, damage) in self.damage.iter().enumerate() {
            if position > 0 {
                out.push(b',');
            }
            json::string(&mut out, damage.as_bytes());
        }
        out.extend_from_slice(b"]}\n");
        out
    }
}
