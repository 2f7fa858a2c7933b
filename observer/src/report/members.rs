//! What the page and the verdict say of changes of the members: only where there were some.

use super::table::table;
use super::words::{count, none, number, percent, seconds, share};
use crate::figures::{Figures, Measured, MemberChange, Rate};
use maud::{Markup, html};

/// Each change, how long it took, and what moved.
pub(super) fn section(figures: &Figures) -> Markup {
    let rows = figures.member_changes.iter().map(|change| {
        let over = change.over_ideal().map_or_else(none, number);
        [
            change.name.clone(),
            format!("{} {}", change.kind, change.about),
            seconds(change.from_s - figures.run.from_s),
            seconds(change.took_s()),
            count(change.members),
            moved(&change.moved),
            percent(change.ideal),
            over,
            count(change.sent_keys),
            count(change.sent_bytes),
        ]
    });
    html! {
        @if !figures.member_changes.is_empty() {
            section {
                h2 { "How members came and went" }
                (table(
                    ["change", "who", "asked for", "took", "members before", "moved", "ideal", "moved/ideal", "keys sent", "bytes"],
                    rows,
                ))
                p.note {
                    "Moved: copies of keys that lie, when it is over, where none was when it was asked for, among all. Ideal:                      what a member has of all copies if they lie evenly. Sent: what nodes handed over; a new holder also gets                      what clients write meanwhile, and a key that is written after it was sent is sent again."
                }
            }
        }
    }
}

/// How many reads found nothing where something was, how long changes took, and what moved.
pub(super) fn verdict(figures: &Figures) -> Vec<String> {
    let changes = &figures.member_changes;
    let longest = changes.iter().map(MemberChange::took_s).fold(0.0, f64::max);
    let open = changes.iter().filter(|change| !change.is_complete).count();
    let all = match changes.len() {
        0 => return Vec::new(),
        1 => "One change of the members".to_owned(),
        number => format!("{number} changes of the members"),
    };
    let ended = match open {
        0 => format!("took {} at most", seconds(longest)),
        open => format!("were asked for, and {open} did not come to an end"),
    };
    let share = |change: &MemberChange| change.moved.known()?.share;
    let moved: Option<f64> = changes.iter().map(share).sum();
    let ideal: f64 = changes.iter().map(|change| change.ideal).sum();
    let moved = moved.map_or_else(String::new, |moved| {
        let over = number(moved / ideal);
        format!(" and moved {over} times the ideal share of all copies")
    });
    let Rate {
        count: missed, of, ..
    } = figures.false_not_found;
    let found = match missed {
        0 => "None".to_owned(),
        missed => count(missed),
    };
    vec![
        format!(
            "{found} of {} reads found nothing where something was.",
            count(of)
        ),
        format!("{all} {ended}{moved}."),
    ]
}

fn moved(copies: &Measured<Rate>) -> String {
    copies.known().map_or_else(none, share)
}
