//! What a node is to be: the strategies of every seam, chosen by name, and what bounds its tables.

use crate::admission::AdmissionOptions;
use crate::deletion;
use crate::handover::HandoverOptions;
use crate::negative;
use crate::partitioner::{self, Partitioner, Roster};
use crate::storage::{self, Storage, modelled};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;
use tidemark_proto::event::Detail;
use tidemark_proto::id::NodeId;
use tidemark_proto::registry::{Entry, OptionError, Options, Promise, UnknownKind, find};

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
    /// The first members: the nodes that hold keys.
    pub nodes: Vec<NodeId>,
    /// The nodes that may become members.
    #[serde(default)]
    pub spares: Vec<NodeId>,
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
    /// What becomes of tombstones.
    #[serde(default = "deletion::by_default")]
    pub deletion: Choice,
    /// Where versions rest.
    pub storage: Choice,
    /// How keys move when members come and go.
    #[serde(default)]
    pub handover: HandoverOptions,
    /// What bounds tables.
    pub limits: Limits,
    /// What is done under overload.
    #[serde(default)]
    pub admission: AdmissionOptions,
    /// The least level of detail of the notes that somebody keeps: others are not made.
    #[serde(default)]
    pub detail: Detail,
}

impl Config {
    /// N: how many nodes hold a key, as the replication's options say; all, if they do not.
    #[must_use]
    pub fn replicas(&self) -> usize {
        let n = self.replication.options.get("n").and_then(|n| n.as_u64());
        n.and_then(|n| usize::try_from(n).ok())
            .unwrap_or(self.nodes.len())
    }
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
    /// Versions of a key beyond which every put is noted. Too few: notes that say nothing; too many: no warning before
    /// puts are refused.
    #[schemars(range(min = 1))]
    pub warn_siblings: u32,
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
            warn_siblings: 1_000,
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

/// The partitioner of a cluster, also for clients that know the ring.
///
/// # Errors
/// As [`Replica::new`](crate::replica::Replica::new).
pub fn partitioner(config: &Config) -> Result<Box<dyn Partitioner>, ConfigError> {
    partitioner_of(config, &Roster::of(config.nodes.iter().copied()))
}

/// The partitioner of a cluster whose nodes are those of a roster.
///
/// # Errors
/// As [`Replica::new`](crate::replica::Replica::new).
pub fn partitioner_of(
    config: &Config,
    roster: &Roster,
) -> Result<Box<dyn Partitioner>, ConfigError> {
    let choice = &config.partitioner;
    build("partitioner", partitioner::ENTRIES, choice, |build| {
        build(&choice.options, config.seed, roster)
    })
}

/// The storage of a node in its first life.
///
/// # Errors
/// As [`Replica::new`](crate::replica::Replica::new), and if the folder cannot be opened.
pub fn storage(
    config: &Config,
    id: NodeId,
    folder: Option<&Path>,
) -> Result<Box<dyn Storage>, ConfigError> {
    let choice = &config.storage;
    build("storage", storages(&choice.kind), choice, |build| {
        build(&choice.options, id, folder)
    })
}

/// The storage of a simulated node: every engine that keeps what it holds through a crash is served by the model of one.
///
/// # Errors
/// As [`Replica::new`](crate::replica::Replica::new).
pub fn simulated_storage(config: &Config, id: NodeId) -> Result<Box<dyn Storage>, ConfigError> {
    let choice = &config.storage;
    let entry = find("storage", storages(&choice.kind), &choice.kind)?;
    if !entry.promises.contains(&Promise::SurvivesCrash) {
        return storage(config, id, None);
    }
    let built = (entry.resolve)(&choice.options).and_then(|options| modelled(&options));
    built.map_err(|error| ConfigError::Options {
        seam: "storage",
        kind: choice.kind.clone(),
        error,
    })
}

fn storages(kind: &str) -> &'static [Entry<storage::Build>] {
    negative::among(storage::ENTRIES, negative::STORAGE, kind)
}

pub(crate) fn build<B: Copy, T>(
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
