//! How many versions reads returned.

use super::axis::logarithmic;
use super::sheet::{Anchor, Axis, INK, MUTED, SERIES, Sheet, Type};
use crate::figures::Figures;
use crate::report::words;
use plotters::prelude::DrawingBackend;

pub(super) fn applies(figures: &Figures) -> bool {
    figures
        .siblings
        .iter()
        .any(|count| count.versions > 1 && count.reads > 0)
}

pub(super) fn draw<DB: DrawingBackend>(sheet: &Sheet<'_, DB>, figures: &Figures) {
    let counts: Vec<_> = figures
        .siblings
        .iter()
        .filter(|count| count.reads > 0)
        .collect();
    let all: u64 = counts.iter().map(|count| count.reads).sum();
    let most = counts.iter().map(|count| count.reads).max().unwrap_or(1);
    let shown = &counts[..counts.len().min(MOST)];
    let y = Axis {
        from: shown.len() as f64,
        until: 0.0,
        ticks: Vec::new(),
        label: "versions returned by a read that succeeded",
    };
    let x = logarithmic(0.5, most as f64, "reads, on a logarithmic axis");
    let frame = sheet.frame("Siblings", (56.0, 170.0), &x, &y);
    for (row, count) in shown.iter().enumerate() {
        let (top, bottom) = (frame.y(row as f64 + 0.22), frame.y(row as f64 + 0.78));
        let (middle, end) = (
            f64::midpoint(top, bottom),
            frame.x((count.reads as f64).log10()),
        );
        let colour = if count.versions > 1 {
            SERIES[1]
        } else {
            SERIES[0]
        };
        sheet.bar((frame.left, top), (end, bottom), colour, 1.0);
        sheet.text(
            (frame.left - 10.0, middle),
            &count.versions.to_string(),
            Anchor::End,
            Type::label(INK),
        );
        let share = words::percent(count.reads as f64 / all as f64);
        let text = format!("{} reads, {share}", words::count(count.reads));
        sheet.text(
            (end + 8.0, middle),
            &text,
            Anchor::Start,
            Type::label(MUTED),
        );
    }
}

const MOST: usize = 10;
