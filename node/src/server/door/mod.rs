//! How clients and peers come in, and what all doors for clients have in common.

mod by_hand;
pub(super) mod grpc;
pub(super) mod peer;

use super::Reporter;
use super::driver::Inbox;
use crate::partitioner::Change;
use crate::request::{Code, Enrolled, Refusal, Reply, Request};
use by_hand::ByHand;
use std::sync::Arc;
use tokio::sync::{OwnedRwLockWriteGuard, RwLock};

/// Lets clients' requests in, until it is closed.
#[derive(Clone)]
pub(super) struct Reception {
    inbox: Inbox,
    by_hand: Arc<ByHand>,
    /// Read by those inside; whoever wants to write lets nobody else in.
    gate: Arc<RwLock<()>>,
}

impl Reception {
    pub(super) fn new(inbox: Inbox, reporter: Reporter, life: u32) -> Self {
        Self {
            inbox,
            by_hand: Arc::new(ByHand::new(reporter, life)),
            gate: Arc::default(),
        }
    }

    /// Asks the node and waits for its reply. What names no operation is made by hand: it is named and noted here, if
    /// anybody listens.
    async fn ask(&self, mut request: Request) -> Reply {
        if !request.operation.is_none() {
            return self.pass(request).await;
        }
        if !self.by_hand.is_heard() {
            by_hand::unmark(&mut request);
            return self.pass(request).await;
        }
        let reception = self.clone();
        // On its own: a caller that gives up does not keep what came of it from being noted.
        let asked = tokio::spawn(async move {
            let operation = reception.by_hand.begin(&mut request);
            let mut reply = reception.pass(request).await;
            reception.by_hand.end(operation, &mut reply);
            reply
        });
        asked.await.unwrap_or_else(|_| unavailable(STOPPED))
    }

    async fn pass(&self, request: Request) -> Reply {
        let Ok(_inside) = self.gate.try_read() else {
            return unavailable(SHUTTING_DOWN);
        };
        match self.inbox.ask(request) {
            Ok(reply) => reply.await.unwrap_or_else(|_| unavailable(STOPPED)),
            Err(refusal) => Reply::Refused(refusal),
        }
    }

    /// Asks the node for the members, or for a change of them.
    async fn enrol(&self, change: Option<Change>) -> Result<Box<Enrolled>, Refusal> {
        let Ok(_inside) = self.gate.try_read() else {
            return Err(Refusal::new(Code::Unavailable, SHUTTING_DOWN));
        };
        let told = self.inbox.enrol(change)?.await;
        told.unwrap_or_else(|_| Err(Refusal::new(Code::Unavailable, STOPPED)))
    }

    /// Lets nobody in any more and waits until everybody inside has left. It stays closed while the guard lives.
    pub(super) async fn close(&self) -> OwnedRwLockWriteGuard<()> {
        Arc::clone(&self.gate).write_owned().await
    }
}

fn unavailable(message: &'static str) -> Reply {
    Reply::Refused(Refusal::new(Code::Unavailable, message))
}

const SHUTTING_DOWN: &str = "the node is shutting down";
const STOPPED: &str = "the node stopped before it could reply";
