//! What a run is summed up in where sessions were promised something.

use super::{Rate, Spread};
use serde::{Deserialize, Serialize};

/// How well a session guarantee was kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GuaranteeFigures {
    /// `read_your_writes`, `monotonic_reads`, …; with `_single_value` in that view.
    pub name: String,
    /// Reads that broke it, among those that could have.
    pub broken: Rate,
    /// For how long what a read lacked had been its session's.
    pub t_ms: Option<Spread>,
    /// How many writes a read lacked that broke it.
    pub k: Option<Spread>,
    /// Sessions with a read that could have broken it.
    pub sessions: u64,
    /// Sessions with one that did.
    pub sessions_broken: u64,
    /// The sessions with the most reads that did, at most three.
    pub worst: Vec<SessionShare>,
    /// The first reads that did, at most five.
    pub witnesses: Vec<String>,
}

/// One session's reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionShare {
    /// Who it is.
    pub session: String,
    /// How many broke the guarantee.
    pub broken: u64,
    /// How many could have.
    pub of: u64,
}
