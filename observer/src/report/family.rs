//! The report of a plan that varies something, every cell of which was predicted and carried out.

use super::overlay::points;
use super::table::table;
use super::words::{milliseconds, none, percent};
use super::{Manifest, document, figure, section};
use crate::overlay::{Family, FamilyRow};
use crate::plot;
use maud::html;
use std::fmt::Write as _;

/// The whole page, with every cell's freshness curves drawn in it.
#[must_use]
pub fn family_page(family: &Family, manifest: &Manifest) -> String {
    let rows = family.rows();
    let body = html! {
        header {
            h1 { (family.plan) }
            p.muted { "seed " (family.seed) }
        }
        section.verdict { p.first { (family.question) } }
        section {
            h2 { "Predicted and measured, cell by cell" }
            (table(HEADS, rows.iter().map(cells)))
            p.note { (MEANINGS) }
        }
        section {
            h2 { "Freshness" }
            @for (label, overlay) in &family.cells {
                h3 { (label) }
                (figure(&plot::render_overlay(overlay), "freshness", label))
            }
        }
        (section::again(manifest))
    };
    document(&family.plan, &body)
}

/// The same for a terminal.
#[must_use]
pub fn family_text(family: &Family, manifest: &Manifest) -> String {
    let mut text = format!("{} · seed {}\n\n", family.plan, family.seed);
    let mut line = |cells: [&str; 9]| {
        let mut line = format!("{:<36}", format!("{} {}", cells[0], cells[1]));
        for cell in &cells[2..] {
            let _ = write!(line, "{cell:>19}");
        }
        text += &(line.trim_end().to_owned() + "\n");
    };
    line(HEADS);
    for row in family.rows() {
        line(cells(&row).each_ref().map(String::as_str));
    }
    let folder = &manifest.folder;
    text + &format!(
        "\n{MEANINGS}\n\nreport  {folder}/report.html\nreplay  {}\n",
        manifest.replay
    )
}

fn cells(row: &FamilyRow) -> [String; 9] {
    let pair = |predicted: Option<f64>, measured: Option<f64>, say: fn(f64) -> String| {
        let said = [predicted, measured].map(|value| value.map_or_else(none, say));
        said.join(" / ")
    };
    let one = |value: Option<f64>, say: fn(f64) -> String| value.map_or_else(none, say);
    [
        row.cell.clone(),
        row.source.clone(),
        pair(row.fresh_at_0_predicted, row.fresh_at_0, percent),
        pair(
            row.visible_p999_ms_predicted,
            row.visible_p999_ms,
            milliseconds,
        ),
        one(row.visible_error, points),
        one(row.by_chance, points),
        one(row.read_error, percent),
        one(row.write_error, percent),
        row.pairs.to_string(),
    ]
}

const HEADS: [&str; 9] = [
    "",
    "",
    "fresh at 0",
    "99.9 % visible",
    "t-visibility",
    "by chance",
    "read latency",
    "write latency",
    "pairs",
];
const MEANINGS: &str = "Predicted / measured, by arrivals. t-visibility: the root of the mean square distance of P(fresh) at 20 predicted \
quantiles from P(fresh | 0) to 99.9 %; by chance: what that would be if chance alone told the two apart; latency: the root of \
the mean square over the percentiles 1, 2 … 99 and 99.9, as a share of the predicted span.";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overlay::made;
    use crate::report::sample;

    /// If this fails, a cell has no row, or nobody sees how far it is from what was predicted.
    #[test]
    fn every_cell_has_a_row_and_a_plot() {
        let overlay = made::overlay();
        let family = Family {
            plan: "pbs".to_owned(),
            question: "Does it agree?".to_owned(),
            seed: 1,
            cells: vec![
                ("one".to_owned(), overlay.clone()),
                ("two <b>".to_owned(), overlay),
            ],
        };
        let (page, text) = (
            family_page(&family, &sample::manifest()),
            family_text(&family, &sample::manifest()),
        );
        assert_eq!(page.matches("<svg").count(), 2);
        assert!(!page.contains("<b>"), "names break out of the page");
        for cell in ["one", "two <b>"] {
            assert!(text.contains(cell), "{text}");
        }
        assert_eq!(text.matches("points").count(), 4, "{text}");
    }
}
