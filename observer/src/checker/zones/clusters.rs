//! One register's operations in clusters: a value's write and the reads that returned it.

use super::Zone;
use crate::checker::budget::{Budget, Doubt};
use crate::recording::{Recorded, Recording, Value};
use foldhash::fast::FixedState;
use std::collections::HashMap;
use tidemark_proto::event::Outcome;

/// What a register's operations are as clusters.
pub(crate) enum Clustered {
    /// These clusters.
    Clusters(Clusters),
    /// Two writes wrote one value, or one wrote the initial value.
    ValuesRepeat,
    /// The read on this line returned several values.
    Siblings(u64),
}

/// The clusters of one register, and its operations in the order of their returns.
pub(crate) struct Clusters {
    /// The write of each, and its start. The first is the initial value's, which was there before all.
    pub(super) writes: Vec<(Option<usize>, u64)>,
    /// What returned.
    pub(super) returns: Vec<Return>,
    /// The first return, by its place in `returns`, of a read that no write explains: nobody wrote what it returned, or
    /// only later.
    pub(super) impossible: Option<usize>,
}

/// An operation that returned. Times are one later than the recording has them: 0 is before all of it.
#[derive(Clone, Copy)]
pub(super) struct Return {
    pub(super) end: u64,
    pub(super) start: u64,
    /// Its cluster; [`NO_CLUSTER`] for a value that nobody wrote.
    pub(super) cluster: u32,
    /// Its index in the recording.
    pub(super) index: usize,
}

impl Clusters {
    /// Of a register's operations, which are given by their indices in the recording.
    pub(crate) fn of(
        recording: &Recording,
        operations: &[usize],
        initial: &Value,
        budget: &mut Budget<'_>,
    ) -> Result<Clustered, Doubt> {
        let all = || {
            operations
                .iter()
                .map(|index| (*index, &recording.operations[*index]))
        };
        let mut clusters: HashMap<&Value, u32, FixedState> =
            HashMap::with_capacity_and_hasher(operations.len() / 2, FixedState::default());
        clusters.insert(initial, INITIAL);
        let mut values_repeat = false;
        let mut writes = vec![(None, 0)];
        let mut returns = Vec::with_capacity(operations.len());
        for (index, operation) in all() {
            budget.spend(1)?;
            let Some(value) = operation.written() else {
                continue;
            };
            let cluster = writes.len() as u32;
            values_repeat |= clusters.insert(value, cluster).is_some();
            writes.push((Some(index), after_zero(operation.start)));
            if operation.outcome == Outcome::Ok {
                returns.push(Return::new(index, operation, cluster));
            }
        }
        for (index, operation) in all() {
            budget.spend(1)?;
            let Some(value) = operation.returned() else {
                continue;
            };
            let cluster = clusters.get(value).copied();
            if cluster.is_none() && value.is_siblings(|value| clusters.contains_key(value)) {
                return Ok(Clustered::Siblings(operation.line));
            }
            returns.push(Return::new(index, operation, cluster.unwrap_or(NO_CLUSTER)));
        }
        if values_repeat {
            return Ok(Clustered::ValuesRepeat);
        }
        budget.sort(&mut returns, |operation| (operation.end, operation.index))?;
        let is_impossible = |read: &Return| {
            let write = writes.get(read.cluster as usize);
            write.is_none_or(|(_, start)| read.end < *start)
        };
        Ok(Clustered::Clusters(Self {
            impossible: returns.iter().position(is_impossible),
            writes,
            returns,
        }))
    }

    /// The zones of what had returned after so many returns, in the order in which their first operations had: their
    /// clusters and they. A cluster of which nothing had returned has none: nobody can tell that it was written.
    pub(super) fn zones(
        &self,
        returns: usize,
        budget: &mut Budget<'_>,
    ) -> Result<Vec<(u32, Zone)>, Doubt> {
        let mut places = vec![u32::MAX; self.writes.len()];
        places[INITIAL as usize] = 0;
        let mut zones = Vec::with_capacity(self.writes.len());
        zones.push((INITIAL, Zone::INITIAL));
        for part in self.returns[..returns].chunks(STEPS_AT_ONCE) {
            budget.spend(part.len())?;
            for operation in part {
                let cluster = operation.cluster;
                let place = &mut places[cluster as usize];
                if *place == u32::MAX {
                    *place = zones.len() as u32;
                    let (_, start) = self.writes[cluster as usize];
                    zones.push((cluster, Zone::new(start, operation.end)));
                }
                let zone = &mut zones[*place as usize].1;
                zone.greatest_start = zone.greatest_start.max(operation.start);
            }
        }
        Ok(zones)
    }
}

impl Clusters {
    /// The zones of all that returned.
    pub(crate) fn all_zones(&self, budget: &mut Budget<'_>) -> Result<Vec<Zone>, Doubt> {
        let zones = self.zones(self.returns.len(), budget)?;
        Ok(zones.into_iter().map(|(_, zone)| zone).collect())
    }

    /// The first read to return that no write explains, by its index in the recording.
    pub(crate) fn impossible_read(&self) -> Option<usize> {
        self.impossible.map(|place| self.returns[place].index)
    }
}

impl Return {
    fn new(index: usize, operation: &Recorded, cluster: u32) -> Self {
        Self {
            end: after_zero(operation.end),
            start: after_zero(operation.start),
            cluster,
            index,
        }
    }
}

fn after_zero(time: u64) -> u64 {
    time.saturating_add(1)
}

pub(super) const INITIAL: u32 = 0;
const NO_CLUSTER: u32 = u32::MAX;
const STEPS_AT_ONCE: usize = 1 << 12;
