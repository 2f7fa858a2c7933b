//! What the requests of a workload are made of: which record, which operation, how long a value.

mod exponential;
mod hotspot;
mod latest;
mod length;
mod mix;
mod record;
mod scrambled;
mod sequential;
mod uniform;
mod zipf;
mod zipfian;

pub use exponential::Exponential;
pub use hotspot::Hotspot;
pub use latest::Latest;
pub use length::Length;
pub use mix::{Mix, Shares};
pub use record::{InsertOrder, RecordNames};
pub use scrambled::Scrambled;
pub use sequential::Sequential;
pub use uniform::Uniform;
pub use zipf::Zipf;
pub use zipfian::Zipfian;

use rand::Rng;
use rand_xoshiro::Xoshiro256PlusPlus;

/// How popular each record is.
pub trait Popularity: Send {
    /// Which record is asked for next: a number below `records`, which is how many there are now, 1 or more.
    fn choose(&mut self, records: u64, chance: &mut Xoshiro256PlusPlus) -> u64;
}

/// A number from 0 (included) to 1 (excluded), the same on every machine.
#[must_use]
pub fn unit(chance: &mut Xoshiro256PlusPlus) -> f64 {
    (chance.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

/// A number below `bound`; its bias is below 2^-40 for every table that fits memory.
#[must_use]
pub fn below(bound: u64, chance: &mut Xoshiro256PlusPlus) -> u64 {
    ((u128::from(chance.next_u64()) * u128::from(bound)) >> 64) as u64
}

/// As many records there may be before the load.
pub const MOST_RECORDS: u64 = 10_000_000;

/// Whether draws are of a distribution.
#[cfg(test)]
mod fit {
    use super::Popularity;
    use rand::SeedableRng as _;
    use rand_xoshiro::Xoshiro256PlusPlus;

    /// How often each of `records` records is asked for, of so many draws.
    pub(crate) fn counts(popularity: &mut dyn Popularity, records: u64, draws: u64) -> Vec<u64> {
        let mut chance = Xoshiro256PlusPlus::seed_from_u64(5);
        let mut counts = vec![0; records as usize];
        for _ in 0..draws {
            counts[popularity.choose(records, &mut chance) as usize] += 1;
        }
        counts
    }

    /// Fails if counts differ from their probabilities by more than chance does once in ten thousand times: Pearson's
    /// chi-square, its quantile by Wilson and Hilferty's approximation (1931).
    pub(crate) fn check_counts(counts: &[u64], probabilities: &[f64]) {
        assert_eq!(counts.len(), probabilities.len());
        let sum: f64 = probabilities.iter().sum();
        assert!((sum - 1.0).abs() < 1e-9, "the probabilities sum to {sum}");
        let draws = counts.iter().sum::<u64>() as f64;
        let mut chi_square = 0.0;
        for (record, (count, probability)) in counts.iter().zip(probabilities).enumerate() {
            let expected = draws * probability;
            assert!(expected >= 5.0, "too few draws for record {record}");
            chi_square += (*count as f64 - expected).powi(2) / expected;
        }
        let freedom = (counts.len() - 1) as f64;
        let spread = 2.0 / (9.0 * freedom);
        let limit = freedom * (1.0 - spread + 3.719 * spread.sqrt()).powi(3);
        assert!(
            chi_square < limit,
            "chi-square is {chi_square}, above {limit}"
        );
    }
}
