//! The freshness curve P(fresh | age) and the t-visibility read off it.
//!
//! Age is the read's start minus the finish of the newest complete write of its key; fresh is not stale in the multi-value
//! view. t-visibility at p is the smallest t with P(fresh | age = t') ≥ p for all t' ≥ t, P by isotonic regression over the
//! single reads. It is given only where as many reads are as old or older as it takes to see a failure: with n of them,
//! all fresh, the 95 % bound of the stale share is 3/n (the rule of three), so n (1 − p) ≥ 3.
//!
//! Reference: P. Bailis et al., “Probabilistically bounded staleness”, VLDB 2012; H. Wada et al., CIDR 2011.

use super::{Metric, Run, Seen};
use crate::figures::{AgeBin, Measured, Rate, ZERO_AGE_MS};
use crate::isotonic::{Step, isotonic};
use crate::judge::Verdict;
use crate::spread::MS;
use crate::tally::{Shares, Tally, shares};
use tidemark_proto::time::nanoseconds;

/// The probabilities at which t-visibility is given.
pub(crate) const PROBABILITIES: [f64; 4] = [0.5, 0.9, 0.99, 0.999];

#[derive(Default)]
pub(crate) struct Freshness {
    reads: Vec<Read>,
}

#[derive(Clone, Copy)]
struct Read {
    age_ns: u64,
    block: u32,
    is_fresh: bool,
}

/// The curve and what is read off it.
pub(crate) struct Curve {
    pub(crate) bins: Vec<AgeBin>,
    pub(crate) at_zero: Rate,
    /// In the order of [`PROBABILITIES`].
    pub(crate) t_visibility_ms: [Measured<f64>; 4],
}

impl Metric for Freshness {
    type Figures = Curve;

    fn observe(&mut self, seen: &Seen<'_>) {
        if let (Some((_, place)), Some(Verdict::Judged(judgement))) =
            (seen.answered_read(), seen.verdict)
        {
            self.reads.push(Read {
                age_ns: nanoseconds(judgement.age),
                block: place.block,
                is_fresh: judgement.multi_value.is_none(),
            });
        }
    }

    fn report(&self, run: &Run<'_>) -> Curve {
        let mut reads = self.reads.clone();
        reads.sort_unstable_by_key(|read| (read.age_ns, read.is_fresh));
        let ages: Vec<(u64, bool)> = reads
            .iter()
            .map(|read| (read.age_ns, read.is_fresh))
            .collect();
        let steps = isotonic(&ages);
        let bins: Vec<&[Read]> = reads
            .chunk_by(|a, b| bin(a.age_ns) == bin(b.age_ns))
            .collect();
        let tallies: Vec<Tally> = bins.iter().map(|bin| tally(bin)).collect();
        let Shares { parts, .. } = shares(&tallies, run.seed, "fresh");
        let bins: Vec<AgeBin> = bins
            .iter()
            .zip(&parts)
            .map(|(reads, fresh)| {
                let (from, until) = bin(reads[0].age_ns);
                let mean = |value: &dyn Fn(&Read) -> f64| {
                    reads.iter().map(value).sum::<f64>() / reads.len() as f64
                };
                AgeBin {
                    from_ms: from as f64 / MS,
                    until_ms: until as f64 / MS,
                    mean_ms: mean(&|read| read.age_ns as f64 / MS),
                    fresh: *fresh,
                    isotonic: mean(&|read| fitted(&steps, read.age_ns)),
                }
            })
            .collect();
        let at_zero = match bins.first() {
            Some(first) if first.until_ms <= ZERO_AGE_MS => first.fresh,
            _ => shares(&[], run.seed, "fresh").whole,
        };
        Curve {
            bins,
            at_zero,
            t_visibility_ms: PROBABILITIES.map(|p| t_visibility(&steps, p)),
        }
    }
}

/// The ages at which bins meet, in nanoseconds: from 0.1 ms on by the E6 series, six to a decade, up to 680 s.
pub(crate) const EDGES: [u64; 42] = {
    let mut edges = [0; 42];
    let mut index = 0;
    while index < edges.len() {
        edges[index] = E6[index % 6] * 10_u64.pow((index / 6) as u32);
        index += 1;
    }
    edges
};

/// From where up to where the bin of an age reaches.
fn bin(age_ns: u64) -> (u64, u64) {
    let after = EDGES.partition_point(|edge| *edge <= age_ns);
    let from = after.checked_sub(1).map_or(0, |before| EDGES[before]);
    (from, EDGES.get(after).copied().unwrap_or(u64::MAX))
}

fn tally(reads: &[Read]) -> Tally {
    let mut tally = Tally::default();
    for read in reads {
        tally.add(read.block, read.is_fresh);
    }
    tally
}

fn fitted(steps: &[Step], age_ns: u64) -> f64 {
    let after = steps.partition_point(|step| step.from <= age_ns);
    steps[after - 1].share()
}

fn t_visibility(steps: &[Step], p: f64) -> Measured<f64> {
    let Some(first) = steps.iter().position(|step| step.share() >= p) else {
        return Measured::Missing(format!(
            "P(fresh | age) reaches {p} at no age that was read"
        ));
    };
    let reads: u64 = steps[first..].iter().map(|step| step.of).sum();
    let needed = RULE_OF_THREE / (1.0 - p);
    if (reads as f64) < needed.round() {
        return Measured::Missing(format!(
            "only {reads} reads are as old, and {needed:.0} are needed to tell {p}"
        ));
    }
    let from = if first == 0 { 0 } else { steps[first].from };
    Measured::Known(from as f64 / MS)
}

/// The first decade of [`EDGES`].
const E6: [u64; 6] = [100_000, 150_000, 220_000, 330_000, 470_000, 680_000];
const RULE_OF_THREE: f64 = 3.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_meet() {
        assert_eq!(bin(0), (0, 100_000));
        assert_eq!(bin(99_999), (0, 100_000));
        assert_eq!(bin(100_000), (100_000, 150_000));
        assert_eq!(bin(7_000_000), (6_800_000, 10_000_000));
    }

    #[test]
    fn t_visibility_is_where_the_fit_rises() {
        // Ten reads at 1 ms, half of them fresh; 40 at 2 ms, all fresh.
        let mut reads = vec![(1_000_000, false); 5];
        reads.extend(vec![(1_000_000, true); 5]);
        reads.extend(vec![(2_000_000, true); 40]);
        let steps = isotonic(&reads);
        assert_eq!(t_visibility(&steps, 0.5), Measured::Known(0.0));
        assert_eq!(t_visibility(&steps, 0.9), Measured::Known(2.0));
        let thin = "only 40 reads are as old, and 300 are needed to tell 0.99".to_owned();
        assert_eq!(t_visibility(&steps, 0.99), Measured::Missing(thin));
    }
}
