//! `weir devices`: the interfaces that can be captured.

use std::io::Write as _;

use anyhow::Result;
use weir::export::json;
use weir::report::escaped;
use weir::source::live::{Device, devices};

use crate::exit::Exit;
use crate::live_args::DevicesArgs;
use crate::terminal;

/// Answers `weir devices`.
pub(crate) fn run(args: &DevicesArgs) -> Result<Exit> {
    let mut out = terminal::output();
    let devices = devices()?;
    let columns = devices.iter().map(|device| device.name.len()).max().unwrap_or(0);
    for device in &devices {
        if args.json {
            out.write_all(&as_json(device))?;
        } else {
            let Device { name, status, link, .. } = device;
            let name = escaped(name.as_bytes()).to_string();
            let addresses: Vec<String> = device.addresses.iter().map(ToString::to_string).collect();
            let mut line =
                format!("{name:<columns$}  {:<8} {:<13}", status.to_string(), link.to_string());
            line.push_str(&addresses.join(" "));
            if let Some(description) = &device.description {
                line.push_str(&format!("  {}", escaped(description.as_bytes())));
            }
            writeln!(out, "{}", line.trim_end())?;
        }
    }
    out.flush()?;
    Ok(Exit::Done)
}

fn as_json(device: &Device) -> Vec<u8> {
    let mut out = b"{\"name\":".to_vec();
    json::string(&mut out, device.name.as_bytes());
    out.extend_from_slice(b",\"description\":");
    match &device.description {
        Some(description) => json::string(&mut out, description.as_bytes()),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"status\":");
    json::string(&mut out, device.status.to_string().as_bytes());
    out.extend_from_slice(b",\"link\":");
    json::string(&mut out, device.link.to_string().as_bytes());
    out.extend_from_slice(b",\"addresses\":[");
    for (position, address) in device.addresses.iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        json::string(&mut out, address.to_string().as_bytes());
    }
    out.extend_from_slice(b"]}\n");
    out
}
