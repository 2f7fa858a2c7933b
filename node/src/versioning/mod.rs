//! What makes one version newer than another: the seam of versioning strategies.
//!
//! A clock is opaque to everybody but the strategy that wrote it; storage, wire and clients carry it as bytes.

mod vector;

use bytes::Bytes;
use tidemark_proto::id::{Actor, OperationId};
use tidemark_proto::registry::{Entry, OptionError, Options};
use tidemark_proto::wire::StoredVersion;

/// All that is held of a key: concurrent versions, each with its clock, in an order that the strategy fixes.
pub type Versions = Vec<StoredVersion>;

/// A way of telling which versions a write supersedes.
pub trait Versioning: Send {
    /// Stamps a write onto what the coordinator holds.
    fn update(&self, stored: &Versions, write: Write<'_>) -> Updated;

    /// What two replicas hold once each has seen the other's versions. Commutative, associative, idempotent.
    fn sync(&self, a: &Versions, b: &Versions) -> Versions;

    /// The context that covers every one of these versions.
    fn resolve(&self, versions: &Versions) -> Bytes;

    /// The (actor, counter) pairs of a clock or context, for people, events and metrics.
    fn describe(&self, clock: &[u8]) -> Vec<(Actor, u64)>;

    /// Whether bytes from a client are a context of this strategy; the empty context always is.
    fn accepts(&self, context: &[u8]) -> bool;

    /// Whether what a peer sent can be joined with what is stored.
    fn accepts_versions(&self, versions: &Versions) -> bool;
}

/// A write about to be stamped.
#[derive(Clone, Debug)]
pub struct Write<'a> {
    /// What its client had read.
    pub context: &'a [u8],
    /// What is written; none: a tombstone.
    pub value: Option<Bytes>,
    /// By which operation.
    pub operation: OperationId,
    /// Who stamps it.
    pub stamp: Stamp,
}

/// Who stamps a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp {
    /// A replica of the key, which counts on from what it holds.
    Replica(Actor),
    /// A coordinator that holds no replica: the number is of its own counter for the key, used once.
    Outside(Actor, u32),
}

/// A stamped write.
#[derive(Clone, Debug, PartialEq)]
pub struct Updated {
    /// What the replicas are to hold.
    pub versions: Versions,
    /// Covers the write and its context, and nothing that its client has not seen.
    pub context: Bytes,
}

/// How an entry is built from its options.
pub type Build = fn(&Options) -> Result<Box<dyn Versioning>, OptionError>;

/// Every versioning strategy.
pub const ENTRIES: &[Entry<Build>] = &[vector::ENTRY];
