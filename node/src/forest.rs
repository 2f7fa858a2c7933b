//! The hash trees of a node, one for each set of replicas that it belongs to, kept up with what it holds.
//!
//! Reference: DeCandia et al., Dynamo, SOSP 2007, §4.7. Departs from it: a tree is not of a range of the ring but of all
//! keys that the same nodes are to hold, so that any partitioner will do.

use crate::context::Context;
use crate::merkle::{LeafHash, Shape, Tree};
use crate::partitioner::PreferenceList;
use crate::repair::Change;
use crate::storage::place;
use crate::versioning::Versions;
use bytes::Bytes;
use std::collections::BTreeMap;
use tidemark_proto::id::{NodeId, OperationId};

/// The first N nodes of a key, in the order of their names.
pub type ReplicaSet = PreferenceList;

/// The trees of one node.
pub struct Forest {
    shape: Shape,
    leaf_hash: LeafHash,
    /// The number of the roll of which the trees speak; by another they begin anew.
    roll: Option<u64>,
    trees: BTreeMap<ReplicaSet, Tree>,
    /// The tree of a set of which nothing is held.
    empty: Tree,
    scanned: Scanned,
}

/// What is held of some leaves' keys, in the order of their places.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The leaves, in order.
    pub leaves: Vec<u32>,
    /// Their keys, and what is held of each.
    pub held: Vec<(Bytes, Versions)>,
    /// The last key that was looked at, if there are more behind it.
    pub through: Option<Bytes>,
}

/// How far what is held has been looked through, in the order of keys' places.
enum Scanned {
    Nothing,
    Through(Bytes),
    Everything,
}

impl Forest {
    /// Of a node of which nothing is known yet.
    #[must_use]
    pub fn new(shape: Shape, leaf_hash: LeafHash) -> Self {
        Self {
            shape,
            leaf_hash,
            roll: None,
            trees: BTreeMap::new(),
            empty: Tree::new(shape, leaf_hash),
            scanned: Scanned::Nothing,
        }
    }

    /// How its trees are cut.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Whether the trees are those of all that is held.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        matches!(self.scanned, Scanned::Everything)
    }

    /// Begins anew if keys belong elsewhere than the trees say.
    pub fn look_around(&mut self, context: &Context<'_>) {
        let roll = Some(context.view.roll().number);
        if self.roll != roll {
            self.roll = roll;
            self.trees.clear();
            self.scanned = Scanned::Nothing;
        }
    }

    /// Looks through at most `limit` more keys.
    pub fn scan(&mut self, context: &mut Context<'_>, limit: usize) {
        let after = match &self.scanned {
            Scanned::Nothing => None,
            Scanned::Through(key) => Some(key),
            Scanned::Everything => return,
        };
        let keys = context.storage.keys(0..=u64::MAX, after, limit);
        for key in &keys {
            let held = context.load(key, OperationId::NONE).unwrap_or_default();
            self.plant(context, key, &Versions::new(), &held);
        }
        self.scanned = match keys.last() {
            Some(last) if keys.len() == limit => Scanned::Through(last.clone()),
            Some(_) | None => Scanned::Everything,
        };
    }

    /// Follows a change of what is held. What has not been looked through yet will be as it is then.
    pub fn follow(&mut self, context: &Context<'_>, change: &Change) {
        let is_scanned = match &self.scanned {
            Scanned::Nothing => false,
            Scanned::Through(last) => place_of(&change.key) <= place_of(last),
            Scanned::Everything => true,
        };
        if is_scanned {
            self.plant(context, &change.key, &change.before, &change.after);
        }
    }

    /// The sets that a node has in common with this one, as far as anything is held of them.
    pub fn shared_with(&self, node: NodeId) -> impl Iterator<Item = &ReplicaSet> {
        self.trees.keys().filter(move |set| set.contains(&node))
    }

    /// The hash of a node of a set's tree.
    #[must_use]
    pub fn hash(&self, set: &ReplicaSet, level: u32, node: u32) -> u64 {
        let tree = self.trees.get(set).unwrap_or(&self.empty);
        tree.hash(level, node)
    }

    /// What is held of a set's keys in these leaves, behind `after`: at most `limit` leaves, and `limit` keys.
    #[must_use]
    pub fn page(
        &self,
        context: &mut Context<'_>,
        set: &ReplicaSet,
        leaves: impl Iterator<Item = u32>,
        after: Option<&Bytes>,
        limit: usize,
    ) -> Page {
        let mut page = Page::default();
        let mut after = after.cloned();
        let mut left = limit * MOST_LOOKED_AT;
        for leaf in leaves.take(limit) {
            page.leaves.push(leaf);
            let places = self.shape.places(leaf);
            loop {
                let keys = context.storage.keys(places.clone(), after.as_ref(), limit);
                let is_end = keys.len() < limit;
                for key in keys {
                    if left == 0 || page.held.len() == limit {
                        page.through = after;
                        return page;
                    }
                    left -= 1;
                    if replicas(context, &key) == *set {
                        let held = context.load(&key, OperationId::NONE).unwrap_or_default();
                        if !held.is_empty() {
                            page.held.push((key.clone(), held));
                        }
                    }
                    after = Some(key);
                }
                if is_end {
                    break;
                }
            }
        }
        page
    }

    fn plant(&mut self, context: &Context<'_>, key: &Bytes, before: &Versions, after: &Versions) {
        let set = replicas(context, key);
        if set.contains(&context.id) {
            let (shape, leaf_hash) = (self.shape, self.leaf_hash);
            let tree = self.trees.entry(set);
            tree.or_insert_with(|| Tree::new(shape, leaf_hash))
                .change(key, before, after);
        }
    }
}

/// The nodes that are to hold a key.
#[must_use]
pub fn replicas(context: &Context<'_>, key: &[u8]) -> ReplicaSet {
    let mut set = context.view.preference(key, context.replicas);
    set.sort_unstable();
    set
}

/// Where a key stands in the order in which [`Storage::keys`](crate::storage::Storage::keys) gives them.
#[must_use]
pub fn place_of(key: &Bytes) -> (u64, &Bytes) {
    (place(key), key)
}

/// Keys that are looked at for each that a page may have: others in its leaves are of other sets.
const MOST_LOOKED_AT: usize = 16;
