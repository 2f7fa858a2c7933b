//! Every record is as likely as any other.

use super::{Popularity, below};
use rand_xoshiro::Xoshiro256PlusPlus;

/// See the module.
// Departs from YCSB, whose `uniform` never asks for what was inserted during the load.
pub struct Uniform;

impl Popularity for Uniform {
    fn choose(&mut self, records: u64, chance: &mut Xoshiro256PlusPlus) -> u64 {
        below(records, chance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::fit::{check_counts, counts};

    #[test]
    fn every_record_is_as_likely() {
        check_counts(&counts(&mut Uniform, 40, 100_000), &[1.0 / 40.0; 40]);
    }
}
