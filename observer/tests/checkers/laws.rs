//! Laws of registers whose values are unique.

use crate::definition::{self, timed};
use crate::random::{Shape, all, drafts, law, register};
use proptest::prelude::*;
use std::cell::{Cell, RefCell};
use tidemark_observer::checker::{
    Budget, Finding, KeyReport, Model, Report, Score, Scores, SmallestK, Stream, Unscored, Verdict,
    check, search,
};
use tidemark_observer::recording::{Call, Recorded, Recording, Value};
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
        let (_, delta) = definition::by_pairs(&operations, &initial);
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
        prop_assert_eq!(report.gamma_above_0.unwrap_or(0.0) == 0.0, gamma == 0);
        Ok(())
    });
    shares.are_good();
}

#[test]
fn scores_on_line_are_those_off_line() {
    let shares = Shares::default();
    law(5_000, &drafts(STALE_AND_LARGE), |drafts| {
        let recording = register(&drafts);
        let report = checked(&recording, &model("register"));
        let mut stream = Stream::default();
        for operation in returns(&recording) {
            feed(&mut stream, operation);
        }
        let scores = scores(&stream);
        let is_impossible = matches!(report.unscored, Some(Unscored::Impossible(_)));
        prop_assert_eq!(scores.impossible > 0, is_impossible);
        if is_impossible {
            return Ok(());
        }
        shares.count(report.linearizable);
        prop_assert_eq!(Some(greatest(&scores.values)), report.gamma);
        prop_assert_eq!(Some(scores.delta), report.delta);
        match (scores.k, report.k) {
            (
                SmallestK::AtLeast(k),
                Some(SmallestK::Is(smallest) | SmallestK::AtLeast(smallest)),
            ) => {
                prop_assert!(2 < k && k <= smallest, "{k} {smallest}");
            }
            (k, smallest) => prop_assert_eq!(Some(k), smallest),
        }
        let positive = positive(&scores.values);
        let values = scores.values.len();
        let share = (values > 0).then(|| positive.len() as f64 / values as f64);
        prop_assert_eq!(share, report.gamma_above_0);
        let (gammas, _) = definition::by_pairs(&timed(&recording), &Value::Integer(0));
        prop_assert_eq!(positive, gammas);
        Ok(())
    });
    shares.are_good();
}

/// If this fails, forgetting what is over changes figures, or changes them without a word.
#[test]
fn what_is_retired_is_told_of_as_if_it_were_not() {
    let exact = Cell::new(0);
    law(5_000, &drafts(STALE_AND_LARGE), |drafts| {
        let recording = register(&drafts);
        let (mut whole, mut retiring) = (Stream::default(), Stream::retiring_at(1));
        let returns = returns(&recording);
        let mut retired = Vec::new();
        for (place, operation) in returns.iter().enumerate() {
            feed(&mut whole, operation);
            feed(&mut retiring, operation);
            let is_over = |value| {
                returns[place..]
                    .iter()
                    .all(|later| number(later) != Some(value))
            };
            let mut never = || false;
            let mut budget = Budget::new(usize::MAX, &mut never);
            retired.extend(
                retiring
                    .retire(is_over, &mut budget)
                    .expect("there is time"),
            );
        }
        let (whole, left) = (scores(&whole), scores(&retiring));
        prop_assert_eq!(left.impossible, whole.impossible);
        // A late read of the initial value would change what is forgotten.
        let is_exact = whole.impossible == 0
            && retired.iter().all(|score| !score.is_at_least)
            && !(retiring.has_forgotten() && reads_initial(&returns));
        let mut values = [&*retired, &left.values].concat();
        values.sort_unstable();
        if is_exact {
            exact.set(exact.get() + usize::from(!retired.is_empty()));
            prop_assert_eq!((values, left.delta), (whole.values, whole.delta));
            prop_assert_eq!(left.k, whole.k);
        } else {
            prop_assert!(greatest(&values) <= greatest(&whole.values));
            prop_assert!(left.delta <= whole.delta);
        }
        Ok(())
    });
    assert!(exact.get() > 100, "only {} forgot something", exact.get());
}

/// The operations that returned, in the order in which they did.
fn returns(recording: &Recording) -> Vec<&Recorded> {
    let mut returns: Vec<_> = recording.operations.iter().collect();
    returns.sort_by_key(|operation| operation.end);
    returns
}

fn feed(stream: &mut Stream, operation: &Recorded) {
    let is_ok = operation.outcome == Outcome::Ok;
    let (start, end) = (operation.start, operation.end);
    match (&operation.call, number(operation)) {
        (Call::Write(_), Some(value)) => stream.write(value, start, is_ok.then_some(end)),
        (_, Some(value)) => stream.read(value, start, end),
        (Call::Read(Some(_)), None) if is_ok => stream.read_nothing(start, end),
        _ => {}
    }
}

/// The value that an operation may have written or has read, if it is not the initial one.
fn number(operation: &Recorded) -> Option<u64> {
    let value = match &operation.call {
        Call::Write(Value::Integer(value)) if operation.outcome != Outcome::Failed => value,
        Call::Read(Some(Value::Integer(value))) if operation.outcome == Outcome::Ok => value,
        _ => return None,
    };
    (*value != 0).then_some(*value as u64)
}

fn reads_initial(returns: &[&Recorded]) -> bool {
    returns
        .iter()
        .any(|read| matches!(read.call, Call::Read(Some(Value::Integer(0)))))
}

fn scores(stream: &Stream) -> Scores {
    let mut never = || false;
    let scores = stream.scores(&mut Budget::new(usize::MAX, &mut never));
    scores.expect("there is time")
}

fn greatest(values: &[Score]) -> u64 {
    values.iter().map(|score| score.gamma).max().unwrap_or(0)
}

/// Γ of those above 0, rising.
fn positive(values: &[Score]) -> Vec<i64> {
    let gammas = values.iter().map(|score| score.gamma as i64);
    let mut gammas: Vec<i64> = gammas.filter(|gamma| *gamma > 0).collect();
    gammas.sort_unstable();
    gammas
}
