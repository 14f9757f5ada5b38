//! Exchanges that were captured at both ends, in sentences.

use crate::query::Metric;
use crate::query::ends::{BothEnds, Pair, Vantage};
use crate::report::escape::escaped;
use crate::report::sentence::note;
use crate::report::units;

/// Pairs of captures that are told one by one.
const PAIRS_TOLD: usize = 10;

/// What was counted once and what the network took of it, by the difference of `metric` where
/// that is `wait`, else of the total; empty where there is nothing to tell.
#[must_use]
pub fn both_ends(ends: &BothEnds, metric: Metric) -> String {
    let mut out = String::new();
    for pair in ends.pairs.iter().take(PAIRS_TOLD) {
        told(&mut out, pair, metric);
    }
    let rest = ends.pairs.get(PAIRS_TOLD..).unwrap_or_default();
    if !rest.is_empty() {
        let pairs = units::counted(rest.len() as u64, "pair", "pairs");
        let count = units::count(rest.iter().map(|pair| pair.count).sum());
        let unsure = units::count(rest.iter().map(|pair| pair.unsure).sum());
        note(
            &mut out,
            &format!(
                "{pairs} of captures more have {count} exchanges in common, and {unsure} more may \
             be: see --json."
            ),
        );
    }
    if ends.uncompared > 0 {
        let count = units::counted(ends.uncompared, "exchange was", "exchanges were");
        note(
            &mut out,
            &format!(
                "{count} not looked for at the other end, too many at once: --since and --until \
             take less."
            ),
        );
    }
    out
}

fn told(out: &mut String, pair: &Pair, metric: Metric) {
    let (client, server) = names(&pair.client, &pair.server);
    if pair.count > 0 && pair.client == pair.server {
        let count = units::counted(pair.count, "exchange is", "exchanges are");
        note(out, &format!("{count} in two copies of one capture ({client}): counted once."));
    } else if pair.count > 0 && pair.is_one_place() {
        let count = units::counted(pair.count, "exchange is", "exchanges are");
        note(
            out,
            &format!("{count} in two captures of one place ({client}, {server}): counted once."),
        );
    } else if pair.count > 0 {
        let count = units::counted(pair.count, "exchange was", "exchanges were");
        let times = if metric == Metric::Wait { &pair.wait } else { &pair.total };
        let at = |mille| units::duration(times.value_at_mille(mille).unwrap_or(0));
        note(
            out,
            &format!(
                "{count} captured at both ends ({client} client side, {server} server side): counted \
             once, by the server's copy; the network took {} at p50, {} at p99 of them. The \
             server's clock is {} {} the client's.",
                at(500),
                at(990),
                units::duration(pair.clock_ns.unsigned_abs()),
                if pair.clock_ns < 0 { "behind" } else { "ahead of" },
            ),
        );
    }
    if pair.unsure > 0 {
        let count = units::counted(pair.unsure, "exchange", "exchanges");
        note(
            out,
            &format!(
                "{count} of {client} may be the same as others of {server}, which is not certain: \
             counted at both."
            ),
        );
    }
}

/// What tells the captures apart: the hosts where they differ, else what was read of them.
fn names(client: &Vantage, server: &Vantage) -> (String, String) {
    let name = |vantage: &Vantage| {
        let text = if client.host != server.host {
            vantage.host.clone()
        } else if client.source != server.source {
            vantage.source.clone()
        } else {
            format!("{} on {}", vantage.source, vantage.host)
        };
        escaped(text.as_bytes()).to_string()
    };
    (name(client), name(server))
}
