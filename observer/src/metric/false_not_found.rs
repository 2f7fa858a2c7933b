//! False not-found: a read returns nothing although an acknowledged write that no delete excuses was complete before it
//! started.
//!
//! The opportunities are the reads that could have been stale. Every one that counts is stale; of those that are stale it
//! is the part whose client believes that the key was never there.

use super::read_share::ReadShare;

pub(crate) fn false_not_found() -> ReadShare {
    ReadShare::new("false not-found", |read, judgement| {
        Some(read.versions.is_empty() && judgement.multi_value.is_some())
    })
}
