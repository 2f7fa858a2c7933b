//! One read in flight: asks all replicas, replies when enough have answered, and listens on for the repairs.

use super::Header;
use super::answer::answer;
use crate::context::Context;
use crate::repair::FinishedRead;
use crate::request::Reply;
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
            let held = context.storage.load(&self.header.key);
            return self.heard(context, context.id, held);
        }
        Step::default()
    }

    /// A replica has answered. A second answer of the same one is ignored.
    pub(super) fn heard(
        &mut self,
        context: &mut Context<'_>,
        from: NodeId,
        versions: Versions,
    ) -> Step {
        let known = self.header.replicas.contains(&from);
        if !known || self.answers.iter().any(|(node, _)| *node == from) {
            return Step::default();
        }
        self.answers.push((from, versions));
        let delete = if self.answers.len() == self.needed {
            self.reply(context)
        } else {
            None
        };
        let over = self.answers.len() == self.header.replicas.len();
        if over {
            self.finish(context);
        }
        Step { over, delete }
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
        });
    }
}
