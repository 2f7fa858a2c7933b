//! Unacknowledged writes that are seen: a read returns a write that failed, or of which nobody knows whether it did.
//!
//! The opportunities are the reads of keys of which such a write was over when the read started.

use super::read_share::ReadShare;

pub(crate) fn unacknowledged_seen() -> ReadShare {
    ReadShare::new("unacknowledged seen", |_, judgement| {
        judgement.unacknowledged
    })
}
