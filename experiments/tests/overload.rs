//! What admission control does for a simulated cluster of which more is asked than it can do.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::time::Duration;
use tidemark::backend::sim::{Pace, simulate};
use tidemark::backend::{Progress, Run};
use tidemark::plan::{Plan, load};
use tidemark_proto::event::{Event, Kind, Operation, Outcome, Purpose};
use tidemark_proto::upkeep::{Chore, Upkeep};

/// Otherwise nodes would do work that nobody waits for any more, or refuse what they could have done.
#[test]
fn goodput_stays_near_the_capacity_only_if_nodes_refuse_what_would_be_late() {
    for load in [0.5, 1.5, 3.0] {
        let plan = plan(&[&format!("client.rate={}", load * CAPACITY)]);
        let within = plan.client.timeout.0;
        let [kept, open] = ["controlled-delay", "open"].map(|policy| {
            let mut plan = plan.clone();
            plan.admission.policy =
                serde_json::from_value(serde_json::Value::from(policy)).unwrap();
            Carried::of(&plan)
        });
        let carried = CAPACITY * load.min(1.0);
        assert!(kept.goodput > 0.95 * carried, "{load}: {kept:?}");
        assert!(kept.p99 < within / 2, "{load}: {kept:?}");
        if load <= 1.0 {
            assert_eq!((open.goodput, open.p99), (kept.goodput, kept.p99), "{load}");
        } else {
            assert!(open.goodput < 0.2 * carried, "{load}: {open:?}");
            assert!(open.p99 > within / 2, "{load}: {open:?}");
        }
    }
}

/// Otherwise a client could not try again elsewhere without writing twice.
#[test]
fn what_is_refused_for_want_of_time_did_not_happen() {
    let rate = format!("client.rate={}", 2.0 * CAPACITY);
    let refused: Vec<_> = returned(&events(&plan(&[&rate])))
        .filter(|operation| operation.status == "RESOURCE_EXHAUSTED")
        .collect();
    assert!(refused.len() > 1_000, "{}", refused.len());
    let writes = refused.iter().filter(|one| one.kind == Kind::Put);
    assert!(writes.count() > 500);
    assert!(
        refused
            .iter()
            .all(|operation| operation.outcome == Outcome::Failed)
    );
}

/// Otherwise sweeps would take from clients what they wait for, or never come round while there is a load.
#[test]
fn sweeps_yield_while_clients_wait_and_not_for_ever() {
    let sweeps = |patience: &str, yield_above: &str| {
        let sets = [
            &format!("client.rate={}", 1.5 * CAPACITY),
            "repair=[{ kind = 'sweep', period = '50ms', yield_above = 1000000 }]",
            "events=faults",
            &format!("admission.yield_above={yield_above}"),
            &format!("admission.patience={patience}"),
        ];
        let events = events(&plan(&sets));
        let swept = events
            .iter()
            .filter(|event| matches!(event, Event::Upkeep(upkeep) if is_under_load(upkeep)));
        swept.count()
    };
    let [never, soon, late] = [("1s", "1h"), ("1s", "5ms"), ("1h", "5ms")]
        .map(|(patience, yield_above)| sweeps(patience, yield_above));
    assert!(late < soon && 2 * soon < never, "{never} {soon} {late}");
}

/// What a run carried after its warm-up.
#[derive(Debug)]
struct Carried {
    /// Operations a second.
    goodput: f64,
    p99: Duration,
}

impl Carried {
    fn of(plan: &Plan) -> Self {
        let mut took: Vec<_> = returned(&events(plan))
            .filter(|operation| operation.outcome == Outcome::Ok)
            .map(|operation| operation.returned - operation.intended)
            .collect();
        took.sort();
        let measured = plan.duration.0 - plan.warmup.0;
        Self {
            goodput: took.len() as f64 / measured.as_secs_f64(),
            p99: took[took.len() * 99 / 100],
        }
    }
}

fn returned(events: &[Event]) -> impl Iterator<Item = Operation> {
    let operations = events.iter().filter_map(|event| match event {
        Event::Returned(operation) if operation.purpose == Purpose::Load => Some(&**operation),
        _ => None,
    });
    operations.cloned()
}

/// A comparison that ended while the queues were long.
fn is_under_load(upkeep: &Upkeep) -> bool {
    let load = Duration::from_secs(5)..Duration::from_secs(10);
    upkeep.chore == Chore::Swept && load.contains(&upkeep.at)
}

fn events(plan: &Plan) -> Vec<Event> {
    let run = Run {
        plan: plan.clone().scaled(),
        progress: Arc::new(Progress::default()),
    };
    let mut events = Vec::new();
    simulate(&run, &mut Pace::default(), &mut |event| events.push(event)).unwrap();
    events
}

/// The plan of overload, cut short.
fn plan(sets: &[&str]) -> Plan {
    let base = ["duration=10s", "settle=500ms"];
    let sets: Vec<String> = base.iter().chain(sets).map(ToString::to_string).collect();
    let loaded = load("overload", "sim", &sets);
    loaded.unwrap_or_else(|error| panic!("{error:#}")).1
}

/// Operations a second that the plan's nodes can do: five nodes, a thousand messages a second each, 5.8 an operation.
const CAPACITY: f64 = 862.0;
