//! One clock per object: siblings share it, and a write either supersedes all that its coordinator holds or joins it.
//!
//! The clock is a set of dots ([`crate::object`]), a version vector as long as nothing is missing. A write whose
//! context covers the coordinator's clock takes the object over; any other write becomes one more sibling, also of
//! versions that it had read: two clients that take turns on one coordinator make a sibling a write (the *sibling
//! explosion*), as in Riak before dotted version vectors.
//!
//! Clocks grow with every node, life and epoch that ever wrote; they can be pruned. What is pruned is forgotten: a
//! replica that still holds a version which the pruned actor had superseded makes a sibling of it again, and a replica
//! that was pruned itself counts from 1 again, unless `epochs = "key"`. Pruning in repair undoes the repair: replicas
//! of which one has the actor and the other prunes it differ, and are repaired at every read, for ever.
//!
//! Reference: DeCandia et al., Dynamo, SOSP 2007, §4.4. Departs from it in two ways. Dynamo's coordinators are
//! replicas; here any node or gateway may coordinate, and stamps from a counter of its own per key, whose dots stand
//! alone, so its writes never cover what their context does not. And each version remembers the dot that stamped it, so
//! joining replicas is exact in any order. Pruning: Riak KV, `vclock.erl` and `riak_kv_vnode.erl` (which prunes what is
//! put and not what is repaired); an actor that stamped a version that is held stays.

use super::{Build, Epochs, Updated, Versioning, Versions, Write};
use crate::context_check::ContextCheck;
use crate::dated_set::{self, Bounds, dots};
use crate::{dot_set, object};
use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tidemark_proto::id::Actor;
use tidemark_proto::message::Method;
use tidemark_proto::registry::{Entry, Options, Promise, parse, resolve, schema};
use tidemark_proto::span::Span;
use tidemark_proto::time::{Now, Timestamp, nanoseconds};

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "vector",
    about: "one version vector per object; a write with an outdated context becomes a sibling",
    promises: &[Promise::KeepsConcurrent],
    resolve: resolve::<VectorOptions>,
    schema: schema::<VectorOptions>,
    build: |options: &Options, seat| {
        let options = parse(options)?;
        Ok(Box::new(Vector {
            options,
            seed: seat.seed,
        }))
    },
};

/// What clients may write with, and what clocks forget.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct VectorOptions {
    /// Which contexts of clients are refused.
    context_check: ContextCheck,
    /// When a replica counts as somebody new.
    epochs: Epochs,
    /// What is pruned; the promise holds without, and with `epochs = "key"`.
    prune: Prune,
    /// A clock of no more actors is never pruned.
    small_vclock: u32,
    /// A clock of more actors is pruned down to so many. Too small: siblings that had been superseded; too large:
    /// long clocks in every message.
    big_vclock: u32,
    /// An actor that wrote within this time is never pruned.
    young_vclock: Span,
    /// An actor that has not written for longer is pruned from all but small clocks.
    old_vclock: Span,
}

/// Which clocks are pruned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Prune {
    /// None.
    Off,
    /// Those of writes, when their coordinator stamps them and when they come to a replica.
    Writes,
    /// And those that repair brings.
    Everywhere,
}

impl Default for VectorOptions {
    fn default() -> Self {
        Self {
            context_check: ContextCheck::default(),
            epochs: Epochs::default(),
            prune: Prune::Off,
            small_vclock: 50,
            big_vclock: 50,
            young_vclock: Span(Duration::from_secs(20)),
            old_vclock: Span(Duration::from_secs(24 * 60 * 60)),
        }
    }
}

struct Vector {
    options: VectorOptions,
    seed: u64,
}

impl Versioning for Vector {
    fn update(&mut self, stored: &Versions, write: Write<'_>) -> Updated {
        let now = write.now;
        let held = object::clock_of(stored);
        let dot = object::next_dot(held, &write);
        let date = (self.options.prune != Prune::Off).then_some(now.wall);
        let context = Bytes::from(dated_set::with(write.context, dot, date));
        let takes_over = dot_set::covers(dots(write.context), dots(held));
        let written = if takes_over {
            object::with_written([].iter(), dot, write, &context)
        } else {
            let clock = dated_set::join(&context, held);
            object::with_written(stored.iter(), dot, write, &clock)
        };
        let versions = self.pruned(written, now.wall, Method::Put);
        Updated {
            held: versions.clone(),
            sent: versions,
            context,
        }
    }

    fn sync(&self, a: &Versions, b: &Versions) -> Versions {
        object::sync(a, b)
    }

    fn receive(&mut self, now: Now, held: &Versions, came: &Versions, by: Method) -> Versions {
        self.pruned(object::sync(held, came), now.wall, by)
    }

    fn resolve(&self, versions: &Versions) -> Bytes {
        object::context_of(versions)
    }

    fn describe(&self, clock: &[u8]) -> Vec<(Actor, u64)> {
        object::describe(clock)
    }

    fn seal(&self, key: &[u8], context: Bytes) -> Bytes {
        self.options.context_check.seal(self.seed, key, context)
    }

    fn open(&self, key: &[u8], given: &Bytes) -> Option<Bytes> {
        let context = self.options.context_check.open(self.seed, key, given)?;
        dated_set::is_valid(&context).then_some(context)
    }

    fn admits(&self, context: &[u8], stored: &Versions) -> bool {
        let held = object::clock_of(stored);
        self.options.context_check.admits(context, held)
    }

    fn actor(&self, stored: &Versions, first: Actor) -> Option<Actor> {
        match self.options.epochs {
            Epochs::Life => Some(first),
            Epochs::Key => object::last_actor(stored, first),
        }
    }

    fn accepts_versions(&self, versions: &Versions) -> bool {
        object::is_valid(versions)
    }
}

impl Vector {
    /// The versions as they are held if a message of this method brought them.
    fn pruned(&self, versions: Versions, now: Timestamp, by: Method) -> Versions {
        let is_write = matches!(by, Method::Put | Method::Delete | Method::Store);
        match self.options.prune {
            Prune::Writes if is_write => {}
            Prune::Everywhere => {}
            Prune::Off | Prune::Writes => return versions,
        }
        let bounds = Bounds {
            small: self.options.small_vclock as usize,
            big: self.options.big_vclock as usize,
            young: nanoseconds(self.options.young_vclock.0),
            old: nanoseconds(self.options.old_vclock.0),
        };
        let stamping: Vec<_> = versions
            .iter()
            .map(|version| object::dot_of(version).actor)
            .collect();
        match dated_set::prune(object::clock_of(&versions), bounds, now, &stamping) {
            Some(clock) => object::under(&clock, &versions),
            None => versions,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Stamp;
    use super::*;
    use tidemark_proto::id::{NodeId, OperationId};
    use tidemark_proto::wire::StoredVersion;

    fn vector(options: VectorOptions) -> Vector {
        Vector { options, seed: 1 }
    }

    fn write(sequence: u64, context: &[u8], stamp: Stamp) -> Write<'_> {
        let second = Duration::from_secs(sequence);
        Write {
            context,
            value: Some(Bytes::from_static(b"value")),
            operation: OperationId::new(NodeId::client(1), sequence),
            stamp,
            now: Now::at(Timestamp(0), second),
        }
    }

    fn node(number: u16) -> Stamp {
        Stamp::Replica(Actor::new(NodeId::node(number), 1, 1))
    }

    fn sequences(versions: &Versions) -> Vec<u64> {
        let sequence =
            |version: &StoredVersion| OperationId::from_bits(version.operation).sequence();
        versions.iter().map(sequence).collect()
    }

    /// If this fails, a write replaces what its client had not seen, or stands beside what it had.
    #[test]
    fn a_write_takes_over_what_it_has_seen_and_joins_what_it_has_not() {
        let mut vector = vector(VectorOptions::default());
        let gateway = Stamp::Outside(Actor::new(NodeId::gateway(1), 1, 1), 7);
        let nothing = Versions::new();
        let one = vector.update(&nothing, write(1, &[], node(1)));
        let two = vector.update(&one.held, write(2, &[], node(1)));
        let both = vector.resolve(&two.held);
        let mut check = |stamp, seen: &[u8], held: &Versions, left: &[u64]| {
            let updated = vector.update(held, write(9, seen, stamp));
            assert_eq!(sequences(&updated.held), left);
            assert!(vector.accepts_versions(&updated.held));
        };
        check(node(1), &[], &nothing, &[9]);
        check(node(1), &both, &two.held, &[9]);
        check(node(1), &one.context, &one.held, &[9]);
        check(node(1), &one.context, &two.held, &[1, 2, 9]);
        check(node(1), &[], &two.held, &[1, 2, 9]);
        check(gateway, &both, &nothing, &[9]);
    }

    /// If this fails, a peer can make a node hold what it cannot join again.
    #[test]
    fn versions_that_no_update_gives_are_refused() {
        let mut vector = vector(VectorOptions::default());
        let one = vector.update(&Versions::new(), write(1, &[], node(1))).held;
        let two = vector.update(&one, write(2, &[], node(1))).held;
        let length = dot_set::Dot::LENGTH;
        let with_clock = |clock: Bytes| {
            vec![StoredVersion {
                clock,
                ..two[0].clone()
            }]
        };
        let refused = [
            ("no clock", with_clock(Bytes::new())),
            ("a dot alone", with_clock(two[0].clock.slice(..length))),
            ("half a dot", with_clock(two[0].clock.slice(..length / 2))),
            (
                "no whole record",
                with_clock(two[0].clock.slice(..two[0].clock.len() - 1)),
            ),
            ("the wrong order", vec![two[1].clone(), two[0].clone()]),
            ("a version twice", vec![two[0].clone(), two[0].clone()]),
            ("two clocks", vec![one[0].clone(), two[1].clone()]),
        ];
        assert!(vector.accepts_versions(&two));
        for (what, versions) in refused {
            assert!(!vector.accepts_versions(&versions), "{what}");
        }
    }

    /// Each of four nodes writes over what the one before wrote, then a repair brings node 4 the whole clock. If this
    /// fails, clocks that should be pruned are kept, or a repair is undone and replicas are repaired for ever.
    #[test]
    fn writes_are_pruned_and_repairs_only_if_asked_for() {
        let check = |prune, written: &[u64], repaired: &[u64]| {
            let mut vector = vector(VectorOptions {
                prune,
                small_vclock: 1,
                big_vclock: 2,
                young_vclock: Span(Duration::ZERO),
                ..VectorOptions::default()
            });
            let mut unpruned = self::vector(VectorOptions {
                prune: Prune::Writes,
                ..VectorOptions::default()
            });
            let (mut held, mut all) = (Versions::new(), Versions::new());
            for number in 1..=4 {
                let [seen, whole] = [&held, &all].map(|versions| vector.resolve(versions));
                held = vector
                    .update(&held, write(number.into(), &seen, node(number)))
                    .held;
                all = unpruned
                    .update(&all, write(number.into(), &whole, node(number)))
                    .held;
            }
            let nodes = |versions: &Versions| -> Vec<u64> {
                let actors = object::describe(&versions[0].clock).into_iter();
                actors
                    .map(|(actor, _)| actor.node().number().into())
                    .collect()
            };
            assert_eq!(nodes(&held), written, "{prune:?}");
            assert_eq!(nodes(&all), [1, 2, 3, 4]);
            let now = Now::at(Timestamp(0), Duration::from_secs(5));
            let after = vector.receive(now, &held, &all, Method::Repair);
            assert_eq!(nodes(&after), repaired, "{prune:?}");
            assert_eq!(sequences(&after), [4]);
            assert!(vector.accepts_versions(&after));
            assert!(vector.open(b"key", &vector.resolve(&after)).is_some());
        };
        check(Prune::Off, &[1, 2, 3, 4], &[1, 2, 3, 4]);
        check(Prune::Writes, &[3, 4], &[1, 2, 3, 4]);
        check(Prune::Everywhere, &[3, 4], &[3, 4]);
    }
}
