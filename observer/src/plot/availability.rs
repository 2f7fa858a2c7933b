//! Availability of reads and of writes per phase.

use super::axis::linear;
use super::sheet::{Anchor, Axis, FAULT, GRID, INK, SERIES, Sheet, Type};
use crate::figures::{Figures, PhaseFigures, Rate};
use crate::report::words;
use plotters::prelude::DrawingBackend;

pub(super) fn applies(figures: &Figures) -> bool {
    figures
        .phases
        .iter()
        .any(|phase| phase.availability.share.is_some())
}

pub(super) fn draw<DB: DrawingBackend>(sheet: &Sheet<'_, DB>, figures: &Figures) {
    let phases: Vec<_> = figures.phases.iter().take(MOST).collect();
    let rates = phases.iter().flat_map(|phase| both(phase));
    let lowest = rates
        .filter(|(_, _, rate)| rate.share.is_some())
        .map(|(_, _, rate)| rate.low)
        .fold(1.0, f64::min);
    let x = linear(
        (lowest * 100.0 - 1.0).floor().max(0.0),
        100.0,
        6.0,
        "operations that succeeded, %, with 95 % interval",
    );
    let rows = phases.len() as f64;
    let y = Axis {
        from: rows,
        until: 0.0,
        ticks: Vec::new(),
        label: "by the phase in which they started",
    };
    let look = Type::label(INK);
    let widest = phases
        .iter()
        .map(|phase| sheet.width(&phase.name, look))
        .fold(0.0, f64::max);
    let frame = sheet.frame(
        "Availability per phase",
        ((widest * 1.1 + 36.0).min(WIDEST), 160.0),
        &x,
        &y,
    );

    for (value, _) in &x.ticks {
        let at = frame.x(*value);
        sheet.line(&[(at, frame.top), (at, frame.bottom)], GRID, 1.0);
    }
    for (row, phase) in phases.iter().enumerate() {
        let (top, bottom) = (frame.y(row as f64), frame.y(row as f64 + 1.0));
        if phase.fault {
            sheet.bar((frame.left, top), (frame.right, bottom), FAULT, 0.18);
        }
        sheet.text(
            (16.0, f64::midpoint(top, bottom)),
            &sheet.clip(&phase.name, look, WIDEST - 36.0),
            Anchor::Start,
            look,
        );
        for (number, (name, colour, rate)) in both(phase).into_iter().enumerate() {
            let Some(share) = rate.share else { continue };
            let at = top + (bottom - top) * (number as f64 + 1.0) / 3.0;
            let [low, middle, high] =
                [rate.low, share, rate.high].map(|share| frame.x(share * 100.0));
            sheet.line(&[(low, at), (high, at)], colour, 2.0);
            sheet.dot((middle, at), colour, 4.5);
            let text = format!("{name} {}", words::share(rate));
            sheet.text(
                (frame.right + 12.0, at),
                &text,
                Anchor::Start,
                Type::label(colour),
            );
        }
    }
}

fn both(phase: &PhaseFigures) -> [(&'static str, plotters::style::RGBColor, &Rate); 2] {
    [
        ("reads", SERIES[0], &phase.reads_available),
        ("writes", SERIES[1], &phase.writes_available),
    ]
}

const MOST: usize = 8;
const WIDEST: f64 = 320.0;
