//! What the WARS model says of freshness and latency, from four leg latencies, N, R and W.
//!
//! A write's legs are W (coordinator to replica) and A (its acknowledgement), a read's R and S. The write completes with
//! the W-th smallest W + A, its latency; the first R answers by R + S are the read set, and the R-th gives the read's
//! latency. The read is fresh from the moment at which one of them is reached by the read after the write: t* = max(0,
//! min over the read set of W_i − R_i, minus the write's latency). P(fresh | age t) is then the share of t* at or below t,
//! and t-visibility at p the p-quantile of t*: one pass gives the whole curve. Legs do not depend on each other, clients
//! have no distance, and nothing but the write itself brings a version to a replica.
//!
//! Trials are drawn once for all R and W, so that quorums differ by nothing but what they are.
//!
//! Reference: Bailis et al., Probabilistically bounded staleness for practical partial quorums, VLDB 2012, §5.1.

mod choice;
mod compared;
pub mod fit;
mod latencies;
mod law;
mod overlap;
mod sorted;
mod trial;

pub use choice::{Choice, Goal, cheapest};
pub use compared::Compared;
pub use latencies::Latencies;
pub use law::Law;
pub use sorted::Sorted;

use crate::figures::Leg;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
use std::sync::Arc;
use trial::{BATCH, Batch};

/// How many replicas there are, and how many must answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "N, R and W are the field's names")]
pub struct Quorums {
    pub n: usize,
    pub r: usize,
    pub w: usize,
}

/// What a prediction supposes of everything but the quorums.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// The legs.
    pub legs: Legs,
    /// Who coordinates.
    pub coordinator: Coordinator,
    /// Whom a read asks.
    pub read_set: ReadSet,
}

/// The latencies of the four legs between coordinator and replica.
#[derive(Clone, Debug, PartialEq)]
pub struct Legs {
    /// Of a write on its way to a replica.
    pub w: Latencies,
    /// Of its acknowledgement.
    pub a: Latencies,
    /// Of a read on its way to a replica.
    pub r: Latencies,
    /// Of its answer.
    pub s: Latencies,
    /// How much longer, in milliseconds, each leg is where the replica is not the one in the coordinator's site; each
    /// request is coordinated in a site that chance chooses. 0: there are no sites.
    pub abroad_ms: f64,
}

/// Who coordinates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coordinator {
    /// Somebody who holds no keys: every replica is four legs away.
    Gateway,
    /// One of the key's replicas, by chance: its own legs take no time.
    Replica,
}

/// Whom a read asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadSet {
    /// All N replicas, of which the first R to answer count: Dynamo.
    All,
    /// R replicas by chance, and no others: Cassandra.
    Quorum,
}

/// Many writes, each with a read after it, under one model.
pub struct Trials {
    n: usize,
    /// From the least R and W that are asked for.
    least: (usize, usize),
    written: Vec<Vec<f32>>,
    read: Vec<Vec<f32>>,
    reached: Vec<Vec<f32>>,
}

/// What is predicted for one choice of N, R and W.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// N, R and W.
    pub quorums: Quorums,
    /// t*: P(fresh | age) is the share of those at most that age, t-visibility their quantile.
    pub visible: Sorted,
    /// How long reads take, whatever W is.
    pub reads: Arc<Sorted>,
    /// How long writes take, whatever R is.
    pub writes: Arc<Sorted>,
}

impl Legs {
    /// Legs in one site: W by itself, and the other three alike.
    #[must_use]
    pub fn alike(w: Latencies, ars: Latencies) -> Self {
        Self {
            w,
            a: ars.clone(),
            r: ars.clone(),
            s: ars,
            abroad_ms: 0.0,
        }
    }

    /// As a run measured them; none if one of them never travelled.
    #[must_use]
    pub fn measured(legs: &[Leg]) -> Option<Self> {
        let leg = |name: &str| {
            let leg = legs.iter().find(|leg| leg.name == name)?;
            Latencies::quantiles(&leg.quantiles_ms)
        };
        Some(Self {
            w: leg("W")?,
            a: leg("A")?,
            r: leg("R")?,
            s: leg("S")?,
            abroad_ms: 0.0,
        })
    }
}

impl Model {
    /// As the paper has it: coordinators that hold no keys, and reads that ask everybody.
    #[must_use]
    pub fn new(legs: Legs) -> Self {
        Self {
            legs,
            coordinator: Coordinator::Gateway,
            read_set: ReadSet::All,
        }
    }

    fn tells_replicas_apart(&self) -> bool {
        self.coordinator == Coordinator::Replica || self.legs.abroad_ms > 0.0
    }
}

impl Trials {
    /// Draws so many trials, and keeps what they came to for these R and W.
    ///
    /// # Panics
    /// There are no trials, or an R or a W is 0 or above N.
    #[must_use]
    pub fn new(
        model: &Model,
        n: usize,
        (rs, ws): (RangeInclusive<usize>, RangeInclusive<usize>),
        count: usize,
        seed: u64,
    ) -> Self {
        let is_within = |asked: &RangeInclusive<usize>| *asked.start() >= 1 && *asked.end() <= n;
        assert!(is_within(&rs) && is_within(&ws), "R and W are from 1 to N");
        assert!(count > 0, "there are trials");
        let rows =
            |asked: &RangeInclusive<usize>| vec![Vec::with_capacity(count); asked.clone().count()];
        let mut trials = Self {
            n,
            least: (*rs.start(), *ws.start()),
            written: rows(&ws),
            read: rows(&rs),
            reached: rows(&rs),
        };
        let mut batch = Batch::new(n, seed);
        for done in (0..count).step_by(BATCH) {
            batch.draw(model);
            let new = BATCH.min(count - done);
            for (kept, drawn, asked) in [
                (&mut trials.written, &batch.written, &ws),
                (&mut trials.read, &batch.read, &rs),
                (&mut trials.reached, &batch.reached, &rs),
            ] {
                for (kept, quorum) in kept.iter_mut().zip(asked.clone()) {
                    kept.extend_from_slice(&drawn[quorum - 1][..new]);
                }
            }
        }
        trials
    }

    /// What is predicted for an R and a W that were asked for.
    ///
    /// # Panics
    /// They were not.
    #[must_use]
    pub fn cell(&self, r: usize, w: usize) -> Prediction {
        let (of_r, of_w) = (r - self.least.0, w - self.least.1);
        let times = (sorted(&self.read[of_r]), sorted(&self.written[of_w]));
        self.with_times((of_r, of_w), times)
    }

    /// What is predicted for all R and W that were asked for, one after the other: the least R and W first, W changing
    /// fastest.
    pub fn cells(&self) -> impl Iterator<Item = Prediction> {
        let writes: Vec<_> = self.written.iter().map(|times| sorted(times)).collect();
        let reads = self.read.iter().map(|times| sorted(times));
        reads.enumerate().flat_map(move |(of_r, reads)| {
            let cell = |(of_w, writes): (usize, &Arc<Sorted>)| {
                self.with_times((of_r, of_w), (Arc::clone(&reads), Arc::clone(writes)))
            };
            writes.iter().enumerate().map(cell).collect::<Vec<_>>()
        })
    }

    fn with_times(
        &self,
        (of_r, of_w): (usize, usize),
        (reads, writes): (Arc<Sorted>, Arc<Sorted>),
    ) -> Prediction {
        let ages = self.reached[of_r].iter().zip(&self.written[of_w]);
        Prediction {
            quorums: Quorums {
                n: self.n,
                r: self.least.0 + of_r,
                w: self.least.1 + of_w,
            },
            visible: Sorted::new(ages.map(|(reached, written)| reached - written).collect()),
            reads,
            writes,
        }
    }
}

fn sorted(times: &[f32]) -> Arc<Sorted> {
    Arc::new(Sorted::new(times.to_vec()))
}

/// Draws so many writes, each with a read after it.
///
/// # Panics
/// There are no trials, or R or W is 0 or above N.
#[must_use]
pub fn predict(model: &Model, quorums: Quorums, trials: usize, seed: u64) -> Prediction {
    let Quorums { n, r, w } = quorums;
    let trials = Trials::new(model, n, (r..=r, w..=w), trials, seed);
    let only = |mut rows: Vec<Vec<f32>>| rows.pop().expect("one R and one W were asked for");
    let [written, read, reached] = [trials.written, trials.read, trials.reached].map(only);
    Prediction::new(quorums, written, read, reached)
}

impl Prediction {
    fn new(quorums: Quorums, written: Vec<f32>, read: Vec<f32>, mut reached: Vec<f32>) -> Self {
        for (reached, written) in reached.iter_mut().zip(&written) {
            *reached -= written;
        }
        Self {
            quorums,
            visible: Sorted::new(reached),
            reads: Arc::new(Sorted::new(read)),
            writes: Arc::new(Sorted::new(written)),
        }
    }

    /// P(fresh | age) at an age in milliseconds.
    #[must_use]
    pub fn fresh_at(&self, age_ms: f64) -> f64 {
        self.visible.up_to(age_ms) as f64 / self.visible.count() as f64
    }
}
