//! The report of a sweep: one HTML page that needs nothing but itself.

use super::oracles::oracles;
use super::table::table;
use super::words::{none, number, percent};
use super::{Manifest, document, figure, section};
use crate::plot;
use crate::sweep::words::{estimate, facts, said, verdict};
use crate::sweep::{Difference, Estimate, MARGIN, METRICS, SweepFigures};
use maud::{Markup, html};

/// The whole page, with the plots drawn in it.
#[must_use]
pub fn sweep_page(figures: &SweepFigures, manifest: &Manifest) -> String {
    let plan = &figures.facts.plan;
    let plots = plot::render_sweep(figures);
    let body = html! {
        header {
            h1 { (plan) }
            p.muted { (facts(figures, &manifest.started_utc)) }
        }
        section.verdict {
            p.first { (figures.facts.question) }
            @for sentence in verdict(figures) { p { (sentence) } }
        }
        (oracles(&figures.oracles))
        section {
            h2 { "Cell by cell" }
            (figure(&plots, "cells", "Stale reads and read latency of every cell, with 95 % intervals over seeds."))
            (figure(&plots, "detection", "How soon each cell's crashes were detected, how often nodes that were up passed for down, and for how long."))
            (figure(&plots, "load", "What each cell carried, and how long it took those whom it served."))
            (cells(figures))
            p.note {
                "In brackets: 95 % intervals; the unit is the seed (jackknife over seeds with Student's t, which for a mean is \
                 Student's interval). Shares are means over seeds; of latencies and t-staleness the seeds' histograms are \
                 merged and the quantile is taken of all of them together. Latency counts from the intended start of the \
                 operations that succeeded. A read is stale if it misses a write that was complete when it started; \
                 t-staleness is how long that write had been complete. P(fresh | 0): how likely a read would be fresh at \
                 the very moment a write completes."
            }
        }
        @if !figures.differences.is_empty() {
            section {
                h2 { "What makes the difference" }
                (differences(figures))
                p.note {
                    "Each case against the first of its axis, seed by seed: what a seed gives to both drops out. Shares differ \
                     by percentage points; × is the ratio of the two figures."
                }
                @let same = equivalent(figures);
                @if !same.is_empty() {
                    p { "Shown to come to the same within " (percent(MARGIN)) ": " (same.join("; ")) "." }
                    p.note { "Of shares, over all cells together: both one-sided tests over seed pairs refuse at 5 % that they differ by as much." }
                }
            }
        }
        (prices(figures))
        (section::again(manifest))
    };
    document(&format!("{plan} · {}", figures.facts.backend), &body)
}

fn cells(figures: &SweepFigures) -> Markup {
    let rows = figures.facts.cells.iter().zip(&figures.figures);
    table(
        heads(figures),
        rows.map(|(cell, estimates)| {
            row(figures, cell.label.clone(), estimates.iter().map(estimate))
        }),
    )
}

fn differences(figures: &SweepFigures) -> Markup {
    let name = |found: &Difference| {
        let among = found
            .among
            .as_ref()
            .map_or_else(String::new, |among| format!(", among {among}"));
        format!("{} against {}{among}", found.case, found.against)
    };
    let comparisons = figures.differences.chunks(METRICS.len());
    table(
        heads(figures),
        comparisons.map(|found| row(figures, name(&found[0]), found.iter().map(said))),
    )
}

/// The cases that come to the same as the first of their axis, and in what.
fn equivalent(figures: &SweepFigures) -> Vec<String> {
    let together = figures.differences.chunks(METRICS.len());
    let together = together.filter(|found| found[0].among.is_none());
    let same = together.filter_map(|found| {
        let metrics = METRICS.iter().zip(found).filter(|(metric, found)| {
            let is_same = found.equivalence.is_some_and(|found| found.is_equivalent);
            is_same && figures.shows(metric)
        });
        let metrics: Vec<_> = metrics.map(|(metric, _)| metric.about).collect();
        let (case, against) = (&found[0].case, &found[0].against);
        (!metrics.is_empty()).then(|| format!("{case} and {against} in {}", metrics.join(", ")))
    });
    same.collect()
}

/// Only where one case is fresher than another, and what both sent is known.
fn prices(figures: &SweepFigures) -> Markup {
    let interval = |estimate: &Estimate| {
        let text = |value: f64| match value < 0.0 {
            true => format!("−{}", number(-value)),
            false => number(value),
        };
        let ends = estimate.low.zip(estimate.high);
        let ends = ends.map(|(low, high)| format!(" [{}, {}]", text(low), text(high)));
        estimate.value.map_or_else(none, text) + &ends.unwrap_or_default()
    };
    let rows = figures.prices.iter().map(|price| {
        [
            format!("{} against {}", price.case, price.against),
            interval(&price.messages),
            interval(&price.bytes),
        ]
    });
    html! {
        @if !figures.prices.is_empty() {
            section {
                h2 { "What freshness costs" }
                (table(["", "messages an operation and point", "bytes an operation and point"], rows))
                p.note {
                    "What an operation sends more than with the first case of the axis, for each percentage point of stale reads                      fewer; below 0 where the fresher case is the cheaper one."
                }
            }
        }
    }
}

fn heads(figures: &SweepFigures) -> impl Iterator<Item = &'static str> {
    let metrics = METRICS.iter().filter(|metric| figures.shows(metric));
    std::iter::once("").chain(metrics.map(|metric| metric.about))
}

/// Its name and a cell for each metric that any cell of the sweep has.
fn row(
    figures: &SweepFigures,
    name: String,
    cells: impl Iterator<Item = String>,
) -> impl Iterator<Item = String> {
    let cells = METRICS.iter().zip(cells);
    let cells = cells.filter(|(metric, _)| figures.shows(metric));
    std::iter::once(name).chain(cells.map(|(_, cell)| cell))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use crate::sweep::made;

    #[test]
    fn it_has_the_plot_every_cell_every_difference_and_the_plan() {
        let page = sweep_page(&made::figures(), &sample::manifest());
        for part in [
            "<svg",
            "clustered · no fault",
            "clustered against spread, among no fault",
            "2.5\u{a0}× [",
            "question = &quot;How stale do reads get",
        ] {
            assert!(page.contains(part), "{part:?} is not in the page");
        }
        assert!(!page.contains("<crashes>"), "names break out of the page");
    }
}
