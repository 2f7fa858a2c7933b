//! Lost updates: an acknowledged write that knew an earlier one is lost, and in its place is another that did not know it.
//!
//! An *update* is a write that supersedes something. Among the acknowledged ones, a lost update is one that the last read of
//! its key missed, in the sense of [`super::lifecycle`], while it returned an update that neither supersedes it nor is
//! superseded by it: both had read, both have written, and one of them for nothing.
//!
//! Reference: H. Berenson et al., “A critique of ANSI SQL isolation levels”, SIGMOD 1995, §4.1 (P4).

use super::Run;
use super::lifecycle::{Lifecycle, named};
use crate::figures::Rate;
use crate::tally::shares;

/// How many updates are lost, none if there was none; and the first of them.
pub(crate) fn lost_updates(writes: &Lifecycle, run: &Run<'_>) -> (Option<Rate>, Vec<String>) {
    let mut updates = writes.updates.clone();
    let mut lost = Vec::new();
    for (id, write) in writes.missed() {
        if write.is_lost_update && writes.is_lost(write) {
            updates.mark(run.block(write.finish));
            lost.push(id);
        }
    }
    let rate = shares(&[updates], run.seed, "lost updates").whole;
    ((rate.of > 0).then_some(rate), named(lost))
}
