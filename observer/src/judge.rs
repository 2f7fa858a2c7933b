//! Judges every read when it returns: what was complete before it started, and is missing from its answer?
//!
//! Two views of one answer. *Single-value*: a write is newer than another iff it started after the other had finished; a
//! read is stale iff some complete write is newer than every version it returned. *Multi-value*: a write supersedes its
//! causal ancestors; a read is stale iff some complete write is neither returned nor an ancestor of what was returned.
//! Ancestry comes from the operations behind the contexts that clients used, never from the store's clocks:
//! a write's ancestors are the versions that the answer behind its context told of, and theirs.
//!
//! What is not certain counts for the store. A write that was not acknowledged obliges nobody. A write that finishes just
//! when a read starts is concurrent with it, unless one client issued both, the write first. An answer without a
//! write may have met any delete that could have taken effect: a delete excuses its ancestors, and one without a context,
//! which deletes what its coordinator finds, all that was begun before it returned. A delete itself is missed iff one of its
//! ancestors is returned.
//!
//! *Horizon*: so many of the last operations are remembered. Of a write that is older and that an acknowledged write has
//! superseded, or a delete deleted, only a count is left, which is exact for every read that supersedes all such writes of
//! its key, or none. What is asked for after it was forgotten counts for the store and is counted itself: reads whose
//! staleness is therefore at least what is given ([`Judgement::is_at_least`]), and what else ([`Judge::forgotten`]).

mod answers;
mod guarantees;
mod missing;
mod order;
mod past;
mod session;
mod writes;

pub use guarantees::{Guarantee, Guarantees};

use crate::lookup::Lookup;
use answers::{Answer, Answers};
use bytes::Bytes;
use smallvec::SmallVec;
use std::time::Duration;
use tidemark_proto::event::{Event, Invocation, Kind, Operation, Outcome};
use tidemark_proto::id::OperationId;
use writes::{Told, Writes};

/// What a read's answer was worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No write of the key was complete when it started: it could not have been stale.
    NothingWritten,
    /// It returned a version that no operation wrote.
    Unmatched,
    /// It could have been stale.
    Judged(Judgement),
}

/// Whether a read was stale, and by how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The newest write of the key that was complete when the read started.
    pub newest: OperationId,
    /// How long it had been complete.
    pub age: Duration,
    /// A write of the key overlapped the read: it may or may not be in the answer.
    pub concurrent: bool,
    /// In the single-value view; none: fresh.
    pub single_value: Option<Staleness>,
    /// In the multi-value view; none: fresh.
    pub multi_value: Option<Staleness>,
    /// Whether it returned what a delete had deleted that was complete when it started; none: there was no such delete.
    /// What a delete without a context deletes is not certain: it is none.
    pub resurrected: Option<bool>,
    /// Whether it lacks what a read that was over when it started had returned and nothing has superseded or may have
    /// deleted; none: there was no such read.
    pub gone: Option<bool>,
    /// Whether it returned a write that failed or may have; none: of those that were over when it started there was none.
    pub unacknowledged: Option<bool>,
    /// Something that it depends on is beyond the horizon: it is at least as stale as is given.
    pub is_at_least: bool,
}

/// How stale a stale read was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Staleness {
    /// How long the first write that it missed had been complete.
    pub t: Duration,
    /// How many complete writes it missed.
    pub k: u64,
}

/// An acknowledged write that is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The write.
    pub write: OperationId,
    /// When it began.
    pub begun: Duration,
    /// Something is in its place that it does not supersede itself: what wrote that had not seen it.
    pub overwritten: bool,
}

/// What is known of an operation id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// A write of the key that has not returned.
    Open,
    /// One that was acknowledged.
    Acknowledged,
    /// One that failed.
    Failed,
    /// One of which nobody knows whether it took effect.
    Unknown,
    /// It may have been a write of the key that is beyond the horizon.
    Forgotten,
    /// It is no write of the key that has been seen.
    Nothing,
}

/// The writes of all keys, as far as they have been seen and are within the horizon.
pub struct Judge {
    keys: Vec<(Bytes, Writes)>,
    places: Lookup<Bytes, u32>,
    answers: Answers,
    guarantees: Guarantees,
    missed: Vec<(OperationId, Duration)>,
    forgotten: u64,
}

impl Default for Judge {
    fn default() -> Self {
        Self::with_horizon(HORIZON)
    }
}

impl Judge {
    /// Remembers so many operations.
    #[must_use]
    pub fn with_horizon(operations: usize) -> Self {
        Self {
            keys: Vec::new(),
            places: Lookup::default(),
            answers: Answers::new(operations),
            guarantees: Guarantees::default(),
            missed: Vec::new(),
            forgotten: 0,
        }
    }

    /// Takes in an event; gives its verdict if it is an answered read of the load.
    pub fn observe(&mut self, event: &Event) -> Option<Verdict> {
        self.guarantees = Guarantees::default();
        self.missed.clear();
        match event {
            Event::Invoked(invocation) => {
                self.begin(invocation);
                None
            }
            Event::Returned(operation) if operation.kind == Kind::Get => self.read(operation),
            Event::Returned(operation) => {
                self.end(operation);
                None
            }
            Event::Placed { .. }
            | Event::Stored(_)
            | Event::Sent { .. }
            | Event::Received { .. }
            | Event::Refused { .. }
            | Event::Upkeep(_)
            | Event::Fate(_)
            | Event::Fault(_)
            | Event::Machine { .. }
            | Event::Milestone { .. }
            | Event::Gap(_) => None,
        }
    }

    /// What the last event says of the sessions' guarantees: something, if it is an answered read of the load.
    #[must_use]
    pub fn guarantees(&self) -> Guarantees {
        self.guarantees
    }

    /// The writes that the last event misses in the multi-value view, and when they were complete: some, if it is a stale
    /// read of the load.
    #[must_use]
    pub fn missed(&self) -> &[(OperationId, Duration)] {
        &self.missed
    }

    /// Whether a write supersedes another one of its key, by the contexts that clients used.
    #[must_use]
    pub fn supersedes(&self, newer: OperationId, older: OperationId) -> bool {
        let both = [newer, older].map(|id| self.answers.get(id).filter(|answer| answer.is_write));
        let [Some(newer), Some(older)] = both else {
            return false;
        };
        let writes = &self.keys[newer.place as usize].1;
        let newer_write = writes.get(newer.versions[0]);
        let ancestors = newer_write.map(|write| &write.ancestors);
        newer.place == older.place
            && ancestors.is_some_and(|ancestors| ancestors.contains(older.versions[0]))
    }

    /// Whether who holds a version has a write: it is that, supersedes it, or began after it was complete.
    #[must_use]
    pub fn brings(&self, version: OperationId, write: OperationId) -> bool {
        version == write
            || self.supersedes(version, write)
            || self.precedes(write, version) == Some(true)
    }

    /// Whether it is a write that supersedes any.
    #[must_use]
    pub fn is_update(&self, id: OperationId) -> bool {
        let answer = self.answers.get(id).filter(|answer| answer.is_write);
        let write = answer.and_then(|answer| {
            let writes = &self.keys[answer.place as usize].1;
            writes.get(answer.versions[0])
        });
        write.is_some_and(|write| write.ancestors.end() > 0)
    }

    /// Every key that an operation was about, in the order of the first.
    pub fn keys(&self) -> impl Iterator<Item = &Bytes> {
        self.keys.iter().map(|(key, _)| key)
    }

    /// The number of a key among [`Judge::keys`].
    pub(crate) fn number(&self, key: &Bytes) -> Option<usize> {
        self.places.get(key).map(|place| *place as usize)
    }

    /// Whether there may have been such an operation that is beyond the horizon.
    pub(crate) fn is_forgotten(&self, id: OperationId) -> bool {
        self.answers.is_forgotten(id)
    }

    /// How many writes began and have not returned.
    #[must_use]
    pub fn unfinished(&self) -> u64 {
        self.keys.iter().map(|(_, writes)| writes.open()).sum()
    }

    /// How many writes of any key were acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        let keys = self.keys.iter();
        keys.map(|(_, writes)| writes.acknowledged()).sum()
    }

    /// How often something was asked for beyond the horizon: the context of a write, which then supersedes all that began
    /// before it, the operation of a return, which is left out, or what was complete before a read that lasted so long.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// The acknowledged writes of a key that are not in `held`, and that nothing in it, nor a delete, has superseded; and
    /// how many more of those beyond the horizon.
    #[must_use]
    pub fn lost(&self, key: &Bytes, held: &[OperationId]) -> (Vec<Lost>, u64) {
        let Some(place) = self.places.get(key).copied() else {
            return (Vec::new(), 0);
        };
        let held = self.versions(place, held);
        self.keys[place as usize].1.lost(&held.told())
    }

    /// Whether a write was complete before another one of its key began; none if one of them is beyond the horizon.
    #[must_use]
    pub fn precedes(&self, first: OperationId, second: OperationId) -> Option<bool> {
        let both = [first, second];
        let [first, second] = both.map(|id| self.answers.get(id));
        let Some((first, second)) = first.zip(second) else {
            let is_forgotten = both.iter().any(|id| self.answers.is_forgotten(*id));
            return (!is_forgotten).then_some(false);
        };
        if first.place != second.place || !first.is_write || !second.is_write {
            return Some(false);
        }
        let writes = &self.keys[first.place as usize].1;
        writes.precedes(first.versions[0], second.versions[0])
    }

    /// What is known of a write of a key.
    #[must_use]
    pub fn known(&self, key: &Bytes, id: OperationId) -> Known {
        let place = self.places.get(key).copied();
        match self.answers.get(id).zip(place) {
            Some((answer, place)) if answer.place == place && answer.is_write => {
                let write = self.keys[place as usize].1.get(answer.versions[0]);
                write.map_or(Known::Forgotten, |write| write.known())
            }
            Some(_) => Known::Nothing,
            None if self.answers.is_forgotten(id) => Known::Forgotten,
            None => Known::Nothing,
        }
    }

    fn begin(&mut self, invocation: &Invocation) {
        if invocation.kind == Kind::Get || self.answers.get(invocation.id).is_some() {
            return;
        }
        let place = self.place(&invocation.key);
        let source = invocation.context_from;
        let behind = source.and_then(|source| self.answers.get(source));
        let behind = behind.filter(|answer| answer.place == place);
        let versions = behind.map_or(&[][..], |answer| &answer.versions);
        let writes = &mut self.keys[place as usize].1;
        let has_forgotten = source.is_some_and(|source| {
            self.answers.is_forgotten(source)
                || versions
                    .iter()
                    .any(|version| writes.get(*version).is_none())
        });
        let has_forgotten = has_forgotten || behind.is_some_and(|answer| answer.has_forgotten);
        self.forgotten += u64::from(has_forgotten);
        let told = Told {
            versions,
            has_forgotten,
        };
        let index = writes.begin(invocation, &told);
        let answer = Answer {
            place,
            is_write: true,
            has_forgotten: false,
            versions: SmallVec::from_slice(&[index]),
        };
        self.remember(invocation.id, answer);
    }

    fn end(&mut self, operation: &Operation) {
        if self.answers.is_forgotten(operation.id) {
            self.forgotten += 1;
            return;
        }
        self.begin(&Invocation {
            id: operation.id,
            purpose: operation.purpose,
            kind: operation.kind,
            key: operation.key.clone(),
            intended: operation.intended,
            invoked: operation.invoked,
            context_from: operation.context_from,
        });
        let place = self.place(&operation.key);
        let told = self.versions(place, &operation.versions);
        let answer = self.answers.get_mut(operation.id);
        let Some(answer) = answer.filter(|answer| answer.is_write && answer.place == place) else {
            return;
        };
        let index = answer.versions[0];
        answer.has_forgotten |= told.has_forgotten;
        let others = told.indices.into_iter();
        answer
            .versions
            .extend(others.filter(|version| *version != index));
        self.keys[place as usize]
            .1
            .end(index, operation.returned, operation.outcome);
    }

    fn read(&mut self, operation: &Operation) -> Option<Verdict> {
        if operation.outcome != Outcome::Ok {
            return None;
        }
        let place = self.place(&operation.key);
        let versions = self.versions(place, &operation.versions);
        let told = versions.told();
        let writes = &mut self.keys[place as usize].1;
        let verdict = (operation.purpose.is_measured()).then(|| {
            let (judgement, guarantees) =
                writes.judge(operation.id, operation.invoked, &told, &mut self.missed);
            self.guarantees = guarantees;
            match judgement {
                None => {
                    let read = (operation.invoked, operation.id);
                    self.forgotten += u64::from(writes.has_outlived(read));
                    Verdict::NothingWritten
                }
                Some(_) if versions.has_unmatched => Verdict::Unmatched,
                Some(judgement) => Verdict::Judged(judgement),
            }
        });
        writes.read((operation.returned, operation.id), &told);
        let answer = Answer {
            place,
            is_write: false,
            has_forgotten: versions.has_forgotten,
            versions: versions.indices,
        };
        self.remember(operation.id, answer);
        verdict
    }

    /// Remembers an answer, and forgets what is beyond the horizon.
    fn remember(&mut self, id: OperationId, answer: Answer) {
        let Some(oldest) = self.answers.insert(id, answer) else {
            return;
        };
        match self.answers.get(oldest) {
            Some(answer) if answer.is_write => {
                for forgotten in self.keys[answer.place as usize].1.retire() {
                    self.answers.forget(forgotten);
                }
            }
            Some(_) | None => self.answers.forget(oldest),
        }
    }

    fn place(&mut self, key: &Bytes) -> u32 {
        if let Some(place) = self.places.get(key) {
            return *place;
        }
        let place = u32::try_from(self.keys.len()).expect("fewer than 2^32 keys");
        self.keys.push((key.clone(), Writes::default()));
        self.places.insert(key.clone(), place);
        place
    }

    /// The writes of a key with these ids.
    fn versions(&self, place: u32, ids: &[OperationId]) -> Versions {
        let mut versions = Versions::default();
        for id in ids {
            match self.answers.get(*id) {
                Some(answer) if answer.place == place && answer.is_write => {
                    versions.indices.push(answer.versions[0]);
                }
                None if self.answers.is_forgotten(*id) => versions.has_forgotten = true,
                Some(_) | None => versions.has_unmatched = true,
            }
        }
        versions
    }
}

/// The writes that some ids name.
#[derive(Default)]
struct Versions {
    indices: Indices,
    has_forgotten: bool,
    has_unmatched: bool,
}

impl Versions {
    fn told(&self) -> Told<'_> {
        Told {
            versions: &self.indices,
            has_forgotten: self.has_forgotten,
        }
    }
}

/// Writes of one key, by their places among its writes.
type Indices = SmallVec<[u32; 2]>;

/// How many operations are remembered: more than most runs have, and far more than lie between a read and the write
/// that carries its context.
pub const HORIZON: usize = 1_000_000;
