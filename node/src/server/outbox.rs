//! What the driver wants delivered, on its way to callers and links.

use super::link::Links;
use super::queue::Queue;
use crate::request::Reply;
use std::sync::Arc;
use tidemark_proto::id::NodeId;
use tidemark_proto::message::Message;
use tokio::sync::oneshot;

/// One thing to deliver.
pub(super) enum Delivery {
    /// To whoever waits for a reply.
    Reply(oneshot::Sender<Reply>, Reply),
    /// To another node.
    Send(NodeId, Message),
}

/// Delivers what the driver puts in, until the driver is gone and nothing is left.
pub(super) async fn deliver(outbox: Arc<Queue<Delivery>>, links: Links) {
    let mut batch = Vec::new();
    while outbox.take(usize::MAX, &mut batch) {
        if batch.is_empty() {
            outbox.rung().await;
        }
        for delivery in batch.drain(..) {
            match delivery {
                // A caller that gave up hears nothing.
                Delivery::Reply(caller, reply) => drop(caller.send(reply)),
                Delivery::Send(to, message) => links.send(to, message),
            }
        }
    }
}
