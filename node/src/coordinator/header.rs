//! What all requests in flight have in common: whom they ask, until when, and who waits for the reply.

use super::route::{Route, Side, Target, Targets};
use super::votes::Votes;
use crate::context::Context;
use crate::partitioner::PreferenceList;
use crate::request::{Code, Refusal, Reply, Ticket};
use bytes::Bytes;
use std::time::Duration;
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::message::Message;
use tidemark_proto::wire;

/// What all requests in flight have in common.
#[derive(Clone)]
pub(super) struct Header {
    pub(super) operation: OperationId,
    pub(super) key: Bytes,
    /// The key's own replicas.
    pub(super) replicas: PreferenceList,
    /// Who is asked.
    pub(super) targets: Targets,
    /// The number of the roll by which it was begun.
    pub(super) roll: u64,
    pub(super) deadline: Duration,
    /// Whoever still waits for the reply; none once it has left.
    pub(super) requester: Option<Requester>,
}

/// Who waits for the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Requester {
    /// A client of this node.
    Client(Ticket),
    /// A node that forwarded its client's request under this number.
    Peer(NodeId, u64),
}

impl Requester {
    pub(super) fn answer(self, context: &mut Context<'_>, operation: OperationId, reply: Reply) {
        match self {
            Self::Client(ticket) => context.reply(ticket, reply),
            Self::Peer(node, request) => {
                let reply = wire::ForwardReply {
                    request,
                    operation: operation.bits(),
                    result: Some(reply.into()),
                };
                context.send(node, Message::ForwardReply(Box::new(reply)));
            }
        }
    }
}

impl Header {
    /// The place among the targets of a node that is asked.
    pub(super) fn place_of(&self, node: NodeId) -> Option<usize> {
        self.targets.iter().position(|target| target.node == node)
    }

    /// Whether enough nodes are up to be asked at all.
    pub(super) fn check_reach(&self, need: Votes) -> Result<(), Refusal> {
        let (can, n) = (self.reach_without(&[]), self.replicas.len());
        let message = if can.all < need.all {
            format!(
                "{} nodes are up that may answer, {} needed",
                can.all, need.all
            )
        } else if can.primary < need.primary {
            let (can, need) = (can.primary, need.primary);
            format!("{can} of the key's own {n} replicas are up, {need} needed")
        } else {
            return Ok(());
        };
        Err(Refusal::new(Code::FailedPrecondition, message))
    }

    /// How long more is waited for than is needed: never so long that nothing is left of its time.
    pub(super) fn patience(&self, context: &Context<'_>, time: Duration) -> Duration {
        time.min(self.deadline.saturating_sub(context.now.elapsed) / 2)
    }

    /// Asks those too who hold the key on the other side of a change of the members.
    pub(super) fn join(&mut self, there: &[NodeId]) {
        for target in &mut self.targets {
            if !there.contains(&target.node) {
                target.side = Side::Here;
            }
        }
        let more = there.iter().filter(|node| self.place_of(**node).is_none());
        let more: Targets = more
            .map(|node| Target {
                side: Side::There,
                ..Target::replica(*node)
            })
            .collect();
        self.targets.extend(more);
    }

    /// What it comes to if all answer but these.
    pub(super) fn reach_without(&self, unable: &[NodeId]) -> Votes {
        let can = |target: &&Target| !unable.contains(&target.node);
        self.targets.iter().filter(can).copied().collect()
    }

    /// Refuses whoever still waits, since too few of the replicas answered in time.
    pub(super) fn refuse_overdue(
        &mut self,
        context: &mut Context<'_>,
        heard: Votes,
        need: Votes,
        verb: &str,
    ) {
        let (n, all) = (self.targets.len(), heard.all);
        let mut message = format!("{all} of {n} replicas {verb} in time, {} needed", need.all);
        for (heard, need, who) in [
            (heard.primary, need.primary, "of the key's own"),
            (heard.durable, need.durable, "durably"),
            (
                heard.there,
                need.there,
                "of those on the other side of a change of members",
            ),
        ] {
            if heard < need {
                message += &format!("; {heard} {who}, {need} needed");
            }
        }
        self.refuse(context, Refusal::new(Code::DeadlineExceeded, message));
    }

    /// Refuses whoever still waits, since so many replicas cannot do it that too few are left.
    pub(super) fn refuse_unable(
        &mut self,
        context: &mut Context<'_>,
        Refusal { code, message }: Refusal,
        heard: Votes,
        need: Votes,
        verb: &str,
    ) {
        let (n, heard, needed) = (self.targets.len(), heard.all, need.all);
        let message = format!("{message}; {heard} of {n} replicas {verb}, {needed} needed");
        self.refuse(context, Refusal::new(code, message));
    }

    pub(super) fn refuse(&mut self, context: &mut Context<'_>, refusal: Refusal) {
        if let Some(requester) = self.requester.take() {
            requester.answer(context, self.operation, Reply::Refused(refusal));
        }
    }

    /// Who is asked now and was not before takes the place of a target that went down. Tells its place.
    pub(super) fn replace(&mut self, down: NodeId, route: &Route) -> Option<usize> {
        let place = self.place_of(down)?;
        let is_new = |target: &&Target| self.place_of(target.node).is_none();
        self.targets[place] = *route.targets.iter().find(is_new)?;
        Some(place)
    }
}
