//! What became of writes once they were acknowledged: lost, held by all replicas, or brought to them by a repair.

use super::{Measured, Rate, Spread};
use serde::{Deserialize, Serialize};

/// Writes that were acknowledged and that no replica holds, nor any write that supersedes them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LostWrites {
    /// Lost among all acknowledged writes.
    pub lost: Rate,
    /// Those of them in whose place something is held whose writer had not seen them.
    pub overwritten: Rate,
    /// The first of them, at most ten, as `operation of key`.
    pub examples: Vec<String>,
    /// The first of those that were overwritten, at most ten.
    #[serde(default)]
    pub overwritten_examples: Vec<String>,
}

/// How long after healing the replicas of every key were equal, to stay so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Convergence {
    /// Keys that were written.
    pub keys: u64,
    /// Keys whose replicas differed when everything healed.
    pub diverged_at_heal: u64,
    /// Keys whose replicas differed at the end.
    pub diverged_at_end: u64,
    /// Seconds from healing until the last key's replicas were equal; none if they never were.
    pub after_heal_s: Option<f64>,
    /// Seconds from the end of the last partition until the replicas of each key that differed then had been equal once;
    /// none if there was no partition, or they never were.
    #[serde(default)]
    pub after_partition_s: Option<f64>,
}

/// What repair has done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Repairs {
    /// By the strategy that did it.
    pub paths: Vec<RepairPath>,
    /// Keys that sweeps have compared one by one.
    pub compared: u64,
    /// Those after everything healed.
    pub compared_after_heal: u64,
    /// What became of hints.
    pub hints: Hints,
}

/// What one strategy has done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RepairPath {
    /// The strategy.
    pub name: String,
    /// How often what a replica holds of a key was changed by it.
    pub mended: u64,
    /// Its messages.
    pub messages: Measured<u64>,
    /// Their size.
    pub bytes: Measured<u64>,
}

/// What became of hints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hints {
    /// Writes that a node kept in another's place; those of one key for one node become one hint.
    pub kept: u64,
    /// Hints that have gone home.
    pub delivered: u64,
    /// Hints forgotten since they were too old.
    pub expired: u64,
    /// Writes not kept since there were too many.
    pub dropped: u64,
    /// Hints still kept at the end.
    pub outstanding: u64,
}

/// Reads after which there should have been nothing left to repair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdleReads {
    /// How many there were.
    pub reads: u64,
    /// Messages of read repair that were sent for them all the same.
    pub repairs: u64,
}

impl IdleReads {
    /// Repairs a read; none if there were no idle reads.
    #[must_use]
    pub fn repairs_per_read(&self) -> Option<f64> {
        (self.reads > 0).then(|| self.repairs as f64 / self.reads as f64)
    }
}

/// What reads that were answered asked of other nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadRequests {
    /// How many there were.
    pub reads: u64,
    /// Messages that asked a replica what it holds.
    pub requests: u64,
}

impl ReadRequests {
    /// Requests a read; none if there were no reads.
    #[must_use]
    pub fn per_read(&self) -> Option<f64> {
        (self.reads > 0).then(|| self.requests as f64 / self.reads as f64)
    }
}

/// How long after its completion a write was held by one more of its key's replicas.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lag {
    /// Which one, in the order of arrival, from 1.
    pub replica: u64,
    /// Completed writes.
    pub of: u64,
    /// Of those that it reached.
    pub ms: Spread,
}
