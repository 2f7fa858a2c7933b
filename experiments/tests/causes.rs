//! Why a read was stale is a claim that can be tried: without the named fault, same seed, it is fresh; without another it is not.

use std::collections::BTreeMap;
use std::sync::Arc;
use tidemark::backend::sim::{Pace, simulate};
use tidemark::backend::{Progress, Run};
use tidemark::plan::load;
use tidemark_observer::cause::{Blame, Cause, Evidence};
use tidemark_observer::judge::Judge;
use tidemark_proto::event::Event;
use tidemark_proto::id::OperationId;

/// Three nodes hold every key, and whoever is asked answers by itself: who answers a read does not depend on the network.
/// Nothing repairs, so that a replica which has missed a write stays without it; and as writes are blind, no other takes its
/// place. What clients do and when does not depend on what they find. Writes are few: a later one of the same key by another
/// coordinator brings along what that holds.
const BASE: [&str; 10] = [
    "cluster.nodes=3",
    "repair=[]",
    "client.update=\"blind\"",
    "client.rate=4000",
    "workload.keys=4000",
    "workload.reads=0.98",
    "replication.read_set=\"quorum\"",
    "network=[{ name = \"peer legs\", links = \"peers\", latency = { exponential = \"1ms\" } }]",
    "storage={ kind = \"lsm\", sync = \"off\" }",
    "duration=\"9s\"",
];

/// The stale reads of a run with these faults, each with why.
fn stale(seed: u64, faults: &[&str]) -> BTreeMap<OperationId, Blame> {
    let mut sets: Vec<String> = BASE.map(str::to_owned).into();
    sets.push(format!("seed={seed}"));
    sets.push(format!("fault=[{}]", faults.join(", ")));
    let (_, plan) = load("quickstart", "sim", &sets).expect("the plan is sound");
    let run = Run {
        plan: plan.scaled(),
        progress: Arc::new(Progress::default()),
    };
    let mut events = Vec::new();
    simulate(&run, &mut Pace::default(), &mut |event| events.push(event)).expect("it runs");
    events.sort_by_key(Event::at);
    let (mut judge, mut evidence) = (Judge::default(), Evidence::new(1.0));
    let mut stale = BTreeMap::new();
    for event in &events {
        evidence.observe(event);
        let verdict = judge.observe(event);
        let missed = judge.missed();
        if let (Event::Returned(read), Some(_), false) = (event, verdict, missed.is_empty()) {
            stale.insert(read.id, evidence.label(read, missed).0);
        }
    }
    stale
}

/// Tries every label of a run with two faults that names one of them.
#[track_caller]
fn check(faults: [(&str, &str); 2], expected: [&[Cause]; 2]) {
    let mut unmatched = (0, 0);
    for ((name, _), causes) in faults.into_iter().zip(expected) {
        let (mut cured, mut left, mut labelled) = (0, 0, 0);
        for seed in 1..=2 {
            let both = stale(seed, &faults.map(|(_, fault)| fault));
            unmatched.0 += both
                .values()
                .filter(|b| b.cause == Cause::Unmatched)
                .count();
            unmatched.1 += both.len();
            let without = |of: bool| {
                let kept = faults.iter().filter(|(other, _)| (*other == name) != of);
                stale(seed, &kept.map(|(_, fault)| *fault).collect::<Vec<_>>())
            };
            let (without_it, without_the_other) = (without(true), without(false));
            for (read, blame) in &both {
                if blame.fault.as_deref() != Some(name) {
                    continue;
                }
                assert!(causes.contains(&blame.cause), "{read}: {blame:?}");
                labelled += 1;
                cured += usize::from(!without_it.contains_key(read));
                left += usize::from(!without_the_other.contains_key(read));
            }
        }
        let share = |count: usize| count as f64 / labelled as f64;
        println!(
            "{name}: {labelled} reads; fresh without it {:.4}, fresh without the other {:.4}",
            share(cured),
            share(left)
        );
        assert!(labelled > 100, "{name}: only {labelled} reads tell");
        assert!(share(cured) >= 0.95, "{name}: {cured} of {labelled}");
        assert!(share(left) <= 0.05, "{name}: {left} of {labelled}");
    }
    println!("unmatched: {} of {}", unmatched.0, unmatched.1);
    assert!(unmatched.0 * 100 < unmatched.1, "{unmatched:?}");
}

#[test]
fn a_partition_and_losses_are_told_apart() {
    check(
        [
            (
                "cut",
                "{ name = \"cut\", at = \"3s\", for = \"4s\", partition = { isolate = \"n3\" } }",
            ),
            (
                "lossy",
                "{ name = \"lossy\", at = \"4s\", for = \"4s\", links = [\"n1 -> n2\"], loss = 0.7 }",
            ),
        ],
        [&[Cause::Cut], &[Cause::Dropped]],
    );
}

#[test]
fn a_crash_and_delays_are_told_apart() {
    check(
        [
            (
                "down",
                "{ name = \"down\", at = \"3s\", restart_after = \"3s\", crash = \"n3\" }",
            ),
            (
                "slow",
                "{ name = \"slow\", at = \"2s\", for = \"7s\", links = [\"n1 -> n2\", \"n3 -> n2\"], latency = { constant = \"1500ms\" } }",
            ),
        ],
        [&[Cause::Down, Cause::RestartedWithout], &[Cause::Delayed]],
    );
}

#[test]
fn a_loss_of_power_and_a_partition_are_told_apart() {
    check(
        [
            (
                "dark",
                "{ name = \"dark\", at = \"4s\", restart_after = \"1s\", power_loss = \"n2\" }",
            ),
            (
                "cut",
                "{ name = \"cut\", at = \"3s\", for = \"4s\", partition = { isolate = \"n1\" } }",
            ),
        ],
        [&[Cause::Down, Cause::RestartedWithout], &[Cause::Cut]],
    );
}
