//! What a run is summed up in where reads found writes, late or never, and where replicas differed.

use super::{Rate, Spread};
use serde::{Deserialize, Serialize};

/// What became of acknowledged writes, as the load's reads saw it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lifecycle {
    /// Acknowledged writes.
    pub writes: u64,
    /// Those that every read found which began after their end.
    pub stable: u64,
    /// Those that some read missed, and the last one found.
    pub stale: u64,
    /// Those that the last read missed.
    pub lost: u64,
    /// Those whose key was not read after their end.
    pub never_read: u64,
    /// Of stable and stale writes: from their end until they were missed last; 0 if they never were.
    pub stable_latency_ms: Option<Spread>,
    /// Of lost writes: from their end until they were found last; 0 if they never were.
    pub lost_latency_ms: Option<Spread>,
    /// Reads that returned one write twice.
    pub duplicates: u64,
    /// The first lost writes, at most five.
    pub witnesses: Vec<String>,
    /// The inconsistency window of those that some read missed: from their end until the last such read began.
    pub window_ms: Option<Spread>,
    /// Updates, writes that knew an earlier one, that are lost to an update that did not know them.
    pub lost_updates: Option<Rate>,
    /// The first of those, at most five.
    pub lost_update_witnesses: Vec<String>,
}

/// The shares of the reads that are regular but for so much, in the single-value view.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Regular {
    /// By K: reads that missed fewer than K complete writes.
    pub k: Vec<(u64, Rate)>,
    /// By Δ in milliseconds: reads that missed no write which had been complete for longer.
    pub delta_ms: Vec<(u64, Rate)>,
}

/// Concurrent versions, and what telling them apart costs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Conflicts {
    /// From the first read that returned several versions of a key until the first that did not.
    pub sibling_lifetime_ms: Option<Spread>,
    /// Keys that had siblings when they were read last.
    pub siblings_open: u64,
    /// Reads with a sibling that another one of theirs supersedes, of those with siblings.
    pub false_concurrency: Option<Rate>,
    /// The first of them, at most five.
    pub false_concurrency_witnesses: Vec<String>,
    /// The size of contexts that came back, in bytes.
    pub clock_bytes: Option<Spread>,
}

/// How far replicas differed, where it is known what they held.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Divergence {
    /// φ: the instants of reads at which all replicas of the key held the same.
    pub phi: Rate,
    /// How many distinct versions the replicas of the key held at these instants.
    pub width: Option<Spread>,
    /// How long two replicas of a key each held a write that the other had not seen.
    pub content_ms: Option<Spread>,
    /// Pairs of replicas that still did at the end.
    pub content_open: u64,
    /// How long two replicas of a key each held what the other had replaced by what this one has.
    pub order_ms: Option<Spread>,
    /// Pairs of replicas that still did at the end.
    pub order_open: u64,
}

/// What the load cost the network.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Operations of the load.
    pub operations: u64,
    /// Messages that the network took in the measured time.
    pub messages: u64,
    /// Their payloads, in bytes.
    pub bytes: u64,
}

impl Cost {
    /// So much of them an operation; none if there was none.
    #[must_use]
    pub fn per_operation(&self, of: u64) -> Option<f64> {
        (self.operations > 0).then(|| of as f64 / self.operations as f64)
    }
}
