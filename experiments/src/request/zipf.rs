//! The i-th record is asked for in proportion to 1 / i^s, exactly: by a table of the sums of the weights.

use super::{Popularity, unit};
use rand_xoshiro::Xoshiro256PlusPlus;

/// See the module.
pub struct Zipf {
    /// For each record the sum of its weight and those of all more popular ones.
    cumulative: Vec<f64>,
}

impl Zipf {
    /// For so many records, of which there never are more; `exponent` is s, 0 or more.
    #[must_use]
    pub fn new(records: u64, exponent: f64) -> Self {
        let mut total = 0.0;
        let cumulative = (1..=records).map(|rank| {
            total += libm::pow(rank as f64, -exponent);
            total
        });
        Self {
            cumulative: cumulative.collect(),
        }
    }
}

impl Popularity for Zipf {
    fn choose(&mut self, records: u64, chance: &mut Xoshiro256PlusPlus) -> u64 {
        let sums = &self.cumulative[..records as usize];
        let last = sums.len() - 1;
        let point = unit(chance) * sums[last];
        sums.partition_point(|sum| *sum <= point).min(last) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::fit::{check_counts, counts};

    #[test]
    fn popularity_falls_with_the_power_of_the_rank() {
        for exponent in [0.0, 0.5, 0.99, 1.0, 2.0] {
            let weights: Vec<f64> = (1..=20).map(|i| f64::from(i).powf(-exponent)).collect();
            let whole: f64 = weights.iter().sum();
            let probabilities: Vec<f64> = weights.iter().map(|weight| weight / whole).collect();
            check_counts(
                &counts(&mut Zipf::new(20, exponent), 20, 100_000),
                &probabilities,
            );
        }
    }
}
