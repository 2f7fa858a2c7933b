//! What nodes do for the cluster's sake, not for a client's.

use crate::event::Detail;
use crate::id::{NodeId, OperationId};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Something that a node did for the cluster's sake.
#[derive(Clone, Debug, PartialEq)]
pub struct Upkeep {
    /// When.
    pub at: Duration,
    /// The node.
    pub node: NodeId,
    /// What it did.
    pub chore: Chore,
    /// The node that it is about, if there is one.
    pub peer: Option<NodeId>,
    /// The operation that it is about, if there is one.
    pub operation: OperationId,
    /// The key that it is about; empty: none.
    pub key: Bytes,
    /// How many; the chore says of what.
    pub count: u64,
    /// How many bytes of keys and values were moved.
    pub bytes: u64,
}

/// What a node does for the cluster's sake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Chore {
    /// It believes from now on that the peer is up; whoever watches for it says so of everybody when its life begins.
    BelievesUp,
    /// It suspects from now on that the peer is down.
    Suspects,
    /// It believes from now on that the peer is down.
    BelievesDown,
    /// The peer did not answer its probe in time.
    ProbeFailed,
    /// It keeps a write of the key in the peer's place. Of this and of what becomes of hints, the count is that of all
    /// hints that it keeps then.
    HintKept,
    /// A hint has gone home to the peer; or to those who hold the key now, since the peer has left.
    HintDelivered,
    /// A hint was forgotten since it was too old.
    HintExpired,
    /// A hint was not kept, since there are too many.
    HintDropped,
    /// It has compared what it holds with the peer; the count is of keys compared one by one.
    Swept,
    /// It has sent what the peer lacked; the count is of keys.
    SweepSent,
    /// It has handed keys over to the peer, which is to hold them from now on; the count is of keys.
    HandedOver,
    /// It has dropped keys that are others' now; the count is of keys.
    GaveUp,
    /// It has fetched keys from the peer that it is to hold; the count is of keys.
    Pulled,
    /// A tombstone of the key was collected.
    Collected,
    /// The members are others from now on, as it sees it; the count is the number of that state.
    MembersChanged,
}

impl Chore {
    /// Every chore.
    pub const ALL: [Self; 15] = [
        Self::BelievesUp,
        Self::Suspects,
        Self::BelievesDown,
        Self::ProbeFailed,
        Self::HintKept,
        Self::HintDelivered,
        Self::HintExpired,
        Self::HintDropped,
        Self::Swept,
        Self::SweepSent,
        Self::HandedOver,
        Self::GaveUp,
        Self::Pulled,
        Self::Collected,
        Self::MembersChanged,
    ];

    /// The least level of detail at which it is kept: what happens once a write or key, only where arrivals are.
    pub(crate) fn detail(self) -> Detail {
        match self {
            Self::BelievesUp
            | Self::Suspects
            | Self::BelievesDown
            | Self::ProbeFailed
            | Self::Swept
            | Self::SweepSent
            | Self::HandedOver
            | Self::GaveUp
            | Self::Pulled
            | Self::MembersChanged => Detail::Faults,
            Self::HintKept
            | Self::HintDelivered
            | Self::HintExpired
            | Self::HintDropped
            | Self::Collected => Detail::Arrivals,
        }
    }
}
