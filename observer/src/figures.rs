//! What a run is summed up in: every number that the report, the plots and the terminal show. It is `metrics.json`.

mod aftermath;
mod anomalies;
mod atomicity;
mod causes;
mod clocks;
mod freshness;
mod gaps;
mod members;
mod sessions;
mod summary_row;
mod writes;

pub use aftermath::{
    Convergence, Hints, IdleReads, Lag, LostWrites, ReadRequests, RepairPath, Repairs,
};
pub use anomalies::{Anomaly, Witnesses};
pub use atomicity::Atomicity;
pub use causes::{CauseRow, Causes, CureRow};
pub use clocks::ClockFigures;
pub use freshness::{AgeBin, Arrivals, Freshness, TVisibility, ZERO_AGE_MS};
pub use gaps::GapFigures;
pub use members::MemberChange;
pub use sessions::{GuaranteeFigures, SessionShare};
pub use summary_row::{Interval, SummaryRow};
pub use writes::{Conflicts, Cost, Divergence, Lifecycle, Regular};

use crate::oracle::Checked;
use serde::{Deserialize, Serialize};
use tidemark_proto::event::{Detail, Kind, Milestone, Outcome};

/// All figures of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Which run it was, and how it went.
    pub run: RunFigures,
    /// The faults, in the order in which they began.
    pub faults: Vec<FaultFigures>,
    /// All of the measured time; its name is [`WHOLE`].
    pub whole: PhaseFigures,
    /// The measured time, cut wherever a fault began or ended.
    pub phases: Vec<PhaseFigures>,
    /// The measured time in equal bins.
    pub over_time: Vec<TimeBin>,
    /// P(fresh | age), and the age from which reads are fresh.
    pub freshness: Freshness,
    /// Latency from the intended start, by kind, outcome and phase.
    pub latency: Vec<LatencyRow>,
    /// How many reads returned how many versions; ordered by versions, none left out that occurred.
    pub siblings: Vec<SiblingCount>,
    /// How many versions the last reads of all keys returned.
    pub siblings_at_end: Option<Spread>,
    /// Reads that returned what an acknowledged delete had deleted before, of those of keys with such a delete.
    pub resurrected: Rate,
    /// Reads that lack what an earlier read had returned and nothing superseded, of those after a read of their key.
    pub seen_then_gone: Rate,
    /// Reads that returned a write that failed or may have, of those of keys with such a write.
    pub unacknowledged_seen: Rate,
    /// Reads that returned nothing although a write was complete that no delete excuses, among those that could have been
    /// stale.
    pub false_not_found: Rate,
    /// The first reads of each of these.
    #[serde(default)]
    pub witnesses: Witnesses,
    /// Reads that returned what nobody had written, or not yet, or what had failed.
    #[serde(default)]
    pub anomalies: Vec<Anomaly>,
    /// How well each session guarantee was kept.
    #[serde(default)]
    pub guarantees: Vec<GuaranteeFigures>,
    /// What became of acknowledged writes, as reads saw it.
    #[serde(default)]
    pub lifecycle: Lifecycle,
    /// Why reads were stale, and what healed that.
    #[serde(default = "not_computed")]
    pub causes: Measured<Causes>,
    /// How regular reads were.
    #[serde(default)]
    pub regular: Regular,
    /// How far keys were from one copy.
    #[serde(default = "not_computed")]
    pub atomicity: Measured<Atomicity>,
    /// Concurrent versions, and the size of clocks.
    #[serde(default)]
    pub conflicts: Conflicts,
    /// How far replicas differed.
    #[serde(default = "not_computed")]
    pub divergence: Measured<Divergence>,
    /// What the load cost the network.
    #[serde(default = "not_computed")]
    pub cost: Measured<Cost>,
    /// How far the reads' clocks were behind.
    pub clock_distance: Measured<ClockDistance>,
    /// How long messages between nodes took: W, A, R and S.
    pub legs: Measured<Vec<Leg>>,
    /// Writes that were acknowledged and are gone.
    pub lost_writes: Measured<LostWrites>,
    /// Changes of the members, in their order.
    pub member_changes: Vec<MemberChange>,
    /// How long after healing all replicas were equal.
    pub convergence: Measured<Convergence>,
    /// What repair has done, and at what cost.
    pub repairs: Measured<Repairs>,
    /// Repairs that were sent although all replicas were equal and nobody asked for anything: none, if all is well.
    pub repairs_at_idle: Measured<u64>,
    /// What read repair sent for reads after which there should have been nothing left to repair.
    pub idle_reads: Measured<IdleReads>,
    /// How many other nodes were asked for reads.
    pub read_requests: Measured<ReadRequests>,
    /// How long after their completion writes were held by the first, second, … of their replicas.
    pub replication_lag: Measured<Vec<Lag>>,
    /// How well crashes were detected.
    pub detection: Measured<Detection>,
    /// How clients were served on each side of the partitions that split nodes into groups.
    #[serde(default)]
    pub sides: Vec<SideFigures>,
    /// Acknowledged writes that were superseded on arrival by older ones.
    pub never_won: Measured<Rate>,
    /// What theory expected, beside what was measured.
    #[serde(default)]
    pub oracles: Vec<Checked>,
    /// What was not written down.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<GapFigures>,
    /// The clocks other than the observer's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clocks: Vec<ClockFigures>,
    /// What no figure above counts, and why.
    pub excluded: Vec<Excluded>,
}

fn not_computed<T>() -> Measured<T> {
    Measured::Missing("it was not computed when the run was observed".to_owned())
}

/// A figure, or why there is none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measured<T> {
    /// The figure.
    Known(T),
    /// Why it could not be computed.
    Missing(String),
}

impl<T> Measured<T> {
    /// The figure, if there is one.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Missing(_) => None,
        }
    }

    /// Why there is none.
    pub fn missing(&self) -> Option<&str> {
        match self {
            Self::Known(_) => None,
            Self::Missing(reason) => Some(reason),
        }
    }

    /// What `f` makes of the figure, or the same reason.
    pub fn map<U>(&self, f: impl FnOnce(&T) -> U) -> Measured<U> {
        match self {
            Self::Known(value) => Measured::Known(f(value)),
            Self::Missing(reason) => Measured::Missing(reason.clone()),
        }
    }
}

/// Which run it was, and how it went. Times are seconds since the run's epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunFigures {
    /// The plan's name.
    pub plan: String,
    /// `real` or `sim`.
    pub backend: String,
    /// The seed.
    pub seed: u64,
    /// How much was kept of it.
    pub detail: Detail,
    /// The last milestone; none: what was seen ends in the middle, the process was killed.
    pub ended: Option<Milestone>,
    /// When measured time began.
    pub from_s: f64,
    /// When measured time ended: everything healed.
    pub until_s: f64,
    /// When the last event was seen.
    pub ended_s: f64,
    /// The largest difference between two clients' clocks: no age is known better than this.
    pub clock_error_ms: f64,
    /// Operations of any purpose that returned.
    pub operations: u64,
    /// Writes that were begun and whose end nobody saw; they are unknown.
    pub unfinished: u64,
    /// Events of every kind.
    pub events: u64,
}

/// A fault, and what it touched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultFigures {
    /// The plan's name for it.
    pub name: String,
    /// A rule's or a machine fault's kind.
    pub kind: String,
    /// Whom it concerns, in words.
    pub about: String,
    /// When it began, in seconds since the run's epoch.
    pub from_s: f64,
    /// When it ended.
    pub until_s: f64,
    /// Messages that it touched.
    pub messages: Measured<u64>,
    /// Operations of the load of which it touched a message.
    pub operations: Measured<u64>,
    /// How often it changed a machine's state.
    pub machines: u64,
    /// It touched nothing: the run says nothing about it.
    pub vacuous: Measured<bool>,
}

/// A span of the measured time and what clients saw in it. An operation belongs where it started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhaseFigures {
    /// The faults in force, joined by ` + `; `quiet` before the first, `after <fault>` when none is.
    pub name: String,
    /// When it began, in seconds since the run's epoch.
    pub from_s: f64,
    /// When it ended.
    pub until_s: f64,
    /// Whether a fault was in force.
    pub fault: bool,
    /// Operations of the load.
    pub operations: u64,
    /// Those that happened.
    pub ok: u64,
    /// Those that did not.
    pub failed: u64,
    /// Those that may have happened.
    pub unknown: u64,
    /// Ok operations among all.
    pub availability: Rate,
    /// Ok reads among all reads.
    pub reads_available: Rate,
    /// Ok writes among all writes.
    pub writes_available: Rate,
    /// Reads that could have been stale: a write of the key was complete when they started.
    pub reads: u64,
    /// Stale reads among them, in the multi-value view: the headline.
    pub stale: Rate,
    /// Stale reads among them, in the single-value view.
    pub stale_single_value: Rate,
    /// Reads among them that overlapped a write of their key: either answer is admissible.
    pub concurrent: u64,
    /// How long the first write that a stale read missed had been complete.
    pub t_staleness_ms: Option<Spread>,
    /// How many complete writes a stale read missed.
    pub k_staleness: Option<Spread>,
    /// Reads that returned more than one version, among all ok reads.
    pub siblings: Rate,
    /// Messages that the network took.
    pub messages: Measured<u64>,
    /// Those that a fault touched.
    pub messages_touched: Measured<u64>,
    /// Operations of which a fault touched a message.
    pub operations_touched: Measured<u64>,
}

/// A count among opportunities, with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// How often it happened.
    pub count: u64,
    /// How often it could have.
    pub of: u64,
    /// The share; none if it could not have happened at all.
    pub share: Option<f64>,
    /// The interval's lower end.
    pub low: f64,
    /// The interval's upper end.
    pub high: f64,
    /// How many independent opportunities would tell as much.
    pub effective: f64,
    /// Where the interval comes from.
    pub method: IntervalMethod,
}

impl Rate {
    /// Whether there were too few opportunities to say anything: fewer than [`FEW`].
    #[must_use]
    pub fn is_thin(&self) -> bool {
        self.of < FEW
    }
}

/// Where an interval comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IntervalMethod {
    /// Resampled blocks of time: what happens together stays together.
    BlockBootstrap,
    /// Wilson's score interval over the effective sample size.
    Wilson,
    /// There was nothing to count.
    Nothing,
}

/// A distribution in seven numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are quantiles")]
pub struct Spread {
    pub count: u64,
    pub mean: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

/// A slice of the measured time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimeBin {
    /// When it began, in seconds since the run's epoch.
    pub from_s: f64,
    /// When it ended.
    pub until_s: f64,
    /// Operations of the load that started in it.
    pub operations: u64,
    /// Ok operations among them.
    pub availability: Rate,
    /// Stale reads among the opportunities; its `of` is how many there were.
    pub stale: Rate,
}

/// The latencies of one kind of operation with one outcome in one phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LatencyRow {
    /// The kind.
    pub kind: Kind,
    /// The outcome.
    pub outcome: Outcome,
    /// The phase's name, or [`WHOLE`].
    pub phase: String,
    /// From the intended start, in milliseconds.
    pub ms: Spread,
    /// The whole distribution, as (share of operations, ms); empty for single phases.
    pub percentiles: Vec<(f64, f64)>,
}

/// How many ok reads returned this many versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are named for what they hold")]
pub struct SiblingCount {
    pub versions: u64,
    pub reads: u64,
}

/// How far a read's clock is behind the join of the clocks of all writes complete at its start.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClockDistance {
    /// The sum over actors.
    pub l1: Spread,
    /// The largest over actors.
    pub l_infinity: Spread,
    /// Complete writes that the read's clock does not cover.
    pub version_lag: Spread,
}

/// How long one class of messages took from node to node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Leg {
    /// `W`, `A`, `R` or `S`.
    pub name: String,
    /// The method that travels it.
    pub method: String,
    /// In milliseconds.
    pub ms: Spread,
    /// Quantiles at 0, 1/1000, … 1, in milliseconds: enough to draw from.
    pub quantiles_ms: Vec<f64>,
}

/// How soon crashes were noticed by those who watched, and how often a node passed for down that was up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Detection {
    /// Crashes of nodes that somebody watched.
    pub crashes: u64,
    /// Pairs of a crash and one who watched in which it was noticed before the node came back or the run ended, among all.
    pub detected: Rate,
    /// From a crash until the first noticed it.
    pub first_ms: Option<Spread>,
    /// From a crash until each noticed it.
    pub each_ms: Option<Spread>,
    /// From a crash until all had noticed it.
    pub all_ms: Option<Spread>,
    /// From a crash until the first probe of the node had failed, where there are probes.
    pub first_failed_probe_ms: Option<Spread>,
    /// The mean of the same in whole seconds, each rounded down: where probes have periods of a second, in periods.
    #[serde(default)]
    pub first_failed_probe_whole_s: Option<f64>,
    /// How often somebody began to believe in the measured time that a node was down which was up.
    pub false_positives: u64,
    /// The same by the minute.
    pub false_positives_per_minute: Option<f64>,
    /// How long those lasted that ended.
    pub false_positive_ms: Option<Spread>,
    /// How often a node was suspected that was up.
    pub false_suspicions_per_minute: Option<f64>,
    /// How often a probe failed of a node that was up.
    pub false_probes_per_minute: Option<f64>,
}

/// How those were served who asked the nodes on one side of a partition while it lasted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SideFigures {
    /// The plan's name for the partition.
    pub fault: String,
    /// The side's nodes, in words.
    pub nodes: String,
    /// The availability that placement gives: the share of requested keys with enough replicas on this side.
    pub expected: Option<f64>,
    /// Ok operations among all.
    pub available: Rate,
    /// The same of operations that began before the node that was asked believed all nodes of other sides to be down.
    pub undetected: Rate,
    /// The same of those that began after that.
    pub detected: Rate,
}

/// Something that was left out of the figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excluded {
    /// What, in words: it completes “n …”.
    pub what: String,
    /// How many.
    pub count: u64,
}

/// The name of the phase that is all of the measured time.
pub const WHOLE: &str = "whole";
/// Fewer opportunities than this say nothing.
pub const FEW: u64 = 30;
