//! How versions evolve: Dynamo §4.4, and what came after it.

use crate::harness::{Cluster, Shape, config, get, put, replies};
use crate::{ask, cluster, got, operation, values};
use bytes::Bytes;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;
use tidemark_node::config::Choice;
use tidemark_node::request::Answer;
use tidemark_proto::id::NodeId;

/// §4.4, figure 3: D1 … D5, with Sx, Sy, Sz as n1, n2, n3. If this fails, versions evolve otherwise than in the paper:
/// a descendant does not replace its ancestor, or branches are not both kept, or not reconciled.
#[test]
fn versions_evolve_as_in_figure_3() {
    let [sx, sy, sz] = [1, 2, 3].map(NodeId::node);
    let mut cluster = cluster(Shape {
        nodes: 3,
        gateways: 0,
        n: 3,
        r: 3,
        w: 3,
    });
    let d1 = ask(
        &mut cluster,
        sx,
        put(operation(1), "key", "D1", Bytes::new()),
    );
    assert_eq!(clock(&d1), "n1:1");
    let d2 = ask(&mut cluster, sx, put(operation(2), "key", "D2", d1.context));
    assert_eq!(clock(&d2), "n1:2");
    let read = ask(&mut cluster, sx, get(operation(3), "key", None));
    assert_eq!(
        values(&read),
        ["D2"],
        "D2 descends from D1 and overwrites it"
    );

    // Both clients have read D2; neither sees the other's write.
    cluster.ask(sy, put(operation(4), "key", "D3", read.context.clone()));
    let (_, _) = cluster.ask(sz, put(operation(5), "key", "D4", read.context));
    let written: Vec<_> = replies(&cluster.settle())
        .into_iter()
        .map(|(_, reply)| got(reply))
        .collect();
    let clocks: BTreeSet<_> = written.iter().map(clock).collect();
    let expected = ["n1:2 n2:1", "n1:2 n3:1"].map(str::to_owned);
    assert_eq!(clocks, BTreeSet::from(expected));

    let read = ask(&mut cluster, sx, get(operation(6), "key", None));
    assert_eq!(
        values(&read),
        ["D3", "D4"],
        "there is no causal relation between them"
    );
    assert_eq!(
        clock(&read),
        "n1:2 n2:1 n3:1",
        "the context is a summary of both"
    );
    let d5 = ask(
        &mut cluster,
        sx,
        put(operation(7), "key", "D5", read.context),
    );
    assert_eq!(clock(&d5), "n1:3 n2:1 n3:1");
    let read = ask(&mut cluster, sz, get(operation(8), "key", None));
    assert_eq!(
        values(&read),
        ["D5"],
        "the branches are collapsed into one version"
    );
}

/// §4.4: "a put() call may return to its caller before the update has been applied at all the replicas, which can result in
/// scenarios where a subsequent get() operation may return an object that does not have the latest updates". If this
/// fails, the store waits for all replicas whatever W is.
#[test]
fn a_write_is_acknowledged_before_every_replica_has_it() {
    let mut cluster = cluster(Shape {
        nodes: 3,
        gateways: 0,
        n: 3,
        r: 1,
        w: 1,
    });
    let [writer, reader, _] = [1, 2, 3].map(NodeId::node);
    let (_, outputs) = cluster.ask(writer, put(operation(1), "key", "a", Bytes::new()));
    assert_eq!(replies(&outputs).len(), 1, "the write is acknowledged");
    let (_, outputs) = cluster.ask(reader, get(operation(2), "key", None));
    let [(_, read)] = &replies(&outputs)[..] else {
        panic!("the read is answered at once: {outputs:?}");
    };
    assert!(values(&got(read.clone())).is_empty(), "it has the write");
    cluster.settle();
    let read = ask(&mut cluster, reader, get(operation(3), "key", None));
    assert_eq!(values(&read), ["a"], "later it does");
}

/// §4.4: "when the number of (node, counter) pairs in the vector clock reaches a threshold […], the oldest pair is removed
/// from the clock". If this fails, clocks grow with every coordinator that a key ever had.
#[test]
fn the_oldest_pairs_leave_a_long_clock() {
    let options = json!({
        "prune": "writes", "small_vclock": 0, "big_vclock": 2, "young_vclock": "0s",
    });
    let mut cluster = cluster_with("vector", options, 4);
    let mut context = Bytes::new();
    for (number, expected) in (1..).zip(["n1:1", "n1:1 n2:1", "n2:1 n3:1", "n3:1 n4:1"]) {
        cluster.wait(Duration::from_secs(1));
        let write = put(operation(number), "key", "value", context);
        ask(&mut cluster, NodeId::node(number as u16), write);
        let read = ask(
            &mut cluster,
            NodeId::node(1),
            get(operation(100 + number), "key", None),
        );
        assert_eq!(clock(&read), expected);
        context = read.context;
    }
}

/// Preguiça et al. 2012, §2 and §6: clients that take turns on one server, each with the context that it read before the
/// other's put, make a sibling a put with one version vector per server; dotted version vectors keep what is concurrent,
/// and no more. If this fails, `vector` does not show the explosion, or `dotted` does not cure it.
#[test]
fn siblings_explode_with_vectors_and_do_not_with_dots() {
    let most_siblings = |kind| {
        let mut cluster = cluster_with(kind, json!({}), 1);
        let node = NodeId::node(1);
        let mut seen = [Bytes::new(), Bytes::new()];
        let mut most = 0;
        for number in 1..=100 {
            let mine = number as usize % 2;
            let write = put(
                operation(2 * number),
                "key",
                &number.to_string(),
                seen[mine].clone(),
            );
            ask(&mut cluster, node, write);
            // It reads after its own put, and before the other's.
            let read = ask(
                &mut cluster,
                node,
                get(operation(2 * number + 1), "key", None),
            );
            most = read.versions.len().max(most);
            assert!(
                values(&read).contains(&number.to_string()),
                "an unseen write is gone"
            );
            seen[mine] = read.context;
        }
        most
    };
    assert_eq!(most_siblings("dotted"), 2);
    assert!((99..=101).contains(&most_siblings("vector")));
}

/// A cluster with another versioning strategy, in which every node holds every key.
fn cluster_with(kind: &str, options: serde_json::Value, nodes: u16) -> Cluster {
    let n = nodes.into();
    let shape = Shape {
        nodes,
        gateways: 0,
        n,
        r: n,
        w: n,
    };
    let mut config = config(shape, json!({}), &[]);
    config.versioning = Choice {
        kind: kind.to_owned(),
        options: options.as_object().cloned().expect("options are a table"),
    };
    Cluster::new(config)
}

fn clock(answer: &Answer) -> String {
    let entries: Vec<_> = answer
        .clock
        .iter()
        .map(|(actor, n)| format!("{actor}:{n}"))
        .collect();
    entries.join(" ")
}
