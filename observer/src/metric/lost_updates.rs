//! Lost updates: an acknowledged write that knew an earlier one is lost, and in its place is another that did not know it.
//!
//! An *update* is a write that supersedes something. Among the acknowledged ones, a lost update is one that the last read of
//! its key missed, in the sense of [`super::lifecycle`], while it returned an update that neither supersedes it nor is
//! superseded by it: both had read, both have written, and one of them for nothing.
//!
//! Reference: H. Berenson et al., “A critique of ANSI SQL isolation levels”, SIGMOD 1995, §4.1 (P4).

use super::lifecycle::{Lifecycle, named};
use crate::figures::Rate;
use crate::tally::deflated;
use tidemark_proto::id::OperationId;

/// How many updates are lost, none if there was none; and the first of them.
pub(crate) fn lost_updates(writes: &Lifecycle) -> (Option<Rate>, Vec<String>) {
    let lost = writes.missed().filter(|(_, write)| write.is_lost_update);
    let lost = lost.filter(|(_, write)| writes.is_lost(write));
    let lost: Vec<OperationId> = lost.map(|(id, _)| id).collect();
    let rate = deflated((lost.len() as u64, writes.updates), 1.0);
    ((writes.updates > 0).then_some(rate), named(lost))
}
