//! Which strategies a cluster is made of.

use crate::harness::{Shape, options};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::json;
use std::collections::BTreeSet;
use tidemark_node::config::{Choice, Config, Limits};
use tidemark_node::{deletion, membership, partitioner, repair, replication, storage, versioning};
use tidemark_proto::event::Detail;
use tidemark_proto::id::NodeId;
use tidemark_proto::registry::{Entry, Promise};

/// The parts that strategies are drawn for; versioning is gone through.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) shape: Shape,
    seed: u64,
    partitioner: Index,
    membership: Index,
    replication: Index,
    storage: Index,
    deletion: Index,
    repairs: Vec<bool>,
    /// Who coordinates, where a strategy leaves the choice.
    coordinator: &'static str,
    /// What else replication is told, where it takes it, and whether read repair comes before the reply.
    more: Index,
    mode: &'static str,
}

impl Layout {
    pub(crate) fn configs(&self) -> impl Iterator<Item = Config> + '_ {
        let replication = self.replication.get(replication::ENTRIES);
        let configs = versioning::ENTRIES.iter();
        configs.map(move |versioning| self.config(versioning, replication))
    }

    fn config(
        &self,
        versioning: &Entry<versioning::Build>,
        replication: &Entry<replication::Build>,
    ) -> Config {
        let mut replicating = choice(replication, self.shape);
        let mut placed = replicating.options.clone();
        let n = self.shape.n;
        let more = [
            json!({}),
            json!({ "read_set": "quorum", "not_found_ok": false }),
            json!({ "read_set": "digest", "node_confirms": n }),
            json!({ "read_set": "speculative", "speculate_after": "1ms" }),
            json!({ "not_found_ok": false, "primary_read": n, "primary_write": 1 }),
            json!({ "preferred_reads": n, "preferred_within": "5ms", "failed_write": "hint" }),
        ];
        placed.extend(
            self.more
                .get(&more)
                .as_object()
                .cloned()
                .unwrap_or_default(),
        );
        placed.insert("coordinator".to_owned(), self.coordinator.into());
        if (replication.resolve)(&placed).is_ok() {
            replicating.options = placed;
        }
        let Shape {
            nodes, gateways, ..
        } = self.shape;
        // Those that need no folder.
        let storages = storage::ENTRIES.iter().filter(|entry| {
            let options = options(entry, self.shape);
            (entry.build)(&options, NodeId::node(1), None).is_ok()
        });
        let storages: Vec<_> = storages.collect();
        let repairs = repair::ENTRIES
            .iter()
            .zip(&self.repairs)
            .filter(|(_, chosen)| **chosen);
        Config {
            seed: self.seed,
            nodes: (1..=nodes).map(NodeId::node).collect(),
            gateways: (1..=gateways).map(NodeId::gateway).collect(),
            partitioner: choice(self.partitioner.get(partitioner::ENTRIES), self.shape),
            versioning: choice(versioning, self.shape),
            membership: choice(self.membership.get(membership::ENTRIES), self.shape),
            replication: replicating,
            repair: repairs.map(|(entry, _)| self.repair(entry)).collect(),
            deletion: choice(self.deletion.get(deletion::ENTRIES), self.shape),
            storage: choice(*self.storage.get(&storages), self.shape),
            spares: Vec::new(),
            handover: Default::default(),
            admission: Default::default(),
            limits: Limits {
                // Enough for all keys, or for one: then the counters of coordinators outside begin anew all the time.
                counters: 1 + u32::from(self.seed.is_multiple_of(2)),
                ..Limits::default()
            },
            detail: Detail::All,
        }
    }

    fn repair(&self, entry: &Entry<repair::Build>) -> Choice {
        let mut choice = choice(entry, self.shape);
        let mode = ("mode".to_owned(), self.mode.into());
        let timed = choice.options.clone().into_iter().chain([mode]).collect();
        if (entry.resolve)(&timed).is_ok() {
            choice.options = timed;
        }
        choice
    }
}

fn choice<B>(entry: &Entry<B>, shape: Shape) -> Choice {
    Choice {
        kind: entry.name.to_owned(),
        options: options(entry, shape),
    }
}

/// What the strategies of a cluster promise together.
pub(crate) fn promises(config: &Config) -> BTreeSet<Promise> {
    fn of<B>(entries: &[Entry<B>], choice: &Choice) -> &'static [Promise] {
        let mut entries = entries.iter();
        entries
            .find(|entry| entry.name == choice.kind)
            .map_or(&[], |entry| entry.promises)
    }
    let mut promises = BTreeSet::new();
    promises.extend(of(versioning::ENTRIES, &config.versioning));
    promises.extend(of(replication::ENTRIES, &config.replication));
    promises.extend(of(deletion::ENTRIES, &config.deletion));
    promises.extend(
        config
            .repair
            .iter()
            .flat_map(|choice| of(repair::ENTRIES, choice)),
    );
    // Clocks that leave with their tombstones are counted again, and what has returned is not where it was read.
    if !promises.contains(&Promise::DeletesForGood) {
        promises.remove(&Promise::KeepsConcurrent);
        promises.remove(&Promise::SupersedesWhatWasRead);
    }
    promises
}

pub(crate) fn layout() -> impl Strategy<Value = Layout> {
    let shape = (3..6u16, 1..3u16, 1..4usize).prop_flat_map(|(nodes, gateways, n)| {
        (1..=n, 1..=n).prop_map(move |(r, w)| Shape {
            nodes,
            gateways,
            n,
            r,
            w,
        })
    });
    let repairs = prop::collection::vec(any::<bool>(), repair::ENTRIES.len());
    let coordinator = prop::sample::select(&["any", "any", "first", "gateway"][..]);
    let mode = prop::sample::select(&["asynchronous", "blocking"][..]);
    (
        shape,
        any::<u64>(),
        any::<[Index; 6]>(),
        repairs,
        coordinator,
        mode,
    )
        .prop_map(
            |(
                shape,
                seed,
                [
                    partitioner,
                    membership,
                    replication,
                    storage,
                    deletion,
                    more,
                ],
                repairs,
                coordinator,
                mode,
            )| {
                Layout {
                    shape,
                    seed,
                    partitioner,
                    membership,
                    replication,
                    storage,
                    deletion,
                    repairs,
                    coordinator,
                    more,
                    mode,
                }
            },
        )
}
