//! What a run is summed up in about why reads were stale, and what healed that.

use crate::cause::{Cause, Cure};
use serde::{Deserialize, Serialize};
use tidemark_proto::id::OperationId;

/// Why reads were stale.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Causes {
    /// The stale reads.
    pub reads: u64,
    /// By cause and fault.
    pub rows: Vec<CauseRow>,
}

/// The stale reads of one cause.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CauseRow {
    /// Why the named replica did not have what was missed.
    pub cause: Cause,
    /// The fault of the plan, if it is one.
    pub fault: Option<String>,
    /// How many reads.
    pub reads: u64,
    /// What gave it to that replica.
    pub cures: Vec<CureRow>,
    /// The first of the reads, at most five.
    pub witnesses: Vec<OperationId>,
}

/// How many reads of a row were healed by what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CureRow {
    /// What healed the replica.
    pub cure: Cure,
    /// How many reads.
    pub reads: u64,
}

impl Causes {
    /// The share of the stale reads that a cause has; none: there are none.
    #[must_use]
    pub fn share(&self, cause: Cause) -> Option<f64> {
        let rows = self.rows.iter().filter(|row| row.cause == cause);
        let reads: u64 = rows.map(|row| row.reads).sum();
        (self.reads > 0).then(|| reads as f64 / self.reads as f64)
    }

    /// The share of the stale reads that were healed so; none: there are none.
    #[must_use]
    pub fn cured(&self, cure: Cure) -> Option<f64> {
        let rows = self.rows.iter().flat_map(|row| &row.cures);
        let rows = rows.filter(|row| row.cure == cure);
        let reads: u64 = rows.map(|row| row.reads).sum();
        (self.reads > 0).then(|| reads as f64 / self.reads as f64)
    }
}
