//! The report of a plan that varies something, every cell of which was predicted or carried out by several back-ends.

use super::overlay::{self, ERRORS, points};
use super::parity;
use super::table::table;
use super::words::{count, milliseconds, none, number, percent};
use super::{Manifest, document, figure, section};
use crate::overlay::{Family, FamilyCell, FamilyRow, Mean, Means, Source};
use crate::plot;
use crate::sweep::words::seeds;
use maud::html;
use std::fmt::Write as _;

/// The whole page, with a plot of each group and every cell's freshness curves drawn in it.
#[must_use]
pub fn family_page(family: &Family, manifest: &Manifest) -> String {
    let plots = plot::render_family(family);
    let body = html! {
        header {
            h1 { (family.plan) }
            p.muted { (said_seeds(family)) }
        }
        section.verdict {
            p.first { (family.question) }
            @for line in means(family) { p { (line) } }
        }
        @if let Some(parity) = &family.parity { (parity::section(parity)) }
        @if is_predicted(family) {
            @for ((group, cells), plot) in family.groups().iter().zip(&plots) {
                section {
                    h2 { (name(family, group)) }
                    (figure(&plots, &plot.name, &words(family, group)))
                    (table(HEADS, cells.iter().flat_map(|cell| rows(cell))))
                }
            }
            section {
                h2 { "What errors are" }
                p.note { (MEANINGS) " " (ERRORS) }
            }
        }
        section {
            h2 { "Freshness, cell by cell" }
            @if family.parity.is_some() { p.note { "Of the runs with seed " (family.seed) "." } }
            @for cell in &family.cells {
                h3 { (cell.cell) }
                (figure(&plot::render_overlay(&cell.overlay), "freshness", &cell.cell))
            }
        }
        (section::again(manifest))
    };
    document(&family.plan, &body)
}

/// The same as Markdown, whose plots stand in files beside it.
#[must_use]
pub fn family_markdown(family: &Family, manifest: &Manifest) -> String {
    let mut text = format!("# {}\n\n{}\n\n", family.plan, family.question);
    for line in means(family) {
        let _ = writeln!(text, "- {line}");
    }
    let _ = write!(text, "\n```sh\n{}\n```\n", manifest.replay);
    if let Some(parity) = &family.parity {
        let _ = write!(text, "\n```text\n{}```\n", parity::text(parity));
    }
    if is_predicted(family) {
        text += &predicted_markdown(family);
    }
    let Manifest {
        version,
        commit,
        started_utc,
        ..
    } = manifest;
    text + &format!("\nMeasured by tidemark {version} ({commit}) from {started_utc} on.\n")
}

/// A table and a plot of each group, beside their predictions.
fn predicted_markdown(family: &Family) -> String {
    let mut text = String::new();
    for ((group, cells), plot) in family.groups().iter().zip(plot::render_family(family)) {
        let (name, words) = (name(family, group), words(family, group));
        let _ = write!(
            text,
            "\n## {name}\n\n![{words}](plots/{}.svg)\n\n",
            plot.name
        );
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        text += &line(&HEADS.map(str::to_owned));
        text += &format!("|---|---|{}\n", "---:|".repeat(HEADS.len() - 2));
        text.extend(
            cells
                .iter()
                .flat_map(|cell| rows(cell))
                .map(|row| line(&row)),
        );
    }
    text + &format!("\n{MEANINGS} {ERRORS}\n")
}

/// The same for a terminal.
#[must_use]
pub fn family_text(family: &Family, manifest: &Manifest) -> String {
    let mut text = format!("{} · {}\n", family.plan, said_seeds(family));
    if let Some(parity) = &family.parity {
        text = format!("{text}\n{}", parity::text(parity));
    }
    if is_predicted(family) {
        text += &predicted_text(family);
    }
    let folder = &manifest.folder;
    text + &format!(
        "\nreport  {folder}/report.html\nreplay  {}\n",
        manifest.replay
    )
}

/// With how many seeds it ran.
fn said_seeds(family: &Family) -> String {
    let own = [family.seed];
    let all = family.parity.as_ref().map(|parity| &parity.seeds[..]);
    seeds(all.unwrap_or(&own))
}

/// Whether there is anything to say that the table over seeds does not.
fn is_predicted(family: &Family) -> bool {
    let mut cells = family.cells.iter();
    family.parity.is_none()
        || cells.any(|cell| cell.overlay.sources.iter().any(Source::is_predicted))
}

/// Cells beside their predictions.
fn predicted_text(family: &Family) -> String {
    let mut text = String::new();
    for (group, cells) in family.groups() {
        let _ = write!(text, "\n{}\n", name(family, group));
        let rows = cells.iter().flat_map(|cell| rows(cell));
        for row in std::iter::once(HEADS.map(str::to_owned)).chain(rows) {
            let mut line = format!("  {:<28}", format!("{} {}", row[0], row[1]));
            for (cell, width) in row[2..].iter().zip(WIDTHS) {
                let _ = write!(line, "{cell:>width$}");
            }
            text += &(line.trim_end().to_owned() + "\n");
        }
    }
    text.push('\n');
    for line in means(family) {
        text += &(line + "\n");
    }
    text + &format!("\n{MEANINGS} {ERRORS}\n")
}

/// What a group is called; the plan, if it has but one.
fn name<'a>(family: &'a Family, group: &'a str) -> &'a str {
    if group.is_empty() {
        &family.plan
    } else {
        group
    }
}

fn words(family: &Family, group: &str) -> String {
    format!(
        "P(fresh) by age, and latency of reads and writes, of {}: lines as predicted, dots as measured.",
        name(family, group)
    )
}

fn rows(cell: &FamilyCell) -> Vec<[String; HEADS.len()]> {
    cell.rows().iter().map(|row| cells(cell, row)).collect()
}

fn cells(cell: &FamilyCell, row: &FamilyRow) -> [String; HEADS.len()] {
    let pair = |predicted: Option<f64>, measured: Option<f64>, say: fn(f64) -> String| {
        let said = [predicted, measured].map(|value| value.map_or_else(none, say));
        said.join(" / ")
    };
    let bounds = |low: Option<f64>, high: Option<f64>, factor: f64| {
        let ends = low.zip(high).map(|(low, high)| [low, high]);
        let said = ends.map(|ends| ends.map(|end| number(end * factor)).join(", "));
        said.map_or_else(String::new, |ends| format!(" [{ends}]"))
    };
    let off = |error: Option<f64>, by_chance: Option<f64>, say: fn(f64) -> String| {
        let said = error.zip(by_chance).map(|(error, by_chance)| {
            let by_chance = number(by_chance * 100.0);
            format!("{} ({by_chance})", say(error))
        });
        said.unwrap_or_else(none)
    };
    [
        cell.case.clone(),
        row.source.clone(),
        pair(row.fresh_at_0_predicted, row.fresh_at_0, percent)
            + &bounds(row.fresh_at_0_low, row.fresh_at_0_high, 100.0),
        pair(
            row.visible_p999_ms_predicted,
            row.visible_p999_ms,
            milliseconds,
        ) + &bounds(row.visible_p999_ms_low, row.visible_p999_ms_high, 1.0),
        off(row.visible_error, row.visible_by_chance, points),
        off(row.read_error, row.read_by_chance, overlay::error),
        off(row.write_error, row.write_by_chance, overlay::error),
        count(row.pairs),
        count(row.reads),
        count(row.writes),
    ]
}

/// A sentence on the errors of each back-end.
fn means(family: &Family) -> Vec<String> {
    let said = |what: &str, mean: &Option<Mean>, say: fn(f64) -> String| {
        let mean = mean.as_ref()?;
        let cells = if mean.cells == 1 { "cell" } else { "cells" };
        Some(format!(
            "{what} {} (by chance {}; at most {}, by chance {}; {} {cells})",
            say(mean.error),
            number(mean.by_chance * 100.0),
            number(mean.worst.error * 100.0),
            number(mean.worst.by_chance * 100.0),
            mean.cells
        ))
    };
    let line = |means: &Means| {
        let parts = [
            said("t-visibility", &means.visible, points),
            said("read latency", &means.reads, overlay::error),
            said("write latency", &means.writes, overlay::error),
        ];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| format!("{}, mean errors: {}", means.source, parts.join(", ")))
    };
    family.means().iter().filter_map(line).collect()
}

const HEADS: [&str; 10] = [
    "cell",
    "by",
    "fresh at 0",
    "99.9 % visible",
    "t-visibility",
    "read latency",
    "write latency",
    "pairs",
    "reads",
    "writes",
];
const WIDTHS: [usize; HEADS.len() - 2] = [34, 42, 24, 18, 18, 12, 12, 12];
const MEANINGS: &str = "Fresh at 0 and 99.9 % visible: predicted / measured, by when writes arrived, and the 95 % interval of what was measured. \
t-visibility, read latency, write latency: the error, and in brackets what it would be by chance. Means of t-visibility are over \
the cells in which a read may be stale.";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overlay::made;
    use crate::report::sample;

    /// If this fails, a cell has no row, or nobody sees how far it is from what was predicted, or that chance alone is as far.
    #[test]
    fn every_cell_has_a_row_and_every_group_a_plot() {
        let (family, manifest) = (made::family(), sample::manifest());
        let page = family_page(&family, &manifest);
        assert_eq!(page.matches("<svg").count(), 2 + 3);
        assert!(!page.contains("<b>"), "names break out of the page");
        let markdown = family_markdown(&family, &manifest);
        assert!(markdown.contains("(plots/two-b.svg)"), "{markdown}");
        let text = family_text(&family, &manifest);
        for told in [&markdown, &text] {
            for (part, times) in [
                ("R = 1", 2),
                ("R = 2", 1),
                ("mean errors", 1),
                ("points (", 4),
            ] {
                assert_eq!(told.matches(part).count(), times, "{part}: {told}");
            }
            assert!(told.contains("two <b>") && told.contains(&manifest.replay));
        }
    }

    /// If this fails, what was compared over seeds is not in the report, or rows of nothing but dashes are.
    #[test]
    fn a_comparison_over_seeds_takes_the_place_of_rows_without_a_prediction() {
        let mut family = made::family();
        family.parity = Some(crate::sweep::parity::made::parity());
        let said = |family: &Family| {
            let manifest = sample::manifest();
            [
                family_page(family, &manifest),
                family_text(family, &manifest),
            ]
        };
        for text in said(&family) {
            assert!(text.contains("cannot be told") && text.contains("t-visibility"));
        }
        for cell in &mut family.cells {
            let sources = &mut cell.overlay.sources;
            sources.retain(|source| !source.is_predicted());
        }
        for text in said(&family) {
            assert!(text.contains("3 seeds from 1 to 3"), "{text}");
            assert!(text.contains("cannot be told") && !text.contains("t-visibility"));
        }
    }
}
