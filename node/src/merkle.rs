//! A hash tree over the keys that nodes have in common: where hashes are equal, so are the keys below, and nothing of them
//! need be sent.
//!
//! Reference: DeCandia et al., Dynamo, SOSP 2007, §4.7; Merkle, A digital signature based on a conventional encryption
//! function, CRYPTO 1987. Departs from Merkle: a leaf is a sum over its keys, so that a change of one needs no look at the
//! others, and the hashes above the leaves are taken when they are asked for.

use crate::context::digest;
use crate::storage::place;
use crate::versioning::Versions;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::ops::{Range, RangeInclusive};
use xxhash_rust::xxh3::{Xxh3, xxh3_64, xxh3_64_with_seed};

/// How trees are cut: the same on every node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// How many bits of a key's place choose its leaf.
    leaf_bits: u32,
    /// How many of them each level adds to the one above.
    level_bits: u32,
}

impl Shape {
    /// Trees of so many leaves, whose nodes have `fanout` children, those of the last level fewer if it does not come out
    /// even; none unless both are powers of two, the fanout at least 2, and the leaves at most [`MOST_LEAVES`].
    #[must_use]
    pub fn new(leaves: u32, fanout: u32) -> Option<Self> {
        let fits = leaves.is_power_of_two() && fanout.is_power_of_two();
        (fits && leaves <= MOST_LEAVES && fanout >= 2).then(|| Self {
            leaf_bits: leaves.ilog2(),
            level_bits: fanout.ilog2(),
        })
    }

    /// The level of the leaves; the root's is 0.
    #[must_use]
    pub fn leaf_level(self) -> u32 {
        self.leaf_bits.div_ceil(self.level_bits)
    }

    /// Whether a level has a node of this number.
    #[must_use]
    pub fn has(self, level: u32, node: u32) -> bool {
        level <= self.leaf_level() && node >> self.bits(level) == 0
    }

    /// The children of a node, one level down.
    #[must_use]
    pub fn children(self, level: u32, node: u32) -> Range<u32> {
        let bits = self.bits(level + 1) - self.bits(level);
        node << bits..(node + 1) << bits
    }

    /// The leaf of a key.
    #[must_use]
    pub fn leaf(self, key: &[u8]) -> u32 {
        // In two steps, since a number cannot be shifted by all its bits.
        (place(key) >> 1 >> (63 - self.leaf_bits)) as u32
    }

    /// The places of a leaf's keys.
    #[must_use]
    pub fn places(self, leaf: u32) -> RangeInclusive<u64> {
        let first = u64::from(leaf) << (63 - self.leaf_bits) << 1;
        first..=first | u64::MAX >> self.leaf_bits
    }

    /// How many bits choose a node of this level.
    fn bits(self, level: u32) -> u32 {
        self.leaf_bits.min(level * self.level_bits)
    }
}

/// The leaves of one tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    shape: Shape,
    leaf_hash: LeafHash,
    leaves: Vec<u64>,
}

impl Tree {
    /// The tree of no keys.
    #[must_use]
    pub fn new(shape: Shape, leaf_hash: LeafHash) -> Self {
        Self {
            shape,
            leaf_hash,
            leaves: vec![0; 1 << shape.leaf_bits],
        }
    }

    /// What is held of a key is no longer what it was. No versions: nothing is held.
    pub fn change(&mut self, key: &[u8], before: &Versions, after: &Versions) {
        let leaf = &mut self.leaves[self.shape.leaf(key) as usize];
        match self.leaf_hash {
            LeafHash::Sum => {
                let less = leaf.wrapping_sub(hash_of_key(key, before));
                *leaf = less.wrapping_add(hash_of_key(key, after));
            }
            LeafHash::XorWithoutKey => *leaf ^= hash_of_values(before) ^ hash_of_values(after),
        }
    }

    /// The hash of a node: of all leaves below it.
    #[must_use]
    pub fn hash(&self, level: u32, node: u32) -> u64 {
        let bits = self.shape.leaf_bits - self.shape.bits(level);
        let first = (node as usize) << bits;
        let mut hash = Xxh3::new();
        for leaf in &self.leaves[first..first + (1 << bits)] {
            hash.update(&leaf.to_be_bytes());
        }
        hash.digest()
    }
}

/// How a leaf stands for its keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LeafHash {
    /// The sum of hashes of each key and all that is held of it.
    #[default]
    Sum,
    /// The exclusive or of hashes of values, without their keys. Not safe: two keys of one value are like none.
    XorWithoutKey,
}

/// Nothing held: 0.
fn hash_of_key(key: &[u8], versions: &Versions) -> u64 {
    if versions.is_empty() {
        return 0;
    }
    xxh3_64_with_seed(key, digest(versions))
}

fn hash_of_values(versions: &Versions) -> u64 {
    let values = versions.iter().map(|version| version.value.as_deref());
    values.fold(0, |hash, value| hash ^ xxh3_64(value.unwrap_or_default()))
}

/// More of them take more memory than most nodes' keys.
pub const MOST_LEAVES: u32 = 1 << 22;

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use std::collections::{BTreeMap, BTreeSet};
    use tidemark_proto::wire::StoredVersion;

    /// If this fails, a key is looked for in another leaf than it is counted in, or a comparison misses leaves.
    #[test]
    fn a_level_covers_the_one_below_and_leaves_cover_all_places() {
        for (leaves, fanout, levels) in [(1, 2, 0), (2, 16, 1), (1 << 10, 32, 2), (1 << 16, 8, 6)] {
            let shape = Shape::new(leaves, fanout).unwrap();
            assert_eq!(shape.leaf_level(), levels, "{shape:?}");
            let mut nodes = vec![0];
            for level in 0..levels {
                assert!(nodes.iter().all(|node| shape.has(level, *node)));
                let children = nodes.iter().flat_map(|node| shape.children(level, *node));
                nodes = children.collect();
            }
            assert_eq!(nodes, (0..leaves).collect::<Vec<_>>());
            assert!(!shape.has(levels, leaves) && !shape.has(levels + 1, 0));
            let ends = (shape.places(0), shape.places(leaves - 1));
            assert_eq!((*ends.0.start(), *ends.1.end()), (0, u64::MAX), "{shape:?}");
            for number in 0..100 {
                let key = key(number);
                assert!(shape.places(shape.leaf(&key)).contains(&place(&key)));
            }
        }
        for (leaves, fanout) in [(0, 2), (3, 2), (4, 3), (4, 1), (4, 0), (MOST_LEAVES * 2, 2)] {
            assert_eq!(Shape::new(leaves, fanout), None, "{leaves} {fanout}");
        }
    }

    /// If this fails, nodes that hold the same compare keys for ever, since their trees differ by how they came to it.
    #[test]
    fn a_tree_is_that_of_what_is_held_however_that_came() {
        let shape = Shape::new(64, 4).unwrap();
        for leaf_hash in [LeafHash::Sum, LeafHash::XorWithoutKey] {
            let mut one = Tree::new(shape, leaf_hash);
            let empty = one.clone();
            for number in 0..50 {
                one.change(&key(number), &vec![], &versions(number));
            }
            let mut other = Tree::new(shape, leaf_hash);
            for number in (0..60).rev() {
                other.change(&key(number), &vec![], &versions(0));
                other.change(&key(number), &versions(0), &versions(number));
            }
            assert_ne!(one.hash(0, 0), other.hash(0, 0), "{leaf_hash:?}");
            for number in 50..60 {
                other.change(&key(number), &versions(number), &vec![]);
            }
            assert_eq!(one, other, "{leaf_hash:?}");
            for number in 0..50 {
                other.change(&key(number), &versions(number), &vec![]);
            }
            assert_eq!(other, empty, "{leaf_hash:?}");
        }
    }

    /// If this fails, the negative control is none: leaves without their keys miss two rows of one value, sums do not.
    #[test]
    fn a_leaf_that_omits_its_keys_misses_paired_rows() {
        let shape = Shape::new(1, 2).unwrap();
        for (leaf_hash, misses) in [(LeafHash::Sum, false), (LeafHash::XorWithoutKey, true)] {
            let empty = Tree::new(shape, leaf_hash);
            let mut tree = empty.clone();
            tree.change(&key(1), &vec![], &versions(0));
            assert_ne!(tree.hash(0, 0), empty.hash(0, 0), "{leaf_hash:?}");
            tree.change(&key(2), &vec![], &versions(0));
            assert_eq!(tree.hash(0, 0) == empty.hash(0, 0), misses, "{leaf_hash:?}");
        }
    }

    /// If this fails, a sweep compares other keys than those in the leaves that differ: of K keys, d of which differ, in S
    /// leaves, d + (K − d)(1 − (1 − 1/S)^d) in the mean.
    #[test]
    fn as_many_keys_are_compared_as_the_formula_gives() {
        let (keys, differing, repeats) = (100_000, 100, 10);
        let mut counts: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
        for leaves in [1 << 10, 1 << 16] {
            let shape = Shape::new(leaves, 32).unwrap();
            let mut in_leaf = vec![0; leaves as usize];
            let mut one = Tree::new(shape, LeafHash::Sum);
            for number in 0..keys {
                in_leaf[shape.leaf(&key(number)) as usize] += 1;
                one.change(&key(number), &vec![], &versions(number));
            }
            for repeat in 0..repeats {
                let mut other = one.clone();
                for number in (repeat * differing..).take(differing as usize) {
                    other.change(&key(number), &versions(number), &versions(number + keys));
                }
                let (descended, compared) = differing_leaves(shape, &one, &other);
                assert!(descended <= 32 * differing * shape.leaf_level());
                let compared = compared.iter().map(|leaf| in_leaf[*leaf as usize]);
                let compared = f64::from(compared.sum::<u32>());
                counts.entry(leaves).or_default().push(compared);
            }
        }
        // The margins are four standard errors of a mean of ten.
        for (leaves, expected, margin) in [(1 << 10, 9_399.0, 300.0), (1 << 16, 252.0, 25.0)] {
            let (k, d, s) = (100_000.0, 100.0, f64::from(leaves));
            let formula: f64 = d + (k - d) * (1.0 - (1.0 - 1.0 / s).powf(d));
            assert!((formula - expected).abs() < 1.0, "{formula}");
            let mean = counts[&leaves].iter().sum::<f64>() / counts[&leaves].len() as f64;
            assert!((mean - expected).abs() < margin, "{leaves}: {mean}");
        }
    }

    /// How many hashes are compared from the root down, and the leaves that are found to differ.
    fn differing_leaves(shape: Shape, one: &Tree, other: &Tree) -> (u32, BTreeSet<u32>) {
        let (mut compared, mut nodes) = (0, vec![0]);
        for level in 0..=shape.leaf_level() {
            compared += nodes.len() as u32;
            nodes.retain(|node| one.hash(level, *node) != other.hash(level, *node));
            if level < shape.leaf_level() {
                let children = nodes.iter().flat_map(|node| shape.children(level, *node));
                nodes = children.collect();
            }
        }
        (compared, nodes.into_iter().collect())
    }

    fn key(number: u32) -> Bytes {
        Bytes::from(format!("key {number}"))
    }

    fn versions(number: u32) -> Versions {
        vec![StoredVersion {
            clock: Bytes::from_static(b"clock"),
            value: Some(Bytes::from(number.to_string())),
            operation: number.into(),
        }]
    }
}
