//! Counts among opportunities, kept by blocks of time, so that what clusters can be told from what is independent.
//!
//! The interval of a share is the block bootstrap's where reads that are stale together make it wider than independence
//! would, otherwise Wilson's. Where nothing or everything counted, clustering cannot be seen: the design effect (how
//! many opportunities are worth one independent one) of the other phases is assumed.

use crate::figures::{IntervalMethod, Rate};
use crate::interval::{bootstrap, wilson};
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The length of a block: longer than a read stays stale without a fault, short enough for many in a phase.
pub(crate) const BLOCK: Duration = Duration::from_millis(250);

/// Counts among opportunities, by block.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    blocks: BTreeMap<u32, (u64, u64)>,
    /// What was added last, which belongs to one block and is not among the others yet.
    last: (u32, (u64, u64)),
}

impl Tally {
    /// Adds an opportunity, and whether it counts.
    pub(crate) fn add(&mut self, block: u32, counts: bool) {
        if self.last.0 != block {
            self.settle();
            self.last.0 = block;
        }
        let (count, of) = &mut self.last.1;
        *count += u64::from(counts);
        *of += 1;
    }

    /// Counts an opportunity that was added before and counts after all.
    pub(crate) fn mark(&mut self, block: u32) {
        if self.last.0 != block {
            self.settle();
            self.last.0 = block;
        }
        self.last.1.0 += 1;
    }

    fn settle(&mut self) {
        let (block, (count, of)) = std::mem::take(&mut self.last);
        if count + of > 0 {
            let sum = self.blocks.entry(block).or_default();
            *sum = (sum.0 + count, sum.1 + of);
        }
    }

    /// The count and the opportunities in some blocks.
    pub(crate) fn sum(&self, blocks: Range<u32>) -> (u64, u64) {
        let last = Some(self.last).filter(|(block, _)| blocks.contains(block));
        let blocks = self.blocks.range(blocks).map(|(block, sum)| (*block, *sum));
        blocks
            .chain(last)
            .fold((0, 0), |sum, (_, block)| (sum.0 + block.0, sum.1 + block.1))
    }

    /// The count and the opportunities in all blocks.
    pub(crate) fn total(&self) -> (u64, u64) {
        self.sum(0..u32::MAX)
    }

    /// At most [`MOST_BLOCKS`] blocks, neighbours joined.
    fn joined(&self) -> Vec<(u64, u64)> {
        let newest = Some(self.last.0).filter(|_| self.last.1 != (0, 0));
        let ends = [self.blocks.keys().next(), self.blocks.keys().next_back()];
        let ends = ends.into_iter().flatten().copied().chain(newest);
        let Some((first, last)) = ends.clone().min().zip(ends.max()) else {
            return Vec::new();
        };
        let width = (last - first) / MOST_BLOCKS + 1;
        (first..=last)
            .step_by(width as usize)
            .map(|from| self.sum(from..from.saturating_add(width)))
            .filter(|(_, of)| *of > 0)
            .collect()
    }
}

/// The shares of several tallies, and of all of them together.
pub(crate) struct Shares {
    pub(crate) parts: Vec<Rate>,
    pub(crate) whole: Rate,
    /// How many opportunities are worth one independent one.
    pub(crate) design_effect: f64,
}

/// The shares of `parts`; the bootstrap's chance is drawn from the run's seed and the metric's name.
pub(crate) fn shares(parts: &[Tally], seed: u64, metric: &str) -> Shares {
    let seed = xxh3_64_with_seed(metric.as_bytes(), seed);
    let alone: Vec<(Rate, f64)> = parts
        .iter()
        .filter_map(|part| resampled(std::slice::from_ref(part), seed))
        .collect();
    let weight: f64 = alone.iter().map(|(rate, _)| rate.of as f64).sum();
    let weighted: f64 = alone
        .iter()
        .map(|(rate, effect)| rate.of as f64 * effect)
        .sum();
    let design_effect = if alone.is_empty() {
        1.0
    } else {
        weighted / weight
    };
    let share = |parts: &[Tally]| match resampled(parts, seed) {
        Some((rate, _)) => rate,
        None => deflated(total(parts), design_effect),
    };
    Shares {
        parts: parts
            .iter()
            .map(|part| share(std::slice::from_ref(part)))
            .collect(),
        whole: share(parts),
        design_effect,
    }
}

/// The share of a count whose opportunities are worth `1 / design_effect` independent ones each.
pub(crate) fn deflated((count, of): (u64, u64), design_effect: f64) -> Rate {
    let share = (of > 0).then(|| count as f64 / of as f64);
    let effective = of as f64 / design_effect;
    let (low, high) = wilson(share.unwrap_or(0.0), effective);
    Rate {
        count,
        of,
        share,
        low,
        high,
        effective,
        method: match share {
            Some(_) => IntervalMethod::Wilson,
            None => IntervalMethod::Nothing,
        },
    }
}

/// The share over all strata and its design effect, if there is something to resample.
fn resampled(strata: &[Tally], seed: u64) -> Option<(Rate, f64)> {
    let (count, of) = total(strata);
    let blocks: Vec<_> = strata.iter().map(Tally::joined).collect();
    if count == 0 || count == of || blocks.iter().map(Vec::len).sum::<usize>() < FEWEST_BLOCKS {
        return None;
    }
    let found = bootstrap(&blocks, seed)?;
    let rate = deflated((count, of), 1.0);
    let share = count as f64 / of as f64;
    let design_effect = found.variance * of as f64 / (share * (1.0 - share));
    if design_effect <= 1.0 {
        return Some((rate, 1.0));
    }
    let rate = Rate {
        low: found.low,
        high: found.high,
        effective: of as f64 / design_effect,
        method: IntervalMethod::BlockBootstrap,
        ..rate
    };
    Some((rate, design_effect))
}

fn total(parts: &[Tally]) -> (u64, u64) {
    let totals = parts.iter().map(Tally::total);
    totals.fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1))
}

const MOST_BLOCKS: u32 = 400;
/// With fewer blocks resampling says nothing.
const FEWEST_BLOCKS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(blocks: &[(u64, u64)]) -> Tally {
        Tally {
            blocks: (0..).zip(blocks.iter().copied()).collect(),
            ..Tally::default()
        }
    }

    #[test]
    fn nothing_has_no_share() {
        let shares = shares(&[Tally::default()], 1, "stale");
        assert_eq!(
            (shares.whole.share, shares.whole.low, shares.whole.high),
            (None, 0.0, 1.0)
        );
        assert_eq!(shares.whole.method, IntervalMethod::Nothing);
    }

    #[test]
    fn what_clusters_counts_for_less() {
        let clustered: Vec<_> = (0..40)
            .map(|block| (if block % 4 == 0 { 50 } else { 0 }, 50))
            .collect();
        let even = vec![(12, 50); 40];
        let shares = shares(
            &[tally(&clustered), tally(&even), tally(&[(0, 50); 40])],
            1,
            "stale",
        );
        let [clustered, even, none] = &shares.parts[..] else {
            panic!()
        };
        assert_eq!(clustered.method, IntervalMethod::BlockBootstrap);
        assert!(clustered.effective < 100.0, "{clustered:?}");
        assert_eq!(
            (even.method, even.effective),
            (IntervalMethod::Wilson, 2000.0)
        );
        // None of 2000, but the same clustering is assumed that the others show.
        assert!(none.high > 0.003 && none.effective < 200.0, "{none:?}");
    }

    #[test]
    fn one_seed_gives_one_interval() {
        let blocks: Vec<_> = (0..30).map(|block| (block % 7, 10)).collect();
        let rate = |seed| shares(&[tally(&blocks)], seed, "stale").whole;
        assert_eq!(rate(1), rate(1));
        assert_ne!(rate(1), rate(2));
    }

    #[test]
    fn many_blocks_are_joined() {
        let joined = tally(&[(1, 2); 1000]).joined();
        assert_eq!(joined.len(), 334);
        assert_eq!(joined.iter().map(|block| block.1).sum::<u64>(), 2000);
    }
}
