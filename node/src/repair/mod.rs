//! How replicas are made equal again: the seam of repair strategies. A node may run several.

mod read;

use crate::context::Context;
use crate::versioning::Versions;
use bytes::Bytes;
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::registry::{Entry, OptionError, Options};

/// A way of finding replicas that are behind, and bringing them up to date.
pub trait Repair: Send {
    /// A read that this node coordinated has heard from all replicas that it will hear from.
    fn read_finished(&mut self, context: &mut Context<'_>, read: &FinishedRead);
}

/// What the replicas of a key answered to one read.
#[derive(Clone, Debug)]
pub struct FinishedRead {
    /// The read.
    pub operation: OperationId,
    /// Its key.
    pub key: Bytes,
    /// Who answered what, in the order in which the answers came.
    pub answers: Vec<(NodeId, Versions)>,
}

/// How an entry is built from its options.
pub type Build = fn(&Options) -> Result<Box<dyn Repair>, OptionError>;

/// Every repair strategy.
pub const ENTRIES: &[Entry<Build>] = &[read::ENTRY];
