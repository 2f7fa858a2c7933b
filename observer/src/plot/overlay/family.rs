//! A group of cells in one plot: how fresh reads are by age, how long reads take and how long writes do. Lines are predicted,
//! dots and crosses measured.

use super::{SHORTEST_MS, age, ages, percentiles, points};
use crate::overlay::{FamilyCell, Latencies, Source};
use crate::plot::axis::{linear, logarithmic};
use crate::plot::sheet::{Anchor, Frame, INK, MUTED, SERIES, Sheet, Type};
use crate::predict::Quorums;
use plotters::prelude::{DrawingBackend, RGBColor};

/// What is drawn.
pub(in crate::plot) struct Group<'a> {
    /// What the plot is called.
    pub(in crate::plot) title: String,
    pub(in crate::plot) cells: Vec<&'a FamilyCell>,
}

pub(in crate::plot) fn draw<DB: DrawingBackend>(sheet: &Sheet<'_, DB>, group: &Group<'_>) {
    sheet.title(&group.title);
    freshness(sheet, group);
    let of_reads = |quorums: Quorums| format!("R = {}", quorums.r);
    let of_writes = |quorums: Quorums| format!("W = {}", quorums.w);
    latency(
        sheet,
        READS,
        ("read latency, ms", &|source| &source.reads),
        &classes(group, of_reads),
    );
    latency(
        sheet,
        WRITES,
        ("write latency, ms", &|source| &source.writes),
        &classes(group, of_writes),
    );
    let caption = format!("Lines: predicted. {}", marks(group).join(" "));
    sheet.text(
        (MARGIN, f64::from(SIZE.1) - 14.0),
        &caption,
        Anchor::Start,
        Type::label(MUTED),
    );
}

/// The cells in which reads may be stale, each in its colour, with the 20 quantiles that are compared.
fn freshness<DB: DrawingBackend>(sheet: &Sheet<'_, DB>, group: &Group<'_>) {
    let is_stale = |cell: &&&FamilyCell| {
        let mut curves = cell.overlay.sources.iter().flat_map(|source| &source.curve);
        curves.any(|point| point.fresh < 1.0)
    };
    let cells: Vec<&FamilyCell> = group.cells.iter().filter(is_stale).copied().collect();
    let compared = || {
        let sources = cells.iter().flat_map(|cell| cell.measured());
        sources.flat_map(|source| &source.quantiles)
    };
    let oldest = compared()
        .map(|quantile| quantile.age_ms)
        .fold(1.0, f64::max)
        * 1.5;
    let lowest = compared().map(|quantile| quantile.low).fold(1.0, f64::min);
    let x = ages(oldest, "");
    let y = linear((lowest * 20.0 - 1e-9).floor() / 20.0, 1.0, 5.0, "");
    let frame = sheet.chart(FRESHNESS, HEIGHT, &x, &y);
    label(
        sheet,
        &frame,
        "P(fresh | age)",
        "age of the write when the read started, ms",
    );
    for (cell, colour) in cells.iter().zip(SERIES) {
        if let Some(predicted) = cell.predicted() {
            let curve = predicted
                .curve
                .iter()
                .filter(|point| point.age_ms <= oldest);
            let line: Vec<_> = curve
                .map(|point| frame.at((age(point.age_ms), point.fresh)))
                .collect();
            sheet.line(&line, colour, 1.5);
        }
        for (mark, source) in cell.measured().enumerate() {
            for quantile in &source.quantiles {
                let at = |fresh| frame.at((age(quantile.age_ms), fresh));
                sheet.line(&[at(quantile.low), at(quantile.high)], colour, 1.0);
                put(sheet, mark, at(quantile.measured), colour);
            }
        }
    }
    let names = cells.iter().map(|cell| cell.case.as_str());
    legend(sheet, &frame, &names.collect::<Vec<_>>());
    if cells.len() < group.cells.len() {
        let others = if cells.is_empty() {
            "Reads are always fresh."
        } else {
            "In the other cells reads are always fresh."
        };
        let at = (frame.left, HEIGHT.0 - 46.0);
        sheet.text(at, others, Anchor::Start, Type::label(MUTED));
    }
}

/// Cells whose latencies are alike, by what they have in common: the first has the line, all have dots.
fn classes<'a>(
    group: &Group<'a>,
    of: impl Fn(Quorums) -> String,
) -> Vec<(String, Vec<&'a FamilyCell>)> {
    let mut classes: Vec<(String, Vec<&FamilyCell>)> = Vec::new();
    for cell in &group.cells {
        let name = cell.overlay.quorums.map_or_else(|| cell.case.clone(), &of);
        match classes.iter_mut().find(|(class, _)| *class == name) {
            Some((_, cells)) => cells.push(cell),
            None => classes.push((name, vec![cell])),
        }
    }
    classes
}

fn latency<DB: DrawingBackend>(
    sheet: &Sheet<'_, DB>,
    across: (f64, f64),
    (about, times): (&str, &dyn Fn(&Source) -> &Latencies),
    classes: &[(String, Vec<&FamilyCell>)],
) {
    let shown = |source: &Source| points(times(source), SHOWN);
    let cells = || classes.iter().flat_map(|(_, cells)| cells);
    let all = || {
        let sources = cells().flat_map(|cell| &cell.overlay.sources);
        sources.flat_map(shown).map(|(_, ms)| ms)
    };
    let slowest = all().fold(SHORTEST_MS, f64::max);
    let fastest = all().fold(slowest / 10.0, f64::min);
    let x = percentiles(SHOWN.1, "");
    let y = logarithmic(fastest / 1.2, slowest * 1.2, "");
    let frame = sheet.chart(across, HEIGHT, &x, &y);
    label(sheet, &frame, about, "percentile");
    let at = |(nines, ms): (f64, f64)| frame.at((nines, ms.log10()));
    for ((_, cells), colour) in classes.iter().zip(SERIES) {
        if let Some(predicted) = cells.iter().find_map(|cell| cell.predicted()) {
            let line: Vec<_> = shown(predicted).into_iter().map(at).collect();
            sheet.line(&line, colour, 1.5);
        }
        for cell in cells {
            for (mark, source) in cell.measured().enumerate() {
                for point in shown(source) {
                    put(sheet, mark, at(point), colour);
                }
            }
        }
    }
    let names = classes.iter().map(|(name, _)| name.as_str());
    legend(sheet, &frame, &names.collect::<Vec<_>>());
}

/// Who has which colour, from the right above a chart.
fn legend<DB: DrawingBackend>(sheet: &Sheet<'_, DB>, frame: &Frame, names: &[&str]) {
    let mut right = frame.right;
    let named: Vec<_> = names.iter().zip(SERIES).collect();
    for (name, colour) in named.into_iter().rev() {
        let look = Type::label(colour).bold();
        sheet.text((right, frame.top - 20.0), name, Anchor::End, look);
        right -= sheet.room(name, look) + 12.0;
    }
}

fn label<DB: DrawingBackend>(sheet: &Sheet<'_, DB>, frame: &Frame, above: &str, below: &str) {
    sheet.text(
        (frame.left, frame.top - 20.0),
        above,
        Anchor::Start,
        Type::label(INK),
    );
    sheet.text(
        (frame.right, frame.bottom + 38.0),
        below,
        Anchor::End,
        Type::label(MUTED),
    );
}

/// A dot for the first back-end, a cross for others.
fn put<DB: DrawingBackend>(
    sheet: &Sheet<'_, DB>,
    mark: usize,
    (x, y): (f64, f64),
    colour: RGBColor,
) {
    if mark == 0 {
        sheet.dot((x, y), colour, 2.5);
        return;
    }
    for rise in [ARM, -ARM] {
        sheet.line(&[(x - ARM, y - rise), (x + ARM, y + rise)], INK, 1.5);
    }
}

/// What each mark stands for.
fn marks(group: &Group<'_>) -> Vec<String> {
    let mut names: Vec<Vec<&str>> = vec![Vec::new(); 2];
    for cell in &group.cells {
        for (mark, source) in cell.measured().enumerate() {
            let names = &mut names[mark.min(1)];
            if !names.contains(&source.name.as_str()) {
                names.push(&source.name);
            }
        }
    }
    let named = ["Dots", "Black crosses"].into_iter().zip(&names);
    let named = named.filter(|(_, names)| !names.is_empty());
    named
        .map(|(mark, names)| format!("{mark}: {}.", names.join(", ")))
        .collect()
}

pub(in crate::plot) const SIZE: (u32, u32) = (1_200, 460);
const MARGIN: f64 = 16.0;
const HEIGHT: (f64, f64) = (104.0, 370.0);
const FRESHNESS: (f64, f64) = (64.0, 510.0);
const READS: (f64, f64) = (580.0, 860.0);
const WRITES: (f64, f64) = (920.0, 1_184.0);
/// From the first percentile to 99.9 %, in nines.
const SHOWN: (f64, f64) = (0.0, 3.0);
const ARM: f64 = 4.0;
