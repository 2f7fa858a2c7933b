//! The writes of one key, and what an answer that told of some of them misses.

mod forgetting;

use super::guarantees::{Guarantees, Reading};
use super::missing::{both, staleness};
use super::order::{Moment, finished_until, precedes};
use super::past::{Gap, Missed, Past};
use super::session::Session;
use super::{Judgement, Known, Lost, Staleness};
use crate::ranges::Ranges;
use smallvec::SmallVec;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use tidemark_proto::event::{Invocation, Kind, Outcome};
use tidemark_proto::id::{NodeId, OperationId};

/// The writes of one key, in the order in which they began.
#[derive(Default)]
pub(super) struct Writes {
    /// Those after the past.
    recent: VecDeque<Write>,
    /// Those that would be past, but that nothing has superseded.
    kept: BTreeMap<u32, Box<Write>>,
    /// The one of those that is looked at next, whether it is still so.
    doubted: u32,
    past: Past,
    /// What acknowledged writes have superseded.
    superseded: Ranges,
    /// The acknowledged ones that are remembered, in the order of their finishes, and these.
    complete: VecDeque<(Duration, u32)>,
    acknowledged: u64,
    /// How many have not returned.
    open: u32,
    /// How many deletes have not returned.
    open_deletes: u32,
    /// How many deletes without a context have not returned.
    open_blind_deletes: u32,
    /// The last return of one that may have taken effect.
    last_return: Option<Moment>,
    /// The deletes that may have taken effect.
    deletes: Vec<Delete>,
    /// All that deletes delete that may have taken effect.
    deleted: Ranges,
    /// Those that failed.
    failed: Ranges,
    /// The first return of a read.
    first_read: Option<Moment>,
    /// The first return of a write that was not acknowledged.
    first_unacknowledged: Option<Moment>,
    sessions: BTreeMap<NodeId, Box<Session>>,
}

pub(super) struct Write {
    pub(super) id: OperationId,
    kind: Kind,
    pub(super) begun: Duration,
    state: State,
    pub(super) ancestors: Ranges,
    /// The first return of a read that had found it.
    seen: Option<Duration>,
    /// Its session had read a version of the key before.
    pub(super) follows_reads: bool,
    /// Those versions of them that are not its ancestors.
    pub(super) read_apart: Option<Box<[u32]>>,
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

/// What some versions neither are nor supersede, and no delete excuses.
pub(super) struct Uncovered<'a> {
    pub(super) covered: Ranges,
    /// Those that are remembered.
    pub(super) writes: Vec<(u32, &'a Write)>,
    /// How much of what is not.
    past: Gap,
}

/// The versions that an answer told of.
pub(super) struct Told<'a> {
    pub(super) versions: &'a [u32],
    /// It told of some that are forgotten.
    pub(super) has_forgotten: bool,
}

impl Writes {
    /// How many have not returned.
    pub(super) fn open(&self) -> u64 {
        u64::from(self.open)
    }

    /// Whether a read lasted so long that what was complete when it began may be forgotten.
    pub(super) fn has_outlived(&self, read: Moment) -> bool {
        !self.past.is_before(read)
    }

    /// How many were acknowledged.
    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// The write at a place, if it is remembered.
    pub(super) fn get(&self, index: u32) -> Option<&Write> {
        match index.checked_sub(self.past.base) {
            Some(place) => self.recent.get(place as usize),
            None => self.kept.get(&index).map(|write| &**write),
        }
    }

    fn get_mut(&mut self, index: u32) -> Option<&mut Write> {
        match index.checked_sub(self.past.base) {
            Some(place) => self.recent.get_mut(place as usize),
            None => self.kept.get_mut(&index).map(|write| &mut **write),
        }
    }

    /// What the session of an operation has done.
    pub(super) fn session(&self, of: OperationId) -> Option<&Session> {
        self.sessions.get(&of.issuer()).map(|session| &**session)
    }

    /// Adds a write whose context told of these versions; gives its place.
    pub(super) fn begin(&mut self, invocation: &Invocation, told: &Told<'_>) -> u32 {
        let index = self.next_index();
        let mut ancestors = match told.has_forgotten {
            // What is not certain counts for the store.
            true => Ranges::below(index),
            false => self.covered(told.versions),
        };
        // What failed is nobody's ancestor, and nobody asks: without such gaps the ranges stay few.
        ancestors.extend_below(&self.failed, ancestors.end());
        if invocation.kind == Kind::Delete {
            let is_blind = invocation.context_from.is_none();
            self.open_deletes += 1;
            self.open_blind_deletes += u32::from(is_blind);
            self.deleted.extend(&ancestors);
            self.deletes.push(Delete {
                index,
                is_blind,
                deletes: ancestors.clone(),
            });
        }
        let begun = (invocation.invoked, invocation.id);
        let session = self.session(invocation.id);
        let found = session.into_iter().flat_map(|own| own.found_before(begun));
        let found: SmallVec<[u32; 4]> = found.map(|(index, _)| index).collect();
        let apart = found
            .iter()
            .copied()
            .filter(|index| !ancestors.contains(*index));
        let apart: Box<[u32]> = apart.collect();
        self.open += 1;
        self.recent.push_back(Write {
            id: invocation.id,
            kind: invocation.kind,
            begun: invocation.invoked,
            state: State::Open,
            ancestors,
            seen: None,
            follows_reads: !found.is_empty(),
            read_apart: Some(apart).filter(|apart| !apart.is_empty()),
        });
        index
    }

    /// Notes what came of a write.
    pub(super) fn end(&mut self, index: u32, returned: Duration, outcome: Outcome) {
        let Some(write) = self.get_mut(index) else {
            return;
        };
        if write.state != State::Open {
            return;
        }
        let (id, kind) = (write.id, write.kind);
        write.state = match outcome {
            Outcome::Ok => State::Complete(returned),
            Outcome::Failed => State::Failed,
            Outcome::Unknown => State::Unknown,
        };
        self.open -= 1;
        match outcome {
            Outcome::Ok => self.acknowledge(index, (returned, id)),
            Outcome::Failed => self.failed.add(index),
            Outcome::Unknown => {}
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

    fn acknowledge(&mut self, index: u32, end: Moment) {
        let ancestors = self.get(index).map(|write| write.ancestors.clone());
        self.superseded.extend(&ancestors.unwrap_or_default());
        let place = self.complete_until(end.0);
        self.complete.insert(place, (end.0, index));
        self.acknowledged += 1;
        let wrote = &mut self.sessions.entry(end.1.issuer()).or_default().wrote;
        *wrote = Some(wrote.map_or(end, |first| first.min(end)));
    }

    fn end_delete(&mut self, index: u32, outcome: Outcome) {
        let before = self.next_index();
        let place = self.deletes.iter().position(|delete| delete.index == index);
        let place = place.expect("an open delete is among the deletes");
        self.open_deletes -= 1;
        self.open_blind_deletes -= u32::from(self.deletes[place].is_blind);
        if outcome == Outcome::Failed {
            self.deletes.remove(place);
            self.deleted = self.past.deleted.clone();
            for delete in &self.deletes {
                self.deleted.extend(&delete.deletes);
            }
        } else if self.deletes[place].is_blind {
            self.deletes[place].deletes = Ranges::below(before);
            self.deleted.extend(&self.deletes[place].deletes);
        }
    }

    /// Notes what a read has found.
    pub(super) fn read(&mut self, read: Moment, told: &Told<'_>) {
        let returned = told.versions;
        self.past.is_asked_for |= told.has_forgotten;
        self.first_read.get_or_insert(read);
        for index in returned {
            if let Some(write) = self.get_mut(*index) {
                write.seen.get_or_insert(read.0);
            }
        }
        let covered = self.covered(returned);
        let session = self.sessions.entry(read.1.issuer()).or_default();
        session.read(read, returned, &covered);
    }

    /// Judges a read that returned these versions, none if no write was complete when it began; and what it says of
    /// its session. Adds what it misses.
    pub(super) fn judge(
        &self,
        reader: OperationId,
        begun: Duration,
        told: &Told<'_>,
        missing: &mut Vec<(OperationId, Duration)>,
    ) -> (Option<Judgement>, Guarantees) {
        let read = (begun, reader);
        let answer = self.single_value_answer(told);
        let uncovered = self.uncovered(told);
        let reading = Reading {
            writes: self,
            begun: read,
            returned: told.versions,
            uncovered: &uncovered,
            answer: &answer,
        };
        let guarantees = reading.guarantees();
        let is_settled = self.past.is_before(read);
        let forgotten = self.past.last.filter(|_| is_settled);
        let remembered = self.complete_before(read).next().map(Write::finish);
        let Some((finished, newest)) = remembered.max(forgotten) else {
            return (None, guarantees);
        };
        let returned = told.versions;
        let before = |other: &Moment| precedes(*other, read);
        let newer = self.newer(read, &answer);
        let missed = self.missed(&uncovered, returned);
        let missed = missed.filter(|write| precedes(write.finish(), read));
        let missed = missed.inspect(|write| missing.push((write.id, write.finish().0)));
        // Of the single-value answer nothing may be older than what is forgotten, unless it is nothing at all.
        let is_older =
            |last: Moment| !answer.is_empty() && answer.iter().all(|(at, _)| *at <= last.0);
        let is_old = self.past.last.is_some_and(is_older);
        let past = |is_missed: bool, past: Missed| {
            let first = past.first.filter(|_| is_missed && is_settled);
            first.map(|first| Staleness {
                t: begun.saturating_sub(first),
                k: past.count,
            })
        };
        let is_all = uncovered.past == Gap::Everything;
        let judgement = Judgement {
            newest,
            age: begun - finished,
            concurrent: self.open > 0 || self.last_return.is_some_and(|last| !precedes(last, read)),
            single_value: both(
                staleness(begun, newer),
                past(answer.is_empty(), self.past.complete),
            ),
            multi_value: both(staleness(begun, missed), past(is_all, self.past.lasting)),
            resurrected: self.resurrected(read, returned),
            gone: self.first_read.filter(before).map(|_| {
                let seen = uncovered.writes.iter().map(|(_, write)| write.seen);
                let seen = seen.chain([self.past.seen.filter(|_| is_all)]);
                seen.flatten().any(|seen| seen < begun)
            }),
            unacknowledged: self.first_unacknowledged.filter(before).map(|_| {
                let mut states = returned.iter().filter_map(|index| self.get(*index));
                states.any(|write| matches!(write.state, State::Failed | State::Unknown))
            }),
            is_at_least: told.has_forgotten
                || self.past.is_asked_for
                || uncovered.past == Gap::Part
                || is_old
                || !is_settled,
        };
        (Some(judgement), guarantees)
    }

    /// The acknowledged writes that are gone where these versions, and no others, are held; and how many more of those
    /// that are forgotten.
    pub(super) fn lost(&self, held: &Told<'_>) -> (Vec<Lost>, u64) {
        let lost = |write: &Write| Lost {
            write: write.id,
            begun: write.begun,
            overwritten: (held.versions.iter()).any(|version| !write.ancestors.contains(*version)),
        };
        let uncovered = self.uncovered(held);
        let remembered = self.missed(&uncovered, held.versions).map(lost).collect();
        let is_all = uncovered.past == Gap::Everything;
        (remembered, if is_all { self.past.lasting.count } else { 0 })
    }

    /// Whether a read returned what was deleted before it, where anything was.
    fn resurrected(&self, read: Moment, returned: &[u32]) -> Option<bool> {
        let is_over = |delete: &&Delete| {
            let write = self.get(delete.index);
            !delete.is_blind && write.is_some_and(|write| precedes(write.finish(), read))
        };
        let recent = self
            .deletes
            .iter()
            .filter(is_over)
            .map(|delete| &delete.deletes);
        let mut deleted = recent.chain(&self.past.surely_deleted).peekable();
        deleted.peek()?;
        Some(deleted.any(|deleted| returned.iter().any(|version| deleted.contains(*version))))
    }

    /// Whether one was complete before another began; none if nobody knows any more.
    pub(super) fn precedes(&self, first: u32, second: u32) -> Option<bool> {
        let [first, second] = [self.get(first)?, self.get(second)?];
        Some(precedes(first.finish(), (second.begun, second.id)))
    }

    /// The finishes of what a read may be held to have returned, in the single-value view.
    fn single_value_answer(&self, told: &Told<'_>) -> SmallVec<[Moment; 2]> {
        if told.versions.is_empty() && !told.has_forgotten {
            let finish = |delete: &Delete| self.get(delete.index).map(Write::finish);
            let recent = self.deletes.iter().filter_map(finish);
            return recent
                .max()
                .max(self.past.last_delete)
                .into_iter()
                .collect();
        }
        // It may be one that never finished, than which nothing is newer.
        let forgotten = (told.has_forgotten).then_some((Duration::MAX, OperationId::NONE));
        let finishes = told.versions.iter().filter_map(|index| self.get(*index));
        finishes.map(Write::finish).chain(forgotten).collect()
    }

    /// The complete writes that began after all of an answer was complete.
    pub(super) fn newer<'a>(
        &'a self,
        read: Moment,
        answer: &'a [Moment],
    ) -> impl Iterator<Item = &'a Write> {
        self.complete_before(read)
            .take_while(|write| answer.iter().all(|(finish, _)| *finish <= write.finish().0))
            .filter(|write| {
                (answer.iter()).all(|answered| precedes(*answered, (write.begun, write.id)))
            })
    }

    /// The writes that were complete before a read, the newest first.
    fn complete_before(&self, read: Moment) -> impl Iterator<Item = &Write> {
        let complete = self.complete.range(..self.complete_until(read.0)).rev();
        complete
            .filter_map(|(_, index)| self.get(*index))
            .filter(move |write| precedes(write.finish(), read))
    }

    /// What these versions neither are nor supersede, and no delete excuses.
    fn uncovered(&self, told: &Told<'_>) -> Uncovered<'_> {
        let mut covered = self.covered(told.versions);
        if told.has_forgotten {
            covered.extend(&Ranges::below(self.past.base));
        }
        covered.extend(&self.deleted);
        // What is being deleted without a context may be anything.
        if self.open_blind_deletes > 0 {
            covered.extend(&Ranges::below(self.next_index()));
        }
        let kept = self
            .kept
            .iter()
            .filter(|(index, _)| !covered.contains(**index));
        let kept = kept.map(|(index, write)| (*index, &**write));
        let gaps = covered.gaps(self.past.base, self.next_index());
        let recent = gaps.filter_map(|index| Some((index, self.get(index)?)));
        Uncovered {
            writes: kept.chain(recent).collect(),
            past: self.past.gap(&covered, self.kept.keys().copied()),
            covered,
        }
    }

    /// The acknowledged ones of `uncovered` writes; a delete only if one of these versions is what it deletes.
    pub(super) fn missed<'a>(
        &'a self,
        uncovered: &'a Uncovered<'a>,
        versions: &'a [u32],
    ) -> impl Iterator<Item = &'a Write> {
        let is_back = |delete: &Write| {
            let live = versions
                .iter()
                .filter(|version| !self.failed.contains(**version));
            live.copied()
                .any(|version| delete.ancestors.contains(version))
        };
        let writes = uncovered.writes.iter().map(|(_, write)| *write);
        writes.filter(move |write| {
            matches!(write.state, State::Complete(_))
                && (write.kind != Kind::Delete || is_back(write))
        })
    }

    /// These versions and all their ancestors.
    fn covered(&self, versions: &[u32]) -> Ranges {
        let mut covered = Ranges::default();
        for version in versions {
            match self.get(*version) {
                Some(write) => covered.extend(&write.ancestors),
                // What is not certain counts for the store.
                None => covered.extend(&Ranges::below(*version)),
            }
            covered.add(*version);
        }
        covered
    }

    /// How many of the acknowledged writes had finished at `time`.
    fn complete_until(&self, time: Duration) -> usize {
        finished_until(&self.complete, time)
    }

    fn next_index(&self) -> u32 {
        let recent = u32::try_from(self.recent.len()).expect("fewer than 2^32 writes of a key");
        self.past.base + recent
    }
}

impl Write {
    /// When it finished, and who it is; what was not acknowledged never finishes.
    pub(super) fn finish(&self) -> Moment {
        match self.state {
            State::Complete(finish) => (finish, self.id),
            State::Open | State::Failed | State::Unknown => (Duration::MAX, self.id),
        }
    }

    pub(super) fn has_failed(&self) -> bool {
        self.state == State::Failed
    }

    /// What is known of it.
    pub(super) fn known(&self) -> Known {
        match self.state {
            State::Open => Known::Open,
            State::Complete(_) => Known::Acknowledged,
            State::Failed => Known::Failed,
            State::Unknown => Known::Unknown,
        }
    }
}
