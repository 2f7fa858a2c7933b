//! What theory expects beside what was measured, for the terminal.

use super::{BOLD, COLUMNS, DIM, Style, YELLOW, clipped, ended, pad};
use crate::oracle::{Checked, Verdict};
use crate::sweep::words::{estimate, expected, verdict_of};

/// A line for each oracle, each ended; nothing if there is none.
#[must_use]
pub fn oracles(checked: &[Checked], style: Style) -> String {
    if checked.is_empty() {
        return String::new();
    }
    let mut lines = vec![String::new(), style.paint(BOLD, "what theory expects")];
    for one in checked {
        let cell = one.oracle.cell.as_deref().unwrap_or_default();
        let part = if one.oracle.ablated { " (ablated)" } else { "" };
        let about = clipped(&format!("{cell}{part}: {}", expected(&one.oracle)), COLUMNS);
        lines.push(style.paint(DIM, about.trim_start_matches(": ")));
        let line = format!(
            "    {} {}",
            pad(&estimate(&one.measured), 40, false),
            verdict_of(one)
        );
        let holds = one.verdict == Verdict::Holds;
        lines.push(if holds {
            line
        } else {
            style.paint(YELLOW, &line)
        });
    }
    ended(&lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::Oracle;
    use crate::sweep::{SweepFigures, made};

    /// If this fails, the terminal does not say whether an oracle holds.
    #[test]
    fn each_oracle_stands_with_what_was_measured() {
        let mut facts = made::facts();
        facts.oracles = vec![Oracle {
            cell: Some("clustered · no fault".to_owned()),
            metric: "stale".to_owned(),
            value: Some(0.1),
            at_least: None,
            at_most: None,
            formula: Some("1/10".to_owned()),
            ablated: true,
        }];
        let figures = SweepFigures::new(facts, &made::samples());
        let text = oracles(&figures.oracles, Style::Plain);
        let expected =
            "clustered · no fault (ablated): stale reads = 1/10 = 10.0 %\n    10.0 % [0.06, 19.9]";
        assert!(text.contains(expected), "{text}");
        assert!(text.ends_with(" holds\n"), "{text}");
        assert_eq!(oracles(&[], Style::Plain), "");
    }
}
