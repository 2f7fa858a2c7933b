//! What makes one version newer than another: the seam of versioning strategies.
//!
//! A clock is opaque to everybody but the strategy that wrote it; storage, wire and clients carry it as bytes.

mod dotted;
mod last_write;
mod vector;
mod vote;

use crate::membership::Seat;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidemark_proto::id::{Actor, OperationId};
use tidemark_proto::message::Method;
use tidemark_proto::registry::{Entry, OptionError, Options};
use tidemark_proto::time::Now;
use tidemark_proto::wire::StoredVersion;

/// All that is held of a key: concurrent versions, each with its clock, in an order that the strategy fixes.
pub type Versions = Vec<StoredVersion>;

/// A way of telling which versions a write supersedes.
pub trait Versioning: Send {
    /// Stamps a write onto what the coordinator holds.
    fn update(&mut self, stored: &Versions, write: Write<'_>) -> Updated;

    /// What two replicas hold once each has seen the other's versions. Commutative, associative, idempotent.
    fn sync(&self, a: &Versions, b: &Versions) -> Versions;

    /// What a replica holds after versions have come to it in a message of this method: unless it says otherwise, what
    /// joining gives.
    fn receive(&mut self, now: Now, held: &Versions, came: &Versions, by: Method) -> Versions {
        let _ = (now, by);
        self.sync(held, came)
    }

    /// What a read makes of its replicas' answers: unless it says otherwise, all of them joined.
    fn merge(&mut self, answers: &mut dyn Iterator<Item = &Versions>) -> Versions {
        let first = answers.next().cloned().unwrap_or_default();
        answers.fold(first, |merged, answer| {
            if merged == *answer {
                return merged;
            }
            self.sync(&merged, answer)
        })
    }

    /// The context that covers every one of these versions.
    fn resolve(&self, versions: &Versions) -> Bytes;

    /// The (actor, counter) pairs of a clock or context, for people, events and metrics.
    fn describe(&self, clock: &[u8]) -> Vec<(Actor, u64)>;

    /// A context as clients are given it for a key.
    fn seal(&self, key: &[u8], context: Bytes) -> Bytes {
        let _ = key;
        context
    }

    /// The context in what a client sent for a key; none if it is not one of this strategy. Nothing is the empty one.
    fn open(&self, key: &[u8], given: &Bytes) -> Option<Bytes>;

    /// Whether a write with this context may be stamped onto what the coordinator holds.
    fn admits(&self, context: &[u8], stored: &Versions) -> bool {
        let _ = (context, stored);
        true
    }

    /// As whom a replica counts on from what it holds of a key, of the actors of one life, of which `first` is the
    /// first; none: as one that has never counted.
    fn actor(&self, stored: &Versions, first: Actor) -> Option<Actor> {
        let _ = stored;
        Some(first)
    }

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
    /// When.
    pub now: Now,
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
    /// What a coordinator that is a replica holds now.
    pub held: Versions,
    /// What the other replicas are sent.
    pub sent: Versions,
    /// Covers the write and its context, and nothing that its client has not seen.
    pub context: Bytes,
}

/// When a replica counts as somebody new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Epochs {
    /// In each of its lives. A key that is deleted, collected and written again is counted from 1 again: its write loses
    /// against any copy of the tombstone that is left.
    #[default]
    Life,
    /// Also for a key of which it holds nothing that it has stamped in this life (Riak KV 2.1, per-key actor epochs).
    // Departs from Riak, whose counter of epochs is durable: here every start is a new life, and so a new actor.
    Key,
}

/// How an entry is built.
pub type Build = fn(&Options, Seat) -> Result<Box<dyn Versioning>, OptionError>;

/// Every versioning strategy.
pub const ENTRIES: &[Entry<Build>] =
    &[vector::ENTRY, dotted::ENTRY, last_write::ENTRY, vote::ENTRY];
