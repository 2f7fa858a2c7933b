//! Atomicity scores: how far each key was from one copy that every operation reads and writes at one instant.
//!
//! The cluster of a value is its write and the reads that returned it, f the least finish and s the greatest start in it. Two
//! clusters a and b of which one at least has f < s conflict by χ(a, b) = min(s_a − f_b, s_b − f_a). *Γ* of a value is the greatest
//! χ with another; *Δ* of a key the greatest of these minima where s_a − f_b is taken only if the write of a began no later than
//! f_b, and the other way round; *k* of a key the smallest for which an order of its writes explains every read by one of
//! the k latest. A key is linearizable iff no Γ is above 0, which is iff its k is 1. Operations of every purpose count.
//!
//! Γ and Δ no greater than the error between two clients' clocks say nothing: they count as 0. Whether k is 1 or 2 is
//! always known; of a greater one perhaps a bound. Keys of which a read returned siblings are left out, and so are those
//! with a read that no write explains, which are not linearizable. A read that found nothing is counted for the most
//! favourable delete, or as one of what was never written.
//!
//! What nobody used for long is forgotten once the judge has forgotten it, as [`crate::checker::Stream`] says.
//!
//! Reference: Golab, Li and Shah, Analyzing consistency properties for fun and profit, PODC 2011, §4 (Δ); Golab et al.,
//! Client-centric benchmarking of eventual consistency for cloud storage systems, ICDCS 2014, §3 (Γ); Golab, Hurwitz and Li,
//! On the k-atomicity-verification problem, ICDCS 2013.

use super::{Metric, Run, Seen};
use crate::checker::{Budget, Doubt, Score, Scores, SmallestK, Stream};
use crate::figures::Atomicity as Figures;
use crate::spread::{Distribution, MS, ONE};
use crate::tally::{Tally, shares};
use bytes::Bytes;
use std::time::Duration;
use tidemark_proto::event::{Event, Kind, Operation, Outcome};
use tidemark_proto::id::OperationId;
use tidemark_proto::time::nanoseconds;

pub(crate) struct Atomicity {
    /// In nanoseconds.
    clock_error: u64,
    /// By the judge's numbers.
    keys: Vec<Option<Key>>,
    retired: Values,
    /// Reads of what was forgotten.
    late: u64,
}

enum Key {
    Register(Box<Register>),
    Siblings,
}

#[derive(Default)]
struct Register {
    stream: Stream,
    /// The greatest Γ of a value that was retired, and the value.
    worst: Option<(u64, OperationId)>,
}

/// What values come to.
#[derive(Clone, Default)]
struct Values {
    /// Those whose Γ counts among all, by when their writes began.
    positive: Tally,
    gamma: Distribution,
    at_least: u64,
}

impl Atomicity {
    pub(crate) fn new(clock_error_ms: f64) -> Self {
        Self {
            clock_error: (clock_error_ms * MS).ceil() as u64,
            keys: Vec::new(),
            retired: Values::default(),
            late: 0,
        }
    }

    /// The register of a key, unless a read of it returned siblings.
    fn register(&mut self, place: usize) -> Option<&mut Register> {
        if self.keys.len() <= place {
            self.keys.resize_with(place + 1, || None);
        }
        match self.keys[place].get_or_insert_with(|| Key::Register(Box::default())) {
            Key::Register(register) => Some(register),
            Key::Siblings => None,
        }
    }

    fn returned(&mut self, seen: &Seen<'_>, operation: &Operation, place: usize) {
        let Some(Register { stream, .. }) = self.register(place) else {
            return;
        };
        let [start, end] = [operation.invoked, operation.returned].map(nanoseconds);
        match (operation.kind, operation.outcome, &*operation.versions) {
            (Kind::Get, Outcome::Failed | Outcome::Unknown, _) => {}
            (Kind::Get, Outcome::Ok, []) => stream.read_nothing(start, end),
            (Kind::Get, Outcome::Ok, [version]) => {
                let value = version.bits();
                if stream.knows(value) || !seen.judge.is_forgotten(*version) {
                    stream.read(value, start, end);
                } else {
                    self.late += 1;
                }
            }
            (Kind::Get, Outcome::Ok, _) => self.keys[place] = Some(Key::Siblings),
            (Kind::Put | Kind::Delete, Outcome::Failed, _) => stream.fail(operation.id.bits()),
            (kind, Outcome::Ok, _) => write(stream, kind, operation.id, start, Some(end)),
            (kind, Outcome::Unknown, _) => write(stream, kind, operation.id, start, None),
        }
    }

    /// Forgets what nobody will use again.
    fn retire(&mut self, seen: &Seen<'_>, place: usize) {
        let Some(Some(Key::Register(register))) = self.keys.get_mut(place) else {
            return;
        };
        let is_over = |value| seen.judge.is_forgotten(OperationId::from_bits(value));
        let retired = unlimited(|budget| register.stream.retire(is_over, budget));
        for score in retired {
            let block = seen.phases.block(Duration::from_nanos(score.begun));
            self.retired.add(&score, block, self.clock_error);
            register.worst = register.worst.max(Some(named(&score)));
        }
    }
}

impl Metric for Atomicity {
    type Figures = Figures;

    fn observe(&mut self, seen: &Seen<'_>) {
        match seen.event {
            Event::Invoked(begun) if begun.kind != Kind::Get => {
                let place = seen.judge.number(&begun.key);
                if let Some(register) = place.and_then(|place| self.register(place)) {
                    let start = nanoseconds(begun.invoked);
                    write(&mut register.stream, begun.kind, begun.id, start, None);
                }
            }
            Event::Returned(operation) => {
                if let Some(place) = seen.judge.number(&operation.key) {
                    self.returned(seen, operation, place);
                    self.retire(seen, place);
                }
            }
            _ => {}
        }
    }

    fn report(&self, run: &Run<'_>) -> Figures {
        let mut values = self.retired.clone();
        let mut keys = Keys::default();
        for (key, name) in self.keys.iter().zip(run.judge.keys()) {
            let register = match key {
                Some(Key::Register(register)) => register,
                Some(Key::Siblings) => {
                    keys.with_siblings += 1;
                    continue;
                }
                None => continue,
            };
            let scores = unlimited(|budget| register.stream.scores(budget));
            if scores.impossible > 0 {
                keys.unexplained += 1;
                continue;
            }
            for score in &scores.values {
                let block = run.block(Duration::from_nanos(score.begun));
                values.add(score, block, self.clock_error);
            }
            let worst = scores.values.iter().map(named).max();
            if let Some(worst) = worst.max(register.worst) {
                keys.add(name, worst, &scores, self.clock_error);
            }
        }
        Figures {
            keys: keys.k.count(),
            linearizable: keys.linearizable,
            two_atomic: keys.two_atomic,
            positive: shares(&[values.positive], run.seed, "atomicity").whole,
            gamma_ms: values.gamma.spread(MS),
            delta_ms: keys.delta.spread(MS),
            k: keys.k.spread(ONE),
            k_at_least: keys.k_at_least,
            worst: keys.worst.map(|(_, value, key)| {
                let key = String::from_utf8_lossy(key);
                match value {
                    OperationId::NONE => format!("of what {key} was at first"),
                    value => format!("of {value} of {key}"),
                }
            }),
            with_siblings: keys.with_siblings,
            unexplained: keys.unexplained,
            at_least: values.at_least,
            late: self.late,
        }
    }
}

/// What keys come to.
#[derive(Default)]
struct Keys<'a> {
    linearizable: u64,
    two_atomic: u64,
    delta: Distribution,
    k: Distribution,
    k_at_least: u64,
    /// The greatest Γ, of which value of which key.
    worst: Option<(u64, OperationId, &'a Bytes)>,
    with_siblings: u64,
    unexplained: u64,
}

impl<'a> Keys<'a> {
    fn add(
        &mut self,
        name: &'a Bytes,
        (gamma, value): (u64, OperationId),
        scores: &Scores,
        clock_error: u64,
    ) {
        if gamma > clock_error {
            self.worst = self.worst.max(Some((gamma, value, name)));
        } else {
            self.linearizable += 1;
        }
        let told = scores.delta > clock_error;
        self.delta.add(if told { scores.delta } else { 0 });
        let (SmallestK::Is(k) | SmallestK::AtLeast(k)) = scores.k;
        self.k_at_least += u64::from(scores.k != SmallestK::Is(k));
        self.two_atomic += u64::from(k <= 2);
        self.k.add(k);
    }
}

impl Values {
    fn add(&mut self, score: &Score, block: u32, clock_error: u64) {
        let is_positive = score.gamma > clock_error;
        self.positive.add(block, is_positive);
        self.at_least += u64::from(score.is_at_least);
        if is_positive {
            self.gamma.add(score.gamma);
        }
    }
}

/// A write or a delete began, or has returned.
fn write(stream: &mut Stream, kind: Kind, id: OperationId, start: u64, end: Option<u64>) {
    match kind {
        Kind::Put => stream.write(id.bits(), start, end),
        Kind::Delete => stream.delete(id.bits(), start, end),
        Kind::Get => {}
    }
}

/// Γ of a value, and the operation that wrote it.
fn named(score: &Score) -> (u64, OperationId) {
    let value = score
        .value
        .map_or(OperationId::NONE, OperationId::from_bits);
    (score.gamma, value)
}

/// What is asked for, however long it takes: never more than what was kept needs to be sorted.
fn unlimited<T>(ask: impl FnOnce(&mut Budget<'_>) -> Result<T, Doubt>) -> T {
    let mut never = || false;
    ask(&mut Budget::new(usize::MAX, &mut never)).expect("no limit is never reached")
}
