//! Laws of every model: its search agrees with the definition, which tries all orders.

use crate::definition::{self, apply};
use crate::laws::{Shares, searched};
use crate::random::{Draft, Shape, drafts, law, recording};
use proptest::prelude::*;
use tidemark_observer::checker::model::ENTRIES;
use tidemark_observer::checker::{Model, Verdict};
use tidemark_observer::recording::{Call, Recording, Value};

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
            model
                .admit(&recording)
                .map_err(|error| TestCaseError::fail(error.to_string()))?;
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
