//! Laws of the whole node about what peers send: the core never fails on it.

use crate::SHAPE;
use crate::harness::{Cluster, SEAT, config, get, options, put, tries};
use bytes::Bytes;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::json;
use std::time::Duration;
use tidemark_node::config::Choice;
use tidemark_node::repair;
use tidemark_node::replica::Input;
use tidemark_node::versioning::{self, Versions};
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::message::Message;
use tidemark_proto::registry::Entry;
use tidemark_proto::wire::{self, sweep::Body};

proptest! {
    #![proptest_config(tries())]

    /// If this fails, a peer that is out of its mind stops a node, or makes it hold what its peers would refuse.
    #[test]
    fn whatever_peers_send_a_node_goes_on(acts in prop::collection::vec(act(), 0..40)) {
        for entry in versioning::ENTRIES {
            let clocks = (entry.build)(&options(entry, SHAPE), SEAT).expect("the entry builds");
            let mut cluster = cluster(entry);
            for (number, act) in (1..).zip(&acts) {
                let operation = OperationId::new(NodeId::client(1), number);
                let waiting = cluster.bag.len();
                match act {
                    Act::Get(via) => drop(cluster.ask(*via, get(operation, KEY, None))),
                    Act::Put(via) => drop(cluster.ask(*via, put(operation, KEY, "a", Bytes::new()))),
                    Act::Deliver(_, _) if waiting == 0 => {}
                    Act::Deliver(index, None) => drop(cluster.deliver(index.index(waiting))),
                    Act::Deliver(index, Some(damage)) => {
                        let index = index.index(waiting);
                        damage.inflict(&mut cluster.bag[index].message);
                        drop(cluster.deliver(index));
                    }
                    Act::Invent(to, message) => {
                        let from = NodeId::node(1);
                        drop(cluster.handle(*to, Input::Message(from, message.clone())));
                    }
                }
                for node in cluster.ids() {
                    let held = cluster.held(node, KEY);
                    prop_assert!(clocks.accepts_versions(&held), "{}: {held:?}", entry.name);
                }
            }
            cluster.settle();
            cluster.wait(Duration::from_secs(60));
            cluster.settle();
        }
    }
}

#[derive(Clone, Debug)]
enum Act {
    Get(NodeId),
    Put(NodeId),
    /// One of the messages on their way arrives, perhaps damaged.
    Deliver(Index, Option<Damage>),
    /// A message arrives that nobody had reason to send.
    Invent(NodeId, Message),
}

/// Bytes of a clock are replaced, at a place.
#[derive(Clone, Debug)]
struct Damage {
    version: Index,
    at: Index,
    junk: Vec<u8>,
}

impl Damage {
    fn inflict(&self, message: &mut Message) {
        let versions: &mut Versions = match message {
            Message::Store(store) => &mut store.versions,
            Message::FetchReply(reply) => &mut reply.versions,
            Message::Repair(repair) => &mut repair.versions,
            Message::Handoff(hint) => &mut hint.versions,
            Message::Move(page) => match page.keys.first_mut() {
                Some(key) => &mut key.versions,
                None => return,
            },
            Message::BulkReply(reply) => match reply.keys.first_mut() {
                Some(key) => &mut key.versions,
                None => return,
            },
            Message::Sweep(sweep) => match &mut sweep.body {
                Some(Body::Value(value)) => &mut value.versions,
                Some(_) | None => return,
            },
            Message::StoreReply(_)
            | Message::Fetch(_)
            | Message::HandoffReply(_)
            | Message::Gossip(_)
            | Message::Collect(_)
            | Message::Bulk(_)
            | Message::Members(_)
            | Message::MembersReply(_)
            | Message::MoveReply(_)
            | Message::Forward(_)
            | Message::ForwardReply(_) => return,
        };
        if versions.is_empty() {
            return;
        }
        let version = self.version.index(versions.len());
        let mut clock = versions[version].clock.to_vec();
        let start = self.at.index(clock.len() + 1);
        let end = clock.len().min(start + self.junk.len());
        clock.splice(start..end, self.junk.iter().copied());
        versions[version].clock = clock.into();
    }
}

fn act() -> impl Strategy<Value = Act> {
    let node = || (1..=SHAPE.nodes).prop_map(NodeId::node);
    let damage = (
        any::<Index>(),
        any::<Index>(),
        prop::collection::vec(junk(), 0..8),
    )
        .prop_map(|(version, at, junk)| Damage { version, at, junk });
    let deliver = (any::<Index>(), prop::option::weighted(0.3, damage));
    prop_oneof![
        2 => node().prop_map(Act::Get),
        2 => node().prop_map(Act::Put),
        6 => deliver.prop_map(|(index, damage)| Act::Deliver(index, damage)),
        4 => (node(), message()).prop_map(|(to, message)| Act::Invent(to, message)),
    ]
}

/// Messages with numbers that requests in flight may have, and clocks that may be none.
fn message() -> impl Strategy<Value = Message> {
    let number = prop_oneof![0..3u64, (1..4u64).prop_map(|used| used << 32), any::<u64>()];
    let operation = prop_oneof![
        Just(OperationId::NONE),
        (1..40u64).prop_map(|sequence| OperationId::new(NodeId::client(1), sequence)),
    ];
    let key = prop::sample::select(&["", KEY][..]).prop_map(Bytes::from);
    let clock = prop::collection::vec(junk(), 0..48);
    let version = (clock, any::<bool>(), any::<u64>()).prop_map(|(clock, value, operation)| {
        let value = value.then(|| Bytes::from_static(b"value"));
        wire::StoredVersion {
            clock: clock.into(),
            value,
            operation,
        }
    });
    let versions = prop::collection::vec(version, 0..3);
    (0..18u8, number, operation, key, versions).prop_map(
        |(class, request, operation, key, versions)| {
            let operation = operation.bits();
            let refusal = (request % 3 == 0).then(wire::Refusal::default);
            match class {
                0 => Message::Store(wire::Store {
                    request,
                    key,
                    versions,
                    operation,
                    hint_for: None,
                    durable: request % 2 == 1,
                    roll: request,
                }),
                1 => Message::StoreReply(wire::StoreReply {
                    request,
                    operation,
                    refusal,
                    durable: true,
                }),
                2 => Message::Fetch(wire::Fetch {
                    request,
                    key,
                    operation,
                    digest: request % 2 == 1,
                    roll: request,
                }),
                3 => Message::FetchReply(wire::FetchReply {
                    request,
                    versions,
                    operation,
                    refusal,
                    digest: (request % 2 == 1).then_some(request),
                }),
                4 => Message::Forward(Box::new(wire::Forward {
                    request,
                    call: None,
                })),
                5 => {
                    let reply = wire::ForwardReply {
                        request,
                        operation,
                        result: None,
                    };
                    Message::ForwardReply(Box::new(reply))
                }
                6 => Message::Repair(wire::Repair {
                    key,
                    versions,
                    operation,
                    request,
                }),
                7 => Message::Handoff(wire::Handoff {
                    request,
                    key,
                    versions,
                    operation,
                }),
                8 => Message::HandoffReply(wire::HandoffReply { request, operation }),
                9 => Message::Gossip(wire::Gossip { body: key }),
                10 => Message::Sweep(Box::new(wire::Sweep {
                    exchange: request,
                    step: request as u32,
                    replicas: vec![1, 2, (request % 5) as u32 * 0x4001],
                    body: sweep(request, key, versions),
                })),
                11 => Message::Bulk(wire::Bulk {
                    request,
                    after: Some(key),
                    limit: request as u32,
                    successor: false,
                }),
                12 => Message::Collect(wire::Collect {
                    key,
                    digest: operation,
                    step: request as i32,
                }),
                13 => Message::BulkReply(wire::BulkReply {
                    request,
                    keys: vec![wire::BulkKey {
                        key: key.clone(),
                        versions,
                    }],
                    through: Some(key),
                }),
                14 => Message::Members(wire::Members { roll: key }),
                15 => Message::MembersReply(wire::MembersReply {
                    number: request,
                    moved: operation > 0,
                }),
                16 => Message::Move(wire::Move {
                    request,
                    keys: vec![wire::MoveKey {
                        key,
                        versions,
                        digest: operation,
                    }],
                }),
                _ => Message::MoveReply(wire::MoveReply {
                    request,
                    wanted: vec![key],
                }),
            }
        },
    )
}

fn sweep(number: u64, key: Bytes, versions: Versions) -> Option<Body> {
    let nodes = vec![number as u32, (number >> 32) as u32, 1];
    Some(match number % 6 {
        0 => Body::Hashes(wire::SweepHashes {
            level: number as u32,
            hashes: vec![number; nodes.len()],
            nodes,
        }),
        1 => Body::Differing(wire::SweepDiffering { nodes }),
        2 => Body::Keys(wire::SweepKeys {
            leaves: nodes,
            after: Some(key.clone()),
            through: Some(key.clone()),
            keys: vec![wire::SweepKey {
                key,
                digest: number,
            }],
        }),
        3 => Body::Missing(wire::SweepMissing {
            keys: vec![key.clone()],
            compared: number,
            through: Some(key),
        }),
        4 => Body::Value(wire::SweepValue { key, versions }),
        _ => return None,
    })
}

fn junk() -> impl Strategy<Value = u8> {
    prop_oneof![Just(0), Just(1), Just(0xff), any::<u8>()]
}

fn cluster(entry: &Entry<versioning::Build>) -> Cluster {
    let repairs: Vec<_> = repair::ENTRIES.iter().map(|entry| entry.name).collect();
    let mut config = config(SHAPE, json!({}), &repairs);
    config.versioning = Choice {
        kind: entry.name.to_owned(),
        options: options(entry, SHAPE),
    };
    Cluster::new(config)
}

const KEY: &str = "key";
