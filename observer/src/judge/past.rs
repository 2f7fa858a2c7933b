//! What is left of the writes of a key that are forgotten: enough for every read that supersedes all of them, or none.

use super::order::{Moment, precedes};
use crate::ranges::Ranges;
use std::time::Duration;

/// The forgotten writes of a key. All of them began before those that are remembered, but for some that are kept.
#[derive(Default)]
pub(super) struct Past {
    /// The first that was never up for being forgotten.
    pub(super) base: u32,
    /// Those of them that no read can miss: they were deleted, or nobody acknowledged them and nobody saw them.
    pub(super) idle: Ranges,
    /// Those that were acknowledged, deletes included.
    pub(super) complete: Missed,
    /// Those of them that are puts and were not deleted.
    pub(super) lasting: Missed,
    /// The last finish of one that was acknowledged.
    pub(super) last: Option<Moment>,
    /// The first return of a read that had found one of the others.
    pub(super) seen: Option<Duration>,
    /// A read has returned one since: what it saw is not known.
    pub(super) is_asked_for: bool,
    /// What their deletes have deleted that may have taken effect.
    pub(super) deleted: Ranges,
    /// The last finish of one of those deletes.
    pub(super) last_delete: Option<Moment>,
    /// What those of them have deleted that were acknowledged and had a context.
    pub(super) surely_deleted: Option<Ranges>,
}

/// Writes that a read misses together.
#[derive(Clone, Copy, Default)]
pub(super) struct Missed {
    pub(super) count: u64,
    /// The first of their finishes.
    pub(super) first: Option<Duration>,
}

impl Missed {
    pub(super) fn add(&mut self, finish: Duration) {
        self.count += 1;
        self.first = Some(self.first.map_or(finish, |first| first.min(finish)));
    }
}

/// How much of the past some versions do not supersede.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gap {
    Nothing,
    Everything,
    /// Nobody knows any more how many.
    Part,
}

impl Past {
    /// Whether all of it that was acknowledged was complete before a read began.
    pub(super) fn is_before(&self, read: Moment) -> bool {
        self.last.is_none_or(|last| precedes(last, read))
    }

    /// How much of it is not in `covered`; `kept` are those that are remembered all the same.
    pub(super) fn gap(&self, covered: &Ranges, kept: impl Iterator<Item = u32>) -> Gap {
        let inside = u64::from(covered.count_below(self.base));
        let outside = u64::from(self.base) - inside;
        if outside == 0 {
            return Gap::Nothing;
        }
        let (mut kept_inside, mut kept_outside) = (0, 0);
        for index in kept {
            match covered.contains(index) {
                true => kept_inside += 1,
                false => kept_outside += 1,
            }
        }
        if outside == kept_outside {
            return Gap::Nothing;
        }
        let idle_inside = self.idle.common(covered);
        let idle_outside = u64::from(self.idle.count_below(self.base)) - idle_inside;
        if outside == kept_outside + idle_outside {
            Gap::Nothing
        } else if inside == kept_inside + idle_inside {
            Gap::Everything
        } else {
            Gap::Part
        }
    }
}
