//! What a node knows of the cluster: who holds keys, who coordinates, who is believed to be up, and where keys belong.
//!
//! Membership strategies change it through [`Context::believe`](crate::context::Context::believe); everybody else only
//! looks. Two nodes may see the cluster differently: that is what an experiment is about.

use crate::partitioner::{Partitioner, PreferenceList, Roster};
use std::collections::BTreeMap;
use tidemark_proto::id::NodeId;

/// One node's view of the cluster.
pub struct View {
    roster: Roster,
    gateways: Vec<NodeId>,
    partitioner: Box<dyn Partitioner>,
    /// Of whom it does not believe that they are up.
    doubted: BTreeMap<NodeId, Belief>,
}

/// What a node believes of another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Belief {
    /// It answers, as far as is known.
    #[default]
    Up,
    /// It may be down: it has a while to prove the contrary, and is treated as up meanwhile.
    Suspected,
    /// It is down, and nobody waits for it.
    Down,
}

impl View {
    /// Everybody is believed to be up.
    #[must_use]
    pub fn new(roster: Roster, gateways: Vec<NodeId>, partitioner: Box<dyn Partitioner>) -> Self {
        Self {
            roster,
            gateways,
            partitioner,
            doubted: BTreeMap::new(),
        }
    }

    /// The nodes that hold keys, in the order in which they joined.
    #[must_use]
    pub fn nodes(&self) -> &[NodeId] {
        self.roster.nodes()
    }

    /// The gateways, in their order.
    #[must_use]
    pub fn gateways(&self) -> &[NodeId] {
        &self.gateways
    }

    /// The first `n` distinct nodes for a key, up or not, or all nodes if there are fewer.
    #[must_use]
    pub fn preference(&self, key: &[u8], n: usize) -> PreferenceList {
        self.partitioner.preference(key, n)
    }

    /// What is believed of a node; of a stranger, that it is up.
    #[must_use]
    pub fn belief(&self, node: NodeId) -> Belief {
        self.doubted.get(&node).copied().unwrap_or_default()
    }

    /// Whether a node is worth asking: up, or merely suspected.
    #[must_use]
    pub fn is_up(&self, node: NodeId) -> bool {
        self.belief(node) != Belief::Down
    }

    /// Changes a belief. Tells whether it was another.
    pub(crate) fn believe(&mut self, node: NodeId, belief: Belief) -> bool {
        let before = match belief {
            Belief::Up => self.doubted.remove(&node),
            Belief::Suspected | Belief::Down => self.doubted.insert(node, belief),
        };
        before.unwrap_or_default() != belief
    }
}
