//! The numbers that a coordinator stamps with for keys of which it holds no replica, and the epochs of this life.
//!
//! Each key counts for itself, so that a clock which has seen all of them is one run. When the table is full, all
//! counters are forgotten at once and a new epoch begins: a new actor, whose numbers cannot be mistaken for old ones.

use crate::context::Context;
use bytes::Bytes;
use foldhash::fast::FixedState;
use std::collections::HashMap;
use tidemark_proto::id::Actor;

#[derive(Default)]
pub(super) struct Counters {
    epochs_over: u32,
    /// The epoch in which `last` counts, of those that are over.
    epoch: u32,
    /// The epoch in which this node counts for keys that it holds.
    replica_epoch: u32,
    /// The number of the roll of members by which both were begun.
    roll: u64,
    /// Never iterated.
    last: HashMap<Bytes, u32, FixedState>,
}

impl Counters {
    /// The next number for a key of which this node holds no replica, and the actor that counts.
    pub(super) fn next(&mut self, context: &Context<'_>, key: &Bytes) -> (Actor, u32) {
        self.follow(context);
        if self.last.len() >= context.limits.counters as usize && !self.last.contains_key(key) {
            self.epochs_over += 1;
            self.epoch = self.epochs_over;
            self.last.clear();
        }
        let last = self.last.entry(key.clone()).or_default();
        *last += 1;
        (Actor::new(context.id, context.life, 1 + self.epoch), *last)
    }

    /// As whom this node counts for keys that it holds.
    pub(super) fn replica(&mut self, context: &Context<'_>) -> Actor {
        self.follow(context);
        Actor::new(context.id, context.life, 1 + self.replica_epoch)
    }

    /// An actor who has never counted.
    pub(super) fn new_actor(&mut self, context: &Context<'_>) -> Actor {
        self.epochs_over += 1;
        Actor::new(context.id, context.life, 1 + self.epochs_over)
    }

    /// When members change, this node may come to hold a key for which it counted from outside, or the other way round, or
    /// hold again what it had given up: nothing that it counts from then on goes by an actor of before.
    fn follow(&mut self, context: &Context<'_>) {
        let roll = context.view.roll().number;
        if self.roll != roll {
            self.roll = roll;
            self.epochs_over += 1;
            self.epoch = self.epochs_over;
            self.replica_epoch = self.epochs_over;
            self.last.clear();
        }
    }
}
