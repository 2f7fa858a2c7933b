//! Where versions rest: the seam of storage engines.

#[cfg(feature = "lsm")]
mod lsm;
mod memory;
mod model;

pub use crate::disk::Disk;
pub use crate::placed::place;
pub use model::modelled;

use crate::durability::Durability;
use crate::versioning::Versions;
use bytes::Bytes;
use std::ops::RangeInclusive;
use std::path::Path;
use tidemark_proto::id::NodeId;
use tidemark_proto::registry::{Entry, OptionError, Options};

/// What a replica holds, by key, and what else it must not forget, by name. Called synchronously; whoever drives the
/// replica syncs once a batch, before acknowledgements leave.
pub trait Storage: Send {
    /// What is held of a key; empty if nothing is.
    ///
    /// # Errors
    /// What rests there is not what was stored.
    fn load(&self, key: &[u8]) -> Result<Versions, Damage>;

    /// Holds these versions of a key in place of what was held; none: the key is gone.
    ///
    /// # Errors
    /// The disk is full, and what was held is held as before.
    fn store(&mut self, key: &Bytes, versions: Versions) -> Result<(), Full>;

    /// At most `limit` keys in the order of their [`place`]s, which are within the range; those behind `after`.
    fn keys(&self, places: RangeInclusive<u64>, after: Option<&Bytes>, limit: usize) -> Vec<Bytes>;

    /// What else must outlive a crash, by name: hints, epochs, members, counters.
    fn record(&self, name: &[u8]) -> Option<Bytes>;

    /// Keeps something under a name in place of what was there; none: the name is free again.
    ///
    /// # Errors
    /// The disk is full, and what was there is there still.
    fn write_record(&mut self, name: &[u8], value: Option<Bytes>) -> Result<(), Full>;

    /// At most `limit` records whose names begin so, in the order of their names; those behind `after`.
    fn records(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Vec<(Bytes, Bytes)>;

    /// How durable it is asked to be.
    fn durability(&self) -> Durability;

    /// Whether something was written that the engine was not given yet.
    fn is_dirty(&self) -> bool;

    /// Gives the engine all that was written, as one: what the kernel has, a crash leaves there.
    ///
    /// # Errors
    /// The engine is broken; nothing that was written since the last time may be acknowledged.
    fn commit(&mut self) -> Result<(), Failed>;

    /// The same, and on to the disk.
    ///
    /// # Errors
    /// As [`Storage::commit`].
    fn sync(&mut self) -> Result<(), Failed>;

    /// The process dies: what the engine does not keep through that is gone.
    fn crash(&mut self) -> Kept;

    /// The machine loses power: what was not synced is gone too.
    fn power_loss(&mut self) -> Kept;

    /// From now on the disk takes no more than so many bytes; none: as many as the options say. Only a model can do it.
    fn limit(&mut self, _bytes: Option<u64>) {}

    /// Flips a bit of what rests under a key, and tells whether anything does. Only a model can do it.
    fn damage(&mut self, _key: &[u8], _bit: u64) -> bool {
        false
    }
}

/// What is held of a key does not match its checksum: it is told, never returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what is held does not match its checksum")]
pub struct Damage;

/// Nothing more can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the disk is full")]
pub struct Full;

/// An engine that cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the storage has failed: {0}")]
pub struct Failed(pub String);

/// What an engine kept through a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// What it promises to keep.
    Everything,
    /// No key at all.
    Nothing,
}

/// How an entry is built from its options, for a node, in a folder of its own if it was given one.
pub type Build = fn(&Options, NodeId, Option<&Path>) -> Result<Box<dyn Storage>, OptionError>;

/// Every storage engine.
pub const ENTRIES: &[Entry<Build>] = &[
    memory::ENTRY,
    #[cfg(feature = "lsm")]
    lsm::ENTRY,
    model::ENTRY,
];
