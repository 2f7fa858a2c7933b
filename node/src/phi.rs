//! The φ accrual failure detector: how long a peer may be silent, learnt from how regularly it was heard.
//!
//! φ(t) is −log₁₀ of the probability that a sign of life comes later than t after the last, if the intervals between them
//! are normal with the mean and deviation of those in a window. That φ reaches a threshold is the same as that the silence
//! reaches the mean and so many deviations: a time that is known in advance, for which an alarm can be set.
//!
//! Reference: Hayashibara, Défago, Yared, Katayama, The φ accrual failure detector, SRDS 2004, §4.2. From Akka are the
//! assumption about the first interval (with a quarter of it as deviation) and the least deviation.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;
use tidemark_proto::span::Span;
use tidemark_proto::time::nanoseconds;

/// From when on a silence is too long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Phi {
    /// The φ at which a peer is believed to be down: 8 errs once in 10⁸ intervals that are normal. Too low: it errs
    /// often; too high: it is slow.
    #[schemars(range(min = 0.1, max = 300))]
    pub threshold: f64,
    /// Intervals from which mean and deviation are computed. Too few: it errs by chance; too many: it is slow to learn.
    #[schemars(range(min = 1))]
    pub window: u32,
    /// What the deviation is at least. Too short: a regular peer may not be late once; too long: it is slow.
    pub min_deviation: Span,
    /// What the first interval is taken to be.
    pub first_interval: Span,
}

impl Default for Phi {
    fn default() -> Self {
        Self {
            threshold: 8.0,
            window: 100,
            min_deviation: Span(Duration::from_millis(100)),
            first_interval: Span(Duration::from_secs(1)),
        }
    }
}

impl Phi {
    /// For how many deviations beyond the mean a silence has to last until φ is the threshold.
    #[must_use]
    pub fn deviations(&self) -> f64 {
        let (mut low, mut high) = (-10.0, 40.0);
        for _ in 0..100 {
            let middle = f64::midpoint(low, high);
            if phi(middle) < self.threshold {
                low = middle;
            } else {
                high = middle;
            }
        }
        high
    }
}

/// φ of a silence that is so many deviations longer than the mean interval.
#[must_use]
pub fn phi(deviations: f64) -> f64 {
    -libm::log10(libm::erfc(deviations / std::f64::consts::SQRT_2) / 2.0)
}

/// The last intervals between a peer's signs of life.
#[derive(Clone, Debug, Default)]
pub struct Intervals {
    window: VecDeque<u64>,
    sum: u128,
    squares: u128,
}

impl Intervals {
    /// What is assumed before the first sign of life.
    #[must_use]
    pub fn new(options: &Phi) -> Self {
        let (first, quarter) = (options.first_interval.0, options.first_interval.0 / 4);
        let mut intervals = Self::default();
        intervals.add(first - quarter, options);
        intervals.add(first + quarter, options);
        intervals
    }

    /// Adds an interval; the oldest falls out of a full window.
    pub fn add(&mut self, interval: Duration, options: &Phi) {
        let interval = nanoseconds(interval);
        self.window.push_back(interval);
        self.sum += u128::from(interval);
        self.squares += u128::from(interval).pow(2);
        if self.window.len() > options.window as usize
            && let Some(oldest) = self.window.pop_front()
        {
            self.sum -= u128::from(oldest);
            self.squares -= u128::from(oldest).pow(2);
        }
    }

    /// For how long the peer may be silent, if that is so many deviations beyond the mean.
    #[must_use]
    pub fn patience(&self, deviations: f64, options: &Phi) -> Duration {
        let count = self.window.len() as f64;
        let mean = self.sum as f64 / count;
        // Whole numbers until here: what is left of two large ones is exact.
        let spread = (self.window.len() as u128 * self.squares).saturating_sub(self.sum.pow(2));
        let deviation = libm::sqrt(spread as f64) / count;
        let silence = mean + deviations * deviation.max(options.min_deviation.as_f64());
        Duration::from_nanos(silence.max(0.0) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phi_is_the_logarithm_of_how_improbable_a_longer_silence_is() {
        // Tail probabilities of the standard normal distribution.
        for (deviations, tail) in [
            (0.0, 0.5),
            (1.0, 0.158_655_253_931),
            (3.0, 1.349_898_031_63e-3),
            (6.0, 9.865_876_450_38e-10),
        ] {
            let expected = -f64::log10(tail);
            assert!((phi(deviations) - expected).abs() < 1e-9, "{deviations}");
        }
    }

    #[test]
    fn the_threshold_is_reached_after_the_deviations_that_it_comes_to() {
        for threshold in [0.1, 1.0, 8.0, 12.0, 300.0] {
            let options = Phi {
                threshold,
                ..Phi::default()
            };
            let reached = phi(options.deviations());
            assert!((reached - threshold).abs() < 1e-9, "{threshold}: {reached}");
        }
    }

    #[test]
    fn patience_is_learnt_from_the_intervals_in_the_window() {
        let options = Phi {
            window: 4,
            ..Phi::default()
        };
        let patience = |intervals: &[u64]| {
            let mut seen = Intervals::new(&options);
            for ms in intervals {
                seen.add(Duration::from_millis(*ms), &options);
            }
            seen.patience(2.0, &options)
        };
        // At first 750 ms and 1250 ms: a mean of 1 s and a deviation of 250 ms.
        assert_eq!(patience(&[]), Duration::from_millis(1_500));
        // 2, 4, 4, 6 s: a mean of 4 s and a deviation of √2 s.
        let learnt = patience(&[2_000, 4_000, 4_000, 6_000]).as_secs_f64();
        assert!((learnt - 4.0 - 2.0 * std::f64::consts::SQRT_2).abs() < 1e-6);
        // Regular ones: the least deviation counts.
        assert_eq!(patience(&[500; 9]), Duration::from_millis(700));
    }
}
