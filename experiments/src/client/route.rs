//! Whom a client asks.

use super::arrivals::exponential;
use super::options::MoveAfter;
use crate::plan::Plan;
use crate::request::below;
use crate::workload::Script;
use bytes::Bytes;
use rand::Rng;
use rand_xoshiro::Xoshiro256PlusPlus;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tidemark_node::chance;
use tidemark_node::config::partitioner;
use tidemark_node::partitioner::Partitioner;
use tidemark_proto::id::NodeId;
use tidemark_proto::registry::OptionError;

/// A way of choosing the node to ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Route {
    /// Each client has one node and stays with it; with `move_after`, for a while.
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
    move_after: Option<MoveAfter>,
    coordinators: Vec<NodeId>,
    partitioner: Box<dyn Partitioner>,
    replicas: usize,
    chance: Xoshiro256PlusPlus,
    moves: Xoshiro256PlusPlus,
    stays: Vec<Stay>,
}

/// A client's stay with a node.
#[derive(Clone, Copy)]
struct Stay {
    /// The node, by its place among the coordinators.
    node: usize,
    /// How many requests it has sent, to this node and to those before.
    sent: usize,
    /// It moves once it has sent so many.
    sends: usize,
    /// It moves at this time.
    until: Duration,
}

impl Router {
    pub(super) fn new(plan: &Plan) -> anyhow::Result<Self> {
        let stream = |purpose| chance::stream(plan.seed, purpose, NodeId::client(1));
        let mut router = Self {
            route: plan.client.route,
            move_after: plan.client.move_after,
            coordinators: plan.coordinators(),
            partitioner: partitioner(&plan.config())?,
            replicas: plan.replicas(),
            chance: stream("route"),
            moves: stream("moves"),
            stays: Vec::new(),
        };
        for client in 0..usize::from(plan.client.count) {
            let stay = router.stay(Duration::ZERO, client, 0);
            router.stays.push(stay);
        }
        Ok(router)
    }

    pub(super) fn choose(&mut self, now: Duration, client: NodeId, key: &[u8]) -> NodeId {
        let client = usize::from(client.number()) - 1;
        let Stay { node, sent, .. } = self.stay_of(now, client);
        self.stays[client].sent += 1;
        let index = match self.route {
            Route::Sticky => node,
            Route::Random => (self.chance.next_u64() >> 32) as usize,
            Route::RoundRobin => client + sent,
            Route::TokenAware => match self.partitioner.preference(key, 1).first() {
                Some(node) => return *node,
                None => client,
            },
        };
        self.coordinators[index % self.coordinators.len()]
    }

    /// A script's keys.
    pub(super) fn keys(&self, script: &Script) -> Result<Vec<Bytes>, OptionError> {
        script.keys(&*self.partitioner)
    }

    /// The preference list of a key, first N.
    pub(super) fn replicas(&self, key: &Bytes) -> Vec<NodeId> {
        self.partitioner.preference(key, self.replicas).to_vec()
    }

    /// Where a client is, after it has moved if it is time to.
    fn stay_of(&mut self, now: Duration, client: usize) -> Stay {
        let stay = self.stays[client];
        if stay.sent < stay.sends && now < stay.until {
            return stay;
        }
        // Any of the others, as likely as each other.
        let others = self.coordinators.len() as u64 - 1;
        let node = stay.node + 1 + below(others, &mut self.moves) as usize;
        self.stays[client] = self.stay(now, node % self.coordinators.len(), stay.sent);
        self.stays[client]
    }

    fn stay(&mut self, now: Duration, node: usize, sent: usize) -> Stay {
        let (mut sends, mut until) = (usize::MAX, Duration::MAX);
        match self.move_after {
            None => {}
            Some(MoveAfter::Requests(requests)) => sends = sent + requests as usize,
            Some(MoveAfter::Time(mean)) => {
                until = now + mean.0.mul_f64(exponential(&mut self.moves));
            }
        }
        Stay {
            node,
            sent,
            sends,
            until,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::load;

    /// When c2 asks whom, at every millisecond of two hundred seconds.
    fn asked(move_after: &str) -> Vec<NodeId> {
        let set = format!("client.move_after={move_after}");
        let (_, plan) = load("quickstart", "sim", &[set]).unwrap();
        let mut router = Router::new(&plan).unwrap();
        let ask = |ms| router.choose(Duration::from_millis(ms), NodeId::client(2), b"k");
        (0..200_000).map(ask).collect()
    }

    /// How long it stayed with each node.
    fn stays(asked: &[NodeId]) -> Vec<usize> {
        asked.chunk_by(PartialEq::eq).map(<[_]>::len).collect()
    }

    #[test]
    fn after_so_many_requests_a_client_moves_to_any_other_node() {
        let asked = asked("10");
        assert_eq!(asked[0], NodeId::node(2));
        assert_eq!(stays(&asked), vec![10; 20_000]);
        for node in 1..=5 {
            let there = asked.iter().filter(|id| **id == NodeId::node(node)).count();
            assert!((35_000..45_000).contains(&there), "n{node}: {there}");
        }
    }

    #[test]
    fn after_a_time_a_client_moves_and_the_time_is_exponential() {
        let stays = stays(&asked("'100ms'"));
        let count = stays.len() as f64;
        let mean = 200_000.0 / count;
        // Four standard errors; and of an exponential time, 1 / e of all are longer than its mean.
        assert!((mean - 100.0).abs() < 4.0 * 100.0 / count.sqrt(), "{mean}");
        let longer = stays.iter().filter(|stay| **stay > 100).count() as f64 / count;
        assert!((longer - (-1.0f64).exp()).abs() < 0.04, "{longer}");
    }

    #[test]
    fn who_is_told_of_no_move_stays() {
        let (_, plan) = load("quickstart", "sim", &[]).unwrap();
        let mut router = Router::new(&plan).unwrap();
        for second in 0..1_000 {
            for client in 1..=15 {
                let at = Duration::from_secs(second);
                let node = router.choose(at, NodeId::client(client), b"k");
                assert_eq!(node, NodeId::node(1 + (client - 1) % 5));
            }
        }
    }
}
