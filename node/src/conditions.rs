//! What is wrong with the machine under a node: its wall clock, its syncs, its disk.

use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tidemark_proto::skew::Skew;

/// The conditions under which a node works; the default is that all is well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Conditions {
    /// How far its wall clock is off.
    pub skew: Skew,
    /// How much longer than by itself a sync takes.
    pub slow_sync: Duration,
    /// Whether its disk takes nothing more.
    pub disk_full: bool,
}

/// Conditions that a machine's parts share, and that may change under them.
#[derive(Clone, Debug, Default)]
pub struct Shared(Arc<Mutex<Conditions>>);

impl Shared {
    /// As they are from the start.
    #[must_use]
    pub fn new(conditions: Conditions) -> Self {
        Self(Arc::new(Mutex::new(conditions)))
    }

    /// As they are now.
    #[must_use]
    pub fn get(&self) -> Conditions {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on they are these.
    pub fn set(&self, conditions: Conditions) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = conditions;
    }
}
