//! Time as an argument: what the driver tells the core that the time is.

use std::time::Duration;

/// The time at which an input is handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Since the run's epoch, on a clock that never jumps: timers use it.
    pub elapsed: Duration,
    /// What the node's wall clock says: stamps use it. A skewed clock moves only this.
    pub wall: Timestamp,
}

impl Now {
    /// The time `elapsed` after an epoch at which the wall clock said `epoch`.
    #[must_use]
    pub fn at(epoch: Timestamp, elapsed: Duration) -> Self {
        Self {
            elapsed,
            wall: Timestamp(epoch.0.saturating_add(nanoseconds(elapsed))),
        }
    }
}

/// Nanoseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub u64);

/// A duration in whole nanoseconds, at most 584 years.
#[must_use]
pub fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
