//! What a run is summed up in where reads returned what none should, and who can tell.

use super::Rate;
use serde::{Deserialize, Serialize};

/// Something that no read should do, and the first reads that did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Anomaly {
    /// `thin_air`, `from_the_future`, `failed_seen`.
    pub name: String,
    /// The reads that did, among all that were answered.
    pub reads: Rate,
    /// The first of them, at most five, each with what it returned.
    pub witnesses: Vec<String>,
}

/// The first reads, at most five each, of the anomalies whose rates stand by themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witnesses {
    /// Reads that returned what had been deleted.
    pub resurrected: Vec<String>,
    /// Reads that lacked what an earlier one had returned.
    pub seen_then_gone: Vec<String>,
    /// Reads that returned a write that was not acknowledged.
    pub unacknowledged_seen: Vec<String>,
    /// Reads that returned nothing though there was something.
    pub false_not_found: Vec<String>,
}
