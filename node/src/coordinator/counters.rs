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
    /// Never iterated.
    last: HashMap<Bytes, u32, FixedState>,
}

impl Counters {
    /// The next number for a key, and the actor that counts.
    pub(super) fn next(&mut self, context: &Context<'_>, key: &Bytes) -> (Actor, u32) {
        if self.last.len() >= context.limits.counters as usize && !self.last.contains_key(key) {
            self.epochs_over += 1;
            self.epoch = self.epochs_over;
            self.last.clear();
        }
        let last = self.last.entry(key.clone()).or_default();
        *last += 1;
        (Actor::new(context.id, context.life, 1 + self.epoch), *last)
    }

    /// An actor who has never counted.
    pub(super) fn new_actor(&mut self, context: &Context<'_>) -> Actor {
        self.epochs_over += 1;
        Actor::new(context.id, context.life, 1 + self.epochs_over)
    }
}
