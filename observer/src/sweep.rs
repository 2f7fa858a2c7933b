//! Many runs side by side: what each cell of a sweep comes to over its seeds, and how cells differ, seed by seed.
//!
//! The unit is the seed. Shares are means over seeds; distributions are merged over seeds and quantiles taken of what is
//! merged, never averaged. Intervals are [`jackknife`](crate::jackknife)d over seeds. Cells are compared over the seeds that
//! both have: what a seed gives to both drops out.

pub mod rows;
mod sample;
pub mod words;

pub(crate) use sample::metric;
pub use sample::{METRICS, Metric, OverSeeds, Said, Sample, Unit};

use crate::jackknife::Replicates;
use crate::spread::MS;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a sweep is, before it has run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepFacts {
    /// The plan's name.
    pub plan: String,
    /// What it asks.
    pub question: String,
    /// The back-end.
    pub backend: String,
    /// What varies.
    pub axes: Vec<Axis>,
    /// The seeds that every cell is to run with.
    pub seeds: Vec<u64>,
    /// Every combination of cases; the last axis changes fastest.
    pub cells: Vec<Cell>,
}

/// Something that varies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Axis {
    /// What.
    pub name: String,
    /// The ways for it to be; the others are compared with the first.
    pub cases: Vec<String>,
}

/// One combination of cases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// The names of its cases.
    pub label: String,
    /// What it is called in a path.
    pub slug: String,
    /// The case of each axis, by its place.
    pub cases: Vec<usize>,
}

/// The runs of each cell, by seed.
pub type Samples = Vec<BTreeMap<u64, Sample>>;

/// All figures of a sweep: its `metrics.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SweepFigures {
    /// What it was.
    #[serde(flatten)]
    pub facts: SweepFacts,
    /// For each cell as many runs are complete.
    pub runs: Vec<u64>,
    /// For each cell what it comes to, in the order of [`METRICS`].
    pub figures: Vec<Vec<Estimate>>,
    /// How the cases of an axis differ from its first.
    pub differences: Vec<Difference>,
}

/// A figure over seeds, with its 95 % interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The metric's name.
    pub metric: String,
    /// The figure; none if no seed has one.
    pub value: Option<f64>,
    /// The interval's lower end; none with fewer than two seeds.
    pub low: Option<f64>,
    /// Its upper end.
    pub high: Option<f64>,
    /// How many seeds it rests on.
    pub seeds: u64,
    /// How many observations they have together.
    pub count: u64,
}

/// What one case of an axis does to a figure, against the axis's first case, seed by seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// The axis.
    pub axis: String,
    /// The case.
    pub case: String,
    /// The first case.
    pub against: String,
    /// The cases of the other axes, which are the same on both sides; none: all of them taken together.
    pub among: Option<String>,
    /// The figure of the case minus that of the first.
    pub difference: Estimate,
    /// The figure of the case as a multiple of that of the first; none if one of them is 0.
    pub ratio: Option<Estimate>,
}

impl SweepFigures {
    /// Computes every figure from the runs of the cells.
    #[must_use]
    pub fn new(facts: SweepFacts, samples: &Samples) -> Self {
        let figures = samples.iter().map(|cell| {
            METRICS
                .iter()
                .map(|metric| estimate(metric, cell))
                .collect()
        });
        Self {
            runs: samples.iter().map(|cell| cell.len() as u64).collect(),
            figures: figures.collect(),
            differences: differences(&facts, samples),
            facts,
        }
    }

    /// A figure of a cell.
    #[must_use]
    pub fn figure(&self, cell: usize, metric: &str) -> Option<&Estimate> {
        self.figures
            .get(cell)?
            .iter()
            .find(|estimate| estimate.metric == metric)
    }
}

/// For each seed, the runs that count together.
type Group<'a> = Vec<Vec<&'a Sample>>;

fn estimate(metric: &Metric, cell: &BTreeMap<u64, Sample>) -> Estimate {
    let [group] = groups(metric, [&[cell]]);
    let found = replicates(metric, &group);
    let mut estimate = told(metric, found.as_ref(), &group);
    let most = match metric.unit {
        Unit::Share => 1.0,
        Unit::Milliseconds => f64::INFINITY,
    };
    for end in [&mut estimate.low, &mut estimate.high] {
        *end = end.map(|end| end.clamp(0.0, most));
    }
    estimate
}

fn differences(facts: &SweepFacts, samples: &Samples) -> Vec<Difference> {
    let mut differences = Vec::new();
    for (place, axis) in facts.axes.iter().enumerate() {
        for (case, name) in axis.cases.iter().enumerate().skip(1) {
            let mut pairs = Vec::new();
            for (number, cell) in facts
                .cells
                .iter()
                .enumerate()
                .filter(|(_, cell)| cell.cases[place] == case)
            {
                let mut cases = cell.cases.clone();
                cases[place] = 0;
                let first = facts.cells.iter().position(|cell| cell.cases == cases);
                pairs.extend(first.map(|first| (among(facts, place, cell), (number, first))));
            }
            let together = (None, pairs.iter().map(|(_, pair)| *pair).collect());
            let apart = pairs
                .into_iter()
                .map(|(among, pair)| (Some(among), vec![pair]));
            let apart = if facts.axes.len() > 1 {
                Some(apart)
            } else {
                None
            };
            for (among, pairs) in
                std::iter::once::<(_, Vec<_>)>(together).chain(apart.into_iter().flatten())
            {
                let (cells, firsts): (Vec<_>, Vec<_>) = pairs
                    .iter()
                    .map(|(cell, first)| (&samples[*cell], &samples[*first]))
                    .unzip();
                differences.extend(METRICS.iter().map(|metric| {
                    let (difference, ratio) = compared(metric, &cells, &firsts);
                    Difference {
                        axis: axis.name.clone(),
                        case: name.clone(),
                        against: axis.cases[0].clone(),
                        among: among.clone(),
                        difference,
                        ratio,
                    }
                }));
            }
        }
    }
    differences
}

/// The cases of a cell but for one axis.
fn among(facts: &SweepFacts, but: usize, cell: &Cell) -> String {
    let cases = facts.axes.iter().zip(&cell.cases).enumerate();
    let others = cases
        .filter(|(place, _)| *place != but)
        .map(|(_, (axis, case))| axis.cases[*case].as_str());
    let others: Vec<_> = others.collect();
    others.join(" · ")
}

/// The difference between two sets of cells, and their ratio.
fn compared(
    metric: &Metric,
    cells: &[&BTreeMap<u64, Sample>],
    firsts: &[&BTreeMap<u64, Sample>],
) -> (Estimate, Option<Estimate>) {
    let [group, first] = groups(metric, [cells, firsts]);
    let (found, found_first) = (replicates(metric, &group), replicates(metric, &first));
    let pair = found.as_ref().zip(found_first.as_ref());
    let difference = pair.map(|(one, other)| one.with(other, |one, other| one - other));
    // Of a ratio the logarithm is spread evenly, so that its interval stays above 0.
    let ratio = pair.map(|(one, other)| one.with(other, |one, other| (one / other).ln()));
    let ratio = ratio.filter(|ratio| ratio.all.is_finite()).map(|ratio| {
        let logarithm = told(metric, Some(&ratio), &group);
        let [value, low, high] =
            [logarithm.value, logarithm.low, logarithm.high].map(|end| end.map(f64::exp));
        Estimate {
            value,
            low,
            high,
            ..logarithm
        }
    });
    (told(metric, difference.as_ref(), &group), ratio)
}

/// Sets of cells over the seeds that all of them have a figure for.
fn groups<'a, const N: usize>(
    metric: &Metric,
    sets: [&[&'a BTreeMap<u64, Sample>]; N],
) -> [Group<'a>; N] {
    let counts = |seed: &u64| {
        let mut cells = sets.iter().flat_map(|cells| cells.iter());
        cells.all(|cell| cell.get(seed).is_some_and(|sample| has(metric, sample)))
    };
    let first = sets.iter().flat_map(|cells| cells.iter()).next();
    let seeds: Vec<u64> = first
        .into_iter()
        .flat_map(|cell| cell.keys().copied())
        .filter(counts)
        .collect();
    sets.map(|cells| {
        seeds
            .iter()
            .map(|seed| cells.iter().filter_map(|cell| cell.get(seed)).collect())
            .collect()
    })
}

/// Whether a run says anything. One without stale reads has no distribution of t-staleness, which merges as well.
fn has(metric: &Metric, sample: &Sample) -> bool {
    match metric.over_seeds {
        OverSeeds::Mean => sample.value(metric).0.is_some(),
        OverSeeds::Quantile(..) => true,
    }
}

/// The figure of a group, and without each seed; none if it has none.
fn replicates(metric: &Metric, group: &Group<'_>) -> Option<Replicates> {
    match metric.over_seeds {
        OverSeeds::Mean => {
            let sums: Vec<f64> = group
                .iter()
                .map(|runs| runs.iter().filter_map(|run| run.value(metric).0).sum())
                .collect();
            let runs = group.first()?.len() as f64;
            let (sum, seeds) = (sums.iter().sum::<f64>(), sums.len() as f64);
            Some(Replicates {
                all: sum / (runs * seeds),
                without: sums
                    .iter()
                    .map(|own| (sum - own) / (runs * (seeds - 1.0)))
                    .collect(),
            })
        }
        OverSeeds::Quantile(name, quantile) => {
            let merged = group
                .iter()
                .map(|runs| merge(runs.iter().filter_map(|run| run.histogram(name))));
            let merged: Vec<_> = merged.collect();
            let all = merge(merged.iter());
            let at = |histogram: &Histogram<u64>| {
                let is_empty = histogram.is_empty();
                if is_empty {
                    f64::NAN
                } else {
                    histogram.value_at_quantile(quantile) as f64 / MS
                }
            };
            let without = merged.iter().map(|own| {
                let mut others = all.clone();
                others.subtract(own).expect("it is a part of the whole");
                at(&others)
            });
            let found = Replicates {
                all: at(&all),
                without: without.collect(),
            };
            found.all.is_finite().then_some(found)
        }
    }
}

fn merge<'a>(parts: impl Iterator<Item = &'a Histogram<u64>>) -> Histogram<u64> {
    let mut all = Histogram::new(3).expect("three digits are within the limits");
    for part in parts {
        all.add(part)
            .expect("a histogram that resizes takes every value");
    }
    all
}

fn told(metric: &Metric, found: Option<&Replicates>, group: &Group<'_>) -> Estimate {
    let interval = found.and_then(Replicates::interval);
    let runs = group.iter().flatten();
    let count = match metric.over_seeds {
        OverSeeds::Mean => runs.map(|run| run.value(metric).1).sum(),
        OverSeeds::Quantile(name, _) => runs
            .filter_map(|run| run.histogram(name))
            .map(|histogram| histogram.len())
            .sum(),
    };
    Estimate {
        metric: metric.name.to_owned(),
        value: found.map(|found| found.all),
        low: interval.map(|interval| interval.0),
        high: interval.map(|interval| interval.1),
        seeds: group.len() as u64,
        count,
    }
}
