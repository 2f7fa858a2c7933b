//! Laws over random histories: the incremental judge agrees with the definitions, taken word by word.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use std::collections::BTreeSet;
use std::time::Duration;
use tidemark_observer::judge::{Guarantee, Guarantees, Judge, Judgement, Staleness, Verdict};
use tidemark_proto::event::{Event, Invocation, Kind, Operation, Outcome, Purpose};
use tidemark_proto::id::{NodeId, OperationId};

/// One client's next operation, before it is known what it may see.
#[derive(Clone, Debug)]
struct Draft {
    kind: u8,
    client: u16,
    begun: u64,
    length: u64,
    outcome: u8,
    context: Option<Index>,
    returned: Vec<Index>,
}

fn draft() -> impl Strategy<Value = Draft> {
    (
        (0_u8..8, 1_u16..4, 0_u64..40, 0_u64..8, 0_u8..10),
        proptest::option::weighted(0.7, any::<Index>()),
        vec(any::<Index>(), 0..3),
    )
        .prop_map(
            |((kind, client, begun, length, outcome), context, returned)| Draft {
                kind,
                client,
                begun,
                length,
                outcome,
                context,
                returned,
            },
        )
}

/// A history that could have been: contexts come from operations that were over, versions from writes that had begun.
fn history(mut drafts: Vec<Draft>, with_deletes: bool) -> Vec<Operation> {
    drafts.sort_by_key(|draft| draft.begun);
    let mut operations: Vec<Operation> = Vec::new();
    for (sequence, draft) in (1..).zip(drafts) {
        let kind = match draft.kind {
            0..=3 => Kind::Put,
            4 if with_deletes => Kind::Delete,
            _ => Kind::Get,
        };
        let begun = Duration::from_millis(draft.begun);
        let returned = Duration::from_millis(draft.begun + draft.length);
        let over = |other: &&Operation| other.outcome == Outcome::Ok && other.returned < begun;
        let over: Vec<&Operation> = operations.iter().filter(over).collect();
        let context_from = match (kind, draft.context) {
            (Kind::Get, _) | (_, None) => None,
            (_, Some(_)) if over.is_empty() => None,
            (_, Some(index)) => Some(index.get(&over).id),
        };
        // A read may return a write that had begun when it did; puts are told of nothing here.
        let puts: Vec<&Operation> = operations
            .iter()
            .filter(|other| other.kind == Kind::Put)
            .collect();
        let versions: BTreeSet<OperationId> = match kind {
            Kind::Get if !puts.is_empty() => draft
                .returned
                .iter()
                .map(|index| index.get(&puts).id)
                .collect(),
            _ => BTreeSet::new(),
        };
        operations.push(Operation {
            id: OperationId::new(NodeId::client(draft.client), sequence),
            purpose: Purpose::Load,
            kind,
            key: Bytes::from_static(b"x"),
            intended: begun,
            invoked: begun,
            returned,
            outcome: match (kind, draft.outcome) {
                (Kind::Get, _) => Outcome::Ok,
                (_, 0) => Outcome::Failed,
                (_, 1) => Outcome::Unknown,
                _ => Outcome::Ok,
            },
            status: "OK".into(),
            asked: NodeId::node(1),
            coordinator: None,
            answered: vec![],
            versions: versions.into_iter().collect(),
            context_from,
            clock: vec![],
            context_bytes: 0,
            value_bytes: 0,
            attempts: 1,
        });
    }
    operations
}

fn judged(operations: &[Operation]) -> Vec<(Operation, Verdict)> {
    judged_by(&mut Judge::default(), operations)
}

fn judged_by(judge: &mut Judge, operations: &[Operation]) -> Vec<(Operation, Verdict)> {
    let all = promised_by(judge, operations).into_iter();
    all.map(|(read, verdict, _)| (read, verdict)).collect()
}

fn promised_by(
    judge: &mut Judge,
    operations: &[Operation],
) -> Vec<(Operation, Verdict, Guarantees)> {
    let mut events: Vec<(Duration, u8, Event)> = Vec::new();
    for operation in operations {
        if operation.kind != Kind::Get {
            let invocation = Invocation {
                id: operation.id,
                purpose: operation.purpose,
                kind: operation.kind,
                key: operation.key.clone(),
                intended: operation.intended,
                invoked: operation.invoked,
                context_from: operation.context_from,
            };
            events.push((operation.invoked, 0, Event::Invoked(Box::new(invocation))));
        }
        events.push((
            operation.returned,
            1,
            Event::Returned(Box::new(operation.clone())),
        ));
    }
    events.sort_by_key(|event| (event.0, event.1));
    let verdicts = events.into_iter().filter_map(|(_, _, event)| {
        let verdict = judge.observe(&event)?;
        match event {
            Event::Returned(operation) => Some((*operation, verdict, judge.guarantees())),
            _ => None,
        }
    });
    verdicts.collect()
}

/// The definitions, word by word.
struct Definition<'a> {
    operations: &'a [Operation],
}

impl Definition<'_> {
    fn find(&self, id: OperationId) -> &Operation {
        self.operations
            .iter()
            .find(|operation| operation.id == id)
            .expect("contexts and versions are of this history")
    }

    fn ancestors(&self, write: &Operation) -> BTreeSet<OperationId> {
        let Some(source) = write.context_from.map(|id| self.find(id)) else {
            return BTreeSet::new();
        };
        let mut told: BTreeSet<OperationId> = source.versions.iter().copied().collect();
        if source.kind != Kind::Get {
            told.insert(source.id);
        }
        let further = told.iter().flat_map(|id| self.ancestors(self.find(*id)));
        let further: Vec<_> = further.collect();
        told.extend(further);
        told
    }

    fn finish(&self, write: &Operation) -> Option<Duration> {
        (write.outcome == Outcome::Ok).then_some(write.returned)
    }

    fn precedes(&self, first: &Operation, second: &Operation) -> bool {
        let in_order =
            first.id.issuer() == second.id.issuer() && first.id.sequence() < second.id.sequence();
        self.finish(first)
            .is_some_and(|finish| finish < second.invoked || finish == second.invoked && in_order)
    }

    /// Deletes that may have taken effect before a read returned, as far as was known then.
    fn deletes(&self, read: &Operation) -> Vec<&Operation> {
        let may = |delete: &&Operation| {
            let known_failed = delete.outcome == Outcome::Failed && returns_first(delete, read);
            delete.kind == Kind::Delete && delete.invoked <= read.returned && !known_failed
        };
        self.operations.iter().filter(may).collect()
    }

    fn has_failed(&self, version: OperationId, read: &Operation) -> bool {
        let write = self.find(version);
        write.outcome == Outcome::Failed && returns_first(write, read)
    }

    fn excused(&self, write: &Operation, read: &Operation) -> bool {
        self.deletes(read)
            .iter()
            .any(|delete| match delete.context_from {
                Some(_) => self.ancestors(delete).contains(&write.id),
                // The order of events at one instant: what began is seen before what returned.
                None => write.invoked <= delete.returned,
            })
    }

    fn staleness(&self, read: &Operation, missed: Vec<&Operation>) -> Option<Staleness> {
        let first = missed.iter().map(|write| write.returned).min()?;
        Some(Staleness {
            t: read.invoked - first,
            k: missed.len() as u64,
        })
    }

    fn complete(&self, read: &Operation) -> Vec<&Operation> {
        let writes = self
            .operations
            .iter()
            .filter(|other| other.kind != Kind::Get);
        writes.filter(|write| self.precedes(write, read)).collect()
    }

    fn multi_value(&self, read: &Operation) -> Option<Staleness> {
        self.staleness(read, self.missed(read))
    }

    /// The complete writes that a read misses.
    fn missed(&self, read: &Operation) -> Vec<&Operation> {
        let is_missed = |write: &&Operation| {
            let ancestors = self.ancestors(write);
            self.is_missing(write, read)
                && (write.kind == Kind::Put
                    || read.versions.iter().any(|version| {
                        ancestors.contains(version) && !self.has_failed(*version, read)
                    }))
        };
        self.complete(read).into_iter().filter(is_missed).collect()
    }

    /// Whether a read neither returns nor supersedes a write, and no delete excuses it.
    fn is_missing(&self, write: &Operation, read: &Operation) -> bool {
        let is_in_it = |id: &OperationId| {
            *id == write.id || self.ancestors(self.find(*id)).contains(&write.id)
        };
        !read.versions.iter().any(is_in_it) && !self.excused(write, read)
    }

    /// Whether a read lacks a version that was read before, and did not fail.
    fn is_owed(&self, write: &Operation, read: &Operation) -> bool {
        !self.has_failed(write.id, read) && self.is_missing(write, read)
    }

    /// The versions that the session of an operation had read before it began.
    fn read_before(&self, operation: &Operation) -> Vec<&Operation> {
        let reads = self.operations.iter().filter(|read| {
            let is_own = read.id.issuer() == operation.id.issuer();
            // At one instant here what begins is seen before what returns.
            let is_seen = operation.kind == Kind::Get || read.returned < operation.invoked;
            read.kind == Kind::Get && is_own && is_seen && self.precedes(read, operation)
        });
        let versions = reads.flat_map(|read| read.versions.iter());
        versions.map(|id| self.find(*id)).collect()
    }

    fn own_before(&self, operation: &Operation) -> Vec<&Operation> {
        let is_own = |write: &&Operation| write.id.issuer() == operation.id.issuer();
        let complete = self.complete(operation).into_iter();
        complete.filter(is_own).collect()
    }

    fn read_your_writes(&self, read: &Operation) -> Option<Guarantee> {
        let own = self.own_before(read);
        let missed = self.missed(read).into_iter();
        let missed = missed.filter(|write| write.id.issuer() == read.id.issuer());
        (!own.is_empty()).then(|| guarantee(self.staleness(read, missed.collect())))
    }

    fn monotonic_writes(&self, read: &Operation) -> Option<Guarantee> {
        let returned = read.versions.iter().map(|id| self.find(*id));
        let before: Vec<_> = returned.flat_map(|write| self.own_before(write)).collect();
        let missed = self.missed(read).into_iter();
        let missed = missed.filter(|write| before.iter().any(|other| other.id == write.id));
        (!before.is_empty()).then(|| guarantee(self.staleness(read, missed.collect())))
    }

    /// Whether a read breaks monotonic reads; none: it could not.
    fn goes_back(&self, read: &Operation) -> Option<bool> {
        let before = self.read_before(read);
        let mut missing = before.iter().filter(|write| self.is_owed(write, read));
        (!before.is_empty()).then(|| missing.next().is_some())
    }

    /// The same of writes follow reads.
    fn shows_without_what_was_read(&self, read: &Operation) -> Option<bool> {
        let returned = read.versions.iter().map(|id| self.find(*id));
        let before: Vec<_> = returned.flat_map(|write| self.read_before(write)).collect();
        let mut missing = before.iter().filter(|write| self.is_owed(write, read));
        (!before.is_empty()).then(|| missing.next().is_some())
    }

    fn single_value(&self, read: &Operation) -> Option<Staleness> {
        let mut answer: Vec<&Operation> = read.versions.iter().map(|id| self.find(*id)).collect();
        if answer.is_empty() {
            let deletes = self.deletes(read).into_iter();
            // A delete that had not returned yet has no finish yet.
            let best = deletes.max_by_key(|delete| {
                let finish = self.finish(delete).filter(|_| returns_first(delete, read));
                (finish.unwrap_or(Duration::MAX), delete.id)
            });
            answer.extend(best);
        }
        let newer = |write: &&Operation| answer.iter().all(|other| self.precedes(other, write));
        self.staleness(
            read,
            self.complete(read).into_iter().filter(newer).collect(),
        )
    }
}

fn guarantee(missing: Option<Staleness>) -> Guarantee {
    missing.map_or(Guarantee::Kept, Guarantee::Broken)
}

/// Whether an operation's return is seen before another's.
fn returns_first(one: &Operation, other: &Operation) -> bool {
    (one.returned, one.id.sequence()) < (other.returned, other.id.sequence())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_judge_follows_the_definitions(drafts in vec(draft(), 1..24), with_deletes: bool) {
        let operations = history(drafts, with_deletes);
        let definition = Definition { operations: &operations };
        for (read, verdict) in judged(&operations) {
            match verdict {
                Verdict::Judged(judgement) => {
                    prop_assert_eq!(judgement.single_value, definition.single_value(&read), "{:?}", read);
                    prop_assert_eq!(judgement.multi_value, definition.multi_value(&read), "{:?}", read);
                    let newest = definition.complete(&read).iter().map(|write| write.returned).max();
                    prop_assert_eq!(Some(read.invoked - judgement.age), newest);
                }
                Verdict::NothingWritten => prop_assert!(definition.complete(&read).is_empty()),
                Verdict::Unmatched => prop_assert!(false, "{read:?} matches"),
            }
        }
    }

    /// If this fails, a session is told that it was let down when it was not, or the other way round.
    #[test]
    fn guarantees_follow_their_definitions(drafts in vec(draft(), 1..24), with_deletes: bool) {
        let operations = history(drafts, with_deletes);
        let definition = Definition { operations: &operations };
        for (read, _, found) in promised_by(&mut Judge::default(), &operations) {
            let is_broken = |found: Guarantee| found != Guarantee::Kept;
            prop_assert_eq!(found.read_your_writes, definition.read_your_writes(&read), "{:?}", read);
            prop_assert_eq!(found.monotonic_writes, definition.monotonic_writes(&read), "{:?}", read);
            prop_assert_eq!(found.monotonic_reads.map(is_broken), definition.goes_back(&read), "{:?}", read);
            let follows = found.writes_follow_reads.map(is_broken);
            prop_assert_eq!(follows, definition.shows_without_what_was_read(&read), "{:?}", read);
        }
    }

    #[test]
    fn a_newer_write_is_never_an_ancestor(drafts in vec(draft(), 1..24)) {
        for (read, verdict) in judged(&history(drafts, false)) {
            if let Verdict::Judged(judgement) = verdict {
                let (Some(single), multi) = (judgement.single_value, judgement.multi_value) else {
                    continue;
                };
                prop_assert!(multi.is_some_and(|multi| multi.k >= single.k && multi.t >= single.t), "{read:?}");
            }
        }
    }

    /// If this fails, what is forgotten changes a verdict silently.
    #[test]
    fn a_judge_that_forgets_is_exact_or_says_that_it_is_not(
        drafts in vec(draft(), 1..60), with_deletes: bool, horizon in 1_usize..20,
    ) {
        let operations = history(drafts, with_deletes);
        let mut forgetful = Judge::with_horizon(horizon);
        let found = judged_by(&mut forgetful, &operations);
        for ((read, found), (_, exact)) in found.into_iter().zip(judged(&operations)) {
            let (Verdict::Judged(found), Verdict::Judged(exact)) = (found, exact) else {
                prop_assert!(
                    forgetful.forgotten() > 0 || found == exact,
                    "{found:?} is not {exact:?} of {read:?}"
                );
                continue;
            };
            if forgetful.forgotten() > 0 {
                continue;
            }
            // Of two that were complete at one time either is the newest.
            let newest = if found.age == exact.age { exact.newest } else { found.newest };
            let found = Judgement { newest, ..found };
            let at_least = |found: Option<Staleness>, exact: Option<Staleness>| match (found, exact) {
                (None, _) => true,
                (Some(_), None) => false,
                (Some(found), Some(exact)) => found.t <= exact.t && found.k <= exact.k,
            };
            if found.is_at_least {
                prop_assert!(at_least(found.single_value, exact.single_value), "{found:?} {exact:?} {read:?}");
                prop_assert!(at_least(found.multi_value, exact.multi_value), "{found:?} {exact:?} {read:?}");
            } else {
                prop_assert_eq!(found, exact, "{:?}", read);
            }
        }
    }
}
