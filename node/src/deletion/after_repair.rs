//! A tombstone is collected once every replica of its key is known to hold it.
//!
//! The first replica of a key asks the others, and when all of them have answered that they hold the very same, all
//! remove it. What is still on its way, or kept as a hint, can still bring the key back.
//!
//! Reference: ScyllaDB, `tombstone_gc = repair`: a tombstone may go once a repair has taken it everywhere. Departs from
//! it: what is asked is not when a range was repaired, but who holds the tombstone.

use super::{Build, Deletion, Pace, Rounds, Tombstone};
use crate::context::Context;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tidemark_proto::id::NodeId;
use tidemark_proto::registry::{Entry, Options, parse, resolve, schema};
use tidemark_proto::wire::collect::Step;

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "after-repair",
    about: "a tombstone is collected once every replica is known to hold it",
    promises: &[],
    resolve: resolve::<AfterRepairOptions>,
    schema: schema::<AfterRepairOptions>,
    build: |options: &Options, _| {
        let AfterRepairOptions { pace } = parse(options)?;
        Ok(Box::new(AfterRepair {
            rounds: Rounds::new(pace)?,
            asked: BTreeMap::new(),
        }))
    },
};

/// How replicas are asked.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct AfterRepairOptions {
    /// How often and how far a node looks for tombstones; an answer that takes longer than the time between two looks is
    /// not counted.
    pace: Pace,
}

struct AfterRepair {
    rounds: Rounds,
    /// Since the last look, of each tombstone: who holds it.
    asked: BTreeMap<Tombstone, BTreeSet<NodeId>>,
}

impl Deletion for AfterRepair {
    fn held(&mut self, context: &mut Context<'_>, from: NodeId, tombstone: Tombstone) {
        let Some(holders) = self.asked.get_mut(&tombstone) else {
            return;
        };
        holders.insert(from);
        let replicas = context.view.preference(&tombstone.key, context.replicas);
        if replicas.iter().all(|node| holders.contains(node)) {
            self.asked.remove(&tombstone);
            tombstone.collect_everywhere(context, &replicas);
        }
    }

    fn timeout(&mut self, context: &mut Context<'_>) {
        self.asked.clear();
        for tombstone in self.rounds.look(context) {
            let replicas = context.view.preference(&tombstone.key, context.replicas);
            if replicas.first() == Some(&context.id) {
                tombstone.tell(context, &replicas, Step::Ask);
                self.asked.insert(tombstone.clone(), BTreeSet::new());
                self.held(context, context.id, tombstone);
            }
        }
    }

    fn next_timeout(&self) -> Option<Duration> {
        Some(self.rounds.next)
    }
}
