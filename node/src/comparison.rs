//! What a node answers that another compares itself with: each step by itself, from what is held then.
//!
//! See `repair/sweep.rs`, which asks.

use crate::context::{Context, bytes_of, digest};
use crate::forest::{Forest, ReplicaSet, place_of, replicas};
use crate::versioning::Versions;
use bytes::Bytes;
use std::collections::BTreeMap;
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::message::{Message, Method};
use tidemark_proto::upkeep::Chore;
use tidemark_proto::wire::{self, sweep::Body};

impl Forest {
    /// None: there are no such nodes.
    pub(crate) fn compare_hashes(
        &self,
        set: &ReplicaSet,
        asked: &wire::SweepHashes,
    ) -> Option<Body> {
        let (level, shape) = (asked.level, self.shape());
        let is_ascending = asked.nodes.is_sorted_by(|one, next| one < next);
        let exist = asked.nodes.iter().all(|node| shape.has(level, *node));
        if !is_ascending || !exist || asked.nodes.len() != asked.hashes.len() {
            return None;
        }
        let pairs = asked.nodes.iter().zip(&asked.hashes);
        let differ = pairs.filter(|(node, hash)| self.hash(set, level, **node) != **hash);
        let nodes = differ.map(|(node, _)| *node).collect();
        Some(Body::Differing(wire::SweepDiffering { nodes }))
    }

    /// Sends what the other lacks or has otherwise, and tells what is missing here: of at most `limit` keys. None: there
    /// are no such leaves.
    pub(crate) fn compare_keys(
        &self,
        context: &mut Context<'_>,
        from: NodeId,
        set: &ReplicaSet,
        asked: wire::SweepKeys,
        limit: usize,
    ) -> Option<Body> {
        let shape = self.shape();
        let is_ascending = asked.leaves.is_sorted_by(|one, next| one < next);
        let exist = asked
            .leaves
            .iter()
            .all(|leaf| shape.has(shape.leaf_level(), *leaf));
        if !is_ascending || !exist || asked.leaves.len() > limit {
            return None;
        }
        let leaves = asked.leaves.into_iter();
        let page = self.page(context, set, leaves, asked.after.as_ref(), limit);
        let ends = page.through.into_iter().chain(asked.through);
        let through = ends.min_by(|one, other| place_of(one).cmp(&place_of(other)));
        let end = through.as_ref().map(place_of);
        let is_within = |key: &Bytes| end.is_none_or(|end| place_of(key) <= end);

        let theirs = asked
            .keys
            .into_iter()
            .map(|theirs| (theirs.key, theirs.digest));
        let mut theirs: BTreeMap<Bytes, u64> = theirs.filter(|(key, _)| is_within(key)).collect();
        let (mut compared, mut sent) = (theirs.len() as u64, Sent::default());
        for (key, held) in page.held.into_iter().filter(|(key, _)| is_within(key)) {
            let digest_there = theirs.remove(&key);
            compared += u64::from(digest_there.is_none());
            if digest_there != Some(digest(&held)) {
                sent.add(&key, &held);
                let value = wire::SweepValue {
                    key,
                    versions: held,
                };
                let body = Some(Body::Value(value));
                let value = wire::Sweep {
                    body,
                    ..wire::Sweep::default()
                };
                context.send(from, Message::Sweep(Box::new(value)));
            }
        }
        sent.note(context, from);
        let keys = theirs.into_keys().collect();
        Some(Body::Missing(wire::SweepMissing {
            keys,
            compared,
            through,
        }))
    }
}

/// What was sent to mend a replica.
#[derive(Default)]
pub(crate) struct Sent {
    keys: u64,
    bytes: u64,
}

impl Sent {
    pub(crate) fn add(&mut self, key: &Bytes, versions: &Versions) {
        self.keys += 1;
        self.bytes += bytes_of(key, versions);
    }

    pub(crate) fn note(&self, context: &mut Context<'_>, to: NodeId) {
        if self.keys > 0 {
            context.note_chore(Chore::SweepSent, to, |note| {
                note.count = self.keys;
                note.bytes = self.bytes;
            });
        }
    }
}

/// Joins what the other holds of a key with what is held here, and sends back what it lacks of that.
pub(crate) fn join(context: &mut Context<'_>, from: NodeId, value: wire::SweepValue) {
    let wire::SweepValue { key, versions } = value;
    if !context.versioning.accepts_versions(&versions) {
        context.refuse(
            OperationId::NONE,
            "a sweep's versions are not of this cluster's versioning",
        );
        return;
    }
    if !replicas(context, &key).contains(&context.id) {
        return;
    }
    let held = context.load(&key, OperationId::NONE).unwrap_or_default();
    let joined = context.versioning.sync(&held, &versions);
    // A disk that is full is noted, and the next sweep finds the key again.
    let _ = context.hold(&key, &joined, OperationId::NONE, Method::Repair);
    if joined != versions {
        let mut sent = Sent::default();
        sent.add(&key, &joined);
        sent.note(context, from);
        repair(context, from, key, joined);
    }
}

/// Brings a node what it lacks of a key.
pub(crate) fn repair(context: &mut Context<'_>, to: NodeId, key: Bytes, versions: Versions) {
    let operation = OperationId::NONE.bits();
    context.send(
        to,
        Message::Repair(wire::Repair {
            request: 0,
            key,
            versions,
            operation,
        }),
    );
}

/// The set of replicas that a step is about; none unless both nodes are of it.
pub(crate) fn set_of(
    context: &mut Context<'_>,
    from: NodeId,
    sweep: &wire::Sweep,
) -> Option<ReplicaSet> {
    let bits = sweep.replicas.iter().map(|bits| u16::try_from(*bits));
    let set: Option<ReplicaSet> = bits.map(|bits| bits.ok().map(NodeId::from_bits)).collect();
    let set = set.filter(|set| set.contains(&from) && set.contains(&context.id));
    if set.is_none() {
        context.refuse(
            OperationId::NONE,
            "a sweep is about keys that the two nodes do not share",
        );
    }
    set
}
