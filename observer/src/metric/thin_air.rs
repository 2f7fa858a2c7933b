//! Thin-air reads, and reads from the future: what they return had been written by nobody when they returned.
//!
//! A read of the load is *thin-air* iff it returned a version that no write of its key, begun at any time in the run, has
//! written. It is *from the future* iff it returned a write that began after the read had returned. A write whose beginning
//! nobody noted is known when it ends: until then its readers wait. The opportunities are all answered reads of the load.
//!
//! Reference: A. Bouajjani et al., “On verifying causal consistency”, POPL 2017 (thin-air read); J. Manson, W. Pugh,
//! S. Adve, POPL 2005, for the word.

use super::{Metric, Phased, Run, Seen};
use crate::figures::Anomaly;
use crate::judge::{Known, Verdict};
use crate::phases::Place;
use crate::tally::{Tally, shares};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::time::Duration;
use tidemark_proto::event::{Event, Kind};
use tidemark_proto::id::OperationId;

#[derive(Default)]
pub(crate) struct ThinAir {
    reads: Phased<Tally>,
    /// What nobody had written when it was read, and who read it.
    awaited: BTreeMap<(OperationId, Bytes), Vec<Reader>>,
    future: Vec<(Reader, OperationId)>,
}

#[derive(Clone, Copy)]
struct Reader {
    id: OperationId,
    returned: Duration,
    place: Place,
}

impl Metric for ThinAir {
    type Figures = [Anomaly; 2];

    fn observe(&mut self, seen: &Seen<'_>) {
        match seen.event {
            Event::Invoked(write) => self.begun(write.id, &write.key, write.invoked),
            Event::Returned(write) if write.kind != Kind::Get => {
                self.begun(write.id, &write.key, write.invoked);
            }
            _ => {}
        }
        let Some((read, place)) = seen.answered_read() else {
            return;
        };
        self.reads.at(place.phase).add(place.block, false);
        if matches!(seen.verdict, Some(Verdict::Judged(_)) | None) {
            return;
        }
        for version in &read.versions {
            if seen.judge.known(&read.key, *version) == Known::Nothing {
                let readers = self.awaited.entry((*version, read.key.clone()));
                readers.or_default().push(Reader {
                    id: read.id,
                    returned: read.returned,
                    place,
                });
            }
        }
    }

    fn report(&self, run: &Run<'_>) -> [Anomaly; 2] {
        let awaited = self.awaited.iter();
        let thin_air = awaited.flat_map(|((version, _), readers)| {
            readers.iter().map(move |reader| (*reader, *version))
        });
        [
            self.anomaly("thin_air", thin_air.collect(), run),
            self.anomaly("from_the_future", self.future.clone(), run),
        ]
    }
}

impl ThinAir {
    /// A write is known from now on: its readers were too early, or only the note of it was late.
    fn begun(&mut self, write: OperationId, key: &Bytes, begun: Duration) {
        if self.awaited.is_empty() {
            return;
        }
        let readers = self.awaited.remove(&(write, key.clone()));
        let early = readers.into_iter().flatten();
        let early = early.filter(|reader| reader.returned < begun);
        self.future.extend(early.map(|reader| (reader, write)));
    }

    fn anomaly(&self, name: &str, mut reads: Vec<(Reader, OperationId)>, run: &Run<'_>) -> Anomaly {
        reads.sort_by_key(|(reader, version)| (reader.returned, reader.id, *version));
        let examples = reads.iter().take(WITNESSES);
        let examples =
            examples.map(|(reader, version)| format!("{} returned {version}", reader.id));
        let witnesses = examples.collect();
        reads.dedup_by_key(|(reader, _)| reader.id);
        let mut tallies = self.reads.all(run);
        for (reader, _) in &reads {
            tallies[reader.place.phase].mark(reader.place.block);
        }
        Anomaly {
            name: name.to_owned(),
            reads: shares(&tallies, run.seed, name).whole,
            witnesses,
        }
    }
}

const WITNESSES: usize = 5;
