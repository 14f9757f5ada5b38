//! `weir doctor`: why a capture on an interface would or would not be trustworthy.

use std::io::Write as _;

use anyhow::Result;
use weir::doctor::{Finding, Verdict, examine};
use weir::export::json;
use weir::report::escaped;
use weir::source::live::Settings;

use crate::exit::Exit;
use crate::live::selection;
use crate::live_args::DoctorArgs;
use crate::terminal;

/// Answers `weir doctor`.
pub(crate) fn run(args: &DoctorArgs) -> Result<Exit> {
    let settings = Settings {
        ring_bytes: args.buffer,
        selection: selection(&args.filter, args.port.as_ref()),
        ..Settings::default()
    };
    let settings = Settings { snap_len: args.snaplen.unwrap_or(settings.snap_len), ..settings };
    let look_ns = u64::try_from(args.duration.as_nanos()).unwrap_or(u64::MAX);
    let mut worst = Verdict::Good;
    let mut out = terminal::output();
    for interface in &args.interface {
        let examination = examine(interface, &settings, look_ns)?;
        worst = worst.max(examination.verdict());
        if !args.json && args.interface.len() > 1 {
            writeln!(out, "{}:", escaped(interface.as_bytes()))?;
        }
        for finding in &examination.findings {
            if args.json {
                out.write_all(&as_json(interface, finding))?;
            } else {
                writeln!(out, "{:4}  {}", finding.verdict, escaped(finding.text.as_bytes()))?;
            }
        }
        out.flush()?;
    }
    Ok(if worst == Verdict::Bad { Exit::CheckFailed } else { Exit::Done })
}

fn as_json(interface: &str, finding: &Finding) -> Vec<u8> {
    let mut out = b"{\"interface\":".to_vec();
    json::string(&mut out, interface.as_bytes());
    out.extend_from_slice(b",\"verdict\":");
    json::string(&mut out, finding.verdict.to_string().as_bytes());
    out.extend_from_slice(b",\"finding\":");
    json::string(&mut out, finding.text.as_bytes());
    out.extend_from_slice(b"}\n");
    out
}
