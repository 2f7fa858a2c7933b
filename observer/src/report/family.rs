//! The report of a plan that varies something, every cell of which was predicted or carried out by several back-ends.

use super::overlay::points;
use super::parity;
use super::table::table;
use super::words::{milliseconds, none, percent};
use super::{Manifest, document, figure, section};
use crate::overlay::{Family, FamilyRow, Source};
use crate::plot;
use crate::sweep::words::seeds;
use maud::html;
use std::fmt::Write as _;

/// The whole page, with every cell's freshness curves drawn in it.
#[must_use]
pub fn family_page(family: &Family, manifest: &Manifest) -> String {
    let rows = family.rows();
    let body = html! {
        header {
            h1 { (family.plan) }
            p.muted { (said_seeds(family)) }
        }
        section.verdict { p.first { (family.question) } }
        @if let Some(parity) = &family.parity { (parity::section(parity)) }
        @if shows_rows(family) {
            section {
                h2 { "Predicted and measured, cell by cell" }
                (table(HEADS, rows.iter().map(cells)))
                p.note { (MEANINGS) }
            }
        }
        section {
            h2 { "Freshness" }
            @if family.parity.is_some() { p.note { "Of the runs with seed " (family.seed) "." } }
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
    let mut text = format!("{} · {}\n\n", family.plan, said_seeds(family));
    if let Some(parity) = &family.parity {
        text += &(parity::text(parity) + "\n");
    }
    if shows_rows(family) {
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
        text += &format!("\n{MEANINGS}\n\n");
    }
    let folder = &manifest.folder;
    text + &format!(
        "report  {folder}/report.html\nreplay  {}\n",
        manifest.replay
    )
}

/// With how many seeds it ran.
fn said_seeds(family: &Family) -> String {
    let own = [family.seed];
    let all = family.parity.as_ref().map(|parity| &parity.seeds[..]);
    seeds(all.unwrap_or(&own))
}

/// Whether there is anything in the rows that the table over seeds does not say.
fn shows_rows(family: &Family) -> bool {
    let mut sources = family
        .cells
        .iter()
        .flat_map(|(_, overlay)| &overlay.sources);
    family.parity.is_none() || sources.any(Source::is_predicted)
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
            parity: None,
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

    /// If this fails, what was compared over seeds is not in the report, or rows of nothing but dashes are.
    #[test]
    fn a_comparison_over_seeds_takes_the_place_of_rows_without_a_prediction() {
        let mut overlay = made::overlay();
        overlay.sources.retain(|source| !source.is_predicted());
        let mut family = Family {
            plan: "parity".to_owned(),
            question: "Do both say the same?".to_owned(),
            seed: 1,
            cells: vec![("one".to_owned(), overlay)],
            parity: Some(crate::sweep::parity::made::parity()),
        };
        let said = |family: &Family| {
            let manifest = sample::manifest();
            [
                family_page(family, &manifest),
                family_text(family, &manifest),
            ]
        };
        for text in said(&family) {
            assert!(text.contains("3 seeds from 1 to 3"), "{text}");
            assert!(text.contains("cannot be told") && !text.contains("t-visibility"));
        }
        family.cells[0].1 = made::overlay();
        for text in said(&family) {
            assert!(text.contains("cannot be told") && text.contains("t-visibility"));
        }
    }
}
