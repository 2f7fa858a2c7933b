//! Laws of partitioners.

use crate::SHAPE;
use crate::harness::{options, tries};
use proptest::prelude::*;
use std::collections::BTreeSet;
use tidemark_node::partitioner::{self, Partitioner, Roster};
use tidemark_proto::id::NodeId;
use tidemark_proto::registry::{Entry, Promise};

proptest! {
    #![proptest_config(tries())]

    /// If this fails, a key has too few replicas, or nodes disagree on which they are.
    #[test]
    fn every_key_has_n_distinct_replicas_the_same_on_every_node(
        seed: u64, key: Vec<u8>, count in 1..12u16, n in 0..14usize,
    ) {
        let promises = |entry: &&Entry<_>| entry.promises.contains(&Promise::PlacesEveryKey);
            for entry in partitioner::ENTRIES.iter().filter(promises) {
            let (one, other) = (ring(entry, seed, count), ring(entry, seed, count));
            let list = one.preference(&key, n);
            let distinct: BTreeSet<_> = list.iter().collect();
            prop_assert_eq!(list.len(), n.min(count.into()), "{}", entry.name);
            prop_assert_eq!(distinct.len(), list.len(), "{}", entry.name);
            prop_assert!(list.iter().all(|node| (1..=count).contains(&node.number())));
            prop_assert_eq!(&list, &other.preference(&key, n), "{}", entry.name);
        }
    }

    /// If this fails, a larger N moves replicas in place of adding some.
    #[test]
    fn a_shorter_list_opens_a_longer_one(
        seed: u64, key: Vec<u8>, count in 1..12u16, n in 0..12usize,
    ) {
        for entry in partitioner::ENTRIES {
            let ring = ring(entry, seed, count);
            let (short, long) = (ring.preference(&key, n), ring.preference(&key, n + 1));
            prop_assert!(long.starts_with(&short), "{}", entry.name);
        }
    }
}

/// If this fails, a node stands idle: nothing is ever coordinated by it as the first of a list.
#[test]
fn every_node_owns_something() {
    for entry in partitioner::ENTRIES {
        for (seed, count) in [(1, 1), (2, 3), (3, 5), (4, 9)] {
            let ring = ring(entry, seed, count);
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

fn ring(entry: &Entry<partitioner::Build>, seed: u64, count: u16) -> Box<dyn Partitioner> {
    let roster = Roster::of((1..=count).map(NodeId::node));
    let built = (entry.build)(&options(entry, SHAPE), seed, &roster);
    built.unwrap_or_else(|error| panic!("{}: {error}", entry.name))
}
