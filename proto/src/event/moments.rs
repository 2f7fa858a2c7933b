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
}
