//! The clock of a run on real processes: CLOCK_MONOTONIC since the runner's epoch, so that times compare across processes.

use crate::time::{Now, Timestamp};
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Tells the time since an epoch that every process of a run was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    epoch_ns: u64,
}

impl Clock {
    /// A clock whose epoch is now.
    #[must_use]
    pub fn start() -> Self {
        Self {
            epoch_ns: read(ClockId::Monotonic),
        }
    }

    /// The clock of a run whose epoch is `epoch_ns` on CLOCK_MONOTONIC.
    #[must_use]
    pub fn since(epoch_ns: u64) -> Self {
        Self { epoch_ns }
    }

    /// The epoch, in nanoseconds on CLOCK_MONOTONIC.
    #[must_use]
    pub fn epoch_ns(self) -> u64 {
        self.epoch_ns
    }

    /// The time since the epoch; zero before it.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        Duration::from_nanos(read(ClockId::Monotonic).saturating_sub(self.epoch_ns))
    }

    /// What CLOCK_MONOTONIC of this process is called: times compare exactly between those who call it the same. It is the
    /// machine's, from its start to its end, unless the process is in a time namespace of its own.
    #[must_use]
    pub fn name() -> String {
        let booted = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
        // A kernel without time namespaces has one clock.
        let namespace = std::fs::read_link("/proc/self/ns/time");
        let [booted, namespace] = [
            booted.unwrap_or_default(),
            namespace.unwrap_or_default().display().to_string(),
        ];
        format!("{} {namespace}", booted.trim())
    }

    /// The time for an input of the core.
    #[must_use]
    pub fn now(self) -> Now {
        Now {
            elapsed: self.elapsed(),
            wall: Timestamp(read(ClockId::Realtime)),
        }
    }
}

fn read(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}
