//! The most that a store carries while 99 of 100 calls take less than a limit, and how long calls take at half of that.

use crate::load::{Load, Pace, Seen};
use crate::store::{Store, Work};
use crate::system::System;
use std::sync::Arc;
use std::time::Duration;

/// What a store can carry.
pub(crate) struct Capacity {
    /// Calls per second.
    pub(crate) rate: f64,
    /// How many were in flight then.
    pub(crate) in_flight: usize,
    /// At half of that rate, in an open loop; none: nothing was carried.
    pub(crate) at_half: Option<Seen>,
}

/// How a capacity is looked for.
pub(crate) struct Search {
    /// What 99 of 100 calls take at most.
    pub(crate) limit: Duration,
    /// How long every step takes.
    pub(crate) time: Duration,
}

impl Search {
    /// Doubles the calls in flight until they take too long, then looks closer, a few times each. What is too much at the
    /// first step is halved.
    pub(crate) async fn capacity(
        &self,
        work: Work,
        store: &Arc<Store>,
        system: &System,
    ) -> anyhow::Result<Capacity> {
        let mut best = Capacity {
            rate: 0.0,
            in_flight: 0,
            at_half: None,
        };
        let (mut least_bad, mut most_good) = (usize::MAX, 0);
        let mut in_flight = FIRST;
        for _ in 0..MOST_STEPS {
            let seen = self
                .step(work, Pace::InFlight(in_flight), store, system)
                .await?;
            let is_good = seen.p99 < self.limit;
            if is_good && seen.rate > best.rate {
                (best.rate, best.in_flight) = (seen.rate, in_flight);
            }
            if is_good {
                most_good = in_flight;
            } else {
                least_bad = in_flight;
            }
            in_flight = match (most_good, least_bad) {
                (good, usize::MAX) => good * 2,
                (0, bad) => bad / 2,
                (good, bad) => good.midpoint(bad),
            };
            let is_close = least_bad.saturating_sub(most_good) <= most_good / CLOSE;
            if in_flight == 0 || in_flight > store.keys() || is_close {
                break;
            }
        }
        if best.rate > 0.0 {
            let half = Pace::PerSecond(best.rate / 2.0);
            best.at_half = Some(self.step(work, half, store, system).await?);
        }
        Ok(best)
    }

    async fn step(
        &self,
        work: Work,
        pace: Pace,
        store: &Arc<Store>,
        system: &System,
    ) -> anyhow::Result<Seen> {
        let time = self.time;
        let load = Load { work, pace, time };
        let seen = load.drive(store, system).await?;
        match seen.error {
            Some(error) if seen.rate == 0.0 => Err(error.context("no call succeeded")),
            _ => Ok(seen),
        }
    }
}

/// Calls in flight at the first step.
const FIRST: usize = 32;
const MOST_STEPS: usize = 10;
/// A search ends when what is too much is so near to what is not: by an eighth.
const CLOSE: usize = 8;
