//! What a run is summed up in where its members change.

use super::{Measured, Rate};
use serde::{Deserialize, Serialize};

/// A change of the members: how long it took, and what moved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MemberChange {
    /// The plan's name for it.
    pub name: String,
    /// `join`, `leave` or `replace`.
    pub kind: String,
    /// Whom it concerns, and why it was not completed if it was not.
    pub about: String,
    /// When it was asked for, in seconds since the run's epoch.
    pub from_s: f64,
    /// When it was over: everybody reads and writes by the new members.
    pub until_s: f64,
    /// Whether it came to its end.
    pub is_complete: bool,
    /// How many members there were before.
    pub members: u64,
    /// Copies of keys that lie where none was before, among all.
    pub moved: Measured<Rate>,
    /// The share that would be moved if it were as small as it can be and keys lay evenly.
    pub ideal: f64,
    /// Keys that nodes have sent to their new holders; one that is sent twice counts twice.
    pub sent_keys: u64,
    /// Their size.
    pub sent_bytes: u64,
}

impl MemberChange {
    /// How long it took, in seconds.
    #[must_use]
    pub fn took_s(&self) -> f64 {
        self.until_s - self.from_s
    }

    /// What moved, in terms of the ideal.
    #[must_use]
    pub fn over_ideal(&self) -> Option<f64> {
        let share = self.moved.known()?.share?;
        (self.ideal > 0.0).then_some(share / self.ideal)
    }
}
