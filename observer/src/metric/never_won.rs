//! Writes that never won: acknowledged, and superseded on arrival by an older write with a later stamp.
//!
//! Such a write reached the replicas that answered for it and changed none of them: what they held stayed. Judged by
//! operation ids: of an acknowledged write, no replica ever says that it holds it, and one of those that answered held,
//! when it returned, a write that had been complete before this one began. A write that lost to one which overlapped it
//! is not counted: either order of the two is right. Nor is one that nobody answered for: it may never have arrived.
//!
//! A write is judged when it arrives, so it does not matter how much of the run is left. What is asked for by hand or
//! before the measured time is left out. What is beyond the judge's horizon stands in nobody's way.

use super::{Metric, Run, Seen};
use crate::figures::{Measured, Rate};
use crate::judge::Judge;
use crate::lookup::{Lookup, Recent};
use crate::tally::{Tally, shares};
use bytes::Bytes;
use smallvec::SmallVec;
use std::collections::BTreeMap;
use tidemark_proto::event::{Detail, Event, Kind, Operation, Outcome};
use tidemark_proto::id::{NodeId, OperationId};

#[derive(Default)]
pub(crate) struct NeverWon {
    /// What each replica holds of each key.
    held: Lookup<Bytes, BTreeMap<NodeId, Versions>>,
    /// Writes that some replica has come to hold, for those that return later.
    won: Recent<OperationId, ()>,
    acknowledged: Tally,
    /// Acknowledged writes that no replica has held so far, and in whose way an older one stood; with when they began.
    unheld: BTreeMap<OperationId, u32>,
}

type Versions = SmallVec<[OperationId; 1]>;

impl NeverWon {
    fn acknowledge(&mut self, write: &Operation, block: u32, judge: &Judge) {
        self.acknowledged.add(block, false);
        if self.won.get(&write.id).is_some() {
            return;
        }
        let held = self.held.get(&write.key);
        let held = write.answered.iter().filter_map(|node| held?.get(node));
        let is_older = |other: &OperationId| judge.precedes(*other, write.id) == Some(true);
        if held.flatten().any(is_older) {
            self.unheld.insert(write.id, block);
        }
    }
}

impl Metric for NeverWon {
    type Figures = Measured<Rate>;

    fn observe(&mut self, seen: &Seen<'_>) {
        match seen.event {
            Event::Stored(stored) => {
                let of_key = self.held.entry(stored.key.clone()).or_default();
                let held = of_key.entry(stored.node).or_default();
                for version in stored.versions.iter().filter(|id| !held.contains(id)) {
                    self.won.insert(stored.at, seen.memory, *version, ());
                    self.unheld.remove(version);
                }
                *held = SmallVec::from_slice(&stored.versions);
            }
            _ => {
                if let Some((write, place)) = seen.load()
                    && write.kind == Kind::Put
                    && write.outcome == Outcome::Ok
                {
                    self.acknowledge(write, place.block, seen.judge);
                }
            }
        }
    }

    fn report(&self, run: &Run<'_>) -> Measured<Rate> {
        if let Some(reason) = run.lacks(Detail::Arrivals) {
            return Measured::Missing(reason);
        }
        let mut never = self.acknowledged.clone();
        self.unheld.values().for_each(|block| never.mark(*block));
        Measured::Known(shares(&[never], run.seed, "never won").whole)
    }
}
