//! Where the nodes that are up listen themselves, past the proxy; every thread of the runner may ask.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tidemark_proto::id::NodeId;

/// The addresses of the nodes that are up.
#[derive(Clone, Default)]
pub(crate) struct Doors(Arc<Mutex<BTreeMap<NodeId, SocketAddr>>>);

impl Doors {
    /// Where a node is; none: it is down.
    pub(super) fn of(&self, id: NodeId) -> Option<SocketAddr> {
        self.lock().get(&id).copied()
    }

    /// These nodes listen here from now on.
    pub(super) fn open(&self, addresses: &BTreeMap<NodeId, SocketAddr>) {
        self.lock().extend(addresses);
    }

    /// A node is down.
    pub(super) fn close(&self, id: NodeId) {
        self.lock().remove(&id);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeId, SocketAddr>> {
        // Nobody who holds it does anything that could fail.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
