//! One node of the store: inputs come in by one way, and what it wants done goes out by one way.

use crate::context::Context;
use crate::membership::{self, Members, Membership};
use crate::partitioner::{self, Partitioner};
use crate::repair::{self, FinishedRead, Repair};
use crate::replication::{self, Replication};
use crate::request::{Reply, Request, Ticket};
use crate::storage::{Kept, Storage};
use crate::versioning::{self, Versioning};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tidemark_proto::event::Event;
use tidemark_proto::id::NodeId;
use tidemark_proto::message::{Message, Method};
use tidemark_proto::registry::{Entry, OptionError, Options, UnknownKind, find};
use tidemark_proto::time::Now;
use tidemark_proto::wire;

/// What comes in.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A client asks; the ticket stands for its open call.
    Request(Ticket, Request),
    /// Another node says something.
    Message(NodeId, Message),
    /// The alarm that [`Replica::next_timeout`] asked for is due.
    Timeout,
}

/// What goes out.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// To the client that holds the ticket.
    Reply(Ticket, Reply),
    /// To another node.
    Send(NodeId, Message),
    /// To whom it may concern.
    Note(Event),
}

/// A strategy, chosen by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// The entry's name.
    pub kind: String,
    /// The entry's options.
    #[serde(flatten)]
    pub options: Options,
}

/// What a node is to be: the same for all nodes of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// The run's seed.
    pub seed: u64,
    /// The nodes that hold keys.
    pub nodes: Vec<NodeId>,
    /// The nodes that coordinate and hold none.
    pub gateways: Vec<NodeId>,
    /// Which nodes hold a key.
    pub partitioner: Choice,
    /// What makes one version newer.
    pub versioning: Choice,
    /// Who is in the cluster.
    pub membership: Choice,
    /// How a write reaches its replicas.
    pub replication: Choice,
    /// How replicas are made equal again.
    pub repair: Vec<Choice>,
    /// Where versions rest.
    pub storage: Choice,
    /// What bounds tables.
    pub limits: Limits,
}

/// What a client can make a node hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Requests coordinated at once; one more is refused. Too few: refusals under load; too many: memory and latency.
    #[schemars(range(min = 1))]
    pub requests: u32,
    /// A key's length in bytes.
    #[schemars(range(min = 1))]
    pub key_bytes: u32,
    /// A value's length in bytes.
    #[schemars(range(min = 1))]
    pub value_bytes: u32,
    /// Versions held of a key at once; a put that adds one more is refused. Too few: writers that never read are shut
    /// out; too many: reads that grow without end.
    #[schemars(range(min = 1))]
    pub siblings: u32,
    /// Keys for which a coordinator that holds no replica keeps a counter; beyond it, it begins a new epoch. Too few:
    /// clocks with many actors; too many: memory.
    #[schemars(range(min = 1))]
    pub counters: u32,
    /// Inputs that wait for the node, and messages that wait for a peer link; beyond it messages are dropped and noted.
    #[schemars(range(min = 1))]
    pub queue: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests: 10_000,
            key_bytes: 1_024,
            value_bytes: 1 << 20,
            siblings: 1_000,
            counters: 1_000_000,
            queue: 65_536,
        }
    }
}

/// Why a node cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A seam has no such entry.
    #[error(transparent)]
    Kind(#[from] UnknownKind),
    /// An entry cannot take its options.
    #[error("{seam} {kind:?}: {error}")]
    Options {
        /// The seam.
        seam: &'static str,
        /// The entry.
        kind: String,
        /// What is wrong.
        error: OptionError,
    },
}

/// One node.
pub struct Replica {
    id: NodeId,
    life: u32,
    limits: Limits,
    partitioner: Box<dyn Partitioner>,
    versioning: Box<dyn Versioning>,
    membership: Box<dyn Membership>,
    replication: Box<dyn Replication>,
    repairs: Vec<Box<dyn Repair>>,
    storage: Box<dyn Storage>,
    /// Reads that are over and not yet handed to the repairs; empty between inputs.
    finished: Vec<FinishedRead>,
}

impl Replica {
    /// A node in its `life`, on what its storage holds.
    ///
    /// Lives count from 1, and every start is a new one, also on storage that was kept: the counters of a coordinator
    /// that holds no replica are gone, and versions whose sync a power loss forestalled may be with the peers already.
    ///
    /// # Errors
    /// A seam has no entry of the name that was asked for, or the entry refuses its options.
    pub fn new(
        config: &Config,
        id: NodeId,
        life: u32,
        storage: Box<dyn Storage>,
    ) -> Result<Self, ConfigError> {
        let members = Members {
            nodes: config.nodes.clone(),
            gateways: config.gateways.clone(),
        };
        let repairs = config.repair.iter().map(|choice| {
            build("repair", repair::ENTRIES, choice, |build| {
                build(&choice.options)
            })
        });
        Ok(Self {
            id,
            life,
            limits: config.limits.clone(),
            partitioner: partitioner(config)?,
            versioning: build(
                "versioning",
                versioning::ENTRIES,
                &config.versioning,
                |build| build(&config.versioning.options),
            )?,
            membership: build(
                "membership",
                membership::ENTRIES,
                &config.membership,
                |build| build(&config.membership.options, members),
            )?,
            replication: build(
                "replication",
                replication::ENTRIES,
                &config.replication,
                |build| build(&config.replication.options),
            )?,
            repairs: repairs.collect::<Result<_, _>>()?,
            storage,
            finished: Vec::new(),
        })
    }

    /// The only way in. What the replica wants done comes back, in order.
    #[must_use]
    pub fn handle(&mut self, now: Now, input: Input) -> Vec<Output> {
        let mut outputs = Vec::with_capacity(4);
        let mut context = Context {
            now,
            id: self.id,
            life: self.life,
            limits: &self.limits,
            partitioner: &*self.partitioner,
            versioning: &*self.versioning,
            membership: &*self.membership,
            storage: &mut *self.storage,
            outputs: &mut outputs,
            finished: &mut self.finished,
        };
        match input {
            Input::Request(ticket, request) => {
                self.replication.request(&mut context, ticket, request);
            }
            Input::Message(from, message) => {
                if let Some(answer) = hold(&mut context, from, message) {
                    self.replication.message(&mut context, from, answer);
                }
            }
            Input::Timeout => self.replication.timeout(&mut context),
        }
        for read in std::mem::take(context.finished) {
            for repair in &mut self.repairs {
                repair.read_finished(&mut context, &read);
            }
        }
        outputs
    }

    /// When `Input::Timeout` is due. The driver keeps this one alarm and no other.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Duration> {
        self.replication.next_timeout()
    }

    /// Whether something was stored since the last [`Replica::sync`].
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        self.storage.is_dirty()
    }

    /// Makes durable what was stored; until then no acknowledgement, reply or read answer may leave.
    pub fn sync(&mut self) {
        self.storage.sync();
    }

    /// The process dies: what its storage keeps is left.
    #[must_use]
    pub fn crash(mut self) -> (Box<dyn Storage>, Kept) {
        let kept = self.storage.crash();
        (self.storage, kept)
    }

    /// What this node holds.
    #[must_use]
    pub fn storage(&self) -> &dyn Storage {
        &*self.storage
    }
}

/// The partitioner of a cluster, also for clients that know the ring.
///
/// # Errors
/// As [`Replica::new`].
pub fn partitioner(config: &Config) -> Result<Box<dyn Partitioner>, ConfigError> {
    let choice = &config.partitioner;
    build("partitioner", partitioner::ENTRIES, choice, |build| {
        build(&choice.options, config.seed, &config.nodes)
    })
}

/// The storage of a node in its first life.
///
/// # Errors
/// As [`Replica::new`].
pub fn storage(config: &Config) -> Result<Box<dyn Storage>, ConfigError> {
    let choice = &config.storage;
    build("storage", crate::storage::ENTRIES, choice, |build| {
        build(&choice.options)
    })
}

fn build<B: Copy, T>(
    seam: &'static str,
    entries: &[Entry<B>],
    choice: &Choice,
    build: impl FnOnce(B) -> Result<T, OptionError>,
) -> Result<T, ConfigError> {
    let entry = find(seam, entries, &choice.kind)?;
    build(entry.build).map_err(|error| ConfigError::Options {
        seam,
        kind: choice.kind.clone(),
        error,
    })
}

/// Does what every replica does whoever coordinates: holds what it is sent, tells what it holds. What is left is for
/// the coordinator.
fn hold(context: &mut Context<'_>, from: NodeId, message: Message) -> Option<Message> {
    let operation = message.operation();
    match message {
        Message::Store(store) => {
            if context.versioning.accepts_versions(&store.versions) {
                context.hold(&store.key, &store.versions, operation, Method::Store);
                let reply = wire::StoreReply {
                    request: store.request,
                    operation: store.operation,
                };
                context.send(from, Message::StoreReply(reply));
            } else {
                context.refuse(operation, MALFORMED);
            }
            None
        }
        Message::Repair(repair) => {
            if context.versioning.accepts_versions(&repair.versions) {
                context.hold(&repair.key, &repair.versions, operation, Method::Repair);
            } else {
                context.refuse(operation, MALFORMED);
            }
            None
        }
        Message::Fetch(fetch) => {
            let reply = wire::FetchReply {
                request: fetch.request,
                versions: context.storage.load(&fetch.key),
                operation: fetch.operation,
            };
            context.send(from, Message::FetchReply(reply));
            None
        }
        Message::FetchReply(reply) if !context.versioning.accepts_versions(&reply.versions) => {
            context.refuse(operation, MALFORMED);
            None
        }
        Message::StoreReply(_)
        | Message::FetchReply(_)
        | Message::Forward(_)
        | Message::ForwardReply(_) => Some(message),
    }
}

const MALFORMED: &str = "a peer's versions are not of this cluster's versioning";
