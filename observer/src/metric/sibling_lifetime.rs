//! Sibling lifetime: from the return of the first read that returned several versions of a key until that of the first later
//! one that returned one or none.
//!
//! It is what clients see: it ends when somebody has written in place of the siblings and a read shows it. Reads of the load count,
//! in the order in which they return; a key whose last read shows siblings has a lifetime that has not ended, and is
//! counted apart.
//!
//! Reference: G. DeCandia et al., “Dynamo”, SOSP 2007, §6.3, which counts divergent versions but not for how long.

use super::{Metric, Run, Seen};
use crate::spread::Distribution;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Default)]
pub(crate) struct SiblingLifetime {
    since: BTreeMap<Bytes, Duration>,
    lifetimes: Distribution,
}

impl Metric for SiblingLifetime {
    /// The lifetimes that have ended, and how many have not.
    type Figures = (Distribution, u64);

    fn observe(&mut self, seen: &Seen<'_>) {
        let Some((read, _)) = seen.answered_read() else {
            return;
        };
        if read.versions.len() > 1 {
            if !self.since.contains_key(&read.key) {
                self.since.insert(read.key.clone(), read.returned);
            }
        } else if !self.since.is_empty()
            && let Some(since) = self.since.remove(&read.key)
        {
            self.lifetimes.add_time(read.returned.saturating_sub(since));
        }
    }

    fn report(&self, _: &Run<'_>) -> Self::Figures {
        (self.lifetimes.clone(), self.since.len() as u64)
    }
}
