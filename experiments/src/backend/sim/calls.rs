//! The calls that nodes have taken and not answered.

use tidemark_node::request::Ticket;
use tidemark_proto::id::NodeId;
use tidemark_proto::message::Method;

/// A client's call.
#[derive(Clone, Copy)]
pub(super) struct OpenCall {
    pub(super) attempt: u64,
    pub(super) client: NodeId,
    pub(super) node: usize,
    pub(super) method: Method,
    pub(super) k: u64,
}

/// Open calls by ticket; a ticket is a place.
#[derive(Default)]
pub(super) struct OpenCalls {
    places: Vec<Option<OpenCall>>,
    free: Vec<usize>,
}

impl OpenCalls {
    pub(super) fn open(&mut self, call: OpenCall) -> Ticket {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        });
        self.places[place] = Some(call);
        Ticket(place as u64)
    }

    pub(super) fn close(&mut self, ticket: Ticket) -> Option<OpenCall> {
        let place = ticket.0 as usize;
        let call = self.places.get_mut(place)?.take()?;
        self.free.push(place);
        Some(call)
    }

    /// Closes every call of a node, in the order of their places.
    pub(super) fn close_all(&mut self, node: usize) -> Vec<OpenCall> {
        let is_its = |place: &usize| self.places[*place].is_some_and(|call| call.node == node);
        let places: Vec<usize> = (0..self.places.len()).filter(is_its).collect();
        places
            .into_iter()
            .filter_map(|place| self.close(Ticket(place as u64)))
            .collect()
    }
}
