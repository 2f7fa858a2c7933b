//! What theory expects beside what was measured: of a run and of a sweep alike.

use super::table::marked;
use crate::oracle::{Checked, Verdict};
use crate::sweep::words;
use maud::{Markup, html};

/// A row for each oracle, those marked that do not hold; nothing if there is none.
pub(super) fn oracles(checked: &[Checked]) -> Markup {
    let row = |one: &Checked| {
        let cell = one.oracle.cell.clone().unwrap_or_default();
        let part = if one.oracle.ablated { " (ablated)" } else { "" };
        let cells = [
            cell + part,
            words::expected(&one.oracle),
            words::estimate(&one.measured),
            words::verdict_of(one).to_owned(),
        ];
        (one.verdict != Verdict::Holds, cells)
    };
    html! {
        @if !checked.is_empty() {
            section.oracles {
                h2 { "What theory expects" }
                (marked(["", "oracle", "measured", ""], checked.iter().map(row)))
                p.note {
                    "A value holds if the 95 % interval contains it, a bound if the whole interval keeps to it. With other \
                     seeds one interval in twenty misses a value that is right."
                }
            }
        }
    }
}
