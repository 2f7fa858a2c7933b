//! What a client asks, and how it is carried out: Dynamo §4.1, §4.3 and §4.5.

use crate::harness::{Cluster, Shape, config, delete, get, put, replies};
use crate::{ask, cluster, deliver_all_to, got, operation, values};
use bytes::Bytes;
use serde_json::json;
use std::collections::BTreeSet;
use tidemark_node::request::{Reply, Request};
use tidemark_proto::id::NodeId;
use tidemark_proto::message::Method;

/// §4.1: get "returns a single object or a list of objects with conflicting versions along with a context". If this
/// fails, a read hides a conflict that one of its replicas knows of.
#[test]
fn a_read_returns_all_the_versions_that_its_replicas_hold() {
    let mut cluster = cluster(Shape {
        nodes: 3,
        gateways: 1,
        n: 3,
        r: 3,
        w: 1,
    });
    for (number, node) in (1..).zip(cluster.config.nodes.clone()) {
        cluster.ask(
            node,
            put(
                operation(number),
                "key",
                &format!("of {node}"),
                Bytes::new(),
            ),
        );
    }
    cluster.bag.clear();
    let read = ask(
        &mut cluster,
        NodeId::gateway(1),
        get(operation(9), "key", None),
    );
    assert_eq!(values(&read), ["of n1", "of n2", "of n3"]);
    let merged = put(operation(10), "key", "all", read.context);
    ask(&mut cluster, NodeId::node(2), merged);
    let read = ask(
        &mut cluster,
        NodeId::node(1),
        get(operation(11), "key", None),
    );
    assert_eq!(
        values(&read),
        ["all"],
        "the context covers every version that was returned"
    );
}

/// §4.1: the context "is opaque to the caller". If this fails, bytes that the store did not give out are taken for a
/// context.
#[test]
fn what_is_no_context_is_refused() {
    let mut cluster = cluster(Shape {
        nodes: 3,
        gateways: 0,
        n: 3,
        r: 1,
        w: 1,
    });
    for request in [
        put(
            operation(1),
            "key",
            "a",
            Bytes::from_static(b"something else"),
        ),
        delete(operation(2), "key", Bytes::from_static(b"something else")),
    ] {
        let (_, outputs) = cluster.ask(NodeId::node(1), request);
        let [(_, Reply::Refused(refusal))] = &replies(&outputs)[..] else {
            panic!("it is refused: {outputs:?}");
        };
        assert_eq!(refusal.code.name(), "INVALID_ARGUMENT");
        assert!(cluster.bag.is_empty(), "nothing is written");
    }
}

/// §4.3: "skipping positions in the ring to ensure that the list contains only distinct physical nodes", and the
/// coordinator replicates at N − 1 others. If this fails, a write goes to fewer or to other replicas.
#[test]
fn a_write_goes_to_n_distinct_nodes() {
    for n in 1..=5 {
        let mut cluster = cluster(Shape {
            nodes: 6,
            gateways: 1,
            n,
            r: 1,
            w: 1,
        });
        let replicas: BTreeSet<_> = cluster.replicas("key", n).into_iter().collect();
        assert_eq!(replicas.len(), n);
        for coordinator in [*replicas.first().unwrap(), NodeId::gateway(1)] {
            cluster.ask(coordinator, put(operation(1), "key", "a", Bytes::new()));
            let mut stores: Vec<_> = cluster.bag.drain(..).map(|parcel| parcel.to).collect();
            stores.sort();
            let others: Vec<_> = replicas
                .iter()
                .copied()
                .filter(|n| *n != coordinator)
                .collect();
            assert_eq!(stores, others, "n = {n}, through {coordinator}");
        }
    }
}

/// §4.5: "any storage node in Dynamo is eligible to receive client get and put requests for any key". If this fails, a
/// client has to know who holds what.
#[test]
fn any_node_takes_requests_for_any_key() {
    let mut cluster = cluster(Shape {
        nodes: 6,
        gateways: 1,
        n: 3,
        r: 2,
        w: 2,
    });
    let ids = cluster.ids();
    let pairs = ids
        .iter()
        .flat_map(|writer| ids.iter().map(move |reader| (*writer, *reader)));
    for (number, (writer, reader)) in (1..).zip(pairs) {
        let key = format!("key {number}");
        let write = put(operation(2 * number), &key, "a", Bytes::new());
        ask(&mut cluster, writer, write);
        let read = ask(
            &mut cluster,
            reader,
            get(operation(2 * number + 1), &key, None),
        );
        assert_eq!(values(&read), ["a"], "{key} by {writer}, read by {reader}");
    }
}

/// §4.5: the coordinator "generates the vector clock for the new version and writes the new version locally", then "sends
/// the new version (along with the new vector clock)" to the others. If this fails, replicas stamp a write each for itself.
#[test]
fn the_coordinator_stamps_a_write_and_has_it_first() {
    let mut cluster = cluster(Shape {
        nodes: 3,
        gateways: 0,
        n: 3,
        r: 1,
        w: 3,
    });
    let [coordinator, others @ ..] = [1, 2, 3].map(NodeId::node);
    cluster.ask(coordinator, put(operation(1), "key", "a", Bytes::new()));
    let written = cluster.held(coordinator, "key");
    assert_eq!(written.len(), 1);
    for other in others {
        assert_eq!(cluster.held(other, "key"), [], "{other}");
    }
    cluster.settle();
    for other in others {
        assert_eq!(cluster.held(other, "key"), written, "{other}");
    }
}

/// §4.5: "if at least W−1 nodes respond then the write is considered successful". If this fails, a write is
/// acknowledged too early or too late.
#[test]
fn a_write_is_answered_by_the_w_th_acknowledgement() {
    for w in 1..=5 {
        let mut cluster = cluster(Shape {
            nodes: 5,
            gateways: 1,
            n: 5,
            r: 1,
            w,
        });
        for (coordinator, heard) in [(NodeId::node(1), 1), (NodeId::gateway(1), 0)] {
            let request = put(operation(heard as u64 + 1), "key", "a", Bytes::new());
            check_answered_by(
                &mut cluster,
                coordinator,
                request,
                heard,
                w,
                Method::StoreReply,
            );
        }
    }
}

/// §4.5: the coordinator "waits for R responses before returning the result". If this fails, a read is answered too
/// early or too late.
#[test]
fn a_read_is_answered_by_the_r_th_replica() {
    for r in 1..=5 {
        let mut cluster = cluster(Shape {
            nodes: 5,
            gateways: 1,
            n: 5,
            r,
            w: 1,
        });
        for (coordinator, heard) in [(NodeId::node(1), 1), (NodeId::gateway(1), 0)] {
            let request = get(operation(heard as u64 + 1), "key", None);
            check_answered_by(
                &mut cluster,
                coordinator,
                request,
                heard,
                r,
                Method::FetchReply,
            );
        }
    }
}

/// §4.5: "setting R and W such that R + W > N yields a quorum-like system". If this fails, some choice of W replicas
/// that hold a write and R that answer a read has no replica in common.
#[test]
fn quorums_that_overlap_meet_the_last_write_and_others_may_not() {
    let is_fresh = |r, w| {
        let mut cluster = cluster(Shape {
            nodes: 3,
            gateways: 1,
            n: 3,
            r,
            w,
        });
        let [first, .., last] = cluster.config.nodes[..] else {
            panic!("it has three nodes");
        };
        // The write reaches the first W replicas, the read the last R.
        cluster.ask(
            NodeId::gateway(1),
            put(operation(1), "key", "a", Bytes::new()),
        );
        cluster
            .bag
            .retain(|store| usize::from(store.to.number() - first.number()) < w);
        assert_eq!(
            replies(&cluster.settle()).len(),
            1,
            "the write is acknowledged"
        );
        cluster.ask(NodeId::gateway(1), get(operation(2), "key", None));
        cluster
            .bag
            .retain(|fetch| usize::from(last.number() - fetch.to.number()) < r);
        let outputs = cluster.settle();
        let (_, reply) = replies(&outputs).pop().expect("the read is answered");
        !got(reply).versions.is_empty()
    };
    for (r, w) in [(1, 1), (1, 2), (2, 1), (1, 3), (2, 2), (3, 1), (3, 3)] {
        assert_eq!(is_fresh(r, w), r + w > 3, "R = {r}, W = {w}");
    }
}

/// §4.5: another node "will forward the request to the first among the top N nodes in the preference list". If this
/// fails, a node coordinates that the plan has not chosen.
#[test]
fn a_node_forwards_to_the_first_of_the_preference_list() {
    let shape = Shape {
        nodes: 5,
        gateways: 0,
        n: 3,
        r: 1,
        w: 1,
    };
    let mut cluster = Cluster::new(config(shape, json!({ "coordinator": "first" }), &["read"]));
    let first = cluster.replicas("key", 3)[0];
    for (number, node) in (1..).zip(cluster.config.nodes.clone()) {
        let answer = ask(
            &mut cluster,
            node,
            put(operation(number), "key", "a", Bytes::new()),
        );
        assert_eq!(answer.coordinator, Some(first), "asked {node}");
    }
}

/// A coordinator that has `heard` one replica, itself, or none, answers when `needed` have answered.
fn check_answered_by(
    cluster: &mut Cluster,
    coordinator: NodeId,
    request: Request,
    heard: usize,
    needed: usize,
    answers: Method,
) {
    let (_, outputs) = cluster.ask(coordinator, request);
    let mut answered = replies(&outputs).len();
    assert_eq!(
        answered,
        usize::from(needed == heard),
        "at once, through {coordinator}"
    );
    deliver_all_to(cluster, &[1, 2, 3, 4, 5]);
    assert!(
        cluster
            .bag
            .iter()
            .all(|parcel| parcel.message.method() == answers)
    );
    for number in heard + 1..=5 {
        answered += replies(&cluster.deliver(0)).len();
        assert_eq!(
            answered,
            usize::from(needed <= number),
            "after {number} of {needed}"
        );
    }
    assert!(cluster.bag.is_empty());
}
