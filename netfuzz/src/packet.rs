//! What a rule may know of a message: everything but what it says.

use std::time::Duration;
use tidemark_proto::event::Direction;
use tidemark_proto::id::NodeId;

/// A message on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The link's caller, whichever half of a call this is.
    pub from: NodeId,
    /// The link's callee.
    pub to: NodeId,
    /// Which half of a call it is.
    pub direction: Direction,
    /// Its number on its lane.
    pub k: u64,
    /// The payload's size in bytes.
    pub size: usize,
    /// When it was sent, since the run's epoch.
    pub at: Duration,
}

impl Packet {
    /// Who sent it: of a response, the callee.
    #[must_use]
    pub fn sender(&self) -> NodeId {
        travel(self.from, self.to, self.direction).0
    }

    /// Whom it is for: of a response, the caller.
    #[must_use]
    pub fn receiver(&self) -> NodeId {
        travel(self.from, self.to, self.direction).1
    }
}

/// The sender and the receiver of what goes in this direction between a caller and a callee.
#[must_use]
pub fn travel(caller: NodeId, callee: NodeId, direction: Direction) -> (NodeId, NodeId) {
    match direction {
        Direction::Request => (caller, callee),
        Direction::Response => (callee, caller),
    }
}
