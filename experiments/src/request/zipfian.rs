//! YCSB's zipfian ranks, constant 0.99: without a table, at the price of an approximation.
//!
//! Rank 0 and rank 1 have Zipf's probabilities exactly. The others share what remains as a continuous power law would:
//! of 1000 items, rank 2 is drawn a fifth too often, the last ones 4 % too rarely. The workload `zipf` is exact.
//!
//! Reference: Gray et al., "Quickly generating billion-record synthetic databases", SIGMOD 1994, §3.2; Cooper et al.,
//! "Benchmarking cloud serving systems with YCSB", SoCC 2010, §4.2, and its `ZipfianGenerator`.

use super::unit;
use rand_xoshiro::Xoshiro256PlusPlus;

/// Ranks below a number of items, 0 the most popular.
#[derive(Clone, Debug, PartialEq)]
pub struct Zipfian {
    items: u64,
    /// The sum of the items' weights, i^-θ.
    zeta: f64,
}

impl Zipfian {
    /// Ranks of so many items, 1 or more; it takes as many steps.
    #[must_use]
    pub fn new(items: u64) -> Self {
        let mut ranks = Self {
            items: 0,
            zeta: 0.0,
        };
        ranks.grow(items);
        ranks
    }

    /// Ranks of so many items whose weights are known to sum to `zeta`.
    #[must_use]
    pub fn with_zeta(items: u64, zeta: f64) -> Self {
        Self { items, zeta }
    }

    /// There are more items now.
    pub fn grow(&mut self, items: u64) {
        for item in self.items + 1..=items {
            self.zeta += libm::pow(item as f64, -THETA);
            self.items = item;
        }
    }

    /// Draws a rank.
    // Departs from YCSB, which keeps the first number of items in a part of this formula when there are more.
    #[must_use]
    pub fn rank(&self, chance: &mut Xoshiro256PlusPlus) -> u64 {
        let unit = unit(chance);
        let second = 1.0 + libm::pow(0.5, THETA);
        if unit * self.zeta < 1.0 {
            return 0;
        }
        if unit * self.zeta < second || self.items <= 2 {
            return 1.min(self.items - 1);
        }
        let items = self.items as f64;
        let eta = (1.0 - libm::pow(2.0 / items, 1.0 - THETA)) / (1.0 - second / self.zeta);
        let rank = items * libm::pow(eta * unit - eta + 1.0, 1.0 / (1.0 - THETA));
        (rank as u64).min(self.items - 1)
    }
}

/// YCSB's constant.
const THETA: f64 = 0.99;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Popularity;
    use crate::request::fit::{check_counts, counts};

    impl Popularity for Zipfian {
        fn choose(&mut self, records: u64, chance: &mut Xoshiro256PlusPlus) -> u64 {
            self.grow(records);
            self.rank(chance)
        }
    }

    /// Gray's formula, solved for the probability of each rank.
    fn probabilities(items: u64) -> Vec<f64> {
        let zeta: f64 = (1..=items).map(|i| (i as f64).powf(-THETA)).sum();
        let second = 1.0 + 0.5f64.powf(THETA);
        let part = |x: f64| (x / items as f64).powf(1.0 - THETA);
        let eta = (1.0 - part(2.0)) / (1.0 - second / zeta);
        let up_to = |rank: u64| match rank {
            0 => 0.0,
            1 => 1.0 / zeta,
            2 => second / zeta,
            _ => 1.0 - (1.0 - part(rank as f64)) / eta,
        };
        (0..items)
            .map(|rank| up_to(rank + 1) - up_to(rank))
            .collect()
    }

    #[test]
    fn ranks_have_the_probabilities_of_the_formula() {
        for items in [1_u64, 2, 3, 50] {
            let counts = counts(&mut Zipfian::new(items), items, 200_000);
            if items > 1 {
                check_counts(&counts, &probabilities(items));
            }
        }
    }

    /// If this fails, it is not the distribution that YCSB documents: 1000 records, θ = 0.99.
    #[test]
    fn the_formula_is_near_zipf_s_law() {
        let zeta: f64 = (1..=1000).map(|i| f64::from(i).powf(-THETA)).sum();
        let exact = |rank: usize| ((rank + 1) as f64).powf(-THETA) / zeta;
        let formula = probabilities(1000);
        assert!((formula[0] - 0.129_3).abs() < 1e-4, "{}", formula[0]);
        for (rank, tolerance) in [(0, 1e-12), (1, 1e-12), (2, 0.22), (10, 0.05), (500, 0.04)] {
            let off = formula[rank] / exact(rank) - 1.0;
            assert!(off.abs() <= tolerance, "rank {rank} is off by {off}");
        }
    }

    #[test]
    fn ranks_that_grew_are_those_of_the_larger_number() {
        let mut grown = Zipfian::new(7);
        grown.grow(1000);
        assert_eq!(grown, Zipfian::new(1000));
    }
}
