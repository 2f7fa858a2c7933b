//! Scripts are carried out as they are written, and deletes go all the way from a plan to its figures.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use tidemark::backend::sim::{Pace, simulate};
use tidemark::backend::{Progress, Run};
use tidemark::plan::load;
use tidemark_observer::figures::Figures;
use tidemark_observer::observe::{RunFacts, observe};
use tidemark_proto::event::{Event, Kind, Operation, Outcome};

/// What is seen of the quickstart with these changes, in the simulator, and what it comes to.
fn run(sets: &[&str]) -> (Vec<Event>, Figures) {
    let sets: Vec<_> = sets.iter().map(|set| (*set).to_owned()).collect();
    let (plan, loaded) = load("quickstart", "sim", &sets).unwrap();
    let facts = RunFacts {
        plan,
        backend: "sim".to_owned(),
        seed: loaded.seed,
        detail: loaded.events,
        ..RunFacts::default()
    };
    let run = Run {
        plan: loaded.scaled(),
        progress: Arc::new(Progress::default()),
    };
    let mut events = Vec::new();
    simulate(&run, &mut Pace::default(), &mut |event| events.push(event)).unwrap();
    let figures = observe(&facts, events.iter().cloned()).figures;
    (events, figures)
}

fn operations(events: &[Event]) -> Vec<&Operation> {
    let returned = events.iter().filter_map(|event| match event {
        Event::Returned(operation) => Some(&**operation),
        _ => None,
    });
    returned.collect()
}

/// If this fails, a plan's steps are done by others, of others, with other contexts or quorums, or at other times.
#[test]
fn a_script_is_done_as_it_is_written() {
    let steps = "workload={ kind = 'script', keys = 2, value_bytes = 8, over = '5ms', step = [
        { at = '1s', client = 'c1', do = 'put', node = 'n2', quorum = 3 },
        { at = '2s', client = 'c2', do = 'get', node = 'n4', times = 2, every = '1s' },
        { at = '4s', client = 'c1', do = 'put', context = 'none' },
        { at = '5s', client = 'c3', do = 'delete', context = 'c2' },
        { at = '6s', client = 'c3', do = 'get', quorum = 3 },
        { at = '7s', client = 'c3', do = 'get', node = 'n1', local = true },
    ] }"
    .replace('\n', " ");
    let (events, _) = run(&[
        "cluster.nodes=4",
        "fault=[]",
        "time_scale=2.0",
        "replication.w=3",
        "versioning.kind=dotted",
        &steps,
    ]);
    let operations = operations(&events);
    for (key, late) in [("k1", 0), ("k2", 10)] {
        let of_key: Vec<_> = operations.iter().filter(|done| done.key == key).collect();
        let told: Vec<_> = of_key
            .iter()
            .map(|done| {
                (
                    done.id.to_string(),
                    done.kind,
                    done.invoked.as_millis() - late,
                )
            })
            .collect();
        let number = if key == "k1" {
            [1, 1, 3, 3, 1, 3, 5]
        } else {
            [2, 2, 4, 4, 2, 4, 6]
        };
        let [first, read, again, blind, deleted, at_end, local] = number;
        assert_eq!(
            told,
            [
                (format!("c1.{first}"), Kind::Put, 2_000),
                (format!("c2.{read}"), Kind::Get, 4_000),
                (format!("c2.{again}"), Kind::Get, 6_000),
                (format!("c1.{blind}"), Kind::Put, 8_000),
                (format!("c3.{deleted}"), Kind::Delete, 10_000),
                (format!("c3.{at_end}"), Kind::Get, 12_000),
                (format!("c3.{local}"), Kind::Get, 14_000),
            ],
        );
        assert!(of_key.iter().all(|done| done.outcome == Outcome::Ok));
        let [put, get, _, blind, delete, rest, probe] = of_key[..] else {
            panic!("{told:?}")
        };
        assert_eq!(
            (put.asked.to_string(), put.answered.len()),
            ("n2".to_owned(), 3)
        );
        assert_eq!(
            (get.asked.to_string(), &get.versions),
            ("n4".to_owned(), &vec![put.id])
        );
        assert_eq!((put.context_from, blind.context_from), (None, None));
        assert_eq!(delete.context_from, Some(of_key[2].id));
        // What c2 had read is deleted, what was written blindly since is not.
        assert_eq!((&rest.versions, rest.answered.len()), (&vec![blind.id], 3));
        assert_eq!(
            (probe.asked.to_string(), probe.coordinator),
            ("n1".to_owned(), Some(probe.asked))
        );
    }
}

/// If this fails, a script cannot say which node stands where in its keys' preference lists.
#[test]
fn a_script_takes_the_keys_that_its_nodes_hold() {
    let (events, _) = run(&[
        "fault=[]",
        "workload={ kind = 'script', keys = 9, value_bytes = 8, preference = ['n3', 'n1'], step = [{ at = '1s', client = 'c1', do = 'put' }] }",
    ]);
    let placed: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Placed { nodes, .. } => Some(format!("{} {}", nodes[0], nodes[1])),
            _ => None,
        })
        .collect();
    assert_eq!(placed, vec!["n3 n1"; 9]);
}

/// If this fails, deletes of an ordinary load are not sent, or what they delete passes for lost or comes back.
#[test]
fn a_share_of_an_ordinary_load_deletes() {
    for update in ["read-first", "remembered", "blind"] {
        let update = format!("client.update={update}");
        let quorums = [
            "replication.r=2",
            "replication.w=2",
            "fault=[]",
            "duration=9s",
            // With one vector for all siblings a delete can leave what it had read.
            "versioning.kind=dotted",
        ];
        let (events, figures) = run(&[&quorums[..], &["workload.deletes=0.2", &update]].concat());
        let operations = operations(&events);
        let of = |kind| operations.iter().filter(|done| done.kind == kind).count() as f64;
        let (deletes, puts) = (of(Kind::Delete), of(Kind::Put) - 100.0);
        // 800 deletes and 1 200 puts are asked for: four standard errors.
        assert!((deletes - 800.0).abs() < 110.0, "{deletes}");
        assert!((puts - 1_200.0).abs() < 125.0, "{puts}");
        assert!(
            operations
                .iter()
                .any(|read| read.kind == Kind::Get && read.versions.is_empty())
        );
        let lost = figures.lost_writes.known().unwrap();
        assert_eq!((lost.lost.count, figures.resurrected.count), (0, 0));
        if update != "client.update=blind" {
            assert!(figures.resurrected.of > 100, "{:?}", figures.resurrected);
        }
    }
}
