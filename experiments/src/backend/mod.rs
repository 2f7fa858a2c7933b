//! What carries a plan out: the seam of back-ends.

pub mod real;
pub mod sim;

use crate::plan::Plan;
use crate::record::Folder;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tidemark_proto::event::Milestone;
use tidemark_proto::registry::{Entry, Options};
use tidemark_proto::time::nanoseconds;

/// A way of carrying out a plan.
pub trait Backend {
    /// Carries out a run and leaves its history in the folder.
    fn run(&self, run: &Run, folder: &Folder) -> anyhow::Result<Milestone>;
}

/// One run of a plan.
pub struct Run {
    /// The plan, its times scaled.
    pub plan: Plan,
    /// How far it has come, and whether it shall end.
    pub progress: Arc<Progress>,
}

/// How far a run has come, and whether it shall end before its time.
#[derive(Debug, Default)]
pub struct Progress {
    elapsed_ns: AtomicU64,
    operations: AtomicU64,
    stop: Arc<AtomicBool>,
}

impl Progress {
    /// That of another run, which ends when this one shall.
    #[must_use]
    pub fn another(&self) -> Self {
        Self {
            stop: Arc::clone(&self.stop),
            ..Self::default()
        }
    }

    /// Notes how far the run has come.
    pub fn reach(&self, elapsed: Duration) {
        self.elapsed_ns
            .store(nanoseconds(elapsed), Ordering::Relaxed);
    }

    /// Notes that an operation has returned.
    pub fn count_operation(&self) {
        self.operations.fetch_add(1, Ordering::Relaxed);
    }

    /// How far the run has come, and how many operations have returned.
    pub fn read(&self) -> (Duration, u64) {
        let elapsed = Duration::from_nanos(self.elapsed_ns.load(Ordering::Relaxed));
        (elapsed, self.operations.load(Ordering::Relaxed))
    }

    /// Asks the run to end now.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked to.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// How an entry is built.
pub type Build = fn(&Options) -> Box<dyn Backend>;

/// Every back-end.
pub const ENTRIES: &[Entry<Build>] = &[real::ENTRY, sim::ENTRY];

/// The back-end as which a plan is read that is predicted: the model has no time but the plan's, and neither has the simulator.
pub const PLANNED_FOR: &str = "sim";
