//! What became of each acknowledged write, as reads saw it: stable, stale, lost or never read.
//!
//! A read of the load *misses* a write that was complete when the read began and that its answer neither returns nor supersedes,
//! and no delete excuses; any other read that began after the write's end *finds* it, as does one that returns it earlier.
//! Reads of a key are taken in the order in which they return. A write is *stable* if it was found and never missed, *stale* if it
//! was missed and the last read found it, *lost* if the last read missed it, and *never read* if no read was in a position to.
//! *Stable latency* is the start of the last read that missed a write minus its end, 0 if none did, of stable and stale writes;
//! *lost latency* is the start of the last read that found a lost one minus its end, 0 if none did or it was before that.
//! *Duplicates* are reads that return one write twice. All acknowledged writes count, of whatever purpose.
//!
//! Departs from Jepsen: its set only grows, so that a missing element is lost; here what supersedes an element stands for it.
//! Its `:stale` elements are among the `:stable` ones; here they are apart, so that the four add up.
//!
//! Reference: K. Kingsbury, `jepsen.checker/set-full`, Jepsen 0.1.12 (2019).

use super::{Metric, Run, Seen};
use crate::figures::Lifecycle as Figures;
use crate::lookup::Lookup;
use crate::spread::{Distribution, MS};
use crate::tally::Tally;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tidemark_proto::event::{Event, Kind, Operation, Outcome};
use tidemark_proto::id::OperationId;

#[derive(Default)]
pub(crate) struct Lifecycle {
    keys: Vec<Key>,
    places: Lookup<Bytes, usize>,
    writes: u64,
    /// Writes that were acknowledged and supersede something, by when they ended.
    pub(super) updates: Tally,
    duplicates: u64,
    missed: BTreeMap<OperationId, Missed>,
}

#[derive(Default)]
struct Key {
    reads: u64,
    /// When the last read began.
    read: Duration,
    /// Acknowledged writes that no read was in a position to find yet.
    unread: Vec<(OperationId, Duration)>,
}

/// A write that some read missed.
pub(super) struct Missed {
    key: usize,
    pub(super) finish: Duration,
    /// The start of the last read that missed it, and its number among those of the key.
    pub(super) absent: Duration,
    number: u64,
    /// The start of the last read before that found it.
    present: Option<Duration>,
    /// It is an update, and what the last read returned in its place is one that did not know it.
    pub(super) is_lost_update: bool,
}

impl Metric for Lifecycle {
    type Figures = Figures;

    fn observe(&mut self, seen: &Seen<'_>) {
        if let Event::Returned(write) = seen.event
            && write.kind != Kind::Get
            && write.outcome == Outcome::Ok
        {
            self.writes += 1;
            if seen.judge.is_update(write.id) {
                self.updates.add(seen.phases.block(write.returned), false);
            }
            let key = self.key(&write.key);
            self.keys[key].unread.push((write.id, write.returned));
        }
        if let Some((read, _)) = seen.answered_read() {
            self.read(seen, read);
        }
    }

    fn report(&self, run: &Run<'_>) -> Figures {
        let mut stable_latency = Distribution::default();
        let mut lost_latency = Distribution::default();
        let mut lost = Vec::new();
        for (id, write) in &self.missed {
            if self.is_lost(write) {
                let present = write.present.unwrap_or_default();
                lost_latency.add_time(present.saturating_sub(write.finish));
                lost.push(*id);
            } else {
                stable_latency.add_time(write.absent.saturating_sub(write.finish));
            }
        }
        let missed = self.missed.len() as u64;
        let never_read = self.keys.iter().map(|key| key.unread.len() as u64).sum();
        let stable = self.writes - missed - never_read;
        stable_latency.add_many(0, stable);
        let (lost_updates, lost_update_witnesses) = super::lost_updates::lost_updates(self, run);
        Figures {
            writes: self.writes,
            stable,
            stale: missed - lost.len() as u64,
            lost: lost.len() as u64,
            never_read,
            stable_latency_ms: stable_latency.spread(MS),
            lost_latency_ms: lost_latency.spread(MS),
            duplicates: self.duplicates,
            witnesses: named(lost),
            window_ms: super::window::windows(self).spread(MS),
            lost_updates,
            lost_update_witnesses,
        }
    }
}

impl Lifecycle {
    /// The writes that some read missed.
    pub(super) fn missed(&self) -> impl Iterator<Item = (OperationId, &Missed)> {
        self.missed.iter().map(|(id, write)| (*id, write))
    }

    /// Whether the last read of its key missed a write.
    pub(super) fn is_lost(&self, write: &Missed) -> bool {
        write.number == self.keys[write.key].reads
    }

    fn key(&mut self, key: &Bytes) -> usize {
        if let Some(place) = self.places.get(key) {
            return *place;
        }
        self.keys.push(Key::default());
        self.places.insert(key.clone(), self.keys.len() - 1);
        self.keys.len() - 1
    }

    fn read(&mut self, seen: &Seen<'_>, read: &Operation) {
        let versions = &read.versions;
        let is_again = |place: usize| versions[..place].contains(&versions[place]);
        self.duplicates += u64::from((1..versions.len()).any(is_again));
        let place = self.key(&read.key);
        let key = &mut self.keys[place];
        key.reads += 1;
        let (missed, before) = (seen.judge.missed(), key.read);
        let missing: BTreeSet<OperationId> = missed.iter().map(|(id, _)| *id).collect();
        // Those of them that no read was in a position to find before.
        let mut first = BTreeSet::new();
        key.unread.retain(|(id, finish)| {
            let is_missed = missing.contains(id);
            if is_missed {
                first.insert(*id);
            }
            *finish >= read.invoked && !versions.contains(id) && !is_missed
        });
        for (id, finish) in missed {
            let found = (!first.contains(id)).then_some(before);
            let is_lost_update = seen.judge.is_update(*id)
                && (versions.iter()).any(|other| {
                    seen.judge.is_update(*other) && !seen.judge.supersedes(*id, *other)
                });
            let write = self.missed.entry(*id).or_insert(Missed {
                key: place,
                finish: *finish,
                absent: read.invoked,
                number: key.reads,
                present: found,
                is_lost_update,
            });
            if write.number + 1 < key.reads {
                write.present = Some(before);
            }
            (write.absent, write.number) = (read.invoked.max(write.absent), key.reads);
            write.is_lost_update = is_lost_update;
        }
        if key.unread.is_empty() {
            key.unread = Vec::new();
        }
        key.read = read.invoked;
    }
}

/// The names of the first few.
pub(super) fn named(writes: Vec<OperationId>) -> Vec<String> {
    let first = writes.iter().take(WITNESSES);
    first.map(OperationId::to_string).collect()
}

const WITNESSES: usize = 5;
