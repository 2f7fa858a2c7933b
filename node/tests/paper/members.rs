//! Membership, failure detection, and nodes that are added and removed: Dynamo §4.8 and §4.9.

use crate::harness::{Cluster, Parcel, Shape, config, get, put};
use crate::{ask, operation, values};
use bytes::Bytes;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tidemark_node::config::partitioner_of;
use tidemark_node::partitioner::{Change, Roster};
use tidemark_node::replica::{Input, Output};
use tidemark_node::request::{Enrolled, Ticket};
use tidemark_proto::id::NodeId;
use tidemark_proto::message::Message;

/// §4.8.1: "A node outage rarely signifies a permanent departure and therefore should not result in rebalancing of the
/// partition assignment". If this fails, keys move because a node restarts.
#[test]
fn an_outage_is_no_departure() {
    let mut cluster = cluster(4, 0, "heartbeat");
    write(&mut cluster);
    let before = rolls(&mut cluster);
    cluster.crash(NodeId::node(3));
    let said = run(&mut cluster, 120);
    let enrolled = enrolled(&mut cluster, NodeId::node(1), None).expect("n1 answers");
    assert_eq!(
        enrolled.down,
        [NodeId::node(3)],
        "it is believed to be down"
    );
    assert!(!said.iter().any(|parcel| is_move(&parcel.message)));
    cluster.restart(NodeId::node(3));
    run(&mut cluster, 60);
    assert_eq!(rolls(&mut cluster), before);
}

/// §4.8.1: who serves an administrator's request "writes the membership change and its time of issue to persistent store".
/// If this fails, a change that was accepted is forgotten when its node dies.
// Departs from it: the change has a number, not a time.
#[test]
fn a_change_that_was_accepted_outlives_its_node() {
    let mut cluster = cluster(3, 1, "fixed");
    write(&mut cluster);
    begin(&mut cluster, "+n4");
    cluster.bag.clear();
    cluster.crash(NodeId::node(1));
    cluster.restart(NodeId::node(1));
    run(&mut cluster, 20);
    for (node, roster) in rolls(&mut cluster) {
        assert_eq!(roster.nodes().len(), 4, "as {node} sees it");
    }
}

/// §4.8.1: changes propagate until all have "an eventually consistent view of membership", through whatever is lost. If
/// this fails, some node asks replicas of before for ever.
// Departs from it: the registrar tells everybody, where Dynamo gossips; see `roll.rs`.
#[test]
fn every_node_learns_of_a_change_in_the_end() {
    let mut cluster = cluster(3, 1, "fixed");
    write(&mut cluster);
    begin(&mut cluster, "+n4");
    for _ in 0..100 {
        cluster.wait(Duration::from_millis(50));
        cluster.bag.retain(|parcel| parcel.to != NodeId::node(3));
        cluster.settle();
        cluster.bag.clear();
    }
    let cut_off = enrolled(&mut cluster, NodeId::node(3), None).expect("n3 answers");
    assert_eq!(cut_off.roll.number, 0, "it has heard of nothing");
    run(&mut cluster, 20);
    let members = Roster::of((1..=3).map(NodeId::node)).after("+n4".parse().unwrap());
    for (node, roster) in rolls(&mut cluster) {
        assert_eq!(roster, members, "as {node} sees it");
    }
}

/// §4.8.2: a node that joins through A and one that joins through B must not "each […] consider itself a member of the
/// ring, yet neither would be immediately aware of the other". If this fails, the ring is partitioned logically.
// Departs from it: where Dynamo has seeds that all reconcile with, one registrar keeps the roll, and others name it.
#[test]
fn two_that_join_know_of_each_other() {
    let mut cluster = cluster(3, 2, "fixed");
    write(&mut cluster);
    let refused = enrolled(&mut cluster, NodeId::node(2), Some("+n5"));
    assert!(refused.unwrap_err().contains("ask it"), "two keep the roll");
    for change in ["+n4", "+n5"] {
        begin(&mut cluster, change);
        run(&mut cluster, 20);
    }
    for (node, roster) in rolls(&mut cluster) {
        assert_eq!(roster.nodes().len(), 5, "as {node} sees it");
    }
}

/// §4.8.3: "decentralized failure detection protocols use a simple gossip-style protocol that enable each node in the
/// system to learn about the arrival (or departure) of other nodes". If this fails, a crash or a return stays unknown to
/// somebody.
#[test]
fn every_node_learns_of_crashes_and_returns_by_gossip() {
    for kind in ["heartbeat", "swim"] {
        let mut cluster = cluster(5, 0, kind);
        let crashed = NodeId::node(4);
        run(&mut cluster, 20);
        for (acts, expected) in [(true, vec![crashed]), (false, vec![])] {
            if acts {
                cluster.crash(crashed);
            } else {
                cluster.restart(crashed);
            }
            run(&mut cluster, 120);
            for node in [1, 2, 3, 5].map(NodeId::node) {
                let enrolled = enrolled(&mut cluster, node, None).expect("it answers");
                assert_eq!(enrolled.down, expected, "{kind}: as {node} sees it");
            }
        }
    }
}

/// §4.9: when X joins it "is in charge of storing keys" of some ranges, and "some existing nodes no longer have to [store]
/// some of their keys and these nodes transfer those keys to X"; removed, "the reallocation of keys happens in a reverse
/// process". If this fails, keys are where nobody looks for them, or where nobody should keep them, or are lost.
#[test]
fn keys_go_to_who_joins_and_back_from_who_leaves() {
    let mut cluster = cluster(5, 1, "fixed");
    write(&mut cluster);
    let mut roster = Roster::of((1..=5).map(NodeId::node));
    for change in ["+n6", "-n6", "+n6", "-n2"] {
        begin(&mut cluster, change);
        run(&mut cluster, 20);
        roster = roster.after(change.parse().unwrap());
        let ring = partitioner_of(&cluster.config, &roster).expect("it can be laid out");
        for (number, key) in (1_000..).zip(keys()) {
            let replicas = ring.preference(key.as_bytes(), 3);
            for node in (1..=6).map(NodeId::node) {
                let holds = !cluster.held(node, &key).is_empty();
                assert_eq!(holds, replicas.contains(&node), "{change}: {key} at {node}");
            }
            let read = get(operation(number), &key, None);
            let read = ask(&mut cluster, roster.nodes()[0], read);
            assert_eq!(values(&read), ["value"], "{change}: {key}");
        }
    }
}

/// §4.9: "by adding a confirmation round between the source and the destination, it is made sure that the destination node
/// does not receive any duplicate transfers for a given key range". If this fails, who joins is sent everything by every
/// former holder.
#[test]
fn who_joins_is_sent_each_key_once() {
    let mut cluster = cluster(3, 1, "fixed");
    write(&mut cluster);
    let joiner = NodeId::node(4);
    begin(&mut cluster, "+n4");
    let mut sent: BTreeMap<Bytes, u32> = BTreeMap::new();
    let mut offered = BTreeSet::new();
    for Parcel { from, to, message } in run(&mut cluster, 20) {
        let Message::Move(part) = message else {
            continue;
        };
        assert_eq!(to, joiner);
        for key in part.keys {
            if key.versions.is_empty() {
                offered.insert((from, key.key));
            } else {
                *sent.entry(key.key).or_default() += 1;
            }
        }
    }
    let held = keys().filter(|key| !cluster.held(joiner, key).is_empty());
    assert_eq!(sent.len(), held.count(), "what it holds was sent to it");
    assert!(offered.len() > 2 * sent.len(), "each holder offers");
    let twice = sent.values().filter(|times| **times > 1).count();
    assert_eq!(twice, 0, "of {} keys", sent.len());
}

/// A cluster with N = 3 and R = W = 2.
fn cluster(nodes: u16, spares: u16, membership: &str) -> Cluster {
    let shape = Shape {
        nodes,
        gateways: 0,
        n: 3,
        r: 2,
        w: 2,
    };
    let mut config = config(shape, json!({}), &[]);
    config.membership.kind = membership.to_owned();
    config.spares = (nodes + 1..=nodes + spares).map(NodeId::node).collect();
    config.storage.kind = "model".to_owned();
    Cluster::new(config)
}

/// Writes every key to all its replicas.
fn write(cluster: &mut Cluster) {
    for (number, key) in (1..).zip(keys()) {
        let write = put(operation(number), &key, "value", Bytes::new());
        ask(cluster, NodeId::node(1), write);
    }
}

fn keys() -> impl Iterator<Item = String> {
    (0..100).map(|number| format!("key {number}"))
}

fn begin(cluster: &mut Cluster, change: &str) {
    if let Err(reason) = enrolled(cluster, NodeId::node(1), Some(change)) {
        panic!("{change} is refused: {reason}");
    }
}

/// Asks a node who is a member, or for a change of that.
fn enrolled(cluster: &mut Cluster, node: NodeId, change: Option<&str>) -> Result<Enrolled, String> {
    let change = change.map(|change| change.parse::<Change>().expect("it is a change"));
    let outputs = cluster.handle(node, Input::Enrol(Ticket(0), change));
    let enrolled = outputs.into_iter().find_map(|output| match output {
        Output::Enrolled(_, enrolled) => Some(enrolled),
        Output::Reply(..) | Output::Send(..) | Output::Note(_) => None,
    });
    let enrolled = enrolled.expect("it is answered at once");
    enrolled.map_or_else(|refusal| Err(refusal.message.into_owned()), |it| Ok(*it))
}

/// Who the members are as each node sees it, when no change is under way.
fn rolls(cluster: &mut Cluster) -> BTreeMap<NodeId, Roster> {
    let ids = cluster.ids();
    let seen = |node| {
        let roll = enrolled(cluster, node, None).expect("it answers").roll;
        assert_eq!(roll.under_way, None, "as {node} sees it");
        (node, roll.roster)
    };
    ids.into_iter().map(seen).collect()
}

/// Lets so many seconds pass in which every message arrives at once, and tells what was said.
fn run(cluster: &mut Cluster, seconds: u32) -> Vec<Parcel> {
    let mut said = Vec::new();
    for _ in 0..20 * seconds {
        cluster.wait(Duration::from_millis(50));
        while !cluster.bag.is_empty() {
            said.push(cluster.bag[0].clone());
            cluster.deliver(0);
        }
    }
    said
}

fn is_move(message: &Message) -> bool {
    matches!(message, Message::Move(_) | Message::MoveReply(_))
}
