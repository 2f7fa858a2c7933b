//! A prediction and what was measured, a plot a file, and the axes that they share.

pub(super) mod family;
pub(super) mod freshness;
pub(super) mod latency;

use super::axis::logarithmic;
use super::sheet::{Anchor, Axis, Frame, SERIES, Sheet, Type};
use crate::figures::ZERO_AGE_MS;
use crate::overlay::{Latencies, Overlay, Source};
use plotters::prelude::DrawingBackend;

/// Ages up to `oldest`; the youngest stand together.
fn ages(oldest: f64, label: &'static str) -> Axis {
    let mut axis = logarithmic(ZERO_AGE_MS, oldest, label);
    if let Some((_, name)) = axis.ticks.first_mut() {
        name.insert_str(0, "≤ ");
    }
    axis
}

/// Where an age is on such an axis.
fn age(ms: f64) -> f64 {
    ms.max(ZERO_AGE_MS).log10()
}

/// Shares of operations by how many nines they have, up to as many.
fn percentiles(most: f64, label: &'static str) -> Axis {
    let marks = [
        (0.0, "0"),
        (0.5, "50"),
        (0.9, "90"),
        (0.99, "99"),
        (0.999, "99.9"),
        (0.9999, "99.99"),
    ];
    let ticks = marks.map(|(share, name)| (nines(share), name.to_owned()));
    Axis {
        from: 0.0,
        until: most,
        ticks: ticks
            .into_iter()
            .filter(|(at, _)| *at < most + 1e-9)
            .collect(),
        label,
    }
}

/// Latencies that stand between `least` and `most` nines, as (nines, ms).
fn points(times: &Latencies, (least, most): (f64, f64)) -> Vec<(f64, f64)> {
    let points = times.points.iter();
    let points = points.map(|(share, ms)| (nines(*share), ms.max(SHORTEST_MS)));
    let shown = least - 1e-9..most + 1e-9;
    points.filter(|(at, _)| shown.contains(at)).collect()
}

/// How many nines a share has.
fn nines(share: f64) -> f64 {
    -(1.0 - share).log10()
}

/// How the numbers were come by, as a title says it.
fn told(overlay: &Overlay) -> &'static str {
    match overlay.sources.iter().any(Source::is_predicted) {
        true => ", predicted and measured",
        false => "",
    }
}

/// Who has which colour, from `top` on.
fn keys<DB: DrawingBackend>(sheet: &Sheet<'_, DB>, frame: &Frame, overlay: &Overlay) {
    for (place, (source, colour)) in overlay.sources.iter().zip(SERIES).enumerate() {
        let at = (frame.right, 24.0 + 18.0 * place as f64);
        sheet.text(at, &source.name, Anchor::End, Type::label(colour).bold());
    }
}

/// What is shorter is drawn as long.
const SHORTEST_MS: f64 = 0.001;
