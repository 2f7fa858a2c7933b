//! Siblings under one clock, as bytes: each version has the dot that stamped it, then the clock that all of them share.
//!
//! Whoever has seen a dot and no longer holds its version has seen it superseded, so joining objects is exact in any
//! order, and a write of a coordinator that holds no replica, whose dot stands alone, covers nothing but its context.
//!
//! Reference: Preguiça et al., Dotted version vectors, 2012, §4.2; Almeida et al., Scalable and accurate causality
//! tracking for eventually consistent stores, DAIS 2014, §4.

use crate::dated_set::{self, dots};
use crate::dot_set::{self, Dot};
use crate::versioning::{Stamp, Versions, Write};
use bytes::Bytes;
use tidemark_proto::id::Actor;
use tidemark_proto::wire::StoredVersion;

/// The clock that all versions of an object share; of an empty object, the empty clock.
pub(crate) fn clock_of(versions: &[StoredVersion]) -> &[u8] {
    versions
        .first()
        .and_then(|version| version.clock.get(Dot::LENGTH..))
        .unwrap_or_default()
}

/// The same as a client gets it.
pub(crate) fn context_of(versions: &[StoredVersion]) -> Bytes {
    versions
        .first()
        .map_or_else(Bytes::new, |version| version.clock.slice(Dot::LENGTH..))
}

/// The dot that stamped a version.
pub(crate) fn dot_of(version: &StoredVersion) -> Dot {
    Dot::from_bytes(&version.clock)
        .expect("stored versions open with their dot: checked on arrival")
}

/// The dot for a write onto an object: a replica counts on from what it holds and what the client has seen.
pub(crate) fn next_dot(held: &[u8], write: &Write<'_>) -> Dot {
    match write.stamp {
        Stamp::Replica(actor) => {
            let last = |clock| dot_set::last(dots(clock), actor);
            let counter = 1 + last(held).max(last(write.context));
            Dot { actor, counter }
        }
        Stamp::Outside(actor, counter) => Dot { actor, counter },
    }
}

/// Some versions and one that is being written, under one clock.
pub(crate) fn with_written<'a>(
    kept: impl Iterator<Item = &'a StoredVersion>,
    dot: Dot,
    write: Write<'_>,
    clock: &[u8],
) -> Versions {
    let written = StoredVersion {
        clock: Bytes::new(),
        value: write.value,
        operation: write.operation.bits(),
    };
    let kept = kept.map(|version| (dot_of(version), version));
    object(kept.chain([(dot, &written)]).collect(), clock)
}

/// The same versions under another clock, which has their dots.
pub(crate) fn under(clock: &[u8], versions: &Versions) -> Versions {
    let dotted = versions.iter().map(|version| (dot_of(version), version));
    object(dotted.collect(), clock)
}

/// What two replicas hold once each has seen the other's object.
pub(crate) fn sync(a: &Versions, b: &Versions) -> Versions {
    if a == b || b.is_empty() {
        return a.clone();
    }
    if a.is_empty() {
        return b.clone();
    }
    let (left, right) = (clock_of(a), clock_of(b));
    let unseen = |other: &[u8], dot: Dot| !dot_set::contains(dots(other), dot);
    let mut kept: Vec<(Dot, &StoredVersion)> = Vec::with_capacity(a.len() + b.len());
    for version in a {
        let dot = dot_of(version);
        if unseen(right, dot) || b.iter().any(|other| dot_of(other) == dot) {
            kept.push((dot, version));
        }
    }
    for version in b {
        let dot = dot_of(version);
        if unseen(left, dot) {
            kept.push((dot, version));
        }
    }
    object(kept, &dated_set::join(left, right))
}

/// The (actor, counter) pairs of a version's clock or of a context.
pub(crate) fn describe(clock: &[u8]) -> Vec<(Actor, u64)> {
    // A version's clock opens with its dot; a context does not, and its records and footer are of 8 bytes and 16.
    let is_version = clock.len() % 8 == Dot::LENGTH % 8;
    let skipped = if is_version { Dot::LENGTH } else { 0 };
    dot_set::describe(dots(clock.get(skipped..).unwrap_or_default()))
}

/// The last actor under which a node has counted in an object, in one of its lives.
pub(crate) fn last_actor(versions: &Versions, of: Actor) -> Option<Actor> {
    let actors = dot_set::describe(dots(clock_of(versions))).into_iter();
    actors
        .map(|(actor, _)| actor)
        .rfind(|actor| actor.shares_life(of))
}

/// Whether versions are an object as this module writes it.
pub(crate) fn is_valid(versions: &Versions) -> bool {
    let clock = clock_of(versions);
    let mut previous = None;
    dated_set::is_valid(clock)
        && versions.iter().all(|version| {
            let Some((dot, rest)) = version.clock.split_at_checked(Dot::LENGTH) else {
                return false;
            };
            let dot = Dot::from_bytes(dot);
            let ascends = previous < Some(dot);
            previous = Some(dot);
            ascends && rest == clock && dot.is_some_and(|dot| dot_set::contains(dots(clock), dot))
        })
}

/// An object of these versions, in the order of their dots, under one clock.
fn object(mut versions: Vec<(Dot, &StoredVersion)>, clock: &[u8]) -> Versions {
    versions.sort_unstable_by_key(|(dot, _)| *dot);
    let restamp = |(dot, version): (Dot, &StoredVersion)| {
        if version.clock.get(Dot::LENGTH..) == Some(clock) {
            return version.clone();
        }
        let mut bytes = Vec::with_capacity(Dot::LENGTH + clock.len());
        bytes.extend_from_slice(&dot.to_bytes());
        bytes.extend_from_slice(clock);
        StoredVersion {
            clock: Bytes::from(bytes),
            ..version.clone()
        }
    };
    versions.into_iter().map(restamp).collect()
}
