//! The summary of a sweep for the terminal: a row for each cell, a sentence for each case.

use super::{BOLD, COLUMNS, DIM, Style, clipped, ended, pad, wrapped};
use crate::report::Manifest;
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
