//! Whether two back-ends say the same of a plan: each cell as both carried it out, over the seeds that both have.
//!
//! The figures are how likely a read is fresh (P(fresh | 0) by arrivals, and the share of stale reads, which is 1 − P(fresh) over
//! all ages), how much of what clients asked was answered, and how many reads had siblings. They come to the same iff the
//! difference over seed pairs is [equivalent](crate::equivalence) within [`MARGIN`].

use super::{
    Cell, Estimate, MARGIN, Metric, Sample, Samples, estimate_of, groups, metric, replicates,
};
use crate::equivalence::{Equivalence, equivalence};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Each cell of a plan as two back-ends carried it out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parity {
    /// The back-ends.
    pub backends: [String; 2],
    /// The seeds that every cell was to run with.
    pub seeds: Vec<u64>,
    /// What is compared, cell by cell.
    pub figures: Vec<Pair>,
}

/// One figure of one cell, as each back-end has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// The cell's label.
    pub cell: String,
    /// The figure of each, over the seeds that both have.
    pub estimates: [Estimate; 2],
    /// Whether the second less the first is nothing that matters; none with fewer than two seeds.
    pub equivalence: Option<Equivalence>,
}

/// A row of `parity.csv`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields are named for what they hold")]
pub struct ParityRow<'a> {
    pub cell: &'a str,
    pub metric: &'a str,
    pub first: &'a str,
    pub first_value: Option<f64>,
    /// How many observations the value rests on.
    pub first_count: u64,
    pub second: &'a str,
    pub second_value: Option<f64>,
    pub second_count: u64,
    pub seeds: u64,
    /// The second less the first, and its 90 % interval.
    pub difference: Option<f64>,
    pub difference_low: Option<f64>,
    pub difference_high: Option<f64>,
    pub margin: Option<f64>,
    pub equivalent: Option<bool>,
}

impl Parity {
    /// Compares what two back-ends made of the same cells.
    #[must_use]
    pub fn new(cells: &[Cell], seeds: &[u64], ran: [(&str, &Samples); 2]) -> Self {
        let [(_, one), (_, other)] = ran;
        let both = cells.iter().zip(one.iter().zip(other));
        let figures = both.flat_map(|(cell, (one, other))| {
            let metrics = COMPARED.iter().filter_map(|name| metric(name));
            metrics.map(|metric| Pair::new(&cell.label, metric, [one, other]))
        });
        Self {
            backends: ran.map(|(name, _)| name.to_owned()),
            seeds: seeds.to_vec(),
            figures: figures.collect(),
        }
    }

    /// How many figures are not shown to come to the same.
    #[must_use]
    pub fn missed(&self) -> usize {
        let figures = self.figures.iter();
        figures.filter(|pair| !pair.is_equivalent()).count()
    }

    /// A row for each cell and figure.
    pub fn rows(&self) -> impl Iterator<Item = ParityRow<'_>> {
        let [first, second] = &self.backends;
        self.figures.iter().map(move |pair| {
            let [one, other] = &pair.estimates;
            let of = |end: fn(&Equivalence) -> f64| pair.equivalence.as_ref().map(end);
            ParityRow {
                cell: &pair.cell,
                metric: &one.metric,
                first,
                first_value: one.value,
                first_count: one.count,
                second,
                second_value: other.value,
                second_count: other.count,
                seeds: one.seeds,
                difference: of(|found| found.difference),
                difference_low: of(|found| found.low),
                difference_high: of(|found| found.high),
                margin: of(|found| found.margin),
                equivalent: pair.equivalence.map(|found| found.is_equivalent),
            }
        })
    }
}

impl Pair {
    fn new(cell: &str, metric: &Metric, [one, other]: [&BTreeMap<u64, Sample>; 2]) -> Self {
        let groups = groups([metric], [&[one], &[other]]);
        let [first, second] = groups.each_ref().map(|group| replicates(metric, group));
        let difference = first.zip(second);
        let difference = difference.map(|(one, other)| other.with(&one, |other, one| other - one));
        Self {
            cell: cell.to_owned(),
            estimates: groups.map(|group| estimate_of(metric, &group)),
            equivalence: difference.and_then(|difference| equivalence(&difference, MARGIN)),
        }
    }

    /// Whether it is shown to come to the same.
    #[must_use]
    pub fn is_equivalent(&self) -> bool {
        self.equivalence.is_some_and(|found| found.is_equivalent)
    }
}

/// The metrics that are compared.
const COMPARED: [&str; 4] = [
    "fresh_at_zero_from_arrivals",
    "stale",
    "availability",
    "siblings",
];

#[cfg(test)]
pub(crate) mod made {
    use super::*;
    use crate::sweep::made;

    /// A plan of one cell: stale reads differ by one point in every seed, availability by 6, 8 and 10 points; how many reads had
    /// siblings is known of no seed in common.
    pub(crate) fn parity() -> Parity {
        let cells = &made::facts().cells[..1];
        let ran = |stale: [f64; 3], available: [f64; 3], with_siblings: u64| {
            let runs = (1..).zip(stale.into_iter().zip(available));
            let runs = runs.map(|(seed, (stale, available))| {
                let mut values = vec![("stale", stale), ("availability", available)];
                if seed == with_siblings {
                    values.push(("siblings", 0.5));
                }
                (seed, Sample::made(&values, &[]))
            });
            vec![runs.collect()]
        };
        let sim = ran([0.02, 0.04, 0.06], [1.0, 1.0, 1.0], 1);
        let real = ran([0.03, 0.05, 0.07], [0.94, 0.92, 0.90], 2);
        Parity::new(cells, &[1, 2, 3], [("sim", &sim), ("real", &real)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this fails, back-ends pass for the same by what is not the difference of the same seeds.
    #[test]
    fn what_differs_by_less_than_the_margin_in_every_seed_is_equivalent() {
        let parity = made::parity();
        let of = |metric: &str| {
            let mut figures = parity.figures.iter();
            let is_it = |pair: &&Pair| pair.estimates[0].metric == metric;
            figures.find(is_it).unwrap()
        };
        // By hand: 0.05 − 0.04, and so in each seed: the interval is a point.
        let stale = of("stale");
        assert!(stale.is_equivalent(), "{stale:?}");
        let found = stale.equivalence.unwrap();
        assert!((found.difference - 0.01).abs() < 1e-9 && (found.low - 0.01).abs() < 1e-9);
        assert_eq!(stale.estimates[1].seeds, 3);
        // By hand: −0.08, standard deviation 0.02, t(2) = 2.9200: ± 0.0337.
        let available = of("availability").equivalence.unwrap();
        assert!((available.low + 0.1137).abs() < 1e-4, "{available:?}");
        assert!(!available.is_equivalent && available.is_different);
        let siblings = of("siblings");
        assert_eq!(
            (siblings.equivalence, siblings.estimates[0].seeds),
            (None, 0)
        );
        // P(fresh | 0) nobody has either.
        assert_eq!((parity.figures.len(), parity.missed()), (4, 3));
    }

    /// If this fails, a seed that one back-end has not run counts for the other.
    #[test]
    fn only_seeds_that_both_have_are_compared() {
        let ran = |seeds: &[u64]| {
            let run = |seed: &u64| {
                let sample = Sample::made(&[("stale", *seed as f64 / 100.0)], &[]);
                (*seed, sample)
            };
            vec![seeds.iter().map(run).collect::<BTreeMap<_, _>>()]
        };
        let (sim, real) = (ran(&[1, 2, 3, 9]), ran(&[1, 2, 3]));
        let cells = &crate::sweep::made::facts().cells[..1];
        let parity = Parity::new(cells, &[1, 2, 3, 9], [("sim", &sim), ("real", &real)]);
        let stale = &parity.figures[1];
        assert_eq!(stale.estimates[0].value, Some(0.02));
        assert_eq!(stale.equivalence.map(|found| found.difference), Some(0.0));
        let row = parity.rows().nth(1).unwrap();
        assert_eq!((row.seeds, row.equivalent), (3, Some(true)));
    }
}
