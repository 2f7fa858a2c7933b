//! What papers claim of repair, with the section, and what the options of its strategies do.

mod harness;

use bytes::Bytes;
use harness::{Cluster, Shape, choice_of, config, get, put};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tidemark_node::context::bytes_of;
use tidemark_node::merkle;
use tidemark_node::replica::{Input, Output};
use tidemark_proto::event::Event;
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::message::{Message, Method};
use tidemark_proto::upkeep::{Chore, Upkeep};
use tidemark_proto::wire::{self, StoredVersion, sweep::Body};

/// §4.6: "Nodes that receive hinted replicas will keep them in a separate local database that is scanned periodically";
/// "once the transfer succeeds, [the node] may delete the object from its local store".
#[test]
fn a_hint_is_kept_apart_answered_delivered_and_forgotten() {
    let mut cluster = cluster(Shape { n: 2, ..SHAPE }, &[("hint", json!({}))]);
    let is_of_others = |key: &String| !cluster.replicas(key, 2).contains(&KEEPER);
    let key = ('a'..='z').map(String::from).find(is_of_others);
    let key = key.expect("the keeper is no replica of some key");
    let written = written(&mut cluster, &key);
    hint(&mut cluster, &key, &written);
    assert_eq!(cluster.held(KEEPER, &key), vec![], "it is not its own");
    assert_eq!(
        answer_of(&mut cluster, KEEPER, &key),
        written,
        "but it answers with it"
    );
    let said = run(&mut cluster, SECOND);
    assert_eq!(chores(&said.notes), [Chore::HintDelivered]);
    assert_eq!(cluster.held(TARGET, &key), written);
    assert_eq!(answer_of(&mut cluster, KEEPER, &key), vec![]);
}

/// Without a strategy that would deliver it, a fallback's hint is its own version: Dynamo without §4.6.
#[test]
fn who_delivers_no_hints_holds_them_as_its_own() {
    let mut cluster = cluster(SHAPE, &[]);
    let written = written(&mut cluster, "x");
    hint(&mut cluster, "x", &written);
    assert_eq!(cluster.held(KEEPER, "x"), written);
}

/// Of the writes that are owed to a node, those beyond the limit are dropped or refused: max(0, owed − limit).
#[test]
fn what_is_beyond_the_limits_is_dropped_or_refused() {
    let one = bytes_of(b"0", &written(&mut cluster(SHAPE, &[]), "0"));
    let limits = [
        json!({ "max_hints": 3 }),
        json!({ "max_bytes": 4 * one - 1 }),
    ];
    for (limit, overflow) in limits
        .iter()
        .flat_map(|limit| [(limit, "drop"), (limit, "refuse")])
    {
        for owed in 0..6_usize {
            let mut options = limit.clone();
            options["overflow"] = json!(overflow);
            let mut cluster = cluster(SHAPE, &[("hint", options)]);
            let (mut dropped, mut refused) = (0, 0);
            for key in (0..owed).map(|key| key.to_string()) {
                let written = written(&mut cluster, &key);
                let outputs = hint(&mut cluster, &key, &written);
                dropped += chores(&outputs)
                    .iter()
                    .filter(|c| **c == Chore::HintDropped)
                    .count();
                let is_refused = |output: &&Output| matches!(output, Output::Send(_, Message::StoreReply(reply)) if reply.refusal.is_some());
                refused += outputs.iter().filter(is_refused).count();
            }
            let beyond = owed.saturating_sub(3);
            let expected = if overflow == "drop" {
                (beyond, 0)
            } else {
                (0, beyond)
            };
            assert_eq!((dropped, refused), expected, "{limit} {overflow} {owed}");
            run(&mut cluster, 2 * SECOND);
            let held = (0..owed).filter(|key| !cluster.held(TARGET, &key.to_string()).is_empty());
            assert_eq!(held.count(), owed.min(3));
        }
    }
}

/// If this fails, a hint brings back what was deleted and collected long ago.
#[test]
fn a_hint_that_is_too_old_is_forgotten() {
    let mut cluster = cluster(SHAPE, &[("hint", json!({ "max_age": "3s" }))]);
    let written = written(&mut cluster, "x");
    hint(&mut cluster, "x", &written);
    cluster.crash(TARGET);
    let said = run(&mut cluster, 4 * SECOND);
    assert_eq!(chores(&said.notes), [Chore::HintExpired]);
    cluster.restart(TARGET);
    assert_eq!(run(&mut cluster, 4 * SECOND).sent, vec![]);
    assert_eq!(cluster.held(TARGET, "x"), vec![]);
}

/// If this fails, a node that comes back is flooded, or hints for one that is gone keep those for others waiting.
#[test]
fn hints_leave_at_their_rate() {
    let options = json!({ "rate": 2, "batch": 1, "retry": "10s" });
    let mut cluster = cluster(SHAPE, &[("hint", options)]);
    for key in 0..5 {
        let written = written(&mut cluster, &key.to_string());
        hint(&mut cluster, &key.to_string(), &written);
    }
    let mut delivered = Vec::new();
    for tenth in 0..30 {
        let said = run(&mut cluster, SECOND / 10);
        let now = chores(&said.notes);
        assert!(now.iter().all(|chore| *chore == Chore::HintDelivered));
        delivered.extend(now.iter().map(|_| tenth));
    }
    assert_eq!(delivered, [0, 5, 10, 15, 20]);
}

/// §4.7: "a node maintains a separate Merkle tree …; two nodes exchange the root … [and] determine if they have any
/// differences". Of K keys, d of which differ, those in the leaves that differ are compared one by one, and d are sent.
#[test]
fn a_sweep_compares_the_keys_of_leaves_that_differ_and_sends_what_differs() {
    const KEYS: u32 = 2_000;
    const DIFFERING: u32 = 20;
    const LEAVES: u32 = 64;
    let shape = Shape {
        nodes: 2,
        n: 2,
        ..SHAPE
    };
    let mut cluster = cluster(
        shape,
        &[(
            "sweep",
            json!({ "leaves": LEAVES, "fanout": 8, "batch": 7 }),
        )],
    );
    let via = |key: u32| NodeId::node(1 + (key % 2) as u16);
    for round in [KEYS, DIFFERING] {
        for key in 0..round {
            let operation = OperationId::new(NodeId::client(1), u64::from(round + key));
            drop(cluster.ask(
                via(key),
                put(operation, &key.to_string(), "value", Bytes::new()),
            ));
            if round == KEYS {
                cluster.settle();
            }
        }
    }
    // The second writes stay where they were coordinated.
    cluster.bag.clear();
    let said = run(&mut cluster, 3 * SECOND);

    let tree = merkle::Shape::new(LEAVES, 8).unwrap();
    let leaf = |key: u32| tree.leaf(key.to_string().as_bytes());
    let differing: BTreeSet<_> = (0..DIFFERING).map(leaf).collect();
    let compared = (0..KEYS)
        .filter(|key| differing.contains(&leaf(*key)))
        .count() as u64;
    let counts: Vec<_> = upkeep(&said.notes, Chore::Swept)
        .map(|note| note.count)
        .collect();
    assert!(counts.len() > 2, "{counts:?}");
    assert_eq!(counts[0], compared);
    assert!(
        counts[1..].iter().all(|count| *count == 0),
        "they are compared again: {counts:?}"
    );
    // d + (K − d)(1 − (1 − 1/S)^d), within four times the spread of the number of leaves that differ.
    let (k, d, s) = (f64::from(KEYS), f64::from(DIFFERING), f64::from(LEAVES));
    let formula = d + (k - d) * (1.0 - (1.0 - 1.0 / s).powf(d));
    assert!(
        (compared as f64 - formula).abs() < 4.0 * 1.5 * k / s,
        "{compared}, {formula}"
    );

    let mut values: BTreeMap<NodeId, u32> = BTreeMap::new();
    for (to, message) in &said.sent {
        if carries_versions(message) {
            *values.entry(*to).or_default() += 1;
        }
    }
    assert!(
        values.values().all(|count| *count <= DIFFERING),
        "{values:?}"
    );
    for key in (0..KEYS).map(|key| key.to_string()) {
        assert_eq!(
            cluster.held(NodeId::node(1), &key),
            cluster.held(NodeId::node(2), &key)
        );
    }
}

/// The negative control: leaves that omit their keys miss two rows of one value, which sums of keyed hashes do not.
#[test]
fn paired_rows_are_missed_by_leaves_without_keys() {
    for (leaf_hash, heals) in [("sum", true), ("xor-without-key", false)] {
        let shape = Shape {
            nodes: 2,
            n: 2,
            ..SHAPE
        };
        let mut cluster = cluster(
            shape,
            &[("sweep", json!({ "leaves": 1, "leaf_hash": leaf_hash }))],
        );
        for key in ["a", "b"] {
            written(&mut cluster, key);
        }
        run(&mut cluster, 20 * SECOND);
        for key in ["a", "b"] {
            assert_eq!(
                !cluster.held(NodeId::node(2), key).is_empty(),
                heals,
                "{leaf_hash}"
            );
        }
    }
}

/// If this fails, a sweep takes the time of clients.
#[test]
fn a_sweep_waits_while_more_requests_are_in_flight_than_it_may_disturb() {
    let options = json!({ "yield_above": 1, "period": "100ms", "timeout": "50ms" });
    let mut cluster = cluster(SHAPE, &[("sweep", options)]);
    written(&mut cluster, "x");
    let mut sweeps_of = |requests: u64| {
        run(&mut cluster, 2 * SECOND);
        for number in 0..requests {
            let operation = OperationId::new(NodeId::client(9), 10 * requests + number);
            drop(cluster.ask(WRITER, get(operation, "x", None)));
        }
        cluster.bag.clear();
        // Shorter than a coordinator waits.
        cluster.wait(Duration::from_millis(400));
        let sweeps = cluster.bag.iter().filter(|parcel| parcel.from == WRITER);
        let sweeps = sweeps.filter(|parcel| parcel.message.method() == Method::Sweep);
        sweeps.count()
    };
    assert!(sweeps_of(1) > 0);
    assert_eq!(sweeps_of(2), 0);
}

/// If this fails, a node that lost all it had is not told again what it is to hold, or by more than asked.
#[test]
fn a_node_that_starts_empty_pulls_what_it_is_to_hold() {
    for (from, copies) in [("successor", 1), ("all", 2)] {
        let shape = Shape { nodes: 5, ..SHAPE };
        let mut cluster = cluster(shape, &[("pull", json!({ "from": from, "batch": 3 }))]);
        let keys: Vec<_> = (0..50).map(|key| format!("key {key}")).collect();
        for (number, key) in (1..).zip(&keys) {
            let operation = OperationId::new(NodeId::client(1), number);
            drop(cluster.ask(WRITER, put(operation, key, "value", Bytes::new())));
        }
        run(&mut cluster, 2 * SECOND);
        let of_keeper = |key: &&String| cluster.replicas(key, 3).contains(&KEEPER);
        let owed: Vec<_> = keys.iter().filter(of_keeper).collect();
        let before: Vec<_> = owed.iter().map(|key| cluster.held(KEEPER, key)).collect();
        assert!(before.iter().all(|held| !held.is_empty()));

        cluster.crash(KEEPER);
        cluster.restart(KEEPER);
        // The first questions are lost.
        cluster.wait(Duration::from_millis(1));
        cluster.bag.clear();
        let said = run(&mut cluster, 3 * SECOND);
        let after: Vec<_> = owed.iter().map(|key| cluster.held(KEEPER, key)).collect();
        assert_eq!(before, after, "{from}");
        let pulled: u64 = upkeep(&said.notes, Chore::Pulled)
            .map(|note| note.count)
            .sum();
        assert_eq!(pulled, copies * owed.len() as u64, "{from}");
        assert_eq!(
            run(&mut cluster, SECOND).sent,
            vec![],
            "{from}: it goes on asking"
        );
    }
}

/// Read repair is done after the share of reads that its chance says, or after none.
#[test]
fn reads_repair_by_chance() {
    for (options, expected) in [
        (json!({ "mode": "off" }), 0..=0),
        (json!({ "chance": 0.0 }), 0..=0),
        (json!({ "chance": 0.5 }), 30..=70),
        (json!({}), 100..=100),
    ] {
        let mut cluster = cluster(SHAPE, &[("read", options.clone())]);
        let repaired = (0..100).filter(|number| {
            let key = number.to_string();
            written(&mut cluster, &key);
            let operation = OperationId::new(NodeId::client(2), *number + 1);
            drop(cluster.ask(WRITER, get(operation, &key, None)));
            cluster.settle();
            !cluster.held(TARGET, &key).is_empty()
        });
        let repaired = repaired.count();
        assert!(expected.contains(&repaired), "{options}: {repaired}");
    }
}

/// What was said and noted in some time.
struct Said {
    sent: Vec<(NodeId, Message)>,
    notes: Vec<Output>,
}

/// Lets time pass in which every message arrives at once.
fn run(cluster: &mut Cluster, time: Duration) -> Said {
    let end = cluster.elapsed + time;
    let (mut sent, mut notes) = (Vec::new(), Vec::new());
    while cluster.elapsed < end {
        while !cluster.bag.is_empty() {
            sent.push((cluster.bag[0].to, cluster.bag[0].message.clone()));
            notes.extend(cluster.deliver(0));
        }
        let rung = cluster.wait(Duration::from_millis(10));
        notes.extend(rung.into_iter().flat_map(|(_, outputs)| outputs));
    }
    Said { sent, notes }
}

/// What a write leaves at the node that coordinates it, whose messages are lost.
fn written(cluster: &mut Cluster, key: &str) -> Vec<StoredVersion> {
    let number = cluster.elapsed.as_nanos() as u64 + u64::from(key.as_bytes()[0]);
    let operation = OperationId::new(NodeId::client(1), number);
    drop(cluster.ask(WRITER, put(operation, key, "value", Bytes::new())));
    cluster.bag.clear();
    cluster.held(WRITER, key)
}

/// The keeper is told to hold versions in the target's place.
fn hint(cluster: &mut Cluster, key: &str, versions: &[StoredVersion]) -> Vec<Output> {
    let store = wire::Store {
        request: 1,
        key: Bytes::copy_from_slice(key.as_bytes()),
        versions: versions.to_vec(),
        operation: versions[0].operation,
        hint_for: Some(TARGET.bits().into()),
        durable: false,
        roll: 0,
    };
    let outputs = cluster.handle(KEEPER, Input::Message(WRITER, Message::Store(store)));
    cluster.bag.clear();
    outputs
}

/// What a node answers to a coordinator.
fn answer_of(cluster: &mut Cluster, node: NodeId, key: &str) -> Vec<StoredVersion> {
    let fetch = wire::Fetch {
        digest: false,
        request: 1,
        key: Bytes::copy_from_slice(key.as_bytes()),
        operation: 1,
        roll: 0,
    };
    let outputs = cluster.handle(node, Input::Message(WRITER, Message::Fetch(fetch)));
    cluster.bag.clear();
    match &outputs[..] {
        [Output::Send(_, Message::FetchReply(reply))] => reply.versions.clone(),
        other => panic!("no answer: {other:?}"),
    }
}

fn upkeep(notes: &[Output], chore: Chore) -> impl Iterator<Item = &Upkeep> {
    notes.iter().filter_map(move |output| match output {
        Output::Note(Event::Upkeep(note)) if note.chore == chore => Some(&**note),
        _ => None,
    })
}

fn chores(notes: &[Output]) -> Vec<Chore> {
    let chore = |output: &Output| match output {
        Output::Note(Event::Upkeep(note)) => Some(note.chore),
        _ => None,
    };
    notes.iter().filter_map(chore).collect()
}

fn carries_versions(message: &Message) -> bool {
    match message {
        Message::Repair(_) => true,
        Message::Sweep(sweep) => matches!(sweep.body, Some(Body::Value(_))),
        _ => false,
    }
}

fn cluster(shape: Shape, repairs: &[(&str, Value)]) -> Cluster {
    let mut config = config(shape, json!({}), &[]);
    let choice = |(kind, options): &(&str, Value)| {
        let mut choice = choice_of(kind);
        choice.options = options.as_object().cloned().expect("a table");
        choice
    };
    config.repair = repairs.iter().map(choice).collect();
    Cluster::new(config)
}

const SHAPE: Shape = Shape {
    nodes: 3,
    gateways: 0,
    n: 3,
    r: 1,
    w: 1,
};
const WRITER: NodeId = NodeId::node(1);
const KEEPER: NodeId = NodeId::node(2);
const TARGET: NodeId = NodeId::node(3);
const SECOND: Duration = Duration::from_secs(1);
