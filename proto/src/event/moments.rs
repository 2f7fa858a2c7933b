//! The moments in an event.

use super::Event;
use std::time::Duration;

impl Event {
    /// When it was seen; what has no time of its own was seen at the start.
    #[must_use]
    pub fn at(&self) -> Duration {
        match self {
            Self::Invoked(invocation) => invocation.invoked,
            Self::Returned(operation) => operation.returned,
            Self::Placed { .. } => Duration::ZERO,
            Self::Stored(stored) => stored.at,
            Self::Upkeep(upkeep) => upkeep.at,
            Self::Fate(passage) => passage.at,
            Self::Fault(span) => span.from,
            Self::Gap(gap) => gap.until,
            Self::Sent { at, .. }
            | Self::Received { at, .. }
            | Self::Refused { at, .. }
            | Self::Machine { at, .. }
            | Self::Milestone { at, .. } => *at,
        }
    }

    /// Calls `f` with each moment in it; what is no moment but a length of time is none.
    pub fn each_moment(&mut self, mut f: impl FnMut(&mut Duration)) {
        let mut all = |moments: &mut [&mut Duration]| moments.iter_mut().for_each(|at| f(at));
        match self {
            Self::Invoked(invocation) => {
                all(&mut [&mut invocation.intended, &mut invocation.invoked])
            }
            Self::Returned(operation) => all(&mut [
                &mut operation.intended,
                &mut operation.invoked,
                &mut operation.returned,
            ]),
            Self::Placed { .. } => {}
            Self::Stored(stored) => all(&mut [&mut stored.at]),
            Self::Upkeep(upkeep) => all(&mut [&mut upkeep.at]),
            Self::Fate(passage) => all(&mut [&mut passage.at]),
            Self::Fault(span) => {
                all(&mut [&mut span.from, &mut span.until]);
                if let Some((from, until)) = &mut span.series {
                    all(&mut [from, until]);
                }
            }
            Self::Gap(gap) => all(&mut [&mut gap.from, &mut gap.until]),
            Self::Sent { at, .. }
            | Self::Received { at, .. }
            | Self::Refused { at, .. }
            | Self::Machine { at, .. }
            | Self::Milestone { at, .. } => all(&mut [at]),
        }
    }
}
