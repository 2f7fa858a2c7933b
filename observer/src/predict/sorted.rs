//! Times that a prediction came to, sorted.

use crate::figures::{IntervalMethod, Rate};
use crate::interval::wilson;

/// Times in milliseconds, sorted. Each is a 32-bit float, and so exact to 6 · 10⁻⁸ of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Sorted {
    /// How many of them are 0; they stand nowhere else.
    zeros: usize,
    rest: Vec<f32>,
}

impl Sorted {
    /// Of times in any order; what is below 0 counts as 0.
    #[must_use]
    pub(crate) fn new(mut times: Vec<f32>) -> Self {
        let count = times.len();
        times.retain(|time| *time > 0.0);
        radsort::sort(&mut times);
        Self {
            zeros: count - times.len(),
            rest: times,
        }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.zeros + self.rest.len()
    }

    /// How many are at most this.
    #[must_use]
    pub fn up_to(&self, ms: f64) -> usize {
        self.zeros + self.rest.partition_point(|time| *time <= ms as f32)
    }

    /// The share of those that are at most this; trials do not depend on each other.
    #[must_use]
    pub fn rate_up_to(&self, ms: f64) -> Rate {
        let [count, of] = [self.up_to(ms), self.count()].map(|count| count as u64);
        let share = count as f64 / of as f64;
        let (low, high) = wilson(share, of as f64);
        Rate {
            count,
            of,
            share: Some(share),
            low,
            high,
            effective: of as f64,
            method: IntervalMethod::Wilson,
        }
    }

    /// Whether there are enough of them to tell the quantile of `p`.
    #[must_use]
    pub fn tells(&self, p: f64) -> bool {
        p <= 1.0 - 1.0 / self.count().max(1) as f64
    }

    /// The 95 % interval of a quantile, by order statistics: what is not known is which share is below it.
    ///
    /// Reference: R. Woodruff, Confidence intervals for medians and other position measures, Journal of the American
    /// Statistical Association 47 (1952).
    #[must_use]
    pub fn interval(&self, p: f64) -> (f64, f64) {
        let (low, high) = wilson(p, self.count() as f64);
        (self.quantile(low), self.quantile(high))
    }

    /// The least time that a share `p` is at most, to seven digits.
    #[must_use]
    pub fn quantile(&self, p: f64) -> f64 {
        let place = (p * self.count() as f64).ceil() as usize;
        let place = place.clamp(1, self.count());
        match place.checked_sub(self.zeros + 1) {
            None => 0.0,
            Some(place) => in_seven_digits(self.rest[place]),
        }
    }
}

/// The shortest number that is this one as a 32-bit float: 0.3 rather than 0.30000001192.
fn in_seven_digits(ms: f32) -> f64 {
    let text = ms.to_string();
    text.parse().expect("a number that was written is one")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this fails, t-visibility is not the quantile of t*.
    #[test]
    fn a_quantile_is_the_least_that_enough_are_at_most() {
        let sorted = Sorted::new(vec![3.0, -1.0, 0.3, 0.0, 2.0]);
        let check = |p, ms: f64| assert!((sorted.quantile(p) - ms).abs() < 1e-12, "{p}");
        check(0.0, 0.0);
        check(0.4, 0.0);
        check(0.41, 0.3);
        check(0.6, 0.3);
        check(0.8, 2.0);
        check(0.81, 3.0);
        check(1.0, 3.0);
        assert_eq!(sorted.count(), 5);
        assert_eq!(
            [0.0, 0.3, 2.5, 9.0].map(|ms| sorted.up_to(ms)),
            [2, 3, 4, 5]
        );
    }
}
