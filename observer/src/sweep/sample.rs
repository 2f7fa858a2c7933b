//! What a sweep takes of one of its runs: some of the run's figures, and its distributions.

use crate::figures::{Figures, WHOLE};
use crate::hlog::{self, HlogError};
use crate::rows::rows;
use hdrhistogram::Histogram;
use std::collections::BTreeMap;

/// A run of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Values of the whole run, and how many observations each rests on.
    values: BTreeMap<String, (Option<f64>, u64)>,
    histograms: BTreeMap<String, Histogram<u64>>,
}

/// A figure that is compared between cells; its name is that of `summary.csv`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metric {
    /// As `summary.csv` has it.
    pub name: &'static str,
    /// As people say it.
    pub about: &'static str,
    /// What it is counted in.
    pub unit: Unit,
    /// How the runs of a cell come to one figure.
    pub over_seeds: OverSeeds,
    /// How two cells' figures are set against each other in words.
    pub said: Said,
    /// Where it stands in the tables for people.
    pub shown: Shown,
}

/// Where a figure stands in the tables for people; in those for programs it always does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Wherever a cell has it.
    Always,
    /// Where an oracle speaks of it.
    ByOracle,
}

/// How two figures are set against each other in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// One is so many times the other.
    AsRatio,
    /// One is so much more than the other.
    AsDifference,
}

/// What a figure is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A share, 0 to 1.
    Share,
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
    /// So many a minute.
    PerMinute,
    /// So many a second.
    PerSecond,
    /// So many.
    Count,
    /// The difference of two shares, −1 to 1.
    Points,
}

impl Unit {
    /// What no figure is below or above.
    #[must_use]
    pub fn bounds(self) -> (f64, f64) {
        match self {
            Self::Share => (0.0, 1.0),
            Self::Points => (-1.0, 1.0),
            Self::Milliseconds
            | Self::Seconds
            | Self::PerMinute
            | Self::PerSecond
            | Self::Count => (0.0, f64::INFINITY),
        }
    }
}

/// How the runs of a cell come to one figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum OverSeeds {
    /// The mean of the runs' figures.
    Mean,
    /// The quantile of the distribution that the runs' distributions of that name are when they are merged.
    Quantile(&'static str, f64),
}

impl Sample {
    /// Takes what a sweep needs of a run, whose `histograms.hlog` this is.
    ///
    /// # Errors
    /// The text is no log of histograms.
    pub fn new(figures: &Figures, hlog: &str) -> Result<Self, HlogError> {
        let whole = rows(figures).into_iter().filter(|row| row.phase == WHOLE);
        Ok(Self {
            values: whole
                .map(|row| (row.metric, (row.value, row.count)))
                .collect(),
            histograms: hlog::read(hlog)?,
        })
    }

    /// The run's own figure, and how many observations it rests on.
    #[must_use]
    pub fn value(&self, metric: &Metric) -> (Option<f64>, u64) {
        self.values.get(metric.name).copied().unwrap_or_default()
    }

    /// Its distribution of that name, if it has one.
    pub(super) fn histogram(&self, name: &str) -> Option<&Histogram<u64>> {
        self.histograms.get(name)
    }
}

/// What cells are compared by.
pub const METRICS: &[Metric] = &[
    Metric {
        unit: Unit::PerSecond,
        ..share("goodput", "goodput")
    },
    Metric {
        said: Said::AsDifference,
        ..share("availability", "availability")
    },
    share("stale", "stale reads"),
    time("t_staleness_p99_ms", "t-staleness p99", "t_staleness", 0.99),
    Metric {
        said: Said::AsDifference,
        ..share("fresh_at_zero_from_arrivals", "P(fresh | 0) by arrivals")
    },
    time(
        "latency_get_ok_p50_ms",
        "read latency p50",
        "latency_get_ok",
        0.5,
    ),
    time(
        "latency_get_ok_p99_ms",
        "read latency p99",
        "latency_get_ok",
        0.99,
    ),
    time(
        "latency_put_ok_p50_ms",
        "write latency p50",
        "latency_put_ok",
        0.5,
    ),
    time(
        "latency_put_ok_p99_ms",
        "write latency p99",
        "latency_put_ok",
        0.99,
    ),
    share("siblings", "reads with siblings"),
    share("lost_writes", "lost acknowledged writes"),
    time(
        "time_to_detect_p50_ms",
        "time to detect p50",
        "time_to_detect",
        0.5,
    ),
    Metric {
        unit: Unit::PerMinute,
        ..share("false_positives_per_minute", "false positives a minute")
    },
    time(
        "false_positive_p50_ms",
        "their duration p50",
        "false_positive",
        0.5,
    ),
    told("never_won", "writes that never won", Unit::Share),
    told("resurrected", "deleted values that came back", Unit::Share),
    told("false_not_found", "keys wrongly not found", Unit::Share),
    told(
        "unacknowledged_seen",
        "failed writes that were seen",
        Unit::Share,
    ),
    told("seen_then_gone", "seen and then gone", Unit::Share),
    told("thin_air", "reads of what nobody wrote", Unit::Share),
    told("from_the_future", "reads from the future", Unit::Share),
    told("failed_seen", "reads of failed writes", Unit::Share),
    told(
        "read_your_writes_broken",
        "own writes not read",
        Unit::Share,
    ),
    told(
        "monotonic_reads_broken",
        "reads that went back",
        Unit::Share,
    ),
    told(
        "monotonic_writes_broken",
        "writes seen without those before",
        Unit::Share,
    ),
    told(
        "writes_follow_reads_broken",
        "writes seen without what they had read",
        Unit::Share,
    ),
    told("lost_updates", "lost updates", Unit::Share),
    told("false_concurrency", "false concurrency", Unit::Share),
    told("k_regular_2", "2-regular reads", Unit::Share),
    told("phi", "φ-consistency", Unit::Share),
    told(
        "messages_per_operation",
        "messages an operation",
        Unit::Count,
    ),
    told("bytes_per_operation", "bytes an operation", Unit::Count),
    told(
        "overwritten_unseen",
        "writes overwritten unseen",
        Unit::Share,
    ),
    told("siblings_at_end_mean", "siblings at the end", Unit::Count),
    told("repairs_per_idle_read", "repairs an idle read", Unit::Count),
    told("requests_per_read", "requests a read", Unit::Count),
    told("hints_kept", "hints kept", Unit::Count),
    told("hints_delivered", "hints delivered", Unit::Count),
    told("hints_dropped", "hints dropped", Unit::Count),
    told(
        "keys_diverged_at_end",
        "keys that differ at the end",
        Unit::Count,
    ),
    told(
        "sweep_keys_compared_after_heal",
        "keys compared by sweeps",
        Unit::Count,
    ),
    told(
        "time_to_failed_probe_whole_s",
        "whole seconds to the first failed probe",
        Unit::Seconds,
    ),
    told(
        "false_probes_per_minute",
        "false probes a minute",
        Unit::PerMinute,
    ),
    share("side_1_available", "available on side 1"),
    share("side_2_available", "available on side 2"),
    share("side_1_placed", "by placement on side 1"),
    share("side_2_placed", "by placement on side 2"),
    told(
        "side_1_excess",
        "available on side 1 less placement",
        Unit::Points,
    ),
    told(
        "side_2_excess",
        "available on side 2 less placement",
        Unit::Points,
    ),
    told(
        "side_1_undetected_excess",
        "before detection on side 1 less placement",
        Unit::Points,
    ),
    told(
        "side_2_undetected_excess",
        "before detection on side 2 less placement",
        Unit::Points,
    ),
    told(
        "side_1_detected_available",
        "available after detection on side 1",
        Unit::Share,
    ),
    told(
        "side_2_detected_available",
        "available after detection on side 2",
        Unit::Share,
    ),
    told(
        "siblings_after",
        "reads with siblings afterwards",
        Unit::Share,
    ),
    told(
        "converged_after_partition_s",
        "from the partition's end until all was equal",
        Unit::Seconds,
    ),
];

/// The metric of that name, if there is one.
pub(crate) fn metric(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.name == name)
}

const fn share(name: &'static str, about: &'static str) -> Metric {
    Metric {
        name,
        about,
        unit: Unit::Share,
        over_seeds: OverSeeds::Mean,
        said: Said::AsRatio,
        shown: Shown::Always,
    }
}

/// A mean over seeds that stands in tables where an oracle speaks of it.
const fn told(name: &'static str, about: &'static str, unit: Unit) -> Metric {
    Metric {
        unit,
        said: Said::AsDifference,
        shown: Shown::ByOracle,
        ..share(name, about)
    }
}

const fn time(
    name: &'static str,
    about: &'static str,
    distribution: &'static str,
    quantile: f64,
) -> Metric {
    Metric {
        unit: Unit::Milliseconds,
        over_seeds: OverSeeds::Quantile(distribution, quantile),
        ..share(name, about)
    }
}

#[cfg(test)]
impl Sample {
    /// A run with these values, each from a hundred observations, and these distributions of milliseconds.
    pub(crate) fn made(values: &[(&str, f64)], times: &[(&str, &[u64])]) -> Self {
        let histogram = |times: &[u64]| {
            let mut histogram = Histogram::new(3).expect("three digits are within the limits");
            for ms in times {
                histogram
                    .record(ms * 1_000_000)
                    .expect("a histogram that resizes takes every value");
            }
            histogram
        };
        Self {
            values: values
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (Some(*value), 100)))
                .collect(),
            histograms: times
                .iter()
                .map(|(name, times)| ((*name).to_owned(), histogram(times)))
                .collect(),
        }
    }
}
