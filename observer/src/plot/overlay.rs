//! A prediction and what was measured, in one plot: how fresh reads are by age, and how long operations take.

use super::axis::{linear, logarithmic};
use super::sheet::{Anchor, Axis, Frame, SERIES, Sheet, Type};
use crate::figures::ZERO_AGE_MS;
use crate::overlay::{Overlay, Source};
use plotters::prelude::DrawingBackend;
use plotters::style::RGBColor;

pub(super) fn has_curves(overlay: &Overlay) -> bool {
    overlay.sources.iter().any(|source| source.curve.len() > 1)
}

/// Lines for what was predicted, dots with intervals for what was measured.
pub(super) fn freshness<DB: DrawingBackend>(sheet: &Sheet<'_, DB>, overlay: &Overlay) {
    let points = || overlay.sources.iter().flat_map(|source| &source.curve);
    let oldest = points()
        .map(|point| point.age_ms)
        .fold(10.0 * ZERO_AGE_MS, f64::max);
    let lowest = points().map(|point| point.low).fold(1.0, f64::min);
    let mut x = logarithmic(
        ZERO_AGE_MS,
        oldest * 1.3,
        "age of the newest complete write when the read started, ms",
    );
    if let Some((_, name)) = x.ticks.first_mut() {
        name.insert_str(0, "≤ ");
    }
    let from = (lowest * 20.0).floor() / 20.0;
    let y = linear(from, 1.0, 5.0, "P(fresh | age), with 95 % interval");
    let title = "How fresh reads are, predicted and measured";
    let frame = sheet.frame(title, (56.0, 24.0), &x, &y);
    let at = |age_ms: f64, fresh: f64| (frame.x(age_ms.max(ZERO_AGE_MS).log10()), frame.y(fresh));
    for (source, colour) in overlay.sources.iter().zip(SERIES) {
        let line = |value: fn(&crate::overlay::Point) -> f64| {
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

pub(super) fn has_latencies(overlay: &Overlay) -> bool {
    lines(overlay).next().is_some()
}

/// Whole lines for writes, dashes for reads.
pub(super) fn latency<DB: DrawingBackend>(sheet: &Sheet<'_, DB>, overlay: &Overlay) {
    let all = || lines(overlay).flat_map(|(points, ..)| points);
    let slowest = all().map(|(_, ms)| ms).fold(SHORTEST_MS, f64::max);
    let fastest = all().map(|(_, ms)| ms).fold(slowest / 10.0, f64::min);
    let marks = [
        (0.0, "0"),
        (0.5, "50"),
        (0.9, "90"),
        (0.99, "99"),
        (0.999, "99.9"),
        (0.9999, "99.99"),
    ];
    let x = Axis {
        from: 0.0,
        until: MOST_NINES,
        ticks: marks
            .map(|(share, name)| (nines(share), name.to_owned()))
            .into(),
        label: "percentile of the operations that succeeded",
    };
    let y = logarithmic(fastest, slowest * 1.2, "latency, ms");
    let title = "Latency of writes (—) and reads (- -), predicted and measured";
    let frame = sheet.frame(title, (64.0, 24.0), &x, &y);
    for (points, colour, is_dashed) in lines(overlay) {
        let line: Vec<_> = points
            .into_iter()
            .map(|(nines, ms)| frame.at((nines, ms.log10())))
            .collect();
        if is_dashed {
            sheet.dashes(&line, colour, 2.0);
        } else {
            sheet.line(&line, colour, 2.0);
        }
    }
    keys(sheet, &frame, overlay);
}

/// Every distribution of latencies as (nines, ms), its colour, and whether it is of reads.
fn lines(overlay: &Overlay) -> impl Iterator<Item = (Vec<(f64, f64)>, RGBColor, bool)> {
    let of = |source: &Source, colour: RGBColor| {
        [(&source.writes, false), (&source.reads, true)].map(|(times, is_of_reads)| {
            let points = times
                .iter()
                .map(|(share, ms)| (nines(*share), ms.max(SHORTEST_MS)));
            let shown = points.filter(|(at, _)| (nines(LEAST)..MOST_NINES + 1e-9).contains(at));
            (shown.collect::<Vec<_>>(), colour, is_of_reads)
        })
    };
    let sources = overlay.sources.iter().zip(SERIES);
    sources
        .flat_map(move |(source, colour)| of(source, colour))
        .filter(|(points, ..)| points.len() > 1)
}

fn keys<DB: DrawingBackend>(sheet: &Sheet<'_, DB>, frame: &Frame, overlay: &Overlay) {
    for (place, (source, colour)) in overlay.sources.iter().zip(SERIES).enumerate() {
        let at = (frame.right, 24.0 + 18.0 * place as f64);
        sheet.text(at, &source.name, Anchor::End, Type::label(colour).bold());
    }
}

/// How many nines a share has.
fn nines(share: f64) -> f64 {
    -(1.0 - share).log10()
}

/// The fastest hundredth would need most of the sheet.
const LEAST: f64 = 0.01;
const MOST_NINES: f64 = 4.0;
/// What is shorter is drawn as long.
const SHORTEST_MS: f64 = 0.001;
