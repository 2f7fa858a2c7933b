//! Seen and then gone: a read lacks what an earlier read, of anybody, had returned, though nothing superseded or deleted it.
//!
//! Monotonic reads (Terry et al., PDIS 1994) across all clients. Earlier is a read that was over when this one started; the
//! opportunities are the reads of keys with such a read.

use super::read_share::ReadShare;

pub(crate) fn seen_then_gone() -> ReadShare {
    ReadShare::new("seen then gone", |_, judgement| judgement.gone)
}
