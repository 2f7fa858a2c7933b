//! A few hot records take most of the operations, evenly, and the others share the rest: YCSB's `hotspot`.

use super::{Popularity, below, unit};
use rand_xoshiro::Xoshiro256PlusPlus;

/// The first records are hot.
pub struct Hotspot {
    /// How many are hot; fewer than there are.
    pub hot: u64,
    /// The share of operations that goes to them.
    pub share: f64,
}

impl Popularity for Hotspot {
    // Departs from YCSB, whose `hotspot` never asks for what was inserted during the load; here it is not hot.
    fn choose(&mut self, records: u64, chance: &mut Xoshiro256PlusPlus) -> u64 {
        if unit(chance) < self.share {
            below(self.hot, chance)
        } else {
            self.hot + below(records - self.hot, chance)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::fit::{check_counts, counts};

    #[test]
    fn hot_records_share_their_part_and_the_others_theirs() {
        let mut hotspot = Hotspot { hot: 4, share: 0.8 };
        let mut probabilities = [0.2 / 16.0; 20];
        probabilities[..4].fill(0.8 / 4.0);
        check_counts(&counts(&mut hotspot, 20, 100_000), &probabilities);
    }
}
