//! How far keys were from one copy.

use super::{Rate, Spread};
use serde::{Deserialize, Serialize};

/// Γ of values, and Δ and k of keys: of those of which every read returned one value that a write explains, or none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Atomicity {
    /// Keys with scores.
    pub keys: u64,
    /// Those that are linearizable.
    pub linearizable: u64,
    /// Those of which every read returned one of the two latest values: k is 1 or 2.
    pub two_atomic: u64,
    /// Values with a Γ above 0, or above the error of clients' clocks.
    pub positive: Rate,
    /// Γ of those.
    pub gamma_ms: Option<Spread>,
    /// Δ of the keys.
    pub delta_ms: Option<Spread>,
    /// k of the keys, or a bound that it does not go below.
    pub k: Option<Spread>,
    /// Keys of which only the bound is known.
    pub k_at_least: u64,
    /// The value with the greatest Γ: its write and its key.
    pub worst: Option<String>,
    /// Keys without scores because a read returned siblings.
    pub with_siblings: u64,
    /// Keys without scores because no write explains what a read returned: they are not linearizable.
    pub unexplained: u64,
    /// Values that were forgotten before what overlapped them was over: their Γ may be greater.
    pub at_least: u64,
    /// Reads of values that were forgotten, which nothing above counts.
    pub late: u64,
}

impl Atomicity {
    /// The share of linearizable keys among those of which it is known.
    #[must_use]
    pub fn linearizable_share(&self) -> Option<f64> {
        let known = self.keys + self.unexplained;
        (known > 0).then(|| self.linearizable as f64 / known as f64)
    }

    /// The share of keys with scores whose k is 1 or 2.
    #[must_use]
    pub fn two_atomic_share(&self) -> Option<f64> {
        (self.keys > 0).then(|| self.two_atomic as f64 / self.keys as f64)
    }
}
