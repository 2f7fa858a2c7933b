//! Everything that a strategy may see and touch while it handles one input.

use crate::membership::Membership;
use crate::partitioner::Partitioner;
use crate::repair::FinishedRead;
use crate::replica::{Limits, Output};
use crate::request::{Reply, Ticket};
use crate::storage::Storage;
use crate::versioning::{Versioning, Versions};
use bytes::Bytes;
use std::borrow::Cow;
use tidemark_proto::event::{Event, Stored};
use tidemark_proto::id::{Actor, NodeId, OperationId};
use tidemark_proto::message::{Message, Method};
use tidemark_proto::time::Now;
use xxhash_rust::xxh3::Xxh3;

/// One node's seams and outbox, lent for the time of one input.
pub struct Context<'a> {
    /// The time.
    pub now: Now,
    /// This node.
    pub id: NodeId,
    /// Which of its lives this is, from 1: a life begins with every start.
    pub life: u32,
    /// What bounds its tables.
    pub limits: &'a Limits,
    /// Which nodes hold a key.
    pub partitioner: &'a dyn Partitioner,
    /// What makes one version newer.
    pub versioning: &'a dyn Versioning,
    /// Who is in the cluster.
    pub membership: &'a dyn Membership,
    /// What this node holds.
    pub storage: &'a mut dyn Storage,
    pub(crate) outputs: &'a mut Vec<Output>,
    pub(crate) finished: &'a mut Vec<FinishedRead>,
}

impl Context<'_> {
    /// This node as the actor of its first epoch, for clocks.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor::new(self.id, self.life, 1)
    }

    /// Sends a message to another node.
    pub fn send(&mut self, to: NodeId, message: Message) {
        self.outputs.push(Output::Send(to, message));
    }

    /// Answers a client.
    pub fn reply(&mut self, ticket: Ticket, reply: Reply) {
        self.outputs.push(Output::Reply(ticket, reply));
    }

    /// Notes that something was refused or ignored.
    pub fn refuse(&mut self, operation: OperationId, reason: impl Into<Cow<'static, str>>) {
        let (at, node) = (self.now.elapsed, self.id);
        self.outputs.push(Output::Note(Event::Refused {
            at,
            node,
            operation,
            reason: reason.into(),
        }));
    }

    /// Notes which nodes are to hold a key.
    pub fn place(&mut self, key: &Bytes, replicas: &[NodeId]) {
        let (key, nodes) = (key.clone(), replicas.to_vec());
        self.outputs
            .push(Output::Note(Event::Placed { key, nodes }));
    }

    /// Hands a read that is over to the repair strategies.
    pub fn finish_read(&mut self, read: FinishedRead) {
        self.finished.push(read);
    }

    /// Joins versions with those held of a key.
    pub fn hold(&mut self, key: &Bytes, versions: &Versions, operation: OperationId, by: Method) {
        let held = self.storage.load(key);
        let joined = self.versioning.sync(&held, versions);
        if joined != held {
            self.replace(key, joined, operation, by);
        }
    }

    /// Holds versions of a key in place of those held.
    pub fn replace(&mut self, key: &Bytes, versions: Versions, operation: OperationId, by: Method) {
        self.outputs
            .push(Output::Note(Event::Stored(Box::new(Stored {
                at: self.now.elapsed,
                node: self.id,
                operation,
                method: by,
                key: key.clone(),
                digest: digest(&versions),
                versions: versions
                    .iter()
                    .map(|v| OperationId::from_bits(v.operation))
                    .collect(),
            }))));
        self.storage.store(key, versions);
    }
}

/// A hash of versions, clocks included: replicas are equal exactly if theirs are.
#[must_use]
pub fn digest(versions: &Versions) -> u64 {
    let mut hash = Xxh3::new();
    for version in versions {
        hash.update(&version.operation.to_be_bytes());
        hash.update(&(version.clock.len() as u64).to_be_bytes());
        hash.update(&version.clock);
        if let Some(value) = &version.value {
            hash.update(&(value.len() as u64).to_be_bytes());
            hash.update(value);
        }
    }
    hash.digest()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidemark_proto::wire::StoredVersion;

    /// If this fails, replicas that differ pass for equal, and convergence is measured too early.
    #[test]
    fn digests_differ_in_every_field() {
        let version = |operation, clock, value: Option<&'static [u8]>| StoredVersion {
            clock: Bytes::from_static(clock),
            value: value.map(Bytes::from_static),
            operation,
        };
        let one = version(1, b"clock", Some(b"value"));
        let all = [
            vec![],
            vec![one.clone()],
            vec![version(2, b"clock", Some(b"value"))],
            vec![version(1, b"clocks", Some(b"value"))],
            vec![version(1, b"clock", Some(b"values"))],
            vec![version(1, b"clockv", Some(b"alue"))],
            vec![version(1, b"clock", Some(b""))],
            vec![version(1, b"clock", None)],
            vec![one.clone(), one.clone()],
        ];
        let digests: std::collections::BTreeSet<_> = all.iter().map(digest).collect();
        assert_eq!(digests.len(), all.len());
        assert_eq!(digest(&all[1]), digest(&vec![one]));
    }
}
