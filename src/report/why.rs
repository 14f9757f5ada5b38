//! The chain of reasons of one exchange, for people.

use std::fmt::Write;

use crate::exchange::Facts;
use crate::query::why::Reason;
use crate::report::style::{Role, Style};

/// The longest line.
const WIDTH: usize = 80;

/// What exchange it is, and each reason as a sentence.
#[must_use]
pub fn why(facts: &Facts, reasons: &[Reason], style: Style) -> String {
    let mut out = String::new();
    let state = format!("{} exchange {}", facts.state.name(), facts.id());
    let _ = writeln!(out, "{}", style.paint(Role::Heading, state));
    let connection = &facts.connection;
    let _ = writeln!(
        out,
        "  {}, {} to {}, exchange {} of its connection",
        facts.start, connection.client, connection.server, facts.index
    );
    out.push('\n');
    for reason in reasons {
        let mut column = 0;
        for word in reason.text.split(' ') {
            let length = word.chars().count();
            if column == 0 {
                out.push_str("- ");
                column = 2;
            } else if column + 1 + length > WIDTH {
                out.push_str("\n  ");
                column = 2;
            } else {
                out.push(' ');
                column += 1;
            }
            out.push_str(word);
            column += length;
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::why::Neighbours;
    use crate::report::reasons::reasons;

    #[test]
    fn reasons_are_a_list_of_short_lines() {
        let mut facts = Facts { state: crate::exchange::State::Orphan, ..Facts::default() };
        facts.anomalies.add(crate::anomaly::Anomaly::MidStream);
        let text = why(&facts, &reasons(&facts, &Neighbours::default()), Style::Plain);
        assert!(text.starts_with("orphan exchange "), "{text}");
        assert!(text.contains("\n- The connection was open before the capture saw it first"));
        assert!(text.lines().all(|line| line.chars().count() <= 120));
        assert!(text.lines().skip(3).all(|line| line.chars().count() <= WIDTH));
    }
}
