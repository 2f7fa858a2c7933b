//! Laws of partitioners, each for every entry that promises it, over any history of joins, leaves and replacements.

use crate::SHAPE;
use crate::harness::{options, tries};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeSet;
use tidemark_node::partitioner::{self, Build, Change, Partitioner, Roster};
use tidemark_proto::id::NodeId;
use tidemark_proto::registry::{Entry, Promise};

proptest! {
    #![proptest_config(tries())]

    /// If this fails, a key has too few replicas, or nodes that were told of the same changes disagree on which they are.
    #[test]
    fn every_key_has_n_distinct_replicas_the_same_on_every_node(
        seed: u64, key: Vec<u8>, roster in rosters(), n in 0..14usize,
    ) {
        let told = serde_json::to_string(&roster).unwrap();
        let told: Roster = serde_json::from_str(&told).unwrap();
        for entry in promising(Promise::PlacesEveryKey) {
            let list = laid_out(entry, seed, &roster).preference(&key, n);
            let distinct: BTreeSet<_> = list.iter().collect();
            prop_assert_eq!(list.len(), n.min(roster.nodes().len()), "{}", entry.name);
            prop_assert_eq!(distinct.len(), list.len(), "{}", entry.name);
            prop_assert!(list.iter().all(|node| roster.nodes().contains(node)));
            let other = laid_out(entry, seed, &told).preference(&key, n);
            prop_assert_eq!(&list, &other, "{}", entry.name);
        }
    }

    /// If this fails, a larger N moves replicas in place of adding some.
    #[test]
    fn a_shorter_list_opens_a_longer_one(
        seed: u64, key: Vec<u8>, roster in rosters(), n in 0..12usize,
    ) {
        for entry in partitioner::ENTRIES {
            let ring = laid_out(entry, seed, &roster);
            let (short, long) = (ring.preference(&key, n), ring.preference(&key, n + 1));
            prop_assert!(long.starts_with(&short), "{}", entry.name);
        }
    }

    /// If this fails, a join or a leave moves keys between nodes that were there before and are there after.
    #[test]
    fn a_node_that_comes_or_goes_moves_no_keys_of_others(
        seed: u64, keys in vec(any::<Vec<u8>>(), 1..20), roster in rosters(), n in 1..6usize,
    ) {
        let newcomer = NodeId::node(STRANGER);
        let leaver = roster.nodes()[0];
        let joined = roster.after(Change::Join(newcomer));
        let left = roster.after(Change::Leave(leaver));
        for (promise, n) in [(Promise::MovesFewOwners, 1), (Promise::MovesFewReplicas, n)] {
            for entry in promising(promise) {
                let [before, joined, left] =
                    [&roster, &joined, &left].map(|roster| laid_out(entry, seed, roster));
                for key in &keys {
                    let [before, joined, left] =
                        [&before, &joined, &left].map(|ring| ring.preference(key, n));
                    let gains = joined.iter().all(|node| *node == newcomer || before.contains(node));
                    prop_assert!(gains, "{}: {before:?}, with {newcomer} {joined:?}", entry.name);
                    let losses = before.iter().all(|node| *node == leaver || left.contains(node));
                    prop_assert!(losses, "{}: {before:?}, without {leaver} {left:?}", entry.name);
                }
            }
        }
    }

    /// If this fails, a replacement moves keys of nodes that are still there.
    #[test]
    fn a_node_that_replaces_another_has_its_place_in_every_list(
        seed: u64, key: Vec<u8>, roster in rosters(), index: prop::sample::Index, n in 1..12usize,
    ) {
        let (old, new) = (*index.get(roster.nodes()), NodeId::node(STRANGER));
        let replaced = roster.after(Change::Replace { old, new });
        for entry in promising(Promise::ReplacesInPlace) {
            let mut list = laid_out(entry, seed, &roster).preference(&key, n);
            for node in list.iter_mut().filter(|node| **node == old) {
                *node = new;
            }
            let after = laid_out(entry, seed, &replaced).preference(&key, n);
            prop_assert_eq!(list, after, "{}", entry.name);
        }
    }
}

/// If this fails, a node stands idle: nothing is ever coordinated by it as the first of a list.
#[test]
fn every_node_owns_something() {
    for entry in promising(Promise::EveryNodeOwns) {
        for (seed, count) in [(1, 1), (2, 3), (3, 5), (4, 9)] {
            let ring = laid_out(entry, seed, &Roster::of((1..=count).map(NodeId::node)));
            let first = |key: u32| ring.preference(format!("key {key}").as_bytes(), 1)[0];
            let owners: BTreeSet<_> = (0..5_000).map(first).collect();
            assert_eq!(
                owners.len(),
                usize::from(count),
                "{}, seed {seed}",
                entry.name
            );
        }
    }
}

fn promising(promise: Promise) -> impl Iterator<Item = &'static Entry<Build>> {
    let entries = partitioner::ENTRIES.iter();
    entries.filter(move |entry| entry.promises.contains(&promise))
}

fn laid_out(entry: &Entry<Build>, seed: u64, roster: &Roster) -> Box<dyn Partitioner> {
    let built = (entry.build)(&options(entry, SHAPE), seed, roster);
    built.unwrap_or_else(|error| panic!("{}: {error}", entry.name))
}

/// Rosters of some of the nodes n1 to n11, and never of none.
fn rosters() -> impl Strategy<Value = Roster> {
    let node = || (1..STRANGER).prop_map(NodeId::node);
    let change = prop_oneof![
        node().prop_map(Change::Join),
        node().prop_map(Change::Leave),
        (node(), node()).prop_map(|(old, new)| Change::Replace { old, new }),
    ];
    (1..STRANGER, vec(change, 0..12)).prop_map(|(count, changes)| {
        let first = Roster::of((1..=count).map(NodeId::node));
        changes.into_iter().fold(first, |roster, change| {
            let next = roster.after(change);
            if next.nodes().is_empty() {
                roster
            } else {
                next
            }
        })
    })
}

/// A node that is in none of them.
const STRANGER: u16 = 12;
