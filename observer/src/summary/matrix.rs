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
    let heads = ["", "available", "stale", "reads p50", "reads p99"].map(str::to_owned);
    lines.push(style.paint(DIM, &row(&heads)));
    lines.extend((0..figures.facts.cells.len()).map(|cell| row(&cells(figures, cell))));
    lines.push(String::new());
    lines.extend(
        verdict(figures)
            .iter()
            .flat_map(|sentence| wrapped(sentence, SENTENCE_LINES)),
    );
    lines.push(String::new());
    lines.extend(MEANINGS.map(|line| style.paint(DIM, line)));
    lines.extend([
        String::new(),
        format!("report  {}/report.html", manifest.folder),
        format!("replay  {}", manifest.replay),
    ]);
    ended(&lines)
}

fn cells(figures: &SweepFigures, cell: usize) -> [String; 5] {
    let said = |metric: &str, say: fn(&Estimate) -> String| {
        figures.figure(cell, metric).map_or_else(String::new, say)
    };
    [
        figures.facts.cells[cell].label.clone(),
        said("availability", estimate),
        said("stale", estimate),
        said("latency_get_ok_p50_ms", value),
        said("latency_get_ok_p99_ms", estimate),
    ]
}

fn row(cells: &[String; 5]) -> String {
    let [name, numbers @ ..] = cells;
    let name = pad(&clipped(name, WIDTHS[0]), WIDTHS[0], false);
    let numbers = numbers.iter().zip(&WIDTHS[1..]);
    numbers.fold(name, |line, (cell, width)| {
        line + " " + &pad(cell, *width, true)
    })
}

const WIDTHS: [usize; 5] = [28, 21, 19, 9, 19];
const SENTENCE_LINES: usize = 3;
const MEANINGS: [&str; 6] = [
    "stale      reads that missed a write complete before they began, of the reads that could have;",
    "           t-staleness: for how long the first write they missed had been complete",
    "available  operations that succeeded, of all that clients began",
    "p50, p99   latency from the intended start, of all seeds together; shares are means over seeds",
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
