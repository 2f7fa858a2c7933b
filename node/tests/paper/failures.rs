//! Failures that pass: sloppy quorums and hinted handoff, Dynamo §4.6.

use crate::harness::{Cluster, Parcel, Shape, config, get, put, replies};
use crate::{ask, operation, values};
use bytes::Bytes;
use serde_json::json;
use std::time::Duration;
use tidemark_node::request::Reply;
use tidemark_proto::id::NodeId;
use tidemark_proto::message::Message;

/// §4.6: "all read and write operations are performed on the first N healthy nodes from the preference list". If this
/// fails, a node is asked that is down, or one too far down the list, or too few.
#[test]
fn the_first_n_healthy_nodes_are_asked() {
    for down in [vec![], vec![2], vec![1, 4], vec![1, 2, 3], vec![1, 2, 4, 5]] {
        let mut cluster = sloppy(6, 1, 1, &down);
        let down: Vec<_> = down.into_iter().map(NodeId::node).collect();
        for number in 1..=20 {
            let key = format!("key {number}");
            let list = cluster.replicas(&key, 6);
            let healthy: Vec<_> = list.iter().filter(|node| !down.contains(node)).collect();
            let mut expected: Vec<_> = healthy.into_iter().take(3).copied().collect();
            expected.sort_unstable();
            for request in [
                put(operation(2 * number), &key, "a", Bytes::new()),
                get(operation(2 * number + 1), &key, None),
            ] {
                cluster.ask(NodeId::gateway(1), request);
                let mut asked: Vec<_> = cluster.bag.drain(..).map(|parcel| parcel.to).collect();
                asked.sort_unstable();
                assert_eq!(asked, expected, "{key}, without {down:?}");
            }
        }
    }
}

/// §4.6: "The replica sent to D will have a hint in its metadata that suggests which node was the intended recipient".
/// If this fails, a write that a fallback keeps does not find its way home, or is taken for the fallback's own.
#[test]
fn a_fallback_is_told_for_whom_it_keeps_a_replica() {
    let mut cluster = sloppy(6, 3, 3, &[1, 2]);
    let down = [1, 2].map(NodeId::node);
    for number in 1..=20 {
        let key = format!("key {number}");
        let (replicas, all) = (cluster.replicas(&key, 3), cluster.replicas(&key, 6));
        cluster.ask(
            NodeId::gateway(1),
            put(operation(number), &key, "a", Bytes::new()),
        );
        let hint = |parcel: &Parcel| match &parcel.message {
            Message::Store(store) => {
                let bits = store.hint_for?;
                Some((parcel.to, NodeId::from_bits(u16::try_from(bits).unwrap())))
            }
            other => panic!("only the write is on its way: {other:?}"),
        };
        let mut hints: Vec<_> = cluster.bag.iter().filter_map(hint).collect();
        let absent = replicas.iter().filter(|node| down.contains(node));
        let fallbacks = all[3..].iter().filter(|node| !down.contains(node));
        let mut expected: Vec<_> = fallbacks.copied().zip(absent.copied()).collect();
        hints.sort_unstable();
        expected.sort_unstable();
        assert_eq!(hints, expected, "{key}");

        let outputs = cluster.settle();
        assert_eq!(replies(&outputs).len(), 1, "{key} is written");
        for (fallback, _) in hints {
            assert!(
                cluster.held(fallback, &key).is_empty(),
                "{key} at {fallback}"
            );
        }
        let read = ask(
            &mut cluster,
            NodeId::gateway(1),
            get(operation(100 + number), &key, None),
        );
        assert_eq!(values(&read), ["a"], "{key} is read from its fallbacks too");
    }
}

/// §4.6: "Upon detecting that A has recovered, D will attempt to deliver the replica to A. Once the transfer succeeds, D
/// may delete the object from its local store without decreasing the total number of replicas in the system". If this
/// fails, a write is on fewer than N disks between the two, or stays on one more for ever.
#[test]
fn a_hint_is_kept_until_it_is_known_to_have_arrived() {
    let [absent, fallback] = [1, 4].map(NodeId::node);
    let shape = Shape {
        nodes: 4,
        gateways: 1,
        n: 3,
        r: 1,
        w: 3,
    };
    let mut config = config(shape, json!({}), &["hint"]);
    config.replication.kind = "sloppy".to_owned();
    config.membership.kind = "heartbeat".to_owned();
    let mut cluster = Cluster::new(config);
    let key = (0..).map(|number| format!("key {number}"));
    let mut key = key.filter(|key| cluster.replicas(key, 4).ends_with(&[fallback]));
    let key = key.next().expect("the fallback is the last of some list");
    // What one of the two that it is about is sent is lost, if anybody's is.
    let run = |cluster: &mut Cluster, lost_to: Option<NodeId>| {
        let mut handoffs = 0;
        for _ in 0..1_000 {
            cluster.wait(Duration::from_millis(100));
            while !cluster.bag.is_empty() {
                let Parcel { to, message, .. } = &cluster.bag[0];
                let is_handoff = matches!(message, Message::Handoff(_) | Message::HandoffReply(_));
                handoffs += u32::from(is_handoff);
                if is_handoff && Some(*to) == lost_to {
                    cluster.bag.remove(0);
                } else {
                    cluster.deliver(0);
                }
            }
        }
        handoffs
    };
    run(&mut cluster, None);
    cluster.crash(absent);
    run(&mut cluster, None);
    let write = put(operation(1), &key, "a", Bytes::new());
    ask(&mut cluster, NodeId::gateway(1), write);
    cluster.restart(absent);
    for (lost_to, has_arrived) in [(Some(absent), false), (Some(fallback), true), (None, true)] {
        assert!(run(&mut cluster, lost_to) > 0, "it does not try again");
        assert_eq!(!cluster.held(absent, &key).is_empty(), has_arrived);
    }
    assert_eq!(run(&mut cluster, None), 0, "it is not forgotten");
}

/// §4.6: with W = 1 "the write request is only rejected if all nodes in the system are unavailable". If this fails, a
/// store that is to be always writeable refuses a write that somebody could keep.
#[test]
fn a_write_is_rejected_only_if_no_node_is_up() {
    for up in 0..=5 {
        let down: Vec<_> = (up + 1..=5).collect();
        let mut cluster = sloppy(5, 1, 1, &down);
        let (_, mut outputs) = cluster.ask(
            NodeId::gateway(1),
            put(operation(1), "key", "a", Bytes::new()),
        );
        outputs.extend(cluster.settle());
        let [(_, reply)] = &replies(&outputs)[..] else {
            panic!("it is answered at once: {outputs:?}");
        };
        let is_written = matches!(reply, Reply::Written(_));
        assert_eq!(is_written, up > 0, "with {up} nodes up: {reply:?}");
    }
}

/// A cluster with a gateway and N = 3, which knows who is down.
fn sloppy(nodes: u16, r: usize, w: usize, down: &[u16]) -> Cluster {
    let shape = Shape {
        nodes,
        gateways: 1,
        n: 3,
        r,
        w,
    };
    let mut config = config(shape, json!({}), &["hint"]);
    config.replication.kind = "sloppy".to_owned();
    let down: serde_json::Map<_, _> = down
        .iter()
        .map(|node| (NodeId::node(*node).to_string(), json!("0s")))
        .collect();
    let options = &mut config.membership.options;
    options.insert("down".to_owned(), down.into());
    let mut cluster = Cluster::new(config);
    cluster.wait(Duration::ZERO);
    cluster
}
