//! One read in flight: asks all replicas, replies when enough have answered, and listens on for the repairs.

use super::Header;
use super::answer::answer;
use crate::context::Context;
use crate::repair::FinishedRead;
use crate::request::{Refusal, Reply};
use crate::versioning::Versions;
use bytes::Bytes;
use tidemark_proto::id::NodeId;
use tidemark_proto::message::Message;
use tidemark_proto::wire;

pub(super) struct Read {
    header: Header,
    needed: usize,
    then: Then,
    answers: Vec<(NodeId, Versions)>,
    /// Who cannot tell what it holds.
    damaged: Vec<NodeId>,
}

/// What the read is for.
#[derive(Clone, Copy)]
pub(super) enum Then {
    /// The client wants to know.
    Reply,
    /// A delete without a context wants to know what to supersede.
    Delete { w: usize },
}

/// What is to be done after an answer.
#[derive(Default)]
pub(super) struct Step {
    /// Every replica has answered.
    pub(super) over: bool,
    /// Enough have answered: the delete, its write quorum, and what it supersedes.
    pub(super) delete: Option<(Header, usize, Bytes)>,
}

impl Read {
    pub(super) fn new(header: Header, needed: usize, then: Then) -> Self {
        let answers = Vec::with_capacity(header.replicas.len());
        Self {
            header,
            needed,
            then,
            answers,
            damaged: Vec::new(),
        }
    }

    /// Asks every replica; this node's own answer is there at once.
    pub(super) fn ask(&mut self, context: &mut Context<'_>, number: u64) -> Step {
        let here = context.id;
        for node in self.header.replicas.iter().filter(|node| **node != here) {
            let fetch = wire::Fetch {
                request: number,
                key: self.header.key.clone(),
                operation: self.header.operation.bits(),
            };
            context.send(*node, Message::Fetch(fetch));
        }
        if self.header.replicas.contains(&context.id) {
            let held = context.known(&self.header.key, self.header.operation);
            return self.heard(context, context.id, held);
        }
        Step::default()
    }

    /// A replica has answered. A second answer of the same one is ignored.
    pub(super) fn heard(
        &mut self,
        context: &mut Context<'_>,
        from: NodeId,
        held: Result<Versions, Refusal>,
    ) -> Step {
        let known = self.header.replicas.contains(&from);
        let mut answered = self.answers.iter().map(|(node, _)| node);
        if !known || answered.any(|node| *node == from) || self.damaged.contains(&from) {
            return Step::default();
        }
        let mut delete = None;
        match held {
            Ok(versions) => {
                self.answers.push((from, versions));
                if self.answers.len() == self.needed {
                    delete = self.reply(context);
                }
            }
            Err(refusal) => {
                self.damaged.push(from);
                self.give_up(context, &refusal);
            }
        }
        let over = self.answers.len() + self.damaged.len() == self.header.replicas.len();
        if over {
            self.finish(context);
        }
        Step { over, delete }
    }

    /// Refuses who waits once too few replicas are left that can tell.
    fn give_up(&mut self, context: &mut Context<'_>, refusal: &Refusal) {
        if self.header.replicas.len() - self.damaged.len() < self.needed {
            let (code, reason, heard) = (refusal.code, &refusal.message, self.answers.len());
            self.header
                .refuse_unable(context, code, reason, heard, self.needed, "answered");
        }
    }

    /// Time is up.
    pub(super) fn overdue(mut self, context: &mut Context<'_>) {
        self.header
            .refuse_overdue(context, self.answers.len(), self.needed, "answered");
        self.finish(context);
    }

    fn reply(&mut self, context: &mut Context<'_>) -> Option<(Header, usize, Bytes)> {
        let mut answers = self.answers.iter().map(|(_, versions)| versions);
        let merged = context.versioning.merge(&mut answers);
        let covered = context.versioning.resolve(&merged);
        let requester = self.header.requester.take()?;
        match self.then {
            Then::Reply => {
                let answered = self.answers.iter().map(|(node, _)| *node).collect();
                let answer = answer(context, &self.header.key, &merged, covered, answered);
                requester.answer(context, self.header.operation, Reply::Got(answer));
                None
            }
            Then::Delete { w } => {
                let header = Header {
                    operation: self.header.operation,
                    key: self.header.key.clone(),
                    replicas: self.header.replicas.clone(),
                    deadline: self.header.deadline,
                    requester: Some(requester),
                };
                Some((header, w, covered))
            }
        }
    }

    fn finish(&mut self, context: &mut Context<'_>) {
        context.finish_read(FinishedRead {
            operation: self.header.operation,
            key: self.header.key.clone(),
            answers: std::mem::take(&mut self.answers),
            damaged: std::mem::take(&mut self.damaged),
        });
    }
}
