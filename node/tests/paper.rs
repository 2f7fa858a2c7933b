//! One test per claim of the papers that the first strategy of each seam follows, the section cited.
//!
//! Reference: DeCandia et al., Dynamo: Amazon's highly available key-value store, SOSP 2007.

mod harness;

use bytes::Bytes;
use harness::{Cluster, Parcel, Shape, config, delete, get, put, replies};
use md5::{Digest, Md5};
use rand::Rng;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tidemark_node::chance;
use tidemark_node::config::Choice;
use tidemark_node::partitioner::{self, Partitioner, Roster};
use tidemark_node::replica::Output;
use tidemark_node::request::{Answer, Reply, Request};
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::message::{Message, Method};
use tidemark_proto::registry::find;

/// §4.1: "applies a MD5 hash on the key to generate a 128-bit identifier, which is used to determine the storage
/// nodes". If this fails, keys lie elsewhere than on the first token clockwise from their hash.
#[test]
fn a_key_belongs_to_the_first_token_clockwise_from_its_md5() {
    let (seed, nodes, tokens) = (7, 5, 16);
    let ring = token_ring(seed, nodes, tokens);
    for key in keys() {
        let position = md5(&key);
        let clockwise_from_key = |node: &u16| {
            let mut stream = chance::stream(seed, "token-ring", NodeId::node(*node));
            let distances = (0..tokens).map(move |_| {
                let high = u128::from(stream.next_u64());
                (high << 64 | u128::from(stream.next_u64())).wrapping_sub(position)
            });
            distances.min()
        };
        let mut nearest: Vec<_> = (1..=nodes).collect();
        nearest.sort_by_key(clockwise_from_key);
        let list = ring.preference(&key, usize::from(nodes));
        let list: Vec<_> = list.iter().map(|node| node.number()).collect();
        assert_eq!(list, nearest, "{key:?}");
    }
}

/// §4.1 and §4.2, with one position a node on a ring of 360. If this fails, keys lie elsewhere than MD5 mod 360 and clockwise.
#[test]
fn on_the_slot_ring_a_key_belongs_to_the_next_slot_clockwise() {
    let ring = partitioner("slot-ring", json!({}), 1, 5);
    let slot = |name: &[u8]| md5(name) % 360;
    for key in keys() {
        let mut nearest: Vec<_> = (1..=5).map(NodeId::node).collect();
        nearest.sort_by_key(|node| (slot(node.to_string().as_bytes()) + 360 - slot(&key)) % 360);
        assert_eq!(ring.preference(&key, 5).as_slice(), nearest, "{key:?}");
    }
}

/// §4.2: "departure or arrival of a node only affects its immediate neighbors". If this fails, a node that joins or leaves
/// moves keys between nodes that are there before and after.
#[test]
fn a_node_that_joins_takes_keys_and_moves_no_others() {
    for kind in ["token-ring", "slot-ring"] {
        let [four, five] = [4, 5].map(|nodes| partitioner(kind, json!({}), 3, nodes));
        let moved = keys().filter_map(|key| {
            let (old, new) = (four.preference(&key, 1)[0], five.preference(&key, 1)[0]);
            (old != new).then_some(new)
        });
        let takers: BTreeSet<_> = moved.collect();
        assert_eq!(takers, BTreeSet::from([NodeId::node(5)]), "{kind}");
    }
}

/// §4.2: "random position assignment of each node on the ring leads to non-uniform data and load distribution", and
/// virtual nodes remedy it. If this fails, tokens do not spread load: the busiest node has no less with 64 than with 1.
#[test]
fn many_tokens_spread_load_better_than_one() {
    let busiest = |tokens| -> usize {
        let rings = (0..20).map(|seed| {
            let ring = token_ring(seed, 8, tokens);
            let mut load: BTreeMap<NodeId, usize> = BTreeMap::new();
            for key in keys() {
                *load.entry(ring.preference(&key, 1)[0]).or_default() += 1;
            }
            load.into_values().max().unwrap_or(0)
        });
        rings.sum()
    };
    let (one, many) = (busiest(1), busiest(64));
    let mean = 20 * keys().count() / 8;
    assert!(
        many < mean * 3 / 2 && mean * 2 < one,
        "busiest: {one} of 1, {many} of 64 tokens, mean {mean}"
    );
}

/// §6.2, strategy 3: "divides the hash space into Q equally sized partitions", a key's first N nodes are those met "walking
/// the ring clockwise from the end of the partition", and "each node is assigned Q/S tokens", which joins and leaves
/// preserve. If this fails, a node has more to hold than another, or keys lie elsewhere.
#[test]
fn of_fixed_partitions_every_node_has_its_share_whatever_the_history() {
    const PARTITIONS: usize = 37;
    let history = "+n1 +n2 +n3 +n4 +n5 -n2 +n6 n1>n7 +n8 +n2 -n7 -n4 +n9";
    let mut roster = Roster::default();
    for change in history.split(' ') {
        roster = roster.after(change.parse().unwrap());
        let options = json!({ "partitions": PARTITIONS });
        let ring = laid_out("fixed-partitions", options, 5, &roster);
        let nodes = roster.nodes().len();
        // No key is hashed to the last places of a partition, but one to each partition.
        let place = |key: &[u8]| (((md5(key) >> 64) * PARTITIONS as u128) >> 64) as usize;
        let lists: BTreeMap<usize, _> = keys()
            .map(|key| (place(&key), ring.preference(&key, nodes)))
            .collect();
        assert_eq!(lists.len(), PARTITIONS, "a key lies in every partition");
        let mut shares = BTreeMap::new();
        for list in lists.values() {
            *shares.entry(list[0]).or_insert(0) += 1;
        }
        let (least, most) = (shares.values().min(), shares.values().max());
        assert_eq!(shares.len(), nodes, "after {change}");
        assert!(
            least >= Some(&(PARTITIONS / nodes)) && most <= Some(&PARTITIONS.div_ceil(nodes)),
            "after {change}: {shares:?}"
        );
        for (place, list) in &lists {
            let clockwise = (0..PARTITIONS).map(|step| lists[&((place + step) % PARTITIONS)][0]);
            let mut met = Vec::new();
            for owner in clockwise {
                if !met.contains(&owner) {
                    met.push(owner);
                }
            }
            assert_eq!(list.as_slice(), met, "after {change}, partition {place}");
        }
    }
}

/// Thaler and Ravishankar 1998: a key's node is the one with the highest random weight, so all have the same share and a
/// join moves 1/(S+1) of the keys. If this fails, weights of different nodes depend on each other.
#[test]
fn by_rendezvous_every_node_has_the_same_share() {
    let [five, six] = [5, 6].map(|nodes| owners("rendezvous", nodes));
    for node in 1..=5 {
        check_share(share_of(&five, node), 1.0 / 5.0);
    }
    check_share(moved(&five, &six), 1.0 / 6.0);
}

/// Of the course project on SWIM: placing by the sum of the hash's digits moves 83 % of the keys, 5 in 6, when a sixth node
/// joins five. If this fails, the negative control is none.
#[test]
fn by_digit_sum_nearly_all_keys_move() {
    let [five, six] = [5, 6].map(|nodes| owners("digit-sum", nodes));
    check_share(moved(&five, &six), 5.0 / 6.0);
}

/// Of the course project after Cassandra: of five sequential ports only the first and the last are nearest to any key, to
/// 57 and 43 %, and a join moves those 43 %. If this fails, the negative control is none.
#[test]
fn by_nearest_address_only_the_ends_own_keys() {
    let [five, six] = [5, 6].map(|nodes| owners("nearest", nodes));
    for (node, share) in (1..).zip([0.57, 0.0, 0.0, 0.0, 0.43]) {
        check_share(share_of(&five, node), share);
    }
    check_share(moved(&five, &six), 0.43);
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

/// Delivers what is on its way to these nodes, not what they answer.
fn deliver_all_to(cluster: &mut Cluster, nodes: &[u16]) {
    for _ in 0..cluster.bag.len() {
        assert!(nodes.contains(&cluster.bag[0].to.number()));
        cluster.deliver(0);
    }
}

/// Asks a node, delivers everything, and returns the answer.
fn ask(cluster: &mut Cluster, node: NodeId, request: Request) -> Answer {
    let (ticket, mut outputs) = cluster.ask(node, request);
    outputs.extend(cluster.settle());
    let mut replies = replies(&outputs);
    replies.retain(|(of, _)| *of == ticket);
    assert_eq!(replies.len(), 1, "one answer: {replies:?}");
    got(replies.remove(0).1)
}

fn got(reply: Reply) -> Answer {
    match reply {
        Reply::Got(answer) | Reply::Written(answer) => answer,
        Reply::Refused(refusal) => panic!("it is refused: {refusal:?}"),
    }
}

fn sent(outputs: &[Output]) -> Vec<(NodeId, Method)> {
    let send = |output: &Output| match output {
        Output::Send(to, message) => Some((*to, message.method())),
        Output::Reply(..) | Output::Enrolled(..) | Output::Note(_) => None,
    };
    outputs.iter().filter_map(send).collect()
}

fn values(answer: &Answer) -> Vec<String> {
    let text = |value: &Bytes| String::from_utf8_lossy(value).into_owned();
    let mut values: Vec<_> = answer
        .versions
        .iter()
        .map(|version| text(&version.value))
        .collect();
    values.sort();
    values
}

fn clock(answer: &Answer) -> String {
    let entries: Vec<_> = answer
        .clock
        .iter()
        .map(|(actor, n)| format!("{actor}:{n}"))
        .collect();
    entries.join(" ")
}

fn cluster(shape: Shape) -> Cluster {
    Cluster::new(config(shape, json!({}), &["read"]))
}

/// The first of every key's list.
fn owners(kind: &str, nodes: u16) -> Vec<NodeId> {
    let ring = partitioner(kind, json!({}), 1, nodes);
    // Names so long that weak hashes mix them too.
    let many = (0..MANY).map(|number| md5(&number.to_be_bytes()));
    many.map(|name| ring.preference(format!("{name:x}").as_bytes(), 1)[0])
        .collect()
}

fn share_of(owners: &[NodeId], number: u16) -> f64 {
    let own = owners.iter().filter(|owner| owner.number() == number);
    own.count() as f64 / MANY as f64
}

fn moved(before: &[NodeId], after: &[NodeId]) -> f64 {
    let moved = before.iter().zip(after).filter(|(old, new)| old != new);
    moved.count() as f64 / MANY as f64
}

/// Within half a percent, which is what the figures are rounded to, and more than four standard errors.
fn check_share(share: f64, expected: f64) {
    assert!((share - expected).abs() < 0.005, "{share}, not {expected}");
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

fn token_ring(seed: u64, nodes: u16, tokens: u32) -> Box<dyn Partitioner> {
    partitioner("token-ring", json!({ "tokens": tokens }), seed, nodes)
}

fn partitioner(
    kind: &str,
    options: serde_json::Value,
    seed: u64,
    nodes: u16,
) -> Box<dyn Partitioner> {
    let roster = Roster::of((1..=nodes).map(NodeId::node));
    laid_out(kind, options, seed, &roster)
}

fn laid_out(
    kind: &str,
    options: serde_json::Value,
    seed: u64,
    roster: &Roster,
) -> Box<dyn Partitioner> {
    let entry = find("partitioner", partitioner::ENTRIES, kind).expect(kind);
    let options = options.as_object().expect("options are a table");
    (entry.build)(options, seed, roster).expect("it builds")
}

fn keys() -> impl Iterator<Item = Vec<u8>> {
    (0..2_000).map(|number| format!("key {number}").into_bytes())
}

fn md5(name: &[u8]) -> u128 {
    u128::from_be_bytes(Md5::digest(name).into())
}

fn operation(sequence: u64) -> OperationId {
    OperationId::new(NodeId::client(1), sequence)
}

const MANY: u32 = 200_000;
