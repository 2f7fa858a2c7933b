//! How clients and peers come in, and what all doors for clients have in common.

pub(super) mod grpc;
pub(super) mod peer;

use super::driver::Inbox;
use crate::request::{Code, Refusal, Reply, Request};
use std::sync::Arc;
use tokio::sync::{OwnedRwLockWriteGuard, RwLock};

/// Lets clients' requests in, until it is closed.
#[derive(Clone)]
pub(super) struct Reception {
    inbox: Inbox,
    /// Read by those inside; whoever wants to write lets nobody else in.
    gate: Arc<RwLock<()>>,
}

impl Reception {
    pub(super) fn new(inbox: Inbox) -> Self {
        let gate = Arc::default();
        Self { inbox, gate }
    }

    /// Asks the node and waits for its reply.
    async fn ask(&self, request: Request) -> Reply {
        let unavailable = |message| Reply::Refused(Refusal::new(Code::Unavailable, message));
        let Ok(_inside) = self.gate.try_read() else {
            return unavailable("the node is shutting down");
        };
        match self.inbox.ask(request) {
            Ok(reply) => reply
                .await
                .unwrap_or_else(|_| unavailable("the node stopped before it could reply")),
            Err(refusal) => Reply::Refused(refusal),
        }
    }

    /// Lets nobody in any more and waits until everybody inside has left. It stays closed while the guard lives.
    pub(super) async fn close(&self) -> OwnedRwLockWriteGuard<()> {
        Arc::clone(&self.gate).write_owned().await
    }
}
