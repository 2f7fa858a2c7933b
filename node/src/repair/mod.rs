//! How replicas are made equal again: the seam of repair strategies. A node may run several.

mod hint;
mod pull;
mod read;
mod sweep;

use crate::context::Context;
use crate::hints::HintLimits;
use crate::membership::Seat;
use crate::versioning::Versions;
use crate::view::Belief;
use bytes::Bytes;
use std::time::Duration;
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::message::Message;
use tidemark_proto::registry::{Entry, OptionError, Options};

/// A way of finding replicas that are behind, and bringing them up to date.
pub trait Repair: Send {
    /// Something happened at this node that may call for repair.
    fn hear(&mut self, context: &mut Context<'_>, news: &News);

    /// A peer says something about repair. Gives it back if it is not of this strategy.
    fn message(
        &mut self,
        _context: &mut Context<'_>,
        _from: NodeId,
        message: Message,
    ) -> Option<Message> {
        Some(message)
    }

    /// The alarm is due.
    fn timeout(&mut self, _context: &mut Context<'_>) {}

    /// When it will be due next; at the start of a life zero, if the strategy has anything to do by itself.
    fn next_timeout(&self) -> Option<Duration> {
        None
    }

    /// Whether replicas whose answer to a read was behind are to hold what was read before the reply leaves.
    fn blocks_reads(&self) -> bool {
        false
    }

    /// How many hints the node shall keep for it to deliver; none: it delivers none.
    fn hint_limits(&self) -> Option<HintLimits> {
        None
    }

    /// Whether it wants to hear of every [`News::Stored`].
    fn follows_stores(&self) -> bool {
        false
    }
}

/// What a repair strategy hears of.
#[derive(Clone, Debug)]
pub enum News {
    /// A read that this node coordinated has heard from all replicas that it will hear from.
    ReadFinished(FinishedRead),
    /// What this node holds of a key is no longer what it was; only told to who follows stores.
    Stored(Change),
    /// This node keeps one hint more for that node.
    HintKept(NodeId),
    /// What this node believes of another is no longer what it was.
    Believed(NodeId, Belief),
    /// The members are no longer those that they were.
    Enrolled,
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
    /// Who answered that what it holds is damaged.
    pub damaged: Vec<NodeId>,
}

/// What a node holds of a key, and what it held before.
#[derive(Clone, Debug)]
pub struct Change {
    /// The key.
    pub key: Bytes,
    /// Empty: nothing was held.
    pub before: Versions,
    /// Empty: nothing is held any more.
    pub after: Versions,
}

/// How an entry is built.
pub type Build = fn(&Options, Seat) -> Result<Box<dyn Repair>, OptionError>;

/// Every repair strategy.
pub const ENTRIES: &[Entry<Build>] = &[read::ENTRY, hint::ENTRY, sweep::ENTRY, pull::ENTRY];
