//! Operations made by hand: a request that names no operation is named at the door, and noted there, since no client of
//! the run does it.
//!
//! The door's times stand in for the client's: an operation begins when its request is in and ends before its answer
//! leaves, so its interval is narrower than the client's own, and what is called stale was stale at the door. The context
//! of an answer tells which operation it is of, so that a write that brings it back, to whichever node, can be told from
//! a blind one.

use crate::request::{Call, Reply, Request};
use crate::server::Reporter;
use bytes::{BufMut as _, Bytes, BytesMut};
use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use tidemark_proto::event::{Event, Invocation, Kind, Operation, Outcome, Purpose};
use tidemark_proto::id::OperationId;
use xxhash_rust::xxh3::xxh3_64;

/// Names and notes what is asked by hand of one node.
pub(super) struct ByHand {
    reporter: Reporter,
    life: u32,
    named: AtomicU64,
}

impl ByHand {
    pub(super) fn new(reporter: Reporter, life: u32) -> Self {
        let named = AtomicU64::new(0);
        Self {
            reporter,
            life,
            named,
        }
    }

    /// Whether anybody listens.
    pub(super) fn is_heard(&self) -> bool {
        self.reporter.note.is_some()
    }

    /// Names a request; gives the operation that has begun.
    pub(super) fn begin(&self, request: &mut Request) -> Operation {
        // As the core names what comes to it without a name: it never has to here.
        let number = 1 + self.named.fetch_add(1, Ordering::Relaxed);
        let sequence = u64::from(self.life) << 32 | number;
        request.operation = OperationId::new(self.reporter.id, sequence);
        let context_from = unmark(request);
        let (kind, bytes) = match &request.call {
            Call::Get { .. } | Call::Probe => (Kind::Get, 0),
            Call::Put { value, .. } => (Kind::Put, value.len()),
            Call::Delete { .. } => (Kind::Delete, 0),
        };
        let now = self.reporter.clock.elapsed();
        let operation = Operation {
            id: request.operation,
            purpose: Purpose::Load,
            kind,
            key: request.key.clone(),
            intended: now,
            invoked: now,
            returned: now,
            outcome: Outcome::Unknown,
            status: Cow::Borrowed("OK"),
            asked: self.reporter.id,
            coordinator: None,
            answered: Vec::new(),
            versions: Vec::new(),
            context_from,
            clock: Vec::new(),
            context_bytes: 0,
            value_bytes: length(bytes),
            attempts: 1,
        };
        if kind != Kind::Get {
            self.reporter.note(Event::Invoked(Box::new(Invocation {
                id: operation.id,
                purpose: operation.purpose,
                kind,
                key: operation.key.clone(),
                intended: now,
                invoked: now,
                context_from,
            })));
        }
        operation
    }

    /// Notes what came of an operation.
    pub(super) fn end(&self, mut operation: Operation, reply: &mut Reply) {
        match reply {
            Reply::Got(answer) | Reply::Written(answer) => {
                operation.outcome = Outcome::Ok;
                operation.coordinator = answer.coordinator;
                operation.answered = answer.answered.clone();
                let versions = answer.versions.iter();
                operation.versions = versions.clone().map(|version| version.operation).collect();
                operation.clock = answer.clock.clone();
                operation.context_bytes = length(answer.context.len());
                if operation.kind == Kind::Get {
                    operation.value_bytes =
                        length(versions.map(|version| version.value.len()).sum());
                }
                mark(&mut answer.context, operation.id);
            }
            Reply::Refused(refusal) => {
                operation.status = Cow::Borrowed(refusal.code.name());
                if operation.kind == Kind::Get || !refusal.code.leaves_unknown() {
                    operation.outcome = Outcome::Failed;
                }
            }
        }
        operation.returned = self.reporter.clock.elapsed();
        self.reporter.note(Event::Returned(Box::new(operation)));
    }
}

/// Adds to a context whose answer gave it, and a checksum of both. An empty context stays empty: it covers nothing.
fn mark(context: &mut Bytes, operation: OperationId) {
    if context.is_empty() {
        return;
    }
    let mut marked = BytesMut::from(&context[..]);
    marked.put_u64(operation.bits());
    marked.put_u64(xxh3_64(&marked));
    *context = marked.freeze();
}

/// Takes out of a request's context what [`mark`] has added, and tells which operation that was.
pub(super) fn unmark(request: &mut Request) -> Option<OperationId> {
    match &mut request.call {
        Call::Get { .. } | Call::Probe => None,
        Call::Put { context, .. } | Call::Delete { context, .. } => unmark_context(context),
    }
}

/// Takes out of a context what [`mark`] has added. One that was not given out by hand is left as it is.
fn unmark_context(context: &mut Bytes) -> Option<OperationId> {
    let (marked, checksum) = context.split_last_chunk::<8>()?;
    let (plain, operation) = marked.split_last_chunk::<8>()?;
    if u64::from_be_bytes(*checksum) != xxh3_64(marked) {
        return None;
    }
    let operation = OperationId::from_bits(u64::from_be_bytes(*operation));
    let length = plain.len();
    context.truncate(length);
    Some(operation)
}

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidemark_proto::id::NodeId;

    /// If this fails, a write by hand passes for a blind one, and a fresh read of it for a stale one.
    #[test]
    fn a_context_tells_whose_answer_it_is_of_and_comes_back_as_it_was() {
        let operation = OperationId::new(NodeId::node(3), 7);
        let given = Bytes::from_static(b"sixteen bytes or so");
        let mut context = given.clone();
        mark(&mut context, operation);
        let mut broken = BytesMut::from(&context[..]);
        broken[0] ^= 1;
        assert_eq!(unmark_context(&mut context), Some(operation));
        assert_eq!(context, given);

        for foreign in [Bytes::new(), given, broken.freeze()] {
            let mut context = foreign.clone();
            assert_eq!(unmark_context(&mut context), None);
            assert_eq!(context, foreign);
        }
        let mut empty = Bytes::new();
        mark(&mut empty, operation);
        assert!(empty.is_empty());
    }
}
