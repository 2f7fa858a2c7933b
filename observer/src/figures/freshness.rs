//! How likely a read is fresh by the age of the write before it: by what reads returned, and by what reached which replica when.

use super::{Measured, Rate, Spread};
use serde::{Deserialize, Serialize};

/// P(fresh | age): age is the read's start minus the newest complete write's finish.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Freshness {
    /// By age, youngest first; bins without reads are left out.
    pub curve: Vec<AgeBin>,
    /// Reads at an age below [`ZERO_AGE_MS`]: P(fresh | 0).
    pub at_zero: Rate,
    /// The age from which P(fresh | age) is at least `p`, for p = 0.5, 0.9, 0.99, 0.999.
    pub t_visibility: Vec<TVisibility>,
    /// The second estimate, from what reached which replica when.
    pub arrivals: Measured<Arrivals>,
}

/// Reads at ages from `from_ms` up to, not including, `until_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are named for what they hold")]
pub struct AgeBin {
    pub from_ms: f64,
    pub until_ms: f64,
    /// The mean age of its reads.
    pub mean_ms: f64,
    /// The fresh reads among them.
    pub fresh: Rate,
    /// The share that isotonic regression over all ages gives, averaged over the bin's reads.
    pub isotonic: f64,
}

/// The age from which a read is fresh with probability `p`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TVisibility {
    /// The probability.
    pub p: f64,
    /// From the freshness curve.
    pub from_reads_ms: Measured<f64>,
    /// From arrivals: the p-quantile of t*.
    pub from_arrivals_ms: Measured<f64>,
    /// Its 95 % interval, by order statistics; none if it has no end.
    #[serde(default)]
    pub from_arrivals_interval_ms: Option<(f64, f64)>,
}

/// t*: how long after a write's completion the read set that its probe read met holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Arrivals {
    /// Pairs of a write and the read that followed it.
    pub pairs: u64,
    /// Pairs whose write reached no replica that answered the read.
    pub never: u64,
    /// Pairs left out because it is not known when the read reached the replicas that answered.
    pub unmatched: u64,
    /// Pairs in which t* is 0, among all: the second P(fresh | 0).
    pub at_zero: Rate,
    /// t* in milliseconds, where there is one.
    pub t_star_ms: Spread,
    /// The quantiles of t* from 0 to 1 in a thousand equal steps, in milliseconds; they end where writes never arrived.
    #[serde(default)]
    pub quantiles_ms: Vec<f64>,
    /// P(t* ≤ t), where the freshness curve's bins meet, as (t in ms, probability).
    pub curve: Vec<(f64, f64)>,
}

/// Ages below this count as zero.
pub const ZERO_AGE_MS: f64 = 0.1;
