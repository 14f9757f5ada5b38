//! Where the time is spent: the usual exchanges beside the slow ones, phase by phase.

use std::fmt::Write;

use crate::query::phases::{PhaseRow, Phases, Place, Slice, Vantage};
use crate::report::escape::{cut, escaped};
use crate::report::style::{Role, Style};
use crate::report::units;

/// For each group the means of the usual and the slow exchanges, and where the capture stood.
#[must_use]
pub fn phases(phases: &Phases, width: usize, style: Style) -> String {
    let rows = phases.rows();
    if rows.is_empty() {
        return "No complete exchange.\n".to_owned();
    }
    let mut out = String::new();
    for row in &rows {
        group(&mut out, row, width, style);
    }
    out.push_str(&vantage(phases.vantage()));
    out.push_str(
        "\nMeans of the exchanges around the median, and of those from p99 on. network: one round\n\
         trip between capture point and server, the smallest seen on the connection; server: the\n\
         rest of the wait. stalled: standing still before retransmissions; drained: the client's\n\
         window shut; both lie inside the other phases.\n",
    );
    out
}

fn group(out: &mut String, row: &PhaseRow, width: usize, style: Style) {
    let values = row.values.iter();
    let names: Vec<String> = values
        .map(|value| value.as_ref().map_or_else(|| "-".into(), |v| escaped(v).to_string()))
        .collect();
    let name = if names.is_empty() { "all".to_owned() } else { names.join("  ") };
    let _ = writeln!(out, "{}", style.paint(Role::Heading, cut(&name, width)));
    let heading = format!(
        "{:<8}{:>7}{:>9}{:>8}{:>8}{:>8}{:>8}{:>8}{:>8}{:>8}",
        "",
        "count",
        "total",
        "send",
        "blocked",
        "network",
        "server",
        "receive",
        "stalled",
        "drained"
    );
    let _ = writeln!(out, "{}", style.paint(Role::Faint, heading));
    for (name, slice) in [("p50", &row.usual), ("p99 on", &row.slow)] {
        let _ = writeln!(out, "{}", line(name, slice));
    }
    out.push('\n');
}

fn line(name: &str, slice: &Slice) -> String {
    let mut line =
        format!("{name:<8}{:>7}{:>9}", units::count(slice.count), units::duration(slice.total_ns));
    for part in [
        slice.send_ns,
        slice.blocked_ns,
        slice.network_ns,
        slice.server_ns,
        slice.receive_ns,
        slice.stalled_ns,
        slice.drained_ns,
    ] {
        let _ = write!(line, "{:>8}", percent(part, slice.total_ns));
    }
    line
}

/// A share in percent with one digit after the point; `-` of nothing.
fn percent(part: u64, whole: u64) -> String {
    let Some(tenths) = (u128::from(part) * 1000 + u128::from(whole) / 2).checked_div(whole.into())
    else {
        return "-".to_owned();
    };
    format!("{}.{}%", tenths / 10, tenths % 10)
}

fn vantage(vantage: Option<Vantage>) -> String {
    let Some(Vantage { place, server_ns, client_ns }) = vantage else {
        return "Where the capture stood is not known: no round trip was seen on both sides.\n"
            .to_owned();
    };
    let place = match place {
        Place::Server => "at the server",
        Place::Client => "at the client",
        Place::Between => "between client and server",
        Place::OneHost => "on the host of both, or next to both",
    };
    format!(
        "The capture stood {place}.\nThe server is {} away and back, the client {}.\n",
        units::duration(server_ns),
        units::duration(client_ns)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::Exchange;
    use crate::query::ExchangeText;
    use crate::query::group::Keys;
    use crate::query::latency::Collector as _;

    #[test]
    fn usual_and_slow_stand_one_below_the_other() {
        let mut collected = Phases::new(Keys::none());
        let mut exchange = Exchange::default();
        for n in 1..=100_u64 {
            let slow = if n == 100 { 50_000_000 } else { 0 };
            let timing = &mut exchange.facts.timing;
            timing.send_ns = Some(0);
            timing.wait_ns = Some(4_000_000);
            timing.receive_ns = Some(1_000_000 + slow);
            timing.total_ns = Some(5_000_000 + slow);
            exchange.facts.evidence.stalled_ns = slow / 2;
            exchange.facts.evidence.network.server_least_ns = 1_000_000;
            exchange.facts.evidence.network.client_least_ns = 1_200_000;
            collected.facts(&exchange.facts, &mut ExchangeText::new(&exchange));
        }
        let text = phases(&collected, 80, Style::Plain);
        let expected = "\
all
          count    total    send blocked network  server receive stalled drained
p50          99  5.00 ms    0.0%    0.0%   20.0%   60.0%   20.0%    0.0%    0.0%
p99 on      100  5.50 ms    0.0%    0.0%   18.2%   54.5%   27.3%    4.5%    0.0%

The capture stood between client and server.
The server is 1.00 ms away and back, the client 1.20 ms.
";
        assert!(text.starts_with(expected), "{text}");
        assert_eq!(phases(&Phases::new(Keys::none()), 80, Style::Plain), "No complete exchange.\n");
    }
}
