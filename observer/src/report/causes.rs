//! The section on why reads were stale, and what healed that.

use super::table::table;
use super::words::{count, percent};
use crate::figures::{CauseRow, Causes, Figures, Measured};
use maud::{Markup, html};

/// Only where a read was stale.
pub(super) fn section(figures: &Figures) -> Markup {
    html! {
        @if figures.whole.stale.count > 0 {
            section {
                h2 { "Why reads were stale" }
                @match &figures.causes {
                    Measured::Known(causes) => (known(causes)),
                    Measured::Missing(reason) => p.muted { "Not known: " (reason) "." },
                }
            }
        }
    }
}

fn known(causes: &Causes) -> Markup {
    let heads = [
        "cause",
        "fault",
        "reads",
        "share",
        "healed by",
        "for example",
    ];
    let rows = causes.rows.iter().map(|row| cells(row, causes.reads));
    html! {
        (table(heads, rows))
        p.note {
            "Of the replicas that answered a stale read, one is named, with why it did not have the writes that were missed: by their \
             messages to it, what the network did with them, and what befell its machine. Where several causes hold the one that \
             stands first here is named; several causes: not all writes for one reason. Healed by: what first gave that replica the \
             newest of them, or one that supersedes it."
        }
    }
}

fn cells(row: &CauseRow, of: u64) -> [String; 6] {
    let share = |reads: u64, of: u64| percent(reads as f64 / of.max(1) as f64);
    let cures = row.cures.iter();
    let cures = cures.map(|cure| format!("{} {}", cure.cure.words(), share(cure.reads, row.reads)));
    let witnesses = row.witnesses.iter().map(ToString::to_string);
    [
        row.cause.words().to_owned(),
        row.fault.clone().unwrap_or_default(),
        count(row.reads),
        share(row.reads, of),
        cures.collect::<Vec<_>>().join(", "),
        witnesses.take(2).collect::<Vec<_>>().join(" "),
    ]
}
