//! What is to be known of a run besides its events.

use crate::history::Correction;
use crate::oracle::Oracle;
use tidemark_proto::event::Detail;
use tidemark_proto::id::{NodeId, Role};

/// What is to be known of a run besides its events.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunFacts {
    /// The plan's name.
    pub plan: String,
    /// `real` or `sim`.
    pub backend: String,
    /// The seed: resampling draws from it too.
    pub seed: u64,
    /// By how much the plan's times were stretched; less than 1 counts as 1.
    pub time_scale: f64,
    /// How much was kept.
    pub detail: Detail,
    /// How the times of those who read other clocks were corrected.
    pub corrections: Vec<Correction>,
    /// The groups into which its partitions split nodes.
    pub sides: Vec<Side>,
    /// What theory expects of it.
    pub oracles: Vec<Oracle>,
}

/// A group of nodes that a partition cuts off from the others.
#[derive(Clone, Debug, PartialEq)]
pub struct Side {
    /// The plan's name for the partition.
    pub fault: String,
    /// Who is on it.
    pub nodes: Vec<NodeId>,
    /// The share of requests, by their keys' placement, for which there are enough replicas on it.
    pub expected: Option<f64>,
}

impl Side {
    /// Those on it who hold keys.
    pub(crate) fn holders(&self) -> impl Iterator<Item = NodeId> {
        let holders = self.nodes.iter().copied();
        holders.filter(|node| node.role() == Role::Node)
    }
}
