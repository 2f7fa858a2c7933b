//! A layout: what every node has, beside what moves when nodes come or go.

use super::axis::linear;
use super::sheet::{Anchor, Axis, Frame, INK, MUTED, SERIES, SIZE, Sheet, Type};
use crate::report::words::{count, percent};
use crate::ring::{RingFigures, Shares};
use plotters::prelude::DrawingBackend;

pub(super) fn applies(figures: &RingFigures) -> bool {
    !figures.nodes.is_empty()
}

pub(super) fn draw<DB: DrawingBackend>(sheet: &Sheet<'_, DB>, figures: &RingFigures) {
    let series = if figures.nodes.len() > MOST_GROUPS {
        &FIGURES[..1]
    } else {
        FIGURES
    };
    let title = format!("{}: keys on nodes by {}", figures.plan, figures.kind);
    let frame = shares(sheet, figures, series, &title);
    legend(sheet, series);
    movements(sheet, figures, (frame.top, frame.bottom));
    let caption = format!(
        "{} nodes, N = {}; {} keys, seed {}",
        figures.nodes.len(),
        figures.replicas,
        count(figures.keys as u64),
        figures.seed
    );
    let at = (16.0, f64::from(SIZE.1) - 14.0);
    sheet.text(at, &caption, Anchor::Start, Type::label(MUTED));
}

/// Bars for each node, and a line where all would end.
fn shares<DB: DrawingBackend>(
    sheet: &Sheet<'_, DB>,
    figures: &RingFigures,
    series: &[Figure],
    title: &str,
) -> Frame {
    let nodes = &figures.nodes;
    let even = 100.0 / nodes.len() as f64;
    let all = nodes
        .iter()
        .flat_map(|node| series.iter().map(|(_, share)| share(&node.shares)));
    let highest = all.fold(0.0, f64::max) * 100.0;
    let step = nodes.len().div_ceil(MOST_NAMES);
    let names = (0..nodes.len()).step_by(step);
    let x = Axis {
        from: 0.0,
        until: nodes.len() as f64,
        ticks: names
            .map(|index| (index as f64 + 0.5, nodes[index].node.to_string()))
            .collect(),
        label: "",
    };
    let y = linear(0.0, highest.max(even) * 1.08, 5.0, SHARE);
    let frame = sheet.frame(title, (56.0, f64::from(SIZE.0) - BARS_END), &x, &y);
    let width = FILLED / series.len() as f64;
    for (index, node) in nodes.iter().enumerate() {
        for (place, ((_, share), colour)) in series.iter().zip(SERIES).enumerate() {
            let left = index as f64 + (1.0 - FILLED) / 2.0 + place as f64 * width;
            let top = frame.at((left, share(&node.shares) * 100.0));
            let end = (frame.x(left + width), frame.bottom);
            sheet.bar(top, end, colour, 1.0);
        }
    }
    let ends = [frame.at((x.from, even)), frame.at((x.until, even))];
    sheet.dashes(&ends, INK, 1.5);
    let at = (frame.right + 6.0, frame.y(even));
    sheet.text(at, "even", Anchor::Start, Type::label(INK));
    frame
}

/// Which colour is what.
fn legend<DB: DrawingBackend>(sheet: &Sheet<'_, DB>, series: &[Figure]) {
    let mut left = 40.0 + sheet.room(SHARE, Type::label(MUTED));
    for ((name, _), colour) in series.iter().zip(SERIES) {
        let look = Type::label(colour).bold();
        sheet.dot((left, 54.0), colour, 4.0);
        sheet.text((left + 9.0, 54.0), name, Anchor::Start, look);
        left += sheet.room(name, look) + 20.0;
    }
}

/// A bar for each change, and a mark where the ideal one would end.
fn movements<DB: DrawingBackend>(
    sheet: &Sheet<'_, DB>,
    figures: &RingFigures,
    (top, bottom): (f64, f64),
) {
    let changes = &figures.changes;
    let ends = changes
        .iter()
        .map(|change| change.moved.max(change.ideal) * 100.0);
    let most = ends.fold(0.0, f64::max) * 1.08;
    let axis = Axis {
        from: 0.0,
        until: most,
        // The bars have their figures beside them.
        ticks: Vec::new(),
        label: "keys moved",
    };
    let right = f64::from(SIZE.0) - 24.0;
    let frame = sheet.panel((MOVED_START, right), (top, bottom), &axis, ROWS);
    for (row, change) in changes.iter().enumerate() {
        let row = row as f64 + 0.5;
        let text = format!("{}: {}", change.change, percent(change.moved));
        let at = (frame.left + 6.0, frame.y(row - 0.24));
        sheet.text(at, &text, Anchor::Start, Type::label(INK));
        let bar = frame.at((change.moved * 100.0, row + 0.22));
        sheet.bar((frame.left, frame.y(row - 0.06)), bar, SERIES[0], 1.0);
        let ideal = change.ideal * 100.0;
        let mark = [row - 0.1, row + 0.26].map(|row| frame.at((ideal, row)));
        sheet.line(&mark, INK, 2.5);
        let text = format!("ideal {}", percent(change.ideal));
        let at = (frame.left + 6.0, frame.y(row + 0.38));
        sheet.text(at, &text, Anchor::Start, Type::label(MUTED));
    }
}

/// What is said of a node: its name, and what it is.
type Figure = (&'static str, fn(&Shares) -> f64);

const FIGURES: &[Figure] = &[
    ("first replicas", |shares| shares.first),
    ("all replicas", |shares| shares.copies),
    ("requests", |shares| shares.load),
];
const SHARE: &str = "share of all, %";
/// Of more nodes, only the first figure is drawn.
const MOST_GROUPS: usize = 24;
/// Of more nodes, not every one is named.
const MOST_NAMES: usize = 12;
/// How much of a node's room its bars take.
const FILLED: f64 = 0.78;
const BARS_END: f64 = 520.0;
const MOVED_START: f64 = 590.0;
/// There is room for so many changes.
const ROWS: f64 = 2.0;
