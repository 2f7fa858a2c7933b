//! A few figures of every cell of a sweep, below each other: the first axis by colour, the second from left to right, the
//! third side by side. Of a sweep about failure detectors how well crashes were detected, of one about load what was carried.

use super::axis::linear;
use super::sheet::{Anchor, Axis, INK, MUTED, SERIES, SIZE, Sheet, Type};
use crate::report::words::number;
use crate::sweep::words::seeds;
use crate::sweep::{Estimate, SweepFigures};
use plotters::prelude::{DrawingBackend, RGBColor};

/// What is shown.
pub(super) struct Stack {
    title: &'static str,
    rows: [Row; 3],
}

pub(super) const DETECTION: Stack = Stack {
    title: "how crashes were detected",
    rows: [
        Row {
            metric: "time_to_detect_p50_ms",
            label: "from a crash until a node believes it, median, s",
            factor: 1e-3,
        },
        Row {
            metric: "false_positives_per_minute",
            label: "nodes that are up pass for down, times a minute",
            factor: 1.0,
        },
        Row {
            metric: "false_positive_p50_ms",
            label: "for how long, median, s",
            factor: 1e-3,
        },
    ],
};

pub(super) const LOAD: Stack = Stack {
    title: "what was carried",
    rows: [
        Row {
            metric: "goodput",
            label: "goodput, operations a second",
            factor: 1.0,
        },
        Row {
            metric: "latency_get_ok_p99_ms",
            label: "read latency p99, ms",
            factor: 1.0,
        },
        Row {
            metric: "latency_put_ok_p99_ms",
            label: "write latency p99, ms",
            factor: 1.0,
        },
    ],
};

/// Whether a sweep is laid out for it, and has its figures.
pub(super) fn applies(figures: &SweepFigures, stack: &Stack) -> bool {
    let axes = &figures.facts.axes;
    let has_all = stack.rows.iter().all(|row| figures.has(row.metric));
    let (series, columns) = (cases(figures, 0), cases(figures, 2));
    has_all && (2..=3).contains(&axes.len()) && series <= SERIES.len() && columns <= COLUMNS
}

pub(super) fn size(stack: &Stack) -> (u32, u32) {
    (
        SIZE.0,
        (TOP + stack.rows.len() as f64 * (HEIGHT + GAP) + FOOT) as u32,
    )
}

pub(super) fn draw<DB: DrawingBackend>(
    sheet: &Sheet<'_, DB>,
    figures: &SweepFigures,
    stack: &Stack,
) {
    let facts = &figures.facts;
    sheet.title(&format!("{}: {}", facts.plan, stack.title));
    legend(sheet, figures);
    let (columns, steps) = (cases(figures, 2), cases(figures, 1));
    let all = f64::from(SIZE.0) - LEFT - MARGIN;
    let width = (all - GUTTER * (columns - 1) as f64) / columns as f64;
    let x = Axis {
        from: -0.5,
        until: steps as f64 - 0.5,
        ticks: (0..)
            .map(f64::from)
            .zip(facts.axes[1].cases.iter().cloned())
            .collect(),
        label: "",
    };
    for (place, row) in stack.rows.iter().enumerate() {
        let top = TOP + place as f64 * (HEIGHT + GAP);
        let scale = Scale::of(figures, row);
        for column in 0..columns {
            let left = LEFT + column as f64 * (width + GUTTER);
            let mut y = scale.axis();
            if column > 0 {
                y.ticks.iter_mut().for_each(|(_, name)| name.clear());
            }
            let frame = sheet.chart((left, left + width), (top, top + HEIGHT), &x, &y);
            if let (0, Some(axis)) = (place, facts.axes.get(2)) {
                let look = Type::label(INK).bold();
                let name = sheet.clip(&axis.cases[column], look, width);
                let middle = left + width / 2.0;
                sheet.text((middle, top - 34.0), &name, Anchor::Middle, look);
            }
            for (series, colour) in (0..cases(figures, 0)).zip(SERIES) {
                // Side by side, so that none hides another.
                let aside = (series as f64 - (cases(figures, 0) - 1) as f64 / 2.0) * ASIDE;
                let of = |step: usize| {
                    let wanted = [series, step, column];
                    let is_it = |cell: &crate::sweep::Cell| wanted.starts_with(&cell.cases);
                    let cell = facts.cells.iter().position(is_it)?;
                    figures.figure(cell, row.metric)
                };
                let marks = (0..steps).filter_map(|step| {
                    let estimate = of(step)?;
                    let value = estimate.value?;
                    let at =
                        |value: f64| frame.at((step as f64 + aside, scale.at(value * row.factor)));
                    mark(sheet, colour, estimate, at);
                    Some(at(value))
                });
                let points: Vec<_> = marks.collect();
                sheet.line(&points, colour, 1.5);
            }
        }
        sheet.text(
            (MARGIN, top - 14.0),
            row.label,
            Anchor::Start,
            Type::label(INK),
        );
    }
    let bottom = f64::from(size(stack).1);
    let muted = Type::label(MUTED);
    let caption = format!(
        "From left to right: {}. Bars: 95 % intervals over {}.",
        facts.axes[1].name,
        seeds(&facts.seeds)
    );
    sheet.text((MARGIN, bottom - 20.0), &caption, Anchor::Start, muted);
}

/// How many cases an axis has; one, if there is no such axis.
fn cases(figures: &SweepFigures, axis: usize) -> usize {
    let axis = figures.facts.axes.get(axis);
    axis.map_or(1, |axis| axis.cases.len())
}

/// Which colour is which case.
fn legend<DB: DrawingBackend>(sheet: &Sheet<'_, DB>, figures: &SweepFigures) {
    let room = (f64::from(SIZE.0) - 2.0 * MARGIN) / LEGEND as f64;
    for (place, (case, colour)) in figures.facts.axes[0].cases.iter().zip(SERIES).enumerate() {
        let left = MARGIN + (place % LEGEND) as f64 * room;
        let top = 54.0 + (place / LEGEND) as f64 * 22.0;
        let look = Type::label(INK);
        let name = sheet.clip(case, look, room - 6.0 * DOT);
        sheet.dot((left + DOT, top), colour, DOT);
        sheet.text((left + 3.0 * DOT, top), &name, Anchor::Start, look);
    }
}

/// A dot with its interval.
fn mark<DB: DrawingBackend>(
    sheet: &Sheet<'_, DB>,
    colour: RGBColor,
    estimate: &Estimate,
    at: impl Fn(f64) -> (f64, f64),
) {
    if let (Some(low), Some(high)) = (estimate.low, estimate.high) {
        sheet.line(&[at(low), at(high)], colour, 1.0);
    }
    if let Some(value) = estimate.value {
        sheet.dot(at(value), colour, DOT);
    }
}

/// One of the figures.
struct Row {
    metric: &'static str,
    label: &'static str,
    /// From the metric's unit to the label's.
    factor: f64,
}

/// How the values of a row are spread over its axis: logarithmic, with 0 below all others, where they are of different
/// orders.
enum Scale {
    Linear {
        most: f64,
    },
    Logarithmic {
        floor: i32,
        has_zero: bool,
        most: f64,
    },
}

impl Scale {
    fn of(figures: &SweepFigures, row: &Row) -> Self {
        let cells = 0..figures.facts.cells.len();
        let values = cells.filter_map(|cell| figures.figure(cell, row.metric)?.value);
        let values: Vec<f64> = values.map(|value| value * row.factor).collect();
        let most = values.iter().copied().fold(0.0, f64::max);
        let positive = values.iter().copied().filter(|value| *value > 0.0);
        let least = positive.fold(most, f64::min);
        if most <= least * ORDERS {
            return Self::Linear { most: most * 1.1 };
        }
        let has_zero = values.contains(&0.0);
        let floor = least.log10().floor() as i32 - i32::from(has_zero);
        Self::Logarithmic {
            floor,
            has_zero,
            most: most * 1.5,
        }
    }

    fn at(&self, value: f64) -> f64 {
        match self {
            Self::Linear { .. } => value,
            Self::Logarithmic { floor, .. } => value.log10().max(f64::from(*floor)),
        }
    }

    fn axis(&self) -> Axis {
        match self {
            Self::Linear { most } => linear(0.0, *most, 4.0, ""),
            Self::Logarithmic {
                floor,
                has_zero,
                most,
            } => {
                let until = most.log10();
                let ticks = (*floor..=until.floor() as i32).map(|power| {
                    let value = if *has_zero && power == *floor {
                        0.0
                    } else {
                        10_f64.powi(power)
                    };
                    (f64::from(power), number(value))
                });
                Axis {
                    from: f64::from(*floor),
                    until,
                    ticks: ticks.collect(),
                    label: "",
                }
            }
        }
    }
}

/// Figures that are so many times apart stand on a logarithmic axis.
const ORDERS: f64 = 8.0;
const COLUMNS: usize = 4;
const LEGEND: usize = 3;
const TOP: f64 = 148.0;
const HEIGHT: f64 = 150.0;
const GAP: f64 = 62.0;
const FOOT: f64 = 16.0;
const LEFT: f64 = 66.0;
const MARGIN: f64 = 16.0;
const GUTTER: f64 = 24.0;
const ASIDE: f64 = 0.07;
const DOT: f64 = 3.5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::render_sweep;
    use crate::sweep::{Sample, made};
    use std::collections::BTreeMap;

    /// A sweep of four cells whose false positives are so many a minute.
    fn figures(false_positives: [f64; 4]) -> SweepFigures {
        let cell = |false_positives| {
            let values = [("false_positives_per_minute", false_positives)];
            let times: [(&str, &[u64]); 2] =
                [("time_to_detect", &[6_000]), ("false_positive", &[300])];
            BTreeMap::from([(1, Sample::made(&values, &times))])
        };
        SweepFigures::new(made::facts(), &false_positives.map(cell).to_vec())
    }

    #[test]
    fn every_cell_has_a_dot_in_every_row_and_none_is_drawn_where_nobody_detects() {
        let plots = render_sweep(&figures([1.0, 2.0, 3.0, 4.0]));
        let plot = plots.iter().find(|plot| plot.name == "detection");
        let circles = plot.map(|plot| plot.svg.matches("<circle").count());
        // Two of them are the legend's.
        assert_eq!(circles, Some(2 + 3 * 4));
        assert!(!applies(&made::figures(), &DETECTION));
    }

    #[test]
    fn zero_stands_below_what_differs_by_orders() {
        let check = |rates, ticks: &[&str]| {
            let axis = Scale::of(&figures(rates), &DETECTION.rows[1]).axis();
            let names: Vec<_> = axis.ticks.iter().map(|(_, name)| name.as_str()).collect();
            assert_eq!(names, ticks, "{rates:?}");
        };
        check([0.0, 2.0, 30.0, 70.0], &["0", "1", "10", "100"]);
        check([2.0, 2.0, 30.0, 70.0], &["1", "10", "100"]);
        check([0.0, 2.0, 3.0, 4.0], &["0", "2", "4"]);
        check([0.0; 4], &["0.0", "0.5", "1.0"]);
    }
}
