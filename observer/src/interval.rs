//! How sure a share is: Wilson's score interval, and the block bootstrap for what clusters in time.
//!
//! Reference: E. B. Wilson, Journal of the American Statistical Association 22 (1927); H. R. Künsch, “The jackknife and
//! the bootstrap for general stationary observations”, Annals of Statistics 17 (1989), for resampling blocks.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// Wilson's 95 % interval of a share among `of` independent opportunities; all of [0, 1] if there are none.
#[must_use]
pub fn wilson(share: f64, of: f64) -> (f64, f64) {
    if of <= 0.0 {
        return (0.0, 1.0);
    }
    let z = Z * Z / of;
    let centre = share + z / 2.0;
    let half = Z * ((share * (1.0 - share) + z / 4.0) / of).sqrt();
    let low = (centre - half) / (1.0 + z);
    let high = (centre + half) / (1.0 + z);
    (
        if share <= 0.0 { 0.0 } else { low.max(0.0) },
        if share >= 1.0 { 1.0 } else { high.min(1.0) },
    )
}

/// A bootstrap's 95 % interval of a share, and its variance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bootstrap {
    /// The 2.5 % quantile of the resampled shares.
    pub low: f64,
    /// The 97.5 % quantile.
    pub high: f64,
    /// The variance of the resampled shares.
    pub variance: f64,
}

/// Resamples blocks with replacement, those of each stratum among themselves; a block is (count, opportunities).
///
/// None if no resample had an opportunity.
#[must_use]
pub fn bootstrap(strata: &[Vec<(u64, u64)>], seed: u64) -> Option<Bootstrap> {
    let mut chance = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut shares = Vec::with_capacity(RESAMPLES);
    for _ in 0..RESAMPLES {
        let (mut count, mut of) = (0, 0);
        for blocks in strata {
            for _ in blocks {
                let block = blocks[below(blocks.len(), chance.next_u64())];
                count += block.0;
                of += block.1;
            }
        }
        if of > 0 {
            shares.push(count as f64 / of as f64);
        }
    }
    if shares.is_empty() {
        return None;
    }
    shares.sort_unstable_by(f64::total_cmp);
    let total = shares.len() as f64;
    let mean = shares.iter().sum::<f64>() / total;
    let squares = shares.iter().map(|share| (share - mean) * (share - mean));
    let at = |quantile: f64| shares[(quantile * (total - 1.0)).round() as usize];
    Some(Bootstrap {
        low: at(0.025),
        high: at(0.975),
        variance: squares.sum::<f64>() / total,
    })
}

/// A number below `bound` from 64 random bits.
fn below(bound: usize, bits: u64) -> usize {
    ((u128::from(bits) * bound as u128) >> 64) as usize
}

const RESAMPLES: usize = 1000;
/// The 97.5 % quantile of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_is_wilson() {
        // Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20, 29 of 29.
        let check = |count: f64, of: f64, low: f64, high: f64| {
            let interval = wilson(count / of, of);
            let near = |a: f64, b: f64| (a - b).abs() < 0.000_05;
            assert!(
                near(interval.0, low) && near(interval.1, high),
                "{interval:?}"
            );
        };
        check(81.0, 263.0, 0.2553, 0.3662);
        check(15.0, 148.0, 0.0624, 0.1605);
        check(0.0, 20.0, 0.0, 0.1611);
        check(29.0, 29.0, 0.8830, 1.0);
    }

    /// Blocks of 20 reads that are all stale together with probability 0.2.
    fn clustered(seed: u64) -> Vec<(u64, u64)> {
        let mut chance = Xoshiro256PlusPlus::seed_from_u64(seed);
        let stale = |bits: u64| below(5, bits) == 0;
        (0..100)
            .map(|_| (if stale(chance.next_u64()) { 20 } else { 0 }, 20))
            .collect()
    }

    #[test]
    fn the_bootstrap_covers_where_wilson_does_not() {
        let (mut covered, mut covered_by_wilson) = (0, 0);
        for seed in 0..200 {
            let blocks = clustered(seed);
            let share = blocks.iter().map(|block| block.0).sum::<u64>() as f64 / 2000.0;
            let found = bootstrap(&[blocks], seed).expect("there are reads");
            covered += usize::from(found.low <= 0.2 && 0.2 <= found.high);
            let (low, high) = wilson(share, 2000.0);
            covered_by_wilson += usize::from(low <= 0.2 && 0.2 <= high);
        }
        assert!((180..=198).contains(&covered), "{covered} of 200");
        assert!(covered_by_wilson < 100, "{covered_by_wilson} of 200");
    }

    #[test]
    fn strata_are_resampled_apart() {
        let strata = [vec![(0, 10); 10], vec![(10, 10); 10]];
        let found = bootstrap(&strata, 1).expect("there are reads");
        assert_eq!((found.low, found.high, found.variance), (0.5, 0.5, 0.0));
    }
}
