//! Laws of every model: its search agrees with the definition, which tries all orders.

use crate::definition::{self, apply};
use crate::laws::{Shares, searched};
use crate::random::{Draft, Shape, all, drafts, law, recording};
use proptest::prelude::*;
use tidemark_observer::checker::model::ENTRIES;
use tidemark_observer::checker::{Budget, Model, Verdict, search};
use tidemark_observer::recording::{Call, Recorded, Recording, Times, Value};
use tidemark_proto::event::Outcome;

/// A random recording for a model; an entry without one fails the law.
fn recorded(name: &str, drafts: &[Draft], initial: &Value) -> Recording {
    let number = |draft: &Draft, most: u8| Value::Integer(i64::from(draft.argument % most));
    let text =
        |draft: &Draft| Value::Text(["a", "b", "ab"][usize::from(draft.argument) % 3].into());
    let call = |index: usize, draft: &Draft| match (name, draft.function) {
        (_, 6..) => Call::Read(None),
        ("register", _) => Call::Write(number(draft, 4)),
        ("cas-register", 0..3) => Call::Cas(
            number(draft, 3),
            Value::Integer(i64::from(draft.argument / 3 % 3)),
        ),
        ("cas-register", _) => Call::Write(number(draft, 3)),
        ("kv-append", 0) => Call::Write(text(draft)),
        ("kv-append", _) => Call::Append(text(draft)),
        ("counter", 0) => Call::Add(Value::Integer(-1)),
        ("counter", _) => Call::Add(number(draft, 3)),
        ("set", 0..3) => Call::Add(Value::Integer(index as i64)),
        ("set", _) => Call::Add(number(draft, 4)),
        (other, _) => panic!("{other} has no random recordings"),
    };
    let wrong = |which: u8, held: &[Value]| match held.last().expect("the initial one is there") {
        Value::Text(text) if which < 6 => Value::Text(format!("{text}a").into()),
        Value::Text(text) => Value::Text(text.get(1..).unwrap_or("b").into()),
        Value::Integer(number) => Value::Integer((number + i64::from(which)) % 4),
        Value::List(elements) if which < 6 => {
            Value::List(elements.iter().skip(1).cloned().collect())
        }
        Value::List(elements) => {
            Value::List([&**elements, &[Value::Integer(i64::from(which) % 4)]].concat())
        }
        Value::Nil => Value::Integer(i64::from(which) % 4),
    };
    recording(drafts, initial, call, apply, wrong)
}

#[test]
fn every_search_agrees_with_the_definition() {
    let shape = Shape {
        most: 7,
        span: 20,
        length: 8,
        wrong: 0.5,
    };
    for entry in ENTRIES {
        let model = Model::new(entry.name, None).unwrap();
        let shares = Shares::default();
        law(3_000, &drafts(shape), |drafts| {
            let recording = recorded(entry.name, &drafts, model.initial());
            for operation in &recording.operations {
                let admitted = model.admit(operation);
                admitted.map_err(|error| TestCaseError::fail(error.to_string()))?;
            }
            let finding = searched(&recording, &model);
            shares.count(finding.linearizable);
            let failing = definition::failing(&recording, model.initial());
            prop_assert_eq!(
                finding.linearizable == Verdict::True,
                failing.is_none(),
                "{}",
                entry.name
            );
            prop_assert_eq!(finding.failing, failing, "{}", entry.name);
            if let Some(failing) = failing {
                let is_prefix =
                    definition::is_prefix(&recording, model.initial(), &finding.prefix, failing);
                prop_assert!(is_prefix, "{}: {:?}", entry.name, finding.prefix);
            }
            Ok(())
        });
        shares.are_good();
    }
}

/// Sixty operations of unknown outcome, then reads one after the other.
fn pending_then_reads(pending: impl Fn(i64) -> Call, reads: &[Value]) -> Recording {
    let unknown = (0..60).map(|number| (pending(number), u64::MAX, Outcome::Unknown));
    let reads = (0..).zip(reads).map(|(place, value)| {
        let end = 101 + 10 * place;
        (Call::Read(Some(value.clone())), end, Outcome::Ok)
    });
    let operations = (0..)
        .zip(unknown.chain(reads))
        .map(|(index, (call, end, outcome))| Recorded {
            line: index + 1,
            name: None,
            process: index,
            key: "x".into(),
            call,
            start: if outcome == Outcome::Ok {
                end - 1
            } else {
                index
            },
            end,
            outcome,
        });
    Recording {
        operations: operations.collect(),
        times: Times::Nanoseconds,
    }
}

#[test]
fn many_operations_of_unknown_outcome_do_not_make_a_search_explode() {
    let integer = Value::Integer;
    let list = |numbers: std::ops::Range<i64>| Value::List(numbers.map(integer).collect());
    let text = |length: usize| Value::Text("abcdefghijklmnopqrstuvwxyz"[..length].into());
    let letter = |number: i64| Value::Text(char::from(b'a' + number as u8 % 26).to_string().into());
    // All but the last read can be explained.
    let cases: [(&str, Recording, usize); 8] = [
        // Each value is there to be read once.
        (
            "register",
            pending_then_reads(
                |number| Call::Write(integer(number)),
                &[integer(7), integer(9), integer(7)],
            ),
            62,
        ),
        // Sixty writes of three values: no more than twenty times each.
        (
            "register",
            pending_then_reads(
                |number| Call::Write(integer(number % 3)),
                &[integer(0), integer(1), integer(0), integer(3)],
            ),
            63,
        ),
        (
            "cas-register",
            pending_then_reads(
                |number| Call::Cas(Value::Nil, integer(number)),
                &[integer(4), integer(5)],
            ),
            61,
        ),
        (
            "cas-register",
            pending_then_reads(
                |number| Call::Write(integer(number % 20)),
                &[integer(4), integer(21)],
            ),
            61,
        ),
        (
            "counter",
            pending_then_reads(
                |_| Call::Add(integer(1)),
                &[integer(20), integer(60), integer(61)],
            ),
            62,
        ),
        (
            "set",
            pending_then_reads(
                |number| Call::Add(integer(number)),
                &[list(0..20), list(0..40), list(1..40)],
            ),
            62,
        ),
        (
            "set",
            pending_then_reads(
                |number| Call::Add(integer(number)),
                &[list(20..40), list(0..61)],
            ),
            61,
        ),
        (
            "kv-append",
            pending_then_reads(
                |number| Call::Append(letter(number)),
                &[text(10), text(20), text(19)],
            ),
            62,
        ),
    ];
    for (name, recording, failing) in cases {
        let model = Model::new(name, None).unwrap();
        let mut questions = 0;
        let mut is_over = || {
            questions += 1;
            questions > 100
        };
        let mut budget = Budget::new(1 << 28, &mut is_over);
        let finding = search(&recording, &all(&recording), &model, &mut budget);
        assert_eq!(finding.linearizable, Verdict::False, "{name}");
        assert_eq!(finding.failing, Some(failing), "{name}");
    }
}
