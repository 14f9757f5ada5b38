//! The ledger as JSON, with every counter of every identity.

use super::json;
use crate::ledger::{Exchanges, Ledger, Skip};

/// Appends `{"frames":{..},"missed":{..},"bytes":{..},"flows":{..},"exchanges":{..}}`.
///
/// They balance: `seen = packets + sum(skipped) + dropped`, `payload = delivered + duplicate +
/// refused`, `opened = closed + expired + evicted + live`, `total` is the sum of the states.
/// `tunnel` and `unparsed` are parts of `delivered`.
pub fn write_ledger(ledger: &Ledger, out: &mut Vec<u8>) {
    let Ledger { frames, missed, bytes, flows, exchanges } = ledger;
    out.extend_from_slice(b"{\"frames\":");
    object(out, &[("seen", frames.seen), ("packets", frames.packets)]);
    out.pop();
    out.extend_from_slice(b",\"skipped\":");
    object(out, &Skip::ALL.map(|reason| (reason.name(), ledger.skipped(reason))));
    out.extend_from_slice(b",\"dropped\":");
    json::number(out, frames.dropped);
    out.extend_from_slice(b"},\"missed\":");
    object(out, &[("kernel", missed.kernel), ("interface", missed.interface)]);
    out.extend_from_slice(b",\"bytes\":");
    object(
        out,
        &[
            ("payload", bytes.payload),
            ("delivered", bytes.delivered),
            ("duplicate", bytes.duplicate),
            ("refused", bytes.refused),
            ("gap", bytes.gap),
            ("tunnel", bytes.tunnel),
            ("unparsed", bytes.unparsed),
        ],
    );
    out.extend_from_slice(b",\"flows\":");
    object(
        out,
        &[
            ("opened", flows.opened),
            ("closed", flows.closed),
            ("expired", flows.expired),
            ("evicted", flows.evicted),
            ("live", flows.live),
        ],
    );
    out.extend_from_slice(b",\"exchanges\":");
    write_exchanges(exchanges, out);
    out.push(b'}');
}

/// Appends `{"total":..,"complete":..,..}`: exchanges by state.
pub fn write_exchanges(exchanges: &Exchanges, out: &mut Vec<u8>) {
    object(
        out,
        &[
            ("total", exchanges.total),
            ("complete", exchanges.complete),
            ("truncated", exchanges.truncated),
            ("unanswered", exchanges.unanswered),
            ("open", exchanges.open),
            ("orphan", exchanges.orphan),
        ],
    );
}

fn object(out: &mut Vec<u8>, entries: &[(&str, u64)]) {
    out.push(b'{');
    for (position, (key, number)) in entries.iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        json::string(out, key.as_bytes());
        out.push(b':');
        json::number(out, *number);
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ledger_reads_as_the_contract_says() {
        let mut ledger = Ledger::default();
        ledger.frames.seen = 7;
        ledger.frames.packets = 5;
        ledger.skip(Skip::NotIp);
        ledger.frames.dropped = 1;
        ledger.missed.kernel = 2;
        ledger.bytes.payload = 100;
        ledger.flows.opened = 3;
        ledger.exchanges.orphan = 4;
        let mut out = Vec::new();
        write_ledger(&ledger, &mut out);
        let expected = concat!(
            r#"{"frames":{"seen":7,"packets":5,"skipped":{"not_ip":1,"not_tcp":0,"fragment":0,"#,
            r#""fragment_lost":0,"cut":0,"malformed":0,"link_type":0,"too_deep":0,"filtered":0,"#,
            r#""copy":0},"dropped":1},"missed":{"kernel":2,"interface":0},"#,
            r#""bytes":{"payload":100,"delivered":0,"duplicate":0,"refused":0,"gap":0,"#,
            r#""tunnel":0,"unparsed":0},"#,
            r#""flows":{"opened":3,"closed":0,"expired":0,"evicted":0,"live":0},"#,
            r#""exchanges":{"total":0,"complete":0,"truncated":0,"unanswered":0,"open":0,"#,
            r#""orphan":4}}"#,
        );
        assert_eq!(String::from_utf8(out).expect("UTF-8"), expected);
    }

    #[test]
    fn every_counter_is_in_it() {
        let mut ledger = Ledger::default();
        let keys: Vec<&str> = ledger.entries().into_keys().collect();
        for (number, key) in (1001..).zip(&keys) {
            ledger.add_entry(key, number);
        }
        let mut out = Vec::new();
        write_ledger(&ledger, &mut out);
        let text = String::from_utf8(out).expect("UTF-8");
        for number in 1001..1001 + keys.len() {
            assert!(text.contains(&number.to_string()), "{number}");
        }
    }
}
