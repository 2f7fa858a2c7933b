//! Read repair: Dynamo §5.

use crate::harness::{Shape, get, put, replies};
use crate::{cluster, deliver_all_to, operation, sent};
use bytes::Bytes;
use std::time::Duration;
use tidemark_proto::id::NodeId;
use tidemark_proto::message::Method;

/// §5: after the reply the state machine waits for outstanding responses, and "if stale versions were returned in any
/// of the responses, the coordinator updates those nodes with the latest version". If this fails, the client waits for
/// repairs, or a replica that was seen to be behind stays so, or one that was not is written to.
#[test]
fn replicas_that_were_behind_are_repaired_after_the_reply() {
    let mut cluster = cluster(Shape {
        nodes: 5,
        gateways: 0,
        n: 5,
        r: 2,
        w: 1,
    });
    let coordinator = NodeId::node(1);
    let behind = [NodeId::node(4), NodeId::node(5)];
    cluster.ask(coordinator, put(operation(1), "key", "a", Bytes::new()));
    cluster.bag.retain(|store| !behind.contains(&store.to));
    cluster.settle();

    cluster.ask(coordinator, get(operation(2), "key", None));
    deliver_all_to(&mut cluster, &[2, 3, 4, 5]);
    let mut repaired = Vec::new();
    for answers in 2..=5 {
        assert!(
            repaired.is_empty(),
            "nothing is repaired before the last answer"
        );
        let outputs = cluster.deliver(0);
        assert_eq!(
            replies(&outputs).len(),
            usize::from(answers == 2),
            "answer {answers}"
        );
        repaired.extend(sent(&outputs));
    }
    repaired.sort_unstable();
    assert_eq!(repaired, behind.map(|node| (node, Method::Repair)));
    cluster.settle();
    for node in behind {
        assert_eq!(cluster.held(node, "key"), cluster.held(coordinator, "key"));
    }
}

/// §5: the coordinator waits "for a small period of time". If this fails, one silent replica keeps others from being
/// repaired.
#[test]
fn repair_does_not_wait_for_the_silent_for_ever() {
    let mut cluster = cluster(Shape {
        nodes: 3,
        gateways: 0,
        n: 3,
        r: 1,
        w: 1,
    });
    cluster.ask(NodeId::node(1), put(operation(1), "key", "a", Bytes::new()));
    cluster.bag.clear();
    cluster.ask(NodeId::node(1), get(operation(2), "key", None));
    cluster.bag.retain(|fetch| fetch.to == NodeId::node(2));
    assert_eq!(
        sent(&cluster.settle()),
        [(NodeId::node(1), Method::FetchReply)]
    );
    let rung = cluster.wait(Duration::from_secs(1));
    let [(node, outputs)] = &rung[..] else {
        panic!("one alarm rings: {rung:?}");
    };
    let expected = [(NodeId::node(2), Method::Repair)];
    assert_eq!((*node, sent(outputs)), (NodeId::node(1), expected.to_vec()));
}
