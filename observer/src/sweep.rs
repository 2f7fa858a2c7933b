//! Many runs side by side: what each cell of a sweep comes to over its seeds, and how cells differ, seed by seed.
//!
//! The unit is the seed. Shares are means over seeds; distributions are merged over seeds and quantiles taken of what is
//! merged, never averaged. Intervals are [`jackknife`](crate::jackknife)d over seeds. Cells are compared over the seeds that
//! both have: what a seed gives to both drops out.

pub(crate) mod parity;
mod price;
pub mod rows;
mod sample;
pub mod words;

pub use parity::{Pair, Parity, ParityRow};
pub use price::Price;
pub(crate) use sample::metric;
pub use sample::{METRICS, Metric, OverSeeds, Said, Sample, Shown, Unit};

use crate::equivalence::{self, Equivalence};
use crate::jackknife::Replicates;
use crate::oracle::{self, Checked, Oracle};
use crate::spread::MS;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a sweep is, before it has run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// What theory expects of them.
    #[serde(default)]
    pub oracles: Vec<Oracle>,
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
    /// What the cases of an axis pay for being fresher than its first.
    #[serde(default)]
    pub prices: Vec<Price>,
    /// What theory expected, beside what was measured.
    #[serde(rename = "checked", default)]
    pub oracles: Vec<Checked>,
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
    /// Whether the two shares come to the same within [`MARGIN`]; none if they are no shares.
    #[serde(default)]
    pub equivalence: Option<Equivalence>,
    /// The figure of the case as a multiple of that of the first; none if one of them is 0.
    pub ratio: Option<Estimate>,
}

impl SweepFacts {
    /// What is expected of a cell, when that runs by itself.
    #[must_use]
    pub fn oracles_of(&self, label: &str) -> Vec<Oracle> {
        let is_of = |oracle: &&Oracle| oracle.cell.as_ref().is_none_or(|of| of == label);
        let alone = |oracle: &Oracle| Oracle {
            cell: None,
            ..oracle.clone()
        };
        self.oracles.iter().filter(is_of).map(alone).collect()
    }
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
        let mut all = Self {
            runs: samples.iter().map(|cell| cell.len() as u64).collect(),
            figures: figures.collect(),
            differences: differences(&facts, samples),
            prices: price::prices(&facts, samples),
            oracles: Vec::new(),
            facts,
        };
        all.oracles = oracle::check(&all);
        all
    }

    /// Whether any cell has such a figure.
    #[must_use]
    pub fn has(&self, metric: &str) -> bool {
        let cells = 0..self.facts.cells.len();
        let mut estimates = cells.filter_map(|cell| self.figure(cell, metric));
        estimates.any(|estimate| estimate.value.is_some())
    }

    /// Whether what was carried differs enough between cells that load is what they are about.
    #[must_use]
    pub fn is_about_load(&self) -> bool {
        let cells = 0..self.facts.cells.len();
        let goodput = cells.filter_map(|cell| self.figure(cell, "goodput")?.value);
        let ends = goodput.fold((f64::INFINITY, 0.0_f64), |(least, most), value| {
            (least.min(value), most.max(value))
        });
        ends.0 * LOADS_APART < ends.1
    }

    /// Whether any cell has such a figure, and people are to see it.
    #[must_use]
    pub fn shows(&self, metric: &Metric) -> bool {
        let is_told = |oracle: &Oracle| oracle.metric == metric.name;
        let is_asked_for = metric.shown == Shown::Always || self.facts.oracles.iter().any(is_told);
        is_asked_for && self.has(metric.name)
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
    let [group] = groups([metric], [&[cell]]);
    estimate_of(metric, &group)
}

/// What a group comes to, with an interval that keeps to what is possible.
fn estimate_of(metric: &Metric, group: &Group<'_>) -> Estimate {
    let found = replicates(metric, group);
    let mut estimate = told(metric, found.as_ref(), group);
    let (least, most) = metric.unit.bounds();
    for end in [&mut estimate.low, &mut estimate.high] {
        *end = end.map(|end| end.clamp(least, most));
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
                    let (difference, equivalence, ratio) = compared(metric, &cells, &firsts);
                    Difference {
                        equivalence,
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

/// The difference between two sets of cells, whether it matters, and their ratio.
fn compared(
    metric: &Metric,
    cells: &[&BTreeMap<u64, Sample>],
    firsts: &[&BTreeMap<u64, Sample>],
) -> (Estimate, Option<Equivalence>, Option<Estimate>) {
    let [group, first] = groups([metric], [cells, firsts]);
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
    let is_share = metric.unit == Unit::Share;
    let difference = difference.as_ref();
    let equivalence = difference.filter(|_| is_share);
    let equivalence =
        equivalence.and_then(|difference| equivalence::equivalence(difference, MARGIN));
    (told(metric, difference, &group), equivalence, ratio)
}

/// Sets of cells over the seeds that all of them have a figure for.
fn groups<'a, const M: usize, const N: usize>(
    metrics: [&Metric; M],
    sets: [&[&'a BTreeMap<u64, Sample>]; N],
) -> [Group<'a>; N] {
    let counts = |seed: &u64| {
        let mut cells = sets.iter().flat_map(|cells| cells.iter());
        cells.all(|cell| {
            let sample = cell.get(seed);
            sample.is_some_and(|sample| metrics.iter().all(|metric| has(metric, sample)))
        })
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

/// By how much two shares may differ and still come to the same.
pub const MARGIN: f64 = 0.03;
/// How many times as much the best cell of a sweep about load carries, at least, as the worst.
const LOADS_APART: f64 = 2.0;

#[cfg(test)]
pub(crate) mod made {
    use super::*;

    /// A sweep over two keys and two troubles.
    pub(crate) fn facts() -> SweepFacts {
        let axis = |name: &str, cases: [&str; 2]| Axis {
            name: name.to_owned(),
            cases: cases.map(str::to_owned).to_vec(),
        };
        let axes = vec![
            axis("keys", ["spread", "clustered"]),
            axis("trouble", ["no fault", "<crashes>"]),
        ];
        let cell = |(one, two): (usize, usize)| Cell {
            label: format!("{} · {}", axes[0].cases[one], axes[1].cases[two]),
            slug: format!("{one}-{two}"),
            cases: vec![one, two],
        };
        SweepFacts {
            plan: "matrix".to_owned(),
            question: "What differs?".to_owned(),
            backend: "sim".to_owned(),
            cells: [(0, 0), (0, 1), (1, 0), (1, 1)].map(cell).to_vec(),
            axes,
            seeds: vec![1, 2, 3],
            oracles: Vec::new(),
        }
    }

    /// Its runs: clustered keys are stale 2.5 times as often, `<crashes>` cost a tenth of availability and nothing else.
    pub(crate) fn samples() -> Samples {
        let cell = |stale: [f64; 3], available: f64| {
            let runs = (1..).zip(stale).map(|(seed, stale)| {
                let values = [
                    ("stale", stale),
                    ("availability", available),
                    ("lost_writes", 0.0),
                ];
                (
                    seed,
                    Sample::made(&values, &[("latency_get_ok", &[1, 1, 1, 2 + seed])]),
                )
            });
            runs.collect::<BTreeMap<u64, Sample>>()
        };
        let (spread, clustered) = ([0.02, 0.04, 0.06], [0.06, 0.10, 0.14]);
        vec![
            cell(spread, 1.0),
            cell(spread, 0.9),
            cell(clustered, 1.0),
            cell(clustered, 0.9),
        ]
    }

    pub(crate) fn figures() -> SweepFigures {
        SweepFigures::new(facts(), &samples())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(estimate: &Estimate, expected: [f64; 3]) {
        let found =
            [estimate.value, estimate.low, estimate.high].map(|end| end.expect("it is known"));
        for (found, expected) in found.into_iter().zip(expected) {
            assert!((found - expected).abs() < 1e-4, "{estimate:?}");
        }
    }

    fn difference<'a>(
        figures: &'a SweepFigures,
        case: &str,
        among: Option<&str>,
        metric: &str,
    ) -> &'a Difference {
        let mut found = figures.differences.iter();
        let is_it = |found: &&Difference| {
            found.case == case
                && found.among.as_deref() == among
                && found.difference.metric == metric
        };
        found.find(is_it).expect("it was compared")
    }

    #[test]
    fn a_share_is_the_mean_over_seeds_with_student_s_interval_within_0_and_1() {
        let figures = made::figures();
        // By hand: 0.04 ± 4.3027 · 0.02 / √3, which begins below 0.
        check(figures.figure(0, "stale").unwrap(), [0.04, 0.0, 0.0897]);
        // 0.10 ± 4.3027 · 0.04 / √3.
        check(figures.figure(2, "stale").unwrap(), [0.10, 0.0006, 0.1994]);
        assert_eq!(figures.figure(0, "stale").unwrap().count, 300);
        check(figures.figure(0, "availability").unwrap(), [1.0, 1.0, 1.0]);
        assert_eq!(figures.figure(0, "siblings").unwrap().value, None);
    }

    #[test]
    fn a_quantile_is_taken_of_the_merged_distributions_and_not_averaged() {
        let sample = |ms: u64| Sample::made(&[], &[("latency_get_ok", &[ms; 100])]);
        let mut facts = made::facts();
        facts.cells.truncate(1);
        let samples = vec![BTreeMap::from([(1, sample(1)), (2, sample(3))])];
        let figures = SweepFigures::new(facts, &samples);
        let at = |metric| figures.figure(0, metric).unwrap().value.unwrap();
        assert!((at("latency_get_ok_p50_ms") - 1.0).abs() < 0.01);
        assert!((at("latency_get_ok_p99_ms") - 3.0).abs() < 0.01);
        // By hand: without a seed the other's: 3 and 1, so that the error is √(1/2 · 2) = 1, and t(1) = 12.706.
        let p99 = figures.figure(0, "latency_get_ok_p99_ms").unwrap();
        assert!((p99.high.unwrap() - 15.7).abs() < 0.05, "{p99:?}");
        assert_eq!((p99.low, p99.count), (Some(0.0), 200));
    }

    #[test]
    fn cells_are_compared_seed_by_seed_with_the_first_case_of_an_axis() {
        let figures = made::figures();
        let apart = difference(&figures, "clustered", Some("no fault"), "stale");
        // By hand: 0.04, 0.06 and 0.08: 0.06 ± 4.3027 · 0.02 / √3; 0.30 / 0.12.
        check(&apart.difference, [0.06, 0.0103, 0.1097]);
        let ratio = apart.ratio.as_ref().unwrap();
        // Without a seed each 2.4, 2.5 and 2.667, whose logarithms give 0.9163 ± 4.3027 · 0.0613.
        check(ratio, [2.5, 1.9201, 3.2551]);
        let together = difference(&figures, "clustered", None, "stale");
        check(&together.difference, [0.06, 0.0103, 0.1097]);
        let crashes = difference(&figures, "<crashes>", None, "availability");
        check(&crashes.difference, [-0.1, -0.1, -0.1]);
        let lost = difference(&figures, "clustered", None, "lost_writes");
        assert_eq!((lost.difference.value, &lost.ratio), (Some(0.0), &None));
        // Two axes of two cases: each has one comparison with all, and one for each case of the other.
        assert_eq!(figures.differences.len(), 2 * 3 * METRICS.len());
    }

    #[test]
    fn only_seeds_that_both_cells_have_are_compared() {
        let mut samples = made::samples();
        samples[2].remove(&3);
        let figures = SweepFigures::new(made::facts(), &samples);
        let apart = difference(&figures, "clustered", Some("no fault"), "stale");
        assert_eq!(
            (apart.difference.seeds, figures.runs.as_slice()),
            (2, &[3, 3, 2, 3][..])
        );
        assert!((apart.difference.value.unwrap() - 0.05).abs() < 1e-9);
        samples[0].retain(|seed, _| *seed == 3);
        let figures = SweepFigures::new(made::facts(), &samples);
        let apart = difference(&figures, "clustered", Some("no fault"), "stale");
        assert_eq!((apart.difference.seeds, apart.difference.value), (0, None));
    }

    #[test]
    fn a_sentence_says_what_differs_most_first_and_what_does_not() {
        let sentences = words::verdict(&made::figures())
            .join("\n")
            .replace('\u{a0}', " ");
        let (keys, trouble) = sentences.split_once('\n').unwrap();
        assert!(
            keys.starts_with("“clustered” against “spread”: stale reads 2.5 × ["),
            "{keys}"
        );
        assert!(
            keys.ends_with("; no difference seen in availability, read latency p99."),
            "{keys}"
        );
        assert!(
            trouble.contains(": availability −10 points [−10, −10]; no difference seen in"),
            "{trouble}"
        );
    }
}
