//! A tombstone is collected by each replica for itself, some time after that replica first found it.
//!
//! A replica that was away for longer than that, and that no hint told of the delete, brings the key back when it is
//! repaired: the grace must be longer than any absence, or every replica must be repaired within it.
//!
//! Reference: Apache Cassandra, `gc_grace_seconds`. Departs from it where the time begins: versions have no time of their
//! own, so it is when the node's rounds first found the tombstone, in this life.

use super::{Build, Deletion, Pace, Rounds, Tombstone};
use crate::context::Context;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use tidemark_proto::registry::{Entry, Options, parse, resolve, schema};
use tidemark_proto::span::Span;

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "grace",
    about: "each replica collects a tombstone some time after it found it, whoever else has it",
    promises: &[],
    resolve: resolve::<GraceOptions>,
    schema: schema::<GraceOptions>,
    build: |options: &Options, _| {
        let options: GraceOptions = parse(options)?;
        Ok(Box::new(Grace {
            rounds: Rounds::new(options.pace)?,
            options,
            found: BTreeMap::new(),
        }))
    },
};

/// How long tombstones are kept.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct GraceOptions {
    /// How long. Shorter than a replica's absence: deleted keys come back; too long: tombstones in every answer.
    after: Span,
    /// How often and how far a node looks for them.
    pace: Pace,
    /// Tombstones that wait at once; others wait until these are gone. Too few: they stay longer; too many: memory.
    waiting: u32,
}

impl Default for GraceOptions {
    fn default() -> Self {
        Self {
            after: Span(Duration::from_secs(10 * 24 * 60 * 60)),
            pace: Pace::default(),
            waiting: 1_000_000,
        }
    }
}

struct Grace {
    options: GraceOptions,
    rounds: Rounds,
    /// Of each tombstone: when it was found, and in which round it was last seen.
    found: BTreeMap<Tombstone, (Duration, u64)>,
}

impl Deletion for Grace {
    fn timeout(&mut self, context: &mut Context<'_>) {
        let (now, round) = (context.now.elapsed, self.rounds.over);
        for tombstone in self.rounds.look(context) {
            let since = self.found.get(&tombstone).map_or(now, |(since, _)| *since);
            if now - since >= self.options.after.0 {
                tombstone.collect(context);
                self.found.remove(&tombstone);
            } else if self.found.len() < self.options.waiting as usize
                || self.found.contains_key(&tombstone)
            {
                self.found.insert(tombstone, (since, round));
            }
        }
        if self.rounds.over > round {
            self.found.retain(|_, (_, seen)| *seen == round);
        }
    }

    fn next_timeout(&self) -> Option<Duration> {
        Some(self.rounds.next)
    }
}
