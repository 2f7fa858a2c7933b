//! Reads of writes that definitely failed: a read of the load returned a write whose client was told that it did not happen.
//!
//! It counts whether the write had failed before the read returned or failed after it. One of which nobody knows whether it
//! took effect may be read. What fails more than a minute after it was read last may be missed. The opportunities are all answered reads of the load.
//!
//! Reference: A. Adya, “Weak consistency”, MIT 1999, §4.2 (G1a, aborted reads).

use super::{Metric, Phased, Run, Seen};
use crate::figures::Anomaly;
use crate::judge::Known;
use crate::lookup::Recent;
use crate::phases::Place;
use crate::tally::{Tally, shares};
use std::collections::BTreeSet;
use tidemark_proto::event::{Event, Kind, Operation, Outcome};
use tidemark_proto::id::OperationId;

#[derive(Default)]
pub(crate) struct FailedSeen {
    reads: Phased<Tally>,
    /// Who has read writes that have not returned.
    readers: Recent<OperationId, Vec<(OperationId, Place)>>,
    /// Reads that count already.
    counted: BTreeSet<OperationId>,
    witnesses: Vec<String>,
}

impl Metric for FailedSeen {
    type Figures = Anomaly;

    fn observe(&mut self, seen: &Seen<'_>) {
        if let Some((read, place)) = seen.answered_read() {
            self.reads.at(place.phase).add(place.block, false);
            self.read(seen, read, place);
        }
        if let Event::Returned(write) = seen.event
            && write.kind != Kind::Get
        {
            let readers = self.readers.remove(&write.id).unwrap_or_default();
            if write.outcome == Outcome::Failed {
                for (read, place) in readers {
                    self.count(read, write.id, place);
                }
            }
        }
    }

    fn report(&self, run: &Run<'_>) -> Anomaly {
        Anomaly {
            name: NAME.to_owned(),
            reads: shares(&self.reads.all(run), run.seed, NAME).whole,
            witnesses: self.witnesses.clone(),
        }
    }
}

impl FailedSeen {
    fn read(&mut self, seen: &Seen<'_>, read: &Operation, place: Place) {
        for version in &read.versions {
            match seen.judge.known(&read.key, *version) {
                Known::Failed => self.count(read.id, *version, place),
                Known::Open => {
                    let mut readers = self.readers.remove(version).unwrap_or_default();
                    readers.push((read.id, place));
                    self.readers
                        .insert(read.returned, seen.memory, *version, readers);
                }
                Known::Acknowledged | Known::Unknown | Known::Forgotten | Known::Nothing => {}
            }
        }
    }

    fn count(&mut self, read: OperationId, write: OperationId, place: Place) {
        if !self.counted.insert(read) {
            return;
        }
        self.reads.at(place.phase).mark(place.block);
        if self.witnesses.len() < WITNESSES {
            self.witnesses.push(format!("{read} returned {write}"));
        }
    }
}

const NAME: &str = "failed_seen";
const WITNESSES: usize = 5;
