//! Whom a client asks.

use crate::plan::Plan;
use bytes::Bytes;
use rand::Rng;
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};
use tidemark_node::chance;
use tidemark_node::partitioner::Partitioner;
use tidemark_node::replica::partitioner;
use tidemark_proto::id::NodeId;

/// A way of choosing the node to ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Route {
    /// Each client has one node and stays with it.
    #[default]
    Sticky,
    /// Any node, for each operation anew.
    Random,
    /// Each client goes round all nodes.
    RoundRobin,
    /// The first of the key's preference list.
    TokenAware,
}

/// Chooses the node to ask, and knows where keys are.
pub(super) struct Router {
    route: Route,
    coordinators: Vec<NodeId>,
    partitioner: Box<dyn Partitioner>,
    replicas: usize,
    chance: Xoshiro256PlusPlus,
    /// How many operations each client has sent.
    sent: Vec<usize>,
}

impl Router {
    pub(super) fn new(plan: &Plan) -> anyhow::Result<Self> {
        Ok(Self {
            route: plan.client.route,
            coordinators: plan.coordinators(),
            partitioner: partitioner(&plan.config())?,
            replicas: plan.replicas(),
            chance: chance::stream(plan.seed, "route", NodeId::client(1)),
            sent: vec![0; usize::from(plan.client.count)],
        })
    }

    pub(super) fn choose(&mut self, client: NodeId, key: &[u8]) -> NodeId {
        let client = usize::from(client.number()) - 1;
        let turn = self.sent[client];
        self.sent[client] += 1;
        let index = match self.route {
            Route::Sticky => client,
            Route::Random => (self.chance.next_u64() >> 32) as usize,
            Route::RoundRobin => client + turn,
            Route::TokenAware => match self.partitioner.preference(key, 1).first() {
                Some(node) => return *node,
                None => client,
            },
        };
        self.coordinators[index % self.coordinators.len()]
    }

    /// The preference list of a key, first N.
    pub(super) fn replicas(&self, key: &Bytes) -> Vec<NodeId> {
        self.partitioner.preference(key, self.replicas).to_vec()
    }
}
