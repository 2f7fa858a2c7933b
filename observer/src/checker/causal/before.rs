//! Which writes have to come before which others of the same key, so that reads are explained.

use super::pasts::Pasts;
use super::sessions::{Sessions, Source};
use std::collections::BTreeMap;

/// Pairs of writes, beyond what follows from an order that is known already.
#[derive(Default)]
pub(super) struct Before {
    /// By the later write.
    earlier: BTreeMap<u32, Vec<u32>>,
    count: usize,
}

impl Before {
    /// Adds that all other writes of the key in a read's past come before the one that it returned. Of each process only
    /// the last needs to be told.
    pub(super) fn add_of(&mut self, sessions: &Sessions, read: u32, pasts: &Pasts) {
        let Source::Write(own) = sessions.node(read).source else {
            return;
        };
        let key = sessions.node(read).key;
        for write in sessions.last_writes(key, pasts.of(read)) {
            if write != own && !pasts.precedes(sessions, write, own) {
                self.add(write, own);
            }
        }
    }

    fn add(&mut self, write: u32, later: u32) {
        let earlier = self.earlier.entry(later).or_default();
        if !earlier.contains(&write) {
            earlier.push(write);
            self.count += 1;
        }
    }

    /// The writes that come before one.
    pub(super) fn of(&self, later: u32) -> &[u32] {
        self.earlier.get(&later).map_or(&[], Vec::as_slice)
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }
}
