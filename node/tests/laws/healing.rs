//! Laws of repair strategies: what promises to make replicas equal does so, whatever they hold and whatever is lost on
//! the way, and then says nothing of keys any more.

use crate::SHAPE;
use crate::harness::{Cluster, Shape, choice_of, config, options, put, tries};
use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::Config as ProptestConfig;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use tidemark_node::config::{Choice, Config};
use tidemark_node::replica::Input;
use tidemark_node::{repair, versioning};
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::message::Message;
use tidemark_proto::registry::{Entry, Promise};
use tidemark_proto::wire::sweep::Body;

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..tries() })]

    /// If this fails, replicas stay different for ever, or go on sending each other what they have.
    #[test]
    fn what_promises_to_converge_does_and_says_nothing_of_keys_afterwards(
        writes in prop::collection::vec(write(), 1..30),
        losses in prop::collection::vec(any::<bool>(), 0..100),
        (leaves, fanout, batch) in (0..11u32, 1..6u32, prop::sample::select(&[1, 2, 100][..])),
        others in prop::collection::vec(any::<bool>(), repair::ENTRIES.len()),
    ) {
        for versioning in versioning::ENTRIES {
            for entry in promising(Promise::Converges) {
                let mut config = cluster_of(WIDE, versioning);
                let fine = json!({ "leaves": 1 << leaves, "fanout": 1 << fanout, "batch": batch });
                let chosen = repair::ENTRIES.iter().zip(&others);
                let chosen = chosen.filter(|(other, chosen)| **chosen || other.name == entry.name);
                config.repair = chosen.map(|(other, _)| with(other, &fine)).collect();
                let mut cluster = Cluster::new(config);
                diverge(&mut cluster, &writes);
                lose(&mut cluster, &losses);
                heal(&mut cluster)?;
                for key in (0..KEYS).map(name) {
                    let replicas = cluster.replicas(&key, WIDE.n);
                    let held = replicas.iter().map(|node| cluster.held(*node, &key));
                    let held: BTreeSet<_> = held.map(|held| format!("{held:?}")).collect();
                    prop_assert_eq!(held.len(), 1, "{} {}: {:#?}", entry.name, versioning.name, held);
                }
                let said = heal(&mut cluster)?;
                let of_keys = said.iter().find(|message| is_of_keys(message));
                prop_assert_eq!(of_keys, None, "{} over {}", entry.name, versioning.name);
            }
        }
    }

    /// If this fails, a hint never reaches its node, dies with the process that keeps it, or is delivered for ever.
    #[test]
    fn hints_reach_their_node_whatever_is_lost(
        writes in prop::collection::vec((0..KEYS, any::<bool>()), 1..10),
        losses in prop::collection::vec(any::<bool>(), 0..30),
        crash: bool,
    ) {
        let [writer, keeper, target] = [1, 2, 3].map(NodeId::node);
        for versioning in versioning::ENTRIES {
            for entry in promising(Promise::DeliversHints) {
                let mut config = cluster_of(SHAPE, versioning);
                config.repair = vec![with(entry, &json!({}))];
                config.storage = choice_of("model");
                let mut cluster = Cluster::new(config);
                let mut hinted = BTreeSet::new();
                for (number, (key, hints)) in (1..).zip(&writes) {
                    let operation = OperationId::new(NodeId::client(1), number);
                    drop(cluster.ask(writer, put(operation, &name(*key), "a", Bytes::new())));
                    for parcel in std::mem::take(&mut cluster.bag) {
                        if let Message::Store(mut store) = parcel.message
                            && parcel.to == keeper
                            && *hints
                        {
                            store.hint_for = Some(target.bits().into());
                            let store = Input::Message(writer, Message::Store(store));
                            drop(cluster.handle(keeper, store));
                            hinted.insert(*key);
                        }
                    }
                    cluster.bag.clear();
                }
                if crash {
                    cluster.crash(keeper);
                    cluster.restart(keeper);
                }
                lose(&mut cluster, &losses);
                heal(&mut cluster)?;
                for key in 0..KEYS {
                    let held = cluster.held(target, &name(key));
                    prop_assert_eq!(!held.is_empty(), hinted.contains(&key), "{}", versioning.name);
                    prop_assert_eq!(cluster.held(keeper, &name(key)), vec![], "held as its own");
                }
                prop_assert_eq!(heal(&mut cluster)?, vec![], "a hint is delivered again");
            }
        }
    }
}

/// A write, and who hears of it.
#[derive(Clone, Debug)]
struct Write {
    key: u8,
    via: u16,
    heard: Vec<bool>,
    waits: bool,
}

fn write() -> impl Strategy<Value = Write> {
    let heard = prop::collection::vec(any::<bool>(), usize::from(WIDE.nodes));
    (0..KEYS, 1..=WIDE.nodes, heard, any::<bool>()).prop_map(|(key, via, heard, waits)| Write {
        key,
        via,
        heard,
        waits,
    })
}

/// Replicas come to hold what they do because the others' stores were lost.
fn diverge(cluster: &mut Cluster, writes: &[Write]) {
    for (number, write) in (1..).zip(writes) {
        let operation = OperationId::new(NodeId::client(1), number);
        let value = operation.to_string();
        let put = put(operation, &name(write.key), &value, Bytes::new());
        drop(cluster.ask(NodeId::node(write.via), put));
        if write.waits {
            cluster.wait(Duration::from_millis(1));
        }
        for parcel in std::mem::take(&mut cluster.bag) {
            let is_heard = write.heard[usize::from(parcel.to.number()) - 1];
            if matches!(parcel.message, Message::Store(_)) && is_heard {
                drop(cluster.handle(parcel.to, Input::Message(parcel.from, parcel.message)));
            }
        }
        cluster.bag.clear();
    }
}

/// Messages are lost as it is written down.
fn lose(cluster: &mut Cluster, losses: &[bool]) {
    for is_lost in losses {
        if cluster.bag.is_empty() {
            cluster.wait(Duration::from_millis(100));
        } else if *is_lost {
            cluster.bag.remove(0);
        } else {
            drop(cluster.deliver(0));
        }
    }
}

/// Everything is delivered for a while: all that was said.
fn heal(cluster: &mut Cluster) -> Result<Vec<Message>, TestCaseError> {
    let mut said = Vec::new();
    for _ in 0..40 {
        while !cluster.bag.is_empty() {
            said.push(cluster.bag[0].message.clone());
            drop(cluster.deliver(0));
            prop_assert!(said.len() < 100_000, "they talk without end");
        }
        cluster.wait(Duration::from_millis(500));
    }
    Ok(said)
}

/// Whether a message says more than that trees are equal.
fn is_of_keys(message: &Message) -> bool {
    match message {
        Message::Sweep(sweep) => match &sweep.body {
            Some(Body::Hashes(hashes)) => hashes.level > 0,
            Some(Body::Differing(answer)) => !answer.nodes.is_empty(),
            Some(Body::Keys(_) | Body::Missing(_) | Body::Value(_)) | None => true,
        },
        Message::Gossip(_) => false,
        _ => true,
    }
}

fn promising(promise: Promise) -> impl Iterator<Item = &'static Entry<repair::Build>> {
    let entries = repair::ENTRIES.iter();
    entries.filter(move |entry| entry.promises.contains(&promise))
}

/// An entry with those of some options that it has.
fn with(entry: &Entry<repair::Build>, some: &Value) -> Choice {
    let all = options(entry, SHAPE);
    let resolved = (entry.resolve)(&all).expect("they are the entry's");
    let mut choice = choice_of(entry.name);
    let some = some.as_object().into_iter().flatten();
    let known = some.filter(|(name, _)| resolved.contains_key(*name));
    choice.options = known
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    choice
}

fn cluster_of(shape: Shape, versioning: &Entry<versioning::Build>) -> Config {
    let mut config = config(shape, json!({}), &[]);
    config.versioning = choice_of(versioning.name);
    config.versioning.options = options(versioning, shape);
    config
}

fn name(key: u8) -> String {
    format!("key {key}")
}

const WIDE: Shape = Shape { nodes: 5, ..SHAPE };
const KEYS: u8 = 6;
