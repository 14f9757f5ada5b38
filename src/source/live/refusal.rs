//! Why an interface could not be opened, and what to type about it.

use std::path::Path;

use rustix::thread::{CapabilitySet, capabilities, no_new_privs};

use super::devices::Device;
use crate::source::error::SourceError;
use crate::source::socket::Inquiry;

/// Most interfaces that are named to somebody who mistyped one.
const NAMED_MAX: usize = 12;

/// The error for what libpcap said of an interface.
pub(super) fn explain(interface: &str, reason: &str) -> SourceError {
    let interface = interface.to_owned();
    // libpcap tells its own sentence, then that of the system in brackets on the next line.
    let reason = reason.replace('\n', " ");
    let inquiry = Inquiry::open().ok();
    let has_index = inquiry.as_ref().is_none_or(|inquiry| inquiry.index(&interface).is_ok());
    if !has_index {
        let devices = super::devices().unwrap_or_default();
        if devices.iter().all(|device| device.name != interface) {
            return SourceError::NoInterface { interface, known: names(&devices) };
        }
    }
    if !may_capture() || reason.contains("ermission") || reason.contains("not permitted") {
        return SourceError::Permission { interface, remedy: remedy() };
    }
    let flags = inquiry.and_then(|inquiry| inquiry.flags(&interface).ok());
    if flags.is_some_and(|flags| !flags.is_up()) {
        return SourceError::InterfaceDown { interface };
    }
    SourceError::Interface { interface, reason }
}

fn names(devices: &[Device]) -> String {
    let names: Vec<_> = devices.iter().take(NAMED_MAX).map(|device| &*device.name).collect();
    let more = if devices.len() > NAMED_MAX { ", ..." } else { "" };
    format!("{}{more}", names.join(", "))
}

/// Whether this process has the capability in effect; yes where it cannot be told.
fn may_capture() -> bool {
    capabilities(None).map_or(true, |sets| sets.effective.contains(CapabilitySet::NET_RAW))
}

/// What to do about a missing capability, with the command where there is one.
fn remedy() -> String {
    if no_new_privs().unwrap_or(false) {
        // Such a process gains nothing by executing a file, whatever the file has.
        return "this process may not gain privileges (no_new_privs), so a capability on the file \
                has no effect: give it an ambient one (systemd: AmbientCapabilities=CAP_NET_RAW)"
            .to_owned();
    }
    let program = std::env::current_exe();
    let path = program.as_deref().unwrap_or(Path::new("weir"));
    format!(
        "give weir the capability, once: sudo setcap cap_net_raw+ep {} (or run it with sudo)",
        quoted(path)
    )
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_for_a_shell() {
        let check = |path: &str, expected: &str| assert_eq!(quoted(Path::new(path)), expected);
        check("/usr/bin/weir", "/usr/bin/weir");
        check("/home/a b/weir", "'/home/a b/weir'");
        check("/it's", r"'/it'\''s'");
    }

    #[test]
    fn a_refusal_is_one_line_that_says_what_to_type() {
        let message = "lo: You don't have permission to capture on that device\n(socket: \
                       Operation not permitted)";
        let line = explain("lo", message).to_string();
        assert!(line.contains("setcap cap_net_raw+ep /") || line.contains("Ambient"), "{line}");
        assert!(!line.contains('\n'));
        let line = explain("weir-none", "weir-none: No such device exists\n(No such device)");
        assert!(line.to_string().contains("there is no such interface"), "{line}");
    }
}
