//! A check that would need more than it may take says so, and what a model does not know is named.

use crate::laws::checked_all;
use crate::script::stories;
use tidemark_observer::checker::{Budget, Doubt, Model, Report, Verdict, check};
use tidemark_observer::recording::{Call, Recorded, Recording, Times, Value};
use tidemark_proto::event::Outcome;

/// Writes and reads one after the other, the last read of a value that is long gone.
fn recording(values: i64, keys: usize) -> Recording {
    let count = 20_000;
    let operations = (0..count).map(|index| {
        let value = Value::Integer(index as i64 / 2 % values + 1);
        let start = index as u64 * 10;
        Recorded {
            line: index as u64 + 1,
            name: None,
            process: 1,
            key: (index / 2 % keys).to_string().into(),
            call: match index % 2 {
                0 => Call::Write(value),
                _ if index > count - 2 * keys => Call::Read(Some(Value::Integer(1))),
                _ => Call::Read(Some(value)),
            },
            start,
            end: start + 5,
            outcome: Outcome::Ok,
        }
    });
    Recording {
        operations: operations.collect(),
        times: Times::Nanoseconds,
    }
}

fn checked(recording: &Recording, model: &str, memory: usize, questions: usize) -> (Report, usize) {
    let mut asked = 0;
    let mut is_over = || {
        asked += 1;
        asked > questions
    };
    let model = Model::new(model, None).expect("it is in the list");
    let mut budget = Budget::new(memory, &mut is_over);
    let report = check(recording, &model, &mut budget).expect("the model knows its calls");
    (report, asked)
}

#[test]
fn a_check_whose_time_is_over_says_so_and_stops() {
    for (values, model) in [
        (i64::MAX, "register"),
        (50, "register"),
        (50, "cas-register"),
    ] {
        let recording = recording(values, 2);
        let (whole, all) = checked(&recording, model, usize::MAX, usize::MAX);
        assert_eq!(whole.valid, Verdict::False, "{model} {values}");
        assert!(all > 4, "{model} {values}: only {all} questions");
        for questions in (0..all).step_by(all.div_ceil(12)) {
            let (report, asked) = checked(&recording, model, usize::MAX, questions);
            assert_eq!(asked, questions + 1, "once it is over nobody asks again");
            for (key, found) in &report.keys {
                match found.linearizable {
                    Verdict::Unknown(doubt) => assert_eq!(doubt, Doubt::Time),
                    verdict => assert_eq!(verdict, whole.keys[key].linearizable, "{model} {key}"),
                }
                for (found, whole) in [
                    (found.gamma, whole.keys[key].gamma),
                    (found.delta, whole.keys[key].delta),
                ] {
                    assert!(found.is_none() || found == whole, "{model} {key}");
                }
            }
            assert!(report.valid != Verdict::True);
        }
        let (report, _) = checked(&recording, model, usize::MAX, 0);
        assert_eq!(report.valid, Verdict::Unknown(Doubt::Time));
        assert!(
            report
                .keys
                .values()
                .all(|key| key.k.is_none() && key.gamma.is_none())
        );
    }
}

#[test]
fn a_search_that_needs_more_memory_says_so() {
    let (report, _) = checked(&recording(50, 1), "register", 1_000, usize::MAX);
    assert_eq!(report.valid, Verdict::Unknown(Doubt::Memory(1_000)));
    let doubt = Doubt::Memory(1_000).to_string();
    assert_eq!(doubt, "the search needs more than 1000 bytes");
}

#[test]
fn a_key_whose_read_returned_siblings_has_no_verdict() {
    // It makes no difference that a value of z was written twice.
    let text = "== siblings\np1 write x 1 0..10\np2 write x 2 0..10\np3 read x [1,2] 20..30\np1 write y 1 40..50\np1 write z 1 60..61\np1 write z 1 62..63\np2 read z [1,2] 64..65\n= x:";
    let report = checked_all(
        &stories(text)[0].recording,
        &Model::new("register", None).expect("it is in the list"),
    );
    assert_eq!(
        report.keys["x"].linearizable,
        Verdict::Unknown(Doubt::Siblings(4))
    );
    assert_eq!(report.keys["y"].linearizable, Verdict::True);
    assert_eq!(
        report.keys["z"].linearizable,
        Verdict::Unknown(Doubt::Siblings(8))
    );
    assert_eq!(report.valid, Verdict::Unknown(Doubt::Siblings(4)));
}

#[test]
fn errors_name_the_thing_the_value_and_the_choices() {
    let error = |model: &str, initial: Option<Value>, line: &str| {
        let text = format!("== error\n\n{line}\n= x:");
        let recording = &stories(&text)[0].recording;
        let error = Model::new(model, initial).and_then(|model| {
            recording
                .operations
                .iter()
                .try_for_each(|operation| model.admit(operation))
        });
        error.expect_err("it is wrong").to_string()
    };
    let cases = [
        (
            error("queue", None, ""),
            "there is no model \"queue\"; choose one of: register, cas-register, kv-append, counter, set",
        ),
        (
            error("counter", Some(Value::Nil), ""),
            "the initial value is nil, but a counter begins as an integer",
        ),
        (
            error("register", None, "p1 cas x 1 2 0..1"),
            "a register has no function \"cas\"; it has: read, write",
        ),
        (
            error("kv-append", None, "p1 append x 1 0..1"),
            "the append of a kv-append takes a text, not 1",
        ),
    ];
    for (error, expected) in cases {
        assert_eq!(error, expected);
    }
}
