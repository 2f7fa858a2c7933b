//! Convergence: how long after everything healed the replicas of all keys were equal, to stay so.
//!
//! Of a partition that ends while clients go on: how long until each key whose replicas differed then had been equal once.
//!
//! A key's replicas are its preference list. They are equal when they hold the same of it, clocks included, or all nothing.
//! A node that is started again holds what it then says: a power loss may have taken the rest.

use super::{Metric, Run, Seen};
use crate::figures::{Convergence as Figures, Measured};
use bytes::Bytes;
use smallvec::SmallVec;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tidemark_proto::event::{Detail, Event, MachineChange, Milestone};
use tidemark_proto::id::NodeId;

#[derive(Default)]
pub(crate) struct Convergence {
    keys: BTreeMap<Bytes, Key>,
    /// How many keys' replicas differ.
    diverged: u64,
    diverged_at_heal: u64,
    /// When the last difference vanished.
    equal_since: Duration,
    /// When partitions end that are in force.
    ends: BTreeSet<Duration>,
    parted: Option<Parted>,
}

/// What the last partition left behind.
struct Parted {
    ended: Duration,
    /// The keys that have differed ever since.
    keys: BTreeSet<Bytes>,
    /// When the last key left them.
    equal: Duration,
}

#[derive(Default)]
struct Key {
    replicas: SmallVec<[NodeId; 3]>,
    digests: SmallVec<[(NodeId, u64); 3]>,
    differs: bool,
}

impl Metric for Convergence {
    type Figures = Measured<Figures>;

    fn observe(&mut self, seen: &Seen<'_>) {
        let before = self.diverged;
        self.end_partitions(seen.event.at());
        match seen.event {
            Event::Fault(span) if span.kind == "partition" => {
                self.ends.insert(span.until);
            }
            Event::Placed { key, nodes } => {
                let key = self.keys.entry(key.clone()).or_default();
                key.replicas = SmallVec::from_slice(nodes);
                key.compare(&mut self.diverged);
            }
            Event::Stored(stored) => {
                let key = self.keys.entry(stored.key.clone()).or_default();
                key.forget(stored.node);
                if !stored.versions.is_empty() {
                    key.digests.push((stored.node, stored.digest));
                }
                key.compare(&mut self.diverged);
                if let Some(parted) = self.parted.as_mut().filter(|_| !key.differs)
                    && parted.keys.remove(&stored.key)
                {
                    parted.equal = stored.at;
                }
            }
            Event::Machine {
                node,
                change: MachineChange::Restarted | MachineChange::RestartedEmpty,
                ..
            } => {
                for key in self.keys.values_mut() {
                    key.forget(*node);
                    key.compare(&mut self.diverged);
                }
            }
            Event::Milestone {
                milestone: Milestone::Healed,
                ..
            } => self.diverged_at_heal = self.diverged,
            _ => {}
        }
        if before > 0 && self.diverged == 0 {
            self.equal_since = seen.event.at();
        }
    }

    fn report(&self, run: &Run<'_>) -> Measured<Figures> {
        if let Some(reason) = run.lacks(Detail::Arrivals) {
            return Measured::Missing(reason);
        }
        let Some(healed) = run.healed else {
            return Measured::Missing("the run ended before it healed".to_owned());
        };
        let keys = self
            .keys
            .values()
            .filter(|key| !key.replicas.is_empty())
            .count() as u64;
        if keys == 0 {
            return Measured::Missing("no key's replicas are known".to_owned());
        }
        Measured::Known(Figures {
            keys,
            diverged_at_heal: self.diverged_at_heal,
            diverged_at_end: self.diverged,
            after_partition_s: (self.parted.as_ref())
                .filter(|parted| parted.keys.is_empty())
                .map(|parted| (parted.equal - parted.ended).as_secs_f64()),
            after_heal_s: (self.diverged == 0)
                .then(|| self.equal_since.saturating_sub(healed).as_secs_f64()),
        })
    }
}

impl Convergence {
    /// Notes what differs where a partition has ended by now.
    fn end_partitions(&mut self, now: Duration) {
        while let Some(ended) = self.ends.first().copied().filter(|end| *end <= now) {
            self.ends.pop_first();
            let differing = self.keys.iter().filter(|(_, key)| key.differs);
            self.parted = Some(Parted {
                ended,
                keys: differing.map(|(name, _)| name.clone()).collect(),
                equal: ended,
            });
        }
    }
}

impl Key {
    fn forget(&mut self, node: NodeId) {
        self.digests.retain(|(other, _)| *other != node);
    }

    fn compare(&mut self, diverged: &mut u64) {
        let digest = |node: &NodeId| {
            self.digests
                .iter()
                .find(|(other, _)| other == node)
                .map(|held| held.1)
        };
        let first = self.replicas.first().and_then(digest);
        let differs = self.replicas.iter().any(|node| digest(node) != first);
        *diverged = *diverged + u64::from(differs) - u64::from(self.differs);
        self.differs = differs;
    }
}
