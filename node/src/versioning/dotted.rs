//! Dotted version vector sets: a write supersedes exactly the siblings that its context covers, and joins the others.
//!
//! An object is one clock and, for each sibling, the dot that stamped it ([`crate::object`]), so a context that is
//! behind still says which siblings its client had read: clients that take turns on one coordinator leave at most one
//! sibling each, where one vector per object keeps them all.
//!
//! Reference: Preguiça, Baquero, Almeida, Fonte, Gonçalves, Dotted version vectors: efficient causality tracking for
//! distributed key-value stores, PODC 2012; Almeida, Baquero, Gonçalves, Preguiça, Fonte, Scalable and accurate
//! causality tracking for eventually consistent stores, DAIS 2014, §4 (`update`, `sync`, `discard`). Departs from it
//! where a coordinator that holds no replica stamps: the paper's are replicas and count without gaps; here such a
//! coordinator counts for itself, and its dots stand alone in the clock until the rest of its run is there.

use super::{Build, Epochs, Updated, Versioning, Versions, Write};
use crate::context_check::ContextCheck;
use crate::dot_set;
use crate::object;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidemark_proto::id::Actor;
use tidemark_proto::registry::{Entry, Options, Promise, parse, resolve, schema};

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "dotted",
    about: "dotted version vector sets: a write supersedes exactly the siblings that it had read",
    promises: &[Promise::KeepsConcurrent, Promise::SupersedesWhatWasRead],
    resolve: resolve::<DottedOptions>,
    schema: schema::<DottedOptions>,
    build: |options: &Options, seat| {
        let options = parse(options)?;
        Ok(Box::new(Dotted {
            options,
            seed: seat.seed,
        }))
    },
};

/// What clients may write with, and as whom replicas count.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct DottedOptions {
    /// Which contexts of clients are refused.
    context_check: ContextCheck,
    /// When a replica counts as somebody new.
    epochs: Epochs,
}

struct Dotted {
    options: DottedOptions,
    seed: u64,
}

impl Versioning for Dotted {
    fn update(&mut self, stored: &Versions, write: Write<'_>) -> Updated {
        let held = object::clock_of(stored);
        let dot = object::next_dot(held, &write);
        let seen = write.context;
        let context = Bytes::from(dot_set::with(seen, dot));
        let unread = stored
            .iter()
            .filter(|version| !dot_set::contains(seen, object::dot_of(version)));
        let versions = object::with_written(unread, dot, write, &dot_set::join(&context, held));
        Updated {
            held: versions.clone(),
            sent: versions,
            context,
        }
    }

    fn sync(&self, a: &Versions, b: &Versions) -> Versions {
        object::sync(a, b)
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
        dot_set::is_valid(&context).then_some(context)
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
        object::is_valid(versions) && dot_set::is_valid(object::clock_of(versions))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Stamp;
    use super::*;
    use std::time::Duration;
    use tidemark_proto::id::{NodeId, OperationId};
    use tidemark_proto::time::{Now, Timestamp};

    // The cases of Almeida et al.'s own tests (`dvvset.erl`): join, update, sync, syn_update, event, less and
    // ids_values. Theirs are of lww, reconcile, map and of anonymous values where ours has none; an object without
    // values (`X`, `W`) has that of another actor's write instead.

    fn dotted() -> Dotted {
        Dotted {
            options: DottedOptions::default(),
            seed: 1,
        }
    }

    fn actor(letter: char) -> Actor {
        let number = letter as u16 - 'a' as u16 + 1;
        Actor::new(NodeId::node(number), 1, 1)
    }

    /// `update(new(seen, [value]), object, by)`.
    fn update(seen: &[u8], value: &'static str, object: &Versions, by: char) -> Versions {
        let write = Write {
            context: seen,
            value: Some(Bytes::from(value)),
            operation: OperationId::NONE,
            stamp: Stamp::Replica(actor(by)),
            now: Now::at(Timestamp(0), Duration::ZERO),
        };
        dotted().update(object, write).held
    }

    fn new(value: &'static str, by: char) -> Versions {
        update(&[], value, &Versions::new(), by)
    }

    /// `join`: the clock of an object, as a context.
    fn join(object: &Versions) -> Bytes {
        dotted().resolve(object)
    }

    fn sync(a: &Versions, b: &Versions) -> Versions {
        let synced = dotted().sync(a, b);
        assert_eq!(synced, dotted().sync(b, a));
        synced
    }

    /// Whether one object's history is a part of the other's, and not all of it.
    fn less(a: &Versions, b: &Versions) -> bool {
        let (a, b) = (join(a), join(b));
        a != b && dot_set::covers(&b, &a)
    }

    /// Holds an object to what dvvset.erl gives: of each actor its counter and its values, the newest first.
    #[track_caller]
    fn check(object: &Versions, expected: &[(char, u64, &[&str])]) {
        let entries = dotted().describe(&join(object)).into_iter();
        let entry = |(who, counter): (Actor, u64)| {
            let of_actor = object.iter().filter(|v| object::dot_of(v).actor == who);
            let values = of_actor.filter_map(|version| version.value.clone()).rev();
            let values: Vec<_> = values
                .map(|value| String::from_utf8(value.to_vec()).unwrap())
                .collect();
            (who, counter, values)
        };
        let entries: Vec<_> = entries.map(entry).collect();
        let expected = expected.iter().map(|(who, counter, values)| {
            let values = values.iter().map(|value| (*value).to_owned()).collect();
            (actor(*who), *counter, values)
        });
        assert_eq!(entries, expected.collect::<Vec<_>>());
        assert!(dotted().accepts_versions(object));
    }

    /// `join_test`. If this fails, a context does not say what was read.
    #[test]
    fn a_context_has_the_counters_of_its_object() {
        let describe = |object: &Versions| dotted().describe(&join(object));
        let a1 = new("v1", 'a');
        let b1 = update(&join(&a1), "v2", &a1, 'b');
        assert_eq!(describe(&Versions::new()), []);
        assert_eq!(describe(&a1), [(actor('a'), 1)]);
        assert_eq!(describe(&b1), [(actor('a'), 1), (actor('b'), 1)]);
    }

    /// `update_test`, `syn_update_test` and `event_test`. If this fails, a write supersedes what its client had not
    /// read, or leaves what it had.
    #[test]
    fn a_write_supersedes_what_its_context_covers() {
        let a0 = new("v1", 'a');
        let a1 = update(&join(&a0), "v2", &a0, 'a');
        check(&a0, &[('a', 1, &["v1"])]);
        check(&a1, &[('a', 2, &["v2"])]);
        let after = |seen: &Versions, value, by| update(&join(seen), value, &a1, by);
        check(&after(&a1, "v3", 'b'), &[('a', 2, &[]), ('b', 1, &["v3"])]);
        check(
            &after(&a0, "v4", 'b'),
            &[('a', 2, &["v2"]), ('b', 1, &["v4"])],
        );
        check(&after(&a0, "v5", 'a'), &[('a', 3, &["v5", "v2"])]);
        // Mary writes v1 and v2 without a context; Peter, who has read v1, writes v3.
        let mary = update(&[], "v2", &a0, 'a');
        let peter = update(&join(&a0), "v3", &mary, 'a');
        check(&mary, &[('a', 2, &["v2", "v1"])]);
        check(&peter, &[('a', 3, &["v3", "v2"])]);
        let other = update(&[], "v2", &a0, 'b');
        check(&other, &[('a', 1, &["v1"]), ('b', 1, &["v2"])]);
    }

    /// `sync_test`. If this fails, replicas that meet forget a sibling, or keep one that was superseded.
    #[test]
    fn replicas_that_meet_keep_what_neither_knows_to_be_superseded() {
        let (a, y) = (new("v1", 'a'), new("v2", 'b'));
        let a1 = update(&join(&a), "v2", &a, 'a');
        let nothing = Versions::new();
        let [a3, a4] = ['b', 'c'].map(|by| update(&join(&a1), "v3", &nothing, by));
        let both = [('a', 2, &[][..]), ('b', 1, &["v3"]), ('c', 1, &["v3"])];
        check(&sync(&a4, &a3), &both);
        check(&sync(&a, &a1), &[('a', 2, &["v2"])]);
        check(&sync(&a, &y), &[('a', 1, &["v1"]), ('b', 1, &["v2"])]);
        assert_eq!(sync(&a4, &a4), a4);
        // W has seen v1 superseded, Z holds it beside v2.
        let (w, z) = (update(&join(&a), "w", &a, 'x'), update(&[], "v2", &a, 'a'));
        check(&z, &[('a', 2, &["v2", "v1"])]);
        check(&sync(&w, &z), &[('a', 2, &["v2"]), ('x', 1, &["w"])]);
    }

    /// `less_test`. If this fails, one history is taken for a part of another, and its versions are dropped.
    #[test]
    fn histories_are_compared_as_theirs() {
        let nothing = Versions::new();
        let a = new("v1", 'a');
        let b = update(&join(&a), "v2", &nothing, 'a');
        let b2 = update(&join(&a), "v2", &nothing, 'b');
        let b3 = update(&join(&a), "v2", &nothing, 'z');
        let c = update(&join(&b), "v3", &a, 'c');
        let d = update(&join(&c), "v4", &b2, 'd');
        for (less_one, more) in [(&a, &b), (&a, &c), (&b, &c), (&b, &d), (&b2, &d), (&a, &d)] {
            assert!(less(less_one, more));
            assert_eq!(sync(less_one, more), *more);
        }
        let others = [
            (&b2, &c),
            (&b, &b2),
            (&b2, &b),
            (&a, &a),
            (&c, &c),
            (&d, &b2),
            (&b3, &d),
        ];
        for (one, other) in others {
            assert!(!less(one, other));
        }
    }

    /// If this fails, a coordinator that holds no replica supersedes a write that its client never read, or is
    /// superseded by one whose client had not read its own.
    #[test]
    fn a_dot_from_outside_stands_alone() {
        let stamp = |counter| Stamp::Outside(actor('g'), counter);
        let write = |value, counter| Write {
            context: &[],
            value: Some(Bytes::from_static(value)),
            operation: OperationId::NONE,
            stamp: stamp(counter),
            now: Now::at(Timestamp(0), Duration::ZERO),
        };
        let [first, second] = [(b"v1", 1), (b"v2", 2)].map(|(value, counter)| {
            dotted()
                .update(&Versions::new(), write(value, counter))
                .sent
        });
        let held = sync(&new("v3", 'a'), &second);
        check(&held, &[('a', 1, &["v3"]), ('g', 2, &["v2"])]);
        let held = sync(&held, &first);
        check(&held, &[('a', 1, &["v3"]), ('g', 2, &["v2", "v1"])]);
        let over_all = update(&join(&held), "v4", &held, 'a');
        check(
            &sync(&over_all, &first),
            &[('a', 2, &["v4"]), ('g', 2, &[])],
        );
    }
}
