//! Where versions rest: the seam of storage engines.

mod memory;
mod model;

use crate::versioning::Versions;
use bytes::Bytes;
use tidemark_proto::registry::{Entry, OptionError, Options};

/// What a replica holds, by key. Called synchronously; the driver syncs once a batch, before acknowledgements leave.
pub trait Storage: Send {
    /// What is held of a key; empty if nothing is.
    fn load(&self, key: &[u8]) -> Versions;

    /// Holds these versions of a key in place of what was held.
    fn store(&mut self, key: &Bytes, versions: Versions);

    /// Every key held, in order.
    fn keys(&self) -> Vec<Bytes>;

    /// Whether a store has not been synced yet.
    fn is_dirty(&self) -> bool;

    /// Makes all that was stored durable, as far as this engine can.
    fn sync(&mut self);

    /// The process dies: what the engine does not keep through that is gone.
    fn crash(&mut self) -> Kept;

    /// The machine loses power: what was not synced is gone too.
    fn power_loss(&mut self) -> Kept;
}

/// What an engine kept through a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// What it promises to keep.
    Everything,
    /// No key at all.
    Nothing,
}

/// How an entry is built from its options.
pub type Build = fn(&Options) -> Result<Box<dyn Storage>, OptionError>;

/// Every storage engine.
pub const ENTRIES: &[Entry<Build>] = &[memory::ENTRY, model::ENTRY];
