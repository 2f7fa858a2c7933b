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
    let heads = [
        "",
        "available",
        "stale",
        "t-stale p99",
        "reads p50",
        "reads p99",
    ]
    .map(str::to_owned);
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

fn cells(figures: &SweepFigures, cell: usize) -> [String; 6] {
    let said = |metric: &str, say: fn(&Estimate) -> String| {
        figures.figure(cell, metric).map_or_else(String::new, say)
    };
    [
        figures.facts.cells[cell].label.clone(),
        said("availability", estimate),
        said("stale", estimate),
        said("t_staleness_p99_ms", value),
        said("latency_get_ok_p50_ms", value),
        said("latency_get_ok_p99_ms", estimate),
    ]
}

fn row(cells: &[String; 6]) -> String {
    let [name, numbers @ ..] = cells;
    let name = pad(&clipped(name, WIDTHS[0]), WIDTHS[0], false);
    let numbers = numbers.iter().zip(&WIDTHS[1..]);
    numbers.fold(name, |line, (cell, width)| {
        line + " " + &pad(cell, *width, true)
    })
}

const WIDTHS: [usize; 6] = [28, 19, 18, 11, 9, 20];
const SENTENCE_LINES: usize = 3;
/// As many columns as the table.
const MEANINGS: [&str; 3] = [
    "In brackets: 95 % intervals over seeds. Shares are means over seeds, latencies are quantiles of all seeds' operations.",
    "stale: reads that missed a write that was complete when they started; t-stale: for how long it had been complete.",
    "available: operations that succeeded. Differences are taken seed by seed; ×: so many times; points: percentage points.",
];
