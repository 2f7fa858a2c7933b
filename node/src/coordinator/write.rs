//! One write in flight: stamps it, sends it to all replicas, and replies when enough have acknowledged.

use super::Header;
use super::answer::answer;
use super::counters::Counters;
use crate::context::Context;
use crate::request::{Answer, Code, Refusal, Reply, Siblings};
use crate::versioning::{Stamp, Updated, Versions, Write as Stamped};
use bytes::Bytes;
use tidemark_proto::id::NodeId;
use tidemark_proto::message::{Message, Method};
use tidemark_proto::wire;

pub(super) struct Write {
    header: Header,
    needed: usize,
    /// The reply as it will be, but for who acknowledged; gone once it has left.
    reply: Answer,
    acknowledged: Vec<NodeId>,
    method: Method,
}

/// Stamps a write: onto what this node holds if it is a replica, from its own counter if not.
pub(super) fn stamp(
    context: &mut Context<'_>,
    counters: &mut Counters,
    header: &Header,
    seen: &[u8],
    value: Option<Bytes>,
) -> Result<Updated, Refusal> {
    let is_replica = header.replicas.contains(&context.id);
    let (held, stamp) = if is_replica {
        (
            context.storage.load(&header.key),
            Stamp::Replica(context.actor()),
        )
    } else {
        let (actor, counter) = counters.next(context, &header.key);
        (Versions::new(), Stamp::Outside(actor, counter))
    };
    let write = Stamped {
        context: seen,
        value,
        operation: header.operation,
        stamp,
    };
    let updated = context.versioning.update(&held, write);
    let (siblings, most) = (updated.versions.len(), context.limits.siblings as usize);
    if siblings > most && siblings > held.len() {
        let message =
            format!("the key has {most} siblings, the limit; read them and write them back as one");
        return Err(Refusal::new(Code::ResourceExhausted, message));
    }
    Ok(updated)
}

impl Write {
    pub(super) fn new(
        context: &Context<'_>,
        header: Header,
        needed: usize,
        stamped: &Updated,
        siblings: Siblings,
    ) -> Self {
        let reply = match siblings {
            Siblings::Omitted => answer(
                context,
                &Versions::new(),
                stamped.context.clone(),
                Vec::new(),
            ),
            Siblings::Returned => {
                let covered = context.versioning.resolve(&stamped.versions);
                answer(context, &stamped.versions, covered, Vec::new())
            }
        };
        let is_delete = stamped
            .versions
            .iter()
            .any(|version| version.value.is_none() && version.operation == header.operation.bits());
        let method = if is_delete {
            Method::Delete
        } else {
            Method::Put
        };
        let acknowledged = Vec::with_capacity(header.replicas.len());
        Self {
            header,
            needed,
            reply,
            acknowledged,
            method,
        }
    }

    /// Sends it to every replica; this node's own acknowledgement is there at once. Tells whether all is done.
    pub(super) fn send(
        &mut self,
        context: &mut Context<'_>,
        number: u64,
        versions: &Versions,
    ) -> bool {
        let here = context.id;
        for node in self.header.replicas.iter().filter(|node| **node != here) {
            let store = wire::Store {
                request: number,
                key: self.header.key.clone(),
                versions: versions.clone(),
                operation: self.header.operation.bits(),
                hint_for: None,
            };
            context.send(*node, Message::Store(store));
        }
        if !self.header.replicas.contains(&context.id) {
            return false;
        }
        context.replace(
            &self.header.key,
            versions.clone(),
            self.header.operation,
            self.method,
        );
        self.heard(context, context.id)
    }

    /// A replica has acknowledged. Tells whether all have.
    pub(super) fn heard(&mut self, context: &mut Context<'_>, from: NodeId) -> bool {
        if self.header.replicas.contains(&from) && !self.acknowledged.contains(&from) {
            self.acknowledged.push(from);
            if self.acknowledged.len() == self.needed
                && let Some(requester) = self.header.requester.take()
            {
                let mut reply = std::mem::take(&mut self.reply);
                reply.answered.clone_from(&self.acknowledged);
                requester.answer(context, self.header.operation, Reply::Written(reply));
            }
        }
        self.acknowledged.len() == self.header.replicas.len()
    }

    /// Time is up: the write may be on some replicas, and may yet reach others.
    pub(super) fn overdue(mut self, context: &mut Context<'_>) {
        let heard = self.acknowledged.len();
        self.header
            .refuse_overdue(context, heard, self.needed, "acknowledged");
    }
}
