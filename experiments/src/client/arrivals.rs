//! When operations begin: open loop, whatever becomes of those before.

use super::options::{Arrivals, ClientOptions};
use rand::Rng;
use rand_xoshiro::Xoshiro256PlusPlus;
use std::time::Duration;

/// The times of a run's arrivals.
pub(super) struct ArrivalTimes {
    spacing: Arrivals,
    /// Per second.
    rate: f64,
    /// No arrival is at this time or later.
    end: Duration,
    chance: Xoshiro256PlusPlus,
}

impl ArrivalTimes {
    pub(super) fn new(options: &ClientOptions, end: Duration, chance: Xoshiro256PlusPlus) -> Self {
        Self {
            spacing: options.arrivals,
            rate: options.rate,
            end,
            chance,
        }
    }

    /// The arrival after another; none: there are no more.
    pub(super) fn after(&mut self, last: Duration) -> Option<Duration> {
        let gap = match self.spacing {
            Arrivals::Fixed => 1.0,
            Arrivals::Poisson => exponential(&mut self.chance),
        };
        let next = last + Duration::from_nanos((gap / self.rate * 1e9).round() as u64);
        (next < self.end).then_some(next)
    }
}

/// A number of the exponential distribution with mean 1.
pub(super) fn exponential(chance: &mut Xoshiro256PlusPlus) -> f64 {
    // From 0 (excluded) to 1: its logarithm is finite.
    let unit = ((chance.next_u64() >> 11) + 1) as f64 / (1u64 << 53) as f64;
    -libm::log(unit)
}
