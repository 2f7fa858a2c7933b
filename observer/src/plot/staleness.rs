//! Stale reads over time, with the spans of the faults shaded.

use super::axis::linear;
use super::sheet::{Anchor, FAULT, Frame, INK, SERIES, Sheet, Type};
use crate::figures::{Figures, TimeBin};
use plotters::prelude::DrawingBackend;

pub(super) fn applies(figures: &Figures) -> bool {
    figures
        .over_time
        .iter()
        .filter(|bin| bin.stale.share.is_some())
        .count()
        > 1
}

pub(super) fn draw<DB: DrawingBackend>(sheet: &Sheet<'_, DB>, figures: &Figures) {
    let start = figures.run.from_s;
    let bins: Vec<_> = figures
        .over_time
        .iter()
        .filter(|bin| bin.stale.share.is_some())
        .collect();
    let end = figures
        .over_time
        .last()
        .map_or(1.0, |bin| bin.until_s - start);
    let highest = bins.iter().map(|bin| bin.stale.high).fold(0.01, f64::max);
    let x = linear(0.0, end, 10.0, "seconds since measuring began");
    let y = linear(
        0.0,
        highest * 112.0,
        5.0,
        "stale reads, % of the reads that could be stale, with 95 % interval",
    );
    let frame = sheet.frame("Stale reads over time", (56.0, 24.0), &x, &y);
    shade(sheet, &frame, figures);

    let middle = |bin: &TimeBin| f64::midpoint(bin.from_s, bin.until_s) - start;
    let upper = bins
        .iter()
        .map(|bin| frame.at((middle(bin), bin.stale.high * 100.0)));
    let lower = bins
        .iter()
        .rev()
        .map(|bin| frame.at((middle(bin), bin.stale.low * 100.0)));
    sheet.area(&upper.chain(lower).collect::<Vec<_>>(), SERIES[0], 0.2);
    let share = |bin: &TimeBin| bin.stale.share.unwrap_or_default() * 100.0;
    let points: Vec<_> = bins
        .iter()
        .map(|bin| frame.at((middle(bin), share(bin))))
        .collect();
    sheet.line(&points, SERIES[0], 2.0);
    for (point, _) in points
        .iter()
        .zip(&bins)
        .filter(|(_, bin)| !bin.stale.is_thin())
    {
        sheet.dot(*point, SERIES[0], 2.5);
    }
}

/// Shades the faults' spans, and names each above what it has in common with others.
fn shade<DB: DrawingBackend>(sheet: &Sheet<'_, DB>, frame: &Frame, figures: &Figures) {
    let mut taken: Vec<f64> = Vec::new();
    for fault in &figures.faults {
        let [from, until] =
            [fault.from_s, fault.until_s].map(|at| frame.x(at - figures.run.from_s));
        sheet.bar(
            (from, frame.top),
            (until.max(from + 1.0), frame.bottom),
            FAULT,
            0.18,
        );
        let look = Type::label(INK);
        let name = sheet.clip(&fault.name, look, frame.right - frame.left);
        let width = sheet.width(&name, look);
        let left = (from + 6.0).min(frame.right - width);
        let free = taken.iter().position(|right| *right < left);
        let row = free.unwrap_or(taken.len());
        if free.is_none() {
            taken.push(0.0);
        }
        taken[row] = left + width + 12.0;
        let at = (left, frame.top + 13.0 + 20.0 * row as f64);
        sheet.text(at, &name, Anchor::Start, look);
    }
}
