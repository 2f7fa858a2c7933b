//! The inconsistency window of a write: the start of the last read that missed it minus its end.
//!
//! It is given of the acknowledged writes that some read of the load missed, in the sense of [`super::lifecycle`]; a lost
//! write's window is as long as its key was read.
//!
//! Reference: H. Wada et al., “Data consistency properties and the trade-offs in commercial cloud storages”, CIDR 2011;
//! D. Bermbach, S. Tai, “Eventual consistency: how soon is eventual?”, MW4SOC 2011.

use super::lifecycle::Lifecycle;
use crate::spread::Distribution;

/// The windows of the writes that some read missed.
pub(crate) fn windows(writes: &Lifecycle) -> Distribution {
    let mut windows = Distribution::default();
    for (_, write) in writes.missed() {
        windows.add_time(write.absent.saturating_sub(write.finish));
    }
    windows
}
