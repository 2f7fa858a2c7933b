//! Causal consistency: the bad patterns are those of their definitions, and the paper's histories are what it says.

use crate::random::law;
use crate::script::{Story, stories};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use tidemark_observer::checker::causal::{CausalReport, Consistency, Pattern, check};
use tidemark_observer::checker::{Budget, Doubt, Verdict};
use tidemark_observer::recording::{Call, Recorded, Recording, Times, Value};
use tidemark_proto::event::Outcome;

fn checked(recording: &Recording, initial: &Value) -> CausalReport {
    let mut never = || false;
    check(recording, initial, &mut Budget::new(usize::MAX, &mut never))
}

/// What is related to what.
type Relation = Vec<Vec<bool>>;

/// The definitions, word by word.
struct Definition {
    /// Process, key, and the value if it is a write or a read.
    operations: Vec<(u64, String, Call)>,
    order: Relation,
    co: Relation,
    initial: Call,
}

impl Definition {
    fn new(recording: &Recording, initial: &Value) -> Self {
        let returned = |operation: &Recorded| match &operation.call {
            Call::Read(Some(value)) if operation.outcome == Outcome::Ok => Some(value.clone()),
            _ => None,
        };
        let is_read = |write: &Recorded, value: &Value| {
            recording
                .operations
                .iter()
                .any(|read| read.key == write.key && returned(read).as_ref() == Some(value))
        };
        let counts = |operation: &&Recorded| match &operation.call {
            Call::Write(value) => {
                operation.outcome == Outcome::Ok
                    || operation.outcome == Outcome::Unknown && is_read(operation, value)
            }
            _ => returned(operation).is_some(),
        };
        let operations = recording.operations.iter().filter(counts);
        let operations: Vec<_> = operations
            .map(|one| (one.process, one.key.to_string(), one.call.clone()))
            .collect();
        let mut definition = Self {
            order: vec![],
            co: vec![],
            initial: Call::Read(Some(initial.clone())),
            operations,
        };
        definition.order = definition
            .relation(|a, b| a < b && definition.operations[a].0 == definition.operations[b].0);
        definition.co = closed(
            definition.relation(|a, b| definition.order[a][b] || definition.is_source(a, b)),
        );
        definition
    }

    fn relation(&self, holds: impl Fn(usize, usize) -> bool) -> Relation {
        let all = 0..self.operations.len();
        all.clone()
            .map(|a| all.clone().map(|b| holds(a, b)).collect())
            .collect()
    }

    /// Whether `b` is a read that returned what `a` wrote.
    fn is_source(&self, a: usize, b: usize) -> bool {
        match (&self.operations[a], &self.operations[b]) {
            ((_, key, Call::Write(written)), (_, other, Call::Read(Some(read)))) => {
                key == other && written == read
            }
            _ => false,
        }
    }

    fn is_write_of(&self, write: usize, key: &str) -> bool {
        let (_, of, call) = &self.operations[write];
        of == key && matches!(call, Call::Write(_))
    }

    /// Whether a write of the key of a read comes before it in a relation, although the read returned the initial value.
    fn has_write_before_initial(&self, read: usize, relation: &Relation) -> bool {
        let (_, key, call) = &self.operations[read];
        *call == self.initial
            && (0..self.operations.len())
                .any(|write| self.is_write_of(write, key) && relation[write][read])
    }

    fn patterns(&self) -> Vec<Pattern> {
        let all = || 0..self.operations.len();
        let same_key = |a: usize, b: usize| self.operations[a].1 == self.operations[b].1;
        let is_write = |a: usize| self.is_write_of(a, &self.operations[a].1);
        let mut patterns = Vec::new();
        let has_source = |read: usize| all().any(|write| self.is_source(write, read));
        if all().any(|read| {
            !is_write(read) && self.operations[read].2 != self.initial && !has_source(read)
        }) {
            patterns.push(Pattern::ThinAirRead);
        }
        if is_cyclic(&self.co) {
            patterns.push(Pattern::CyclicCo);
        }
        if all().any(|read| self.has_write_before_initial(read, &self.co)) {
            patterns.push(Pattern::WriteCoInitRead);
        }
        let between = |own: usize, write: usize, read: usize| {
            own != write
                && is_write(write)
                && same_key(own, write)
                && self.is_source(own, read)
                && self.co[own][write]
                && self.co[write][read]
        };
        if all().any(|own| all().any(|write| all().any(|read| between(own, write, read)))) {
            patterns.push(Pattern::WriteCoRead);
        }
        let conflicts = |a: usize, b: usize| {
            a != b
                && is_write(a)
                && is_write(b)
                && same_key(a, b)
                && all().any(|read| self.is_source(b, read) && self.co[a][read])
        };
        if is_cyclic(&closed(
            self.relation(|a, b| self.co[a][b] || conflicts(a, b)),
        )) {
            patterns.push(Pattern::CyclicCf);
        }
        for of in all() {
            let hb = self.happened_before(of);
            let is_up_to = |read: usize| read == of || self.order[read][of];
            if all().any(|read| is_up_to(read) && self.has_write_before_initial(read, &hb)) {
                patterns.push(Pattern::WriteHbInitRead);
            }
            if is_cyclic(&hb) {
                patterns.push(Pattern::CyclicHb);
            }
        }
        patterns.sort_unstable();
        patterns.dedup();
        patterns
    }

    /// HB of an operation.
    fn happened_before(&self, of: usize) -> Relation {
        let all = || 0..self.operations.len();
        let in_past = |a: usize| a == of || self.co[a][of];
        let mut hb = self.relation(|a, b| self.co[a][b] && in_past(a) && in_past(b));
        loop {
            let is_forced = |a: usize, b: usize| {
                let (_, key, _) = &self.operations[a];
                a != b
                    && self.is_write_of(a, key)
                    && self.is_write_of(b, key)
                    && all().any(|read| {
                        self.is_source(b, read)
                            && (read == of || self.order[read][of])
                            && hb[a][read]
                    })
            };
            let next = closed(self.relation(|a, b| hb[a][b] || is_forced(a, b)));
            if next == hb {
                return hb;
            }
            hb = next;
        }
    }
}

fn closed(mut relation: Relation) -> Relation {
    for middle in 0..relation.len() {
        let after = relation[middle].clone();
        for row in &mut relation {
            if row[middle] {
                row.iter_mut()
                    .zip(&after)
                    .for_each(|(reached, after)| *reached |= after);
            }
        }
    }
    relation
}

fn is_cyclic(relation: &Relation) -> bool {
    (0..relation.len()).any(|place| relation[place][place])
}

/// A draft of an operation: process, key, whether it writes, its outcome, and which value a read returns.
type Draft = (u64, usize, bool, u8, u8);

/// An operation, whose number makes the value that it writes; a read returns what is written earlier, and now and then
/// what is written later or never.
fn operation(number: usize, draft: &Draft, others: &[Recorded], initial: &Value) -> Recorded {
    let (process, key, is_write, outcome, which) = *draft;
    let key: Arc<str> = ["x", "y", "z"][key].into();
    let written = |other: &Recorded| match &other.call {
        Call::Write(value) if other.key == key => Some((other.start, value.clone())),
        _ => None,
    };
    let values: Vec<_> = others.iter().filter_map(written).collect();
    let earlier = values.partition_point(|(start, _)| *start < number as u64);
    let values = if which < 3 {
        &values[..]
    } else {
        &values[..earlier]
    };
    let read = match which {
        0 => Value::Integer(-1),
        3..8 => initial.clone(),
        _ if values.is_empty() => initial.clone(),
        which => values[usize::from(which) % values.len()].1.clone(),
    };
    Recorded {
        line: number as u64 + 1,
        name: None,
        process,
        key,
        call: match is_write {
            true => Call::Write(Value::Integer(100 + number as i64)),
            false => Call::Read(Some(read)),
        },
        start: number as u64,
        end: number as u64 + 1,
        outcome: match outcome {
            0 => Outcome::Failed,
            1 => Outcome::Unknown,
            _ => Outcome::Ok,
        },
    }
}

fn recording(drafts: &[Draft], initial: &Value) -> Recording {
    let mut operations = Vec::new();
    // Writes first: reads may return what is written later.
    for kind in [true, false] {
        for (number, draft) in drafts
            .iter()
            .enumerate()
            .filter(|(_, draft)| draft.2 == kind)
        {
            operations.push(operation(number, draft, &operations, initial));
        }
    }
    operations.sort_by_key(|operation| operation.start);
    Recording {
        operations,
        times: Times::Order,
    }
}

/// Of a consistency the patterns that show that it was not kept.
fn is_broken(patterns: &[Pattern], also: &[Pattern]) -> bool {
    patterns
        .iter()
        .any(|pattern| *pattern <= Pattern::WriteCoRead || also.contains(pattern))
}

#[test]
fn bad_patterns_are_those_of_the_definition() {
    let tally = Tally::default();
    let draft = (0_u64..3, 0_usize..3, any::<bool>(), 0_u8..40, 0_u8..60);
    law(8_000, &vec(draft.clone(), 4..=13), |drafts| {
        agrees(&recording(&drafts, &Value::Nil), &Value::Nil, &tally)
    });
    // The histories of the paper, with something more in them.
    let told = stories(include_str!("../histories/causal.txt"));
    let more = vec((any::<Index>(), draft), 0..=3);
    law(4_000, &(any::<Index>(), more), |(story, more)| {
        let initial = Value::Integer(0);
        let mut recording = told[story.index(told.len())].recording.clone();
        for (place, draft) in more {
            let place = place.index(recording.operations.len() + 1);
            for (start, operation) in (0..).zip(&mut recording.operations) {
                operation.start = start + u64::from(start >= place as u64);
            }
            let operation = operation(place, &draft, &recording.operations, &initial);
            let is_new = recording
                .operations
                .iter()
                .all(|other| other.call != operation.call);
            if is_new || matches!(operation.call, Call::Read(_)) {
                recording.operations.insert(place, operation);
            }
        }
        agrees(&recording, &initial, &tally)
    });
    let met = tally.met.into_inner();
    assert_eq!(met.len(), 7, "every pattern is met: {met:?}");
    for kept in tally.kept.into_inner() {
        assert!((2_400..9_600).contains(&kept), "{kept} of 12000 were kept");
    }
}

/// How often each pattern was found, and each consistency kept.
#[derive(Default)]
struct Tally {
    met: RefCell<BTreeMap<Pattern, u32>>,
    kept: RefCell<[u32; 3]>,
}

fn agrees(recording: &Recording, initial: &Value, tally: &Tally) -> Result<(), TestCaseError> {
    let CausalReport { cc, ccv, cm } = checked(recording, initial);
    let patterns = Definition::new(recording, initial).patterns();
    let consistencies = [
        (&cc, &[][..]),
        (&ccv, &[Pattern::CyclicCf][..]),
        (&cm, &[Pattern::WriteHbInitRead, Pattern::CyclicHb][..]),
    ];
    for (place, (found, also)) in consistencies.into_iter().enumerate() {
        let is_kept = found.verdict == Verdict::True;
        prop_assert_eq!(
            is_kept,
            !is_broken(&patterns, also),
            "{:?} {:?}",
            found,
            patterns
        );
        prop_assert_eq!(is_kept, found.violation.is_none());
        tally.kept.borrow_mut()[place] += u32::from(is_kept);
        if let Some(violation) = &found.violation {
            prop_assert!(
                patterns.contains(&violation.pattern),
                "{:?} {:?}",
                violation,
                patterns
            );
            prop_assert!(!violation.witness.is_empty());
            *tally.met.borrow_mut().entry(violation.pattern).or_default() += 1;
        }
    }
    let is_implied =
        |other: &Consistency| cc.verdict == Verdict::True || other.verdict == Verdict::False;
    prop_assert!(
        is_implied(&ccv) && is_implied(&cm),
        "{:?} {:?} {:?}",
        cc,
        ccv,
        cm
    );
    Ok(())
}

/// A consistency in words: `kept`, or the pattern and its operations.
fn words(consistency: &Consistency) -> String {
    match &consistency.violation {
        None => format!("{:?}", consistency.verdict).replace("True", "kept"),
        Some(violation) => {
            let numbers = violation
                .witness
                .iter()
                .map(|index| (index + 1).to_string());
            [violation.pattern.name().to_owned()]
                .into_iter()
                .chain(numbers)
                .collect::<Vec<_>>()
                .join(" ")
        }
    }
}

#[test]
fn histories_are_what_the_paper_says() {
    for Story {
        title,
        recording,
        initial,
        expected,
        ..
    } in stories(include_str!("../histories/causal.txt"))
    {
        let report = checked(&recording, &initial.unwrap_or(Value::Integer(0)));
        for (name, expected) in expected {
            let found = match name.as_str() {
                "cc" => &report.cc,
                "ccv" => &report.ccv,
                "cm" => &report.cm,
                other => panic!("{other} is no consistency"),
            };
            assert_eq!(words(found), expected.join(" "), "{title}, {name}");
        }
    }
}

#[test]
fn without_time_memory_or_unique_values_nothing_is_said() {
    let drafts: Vec<Draft> = (0..20_000)
        .map(|index| (index % 7, 0, index % 2 == 0, 2, 4))
        .collect();
    let doubts = |recording: &Recording, memory: usize, is_over: bool| {
        let mut asked = || is_over;
        let report = check(recording, &Value::Nil, &mut Budget::new(memory, &mut asked));
        [report.cc, report.ccv, report.cm].map(|consistency| consistency.verdict)
    };
    let large = recording(&drafts, &Value::Nil);
    assert_eq!(
        doubts(&large, usize::MAX, true),
        [Verdict::Unknown(Doubt::Time); 3]
    );
    assert_eq!(
        doubts(&large, 1_000, false),
        [Verdict::Unknown(Doubt::Memory(1_000)); 3]
    );
    let mut twice = recording(&[(0, 0, true, 2, 4); 2], &Value::Nil);
    twice.operations[1].call = twice.operations[0].call.clone();
    assert_eq!(
        doubts(&twice, usize::MAX, false),
        [Verdict::Unknown(Doubt::ValueRepeats(2)); 3]
    );
}
