//! Which nodes hold a key: Dynamo §4.1, §4.2, §6.2, and the papers of the other partitioners.

use md5::{Digest, Md5};
use rand::Rng;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use tidemark_node::chance;
use tidemark_node::partitioner::{self, Partitioner, Roster};
use tidemark_proto::id::NodeId;
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

/// §4.2: "if a node becomes unavailable […], the load handled by this node is evenly dispersed across the remaining
/// available nodes", and one that becomes available "accepts a roughly equivalent amount of load from each of the other
/// available nodes". If this fails, one node has to bear alone what another had, as without virtual nodes.
#[test]
fn what_a_node_had_is_dispersed_over_all_others_and_comes_back_from_all() {
    const NODES: u16 = 8;
    let receivers = |tokens: u32| {
        let owners_of = |roster: &Roster| {
            let ring = laid_out("token-ring", json!({ "tokens": tokens }), 3, roster);
            keys()
                .map(|key| ring.preference(&key, 1)[0])
                .collect::<Vec<_>>()
        };
        let all = Roster::of((1..=NODES).map(NodeId::node));
        let fewer = all.after("-n3".parse().unwrap());
        let again = fewer.after("+n3".parse().unwrap());
        let [before, without, after] = [&all, &fewer, &again].map(owners_of);
        assert_eq!(before, after, "who comes back gets back what it had");
        let mut shares: BTreeMap<NodeId, usize> = BTreeMap::new();
        for (_, new) in before.iter().zip(&without).filter(|(old, new)| old != new) {
            *shares.entry(*new).or_default() += 1;
        }
        shares
    };
    assert_eq!(receivers(1).len(), 1, "without virtual nodes");
    let shares = receivers(256);
    let mean = shares.values().sum::<usize>() / usize::from(NODES - 1);
    assert_eq!(shares.len(), usize::from(NODES - 1));
    assert!(
        shares
            .values()
            .all(|share| (mean / 2..=2 * mean).contains(share)),
        "{shares:?}"
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

const MANY: u32 = 200_000;
