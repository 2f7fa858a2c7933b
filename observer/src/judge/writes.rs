//! The writes of one key, and what an answer that told of some of them misses.

use super::{Judgement, Lost, Staleness};
use crate::ranges::Ranges;
use smallvec::SmallVec;
use std::time::Duration;
use tidemark_proto::event::{Invocation, Kind, Outcome};
use tidemark_proto::id::OperationId;

/// The writes of one key, in the order in which they began.
#[derive(Default)]
pub(super) struct Writes {
    writes: Vec<Write>,
    /// The acknowledged ones, in the order of their finishes.
    complete: Vec<u32>,
    /// How many have not returned.
    open: u32,
    /// How many deletes without a context have not returned.
    open_blind_deletes: u32,
    /// The last return of one that may have taken effect.
    last_return: Option<(Duration, OperationId)>,
    /// The deletes that may have taken effect.
    deletes: Vec<Delete>,
    /// All that those delete.
    deleted: Ranges,
    /// The first return of a read.
    first_read: Option<(Duration, OperationId)>,
    /// The first return of a write that was not acknowledged.
    first_unacknowledged: Option<(Duration, OperationId)>,
}

struct Write {
    id: OperationId,
    kind: Kind,
    begun: Duration,
    state: State,
    ancestors: Ranges,
    /// The first return of a read that had found it.
    seen: Option<Duration>,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Open,
    Complete(Duration),
    Failed,
    Unknown,
}

struct Delete {
    index: u32,
    is_blind: bool,
    /// What it deletes, if it takes effect.
    deletes: Ranges,
}

impl Writes {
    /// How many have not returned.
    pub(super) fn open(&self) -> u64 {
        u64::from(self.open)
    }

    /// How many were acknowledged.
    pub(super) fn complete(&self) -> u64 {
        self.complete.len() as u64
    }

    /// Adds a write whose context told of the writes `told`; gives its place.
    pub(super) fn begin(&mut self, invocation: &Invocation, told: &[u32]) -> u32 {
        let index = self.next_index();
        let mut ancestors = self.covered(told);
        // What failed is nobody's ancestor, and nobody asks: without such gaps the ranges stay few.
        let failed = |gap: &u32| self.has_failed(*gap);
        for gap in ancestors
            .gaps(ancestors.end())
            .filter(failed)
            .collect::<Vec<_>>()
        {
            ancestors.add(gap);
        }
        if invocation.kind == Kind::Delete {
            let is_blind = invocation.context_from.is_none();
            self.open_blind_deletes += u32::from(is_blind);
            self.deleted.extend(&ancestors);
            self.deletes.push(Delete {
                index,
                is_blind,
                deletes: ancestors.clone(),
            });
        }
        self.open += 1;
        self.writes.push(Write {
            id: invocation.id,
            kind: invocation.kind,
            begun: invocation.invoked,
            state: State::Open,
            ancestors,
            seen: None,
        });
        index
    }

    /// Notes what came of a write.
    pub(super) fn end(&mut self, index: u32, returned: Duration, outcome: Outcome) {
        let write = &mut self.writes[index as usize];
        if write.state != State::Open {
            return;
        }
        self.open -= 1;
        let (id, kind) = (write.id, write.kind);
        write.state = match outcome {
            Outcome::Ok => State::Complete(returned),
            Outcome::Failed => State::Failed,
            Outcome::Unknown => State::Unknown,
        };
        if outcome == Outcome::Ok {
            let place = self.complete_until(returned);
            self.complete.insert(place, index);
        }
        if outcome != Outcome::Ok {
            self.first_unacknowledged.get_or_insert((returned, id));
        }
        if outcome != Outcome::Failed {
            self.last_return = self.last_return.max(Some((returned, id)));
        }
        if kind == Kind::Delete {
            self.end_delete(index, outcome);
        }
    }

    fn end_delete(&mut self, index: u32, outcome: Outcome) {
        let before = self.next_index();
        let place = self.deletes.iter().position(|delete| delete.index == index);
        let place = place.expect("an open delete is among the deletes");
        self.open_blind_deletes -= u32::from(self.deletes[place].is_blind);
        if outcome == Outcome::Failed {
            self.deletes.remove(place);
            self.deleted = Ranges::default();
            for delete in &self.deletes {
                self.deleted.extend(&delete.deletes);
            }
        } else if self.deletes[place].is_blind {
            self.deletes[place].deletes = Ranges::below(before);
            self.deleted.extend(&self.deletes[place].deletes);
        }
    }

    /// Notes what a read has found.
    pub(super) fn read(&mut self, read: (Duration, OperationId), returned: &[u32]) {
        self.first_read.get_or_insert(read);
        for index in returned {
            self.writes[*index as usize].seen.get_or_insert(read.0);
        }
    }

    /// Judges a read that returned these versions; none if no write was complete when it began.
    pub(super) fn judge(
        &self,
        reader: OperationId,
        begun: Duration,
        returned: &[u32],
    ) -> Option<Judgement> {
        let read = (begun, reader);
        let complete = self.complete[..self.complete_until(begun)].iter().rev();
        let mut complete = complete
            .map(|place| &self.writes[*place as usize])
            .filter(|write| precedes(write.finish(), read))
            .peekable();
        let (finished, newest) = complete.peek()?.finish();

        let answer = self.single_value_answer(returned);
        let newer = complete
            .take_while(|write| answer.iter().all(|(finish, _)| *finish <= write.finish().0))
            .filter(|write| {
                (answer.iter()).all(|answered| precedes(*answered, (write.begun, write.id)))
            });
        let before = |other: &(Duration, OperationId)| precedes(*other, read);
        let uncovered: SmallVec<[&Write; 4]> = self.uncovered(returned).collect();
        let missed = self.missed(uncovered.iter().copied(), returned);
        Some(Judgement {
            newest,
            age: begun - finished,
            concurrent: self.open > 0 || self.last_return.is_some_and(|last| !precedes(last, read)),
            single_value: staleness(begun, newer),
            multi_value: staleness(begun, missed.filter(|write| precedes(write.finish(), read))),
            resurrected: self.resurrected(read, returned),
            gone: self.first_read.filter(before).map(|_| {
                let mut seen = uncovered.iter().filter_map(|write| write.seen);
                seen.any(|seen| seen < begun)
            }),
            unacknowledged: self.first_unacknowledged.filter(before).map(|_| {
                let state = |index: &u32| self.writes[*index as usize].state;
                let mut states = returned.iter().map(state);
                states.any(|state| matches!(state, State::Failed | State::Unknown))
            }),
        })
    }

    /// The acknowledged writes that are gone where these versions, and no others, are held.
    pub(super) fn lost(&self, held: &[u32]) -> Vec<Lost> {
        let lost = |write: &Write| Lost {
            write: write.id,
            overwritten: (held.iter()).any(|version| !write.ancestors.contains(*version)),
        };
        self.missed(self.uncovered(held), held).map(lost).collect()
    }

    /// Whether a read returned what was deleted before it, where anything was.
    fn resurrected(&self, read: (Duration, OperationId), returned: &[u32]) -> Option<bool> {
        let is_over = |delete: &&Delete| {
            !delete.is_blind && precedes(self.writes[delete.index as usize].finish(), read)
        };
        let mut deletes = self.deletes.iter().filter(is_over).peekable();
        deletes.peek()?;
        Some(deletes.any(|delete| {
            returned
                .iter()
                .any(|version| delete.deletes.contains(*version))
        }))
    }

    /// Whether one was complete before another began.
    pub(super) fn precedes(&self, first: u32, second: u32) -> bool {
        let [first, second] = [first, second].map(|index| &self.writes[index as usize]);
        precedes(first.finish(), (second.begun, second.id))
    }

    /// The finishes of what a read may be held to have returned, in the single-value view.
    fn single_value_answer(&self, returned: &[u32]) -> Vec<(Duration, OperationId)> {
        let finish = |index: u32| self.writes[index as usize].finish();
        if returned.is_empty() {
            let best = self.deletes.iter().map(|delete| finish(delete.index)).max();
            return best.into_iter().collect();
        }
        returned.iter().map(|index| finish(*index)).collect()
    }

    /// The writes that these versions neither are nor supersede, and that no delete excuses.
    fn uncovered(&self, versions: &[u32]) -> impl Iterator<Item = &Write> {
        let mut covered = self.covered(versions);
        covered.extend(&self.deleted);
        // What is being deleted without a context may be anything.
        if self.open_blind_deletes > 0 {
            covered.extend(&Ranges::below(self.next_index()));
        }
        let gaps: SmallVec<[u32; 4]> = covered.gaps(self.next_index()).collect();
        gaps.into_iter().map(|index| &self.writes[index as usize])
    }

    /// The acknowledged ones of `uncovered` writes; a delete only if one of these versions is what it deletes.
    fn missed<'a>(
        &self,
        uncovered: impl Iterator<Item = &'a Write>,
        versions: &[u32],
    ) -> impl Iterator<Item = &'a Write> {
        let is_back = |delete: &Write| {
            let live = versions
                .iter()
                .filter(|version| !self.has_failed(**version));
            live.copied()
                .any(|version| delete.ancestors.contains(version))
        };
        uncovered.filter(move |write| {
            matches!(write.state, State::Complete(_))
                && (write.kind != Kind::Delete || is_back(write))
        })
    }

    /// These versions and all their ancestors.
    fn covered(&self, versions: &[u32]) -> Ranges {
        let mut covered = Ranges::default();
        for version in versions {
            covered.extend(&self.writes[*version as usize].ancestors);
            covered.add(*version);
        }
        covered
    }

    fn has_failed(&self, index: u32) -> bool {
        self.writes[index as usize].state == State::Failed
    }

    /// How many of the acknowledged writes had finished at `time`.
    fn complete_until(&self, time: Duration) -> usize {
        self.complete
            .partition_point(|place| self.writes[*place as usize].finish().0 <= time)
    }

    fn next_index(&self) -> u32 {
        u32::try_from(self.writes.len()).expect("fewer than 2^32 writes of a key")
    }
}

impl Write {
    /// When it finished, and who it is; what was not acknowledged never finishes.
    fn finish(&self) -> (Duration, OperationId) {
        match self.state {
            State::Complete(finish) => (finish, self.id),
            State::Open | State::Failed | State::Unknown => (Duration::MAX, self.id),
        }
    }
}

/// Whether an operation that finished then was over when another began; one client's own operations are ordered even if
/// one begins just when the other finishes.
fn precedes(finished: (Duration, OperationId), begun: (Duration, OperationId)) -> bool {
    let (first, second) = (finished.1, begun.1);
    finished.0 < begun.0
        || finished.0 == begun.0
            && first.issuer() == second.issuer()
            && first.sequence() < second.sequence()
}

fn staleness<'a>(begun: Duration, missed: impl Iterator<Item = &'a Write>) -> Option<Staleness> {
    missed.fold(None, |staleness: Option<Staleness>, write| {
        let t = begun - write.finish().0;
        Some(staleness.map_or(Staleness { t, k: 1 }, |before| Staleness {
            t: before.t.max(t),
            k: before.k + 1,
        }))
    })
}
