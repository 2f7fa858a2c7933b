//! One record after the other, round and round: YCSB's `sequential`.

use super::Popularity;
use rand_xoshiro::Xoshiro256PlusPlus;

/// See the module.
// Departs from YCSB, whose round never comes to what was inserted during the load.
#[derive(Default)]
pub struct Sequential {
    next: u64,
}

impl Popularity for Sequential {
    fn choose(&mut self, records: u64, _: &mut Xoshiro256PlusPlus) -> u64 {
        let record = self.next % records;
        self.next = record + 1;
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;

    #[test]
    fn a_round_takes_in_what_is_inserted() {
        let (mut round, mut chance) = (Sequential::default(), Xoshiro256PlusPlus::seed_from_u64(1));
        let mut record = |records| round.choose(records, &mut chance);
        let chosen = [2, 2, 2, 3, 3, 4, 4].map(&mut record);
        assert_eq!(chosen, [0, 1, 0, 1, 2, 3, 0]);
    }
}
