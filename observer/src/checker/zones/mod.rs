//! Whether a register whose values are unique is linearizable, by its zones: in O(n log n).
//!
//! The zone of a value is the time that it was certainly there: from the first end of an operation with it to the last
//! start of one (forward). If all its operations have a moment in common, it need not have been there longer than that
//! (backward). Two forward zones must not overlap, and a backward one must not lie within a forward one.
//!
//! The operation that cannot be placed is found by growing the history return by return: of what has not returned yet,
//! writes may have taken effect and reads say nothing. What is not linearizable never becomes so, and the first return at
//! which it is not is found by halving.
//!
//! Reference: Gibbons and Korach, Testing shared memories, 1997, §4; Golab, Li and Shah, Analyzing consistency properties
//! for fun and profit, PODC 2011, §3.

mod clusters;

pub(crate) use clusters::{Clustered, Clusters};

use super::budget::{Budget, Doubt};
use super::report::{Finding, Verdict};
use crate::recording::Recording;
use std::collections::BTreeMap;

/// When a value was there. Times are one later than those of a recording; 0 is before all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Zone {
    /// When its write started.
    pub(crate) write_start: u64,
    /// The first end of its operations.
    pub(crate) least_finish: u64,
    /// The last start of its operations.
    pub(crate) greatest_start: u64,
}

impl Zone {
    /// Of the initial value, while nobody has read it.
    pub(crate) const INITIAL: Self = Self {
        write_start: 0,
        least_finish: 0,
        greatest_start: 0,
    };

    /// Of a write that started then, and whose value's first operation ended then.
    pub(crate) fn new(write_start: u64, least_finish: u64) -> Self {
        Self {
            write_start,
            least_finish,
            greatest_start: write_start,
        }
    }

    /// Whether anybody can tell: the initial value need not have been read.
    pub(crate) fn is_told(&self) -> bool {
        self.greatest_start > 0
    }

    /// Whether it was there for a while.
    pub(crate) fn is_forward(&self) -> bool {
        self.least_finish < self.greatest_start
    }
}

/// Looks for a linearization by zones.
pub(crate) fn check(
    recording: &Recording,
    clusters: &Clusters,
    budget: &mut Budget<'_>,
) -> Finding {
    find(recording, clusters, budget).unwrap_or_else(|doubt| Finding::unknown(doubt, Vec::new()))
}

fn find(
    recording: &Recording,
    clusters: &Clusters,
    budget: &mut Budget<'_>,
) -> Result<Finding, Doubt> {
    let mut is_explained = |returns: usize| -> Result<bool, Doubt> {
        let zones = clusters.zones(returns, budget)?;
        Ok(!conflict(&zones, budget)?)
    };
    // What returned up to `good` is linearizable, and what did up to `bad` is not.
    let mut bad = match clusters.impossible {
        Some(place) => place + 1,
        None if is_explained(clusters.returns.len())? => return Ok(Finding::linearizable()),
        None => clusters.returns.len(),
    };
    let mut good = 0;
    if clusters.impossible.is_some() && is_explained(bad - 1)? {
        good = bad - 1;
    }
    while good + 1 < bad {
        let middle = good.midpoint(bad);
        *(if is_explained(middle)? {
            &mut good
        } else {
            &mut bad
        }) = middle;
    }
    Ok(Finding {
        linearizable: Verdict::False,
        failing: Some(clusters.returns[good].index),
        prefix: linearization(recording, clusters, good, budget)?,
    })
}

/// Whether two zones conflict. They come in the order of their first ends.
fn conflict(zones: &[(u32, Zone)], budget: &mut Budget<'_>) -> Result<bool, Doubt> {
    let mut there_until = 0;
    let mut forward = Vec::new();
    for (_, zone) in zones.iter().filter(|(_, zone)| zone.is_forward()) {
        budget.spend(1)?;
        if zone.least_finish < there_until {
            return Ok(true);
        }
        there_until = there_until.max(zone.greatest_start);
        forward.push(zone);
    }
    // No two forward ones overlap: of those that began before a backward one, only the last can reach beyond its end.
    for (_, zone) in zones.iter().filter(|(_, zone)| !zone.is_forward()) {
        budget.spend(1)?;
        let outer = around(&forward, zone.greatest_start);
        if outer.is_some_and(|outer| zone.least_finish < outer.greatest_start) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The last of some forward zones that began before a time.
fn around<'a>(forward: &[&'a Zone], time: u64) -> Option<&'a Zone> {
    let began = forward.partition_point(|outer| outer.least_finish < time);
    forward[..began].last().copied()
}

/// A linearization of what had returned after so many returns, and of the writes that were read by then.
fn linearization(
    recording: &Recording,
    clusters: &Clusters,
    returns: usize,
    budget: &mut Budget<'_>,
) -> Result<Vec<usize>, Doubt> {
    let zones = clusters.zones(returns, budget)?;
    let forward: Vec<&Zone> = zones
        .iter()
        .map(|(_, zone)| zone)
        .filter(|zone| zone.is_forward())
        .collect();
    // A backward zone is put to its begin, or to the end of the forward one that this lies in.
    let span = |zone: &Zone| {
        if zone.is_forward() {
            return (zone.least_finish, zone.greatest_start);
        }
        let begin = zone.greatest_start;
        let point = around(&forward, begin).map_or(begin, |outer| begin.max(outer.greatest_start));
        (point, point)
    };
    let mut order: Vec<_> = zones
        .iter()
        .map(|(cluster, zone)| (span(zone), *cluster))
        .collect();
    order.sort_unstable();
    let mut reads: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for operation in &clusters.returns[..returns] {
        budget.spend(2)?;
        let (write, _) = clusters.writes[operation.cluster as usize];
        if write != Some(operation.index) {
            reads
                .entry(operation.cluster)
                .or_default()
                .push(operation.index);
        }
    }
    let mut linearization = Vec::with_capacity(returns);
    for (_, cluster) in order {
        budget.spend(2)?;
        linearization.extend(clusters.writes[cluster as usize].0);
        let mut reads = reads.remove(&cluster).unwrap_or_default();
        reads.sort_unstable_by_key(|index| (recording.operations[*index].start, *index));
        linearization.extend(reads);
    }
    Ok(linearization)
}
