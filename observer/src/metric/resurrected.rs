//! Resurrected values: a read returns a value that an acknowledged delete, complete before the read started, had deleted.
//!
//! A delete deletes what its context told of, by the ancestry of [`crate::judge`]; what one without a context deletes is
//! not certain, and is not counted. The opportunities are the reads of keys with such a delete. Not only what comes back
//! is counted, but also what never left: where a delete does not supersede all that its context told of.

use super::read_share::ReadShare;

pub(crate) fn resurrected() -> ReadShare {
    ReadShare::new("resurrected", |_, judgement| judgement.resurrected)
}
