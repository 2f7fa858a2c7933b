//! The figures of a layout: how evenly keys lie on nodes, and how many move when nodes come or go.

use serde::Serialize;
use tidemark_proto::id::NodeId;

/// How a partitioner lays a plan's keys out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RingFigures {
    /// The plan's short name.
    pub plan: String,
    /// The partitioner's kind.
    pub kind: String,
    /// The plan's seed.
    pub seed: u64,
    /// N.
    pub replicas: usize,
    /// How many keys were laid out, and how many requests drawn from the plan's workload.
    pub keys: usize,
    /// The share of every node; of each figure, the shares of all nodes sum to 1.
    pub nodes: Vec<NodeShares>,
    /// The largest share, in terms of the mean.
    pub max_over_mean: Shares,
    /// What moves.
    pub changes: Vec<Movement>,
}

/// What one node has of the whole.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NodeShares {
    /// The node.
    pub node: NodeId,
    /// Its shares.
    #[serde(flatten)]
    pub shares: Shares,
}

/// Three figures of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Shares {
    /// Of keys, by their first replica.
    pub first: f64,
    /// Of copies, by all replicas.
    pub copies: f64,
    /// Of the workload's requests, each of which concerns all replicas of its key.
    pub load: f64,
}

/// What moves when nodes join or leave.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Movement {
    /// What happens: `n6 joins`.
    pub change: String,
    /// How many nodes there are afterwards.
    pub nodes: usize,
    /// The share of keys that get another first replica.
    pub moved: f64,
    /// The least share with which all nodes come to have the same: j/(S+j) if j join S nodes, l/S if l of them leave.
    pub ideal: f64,
    /// The share of copies that lie where none of their key was before.
    pub copied: f64,
}

impl RingFigures {
    /// The largest share of each figure, in terms of the mean: 1 if all nodes have the same.
    #[must_use]
    pub fn max_over_mean(nodes: &[NodeShares]) -> Shares {
        let most = |share: fn(&Shares) -> f64| {
            let shares = nodes.iter().map(|node| share(&node.shares));
            shares.fold(0.0, f64::max) * nodes.len() as f64
        };
        Shares {
            first: most(|shares| shares.first),
            copies: most(|shares| shares.copies),
            load: most(|shares| shares.load),
        }
    }
}
