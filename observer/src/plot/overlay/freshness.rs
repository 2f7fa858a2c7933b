//! How fresh reads are by age, predicted and measured.

use super::{age, ages, keys, told};
use crate::figures::ZERO_AGE_MS;
use crate::overlay::{Overlay, Point};
use crate::plot::axis::linear;
use crate::plot::sheet::{SERIES, Sheet};
use plotters::prelude::DrawingBackend;

pub(in crate::plot) fn applies(overlay: &Overlay) -> bool {
    overlay.sources.iter().any(|source| source.curve.len() > 1)
}

/// Lines for what was predicted, dots with intervals for what was measured.
pub(in crate::plot) fn draw<DB: DrawingBackend>(sheet: &Sheet<'_, DB>, overlay: &Overlay) {
    let points = || overlay.sources.iter().flat_map(|source| &source.curve);
    let oldest = points()
        .map(|point| point.age_ms)
        .fold(10.0 * ZERO_AGE_MS, f64::max);
    let lowest = points().map(|point| point.low).fold(1.0, f64::min);
    let x = ages(
        oldest * 1.3,
        "age of the newest complete write when the read started, ms",
    );
    let from = (lowest * 20.0).floor() / 20.0;
    let y = linear(from, 1.0, 5.0, "P(fresh | age), with 95 % interval");
    let title = format!("How fresh reads are{}", told(overlay));
    let frame = sheet.frame(&title, (56.0, 24.0), &x, &y);
    let at = |age_ms: f64, fresh: f64| frame.at((age(age_ms), fresh));
    for (source, colour) in overlay.sources.iter().zip(SERIES) {
        let line = |value: fn(&Point) -> f64| {
            let points = source.curve.iter();
            points
                .map(|point| at(point.age_ms, value(point)))
                .collect::<Vec<_>>()
        };
        sheet.line(
            &line(|point| point.fresh),
            colour,
            if source.is_predicted() { 2.0 } else { 1.0 },
        );
        if source.is_predicted() {
            continue;
        }
        for point in &source.curve {
            sheet.line(
                &[at(point.age_ms, point.low), at(point.age_ms, point.high)],
                colour,
                1.0,
            );
            sheet.dot(at(point.age_ms, point.fresh), colour, 3.0);
        }
    }
    keys(sheet, &frame, overlay);
}
