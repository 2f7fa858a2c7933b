//! The newest record is the most popular, the one before it the next: YCSB's `latest`.

use super::{Popularity, Zipfian};
use rand_xoshiro::Xoshiro256PlusPlus;

/// Zipfian ranks, counted from the newest record down.
pub struct Latest(Zipfian);

impl Latest {
    /// When there are so many records.
    #[must_use]
    pub fn new(records: u64) -> Self {
        Self(Zipfian::new(records))
    }
}

impl Popularity for Latest {
    // Departs from YCSB, which never asks for record 0.
    fn choose(&mut self, records: u64, chance: &mut Xoshiro256PlusPlus) -> u64 {
        self.0.grow(records);
        records - 1 - self.0.rank(chance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::fit::counts;

    #[test]
    fn what_is_inserted_becomes_the_most_popular() {
        let mut latest = Latest::new(100);
        for records in [100, 101, 300] {
            let counts = counts(&mut latest, records, 50_000);
            let zeta: f64 = (1..=records).map(|i| (i as f64).powf(-0.99)).sum();
            let share = |record: u64| counts[record as usize] as f64 / 50_000.0;
            assert!((share(records - 1) - 1.0 / zeta).abs() < 0.01);
            assert!((share(records - 2) - 0.5f64.powf(0.99) / zeta).abs() < 0.01);
        }
    }
}
