//! What of a run was not written down.

use serde::{Deserialize, Serialize};

/// What is missing of one source, or when the observer was down. Times are seconds since the run's epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GapFigures {
    /// Who reported in vain: `n3~1`, `netfuzz`, `runner`; `observer`: it was down.
    pub source: String,
    /// How many gaps there were.
    pub times: u64,
    /// When the first began.
    pub from_s: f64,
    /// When the last ended.
    pub until_s: f64,
    /// How many events are missing.
    pub missing: u64,
}
