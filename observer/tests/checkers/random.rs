//! Random recordings of one object, most of which could have been: operations take effect at moments of their own, and some
//! answers are wrong.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tidemark_observer::recording::{Call, Recorded, Recording, Times, Value};
use tidemark_proto::event::Outcome;

/// An operation, before it is known what it sees.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) function: u8,
    pub(crate) start: u64,
    pub(crate) length: u64,
    /// When it takes effect, within its length.
    pub(crate) moment: Index,
    pub(crate) outcome: u8,
    /// Whether it takes effect if its outcome is unknown.
    pub(crate) happened: bool,
    /// What it asks for, or what it returns instead of what was there.
    pub(crate) argument: u8,
    pub(crate) wrong: Option<u8>,
}

/// What drafts are like.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) most: usize,
    pub(crate) span: u64,
    pub(crate) length: u64,
    /// How often a read returns something else than what was there.
    pub(crate) wrong: f64,
}

pub(crate) fn drafts(shape: Shape) -> impl Strategy<Value = Vec<Draft>> {
    let draft = (
        (0_u8..10, 0..shape.span, 0..=shape.length, any::<Index>()),
        (0_u8..12, any::<bool>(), 0_u8..12),
        proptest::option::weighted(shape.wrong, 0_u8..12),
    );
    let draft = draft.prop_map(
        |((function, start, length, moment), (outcome, happened, argument), wrong)| Draft {
            function,
            start,
            length,
            moment,
            outcome,
            happened,
            argument,
            wrong,
        },
    );
    vec(draft, 1..=shape.most)
}

/// Runs a law over so many random inputs, always the same ones.
pub(crate) fn law<S: Strategy>(
    cases: u32,
    strategy: &S,
    law: impl Fn(S::Value) -> Result<(), TestCaseError>,
) {
    let config = Config {
        failure_persistence: None,
        ..Config::with_cases(cases)
    };
    let chance = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let result = TestRunner::new_with_rng(config, chance).run(strategy, law);
    result.unwrap_or_else(|error| panic!("{error}"));
}

/// A recording, in which operations see what `apply` makes of the moments at which they take effect.
pub(crate) fn recording(
    drafts: &[Draft],
    initial: &Value,
    call: impl Fn(usize, &Draft) -> Call,
    apply: impl Fn(&Value, &Call) -> Option<Value>,
    wrong: impl Fn(u8, &[Value]) -> Value,
) -> Recording {
    let mut order: Vec<(u64, usize)> = Vec::new();
    let mut operations: Vec<Recorded> = Vec::new();
    for (index, draft) in drafts.iter().enumerate() {
        let moment = draft.start + draft.moment.index(draft.length as usize + 1) as u64;
        order.push((moment, index));
        let outcome = match draft.outcome {
            0 => Outcome::Failed,
            1 | 2 => Outcome::Unknown,
            _ => Outcome::Ok,
        };
        operations.push(Recorded {
            line: index as u64 + 1,
            name: None,
            process: index as u64,
            key: "x".into(),
            call: call(index, draft),
            start: draft.start,
            end: match outcome {
                Outcome::Unknown => u64::MAX,
                Outcome::Ok | Outcome::Failed => draft.start + draft.length,
            },
            outcome,
        });
    }
    order.sort_unstable();
    // All that was ever there.
    let mut held = vec![initial.clone()];
    for (_, index) in order {
        let operation = &mut operations[index];
        let draft = &drafts[index];
        let state = held.last().expect("the initial one is there");
        if let Call::Read(returned) = &mut operation.call {
            *returned = match draft.wrong {
                Some(11) => None,
                Some(which) => Some(wrong(which, &held)),
                None => Some(state.clone()),
            };
            continue;
        }
        let happens = match operation.outcome {
            Outcome::Ok => true,
            Outcome::Failed => false,
            Outcome::Unknown => draft.happened,
        };
        if happens {
            match apply(state, &operation.call) {
                Some(next) => held.push(next),
                // What does not find what it looks for fails.
                None if operation.outcome == Outcome::Ok => operation.outcome = Outcome::Failed,
                None => {}
            }
        }
    }
    operations.sort_by_key(|operation| operation.start);
    Recording {
        operations,
        times: Times::Nanoseconds,
    }
}

/// A recording of a register whose values are unique, initially 0.
pub(crate) fn register(drafts: &[Draft]) -> Recording {
    let writes = |(_, draft): &(usize, &Draft)| draft.function < 4;
    let written: Vec<i64> = drafts
        .iter()
        .enumerate()
        .filter(writes)
        .map(|(index, _)| index as i64 + 1)
        .collect();
    recording(
        drafts,
        &Value::Integer(0),
        |index, draft| match draft.function {
            0..4 => Call::Write(Value::Integer(index as i64 + 1)),
            _ => Call::Read(None),
        },
        |_, call| match call {
            Call::Write(value) => Some(value.clone()),
            _ => panic!("a register is written and read"),
        },
        |which, held| match usize::from(which) {
            0 => Value::Integer(-1),
            1 if !written.is_empty() => Value::Integer(written[held.len() % written.len()]),
            which => held[held.len() * (which - 1) / 11].clone(),
        },
    )
}

/// The indices of all operations.
pub(crate) fn all(recording: &Recording) -> Vec<usize> {
    (0..recording.operations.len()).collect()
}
