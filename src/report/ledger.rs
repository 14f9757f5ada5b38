//! The ledger for people: where every frame, byte, flow and exchange went.

use std::fmt::Write;

use crate::ledger::{Exchanges, Ledger, Skip};
use crate::report::style::{Role, Style};
use crate::report::units::{count, size};

/// The account as one paragraph a kind, and whether it balances.
#[must_use]
pub fn ledger(ledger: &Ledger, style: Style) -> String {
    let flows = &ledger.flows;
    let mut out = String::new();
    frames(&mut out, ledger, style);
    bytes(&mut out, ledger, style);
    line(
        &mut out,
        style,
        "flows",
        &[
            (flows.opened, "opened ="),
            (flows.closed, "closed +"),
            (flows.expired, "expired +"),
            (flows.evicted, "evicted +"),
            (flows.live, "live"),
        ],
    );
    exchanges(&mut out, style, "exchanges", &ledger.exchanges);
    balance(&mut out, ledger, style);
    out
}

/// Appends a line of exchanges by state.
pub fn exchanges(out: &mut String, style: Style, name: &str, exchanges: &Exchanges) {
    line(
        out,
        style,
        name,
        &[
            (exchanges.total, "in all ="),
            (exchanges.complete, "complete +"),
            (exchanges.truncated, "truncated +"),
            (exchanges.unanswered, "unanswered +"),
            (exchanges.open, "open +"),
            (exchanges.orphan, "orphan"),
        ],
    );
}

fn frames(out: &mut String, ledger: &Ledger, style: Style) {
    let Ledger { frames, missed, .. } = ledger;
    let skipped: u64 = frames.skipped.iter().sum();
    line(
        out,
        style,
        "frames",
        &[
            (frames.seen, "seen ="),
            (frames.packets, "packets +"),
            (skipped, "skipped +"),
            (frames.dropped, "dropped"),
        ],
    );
    let mut reasons = Skip::ALL.map(|reason| (ledger.skipped(reason), reason));
    reasons.sort_by_key(|&(number, _)| std::cmp::Reverse(number));
    for (number, reason) in reasons.into_iter().filter(|(number, _)| *number > 0) {
        let _ = writeln!(out, "             {} {}", count(number), skip_words(reason));
    }
    let lost = missed.kernel.saturating_add(missed.interface);
    let text = format!(
        "missed     {} by the kernel, {} by the interface: lost before weir saw them",
        count(missed.kernel),
        count(missed.interface)
    );
    let _ = writeln!(out, "{}", style.paint(if lost > 0 { Role::Odd } else { Role::Faint }, text));
}

fn bytes(out: &mut String, ledger: &Ledger, style: Style) {
    let bytes = &ledger.bytes;
    line(
        out,
        style,
        "bytes",
        &[
            (bytes.payload, "payload ="),
            (bytes.delivered, "delivered +"),
            (bytes.duplicate, "duplicate +"),
            (bytes.refused, "refused"),
        ],
    );
    if bytes.tunnel > 0 {
        let _ = writeln!(out, "             {} of them in tunnels, not read", size(bytes.tunnel));
    }
    if bytes.unparsed > 0 {
        let _ = writeln!(out, "             {} of them in no message", size(bytes.unparsed));
    }
    if bytes.gap > 0 {
        let text = format!("             {} more were never captured", count(bytes.gap));
        let _ = writeln!(out, "{}", style.paint(Role::Odd, text));
    }
}

fn line(out: &mut String, style: Style, name: &str, terms: &[(u64, &str)]) {
    let terms: Vec<String> =
        terms.iter().map(|(number, word)| format!("{} {word}", count(*number))).collect();
    let _ =
        writeln!(out, "{} {}", style.paint(Role::Heading, format!("{name:<10}")), terms.join(" "));
}

fn balance(out: &mut String, ledger: &Ledger, style: Style) {
    let imbalances = ledger.imbalances();
    if imbalances.is_empty() {
        let _ = writeln!(out, "{}", style.paint(Role::Good, "The account balances."));
    }
    for imbalance in imbalances {
        let text = format!("The account does not balance: {imbalance}.");
        let _ = writeln!(out, "{}", style.paint(Role::Bad, text));
    }
}

/// What a reason says, after its number.
const fn skip_words(reason: Skip) -> &'static str {
    match reason {
        Skip::NotIp => "not_ip: ARP and others that carry no IP",
        Skip::NotTcp => "not_tcp: UDP, ICMP and others",
        Skip::Fragment => "fragment: their datagram was read with its last fragment",
        Skip::FragmentLost => "fragment_lost: the rest of the datagram never came",
        Skip::Cut => "cut: headers cut off by the snap length",
        Skip::Malformed => "malformed: headers that contradict themselves",
        Skip::LinkType => "link_type: of a link that weir does not read",
        Skip::TooDeep => "too_deep: more wrappings than are opened",
        Skip::Filtered => "filtered: left out by the filter",
        Skip::Copy => "copy: of a frame already counted",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_reads_as_sums() {
        let mut account = Ledger::default();
        account.frames.seen = 1234;
        account.frames.packets = 1230;
        (0..3).for_each(|_| account.skip(Skip::NotTcp));
        account.skip(Skip::NotIp);
        account.bytes.payload = 5000;
        account.bytes.delivered = 5000;
        account.bytes.gap = 100;
        account.flows.opened = 2;
        account.flows.live = 2;
        account.exchanges.total = 9;
        account.exchanges.complete = 9;
        let expected = "\
frames     1,234 seen = 1,230 packets + 4 skipped + 0 dropped
             3 not_tcp: UDP, ICMP and others
             1 not_ip: ARP and others that carry no IP
missed     0 by the kernel, 0 by the interface: lost before weir saw them
bytes      5,000 payload = 5,000 delivered + 0 duplicate + 0 refused
             100 more were never captured
flows      2 opened = 0 closed + 0 expired + 0 evicted + 2 live
exchanges  9 in all = 9 complete + 0 truncated + 0 unanswered + 0 open + 0 orphan
The account balances.
";
        assert_eq!(ledger(&account, Style::Plain), expected);
        account.flows.opened = 3;
        let told = ledger(&account, Style::Plain);
        assert!(told.contains("The account does not balance: flows: opened = "), "{told}");
    }
}
