//! Replication lag: how long after its completion a write was held by the first, second, … of its key's replicas.
//!
//! A replica that held it before the completion has a lag of 0. A write that was superseded before it reached a replica never
//! does, and is not counted there. What takes longer than a minute is not seen.

use super::{Metric, Run, Seen};
use crate::figures::{Lag as Figures, Measured};
use crate::lookup::Recent;
use crate::spread::{Distribution, MS};
use smallvec::SmallVec;
use std::time::Duration;
use tidemark_proto::event::{Detail, Event, Kind, Outcome};
use tidemark_proto::id::{NodeId, OperationId};

#[derive(Default)]
pub(crate) struct Lag {
    /// Whether it was told of any key who its replicas are.
    knows_placement: bool,
    writes: Recent<OperationId, Write>,
    /// Completed writes of the load.
    complete: u64,
    /// By place: the first replica, the second, ….
    lags: Vec<Distribution>,
}

#[derive(Default)]
struct Write {
    complete: Option<Duration>,
    /// Who holds it or has held it.
    holders: SmallVec<[NodeId; 3]>,
}

impl Lag {
    fn add(&mut self, place: usize, lag: Duration) {
        if self.lags.len() <= place {
            self.lags.resize(place + 1, Distribution::default());
        }
        self.lags[place].add_time(lag);
    }
}

impl Metric for Lag {
    type Figures = Measured<Vec<Figures>>;

    fn observe(&mut self, seen: &Seen<'_>) {
        match seen.event {
            Event::Placed { .. } => self.knows_placement = true,
            Event::Stored(stored) => {
                let placed = seen.holdings.of(&stored.key);
                if !placed.is_some_and(|key| key.replicas.contains(&stored.node)) {
                    return;
                }
                for operation in &stored.versions {
                    let mut write = self.writes.remove(operation).unwrap_or_default();
                    if !write.holders.contains(&stored.node) {
                        if let Some(complete) = write.complete {
                            let place = write.holders.len();
                            self.add(place, stored.at.saturating_sub(complete));
                        }
                        write.holders.push(stored.node);
                    }
                    self.writes
                        .insert(stored.at, seen.memory, *operation, write);
                }
            }
            Event::Returned(operation)
                if operation.kind != Kind::Get
                    && operation.outcome == Outcome::Ok
                    && seen.load().is_some() =>
            {
                self.complete += 1;
                if !self.knows_placement {
                    return;
                }
                let mut write = self.writes.remove(&operation.id).unwrap_or_default();
                write.complete = Some(operation.returned);
                for place in 0..write.holders.len() {
                    self.add(place, Duration::ZERO);
                }
                self.writes
                    .insert(operation.returned, seen.memory, operation.id, write);
            }
            _ => {}
        }
    }

    fn report(&self, run: &Run<'_>) -> Self::Figures {
        if let Some(reason) = run.lacks(Detail::Arrivals) {
            return Measured::Missing(reason);
        }
        let lags = self.lags.iter().zip(1..).filter_map(|(lags, replica)| {
            Some(Figures {
                replica,
                of: self.complete,
                ms: lags.spread(MS)?,
            })
        });
        Measured::Known(lags.collect())
    }
}
