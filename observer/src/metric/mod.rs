//! The metrics: each one a fold over the events in the order of their times, in a file of its own.

pub(crate) mod arrivals;
pub(crate) mod atomicity;
pub(crate) mod availability;
pub(crate) mod causes;
pub(crate) mod clock_bytes;
pub(crate) mod clock_distance;
pub(crate) mod convergence;
pub(crate) mod cost;
pub(crate) mod detection;
pub(crate) mod divergence;
pub(crate) mod exposure;
pub(crate) mod failed_seen;
pub(crate) mod false_concurrency;
pub(crate) mod false_not_found;
pub(crate) mod freshness;
pub(crate) mod gaps;
pub(crate) mod idle_reads;
pub(crate) mod lag;
pub(crate) mod latency;
pub(crate) mod legs;
pub(crate) mod lifecycle;
pub(crate) mod lost_updates;
pub(crate) mod lost_writes;
pub(crate) mod members;
pub(crate) mod never_won;
pub(crate) mod phi;
pub(crate) mod read_requests;
pub(crate) mod read_share;
pub(crate) mod regular;
pub(crate) mod repair;
pub(crate) mod resurrected;
pub(crate) mod seen_then_gone;
pub(crate) mod sessions;
pub(crate) mod sibling_lifetime;
pub(crate) mod siblings;
pub(crate) mod sides;
pub(crate) mod staleness;
pub(crate) mod thin_air;
pub(crate) mod unacknowledged_seen;
pub(crate) mod width;
pub(crate) mod window;

use crate::holdings::Holdings;
use crate::judge::{Judge, Verdict};
use crate::phases::{Phase, Phases, Place};
use std::time::Duration;
use tidemark_proto::event::{Detail, Event, FaultSpan, Kind, Operation, Outcome};

/// A fold over the events of a run.
pub(crate) trait Metric {
    /// What it comes to.
    type Figures;

    /// Takes in the next event.
    fn observe(&mut self, seen: &Seen<'_>);

    /// What it has come to so far.
    fn report(&self, run: &Run<'_>) -> Self::Figures;
}

/// An event, and what the fold knows of it already.
pub(crate) struct Seen<'a> {
    pub(crate) event: &'a Event,
    pub(crate) phases: &'a Phases,
    /// How long a metric remembers what may be asked for.
    pub(crate) memory: Duration,
    /// Where an operation that returned had started, if it belongs to the load and the measured time.
    pub(crate) place: Option<Place>,
    /// Of an answered read of the load.
    pub(crate) verdict: Option<Verdict>,
    /// It has taken in the event.
    pub(crate) judge: &'a Judge,
    /// And so have they.
    pub(crate) holdings: &'a Holdings,
}

impl<'a> Seen<'a> {
    /// The operation that returned, if it belongs to the load and the measured time, and where it started.
    pub(crate) fn load(&self) -> Option<(&'a Operation, Place)> {
        match self.event {
            Event::Returned(operation) => Some((operation, self.place?)),
            _ => None,
        }
    }

    /// The read of the load that was answered, and where it started.
    pub(crate) fn answered_read(&self) -> Option<(&'a Operation, Place)> {
        self.load().filter(|(operation, _)| {
            operation.kind == Kind::Get && operation.outcome == Outcome::Ok
        })
    }
}

/// What is known when figures are asked for.
pub(crate) struct Run<'a> {
    pub(crate) seed: u64,
    pub(crate) detail: Detail,
    pub(crate) phases: &'a [Phase],
    pub(crate) course: &'a Phases,
    pub(crate) faults: &'a [FaultSpan],
    pub(crate) healed: Option<Duration>,
    pub(crate) judge: &'a Judge,
    pub(crate) holdings: &'a Holdings,
}

impl Run<'_> {
    /// The block of time that something belongs to; before the measured time, its first.
    pub(crate) fn block(&self, at: Duration) -> u32 {
        self.course.block(at)
    }

    /// That a figure needs more detail than was kept, if it does.
    pub(crate) fn lacks(&self, needed: Detail) -> Option<String> {
        let name = match needed {
            Detail::None => "none",
            Detail::Faults => "faults",
            Detail::Arrivals => "arrivals",
            Detail::All => "all",
        };
        (self.detail < needed).then(|| format!("it needs events = {name:?} or more detail"))
    }
}

/// One value for each phase that something was seen in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Phased<T> {
    values: Vec<T>,
}

impl<T: Clone + Default> Phased<T> {
    /// The value of a phase.
    pub(crate) fn at(&mut self, phase: usize) -> &mut T {
        if self.values.len() <= phase {
            self.values.resize(phase + 1, T::default());
        }
        &mut self.values[phase]
    }

    /// The values of the phases in which something was seen.
    pub(crate) fn values(&self) -> &[T] {
        &self.values
    }

    /// The values of all of the run's phases.
    pub(crate) fn all(&self, run: &Run<'_>) -> Vec<T> {
        let mut values = self.values.clone();
        values.resize(run.phases.len().max(values.len()), T::default());
        values
    }
}
