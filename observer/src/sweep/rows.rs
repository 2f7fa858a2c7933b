//! The figures of a sweep as rows of its tables.

use super::{METRICS, Samples, SweepFacts, SweepFigures};
use crate::oracle::{Checked, Verdict};
use serde::Serialize;

/// A row of `cells.csv`: one figure of one run.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields are named for what they hold")]
pub struct RunRow<'a> {
    pub cell: &'a str,
    pub seed: u64,
    pub metric: &'static str,
    pub value: Option<f64>,
    /// How many observations the value rests on.
    pub count: u64,
}

/// A row of `summary.csv`: one figure of one cell, over its seeds.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields are named for what they hold")]
pub struct CellRow<'a> {
    pub cell: &'a str,
    pub metric: &'a str,
    pub value: Option<f64>,
    pub low: Option<f64>,
    pub high: Option<f64>,
    pub seeds: u64,
    /// How many observations the value rests on.
    pub count: u64,
}

/// A row of `differences.csv`: what a case does to a figure, against the first case of its axis.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields are named for what they hold")]
pub struct DifferenceRow<'a> {
    pub axis: &'a str,
    pub case: &'a str,
    pub against: &'a str,
    /// The cases of the other axes; empty: all of them together.
    pub among: &'a str,
    pub metric: &'a str,
    pub difference: Option<f64>,
    pub difference_low: Option<f64>,
    pub difference_high: Option<f64>,
    pub ratio: Option<f64>,
    pub ratio_low: Option<f64>,
    pub ratio_high: Option<f64>,
    pub seeds: u64,
    /// Of shares: the two come to the same, within the margin, by two one-sided tests at 5 %.
    pub equivalent: Option<bool>,
    pub margin: Option<f64>,
}

/// A row of `oracles.csv`: what was expected of a cell, beside what was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields are named for what they hold")]
pub struct OracleRow<'a> {
    pub cell: &'a str,
    pub metric: &'a str,
    pub formula: &'a str,
    pub expected: Option<f64>,
    pub at_least: Option<f64>,
    pub at_most: Option<f64>,
    pub measured: Option<f64>,
    pub low: Option<f64>,
    pub high: Option<f64>,
    pub verdict: Verdict,
    pub ablated: bool,
}

/// One row for each cell, seed and metric.
pub fn runs<'a>(facts: &'a SweepFacts, samples: &'a Samples) -> impl Iterator<Item = RunRow<'a>> {
    let cells = facts.cells.iter().zip(samples);
    let runs = cells.flat_map(|(cell, samples)| {
        samples
            .iter()
            .map(move |(seed, sample)| (cell, *seed, sample))
    });
    runs.flat_map(|(cell, seed, sample)| {
        METRICS.iter().map(move |metric| {
            let (value, count) = sample.value(metric);
            RunRow {
                cell: &cell.label,
                seed,
                metric: metric.name,
                value,
                count,
            }
        })
    })
}

/// One row for each cell and metric.
pub fn cells(figures: &SweepFigures) -> impl Iterator<Item = CellRow<'_>> {
    let cells = figures.facts.cells.iter().zip(&figures.figures);
    cells.flat_map(|(cell, estimates)| {
        estimates.iter().map(move |estimate| CellRow {
            cell: &cell.label,
            metric: &estimate.metric,
            value: estimate.value,
            low: estimate.low,
            high: estimate.high,
            seeds: estimate.seeds,
            count: estimate.count,
        })
    })
}

/// One row for each comparison and metric.
pub fn differences(figures: &SweepFigures) -> impl Iterator<Item = DifferenceRow<'_>> {
    figures.differences.iter().map(|found| {
        let ratio = found.ratio.as_ref();
        DifferenceRow {
            axis: &found.axis,
            case: &found.case,
            against: &found.against,
            among: found.among.as_deref().unwrap_or_default(),
            metric: &found.difference.metric,
            difference: found.difference.value,
            difference_low: found.difference.low,
            difference_high: found.difference.high,
            ratio: ratio.and_then(|ratio| ratio.value),
            ratio_low: ratio.and_then(|ratio| ratio.low),
            ratio_high: ratio.and_then(|ratio| ratio.high),
            seeds: found.difference.seeds,
            equivalent: found.equivalence.map(|found| found.is_equivalent),
            margin: found.equivalence.map(|found| found.margin),
        }
    })
}

/// One row for each oracle.
pub fn oracles(checked: &[Checked]) -> impl Iterator<Item = OracleRow<'_>> {
    checked.iter().map(|one| OracleRow {
        cell: one.oracle.cell.as_deref().unwrap_or_default(),
        metric: &one.oracle.metric,
        formula: one.oracle.formula.as_deref().unwrap_or_default(),
        expected: one.oracle.value,
        at_least: one.oracle.at_least,
        at_most: one.oracle.at_most,
        measured: one.measured.value,
        low: one.measured.low,
        high: one.measured.high,
        verdict: one.verdict,
        ablated: one.oracle.ablated,
    })
}
