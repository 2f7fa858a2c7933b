//! A distribution in constant memory, to three significant digits.

use crate::figures::Spread;
use hdrhistogram::Histogram;
use std::time::Duration;
use tidemark_proto::time::nanoseconds;

/// A distribution of whole numbers.
#[derive(Clone, Debug)]
pub(crate) struct Distribution {
    histogram: Histogram<u64>,
}

impl Default for Distribution {
    fn default() -> Self {
        Self {
            histogram: Histogram::new(DIGITS).expect("three digits are within the limits"),
        }
    }
}

impl Distribution {
    /// Adds a number.
    pub(crate) fn add(&mut self, value: u64) {
        self.histogram
            .record(value)
            .expect("a histogram that resizes takes every value");
    }

    /// Adds a number so many times.
    pub(crate) fn add_many(&mut self, value: u64, times: u64) {
        self.histogram
            .record_n(value, times)
            .expect("a histogram that resizes takes every value");
    }

    /// Adds a time, in nanoseconds.
    pub(crate) fn add_time(&mut self, time: Duration) {
        self.add(nanoseconds(time));
    }

    /// Adds all of `other`.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.histogram
            .add(&other.histogram)
            .expect("a histogram that resizes takes every value");
    }

    /// All of several.
    pub(crate) fn merged<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut all = Self::default();
        for part in parts {
            all.merge(part);
        }
        all
    }

    /// How many numbers it has.
    pub(crate) fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// The histogram itself.
    pub(crate) fn histogram(&self) -> &Histogram<u64> {
        &self.histogram
    }

    /// Its quantile, in units of `unit`.
    pub(crate) fn quantile(&self, quantile: f64, unit: f64) -> f64 {
        self.histogram.value_at_quantile(quantile) as f64 / unit
    }

    /// It in seven numbers, in units of `unit`; none if it is empty.
    pub(crate) fn spread(&self, unit: f64) -> Option<Spread> {
        (self.count() > 0).then(|| Spread {
            count: self.count(),
            mean: self.histogram.mean() / unit,
            p50: self.quantile(0.5, unit),
            p90: self.quantile(0.9, unit),
            p99: self.quantile(0.99, unit),
            p999: self.quantile(0.999, unit),
            max: self.quantile(1.0, unit),
        })
    }
}

/// The exact quantile of sorted numbers, of which there is at least one.
pub(crate) fn quantile(sorted: &[u64], quantile: f64) -> u64 {
    let rank = (quantile * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

/// Sorted numbers in seven, in units of `unit`; none if there are none.
pub(crate) fn spread(sorted: &[u64], unit: f64) -> Option<Spread> {
    let last = sorted.last()?;
    let at = |share| quantile(sorted, share) as f64 / unit;
    Some(Spread {
        count: sorted.len() as u64,
        mean: sorted.iter().map(|value| *value as f64).sum::<f64>() / sorted.len() as f64 / unit,
        p50: at(0.5),
        p90: at(0.9),
        p99: at(0.99),
        p999: at(0.999),
        max: *last as f64 / unit,
    })
}

/// Nanoseconds in a millisecond.
pub(crate) const MS: f64 = 1e6;
/// What counts is counted in ones.
pub(crate) const ONE: f64 = 1.0;
const DIGITS: u8 = 3;
