//! The chain of reasons of one exchange as JSON.

use super::json;
use crate::exchange::{Facts, Loss};
use crate::query::why::{Neighbours, Reason};

/// Appends the reasons of one exchange as one line of JSON, line end included.
pub fn write(facts: &Facts, around: &Neighbours, reasons: &[Reason], out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"id\":");
    json::id(out, facts.id());
    out.extend_from_slice(b",\"state\":");
    json::string(out, facts.state.name().as_bytes());
    out.extend_from_slice(b",\"reasons\":[");
    for (position, reason) in reasons.iter().enumerate() {
        out.extend_from_slice(if position > 0 { b",{\"reason\":" } else { b"{\"reason\":" });
        json::string(out, reason.name.as_bytes());
        out.extend_from_slice(b",\"text\":");
        json::string(out, reason.text.as_bytes());
        out.push(b'}');
    }
    out.extend_from_slice(b"],\"lost\":{");
    let evidence = &facts.evidence;
    let losses: [(&str, Loss); 4] = [
        ("request", evidence.request),
        ("response", evidence.response),
        ("before_request", evidence.before_request),
        ("before_response", evidence.before_response),
    ];
    for (position, (name, loss)) in losses.into_iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        json::string(out, name.as_bytes());
        out.extend_from_slice(b":{\"bytes\":");
        json::number(out, loss.bytes);
        out.extend_from_slice(b",\"acknowledged_bytes\":");
        json::number(out, loss.acknowledged);
        out.push(b'}');
    }
    let numbers: [(&[u8], u64); 4] = [
        (b"},\"missing_before\":", evidence.missing_before.into()),
        (b",\"retransmissions\":", evidence.retransmissions.into()),
        (b",\"stalled_ns\":", evidence.stalled_ns),
        (b",\"drained_ns\":", evidence.drained_ns),
    ];
    for (key, value) in numbers {
        out.extend_from_slice(key);
        json::number(out, value);
    }
    for (key, neighbour) in
        [(&b",\"before\":"[..], &around.before), (b",\"after\":", &around.after)]
    {
        out.extend_from_slice(key);
        match neighbour {
            Some(facts) => json::id(out, facts.id()),
            None => out.extend_from_slice(b"null"),
        }
    }
    out.extend_from_slice(b"}\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_reads_back_as_json() {
        let mut facts = Facts::default();
        facts.evidence.response = Loss { bytes: 7, acknowledged: 3 };
        let around = Neighbours { before: None, after: Some(Facts { index: 1, ..facts }) };
        let reasons = vec![Reason { name: "complete", text: "Seen \"whole\".".to_owned() }];
        let mut out = Vec::new();
        write(&facts, &around, &reasons, &mut out);
        let value: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
        assert_eq!(value["lost"]["response"]["bytes"], 7);
        assert_eq!(value["lost"]["response"]["acknowledged_bytes"], 3);
        assert_eq!(value["reasons"][0]["reason"], "complete");
        assert!(value["before"].is_null() && value["after"].is_string());
    }
}
