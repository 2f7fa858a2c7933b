//! Popular records, spread over all of them: YCSB's `zipfian`.
//!
//! A zipfian rank of ten thousand million items is hashed onto the records. The ranks far down are spread evenly, so the
//! skew is milder than Zipf's law of as many records: of 1000, the first takes 3.8 % of the operations, not 12.9 %.
//!
//! Reference: Cooper et al., "Benchmarking cloud serving systems with YCSB", SoCC 2010, §4.2, and its
//! `ScrambledZipfianGenerator`.

use super::record::fnv64;
use super::{Popularity, Zipfian};
use rand_xoshiro::Xoshiro256PlusPlus;

/// See the module.
pub struct Scrambled {
    ranks: Zipfian,
    /// Ranks are hashed onto so many records, of which some may be still to come.
    space: u64,
}

impl Scrambled {
    /// When there are so many records.
    #[must_use]
    pub fn new(records: u64) -> Self {
        Self {
            ranks: Zipfian::with_zeta(ITEMS, ZETA),
            space: records,
        }
    }
}

impl Popularity for Scrambled {
    // Departs from YCSB, which leaves room for twice as many records as `operationcount` lets it expect, and one more:
    // this load is open-ended, so the room is doubled whenever it is full. A record that is still to come is drawn
    // again, as there.
    fn choose(&mut self, records: u64, chance: &mut Xoshiro256PlusPlus) -> u64 {
        while self.space < records {
            self.space *= 2;
        }
        let mut record = 0;
        for _ in 0..MOST_DRAWS {
            record = fnv64(self.ranks.rank(chance)) % self.space;
            if record < records {
                return record;
            }
        }
        record % records
    }
}

const ITEMS: u64 = 10_000_000_000;
/// The sum of their weights, as YCSB has it.
const ZETA: f64 = 26.469_028_201_783_02;
/// Each draw succeeds about every other time, or more often.
const MOST_DRAWS: u32 = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::fit::counts;

    /// If this fails, popular records are not those of YCSB's hash, or not as popular.
    #[test]
    fn the_first_ranks_fall_on_the_records_of_their_hashes() {
        let counts = counts(&mut Scrambled::new(1000), 1000, 400_000);
        let share = |rank| counts[(fnv64(rank) % 1000) as usize] as f64 / 400_000.0;
        for (rank, weight) in [(0, 1.0), (1, 0.5f64.powf(0.99))] {
            // What ranks far down add to a record is about a thousandth of the rest.
            let off = share(rank) - weight / ZETA;
            assert!((0.0..0.002).contains(&off), "rank {rank} is off by {off}");
        }
    }

    /// If this fails, inserts change who is popular all the time.
    #[test]
    fn while_records_come_the_popular_ones_stay_until_the_room_is_doubled() {
        let mut scrambled = Scrambled::new(1000);
        let mut first = |records| {
            let counts = counts(&mut scrambled, records, 50_000);
            let (record, _) = counts
                .iter()
                .enumerate()
                .max_by_key(|(_, count)| **count)
                .expect("there are records");
            record as u64
        };
        assert_eq!(first(1000), fnv64(0) % 1000);
        let popular = fnv64(0) % 2000;
        assert_eq!([popular + 1, 1999, 2000].map(&mut first), [popular; 3]);
    }
}
