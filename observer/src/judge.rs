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

mod writes;

use crate::lookup::Lookup;
use bytes::Bytes;
use smallvec::SmallVec;
use std::time::Duration;
use tidemark_proto::event::{Event, Invocation, Kind, Operation, Outcome};
use tidemark_proto::id::OperationId;
use writes::Writes;

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
    /// Something is in its place that it does not supersede itself: what wrote that had not seen it.
    pub overwritten: bool,
}

/// All writes of all keys, as far as they have been seen.
#[derive(Default)]
pub struct Judge {
    keys: Vec<(Bytes, Writes)>,
    places: Lookup<Bytes, u32>,
    answers: Lookup<OperationId, Answer>,
}

impl Judge {
    /// Takes in an event; gives its verdict if it is an answered read of the load.
    pub fn observe(&mut self, event: &Event) -> Option<Verdict> {
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
            | Event::Milestone { .. } => None,
        }
    }

    /// Every key that an operation was about, in the order of the first.
    pub fn keys(&self) -> impl Iterator<Item = &Bytes> {
        self.keys.iter().map(|(key, _)| key)
    }

    /// How many writes began and have not returned.
    #[must_use]
    pub fn unfinished(&self) -> u64 {
        self.keys.iter().map(|(_, writes)| writes.open()).sum()
    }

    /// How many writes of any key were acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.keys.iter().map(|(_, writes)| writes.complete()).sum()
    }

    /// The acknowledged writes of a key that are not in `held`, and that nothing in it, nor a delete, has superseded.
    #[must_use]
    pub fn lost(&self, key: &Bytes, held: &[OperationId]) -> Vec<Lost> {
        let Some(place) = self.places.get(key).copied() else {
            return Vec::new();
        };
        let (held, _) = self.versions(place, held);
        self.keys[place as usize].1.lost(&held)
    }

    /// Whether a write was complete before another one of its key began.
    #[must_use]
    pub fn precedes(&self, first: OperationId, second: OperationId) -> bool {
        let [first, second] = [first, second].map(|id| self.answers.get(&id));
        let Some((first, second)) = first.zip(second) else {
            return false;
        };
        let both = first.place == second.place && first.is_write && second.is_write;
        both && self.keys[first.place as usize]
            .1
            .precedes(first.versions[0], second.versions[0])
    }

    fn begin(&mut self, invocation: &Invocation) {
        if invocation.kind == Kind::Get || self.answers.contains_key(&invocation.id) {
            return;
        }
        let place = self.place(&invocation.key);
        let behind = invocation
            .context_from
            .and_then(|source| self.answers.get(&source))
            .filter(|answer| answer.place == place);
        let told = behind.map_or(&[][..], |answer| &answer.versions);
        let index = self.keys[place as usize].1.begin(invocation, told);
        let answer = Answer {
            place,
            is_write: true,
            versions: SmallVec::from_slice(&[index]),
        };
        self.answers.insert(invocation.id, answer);
    }

    fn end(&mut self, operation: &Operation) {
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
        let (told, _) = self.versions(place, &operation.versions);
        let Some(answer) = self.answers.get_mut(&operation.id) else {
            return;
        };
        let index = answer.versions[0];
        answer
            .versions
            .extend(told.into_iter().filter(|version| *version != index));
        self.keys[place as usize]
            .1
            .end(index, operation.returned, operation.outcome);
    }

    fn read(&mut self, operation: &Operation) -> Option<Verdict> {
        if operation.outcome != Outcome::Ok {
            return None;
        }
        let place = self.place(&operation.key);
        let (versions, unmatched) = self.versions(place, &operation.versions);
        let verdict = (operation.purpose.is_measured()).then(|| {
            let writes = &self.keys[place as usize].1;
            match writes.judge(operation.id, operation.invoked, &versions) {
                None => Verdict::NothingWritten,
                Some(_) if unmatched => Verdict::Unmatched,
                Some(judgement) => Verdict::Judged(judgement),
            }
        });
        let read = (operation.returned, operation.id);
        self.keys[place as usize].1.read(read, &versions);
        let answer = Answer {
            place,
            is_write: false,
            versions,
        };
        self.answers.insert(operation.id, answer);
        verdict
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

    /// The writes of a key with these ids, and whether there are ids that none has.
    fn versions(&self, place: u32, ids: &[OperationId]) -> (Indices, bool) {
        let index = |id| {
            let answer = self.answers.get(id)?;
            (answer.place == place && answer.is_write).then(|| answer.versions[0])
        };
        let indices: Indices = ids.iter().filter_map(index).collect();
        let unmatched = indices.len() != ids.len();
        (indices, unmatched)
    }
}

/// What the answer of an operation told of.
struct Answer {
    place: u32,
    is_write: bool,
    /// Of a write, the first is the write itself.
    versions: Indices,
}

/// Writes of one key, by their places among its writes.
type Indices = SmallVec<[u32; 2]>;
