//! Laws of registers whose values are unique.

use crate::definition::{self, timed};
use crate::random::{Shape, all, drafts, law, register};
use proptest::prelude::*;
use std::cell::{Cell, RefCell};
use tidemark_observer::checker::{
    Budget, Finding, KeyReport, Model, Report, SmallestK, Stream, Unscored, Verdict, check, search,
};
use tidemark_observer::recording::{Call, Recording, Value};
use tidemark_proto::event::Outcome;

/// Checks a recording, however long that takes.
pub(crate) fn checked_all(recording: &Recording, model: &Model) -> Report {
    let mut never = || false;
    let mut budget = Budget::new(usize::MAX, &mut never);
    check(recording, model, &mut budget).expect("the model knows its calls")
}

/// The same, of one key.
fn checked(recording: &Recording, model: &Model) -> KeyReport {
    let keys = checked_all(recording, model).keys;
    keys.into_values().next().expect("there is one key")
}

pub(crate) fn searched(recording: &Recording, model: &Model) -> Finding {
    let mut never = || false;
    let mut budget = Budget::new(usize::MAX, &mut never);
    search(recording, &all(recording), model, &mut budget)
}

/// Counts how often each of two verdicts came.
#[derive(Default)]
pub(crate) struct Shares(RefCell<[u32; 2]>);

impl Shares {
    pub(crate) fn count(&self, verdict: Verdict) {
        self.0.borrow_mut()[usize::from(verdict == Verdict::True)] += 1;
    }

    /// Fails if one of them was rare: then a law says little.
    pub(crate) fn are_good(&self) {
        let [no, yes] = *self.0.borrow();
        let part = f64::from(yes) / f64::from(yes + no);
        assert!((0.2..0.8).contains(&part), "{yes} of {} hold", yes + no);
    }
}

fn model(name: &str) -> Model {
    Model::new(name, Some(Value::Integer(0))).expect("it is in the list")
}

const SMALL: Shape = Shape {
    most: 8,
    span: 24,
    length: 7,
    wrong: 0.6,
};

/// Reads are mostly of what was there once.
const STALE: Shape = Shape {
    most: 9,
    span: 24,
    length: 5,
    wrong: 0.8,
};

const STALE_AND_LARGE: Shape = Shape {
    most: 20,
    span: 60,
    ..STALE
};

const LARGE: Shape = Shape {
    most: 16,
    span: 40,
    length: 9,
    wrong: 0.2,
};

#[test]
fn zones_and_both_searches_agree() {
    let shares = Shares::default();
    law(10_000, &drafts(LARGE), |drafts| {
        let recording = register(&drafts);
        let by_zones = checked(&recording, &model("register"));
        shares.count(by_zones.linearizable);
        for name in ["register", "cas-register"] {
            let by_search = searched(&recording, &model(name));
            prop_assert_eq!(by_zones.linearizable, by_search.linearizable, "{}", name);
            prop_assert_eq!(by_zones.failing, by_search.failing, "{}", name);
            for (prefix, failing) in [
                (&by_zones.prefix, by_zones.failing),
                (&by_search.prefix, by_search.failing),
            ] {
                let is_prefix = |failing| {
                    definition::is_prefix(&recording, &Value::Integer(0), prefix, failing)
                };
                prop_assert!(failing.is_none_or(is_prefix), "{}: {:?}", name, prefix);
            }
        }
        Ok(())
    });
    shares.are_good();
}

#[test]
fn verdict_and_failing_operation_are_those_of_the_definition() {
    let shares = Shares::default();
    law(2_000, &drafts(SMALL), |drafts| {
        let recording = register(&drafts);
        let report = checked(&recording, &model("register"));
        shares.count(report.linearizable);
        let failing = definition::failing(&recording, &Value::Integer(0));
        prop_assert_eq!(report.failing, failing);
        prop_assert_eq!(report.linearizable == Verdict::True, failing.is_none());
        Ok(())
    });
    shares.are_good();
}

#[test]
fn scores_are_those_of_the_definition() {
    let shares = Shares::default();
    let greatest_k = Cell::new(0);
    law(5_000, &drafts(STALE), |drafts| {
        let recording = register(&drafts);
        let report = checked(&recording, &model("register"));
        if let Some(Unscored::Impossible(_)) = report.unscored {
            prop_assert_eq!((report.gamma, report.delta, report.k), (None, None, None));
            prop_assert_eq!(report.linearizable, Verdict::False);
            return Ok(());
        }
        shares.count(report.linearizable);
        let initial = Value::Integer(0);
        let operations = timed(&recording);
        prop_assert_eq!(report.gamma, Some(definition::gamma(&operations, &initial)));
        prop_assert_eq!(report.delta, Some(definition::delta(&operations, &initial)));
        let k = definition::smallest_k(&operations, &initial);
        greatest_k.set(greatest_k.get().max(k));
        prop_assert_eq!(report.k, Some(SmallestK::Is(k)));
        let (gammas, delta) = definition::by_pairs(&operations, &initial);
        let mut positive: Vec<i64> = report
            .gammas
            .positive
            .iter()
            .map(|(_, gamma)| *gamma as i64)
            .collect();
        positive.sort_unstable();
        prop_assert_eq!(positive, gammas);
        prop_assert_eq!(report.delta, Some(delta as u64));
        Ok(())
    });
    shares.are_good();
    assert!(
        greatest_k.get() > 3,
        "no read was older than {}",
        greatest_k.get()
    );
}

#[test]
fn scores_are_above_their_least_exactly_if_it_is_not_linearizable() {
    let shares = Shares::default();
    law(5_000, &drafts(STALE_AND_LARGE), |drafts| {
        let report = checked(&register(&drafts), &model("register"));
        let (Some(gamma), Some(delta), Some(k)) = (report.gamma, report.delta, report.k) else {
            return Ok(());
        };
        shares.count(report.linearizable);
        let is_linearizable = report.linearizable == Verdict::True;
        prop_assert!(gamma <= delta, "{gamma} {delta}");
        prop_assert_eq!(gamma == 0, is_linearizable);
        prop_assert_eq!(k == SmallestK::Is(1), is_linearizable);
        prop_assert_eq!(report.gammas.share_above(gamma).unwrap_or(0.0), 0.0);
        Ok(())
    });
    shares.are_good();
}

#[test]
fn scores_on_line_are_those_off_line() {
    law(5_000, &drafts(STALE_AND_LARGE), |drafts| {
        let recording = register(&drafts);
        let report = checked(&recording, &model("register"));
        let mut returns: Vec<_> = recording.operations.iter().collect();
        returns.sort_by_key(|operation| operation.end);
        let mut stream = Stream::default();
        for operation in returns {
            let is_ok = operation.outcome == Outcome::Ok;
            match &operation.call {
                Call::Write(Value::Integer(value)) if operation.outcome != Outcome::Failed => {
                    stream.write(
                        *value as u64,
                        operation.start,
                        is_ok.then_some(operation.end),
                    );
                }
                Call::Read(Some(Value::Integer(value))) if is_ok => {
                    let value = (*value != 0).then_some(*value as u64);
                    stream.read(value, operation.start, operation.end);
                }
                _ => {}
            }
        }
        let mut never = || false;
        let scores = stream
            .scores(&mut Budget::new(usize::MAX, &mut never))
            .expect("there is time");
        let is_impossible = matches!(report.unscored, Some(Unscored::Impossible(_)));
        prop_assert_eq!(scores.impossible > 0, is_impossible);
        if !is_impossible {
            prop_assert_eq!(Some(scores.gamma), report.gamma);
            prop_assert_eq!(Some(scores.delta), report.delta);
            prop_assert_eq!(scores.values, report.gammas.values);
            let value = |index: usize| match &recording.operations[index].call {
                Call::Write(Value::Integer(value)) => *value as u64,
                other => panic!("{other} is no write"),
            };
            let positive = report.gammas.positive.iter();
            let mut positive: Vec<_> = positive
                .map(|(write, gamma)| (write.map(value), *gamma))
                .collect();
            positive.sort_unstable();
            prop_assert_eq!(scores.positive, positive);
        }
        Ok(())
    });
}
