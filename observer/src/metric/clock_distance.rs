//! Clock distance: a measure of staleness between the clocks that the store itself describes.
//!
//! The reference of a read is the join of the contexts of all writes of its key that were complete when it started. The
//! *clock distance* is Σ max(0, ref_i − read_i) over the actors i (L1), and the largest of the terms (L∞). The *version lag* counts
//! the dots that complete writes made and the read's context does not cover; a write's dot is its context's entry of the node that
//! coordinated it, in that node's latest life. This measures the clocks; nothing is judged by it.

use super::{Metric, Run, Seen};
use crate::figures::{ClockDistance as Figures, Measured};
use crate::judge::Verdict;
use crate::spread::{Distribution, ONE};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use tidemark_proto::event::{Event, Kind, Operation, Outcome};
use tidemark_proto::id::Actor;

#[derive(Default)]
pub(crate) struct ClockDistance {
    keys: BTreeMap<Bytes, Key>,
    l1: Distribution,
    l_infinity: Distribution,
    version_lag: Distribution,
}

#[derive(Default)]
struct Key {
    /// The join after each complete write; those that no read can ask for any more are gone but the last.
    joins: VecDeque<(Duration, Clock)>,
    /// When the write that made each dot was complete.
    dots: BTreeMap<(Actor, u64), Duration>,
}

/// Entries by rising actors.
type Clock = Vec<(Actor, u64)>;

impl Metric for ClockDistance {
    type Figures = Measured<Figures>;

    fn observe(&mut self, seen: &Seen<'_>) {
        let Event::Returned(operation) = seen.event else {
            return;
        };
        match (operation.kind, seen.verdict) {
            (Kind::Put | Kind::Delete, _)
                if operation.outcome == Outcome::Ok && !operation.clock.is_empty() =>
            {
                self.keys
                    .entry(operation.key.clone())
                    .or_default()
                    .complete(operation, seen.memory);
            }
            (Kind::Get, Some(Verdict::Judged(_))) => self.measure(operation),
            _ => {}
        }
    }

    fn report(&self, _: &Run<'_>) -> Measured<Figures> {
        let spreads = [&self.l1, &self.l_infinity, &self.version_lag].map(|all| all.spread(ONE));
        let [Some(l1), Some(l_infinity), Some(version_lag)] = spreads else {
            return Measured::Missing("no clock was described".to_owned());
        };
        Measured::Known(Figures {
            l1,
            l_infinity,
            version_lag,
        })
    }
}

impl ClockDistance {
    fn measure(&mut self, read: &Operation) {
        let Some(key) = self.keys.get(&read.key) else {
            return;
        };
        let until = key
            .joins
            .partition_point(|(finish, _)| *finish <= read.invoked);
        let Some((_, reference)) = until.checked_sub(1).and_then(|last| key.joins.get(last)) else {
            return;
        };
        let known = |actor: Actor| {
            let entry = read.clock.iter().find(|(other, _)| *other == actor);
            entry.map_or(0, |(_, counter)| *counter)
        };
        let (mut sum, mut largest, mut lag) = (0_u64, 0, 0);
        for (actor, counter) in reference {
            let behind = counter.saturating_sub(known(*actor));
            sum = sum.saturating_add(behind);
            largest = largest.max(behind);
            let unknown = (*actor, known(*actor).saturating_add(1))..=(*actor, *counter);
            if behind > 0 {
                let finishes = key.dots.range(unknown).map(|(_, finish)| finish);
                lag += finishes.filter(|finish| **finish <= read.invoked).count() as u64;
            }
        }
        self.l1.add(sum);
        self.l_infinity.add(largest);
        self.version_lag.add(lag);
    }
}

impl Key {
    /// No read starts longer than `memory` before it returns.
    fn complete(&mut self, write: &Operation, memory: Duration) {
        let mut join = self
            .joins
            .back()
            .map_or_else(Clock::new, |(_, join)| join.clone());
        for (actor, counter) in &write.clock {
            match join.binary_search_by_key(actor, |(other, _)| *other) {
                Ok(place) => join[place].1 = join[place].1.max(*counter),
                Err(place) => join.insert(place, (*actor, *counter)),
            }
        }
        self.joins.push_back((write.returned, join));
        while self
            .joins
            .get(1)
            .is_some_and(|(finish, _)| *finish + memory < write.returned)
        {
            self.joins.pop_front();
        }
        let own = write
            .clock
            .iter()
            .filter(|(actor, _)| Some(actor.node()) == write.coordinator);
        if let Some(dot) = own.max() {
            self.dots.entry(*dot).or_insert(write.returned);
        }
    }
}
