//! One clock per object: siblings share it, and a write either supersedes all that its coordinator holds or joins it.
//!
//! The clock is a set of dots ([`crate::dot_set`]), a version vector as long as nothing is missing. A write whose
//! context covers the coordinator's clock takes the object over; any other write becomes one more sibling, also of
//! versions that it had read: two clients that take turns on one coordinator make a sibling a write (the *sibling
//! explosion*), as in Riak before dotted version vectors.
//!
//! Reference: DeCandia et al., Dynamo, SOSP 2007, §4.4. Departs from it in two ways. Dynamo's coordinators are
//! replicas; here any node or gateway may coordinate, and stamps from a counter of its own per key, whose dots stand
//! alone, so its writes never cover what their context does not. And each version remembers the dot that stamped it, so
//! joining replicas is exact in any order (Preguiça et al., Dotted version vectors, 2012, §4.2).

use super::{Build, Stamp, Updated, Versioning, Versions, Write};
use crate::dot_set::{self, Dot};
use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidemark_proto::id::Actor;
use tidemark_proto::registry::{Entry, Options, Promise, parse, resolve, schema};
use tidemark_proto::wire::StoredVersion;

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "vector",
    about: "one version vector per object; a write with an outdated context becomes a sibling",
    promises: &[Promise::KeepsConcurrent],
    resolve: resolve::<Vector>,
    schema: schema::<Vector>,
    build: |options: &Options| Ok(Box::new(parse::<Vector>(options)?)),
};

/// It has no options.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Vector {}

impl Versioning for Vector {
    fn update(&self, stored: &Versions, write: Write<'_>) -> Updated {
        let held = object_clock(stored);
        let dot = match write.stamp {
            Stamp::Replica(actor) => Dot {
                actor,
                counter: 1 + dot_set::last(held, actor).max(dot_set::last(write.context, actor)),
            },
            Stamp::Outside(actor, counter) => Dot { actor, counter },
        };
        let context = Bytes::from(dot_set::with(write.context, dot));
        let takes_over = dot_set::covers(write.context, held);
        let survivors: &[StoredVersion] = if takes_over { &[] } else { stored };
        let clock = if takes_over {
            context.to_vec()
        } else {
            dot_set::join(&context, held)
        };
        let mut dots: Vec<_> = survivors
            .iter()
            .map(|version| (dot_of(version), version))
            .collect();
        let written = StoredVersion {
            clock: Bytes::new(),
            value: write.value,
            operation: write.operation.bits(),
        };
        dots.push((dot, &written));
        Updated {
            versions: object(dots, &clock),
            context,
        }
    }

    fn sync(&self, a: &Versions, b: &Versions) -> Versions {
        if a == b || b.is_empty() {
            return a.clone();
        }
        if a.is_empty() {
            return b.clone();
        }
        let (left, right) = (object_clock(a), object_clock(b));
        // Whoever has seen a dot and holds its version no longer has seen it superseded.
        let unseen = |other: &[u8], dot: Dot| !dot_set::contains(other, dot);
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
        object(kept, &dot_set::join(left, right))
    }

    fn resolve(&self, versions: &Versions) -> Bytes {
        versions
            .first()
            .map_or_else(Bytes::new, |version| version.clock.slice(Dot::LENGTH..))
    }

    fn describe(&self, clock: &[u8]) -> Vec<(Actor, u64)> {
        // A version's clock opens with its dot; a context does not.
        dot_set::describe(if clock.len() % 16 == Dot::LENGTH {
            &clock[Dot::LENGTH..]
        } else {
            clock
        })
    }

    fn accepts(&self, context: &[u8]) -> bool {
        dot_set::is_valid(context)
    }

    fn accepts_versions(&self, versions: &Versions) -> bool {
        let clock = object_clock(versions);
        let mut previous = None;
        dot_set::is_valid(clock)
            && versions.iter().all(|version| {
                let Some((dot, rest)) = version.clock.split_at_checked(Dot::LENGTH) else {
                    return false;
                };
                let dot = Dot::from_bytes(dot);
                let ascends = previous < Some(dot);
                previous = Some(dot);
                ascends && rest == clock && dot.is_some_and(|dot| dot_set::contains(clock, dot))
            })
    }
}

/// The clock that all versions of an object share; of an empty object, the empty clock.
fn object_clock(versions: &[StoredVersion]) -> &[u8] {
    versions
        .first()
        .and_then(|version| version.clock.get(Dot::LENGTH..))
        .unwrap_or_default()
}

fn dot_of(version: &StoredVersion) -> Dot {
    Dot::from_bytes(&version.clock)
        .expect("stored versions open with their dot: checked on arrival")
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

#[cfg(test)]
mod tests {
    use super::*;
    use tidemark_proto::id::{NodeId, OperationId};

    fn write(sequence: u64, context: &[u8], stamp: Stamp) -> Write<'_> {
        Write {
            context,
            value: Some(Bytes::from_static(b"value")),
            operation: OperationId::new(NodeId::client(1), sequence),
            stamp,
        }
    }

    /// If this fails, a write replaces what its client had not seen, or stands beside what it had.
    #[test]
    fn a_write_takes_over_what_it_has_seen_and_joins_what_it_has_not() {
        let node = Stamp::Replica(Actor::new(NodeId::node(1), 1, 1));
        let gateway = Stamp::Outside(Actor::new(NodeId::gateway(1), 1, 1), 7);
        let check = |stamp, seen: &[u8], held: &Versions, left: &[u64]| {
            let updated = Vector {}.update(held, write(9, seen, stamp));
            let sequence =
                |version: &StoredVersion| OperationId::from_bits(version.operation).sequence();
            let versions: Vec<_> = updated.versions.iter().map(sequence).collect();
            assert_eq!(versions, left);
            assert!(Vector {}.accepts_versions(&updated.versions));
        };
        let nothing = Versions::new();
        let one = Vector {}.update(&nothing, write(1, &[], node));
        let two = Vector {}.update(&one.versions, write(2, &[], node));
        let both = Vector {}.resolve(&two.versions);
        check(node, &[], &nothing, &[9]);
        check(node, &both, &two.versions, &[9]);
        check(node, &one.context, &one.versions, &[9]);
        check(node, &one.context, &two.versions, &[1, 2, 9]);
        check(node, &[], &two.versions, &[1, 2, 9]);
        check(gateway, &both, &nothing, &[9]);
    }

    /// If this fails, a peer can make a node hold what it cannot join again.
    #[test]
    fn versions_that_no_update_gives_are_refused() {
        let node = Stamp::Replica(Actor::new(NodeId::node(1), 1, 1));
        let one = Vector {}.update(&Versions::new(), write(1, &[], node));
        let two = Vector {}
            .update(&one.versions, write(2, &[], node))
            .versions;
        let with_clock = |clock: Bytes| {
            vec![StoredVersion {
                clock,
                ..two[0].clone()
            }]
        };
        let refused = [
            ("no clock", with_clock(Bytes::new())),
            ("a dot alone", with_clock(two[0].clock.slice(..Dot::LENGTH))),
            (
                "half a dot",
                with_clock(two[0].clock.slice(..Dot::LENGTH / 2)),
            ),
            (
                "no whole record",
                with_clock(two[0].clock.slice(..two[0].clock.len() - 1)),
            ),
            ("the wrong order", vec![two[1].clone(), two[0].clone()]),
            ("a version twice", vec![two[0].clone(), two[0].clone()]),
            ("two clocks", vec![one.versions[0].clone(), two[1].clone()]),
        ];
        assert!(Vector {}.accepts_versions(&two));
        for (what, versions) in refused {
            assert!(!Vector {}.accepts_versions(&versions), "{what}");
        }
    }
}
