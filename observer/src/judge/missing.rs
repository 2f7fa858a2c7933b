//! How stale it is to miss some writes.

use super::Staleness;
use super::writes::Write;
use std::time::Duration;

/// How stale it is to miss these.
pub(super) fn staleness<'a>(
    begun: Duration,
    missed: impl Iterator<Item = &'a Write>,
) -> Option<Staleness> {
    missed.fold(None, |before, write| {
        let t = begun - write.finish().0;
        both(before, Some(Staleness { t, k: 1 }))
    })
}

/// How stale it is to miss what makes the one and what makes the other.
pub(super) fn both(one: Option<Staleness>, other: Option<Staleness>) -> Option<Staleness> {
    match (one, other) {
        (Some(one), Some(other)) => Some(Staleness {
            t: one.t.max(other.t),
            k: one.k + other.k,
        }),
        (one, other) => one.or(other),
    }
}
