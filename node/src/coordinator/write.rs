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
    /// Who cannot hold it.
    refused: Vec<NodeId>,
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
        let held = context.load(&header.key, header.operation)?;
        let actor = context.versioning.actor(&held, context.actor());
        let actor = actor.unwrap_or_else(|| counters.new_actor(context));
        (held, Stamp::Replica(actor))
    } else {
        let (actor, counter) = counters.next(context, &header.key);
        (Versions::new(), Stamp::Outside(actor, counter))
    };
    if !context.versioning.admits(seen, &held) {
        return Err(stale(context, header, seen, &held));
    }
    let write = Stamped {
        context: seen,
        value,
        operation: header.operation,
        stamp,
        now: context.now,
    };
    let updated = context.versioning.update(&held, write);
    let (siblings, limits) = (updated.held.len(), context.limits);
    if siblings > limits.siblings as usize && siblings > held.len() {
        let most = limits.siblings;
        let message =
            format!("the key has {most} siblings, the limit; read them and write them back as one");
        return Err(Refusal::new(Code::ResourceExhausted, message));
    }
    if siblings > limits.warn_siblings as usize {
        let warning = format!(
            "a warning, nothing is refused: the key has {siblings} siblings, and limits.warn_siblings is {}",
            limits.warn_siblings
        );
        context.refuse(header.operation, warning);
    }
    Ok(updated)
}

/// Refuses a write whose context is behind what this node holds.
fn stale(context: &Context<'_>, header: &Header, seen: &[u8], held: &Versions) -> Refusal {
    let text = |clock: &[u8]| {
        let pairs = context.versioning.describe(clock).into_iter();
        let pairs: Vec<_> = pairs
            .map(|(actor, count)| format!("{actor}:{count}"))
            .collect();
        format!("{{{}}}", pairs.join(" "))
    };
    let (key, held) = (header.key.escape_ascii(), context.versioning.resolve(held));
    let message = format!(
        "the context is stale: it covers {}, but \"{key}\" is at {}; read it and write with the context of that",
        text(seen),
        text(&held)
    );
    Refusal::new(Code::FailedPrecondition, message)
}

impl Write {
    pub(super) fn new(
        context: &Context<'_>,
        header: Header,
        needed: usize,
        stamped: &Updated,
        siblings: Siblings,
    ) -> Self {
        let (listed, covered) = match siblings {
            Siblings::Omitted => (&Versions::new(), stamped.context.clone()),
            Siblings::Returned => {
                let covered = context.versioning.resolve(&stamped.held);
                (&stamped.held, covered)
            }
        };
        let reply = answer(context, &header.key, listed, covered, Vec::new());
        let is_delete = stamped
            .sent
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
            refused: Vec::new(),
            method,
        }
    }

    /// Sends it to every replica; this node's own acknowledgement is there at once. Tells whether all is done.
    pub(super) fn send(
        &mut self,
        context: &mut Context<'_>,
        number: u64,
        stamped: Updated,
    ) -> bool {
        let here = context.id;
        for node in self.header.replicas.iter().filter(|node| **node != here) {
            let store = wire::Store {
                request: number,
                key: self.header.key.clone(),
                versions: stamped.sent.clone(),
                operation: self.header.operation.bits(),
                hint_for: None,
            };
            context.send(*node, Message::Store(store));
        }
        if !self.header.replicas.contains(&context.id) {
            return false;
        }
        let (key, operation) = (&self.header.key, self.header.operation);
        let held = context.replace(key, stamped.held, operation, self.method);
        self.heard(context, context.id, held.err())
    }

    /// A replica has acknowledged, unless it refuses. Tells whether all have answered.
    pub(super) fn heard(
        &mut self,
        context: &mut Context<'_>,
        from: NodeId,
        refusal: Option<Refusal>,
    ) -> bool {
        let is_known = self.header.replicas.contains(&from);
        if is_known && !self.acknowledged.contains(&from) && !self.refused.contains(&from) {
            match refusal {
                None => self.acknowledged(context, from),
                Some(refusal) => self.refused(context, from, &refusal),
            }
        }
        self.acknowledged.len() + self.refused.len() == self.header.replicas.len()
    }

    fn acknowledged(&mut self, context: &mut Context<'_>, from: NodeId) {
        self.acknowledged.push(from);
        if self.acknowledged.len() == self.needed
            && let Some(requester) = self.header.requester.take()
        {
            let mut reply = std::mem::take(&mut self.reply);
            reply.answered.clone_from(&self.acknowledged);
            requester.answer(context, self.header.operation, Reply::Written(reply));
        }
    }

    /// Refuses who waits once too few replicas are left that can hold it, and it is known what became of the write: it
    /// is nowhere, or on some.
    fn refused(&mut self, context: &mut Context<'_>, from: NodeId, refusal: &Refusal) {
        self.refused.push(from);
        let (n, heard) = (self.header.replicas.len(), self.acknowledged.len());
        let code = match heard {
            _ if n - self.refused.len() >= self.needed => return,
            0 if self.refused.len() < n => return,
            0 => refusal.code,
            _ => Code::Unavailable,
        };
        self.header.refuse_unable(
            context,
            code,
            &refusal.message,
            heard,
            self.needed,
            "acknowledged",
        );
    }

    /// Time is up: the write may be on some replicas, and may yet reach others.
    pub(super) fn overdue(mut self, context: &mut Context<'_>) {
        let heard = self.acknowledged.len();
        self.header
            .refuse_overdue(context, heard, self.needed, "acknowledged");
    }
}
