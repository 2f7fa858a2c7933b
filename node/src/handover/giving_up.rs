//! After a change: a node drops the keys that are others' now, a page at a time, and whoever comes first in a key's new
//! list says who holds it.

use super::HandoverOptions;
use crate::context::Context;
use crate::partitioner::PreferenceList;
use bytes::Bytes;
use std::time::Duration;
use tidemark_proto::id::OperationId;
use tidemark_proto::message::Method;
use tidemark_proto::upkeep::Chore;

/// How far a node is in giving up what is no longer its own.
pub(super) struct GivingUp {
    due: Duration,
    behind: Option<Bytes>,
    dropped: u64,
}

impl GivingUp {
    pub(super) fn new(due: Duration) -> Self {
        Self {
            due,
            behind: None,
            dropped: 0,
        }
    }

    pub(super) fn next_timeout(&self) -> Duration {
        self.due
    }

    /// Takes up the next page if it is time. Tells whether it was the last.
    pub(super) fn timeout(&mut self, context: &mut Context<'_>, options: &HandoverOptions) -> bool {
        if self.due > context.now.elapsed {
            return false;
        }
        let batch = options.batch.max(1) as usize;
        let keys = context
            .storage
            .keys(0..=u64::MAX, self.behind.as_ref(), batch);
        for key in &keys {
            let holders = context.view.preference(key, context.replicas);
            if holders.first() == Some(&context.id) {
                context.place(key, &holders);
            }
            // Nor is it given up if the next change gives it back.
            let there = context.view.other_side(key, context.replicas);
            let is_own = |list: &PreferenceList| list.contains(&context.id);
            if !is_own(&holders) && !there.as_ref().is_some_and(is_own) {
                let gone = context.replace(key, Vec::new(), OperationId::NONE, Method::Move);
                self.dropped += u64::from(gone.is_ok());
            }
        }
        self.behind = keys.last().cloned().or(self.behind.take());
        let pause = keys.len() as f64 / f64::from(options.rate.max(1));
        self.due = context.now.elapsed + Duration::from_secs(1).mul_f64(pause);
        let is_over = keys.len() < batch;
        if is_over && self.dropped > 0 {
            let (id, dropped) = (context.id, self.dropped);
            context.note_chore(Chore::GaveUp, id, |upkeep| upkeep.count = dropped);
        }
        is_over
    }
}
