//! The summary of a sweep for the terminal: a row for each cell, a sentence for each case.

use super::{BOLD, COLUMNS, DIM, Style, clipped, ended, pad, wrapped};
use crate::report::Manifest;
use crate::report::words::count;
use crate::sweep::words::{estimate, facts, value, verdict};
use crate::sweep::{Estimate, SweepFigures};

/// The summary, each line ended.
#[must_use]
pub fn matrix(figures: &SweepFigures, manifest: &Manifest, style: Style) -> String {
    let title = format!(
        "{} · {}",
        figures.facts.plan,
        facts(figures, &manifest.started_utc)
    );
    let mut lines = vec![style.paint(BOLD, &clipped(&title, COLUMNS)), String::new()];
    let view = if figures.has("time_to_detect_p50_ms") {
        &DETECTION
    } else if is_about_losses(figures) {
        &DURABILITY
    } else if figures.is_about_load() {
        &LOAD
    } else {
        &SERVICE
    };
    let row = |name: &str, cells: &[String; 4]| row(view, name, cells);
    let heads = view.columns.map(|(head, ..)| head.to_owned());
    lines.push(style.paint(DIM, &row("", &heads)));
    lines.extend((0..figures.facts.cells.len()).map(|cell| {
        let cells = view
            .columns
            .map(|(_, metric, say)| figures.figure(cell, metric).map_or_else(String::new, say));
        row(&figures.facts.cells[cell].label, &cells)
    }));
    lines.push(String::new());
    lines.extend(
        verdict(figures)
            .iter()
            .flat_map(|sentence| wrapped(sentence, SENTENCE_LINES)),
    );
    lines.push(String::new());
    let meanings = view.meanings.iter().chain(&MEANINGS);
    lines.extend(meanings.map(|line| style.paint(DIM, line)));
    lines.extend([
        String::new(),
        format!("report  {}/report.html", manifest.folder),
        format!("replay  {}", manifest.replay),
    ]);
    ended(&lines)
}

fn is_about_losses(figures: &SweepFigures) -> bool {
    let mut cells = 0..figures.facts.cells.len();
    let lost = |cell| {
        figures
            .figure(cell, "lost_writes")
            .and_then(|lost| lost.value)
    };
    let is_any_lost = cells.any(|cell| lost(cell).is_some_and(|share| share > 0.0));
    is_any_lost
        || figures
            .facts
            .axes
            .iter()
            .any(|axis| axis.name == "storage.sync")
}

/// On how many observations a figure rests.
fn observations(estimate: &Estimate) -> String {
    count(estimate.count)
}

fn row(view: &View, name: &str, cells: &[String; 4]) -> String {
    let [width, widths @ ..] = view.widths;
    let name = pad(&clipped(name, width), width, false);
    let cells = cells.iter().zip(widths);
    cells.fold(name, |line, (cell, width)| {
        line + " " + &pad(cell, width, true)
    })
}

/// A head, the metric below it, and how it is said.
type Column = (&'static str, &'static str, fn(&Estimate) -> String);

/// What is shown of each cell, and what it means.
struct View {
    columns: [Column; 4],
    /// Of the name and of each column.
    widths: [usize; 5],
    meanings: &'static [&'static str],
}

/// How clients were served.
const SERVICE: View = View {
    columns: [
        ("available", "availability", estimate),
        ("stale", "stale", estimate),
        ("reads p50", "latency_get_ok_p50_ms", value),
        ("reads p99", "latency_get_ok_p99_ms", estimate),
    ],
    widths: [28, 21, 19, 9, 19],
    meanings: &[
        "stale      reads that missed a write complete before they began, of the reads that could have;",
        "           t-staleness: for how long the first write they missed had been complete",
        "p50, p99   latency from the intended start, of all seeds together; shares are means over seeds",
        "available  operations that succeeded, of all that clients began",
    ],
};
/// What was carried of a load, where that is what differs.
const LOAD: View = View {
    columns: [
        ("goodput", "goodput", estimate),
        ("available", "availability", value),
        ("reads p99", "latency_get_ok_p99_ms", estimate),
        ("writes p99", "latency_put_ok_p99_ms", value),
    ],
    widths: [28, 21, 9, 22, 10],
    meanings: &[
        "goodput    operations that succeeded before their client gave up, a second",
        "available  the same, of all that clients began",
        "p99        latency of those, from the intended start, of all seeds together",
    ],
};
/// How crashes were detected, where somebody detects.
const DETECTION: View = View {
    columns: [
        ("detected p50", "time_to_detect_p50_ms", estimate),
        ("wrongly / min", "false_positives_per_minute", estimate),
        ("for p50", "false_positive_p50_ms", value),
        ("available", "availability", value),
    ],
    widths: [36, 21, 18, 9, 9],
    meanings: &[
        "detected   from a crash until a node believes it, over all nodes and seeds",
        "wrongly    how often a minute any node began to believe that another was down which was up;",
        "           for: how long that lasted",
        "available  operations that succeeded, of all that clients began",
    ],
};
/// What became of acknowledged writes, where any is lost or how they are synced varies.
const DURABILITY: View = View {
    columns: [
        ("lost writes", "lost_writes", estimate),
        ("of", "lost_writes", observations),
        ("stale", "stale", estimate),
        ("available", "availability", value),
    ],
    widths: [28, 24, 10, 21, 9],
    meanings: &[
        "lost       acknowledged writes that in the end nobody holds, nor anything that superseded them,",
        "           of so many acknowledged ones",
        "stale      reads that missed a write complete before they began, of the reads that could have",
        "available  operations that succeeded, of all that clients began",
    ],
};
const SENTENCE_LINES: usize = 3;
const MEANINGS: [&str; 2] = [
    "[ , ]      95 % interval over seeds; differences are taken seed by seed",
    "×, points  so many times as much; so many percentage points more",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use crate::sweep::made;

    /// Otherwise a sweep whose question is what gets lost does not answer it.
    #[test]
    fn it_shows_what_was_lost_where_anything_was() {
        let shown = |share: f64| {
            let mut figures = made::figures();
            for figure in figures.figures.iter_mut().flatten() {
                if figure.metric == "lost_writes" {
                    (figure.value, figure.count) = (Some(share), 12_345);
                }
            }
            matrix(&figures, &sample::manifest(), Style::Plain)
        };
        assert!(!shown(0.0).contains("lost writes"), "{}", shown(0.0));
        for part in ["lost writes", "12.5", " 12 345 "] {
            assert!(
                shown(0.125).contains(part),
                "{part:?} is not in\n{}",
                shown(0.125)
            );
        }
    }

    #[test]
    fn it_shows_every_cell_and_what_differs_within_its_columns() {
        let text = matrix(&made::figures(), &sample::manifest(), Style::Plain);
        for part in [
            "matrix · simulated · 4 cells · 3 seeds from 1 to 3 · 12 runs",
            "\nclustered · no fault ",
            "10.0 % [0.06, 19.9]",
            "“clustered” against “spread”: stale reads 2.5 ×",
            "\nreport ",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
        let longest = text
            .lines()
            .filter(|line| !line.starts_with("re"))
            .map(|line| line.chars().count())
            .max();
        assert!(longest <= Some(COLUMNS), "{text}");
    }
}
