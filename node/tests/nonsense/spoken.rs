//! What nodes say to each other and are asked in four stores, recorded; and what none of them would ever say.

use crate::harness::{Cluster, Parcel, choice_of, config, delete, get, put, replies};
use crate::{SHAPE, SPARE};
use bytes::Bytes;
use prost::Message as _;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::time::Duration;
use tidemark_node::config::Config;
use tidemark_node::partitioner::{Change, Roster};
use tidemark_node::replica::{Input, Output};
use tidemark_node::request::{Reply, Ticket};
use tidemark_node::roll::{Roll, Step, UnderWay};
use tidemark_node::versioning::Versions;
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::message::{Message, Method};
use tidemark_proto::wire::{self, StoredVersion, sweep::Body};

/// A store, and what its nodes say to each other and are asked.
pub(crate) struct Store {
    pub(crate) config: Config,
    pub(crate) corpus: BTreeMap<Method, Vec<Message>>,
    /// The classes that its nodes said something of by themselves.
    pub(crate) heard: BTreeSet<Method>,
    pub(crate) bodies: Vec<Bytes>,
    pub(crate) requests: Vec<Bytes>,
}

impl Store {
    fn new(choices: Value) -> Self {
        let mut config = config(SHAPE, json!({}), &[]);
        config.spares = vec![SPARE];
        config.handover.batch = 2;
        let mut table = serde_json::to_value(&config).expect("it is a table");
        for (seam, choice) in choices.as_object().expect("a table of seams") {
            table[seam] = choice.clone();
        }
        let config: Config = serde_json::from_value(table).expect("a configuration");
        let (genuine, requests) = recorded(&config);
        let heard = genuine.iter().map(Message::method).collect();
        let mut corpus: BTreeMap<Method, Vec<Message>> = BTreeMap::new();
        for message in made_up().into_iter().chain(genuine) {
            let own = corpus.entry(message.method()).or_default();
            if own.len() < MOST_OF_A_CLASS && !own.contains(&message) {
                own.push(message);
            }
        }
        let bodies = corpus.values().flatten().map(|message| message.seal().body);
        Self {
            bodies: bodies.collect(),
            config,
            corpus,
            heard,
            requests,
        }
    }
}

/// Stores that between them have every strategy which says something of its own.
pub(crate) static STORES: LazyLock<Vec<Store>> = LazyLock::new(|| {
    let replication = |kind: &str, w: u32, more: Value| {
        let mut choice = json!({ "kind": kind, "n": 2, "r": 1, "w": w });
        let more = more.as_object().cloned().unwrap_or_default();
        choice.as_object_mut().expect("a table").extend(more);
        choice
    };
    let all = json!([{ "kind": "read" }, { "kind": "hint" }, { "kind": "sweep", "leaves": 4, "fanout": 2 }, { "kind": "pull" }]);
    let model = serde_json::to_value(choice_of("model")).expect("a table");
    let stores = [
        json!({ "repair": all, "storage": model, "deletion": { "kind": "after-repair" } }),
        json!({
            "repair": all, "storage": model, "versioning": { "kind": "dotted" }, "membership": { "kind": "swim" },
            "replication": replication("sloppy", 1, json!({ "coordinator": "first" })), "deletion": { "kind": "grace", "after": "2s" },
        }),
        json!({
            "repair": all, "versioning": { "kind": "last-write" }, "membership": { "kind": "heartbeat" },
            "replication": replication("fire-and-forget", 0, json!({})), "deletion": { "kind": "hard" },
        }),
        json!({
            "repair": [{ "kind": "read", "mode": "blocking" }], "versioning": { "kind": "vote" },
            "replication": replication("strict", 2, json!({ "read_set": "digest" })), "deletion": { "kind": "immediate" },
        }),
    ];
    stores.into_iter().map(Store::new).collect()
});

/// What nodes say to each other, and are asked, in a short life with losses, a crash and a change of the members.
fn recorded(config: &Config) -> (Vec<Message>, Vec<Bytes>) {
    let mut story = Story {
        cluster: Cluster::new(config.clone()),
        said: Vec::new(),
        requests: Vec::new(),
        context: Bytes::new(),
        lost: 0,
    };
    for round in 0..3 {
        if round == 1 {
            story.cluster.crash(NodeId::node(2));
            story.wait(40);
        }
        for number in 0..12_u64 {
            story.ask(round, number);
        }
        story.wait(6);
        if round == 1 {
            story.cluster.restart(NodeId::node(2));
            let join = Input::Enrol(Ticket(0), Some(Change::Join(SPARE)));
            drop(story.cluster.handle(NodeId::node(1), join));
        }
        story.wait(40);
    }
    (story.said, story.requests)
}

struct Story {
    cluster: Cluster,
    said: Vec<Message>,
    requests: Vec<Bytes>,
    context: Bytes,
    lost: usize,
}

impl Story {
    fn ask(&mut self, round: u64, number: u64) {
        let operation = OperationId::new(NodeId::client(1), 1 + 100 * round + number);
        let key = match number % 5 {
            1 => "gone".to_owned(),
            _ => format!("key{}", number % 4),
        };
        let node = NodeId::node(1 + u16::try_from(number % 3).expect("it is small"));
        let (bits, context) = (operation.bits(), self.context.clone());
        let request = match number % 5 {
            0 => {
                let request = wire::GetRequest {
                    key: key.clone(),
                    operation: bits,
                    ..Default::default()
                };
                self.requests.push(request.encode_to_vec().into());
                get(operation, &key, None)
            }
            1 => {
                let request = wire::DeleteRequest {
                    key: key.clone(),
                    operation: bits,
                    context: context.clone(),
                    ..Default::default()
                };
                self.requests.push(request.encode_to_vec().into());
                delete(operation, &key, context)
            }
            _ => {
                let request = wire::PutRequest {
                    key: key.clone(),
                    value: "value".into(),
                    operation: bits,
                    context: context.clone(),
                    ..Default::default()
                };
                self.requests.push(request.encode_to_vec().into());
                put(operation, &key, "value", context)
            }
        };
        let (_, outputs) = self.cluster.ask(node, request);
        self.hear(&outputs);
        self.settle();
    }

    fn wait(&mut self, halves: u32) {
        for _ in 0..halves {
            for (_, outputs) in self.cluster.wait(Duration::from_millis(500)) {
                self.hear(&outputs);
            }
            self.settle();
        }
    }

    /// Delivers what is sent, but for some of it.
    fn settle(&mut self) {
        for _ in 0..2_000 {
            let Some(Parcel { message, .. }) = self.cluster.bag.first() else {
                return;
            };
            self.said.push(message.clone());
            self.lost += 1;
            if self.lost.is_multiple_of(7) {
                self.cluster.bag.remove(0);
            } else {
                let outputs = self.cluster.deliver(0);
                self.hear(&outputs);
            }
        }
    }

    fn hear(&mut self, outputs: &[Output]) {
        for (_, reply) in replies(outputs) {
            if let Reply::Got(answer) | Reply::Written(answer) = reply {
                self.context = answer.context;
            }
        }
    }
}

/// Messages that no node says, all of whose fields are well formed.
fn made_up() -> Vec<Message> {
    let version = |clock: &'static [u8]| StoredVersion {
        clock: Bytes::from_static(clock),
        value: Some("value".into()),
        operation: u64::MAX,
    };
    let several: Versions = vec![version(b""), version(&[0xff; 40]), version(b"")];
    let mut messages = Vec::new();
    for versions in [Versions::new(), several.clone()] {
        for hint_for in [None, Some(1), Some(u32::MAX), Some(u32::from(SPARE.bits()))] {
            messages.push(Message::Store(wire::Store {
                request: u64::MAX,
                key: Bytes::new(),
                versions: versions.clone(),
                operation: u64::MAX,
                hint_for,
                durable: true,
                roll: u64::MAX,
            }));
        }
        messages.push(Message::BulkReply(wire::BulkReply {
            request: 1,
            keys: vec![
                wire::BulkKey {
                    key: Bytes::new(),
                    versions: versions.clone()
                };
                3
            ],
            through: Some(Bytes::new()),
        }));
        messages.push(Message::Move(wire::Move {
            request: u64::MAX,
            keys: vec![
                wire::MoveKey {
                    key: Bytes::new(),
                    versions,
                    digest: 0
                };
                3
            ],
        }));
    }
    messages.push(Message::Forward(Box::default()));
    messages.push(Message::ForwardReply(Box::default()));
    for limit in [0, u32::MAX] {
        let (after, successor) = (Some(Bytes::from_static(b"key1")), true);
        messages.push(Message::Bulk(wire::Bulk {
            request: 0,
            after,
            limit,
            successor,
        }));
    }
    let nodes = |nodes: &[u16]| {
        nodes
            .iter()
            .map(|node| NodeId::node(*node))
            .collect::<Vec<_>>()
    };
    let changes = [
        None,
        Some(Change::Leave(NodeId::node(9))),
        Some(Change::Join(NodeId::node(1))),
        Some(Change::Leave(NodeId::node(1))),
        Some(Change::Replace {
            old: NodeId::node(1),
            new: NodeId::client(3),
        }),
    ];
    for number in [0, 1, 7, u64::MAX - 1, u64::MAX] {
        for members in [&[][..], &[1], &[1, 2, 3], &[7, 8, 9], &[1, 1, 2]] {
            for change in changes {
                let step = if number == 1 {
                    Step::Settling
                } else {
                    Step::Moving
                };
                let under_way = change.map(|change| UnderWay { change, step });
                let roll = Roll {
                    number,
                    roster: Roster::of(nodes(members)),
                    under_way,
                };
                messages.push(Message::Members(wire::Members {
                    roll: roll.to_bytes().into(),
                }));
            }
        }
        messages.push(Message::MembersReply(wire::MembersReply {
            number,
            moved: true,
        }));
    }
    let hashes = |level, nodes: Vec<u32>, hashes| {
        Body::Hashes(wire::SweepHashes {
            level,
            nodes,
            hashes,
        })
    };
    let keys = |leaves: Vec<u32>, names: &[&'static str]| {
        let key = |name: &&'static str| wire::SweepKey {
            key: Bytes::from_static(name.as_bytes()),
            digest: 1,
        };
        Body::Keys(wire::SweepKeys {
            leaves,
            after: Some("key3".into()),
            through: Some("key0".into()),
            keys: names.iter().map(key).collect(),
        })
    };
    let bodies = [
        None,
        Some(hashes(u32::MAX, vec![0, u32::MAX], vec![1])),
        Some(hashes(0, vec![0, 0, 0, 1], vec![1, 2, 3, 4])),
        Some(hashes(1, Vec::new(), vec![1])),
        Some(keys(vec![u32::MAX, 0], &["key2", "key1", "key1", ""])),
        Some(keys(Vec::new(), &[])),
        Some(Body::Differing(wire::SweepDiffering {
            nodes: vec![u32::MAX, 0, 0],
        })),
        Some(Body::Missing(wire::SweepMissing {
            keys: vec!["key1".into(); 3],
            compared: u64::MAX,
            through: Some(Bytes::new()),
        })),
        Some(Body::Value(wire::SweepValue {
            key: Bytes::new(),
            versions: several,
        })),
    ];
    let all: Vec<u32> = nodes(&[1, 2, 3])
        .iter()
        .map(|node| u32::from(node.bits()))
        .collect();
    for body in bodies {
        for replicas in [Vec::new(), vec![u32::MAX], vec![all[0]; 4], all.clone()] {
            for step in [0, 1, u32::MAX] {
                let body = body.clone();
                messages.push(Message::Sweep(Box::new(wire::Sweep {
                    exchange: 1,
                    step,
                    replicas: replicas.clone(),
                    body,
                })));
            }
        }
    }
    messages
}

const MOST_OF_A_CLASS: usize = 150;
