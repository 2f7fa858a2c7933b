//! One number of a run, as `summary.csv` has it.

use serde::Serialize;

/// One number of a run: a row of `summary.csv`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields are named for what they hold")]
pub struct SummaryRow {
    pub phase: String,
    pub metric: String,
    pub value: Option<f64>,
    pub low: Option<f64>,
    pub high: Option<f64>,
    /// How many observations the value rests on.
    pub count: u64,
    /// Of a share, how many independent ones would tell as much.
    pub effective: Option<f64>,
    /// Where its interval comes from; `too-few` if there are fewer than [`FEW`](super::FEW) observations, which say nothing.
    pub interval: Option<Interval>,
}

/// What an interval in `summary.csv` is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Interval {
    /// Resampled blocks of time.
    BlockBootstrap,
    /// Wilson's, over the effective sample size.
    Wilson,
    /// The order statistics between which a quantile lies.
    OrderStatistics,
    /// There were too few opportunities, whatever it says.
    TooFew,
}
