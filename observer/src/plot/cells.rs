//! The cells of a sweep, a row each: stale reads to the left, read latency to the right, with intervals over seeds.

use super::axis::linear;
use super::sheet::{Anchor, Axis, Frame, INK, MUTED, SERIES, SIZE, Sheet, Type};
use crate::report::words::number;
use crate::sweep::words::seeds;
use crate::sweep::{Estimate, SweepFigures};
use plotters::prelude::{DrawingBackend, RGBColor};

pub(super) fn applies(figures: &SweepFigures) -> bool {
    let rows = 1..=MOST_ROWS;
    rows.contains(&figures.facts.cells.len())
        && PANELS
            .iter()
            .all(|panel| panel.figures(figures).next().is_some())
}

pub(super) fn size(figures: &SweepFigures) -> (u32, u32) {
    let rows = TOP + height(&groups(figures)) + BOTTOM;
    (SIZE.0, rows.ceil() as u32)
}

pub(super) fn draw<DB: DrawingBackend>(sheet: &Sheet<'_, DB>, figures: &SweepFigures) {
    let groups = groups(figures);
    let facts = &figures.facts;
    sheet.title(&format!("{}: stale reads and read latency", facts.plan));
    legend(sheet, figures);

    let label = Type::label(INK);
    let widest = groups
        .iter()
        .map(|group| sheet.room(&group.label, label))
        .fold(0.0, f64::max)
        .min(WIDEST);
    let left = MARGIN + widest + GUTTER;
    let width = (f64::from(SIZE.0) - MARGIN - left - GAP) / 2.0;
    let bottom = TOP + height(&groups);
    for (panel, left) in PANELS.iter().zip([left, left + width + GAP]) {
        let (axis, scale) = panel.axis(figures);
        let frame = sheet.panel((left, left + width), (TOP, bottom), &axis, bottom - TOP);
        let mut top = 0.0;
        for group in &groups {
            for (row, (cell, colour)) in group.cells.iter().enumerate() {
                let at = top + SPACE / 2.0 + ROW * (row as f64 + 0.5);
                if let Some(estimate) = figures.figure(*cell, panel.metric) {
                    mark(
                        sheet,
                        &frame,
                        at,
                        *colour,
                        |value| scale.at(value * panel.factor),
                        estimate,
                    );
                }
            }
            top += group.height();
        }
    }
    let mut top = TOP;
    for group in &groups {
        let text = sheet.clip(&group.label, label, widest);
        sheet.text(
            (left - GUTTER, top + group.height() / 2.0),
            &text,
            Anchor::End,
            label,
        );
        top += group.height();
    }
    let caption = format!(
        "Dots: {}, taken together. Bars: 95 % intervals over seeds.",
        seeds(&facts.seeds)
    );
    sheet.text(
        (MARGIN, bottom + 48.0),
        &caption,
        Anchor::Start,
        Type::label(MUTED),
    );
}

/// Rows that differ in the first axis alone.
struct Group {
    label: String,
    cells: Vec<(usize, RGBColor)>,
}

impl Group {
    fn height(&self) -> f64 {
        self.cells.len() as f64 * ROW + SPACE
    }
}

/// The cells by all their cases but the first, whose place is the colour; if that is not enough to tell them apart, one by one.
fn groups(figures: &SweepFigures) -> Vec<Group> {
    let facts = &figures.facts;
    let mut groups: Vec<Group> = Vec::new();
    for (number, cell) in facts.cells.iter().enumerate() {
        let colour = if is_coloured(figures) {
            SERIES[cell.cases[0]]
        } else {
            SERIES[0]
        };
        let label = if is_coloured(figures) {
            let others = facts.axes.iter().zip(&cell.cases).skip(1);
            others
                .map(|(axis, case)| axis.cases[*case].as_str())
                .collect::<Vec<_>>()
                .join(" · ")
        } else {
            cell.label.clone()
        };
        match groups.iter_mut().find(|group| group.label == label) {
            Some(group) => group.cells.push((number, colour)),
            None => groups.push(Group {
                label,
                cells: vec![(number, colour)],
            }),
        }
    }
    groups
}

fn is_coloured(figures: &SweepFigures) -> bool {
    let axes = &figures.facts.axes;
    axes.len() > 1 && axes[0].cases.len() <= SERIES.len()
}

fn height(groups: &[Group]) -> f64 {
    groups.iter().map(Group::height).sum()
}

/// Which colour is which case.
fn legend<DB: DrawingBackend>(sheet: &Sheet<'_, DB>, figures: &SweepFigures) {
    let cases = figures.facts.axes.first().filter(|_| is_coloured(figures));
    let Some(axis) = cases else {
        return;
    };
    let mut left = MARGIN;
    let muted = Type::label(MUTED);
    let name = sheet.clip(&axis.name, muted, WIDEST);
    sheet.text((left, 54.0), &name, Anchor::Start, muted);
    left += sheet.room(&name, muted) + GUTTER;
    for (case, colour) in axis.cases.iter().zip(SERIES) {
        let look = Type::label(INK);
        let name = sheet.clip(case, look, WIDEST);
        sheet.dot((left + DOT, 54.0), colour, DOT);
        sheet.text((left + 3.0 * DOT, 54.0), &name, Anchor::Start, look);
        left += sheet.room(&name, look) + 3.0 * DOT + GUTTER;
    }
}

/// A dot with its interval.
fn mark<DB: DrawingBackend>(
    sheet: &Sheet<'_, DB>,
    frame: &Frame,
    row: f64,
    colour: RGBColor,
    at: impl Fn(f64) -> f64,
    estimate: &Estimate,
) {
    let place = |value: f64| frame.at((at(value), row));
    if let (Some(low), Some(high)) = (estimate.low, estimate.high) {
        let ends = [place(low), place(high)];
        sheet.line(&ends, colour, 2.0);
        for (x, y) in ends {
            sheet.line(&[(x, y - CAP), (x, y + CAP)], colour, 2.0);
        }
    }
    if let Some(value) = estimate.value {
        sheet.dot(place(value), colour, DOT);
    }
}

/// What stands beside each other.
struct Panel {
    metric: &'static str,
    label: &'static str,
    /// From the metric's unit to the label's.
    factor: f64,
}

/// How values are spread over an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    Linear,
    Logarithmic,
}

impl Scale {
    fn at(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            Self::Logarithmic => value.max(f64::MIN_POSITIVE).log10(),
        }
    }
}

impl Panel {
    fn figures<'a>(&'a self, figures: &'a SweepFigures) -> impl Iterator<Item = &'a Estimate> {
        let cells = 0..figures.facts.cells.len();
        cells
            .filter_map(|cell| figures.figure(cell, self.metric))
            .filter(|estimate| estimate.value.is_some())
    }

    /// Logarithmic where the figures are of different orders, otherwise from 0.
    fn axis(&self, figures: &SweepFigures) -> (Axis, Scale) {
        let ends = self
            .figures(figures)
            .flat_map(|estimate| [estimate.low, estimate.value, estimate.high]);
        let ends = ends.flatten().map(|end| end * self.factor);
        let (least, most) = ends.fold((f64::INFINITY, 0.0_f64), |(least, most), end| {
            (least.min(end), most.max(end))
        });
        if least <= 0.0 || most / least < ORDERS {
            return (linear(0.0, most * 1.05, 5.0, self.label), Scale::Linear);
        }
        let powers = (least.log10().floor() as i32)..=(most.log10().ceil() as i32);
        let steps: Vec<f64> = powers
            .flat_map(|power| [1.0, 2.0, 5.0].map(|step| step * 10_f64.powi(power)))
            .collect();
        let from = steps
            .iter()
            .copied()
            .filter(|step| *step <= least)
            .fold(least, |_, step| step);
        let until = steps
            .iter()
            .copied()
            .find(|step| *step >= most)
            .unwrap_or(most);
        let ticks = steps
            .into_iter()
            .filter(|step| (from..=until).contains(step));
        let axis = Axis {
            from: from.log10(),
            until: until.log10(),
            ticks: ticks.map(|step| (step.log10(), number(step))).collect(),
            label: self.label,
        };
        (axis, Scale::Logarithmic)
    }
}

const PANELS: [Panel; 2] = [
    Panel {
        metric: "stale",
        label: "stale reads, %",
        factor: 100.0,
    },
    Panel {
        metric: "latency_get_ok_p99_ms",
        label: "read latency p99, ms",
        factor: 1.0,
    },
];
/// Figures that are so many times apart stand on a logarithmic axis.
const ORDERS: f64 = 8.0;
const MOST_ROWS: usize = 64;
const MARGIN: f64 = 16.0;
const GUTTER: f64 = 16.0;
const GAP: f64 = 40.0;
const TOP: f64 = 102.0;
const BOTTOM: f64 = 68.0;
const ROW: f64 = 20.0;
const SPACE: f64 = 14.0;
const WIDEST: f64 = 240.0;
const DOT: f64 = 4.0;
const CAP: f64 = 5.0;
