//! Everything that a strategy may see and touch while it handles one input.

use crate::admission::Admission;
use crate::config::Limits;
use crate::deletion::Tombstone;
use crate::durability::Sync;
use crate::hints::{Hint, Hints, Overflow};
use crate::repair::{Change, FinishedRead, News};
use crate::replica::{Output, ROLL};
use crate::request::{Code, Refusal, Reply, Ticket};
use crate::roll::Roll;
use crate::storage::{Damage, Full, Storage};
use crate::versioning::{Versioning, Versions};
use crate::view::{Belief, View};
use bytes::Bytes;
use std::borrow::Cow;
use tidemark_proto::event::{Detail, Event, Stored};
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::message::{Message, Method};
use tidemark_proto::time::Now;
use tidemark_proto::upkeep::{Chore, Upkeep};
use tidemark_proto::wire::StoredVersion;
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
    /// How long its inputs wait for their turn.
    pub admission: &'a Admission,
    /// What makes one version newer.
    pub versioning: &'a mut dyn Versioning,
    /// What it knows of the cluster.
    pub view: &'a mut View,
    /// What this node holds.
    pub storage: &'a mut dyn Storage,
    /// What it keeps in other nodes' places.
    pub hints: &'a mut Hints,
    /// The requests of clients that it coordinates at present.
    pub in_flight: usize,
    /// The level below which notes are not worth making.
    pub(crate) detail: Detail,
    pub(crate) outputs: &'a mut Vec<Output>,
    /// What the repair strategies have not heard yet.
    pub(crate) news: &'a mut Vec<News>,
    /// Whether one of them wants to hear of every change of what is held.
    pub(crate) follows_stores: bool,
    /// Whether one of the repairs wants replicas that are behind to hold what was read before a read is answered.
    pub blocks_reads: bool,
    /// Whether deleted keys leave a tombstone.
    pub(crate) keeps_tombstones: bool,
    /// N: how many nodes hold a key.
    pub(crate) replicas: usize,
    /// While members change: the least roll by which a write was begun that is in flight here.
    pub(crate) oldest_write: Option<u64>,
    /// How many members that are believed to be down a change need not wait for.
    pub(crate) may_leave_behind: usize,
}

impl Context<'_> {
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

    /// Notes something that was done for the cluster's sake; of no key and no operation unless it is changed.
    pub fn note_chore(&mut self, chore: Chore, peer: NodeId, change: impl FnOnce(&mut Upkeep)) {
        let mut upkeep = Upkeep {
            at: self.now.elapsed,
            node: self.id,
            chore,
            peer: Some(peer),
            operation: OperationId::NONE,
            key: Bytes::new(),
            count: 0,
            bytes: 0,
        };
        change(&mut upkeep);
        self.outputs
            .push(Output::Note(Event::Upkeep(Box::new(upkeep))));
    }

    /// Goes by another roll of the members from now on, durably. Tells whether it can: keys may not be laid out over its
    /// members, or the disk may be full.
    pub(crate) fn enrol(&mut self, roll: Roll) -> bool {
        let (number, bytes) = (roll.number, roll.to_bytes());
        let before = self.view.roll().clone();
        // First whether it can be: what is on the disk is what the next life starts with.
        let taken = self.view.enrol(roll).and_then(|()| {
            let written = self.storage.write_record(ROLL, Some(bytes.into()));
            written.map_err(|full| {
                let back = self.view.enrol(before);
                back.expect("it went by that roll");
                full.to_string()
            })
        });
        if let Err(reason) = taken {
            let reason = format!("roll {number} is not taken: {reason}");
            self.refuse(OperationId::NONE, reason);
            return false;
        }
        let id = self.id;
        self.note_chore(Chore::MembersChanged, id, |upkeep| upkeep.count = number);
        self.news.push(News::Enrolled);
        true
    }

    /// Believes something of another node from now on.
    pub fn believe(&mut self, node: NodeId, belief: Belief) {
        if self.view.believe(node, belief) {
            let chore = match belief {
                Belief::Up => Chore::BelievesUp,
                Belief::Suspected => Chore::Suspects,
                Belief::Down => Chore::BelievesDown,
            };
            self.note_chore(chore, node, |_| {});
            self.news.push(News::Believed(node, belief));
        }
    }

    /// Notes which nodes are to hold a key.
    pub fn place(&mut self, key: &Bytes, replicas: &[NodeId]) {
        if self.detail < Detail::Arrivals {
            return;
        }
        let (key, nodes) = (key.clone(), replicas.to_vec());
        self.outputs
            .push(Output::Note(Event::Placed { key, nodes }));
    }

    /// Whether what is stored now is on the disk when it is acknowledged.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        self.storage.durability().sync == Sync::Batch
    }

    /// Hands a read that is over to the repair strategies.
    pub fn finish_read(&mut self, read: FinishedRead) {
        self.news.push(News::ReadFinished(read));
    }

    /// What this node holds of a key.
    ///
    /// # Errors
    /// It is damaged, which is noted.
    pub fn load(&mut self, key: &[u8], operation: OperationId) -> Result<Versions, Refusal> {
        self.storage.load(key).map_err(|Damage| {
            let key = String::from_utf8_lossy(key);
            let message = format!("what {} holds of {key:?} is damaged", self.id);
            self.refuse(operation, message.clone());
            Refusal::new(Code::DataLoss, message)
        })
    }

    /// What this node tells of a key: what it holds and, if it is none of the key's own replicas, what it keeps for them.
    ///
    /// # Errors
    /// As [`Context::load`].
    pub fn known(&mut self, key: &[u8], operation: OperationId) -> Result<Versions, Refusal> {
        let held = self.load(key, operation)?;
        let is_replica = || self.view.preference(key, self.replicas).contains(&self.id);
        if self.hints.is_empty() || is_replica() {
            return Ok(held);
        }
        let join = |known, hint: &Hint| self.versioning.sync(&known, &hint.versions);
        Ok(self.hints.of_key(key).fold(held, join))
    }

    /// Takes versions of a key in another node's place: as a hint for it, or as this node's own where nobody would
    /// deliver hints.
    ///
    /// # Errors
    /// As [`Context::keep_hint`] and [`Context::hold`].
    pub fn stand_in(
        &mut self,
        replica: NodeId,
        key: &Bytes,
        versions: &Versions,
        operation: OperationId,
    ) -> Result<(), Refusal> {
        if replica == self.id || self.hints.limits().is_none() {
            return self.hold(key, versions, operation, Method::Store);
        }
        self.keep_hint(replica, key, versions, operation)
    }

    /// Keeps versions of a key for another node until that can be reached.
    ///
    /// # Errors
    /// There is no room for them, or nobody would deliver them; the reason is noted.
    pub fn keep_hint(
        &mut self,
        replica: NodeId,
        key: &Bytes,
        versions: &Versions,
        operation: OperationId,
    ) -> Result<(), Refusal> {
        let Some(limits) = self.hints.limits() else {
            let message = format!("{} keeps no hints: no repair delivers them", self.id);
            return self.refusal(operation, Code::FailedPrecondition, message);
        };
        let old = self.hints.get(replica, key);
        let versions = match old {
            Some(old) => self.versioning.sync(&old.versions, versions),
            None => versions.clone(),
        };
        let hint = Hint {
            versions,
            operation,
            since: old.map_or(self.now.elapsed, |old| old.since),
        };
        let bytes = bytes_of(key, &hint.versions);
        let has_room = self.hints.has_room(replica, key, &hint);
        if !has_room && limits.overflow == Overflow::Refuse {
            let (hints, most) = (self.hints.len(), limits.bytes);
            let message = format!(
                "{} keeps {hints} hints; at most {} of {most} bytes",
                self.id, limits.hints
            );
            return self.refusal(operation, Code::ResourceExhausted, message);
        }
        let mut chore = Chore::HintDropped;
        if has_room {
            if let Err(Full) = self.hints.keep(self.storage, replica, key, hint) {
                return self.refusal(operation, Code::ResourceExhausted, self.is_full());
            }
            self.news.push(News::HintKept(replica));
            chore = Chore::HintKept;
        }
        let count = self.hints.len() as u64;
        self.note_chore(chore, replica, |note| {
            note.operation = operation;
            note.key = key.clone();
            note.count = count;
            note.bytes = bytes;
        });
        Ok(())
    }

    /// Holds what versioning makes of versions that came and those held of a key. Damage is only for a repair to mend:
    /// any other writer has not heard from the peers what was lost.
    ///
    /// # Errors
    /// They cannot be held; the reason is noted.
    pub fn hold(
        &mut self,
        key: &Bytes,
        versions: &Versions,
        operation: OperationId,
        by: Method,
    ) -> Result<(), Refusal> {
        let held = match self.load(key, operation) {
            Ok(held) => held,
            Err(_) if by == Method::Repair => {
                return self.replace(key, versions.clone(), operation, by);
            }
            Err(refusal) => return Err(refusal),
        };
        let joined = self.versioning.receive(self.now, &held, versions, by);
        if joined == held {
            return Ok(());
        }
        self.replace(key, joined, operation, by)
    }

    /// Holds versions of a key in place of those held.
    ///
    /// # Errors
    /// As [`Context::hold`].
    pub fn replace(
        &mut self,
        key: &Bytes,
        versions: Versions,
        operation: OperationId,
        by: Method,
    ) -> Result<(), Refusal> {
        let stored = (self.detail >= Detail::Arrivals).then(|| {
            Event::Stored(Box::new(Stored {
                at: self.now.elapsed,
                node: self.id,
                operation,
                method: by,
                key: key.clone(),
                digest: digest(&versions),
                versions: operations(&versions),
            }))
        });
        let change = self.follows_stores.then(|| Change {
            key: key.clone(),
            before: self.storage.load(key).unwrap_or_default(),
            after: versions.clone(),
        });
        let removed = !self.keeps_tombstones && Tombstone::of(key, &versions).is_some();
        if let Err(Full) = self.storage.store(key, versions) {
            return self.refusal(operation, Code::ResourceExhausted, self.is_full());
        }
        self.outputs.extend(stored.map(Output::Note));
        self.news.extend(change.map(News::Stored));
        if removed {
            return self.collect(key, operation);
        }
        Ok(())
    }

    /// Holds nothing of a key any more, whose tombstone was written by this operation.
    ///
    /// # Errors
    /// As [`Context::hold`].
    pub fn collect(&mut self, key: &Bytes, operation: OperationId) -> Result<(), Refusal> {
        self.replace(key, Versions::new(), operation, Method::Collect)?;
        self.note_chore(Chore::Collected, self.id, |upkeep| {
            upkeep.peer = None;
            upkeep.key = key.clone();
            upkeep.operation = operation;
            upkeep.count = 1;
        });
        Ok(())
    }

    fn is_full(&self) -> String {
        format!("the disk of {} is full", self.id)
    }

    /// A refusal, and a note of it.
    fn refusal(
        &mut self,
        operation: OperationId,
        code: Code,
        message: String,
    ) -> Result<(), Refusal> {
        self.refuse(operation, message.clone());
        Err(Refusal::new(code, message))
    }
}

/// The operations that wrote versions.
pub(crate) fn operations(versions: &Versions) -> Vec<OperationId> {
    let bits = versions.iter().map(|version| version.operation);
    bits.map(OperationId::from_bits).collect()
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

/// How many bytes a key and its versions take, clocks included.
#[must_use]
pub fn bytes_of(key: &[u8], versions: &Versions) -> u64 {
    let bytes = |version: &StoredVersion| {
        version.clock.len() + version.value.as_ref().map_or(0, Bytes::len)
    };
    (key.len() + versions.iter().map(bytes).sum::<usize>()) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

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
