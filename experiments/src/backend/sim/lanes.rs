//! Every lane of a run's network with its count of messages, found without a search.

use tidemark_netfuzz::{LaneId, Network};
use tidemark_proto::event::Direction;
use tidemark_proto::id::{NodeId, Role};
use tidemark_proto::message::Method;

/// The lanes between all participants of a run.
pub(super) struct Lanes {
    members: usize,
    nodes: usize,
    requests: Vec<Option<Lane>>,
    responses: Vec<Option<LaneId>>,
}

#[derive(Clone, Copy)]
struct Lane {
    id: LaneId,
    sent: u64,
}

impl Lanes {
    pub(super) fn new(nodes: usize, gateways: usize, clients: usize) -> Self {
        let members = nodes + gateways;
        let pairs = (members + clients) * members * Method::ALL.len();
        Self {
            members,
            nodes,
            requests: vec![None; pairs],
            responses: vec![None; pairs],
        }
    }

    /// The place of a member among all members: nodes, then gateways.
    pub(super) fn member(&self, id: NodeId) -> usize {
        let number = usize::from(id.number()) - 1;
        match id.role() {
            Role::Node => number,
            Role::Gateway => self.nodes + number,
            Role::Client => self.members + number,
        }
    }

    /// The lane of the next request or streamed message, and its number there.
    pub(super) fn next(
        &mut self,
        network: &mut Network,
        from: NodeId,
        to: NodeId,
        method: Method,
    ) -> (LaneId, u64) {
        let place = self.place(from, to, method);
        let lane = self.requests[place].get_or_insert_with(|| Lane {
            id: network.lane(from, to, method.name(), Direction::Request),
            sent: 0,
        });
        lane.sent += 1;
        (lane.id, lane.sent)
    }

    /// The lane of the responses to a caller's requests.
    pub(super) fn response(
        &mut self,
        network: &mut Network,
        from: NodeId,
        to: NodeId,
        method: Method,
    ) -> LaneId {
        let place = self.place(from, to, method);
        *self.responses[place]
            .get_or_insert_with(|| network.lane(from, to, method.name(), Direction::Response))
    }

    fn place(&self, from: NodeId, to: NodeId, method: Method) -> usize {
        let pair = self.member(from) * self.members + self.member(to);
        pair * Method::ALL.len() + method.index()
    }
}
