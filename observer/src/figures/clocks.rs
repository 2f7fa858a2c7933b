//! Clocks other than the observer's.

use serde::{Deserialize, Serialize};

/// A clock that sources read in place of the observer's, and how their times were corrected.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClockFigures {
    /// Who read it: `n3~1`.
    pub sources: Vec<String>,
    /// What was added to their times last.
    pub offset_ms: f64,
    /// By how much a corrected time is wrong at most.
    pub bound_ms: f64,
    /// Whether operations of clients are among what was corrected.
    pub operations: bool,
}
