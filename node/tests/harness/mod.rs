//! A cluster in one place: replicas, virtual time, and a bag in which messages wait until a test decides their fate.

#![allow(dead_code, reason = "each test file uses the part it needs")]

use bytes::Bytes;
use proptest::test_runner::{Config as ProptestConfig, RngSeed};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use tidemark_node::config::{self, Choice, Config, Limits};
use tidemark_node::handover::HandoverOptions;
use tidemark_node::membership::Seat;
use tidemark_node::replica::{Input, Output, Replica};
use tidemark_node::request::{Call, ReadNeeds, Reply, Request, Siblings, Ticket, WriteNeeds};
use tidemark_node::storage::{Damage, Kept, Storage};
use tidemark_node::versioning::Versions;
use tidemark_proto::event::Detail;
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::message::Message;
use tidemark_proto::registry::{Entry, Options};
use tidemark_proto::time::{Now, Timestamp, nanoseconds};

/// Replicas and gateways, and the messages between them.
pub(crate) struct Cluster {
    pub(crate) config: Config,
    pub(crate) elapsed: Duration,
    /// Messages on their way, in the order in which they were sent.
    pub(crate) bag: Vec<Parcel>,
    /// How far the wall clocks of some are ahead of the others'.
    pub(crate) ahead: BTreeMap<NodeId, Duration>,
    members: BTreeMap<NodeId, Member>,
    tickets: u64,
}

/// A message on its way.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Parcel {
    pub(crate) from: NodeId,
    pub(crate) to: NodeId,
    pub(crate) message: Message,
}

struct Member {
    life: u32,
    state: State,
}

enum State {
    Up(Box<Replica>),
    Down(Box<dyn Storage>),
}

impl Cluster {
    pub(crate) fn new(config: Config) -> Self {
        let nodes = config.nodes.iter().chain(&config.spares);
        let members = nodes.chain(&config.gateways).map(|id| {
            let storage = config::simulated_storage(&config, *id).expect("the storage builds");
            let replica = Replica::new(&config, *id, 1, storage).expect("the node builds");
            let state = State::Up(Box::new(replica));
            (*id, Member { life: 1, state })
        });
        Self {
            members: members.collect(),
            config,
            elapsed: Duration::ZERO,
            bag: Vec::new(),
            ahead: BTreeMap::new(),
            tickets: 0,
        }
    }

    /// Nodes, then gateways.
    pub(crate) fn ids(&self) -> Vec<NodeId> {
        self.members.keys().copied().collect()
    }

    /// The first `n` nodes of a key's preference list.
    pub(crate) fn replicas(&self, key: &str, n: usize) -> Vec<NodeId> {
        let partitioner = config::partitioner(&self.config).expect("the partitioner builds");
        partitioner.preference(key.as_bytes(), n).to_vec()
    }

    /// What a node holds of a key, whether it is up or down.
    pub(crate) fn held(&self, node: NodeId, key: &str) -> Versions {
        self.held_or_damaged(node, key).expect("nothing is damaged")
    }

    /// The same of a key whose record may be damaged.
    pub(crate) fn held_or_damaged(&self, node: NodeId, key: &str) -> Result<Versions, Damage> {
        let storage = match &self.members[&node].state {
            State::Up(replica) => replica.storage(),
            State::Down(storage) => &**storage,
        };
        storage.load(key.as_bytes())
    }

    /// A node's disk, whether it is up or down.
    pub(crate) fn disk(&mut self, node: NodeId) -> &mut dyn Storage {
        let member = self.members.get_mut(&node).expect("the cluster has it");
        match &mut member.state {
            State::Up(replica) => replica.disk(),
            State::Down(storage) => &mut **storage,
        }
    }

    /// Hands an input to a node; what it sends goes into the bag too. A node that is down hears nothing.
    pub(crate) fn handle(&mut self, node: NodeId, input: Input) -> Vec<Output> {
        let ahead = self.ahead.get(&node).copied().unwrap_or_default();
        let now = Now::at(Timestamp(nanoseconds(ahead)), self.elapsed);
        let member = self.members.get_mut(&node).expect("the cluster has it");
        let State::Up(replica) = &mut member.state else {
            return Vec::new();
        };
        let outputs = replica.handle(now, input);
        replica.end_batch(self.elapsed).expect("the engine works");
        for output in &outputs {
            if let Output::Send(to, message) = output {
                self.bag.push(Parcel {
                    from: node,
                    to: *to,
                    message: message.clone(),
                });
            }
        }
        outputs
    }

    /// A client asks a node.
    pub(crate) fn ask(&mut self, node: NodeId, request: Request) -> (Ticket, Vec<Output>) {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        (ticket, self.handle(node, Input::Request(ticket, request)))
    }

    /// Delivers one message of the bag.
    pub(crate) fn deliver(&mut self, index: usize) -> Vec<Output> {
        let Parcel { from, to, message } = self.bag.remove(index);
        self.handle(to, Input::Message(from, message))
    }

    /// Delivers everything in the order sent, and what is sent meanwhile.
    pub(crate) fn settle(&mut self) -> Vec<Output> {
        let mut outputs = Vec::new();
        while !self.bag.is_empty() {
            outputs.extend(self.deliver(0));
        }
        outputs
    }

    /// Lets time pass; every alarm rings when it is due.
    pub(crate) fn wait(&mut self, time: Duration) -> Vec<(NodeId, Vec<Output>)> {
        let end = self.elapsed + time;
        let mut rung = Vec::new();
        while let Some((due, node)) = self.next_alarm().filter(|(due, _)| *due <= end) {
            self.elapsed = due.max(self.elapsed);
            rung.push((node, self.handle(node, Input::Timeout)));
        }
        self.elapsed = end;
        rung
    }

    /// A node dies; its storage keeps what it can. A node that is down stays so.
    pub(crate) fn crash(&mut self, node: NodeId) -> Option<Kept> {
        let Member { life, state } = self.members.remove(&node)?;
        let (storage, kept) = match state {
            State::Up(replica) => {
                let (storage, kept) = replica.crash();
                (storage, Some(kept))
            }
            State::Down(storage) => (storage, None),
        };
        let state = State::Down(storage);
        self.members.insert(node, Member { life, state });
        kept
    }

    /// A node that is down starts its next life on what its storage kept.
    pub(crate) fn restart(&mut self, node: NodeId) -> u32 {
        let Member { life, state } = self.members.remove(&node).expect("the cluster has it");
        let State::Down(storage) = state else {
            panic!("{node} is not down");
        };
        let life = life + 1;
        let replica = Replica::new(&self.config, node, life, storage).expect("the node builds");
        let state = State::Up(Box::new(replica));
        self.members.insert(node, Member { life, state });
        life
    }

    fn next_alarm(&self) -> Option<(Duration, NodeId)> {
        let alarms = self
            .members
            .iter()
            .filter_map(|(id, member)| match &member.state {
                State::Up(replica) => Some((replica.next_timeout()?, *id)),
                State::Down(_) => None,
            });
        alarms.min()
    }
}

/// The first life of a first node.
pub(crate) const SEAT: Seat = Seat {
    seed: 1,
    id: NodeId::node(1),
    life: 1,
};

/// What a cluster is made of, but for its strategies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) nodes: u16,
    pub(crate) gateways: u16,
    pub(crate) n: usize,
    pub(crate) r: usize,
    pub(crate) w: usize,
}

/// A cluster in the manner of Dynamo's paper; `replication` is completed with the shape's quorums.
pub(crate) fn config(shape: Shape, replication: Value, repair: &[&str]) -> Config {
    let Shape {
        nodes,
        gateways,
        n,
        r,
        w,
    } = shape;
    let mut replication = replication;
    for (name, value) in [("n", n), ("r", r), ("w", w)] {
        replication[name] = json!(value);
    }
    Config {
        seed: 1,
        nodes: (1..=nodes).map(NodeId::node).collect(),
        gateways: (1..=gateways).map(NodeId::gateway).collect(),
        partitioner: choice_of("token-ring"),
        versioning: choice_of("vector"),
        membership: choice_of("fixed"),
        replication: Choice {
            kind: "strict".to_owned(),
            options: replication
                .as_object()
                .cloned()
                .expect("options are a table"),
        },
        repair: repair.iter().map(|kind| choice_of(kind)).collect(),
        deletion: choice_of("keep"),
        storage: choice_of("memory"),
        spares: Vec::new(),
        handover: HandoverOptions::default(),
        admission: Default::default(),
        limits: Limits::default(),
        detail: Detail::All,
    }
}

/// A strategy with its defaults.
pub(crate) fn choice_of(kind: &str) -> Choice {
    Choice {
        kind: kind.to_owned(),
        options: Options::new(),
    }
}

/// Options with which an entry can be built: its defaults, or the quorums written out.
pub(crate) fn options<B>(entry: &Entry<B>, shape: Shape) -> Options {
    let Shape { n, r, w, .. } = shape;
    let candidates = [
        json!({}),
        json!({ "n": n, "r": r, "w": w }),
        json!({ "n": n, "r": r, "w": 0 }),
    ];
    let mut tables = candidates
        .into_iter()
        .filter_map(|table| table.as_object().cloned());
    tables
        .find(|table| (entry.resolve)(table).is_ok())
        .unwrap_or_else(|| panic!("{} takes none of the options that tests know", entry.name))
}

/// A read.
pub(crate) fn get(operation: OperationId, key: &str, read_quorum: Option<usize>) -> Request {
    let needs = ReadNeeds {
        quorum: read_quorum.map(number),
        ..ReadNeeds::default()
    };
    request(operation, key, Call::Get { needs })
}

/// A write.
pub(crate) fn put(operation: OperationId, key: &str, value: &str, context: Bytes) -> Request {
    let call = Call::Put {
        value: Bytes::copy_from_slice(value.as_bytes()),
        context,
        needs: WriteNeeds::default(),
        checksum: None,
        siblings: Siblings::Omitted,
    };
    request(operation, key, call)
}

/// A write of a tombstone.
pub(crate) fn delete(operation: OperationId, key: &str, context: Bytes) -> Request {
    let call = Call::Delete {
        context,
        read_quorum: None,
        needs: WriteNeeds::default(),
    };
    request(operation, key, call)
}

/// The replies among outputs.
pub(crate) fn replies(outputs: &[Output]) -> Vec<(Ticket, Reply)> {
    let reply = |output: &Output| match output {
        Output::Reply(ticket, reply) => Some((*ticket, reply.clone())),
        Output::Enrolled(..) | Output::Send(..) | Output::Note(_) => None,
    };
    outputs.iter().filter_map(reply).collect()
}

/// How properties are tried: the same cases on every run, unless PROPTEST_RNG_SEED says otherwise.
pub(crate) fn tries() -> ProptestConfig {
    let default = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    match default.rng_seed {
        RngSeed::Random => ProptestConfig {
            rng_seed: RngSeed::Fixed(1),
            ..default
        },
        RngSeed::Fixed(_) => default,
    }
}

fn request(operation: OperationId, key: &str, call: Call) -> Request {
    let key = Bytes::copy_from_slice(key.as_bytes());
    Request {
        operation,
        key,
        timeout: None,
        call,
    }
}

fn number(quorum: usize) -> u32 {
    u32::try_from(quorum).expect("quorums are small")
}
