//! What if: the cheapest R and W that meet goals of freshness and latency.
//!
//! The cheapest waits for the fewest answers, R + W; of those with as many, it has the least sum of read and write latency
//! at 99.9 %. If none meets all goals, the one that comes closest is told: its worst goal is missed by the least factor. Of a
//! goal of freshness that is the share of stale reads over the share allowed, of a goal of latency the latency over its
//! limit.

use super::{Prediction, Quorums};
use std::cmp::Ordering;

/// What R and W must reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// Reads of a write that is so old are fresh with at least this probability.
    Fresh {
        /// The age in milliseconds.
        age_ms: f64,
        /// The least P(fresh | age).
        least: f64,
    },
    /// A share `p` of all reads takes at most so long.
    Read {
        /// The share.
        p: f64,
        /// The most, in milliseconds.
        most_ms: f64,
    },
    /// A share `p` of all writes takes at most so long.
    Write {
        /// The share.
        p: f64,
        /// The most, in milliseconds.
        most_ms: f64,
    },
}

/// R and W beside the goals.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// N, R and W.
    pub quorums: Quorums,
    /// What each goal's figure is: P(fresh), or milliseconds.
    pub reached: Vec<f64>,
    /// For each goal by which factor it is missed: at most 1 if it is met.
    pub missed: Vec<f64>,
    /// The sum of read and write latency at 99.9 %, in milliseconds.
    pub latency_ms: f64,
}

impl Goal {
    /// The figure, and the factor by which the goal is missed.
    fn judge(&self, prediction: &Prediction) -> (f64, f64) {
        match *self {
            Self::Fresh { age_ms, least } => {
                let fresh = prediction.fresh_at(age_ms);
                // Where nothing may be stale, whatever is stale is infinitely too much.
                let missed = if fresh >= least {
                    1.0
                } else {
                    (1.0 - fresh) / (1.0 - least)
                };
                (fresh, missed)
            }
            Self::Read { p, most_ms } => within(prediction.reads.quantile(p), most_ms),
            Self::Write { p, most_ms } => within(prediction.writes.quantile(p), most_ms),
        }
    }
}

fn within(ms: f64, most_ms: f64) -> (f64, f64) {
    let missed = if ms <= most_ms { 1.0 } else { ms / most_ms };
    (ms, missed)
}

impl Choice {
    /// A prediction beside the goals.
    #[must_use]
    pub fn new(prediction: &Prediction, goals: &[Goal]) -> Self {
        let (reached, missed) = goals.iter().map(|goal| goal.judge(prediction)).unzip();
        Self {
            quorums: prediction.quorums,
            reached,
            missed,
            latency_ms: [&prediction.reads, &prediction.writes]
                .map(|times| times.quantile(DEAR))
                .iter()
                .sum(),
        }
    }

    /// Whether it meets all goals.
    #[must_use]
    pub fn meets_all(&self) -> bool {
        self.worst() <= 1.0
    }

    /// By which factor the worst goal is missed.
    fn worst(&self) -> f64 {
        self.missed.iter().copied().fold(1.0, f64::max)
    }

    fn by_cost(&self, other: &Self) -> Ordering {
        let answers = |choice: &Self| choice.quorums.r + choice.quorums.w;
        answers(self)
            .cmp(&answers(other))
            .then(self.latency_ms.total_cmp(&other.latency_ms))
    }
}

/// The cheapest that meets all goals, or else the one that comes closest; none if there is nothing to choose from.
#[must_use]
pub fn cheapest(choices: &[Choice]) -> Option<&Choice> {
    let first = |a: &&Choice, b: &&Choice| a.worst().total_cmp(&b.worst()).then(a.by_cost(b));
    choices.iter().min_by(first)
}

/// The quantile of the latencies that cost is measured by.
const DEAR: f64 = 0.999;
