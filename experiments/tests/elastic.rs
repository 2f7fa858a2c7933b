//! Plans in which members come and go: no acknowledged write is lost, no read finds nothing where something is, and no more
//! moves than has to, whatever the network does meanwhile.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::time::Duration;
use tidemark::backend::sim::{Pace, simulate};
use tidemark::backend::{Progress, Run};
use tidemark::plan::members::{Step, steps};
use tidemark::plan::{Plan, load};
use tidemark_node::partitioner::Change;
use tidemark_observer::figures::Figures;
use tidemark_observer::observe::{RunFacts, observe};
use tidemark_proto::event::{Detail, Event};

/// If this fails, elasticity costs writes, or moves more than it has to.
#[test]
fn three_nodes_become_six_and_then_four() {
    for figures in figures(&[]) {
        check(&figures, 5);
        assert_eq!(figures.whole.availability.share, Some(1.0));
        for change in &figures.member_changes {
            let over = change.over_ideal().unwrap();
            assert!((0.7..1.3).contains(&over), "{over} in {change:?}");
            assert!(change.sent_keys > 0 && change.sent_bytes > 0, "{change:?}");
        }
        assert_eq!(
            figures.convergence.known().unwrap().diverged_at_end,
            0,
            "keys are not where they belong"
        );
    }
}

/// If this fails, a lost message costs a write while keys move, or a change is lost with it.
#[test]
fn lost_messages_hold_a_change_up_and_cost_no_write() {
    let loss = "network=[{ links = 'peers', latency = { exponential = '2ms' } }, { links = 'peers', loss = 0.03 }]";
    for figures in figures(&[loss, "handover.retry='50ms'"]) {
        check(&figures, 5);
    }
}

/// If this fails, a node that crashes while keys move costs a write, or the change.
#[test]
fn a_crash_in_the_midst_of_a_change_costs_no_write() {
    let crashes = format!(
        "fault=[{CHANGES}, {{ at = '1500ms', every = '1s', until = '12s', crash = 'any', restart_after = '300ms' }}]"
    );
    for figures in figures(&[&crashes, "storage={ kind = 'lsm' }"]) {
        check(&figures, 5);
        assert!(
            figures
                .faults
                .iter()
                .any(|fault| fault.kind == "crash" && fault.machines > 0)
        );
    }
}

/// If this fails, a node that is gone for good cannot be replaced, or what the others had of its keys is not enough.
#[test]
fn a_member_that_is_gone_is_replaced() {
    let gone =
        "fault=[{ at = '2s', crash = 'n2' }, { at = '3s', replace = { node = 'n2', by = 'n4' } }]";
    for figures in figures(&[gone, "storage={ kind = 'lsm' }"]) {
        check(&figures, 1);
    }
}

/// If this fails, whom chance draws depends on something else than plan and seed, or a change is asked for that cannot be.
#[test]
fn the_seed_draws_who_comes_and_who_goes() {
    let drawn = |seed: u64| {
        let set = "fault=[{ at = '2s', leave = 'any' }, { at = '1s', join = ['any', 'any'] }]";
        steps(&plan(seed, &[set]))
    };
    let mut left = Vec::new();
    for seed in 1..20 {
        let steps = drawn(seed);
        assert_eq!(steps, drawn(seed));
        let [
            Step {
                change: Change::Join(one),
                ..
            },
            Step {
                change: Change::Join(other),
                ..
            },
            Step {
                change: Change::Leave(gone),
                ..
            },
        ] = steps[..]
        else {
            panic!("{steps:?}");
        };
        assert!(one != other && one.number() > 3 && other.number() > 3);
        left.push(gone);
    }
    left.sort_unstable();
    left.dedup();
    assert!(left.len() > 3, "only {left:?} ever leave");
}

/// If this fails, a longer plan's changes come too soon, or keys move as fast as in the short one.
#[test]
fn a_stretched_plan_stretches_how_keys_move() {
    let plan = plan(1, &["time_scale=10", "handover.retry='100ms'"]).scaled();
    assert_eq!(steps(&plan)[0].at, Duration::from_secs(20));
    let handover = plan.config().handover;
    assert_eq!(handover.retry.0, Duration::from_secs(1));
    assert_eq!(handover.keep.0, Duration::from_secs(10));
    assert_eq!(handover.rate, 60);
}

/// What must hold of every run with so many changes.
fn check(figures: &Figures, changes: usize) {
    let seed = figures.run.seed;
    let lost = figures.lost_writes.known().unwrap();
    assert!(
        lost.lost.of > 500,
        "seed {seed}: hardly anything was written"
    );
    assert_eq!(lost.examples, [""; 0], "seed {seed}: writes were lost");
    let not_found = &figures.false_not_found;
    assert!(not_found.of > 500, "seed {seed}: hardly anything was read");
    assert_eq!(not_found.count, 0, "seed {seed}: reads found nothing");
    assert_eq!(
        figures.whole.stale.count, 0,
        "seed {seed}: reads were stale"
    );
    assert_eq!(figures.member_changes.len(), changes, "seed {seed}");
    for change in &figures.member_changes {
        assert!(change.is_complete, "seed {seed}: {change:?}");
    }
}

fn figures(sets: &[&str]) -> impl Iterator<Item = Figures> {
    (1..=SEEDS).map(move |seed| {
        let run = Run {
            plan: plan(seed, sets).scaled(),
            progress: Arc::new(Progress::default()),
        };
        let mut events: Vec<Event> = Vec::new();
        simulate(&run, &mut Pace::default(), &mut |event| events.push(event)).unwrap();
        // That a change is over is noted when it is; it belongs to when it was asked for.
        events.sort_by_key(|event| (event.at(), !matches!(event, Event::Fault(_))));
        let facts = RunFacts {
            plan: "elastic".to_owned(),
            backend: "sim".to_owned(),
            seed,
            detail: Detail::All,
            ..RunFacts::default()
        };
        observe(&facts, events).figures
    })
}

/// A short variant of the built-in plan.
fn plan(seed: u64, sets: &[&str]) -> Plan {
    let base = [
        format!("seed={seed}"),
        format!("fault=[{CHANGES}]"),
        "duration=14s".to_owned(),
        "warmup=500ms".to_owned(),
        "workload.keys=300".to_owned(),
        "handover.rate=600".to_owned(),
    ];
    let sets = sets.iter().map(ToString::to_string);
    let sets: Vec<String> = base.into_iter().chain(sets).collect();
    load("elastic", "sim", &sets)
        .unwrap_or_else(|error| panic!("{error:#}"))
        .1
}

const SEEDS: u64 = 5;
const CHANGES: &str =
    "{ at = '2s', join = ['n4', 'n5', 'n6'] }, { at = '8s', leave = ['n2', 'n5'] }";
