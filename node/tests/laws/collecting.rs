//! Laws of deletion, over whole clusters: what is not deleted stays, and what may be collected is.

use crate::SHAPE;
use crate::harness::{Cluster, config, delete, get, put, replies, tries};
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;
use tidemark_node::config::Choice;
use tidemark_node::deletion::{self, Build};
use tidemark_node::request::Reply;
use tidemark_node::versioning::Versions;
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::registry::{Entry, Options, Promise};

proptest! {
    #![proptest_config(tries())]

    /// If this fails, a strategy takes a key that nobody deleted, keeps tombstones that it should collect, or collects
    /// those that it promises to keep.
    #[test]
    fn tombstones_leave_and_nothing_else(
        writes in prop::collection::vec((0..KEYS, prop::bool::weighted(0.4), 1..=SHAPE.nodes), 0..20),
    ) {
        for entry in deletion::ENTRIES {
            let mut cluster = cluster(entry);
            let mut contexts: BTreeMap<u8, Bytes> = BTreeMap::new();
            for (number, (key, is_delete, node)) in (1..).zip(&writes) {
                let operation = OperationId::new(NodeId::client(1), number);
                let seen = contexts.get(key).cloned().unwrap_or_default();
                let request = if *is_delete && !seen.is_empty() {
                    delete(operation, &name(*key), seen)
                } else {
                    put(operation, &name(*key), "value", seen)
                };
                let (_, mut outputs) = cluster.ask(NodeId::node(*node), request);
                outputs.extend(cluster.settle());
                let Some((_, Reply::Written(answer))) = replies(&outputs).pop() else {
                    return Err(TestCaseError::fail("a write is not answered"));
                };
                contexts.insert(*key, answer.context);
            }
            let before = held(&cluster);
            // Every strategy has what it collects by: time, and a read of each key that hears from all replicas.
            wait(&mut cluster);
            for key in 0..KEYS {
                let operation = OperationId::new(NodeId::client(2), 1 + u64::from(key));
                drop(cluster.ask(NodeId::node(1), get(operation, &name(key), None)));
                cluster.settle();
            }
            let keeps = entry.promises.contains(&Promise::DeletesForGood);
            let is_deleted = |versions: &Versions| versions.iter().all(|one| one.value.is_none());
            for (place, versions) in held(&cluster) {
                let was = &before[&place];
                let expected = if is_deleted(was) && !keeps { &Versions::new() } else { was };
                prop_assert_eq!(&versions, expected, "{} at {:?}", entry.name, place);
            }
        }
    }
}

/// If this fails, a plan asks for rounds that never end.
#[test]
fn rounds_that_get_nowhere_are_refused() {
    for kind in ["grace", "after-repair"] {
        let entry = deletion::ENTRIES.iter().find(|entry| entry.name == kind);
        for (option, value) in [("every", json!("0s")), ("keys", json!(0))] {
            let options = table(json!({ "pace": { option: value } }));
            let error = (entry.expect("it is listed").build)(&options, crate::harness::SEAT).err();
            let reason = error.map(|error| error.told());
            let expected = format!("pace.{option} is 0; no round would ever end");
            assert_eq!(reason, Some(expected), "{kind}");
        }
    }
}

/// A cluster whose rounds take several looks and, with a grace, wait for one tombstone at a time.
fn cluster(entry: &Entry<Build>) -> Cluster {
    let pace = json!({ "every": "1s", "keys": 2 });
    let candidates = [
        json!({ "pace": pace, "after": "2s", "waiting": 1 }),
        json!({ "pace": pace }),
        json!({}),
    ];
    let mut tables = candidates.map(table).into_iter();
    let mut config = config(SHAPE, json!({}), &["read"]);
    config.deletion = Choice {
        kind: entry.name.to_owned(),
        options: tables
            .find(|options| (entry.resolve)(options).is_ok())
            .expect("the entry takes one of them"),
    };
    Cluster::new(config)
}

/// Lets time pass, and what is sent meanwhile arrive.
fn wait(cluster: &mut Cluster) {
    for _ in 0..10 * u64::from(KEYS) {
        drop(cluster.wait(Duration::from_secs(1)));
        cluster.settle();
    }
}

/// What each node holds of each key.
fn held(cluster: &Cluster) -> BTreeMap<(NodeId, u8), Versions> {
    let nodes = cluster.config.nodes.iter();
    let places = nodes.flat_map(|node| (0..KEYS).map(|key| (*node, key)));
    places
        .map(|(node, key)| ((node, key), cluster.held(node, &name(key))))
        .collect()
}

fn name(key: u8) -> String {
    format!("key {key}")
}

fn table(options: serde_json::Value) -> Options {
    options.as_object().cloned().expect("options are a table")
}

const KEYS: u8 = 5;
