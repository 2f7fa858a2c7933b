//! One operation on its way: what was asked, what has come back so far, and what follows.

use super::value::{value_of, writer_of};
use bytes::Bytes;
use std::borrow::Cow;
use std::time::Duration;
use tidemark_node::request::{Answer, Call, ReadNeeds, Refusal, Request, Siblings, WriteNeeds};
use tidemark_proto::event::{Invocation, Kind, Operation, Outcome, Purpose};
use tidemark_proto::id::{NodeId, OperationId};
use xxhash_rust::xxh3::xxh3_64;

/// An operation under way.
pub(super) struct Flight {
    pub(super) operation: Operation,
    pub(super) request: Request,
    pub(super) then: Then,
    /// Whom it asks; none: whom the route says.
    pub(super) node: Option<NodeId>,
    pub(super) deadline: Duration,
    pub(super) sent: u32,
}

/// What follows an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    Nothing,
    /// The read was made in order to put or to delete.
    Write(Kind),
    /// The write was made in order to be read after this time.
    Read(Duration),
}

/// A context and the operation whose answer gave it.
#[derive(Clone)]
pub(super) struct Seen {
    pub(super) context: Bytes,
    pub(super) from: OperationId,
}

/// What every operation has from its beginning.
#[derive(Clone)]
pub(super) struct Beginning {
    pub(super) id: OperationId,
    pub(super) key: Bytes,
    pub(super) purpose: Purpose,
    pub(super) intended: Duration,
    pub(super) invoked: Duration,
    pub(super) then: Then,
}

impl Flight {
    /// A read about to be sent.
    pub(super) fn get(beginning: Beginning, needs: ReadNeeds) -> Self {
        Self::new(beginning, Kind::Get, Call::Get { needs })
    }

    /// A read about to be sent of what the node that is asked holds itself.
    pub(super) fn probe(beginning: Beginning) -> Self {
        Self::new(beginning, Kind::Get, Call::Probe)
    }

    /// A delete about to be sent of what its client has seen; of nothing: of what the coordinator finds.
    pub(super) fn delete(beginning: Beginning, seen: Option<Seen>, needs: WriteNeeds) -> Self {
        let context_from = seen.as_ref().map(|seen| seen.from);
        let call = Call::Delete {
            context: seen.map_or_else(Bytes::new, |seen| seen.context),
            read_quorum: None,
            needs,
        };
        let mut flight = Self::new(beginning, Kind::Delete, call);
        flight.operation.context_from = context_from;
        flight
    }

    /// A write about to be sent, on top of what its client has seen, with a value of so many bytes.
    pub(super) fn put(
        beginning: Beginning,
        seen: Option<Seen>,
        value_bytes: u64,
        needs: WriteNeeds,
    ) -> Self {
        let value = value_of(
            beginning.id,
            usize::try_from(value_bytes).unwrap_or(usize::MAX),
        );
        let bytes = u32::try_from(value.len()).unwrap_or(u32::MAX);
        let context_from = seen.as_ref().map(|seen| seen.from);
        let call = Call::Put {
            checksum: Some(xxh3_64(&value)),
            value,
            context: seen.map_or_else(Bytes::new, |seen| seen.context),
            needs,
            siblings: Siblings::Omitted,
        };
        let mut flight = Self::new(beginning, Kind::Put, call);
        flight.operation.context_from = context_from;
        flight.operation.value_bytes = bytes;
        flight
    }

    /// What the observer is told when a write begins.
    pub(super) fn invocation(&self) -> Invocation {
        Invocation {
            id: self.operation.id,
            purpose: self.operation.purpose,
            kind: self.operation.kind,
            key: self.operation.key.clone(),
            intended: self.operation.intended,
            invoked: self.operation.invoked,
            context_from: self.operation.context_from,
        }
    }

    /// It happened: the whole operation, and the context that came back.
    pub(super) fn succeeded(self, now: Duration, answer: Answer) -> (Operation, Seen) {
        let mut operation = self.operation;
        operation.returned = now;
        operation.outcome = Outcome::Ok;
        operation.status = Cow::Borrowed("OK");
        operation.coordinator = answer.coordinator;
        operation.answered = answer.answered;
        operation.context_bytes = u32::try_from(answer.context.len()).unwrap_or(u32::MAX);
        operation.clock = answer.clock;
        if operation.kind == Kind::Get {
            let bytes = answer
                .versions
                .iter()
                .map(|version| version.value.len())
                .sum::<usize>();
            operation.value_bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
            let writers = answer
                .versions
                .iter()
                .map(|version| writer_of(&version.value).unwrap_or(version.operation));
            operation.versions = writers.collect();
        }
        let seen = Seen {
            context: answer.context,
            from: operation.id,
        };
        (operation, seen)
    }

    /// An attempt was refused. Whatever comes later, a write that may have happened stays one that may have.
    pub(super) fn refused(&mut self, refusal: &Refusal) {
        let operation = &mut self.operation;
        let was_sent_before = operation.status != "OK";
        let may_have_happened = refusal.code.leaves_unknown()
            || was_sent_before && operation.outcome == Outcome::Unknown;
        operation.status = Cow::Borrowed(refusal.code.name());
        operation.outcome = if operation.kind != Kind::Get && may_have_happened {
            Outcome::Unknown
        } else {
            Outcome::Failed
        };
    }

    /// The run is over, and nothing is known of it.
    pub(super) fn abandoned(self, now: Duration) -> Operation {
        Operation {
            outcome: Outcome::Unknown,
            status: Cow::Borrowed("CANCELLED"),
            returned: now,
            ..self.operation
        }
    }

    fn new(beginning: Beginning, kind: Kind, call: Call) -> Self {
        let Beginning {
            id,
            key,
            purpose,
            intended,
            invoked,
            then,
        } = beginning;
        Self {
            request: Request {
                operation: id,
                key: key.clone(),
                timeout: None,
                call,
            },
            then,
            node: None,
            deadline: Duration::ZERO,
            sent: 0,
            operation: Operation {
                id,
                purpose,
                kind,
                key,
                intended,
                invoked,
                returned: invoked,
                outcome: Outcome::Unknown,
                status: Cow::Borrowed("OK"),
                asked: id.issuer(),
                coordinator: None,
                answered: Vec::new(),
                versions: Vec::new(),
                context_from: None,
                clock: Vec::new(),
                context_bytes: 0,
                value_bytes: 0,
                attempts: 0,
            },
        }
    }
}

/// The write that was to follow a read that failed: it failed too, though it was never sent.
pub(super) fn never_written(id: OperationId, kind: Kind, read: &Operation) -> Operation {
    Operation {
        id,
        purpose: Purpose::Load,
        kind,
        intended: read.returned,
        invoked: read.returned,
        outcome: Outcome::Failed,
        attempts: 0,
        ..read.clone()
    }
}
