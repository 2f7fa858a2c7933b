//! P(fresh | age): how likely a read is to be fresh, by the age of the newest complete write.

use super::axis::{linear, logarithmic};
use super::sheet::{Anchor, SERIES, Sheet, Type};
use crate::figures::{AgeBin, Figures, ZERO_AGE_MS};
use plotters::prelude::DrawingBackend;

pub(super) fn applies(figures: &Figures) -> bool {
    let curve = &figures.freshness.curve;
    curve.len() > 1 && curve.iter().any(|bin| !bin.fresh.is_thin())
}

pub(super) fn draw<DB: DrawingBackend>(sheet: &Sheet<'_, DB>, figures: &Figures) {
    let curve = &figures.freshness.curve;
    let arrivals = figures
        .freshness
        .arrivals
        .known()
        .map(|arrivals| arrivals.curve.as_slice())
        .unwrap_or_default();
    let oldest = curve
        .iter()
        .map(|bin| bin.mean_ms)
        .fold(10.0 * ZERO_AGE_MS, f64::max);
    let reads = curve
        .iter()
        .filter(|bin| !bin.fresh.is_thin())
        .map(|bin| bin.fresh.low.min(bin.isotonic));
    let lowest = reads
        .chain(arrivals.iter().map(|(_, p)| *p))
        .fold(1.0, f64::min);
    let mut x = logarithmic(
        ZERO_AGE_MS,
        oldest * 1.3,
        "age of the newest complete write when the read started, ms",
    );
    if let Some((_, name)) = x.ticks.first_mut() {
        name.insert_str(0, "≤ ");
    }
    let y = linear(
        (lowest * 20.0).floor() / 20.0,
        1.0,
        5.0,
        "P(fresh | age), with 95 % interval",
    );
    let frame = sheet.frame(
        "How fresh reads are, by the age of the newest write",
        (56.0, 24.0),
        &x,
        &y,
    );
    let age = |ms: f64| frame.x(ms.max(ZERO_AGE_MS).log10());

    let arrived: Vec<_> = arrivals
        .iter()
        .filter(|(ms, _)| *ms <= oldest)
        .map(|(ms, p)| (age(*ms), frame.y(*p)))
        .collect();
    sheet.dashes(&arrived, SERIES[1], 2.0);
    let fitted: Vec<_> = curve
        .iter()
        .map(|bin| (age(bin.mean_ms), frame.y(bin.isotonic)))
        .collect();
    sheet.line(&fitted, SERIES[0], 2.0);
    for bin in curve.iter().filter(|bin| !bin.fresh.is_thin()) {
        let at = age(bin.mean_ms);
        let [low, share, high] =
            [bin.fresh.low, share(bin), bin.fresh.high].map(|share| frame.y(share));
        sheet.line(&[(at, low), (at, high)], SERIES[0], 1.0);
        sheet.dot((at, share), SERIES[0], 3.0);
    }

    let key = |row: f64, text: &str, colour| {
        sheet.text((frame.right, row), text, Anchor::End, Type::label(colour));
    };
    key(24.0, "— from reads", SERIES[0]);
    if !arrived.is_empty() {
        key(54.0, "- - from arrivals", SERIES[1]);
    }
}

fn share(bin: &AgeBin) -> f64 {
    bin.fresh.share.unwrap_or_default()
}
