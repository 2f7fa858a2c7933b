//! Recent records are popular: popularity falls exponentially with the distance from the newest. YCSB's `exponential`.

use super::{Popularity, unit};
use rand_xoshiro::Xoshiro256PlusPlus;

/// See the module.
pub struct Exponential {
    /// By how much popularity falls from one record to the next older one, as a logarithm.
    decay: f64,
}

impl Exponential {
    /// A share `within` (0 to 1, both excluded) of the operations goes to the newest `recent` records; the newest of
    /// all, as YCSB has it, if there are not so many.
    #[must_use]
    pub fn new(within: f64, recent: f64) -> Self {
        Self {
            decay: -libm::log1p(-within) / recent,
        }
    }
}

impl Popularity for Exponential {
    /// By inversion of the distribution cut off at the oldest record: YCSB draws from the whole and draws again, which
    /// comes to the same.
    fn choose(&mut self, records: u64, chance: &mut Xoshiro256PlusPlus) -> u64 {
        let within = -libm::expm1(-self.decay * records as f64);
        let distance = -libm::log1p(-unit(chance) * within) / self.decay;
        records - 1 - (distance as u64).min(records - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::fit::{check_counts, counts};

    #[test]
    fn popularity_falls_by_the_same_factor_from_record_to_record() {
        let mut exponential = Exponential::new(0.95, 10.0);
        let fall = 0.05f64.powf(0.1);
        let whole = (1.0 - fall.powi(20)) / (1.0 - fall);
        let probabilities: Vec<f64> = (0..20).map(|i| fall.powi(19 - i) / whole).collect();
        check_counts(&counts(&mut exponential, 20, 100_000), &probabilities);
    }
}
