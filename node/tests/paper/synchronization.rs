//! Replica synchronization by Merkle trees: Dynamo §4.7.

use crate::harness::{Cluster, Parcel, Shape, choice_of, config, put};
use crate::operation;
use bytes::Bytes;
use serde_json::json;
use std::time::Duration;
use tidemark_node::config::partitioner_of;
use tidemark_node::partitioner::Roster;
use tidemark_node::replica::Input;
use tidemark_node::request::Ticket;
use tidemark_proto::id::NodeId;
use tidemark_proto::message::Message;
use tidemark_proto::wire::sweep::Body;

/// §4.7: "if the hash values of the root of two trees are equal, then the values of the leaf nodes in the tree are equal and
/// the nodes require no synchronization". If this fails, replicas that are equal talk about their keys.
#[test]
fn equal_replicas_say_the_hashes_of_their_roots_and_no_more() {
    let mut cluster = swept(3);
    write(&mut cluster, 100);
    cluster.settle();
    let said = run(&mut cluster);
    let mut roots = 0;
    for Parcel { message, .. } in &said {
        match body(message) {
            Body::Hashes(hashes) => {
                assert_eq!((hashes.level, hashes.hashes.len()), (0, 1));
                roots += 1;
            }
            Body::Differing(differing) => assert!(differing.nodes.is_empty()),
            other => panic!("they are equal: {other:?}"),
        }
    }
    assert!(roots > 10, "{roots} roots: nothing was compared");
}

/// §4.7: "each branch of the tree can be checked independently without requiring nodes to download the entire tree", so
/// trees "minimize the amount of data that needs to be transferred". If this fails, one key that differs costs as much as
/// if all did.
#[test]
fn only_branches_that_differ_are_gone_into() {
    let mut cluster = swept(2);
    write(&mut cluster, 500);
    cluster.settle();
    cluster.ask(
        NodeId::node(1),
        put(operation(9_999), "key 7", "new", Bytes::new()),
    );
    cluster.bag.clear();
    let said = run(&mut cluster);
    let (mut hashes, mut values) = (0, 0);
    for Parcel { message, .. } in &said {
        match message {
            // What the asking node sends back.
            Message::Repair(_) => values += 1,
            _ => match body(message) {
                Body::Hashes(asked) if asked.level > 0 => hashes += asked.hashes.len(),
                Body::Value(_) => values += 1,
                Body::Hashes(_) | Body::Differing(_) | Body::Keys(_) | Body::Missing(_) => {}
            },
        }
    }
    // One path from the root down to a leaf, whose nodes have FANOUT children each; both nodes may have begun.
    let levels = LEAVES.ilog(FANOUT);
    let of_a_path = (FANOUT * levels) as usize;
    assert!((1..=2 * of_a_path).contains(&hashes), "{hashes} hashes");
    assert!((1..=4).contains(&values), "{values} values");
    let [one, two] = [1, 2].map(|node| cluster.held(NodeId::node(node), "key 7"));
    assert_eq!(one, two);
}

/// §4.7: "each node maintains a separate Merkle tree for each key range […] it hosts", and two nodes exchange the roots of
/// "the key ranges that they host in common". If this fails, a node is sent keys that are not its own, or is not sent
/// some that are.
#[test]
fn nodes_compare_what_they_host_in_common() {
    const NODES: u16 = 6;
    let mut cluster = swept(NODES);
    for number in 0..60 {
        let key = format!("key {number}");
        let holder = cluster.replicas(&key, 3)[number as usize % 3];
        cluster.ask(
            holder,
            put(operation(number + 1), &key, "value", Bytes::new()),
        );
    }
    // Whom else they were for, they do not reach.
    cluster.bag.clear();
    run(&mut cluster);
    for number in 0..60 {
        let key = format!("key {number}");
        let replicas = cluster.replicas(&key, 3);
        for node in (1..=NODES).map(NodeId::node) {
            assert_eq!(
                cluster.held(node, &key).len(),
                usize::from(replicas.contains(&node)),
                "{key} at {node}"
            );
        }
    }
}

/// §4.7: "many key ranges change when a node joins or leaves the system thereby requiring the tree(s) to be recalculated".
/// If this fails, trees go by the ranges of before, and the replicas of after are not made equal.
#[test]
fn trees_are_recalculated_when_key_ranges_change() {
    let mut cluster = swept(4);
    let joiner = NodeId::node(5);
    let change = format!("+{joiner}").parse().expect("it is a change");
    cluster.handle(NodeId::node(1), Input::Enrol(Ticket(1), Some(change)));
    run(&mut cluster);
    let roster = Roster::of((1..=5).map(NodeId::node));
    let ring = partitioner_of(&cluster.config, &roster).expect("it can be laid out");
    for number in 0..60 {
        let key = format!("key {number}");
        let holder = ring.preference(key.as_bytes(), 3)[0];
        let write = put(operation(number + 1), &key, "value", Bytes::new());
        cluster.ask(holder, write);
    }
    cluster.bag.clear();
    run(&mut cluster);
    let holds = |node, key: &str| !cluster.held(node, key).is_empty();
    for key in (0..60).map(|number| format!("key {number}")) {
        for node in ring.preference(key.as_bytes(), 3).iter() {
            assert!(holds(*node, &key), "{key} at {node}");
        }
    }
    let of_joiner = (0..60).filter(|number| holds(joiner, &format!("key {number}")));
    assert!(of_joiner.count() > 10, "the ranges did not change");
}

/// A cluster that sweeps, with W = 1 and up to three replicas a key.
fn swept(nodes: u16) -> Cluster {
    let shape = Shape {
        nodes,
        gateways: 0,
        n: usize::from(nodes.min(3)),
        r: 1,
        w: 1,
    };
    let mut config = config(shape, json!({}), &[]);
    config.spares = vec![NodeId::node(nodes + 1)];
    let mut sweep = choice_of("sweep");
    let options = json!({ "leaves": LEAVES, "fanout": FANOUT, "period": "100ms" });
    sweep.options = options.as_object().cloned().expect("it is a table");
    config.repair = vec![sweep];
    Cluster::new(config)
}

/// Writes so many keys, each through a node of its own.
fn write(cluster: &mut Cluster, keys: u64) {
    let nodes = cluster.config.nodes.clone();
    for number in 0..keys {
        let node = nodes[number as usize % nodes.len()];
        let write = put(
            operation(number + 1),
            &format!("key {number}"),
            "value",
            Bytes::new(),
        );
        cluster.ask(node, write);
    }
}

/// Lets 20 seconds pass in which every message arrives at once, and tells what was said.
fn run(cluster: &mut Cluster) -> Vec<Parcel> {
    let mut said = Vec::new();
    for _ in 0..400 {
        cluster.wait(Duration::from_millis(50));
        while !cluster.bag.is_empty() {
            said.push(cluster.bag[0].clone());
            cluster.deliver(0);
        }
    }
    said
}

fn body(message: &Message) -> &Body {
    match message {
        Message::Sweep(sweep) => sweep.body.as_ref().expect("it says something"),
        other => panic!("only sweeps are sent: {other:?}"),
    }
}

const LEAVES: u32 = 1 << 10;
const FANOUT: u32 = 32;
