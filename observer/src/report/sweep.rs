//! The report of a sweep: one HTML page that needs nothing but itself.

use super::table::table;
use super::{Manifest, document, figure, section};
use crate::plot;
use crate::sweep::words::{estimate, facts, said, verdict};
use crate::sweep::{Difference, METRICS, SweepFigures};
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
        section {
            h2 { "Cell by cell" }
            (figure(&plots, "cells", "Stale reads and read latency of every cell, with 95 % intervals over seeds."))
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
        section {
            h2 { "What makes the difference" }
            (differences(figures))
            p.note {
                "Each case against the first of its axis, seed by seed: what a seed gives to both drops out. Shares differ by \
                 percentage points; × is the ratio of the two figures."
            }
        }
        (section::again(manifest))
    };
    document(&format!("{plan} · {}", figures.facts.backend), &body)
}

fn cells(figures: &SweepFigures) -> Markup {
    let rows = figures.facts.cells.iter().zip(&figures.figures);
    table(
        heads(),
        rows.map(|(cell, estimates)| named(cell.label.clone(), estimates.iter().map(estimate))),
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
        heads(),
        comparisons.map(|found| named(name(&found[0]), found.iter().map(said))),
    )
}

fn heads() -> [&'static str; COLUMNS] {
    std::array::from_fn(|column| {
        column
            .checked_sub(1)
            .map_or("", |metric| METRICS[metric].about)
    })
}

/// A row: its name and a cell for each metric.
fn named(name: String, cells: impl Iterator<Item = String>) -> [String; COLUMNS] {
    let mut cells = std::iter::once(name).chain(cells);
    std::array::from_fn(|_| cells.next().unwrap_or_default())
}

const COLUMNS: usize = METRICS.len() + 1;

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
