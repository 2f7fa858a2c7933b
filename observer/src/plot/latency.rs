//! The latency percentiles of every kind of operation that succeeded, on an axis that shows the tail.

use super::axis::logarithmic;
use super::sheet::{Anchor, Axis, SERIES, Sheet, Type};
use crate::figures::{Figures, LatencyRow};
use crate::report::words::kind;
use plotters::prelude::DrawingBackend;
use tidemark_proto::event::Outcome;

pub(super) fn applies(figures: &Figures) -> bool {
    rows(figures).next().is_some()
}

pub(super) fn draw<DB: DrawingBackend>(sheet: &Sheet<'_, DB>, figures: &Figures) {
    let all = || rows(figures).flat_map(points);
    let slowest = all().map(|(_, ms)| ms).fold(1.0, f64::max);
    let fastest = all().map(|(_, ms)| ms).fold(slowest / 10.0, f64::min);
    let nines = all().map(|(nines, _)| nines).fold(1.0, f64::max);
    let marks = [
        (0.0, "0"),
        (0.5, "50"),
        (0.9, "90"),
        (0.99, "99"),
        (0.999, "99.9"),
        (0.9999, "99.99"),
        (0.999_99, "99.999"),
    ];
    let ticks = marks.map(|(share, name)| (tail(share), name.to_owned()));
    let x = Axis {
        from: 0.0,
        until: nines,
        ticks: ticks
            .into_iter()
            .filter(|(at, _)| *at <= nines + 1e-9)
            .collect(),
        label: "percentile of the operations that succeeded",
    };
    let y = logarithmic(
        fastest,
        slowest * 1.2,
        "latency from the intended start, ms",
    );
    let frame = sheet.frame("Latency of reads and writes", (64.0, 96.0), &x, &y);

    let mut ends = Vec::new();
    for (row, colour) in rows(figures).zip(SERIES) {
        let line: Vec<_> = points(row)
            .map(|(nines, ms)| frame.at((nines, ms.log10())))
            .collect();
        sheet.line(&line, colour, 2.0);
        ends.extend(line.last().map(|end| (*end, row, colour)));
    }
    ends.sort_by(|((_, a), ..), ((_, b), ..)| a.total_cmp(b));
    let mut free = f64::NEG_INFINITY;
    for ((right, end), row, colour) in ends {
        let at = end.max(free);
        free = at + 18.0;
        sheet.text(
            (right + 8.0, at),
            kind(row.kind),
            Anchor::Start,
            Type::label(colour).bold(),
        );
    }
}

fn rows(figures: &Figures) -> impl Iterator<Item = &LatencyRow> {
    figures
        .latency
        .iter()
        .filter(|row| row.outcome == Outcome::Ok && row.percentiles.len() > 1)
}

/// A row's percentiles up to the last that is not the maximum, as (nines, ms).
fn points(row: &LatencyRow) -> impl Iterator<Item = (f64, f64)> {
    let resolved = 1.0 - 1.0 / row.ms.count.max(2) as f64;
    let within = row
        .percentiles
        .iter()
        .filter(move |(share, _)| *share <= resolved);
    within.map(|(share, ms)| (tail(*share), ms.max(0.001)))
}

/// How many nines a share has.
fn tail(share: f64) -> f64 {
    -(1.0 - share).log10()
}
