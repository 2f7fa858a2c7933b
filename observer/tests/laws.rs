//! Laws over random histories: the incremental judge agrees with the definitions, taken word by word.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use std::collections::BTreeSet;
use std::time::Duration;
use tidemark_observer::judge::{Judge, Judgement, Staleness, Verdict};
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
            Event::Returned(operation) => Some((*operation, verdict)),
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
        let mut covered: BTreeSet<OperationId> = read.versions.iter().copied().collect();
        covered.extend(
            read.versions
                .iter()
                .flat_map(|id| self.ancestors(self.find(*id))),
        );
        let is_missed = |write: &&Operation| {
            let is_missing = !covered.contains(&write.id) && !self.excused(write, read);
            let ancestors = self.ancestors(write);
            is_missing
                && (write.kind == Kind::Put
                    || read.versions.iter().any(|version| {
                        ancestors.contains(version) && !self.has_failed(*version, read)
                    }))
        };
        self.staleness(
            read,
            self.complete(read).into_iter().filter(is_missed).collect(),
        )
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
