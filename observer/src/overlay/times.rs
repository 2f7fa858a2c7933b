//! How long a run's reads and writes took, one by one: a histogram's three digits of 150 ms are a large share of the
//! millisecond or two by which such operations differ.

use crate::figures::Figures;
use crate::history::{HistoryError, Operations};
use crate::predict::Sorted;
use crate::spread::MS;
use std::io::Read;
use tidemark_proto::event::{Kind, Outcome};
use tidemark_proto::time::nanoseconds;

/// The latencies of the load's operations that succeeded within the measured time, from their intended starts, in
/// milliseconds of the plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Times {
    /// Of reads.
    pub(crate) reads: Sorted,
    /// Of writes and deletes.
    pub(crate) writes: Sorted,
}

impl Times {
    /// Those of a run, from its table of operations; its times were stretched by `scale`.
    ///
    /// # Errors
    /// It is no such table.
    pub fn of(figures: &Figures, table: impl Read, scale: f64) -> Result<Self, HistoryError> {
        let started = figures.run.from_s;
        let (mut reads, mut writes) = (Vec::new(), Vec::new());
        let mut operations = Operations::new(table)?;
        while let Some((_, operation)) = operations.next()? {
            let counts = operation.outcome == Outcome::Ok
                && operation.purpose.is_measured()
                && operation.invoked.as_secs_f64() >= started;
            if !counts {
                continue;
            }
            let latency = operation.returned.saturating_sub(operation.intended);
            let ms = (nanoseconds(latency) as f64 / MS / scale) as f32;
            match operation.kind {
                Kind::Get => reads.push(ms),
                Kind::Put | Kind::Delete => writes.push(ms),
            }
        }
        Ok(Self::new(reads, writes))
    }

    pub(crate) fn new(
        reads: impl IntoIterator<Item = f32>,
        writes: impl IntoIterator<Item = f32>,
    ) -> Self {
        Self {
            reads: Sorted::new(reads.into_iter().collect()),
            writes: Sorted::new(writes.into_iter().collect()),
        }
    }
}
