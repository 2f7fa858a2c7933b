//! What becomes of tombstones: the seam of deletion strategies.
//!
//! A tombstone says that a key is deleted. Where one is missing, a replica that missed the delete brings the key back.

mod after_repair;
mod grace;
mod hard;
mod immediate;
mod keep;

use crate::config::Choice;
use crate::context::{Context, digest};
use crate::membership::Seat;
use crate::partitioner::PreferenceList;
use crate::repair::FinishedRead;
use crate::versioning::Versions;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::message::Message;
use tidemark_proto::registry::{Entry, OptionError, Options};
use tidemark_proto::span::Span;
use tidemark_proto::wire::{self, collect::Step};

/// A way of getting rid of tombstones, or of keeping them.
pub trait Deletion: Send {
    /// Whether a replica holds on to a key of which it holds nothing but tombstones.
    fn keeps_tombstones(&self) -> bool {
        true
    }

    /// A read that this node coordinated has heard from all replicas that it will hear from.
    fn read_finished(&mut self, _context: &mut Context<'_>, _read: &FinishedRead) {}

    /// A replica holds a tombstone as well, as it was asked.
    fn held(&mut self, _context: &mut Context<'_>, _from: NodeId, _tombstone: Tombstone) {}

    /// The alarm is due.
    fn timeout(&mut self, _context: &mut Context<'_>) {}

    /// When it will be due next; at the start of a life zero, if the strategy has anything to do by itself.
    fn next_timeout(&self) -> Option<Duration> {
        None
    }
}

/// All that is held of a deleted key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tombstone {
    /// The key.
    pub key: Bytes,
    /// Of what is held of it.
    pub digest: u64,
}

impl Tombstone {
    /// The tombstone that these versions of a key are; none if they are nothing, or something else too.
    #[must_use]
    pub fn of(key: &Bytes, versions: &Versions) -> Option<Self> {
        let is_deleted = !versions.is_empty() && versions.iter().all(|one| one.value.is_none());
        is_deleted.then(|| Self {
            key: key.clone(),
            digest: digest(versions),
        })
    }

    /// Says something of it to other replicas.
    fn tell(&self, context: &mut Context<'_>, replicas: &[NodeId], step: Step) {
        let here = context.id;
        for node in replicas.iter().filter(|node| **node != here) {
            let collect = wire::Collect {
                key: self.key.clone(),
                digest: self.digest,
                step: step.into(),
            };
            context.send(*node, Message::Collect(collect));
        }
    }

    /// Removes it, if this very one is held.
    fn collect(&self, context: &mut Context<'_>) {
        // What is damaged is no tombstone that anybody could tell.
        let held = context.storage.load(&self.key).unwrap_or_default();
        if Self::of(&self.key, &held).as_ref() == Some(self) {
            let deleted = held.last().map_or(0, |version| version.operation);
            // Removing takes no room.
            let _ = context.collect(&self.key, OperationId::from_bits(deleted));
        }
    }

    /// Removes it from all replicas of its key.
    fn collect_everywhere(&self, context: &mut Context<'_>, replicas: &PreferenceList) {
        self.tell(context, replicas, Step::Remove);
        self.collect(context);
    }
}

/// A peer says something of a tombstone.
pub(crate) fn message(
    deletion: &mut dyn Deletion,
    context: &mut Context<'_>,
    from: NodeId,
    collect: wire::Collect,
) {
    let step = collect.step();
    let wire::Collect { key, digest, .. } = collect;
    let tombstone = Tombstone { key, digest };
    match step {
        Step::Ask => {
            let held = context.storage.load(&tombstone.key).unwrap_or_default();
            if Tombstone::of(&tombstone.key, &held).as_ref() == Some(&tombstone) {
                tombstone.tell(context, &[from], Step::Held);
            }
        }
        Step::Held => deletion.held(context, from, tombstone),
        Step::Remove => tombstone.collect(context),
    }
}

/// How often a node looks for tombstones, and how far it gets.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Pace {
    /// The time between two looks. Too short: work for nothing; too long: tombstones that stay.
    every: Span,
    /// Keys looked at each time. Too few: a round of all keys takes long; too many: requests that wait for it.
    #[schemars(range(min = 1))]
    keys: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            every: Span(Duration::from_secs(1)),
            keys: 1_000,
        }
    }
}

/// Rounds through all that a node holds, some keys at a time.
struct Rounds {
    pace: Pace,
    next: Duration,
    /// The last key that was looked at in this round.
    after: Option<Bytes>,
    /// How many rounds are over.
    over: u64,
}

impl Rounds {
    fn new(pace: Pace) -> Result<Self, OptionError> {
        for (name, is_zero) in [("every", pace.every.0.is_zero()), ("keys", pace.keys == 0)] {
            if is_zero {
                let reason = format!("{name} is 0; no round would ever end");
                return Err(OptionError::of(format!("pace.{name}"), reason));
            }
        }
        Ok(Self {
            pace,
            next: Duration::ZERO,
            after: None,
            over: 0,
        })
    }

    /// The tombstones among the next keys.
    fn look(&mut self, context: &Context<'_>) -> Vec<Tombstone> {
        self.next = context.now.elapsed + self.pace.every.0;
        let limit = self.pace.keys as usize;
        let keys = context
            .storage
            .keys(0..=u64::MAX, self.after.as_ref(), limit);
        self.after = keys.last().filter(|_| keys.len() == limit).cloned();
        self.over += u64::from(self.after.is_none());
        let tombstone = |key| Tombstone::of(key, &context.storage.load(key).unwrap_or_default());
        keys.iter().filter_map(tombstone).collect()
    }
}

/// The strategy of who says nothing of it.
pub(crate) fn by_default() -> Choice {
    Choice {
        kind: keep::ENTRY.name.to_owned(),
        options: Options::new(),
    }
}

/// How an entry is built.
pub type Build = fn(&Options, Seat) -> Result<Box<dyn Deletion>, OptionError>;

/// Every deletion strategy.
pub const ENTRIES: &[Entry<Build>] = &[
    keep::ENTRY,
    grace::ENTRY,
    after_repair::ENTRY,
    immediate::ENTRY,
    hard::ENTRY,
];
