//! How long operations take, predicted and measured.

use super::{SHORTEST_MS, keys, nines, percentiles, points, told};
use crate::overlay::{Overlay, Source};
use crate::plot::axis::logarithmic;
use crate::plot::sheet::{SERIES, Sheet};
use plotters::prelude::{DrawingBackend, RGBColor};

pub(in crate::plot) fn applies(overlay: &Overlay) -> bool {
    lines(overlay).next().is_some()
}

/// Whole lines for writes, dashes for reads.
pub(in crate::plot) fn draw<DB: DrawingBackend>(sheet: &Sheet<'_, DB>, overlay: &Overlay) {
    let all = || lines(overlay).flat_map(|(points, ..)| points);
    let slowest = all().map(|(_, ms)| ms).fold(SHORTEST_MS, f64::max);
    let fastest = all().map(|(_, ms)| ms).fold(slowest / 10.0, f64::min);
    let x = percentiles(MOST_NINES, "percentile of the operations that succeeded");
    let y = logarithmic(fastest, slowest * 1.2, "latency, ms");
    let title = format!("Latency of writes (—) and reads (- -){}", told(overlay));
    let frame = sheet.frame(&title, (64.0, 24.0), &x, &y);
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
        let shown = (nines(LEAST), MOST_NINES);
        [(&source.writes, false), (&source.reads, true)]
            .map(|(times, is_of_reads)| (points(times, shown), colour, is_of_reads))
    };
    let sources = overlay.sources.iter().zip(SERIES);
    sources
        .flat_map(move |(source, colour)| of(source, colour))
        .filter(|(points, ..)| points.len() > 1)
}

/// The fastest hundredth would need most of the sheet.
const LEAST: f64 = 0.01;
const MOST_NINES: f64 = 4.0;
