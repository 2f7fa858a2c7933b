//! How long recent answers took, for reads that ask one more when an answer is late.
//!
//! Reference: Dean and Barroso, The tail at scale, CACM 2013 (hedged requests); Cassandra's speculative retry.

use std::collections::VecDeque;
use std::time::Duration;

/// The latest answers of a window, and how long a share of them took.
pub(super) struct Latencies {
    share: f64,
    recent: VecDeque<Duration>,
    /// Answers since the quantile was taken.
    since: usize,
    quantile: Option<Duration>,
}

impl Latencies {
    pub(super) fn new(share: f64) -> Self {
        Self {
            share,
            recent: VecDeque::new(),
            since: 0,
            quantile: None,
        }
    }

    pub(super) fn add(&mut self, latency: Duration) {
        if self.recent.len() == WINDOW {
            self.recent.pop_front();
        }
        self.recent.push_back(latency);
        self.since += 1;
        if self.since == TAKEN_EVERY {
            self.since = 0;
            let mut sorted: Vec<_> = self.recent.iter().copied().collect();
            // A share is less than 1, so this is one of them.
            let place = (self.share * sorted.len() as f64) as usize;
            self.quantile = Some(*sorted.select_nth_unstable(place).1);
        }
    }

    /// How long the share takes; none: too few have answered yet to tell.
    pub(super) fn quantile(&self) -> Option<Duration> {
        self.quantile
    }
}

/// Answers that are remembered. Fewer: a rare share is not to be told; more: it is told late that things have changed.
const WINDOW: usize = 1_000;
/// Answers between two looks at them, and before the first.
const TAKEN_EVERY: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    /// If this fails, speculation begins by guesswork, or goes by answers that are long past.
    #[test]
    fn the_quantile_is_that_of_the_latest_answers_once_there_are_some() {
        let ms = Duration::from_millis;
        let mut latencies = Latencies::new(0.9);
        for number in 1..100 {
            latencies.add(ms(number));
            assert_eq!(latencies.quantile(), None);
        }
        latencies.add(ms(100));
        assert_eq!(latencies.quantile(), Some(ms(91)));
        for _ in 0..1_000 {
            latencies.add(ms(5));
        }
        assert_eq!(latencies.quantile(), Some(ms(5)));
    }
}
