//! What the WARS model says about a freshness curve, from four leg latencies, N, R and W.
//!
//! A write's legs are W (coordinator to replica) and A (its acknowledgement), a read's R and S. The write completes with
//! the W-th smallest W + A; the first R answers by R + S are the read set; the read is fresh from the moment at which
//! one of them is reached by the read after the write: t* = max(0, min over the read set of W_i − completion − R_i).
//! P(fresh | age t) is then the share of t* at or below t: one pass gives the whole curve. The model's coordinator holds
//! no keys, its clients have no distance, and legs do not depend on each other.
//!
//! Reference: Bailis et al., Probabilistically bounded staleness for practical partial quorums, VLDB 2012, §5.1.

use crate::figures::{AgeBin, Leg};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

/// How many replicas there are, and how many must answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "N, R and W are the field's names")]
pub struct Quorums {
    pub n: usize,
    pub r: usize,
    pub w: usize,
}

/// The latencies of one leg in milliseconds, sorted: those measured, or their quantiles.
#[derive(Clone, Debug, PartialEq)]
pub struct Latencies(Vec<f64>);

/// A predicted freshness curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// Sorted, in milliseconds.
    t_stars: Vec<f64>,
}

/// A stretch of a measured curve beside what was predicted for it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are named for what they hold")]
pub struct Compared {
    pub from_ms: f64,
    pub until_ms: f64,
    pub reads: u64,
    pub measured: f64,
    pub predicted: f64,
}

impl Latencies {
    /// Latencies in any order; none if there are none.
    #[must_use]
    pub fn new(mut latencies: Vec<f64>) -> Option<Self> {
        latencies.sort_unstable_by(f64::total_cmp);
        (!latencies.is_empty()).then_some(Self(latencies))
    }

    fn draw(&self, chance: &mut Xoshiro256PlusPlus) -> f64 {
        let last = self.0.len() - 1;
        let place = unit(chance) * last as f64;
        let below = (place as usize).min(last);
        let above = (below + 1).min(last);
        self.0[below] + (self.0[above] - self.0[below]) * (place - below as f64)
    }
}

/// W, A, R and S as a run measured them; none if one of them never travelled.
#[must_use]
pub fn measured_legs(legs: &[Leg]) -> Option<[Latencies; 4]> {
    let leg = |name: &str| {
        let leg = legs.iter().find(|leg| leg.name == name)?;
        Latencies::new(leg.quantiles_ms.clone())
    };
    Some([leg("W")?, leg("A")?, leg("R")?, leg("S")?])
}

/// Draws `trials` writes, each with a read after it.
///
/// # Panics
/// R or W is 0 or above N.
#[must_use]
pub fn predict(quorums: Quorums, legs: &[Latencies; 4], trials: usize, seed: u64) -> Prediction {
    let Quorums { n, r, w } = quorums;
    assert!(
        (1..=n).contains(&r) && (1..=n).contains(&w),
        "R and W are from 1 to N"
    );
    let mut chance = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut written = vec![(0.0, 0.0); n];
    let mut read = vec![(0.0, 0.0); n];
    let mut trial = || {
        for (arrival, acknowledged) in &mut written {
            *arrival = legs[0].draw(&mut chance);
            *acknowledged = *arrival + legs[1].draw(&mut chance);
        }
        for (i, (answered, margin)) in read.iter_mut().enumerate() {
            let reached = legs[2].draw(&mut chance);
            *answered = reached + legs[3].draw(&mut chance);
            *margin = written[i].0 - reached;
        }
        let (_, (_, complete), _) =
            written.select_nth_unstable_by(w - 1, |a, b| a.1.total_cmp(&b.1));
        let complete = *complete;
        read.select_nth_unstable_by(r - 1, |a, b| a.0.total_cmp(&b.0));
        let least = read[..r]
            .iter()
            .map(|(_, margin)| *margin)
            .fold(f64::INFINITY, f64::min);
        (least - complete).max(0.0)
    };
    let mut t_stars: Vec<f64> = (0..trials).map(|_| trial()).collect();
    t_stars.sort_unstable_by(f64::total_cmp);
    Prediction { t_stars }
}

impl Prediction {
    /// P(fresh | age) at an age in milliseconds.
    #[must_use]
    pub fn fresh_at(&self, age_ms: f64) -> f64 {
        let fresh = self.t_stars.partition_point(|t| *t <= age_ms);
        fresh as f64 / self.t_stars.len() as f64
    }

    /// A measured curve beside the prediction. Neighbouring bins are joined until each has `least` reads; what is left
    /// over at the end joins the last.
    #[must_use]
    pub fn beside(&self, curve: &[AgeBin], least: u64) -> Vec<Compared> {
        let mut joined: Vec<Compared> = Vec::new();
        for bin in curve {
            let reads = bin.fresh.of;
            let new = Compared {
                from_ms: bin.from_ms,
                until_ms: bin.until_ms,
                reads,
                measured: bin.fresh.share.unwrap_or_default(),
                predicted: self.fresh_at(bin.mean_ms),
            };
            match joined.last_mut() {
                Some(last) if last.reads < least => last.join(&new),
                _ => joined.push(new),
            }
        }
        if joined.len() > 1
            && joined.last().is_some_and(|last| last.reads < least)
            && let Some(rest) = joined.pop()
            && let Some(last) = joined.last_mut()
        {
            last.join(&rest);
        }
        joined
    }
}

impl Compared {
    /// How far the measurement is from the prediction.
    #[must_use]
    pub fn distance(&self) -> f64 {
        (self.measured - self.predicted).abs()
    }

    fn join(&mut self, next: &Self) {
        let reads = self.reads + next.reads;
        let mean =
            |a: f64, b: f64| (a * self.reads as f64 + b * next.reads as f64) / reads.max(1) as f64;
        self.measured = mean(self.measured, next.measured);
        self.predicted = mean(self.predicted, next.predicted);
        self.until_ms = next.until_ms;
        self.reads = reads;
    }
}

/// From 0 (included) to 1 (excluded).
fn unit(chance: &mut Xoshiro256PlusPlus) -> f64 {
    (chance.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn always(ms: f64) -> Latencies {
        Latencies::new(vec![ms]).unwrap()
    }

    /// If this fails, the model's arithmetic is not that of the paper: every number below is worked out by hand.
    #[test]
    fn constant_legs_give_one_t_star() {
        let check = |w, a, r, s, t_star: f64| {
            let legs = [always(w), always(a), always(r), always(s)];
            let prediction = predict(Quorums { n: 3, r: 1, w: 1 }, &legs, 10, 1);
            assert!(
                prediction
                    .t_stars
                    .iter()
                    .all(|t| (t - t_star).abs() < 1e-12)
            );
        };
        // The write is everywhere before its acknowledgement is back.
        check(10.0, 1.0, 1.0, 1.0, 0.0);
        check(5.0, 0.0, 0.0, 0.0, 0.0);
        // Legs cannot be negative, but if acknowledgements overtook the write, its reads would wait for it.
        check(10.0, -4.0, 1.0, 1.0, 3.0);
    }

    /// If this fails, quorums that overlap would be predicted to be stale.
    #[test]
    fn overlapping_quorums_are_always_fresh_and_small_ones_are_not() {
        let spread = || Latencies::new((0..1000).map(f64::from).collect()).unwrap();
        let legs = [spread(), always(1.0), always(1.0), always(1.0)];
        let at_zero = |r, w| predict(Quorums { n: 3, r, w }, &legs, 20_000, 7).fresh_at(0.0);
        assert!((at_zero(2, 2) - 1.0).abs() < 1e-12);
        assert!((at_zero(1, 3) - 1.0).abs() < 1e-12);
        // One of three replicas at random holds the write, the legs of acknowledgement and read being equal and short.
        assert!(
            (at_zero(1, 1) - 1.0 / 3.0).abs() < 0.02,
            "{}",
            at_zero(1, 1)
        );
        assert!(at_zero(2, 1) > at_zero(1, 1) && at_zero(1, 2) > at_zero(1, 1));
    }
}
