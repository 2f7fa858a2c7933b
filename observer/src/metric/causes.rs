//! Causes and cures: why each stale read was stale, and what gave what it missed to the replica that is named for it.
//!
//! A read is labelled by the writes that it misses, with the cause at that of the replicas which answered it whose cause comes
//! first in [`Cause::ALL`](crate::cause::Cause::ALL). Reads that found nothing although there was something, and those that returned what had
//! been deleted, are stale and labelled like all others. The cure is what first gave that replica the newest of them or one that
//! supersedes it. The share that nothing explains is a test of all the others: it counts in them.

use super::{Metric, Run, Seen};
use crate::cause::{Blame, Cure, Evidence};
use crate::figures::{CauseRow, Causes as Figures, CureRow, Measured};
use crate::judge::Judge;
use crate::lookup::Lookup;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::time::Duration;
use tidemark_proto::event::{Detail, Event, Operation, Stored};
use tidemark_proto::id::{NodeId, OperationId};

pub(crate) struct Causes {
    evidence: Evidence,
    reads: u64,
    rows: BTreeMap<Blame, Row>,
    /// By replica and key, what it lacks, and of which row the reads are that lacked it.
    lacking: Lookup<(NodeId, Bytes), BTreeMap<OperationId, BTreeMap<Blame, u64>>>,
}

#[derive(Default)]
struct Row {
    reads: u64,
    cured: BTreeMap<Cure, u64>,
    witnesses: Vec<OperationId>,
}

impl Causes {
    /// Of a run whose times were stretched by `time_scale`.
    pub(crate) fn new(time_scale: f64) -> Self {
        Self {
            evidence: Evidence::new(time_scale),
            reads: 0,
            rows: BTreeMap::new(),
            lacking: Lookup::default(),
        }
    }
}

impl Metric for Causes {
    type Figures = Measured<Figures>;

    fn observe(&mut self, seen: &Seen<'_>) {
        self.evidence.observe(seen.event);
        if let Event::Stored(stored) = seen.event {
            self.cure(seen.judge, stored);
        }
        let missed = seen.judge.missed();
        if let (Some((read, _)), false) = (seen.answered_read(), missed.is_empty()) {
            self.label(read, missed);
        }
    }

    fn report(&self, run: &Run<'_>) -> Self::Figures {
        if let Some(reason) = run.lacks(Detail::All) {
            return Measured::Missing(reason);
        }
        let row = |(blame, row): (&Blame, &Row)| {
            let cured: u64 = row.cured.values().sum();
            let left = (Cure::Nothing, row.reads - cured);
            let cures = row.cured.iter().map(|(cure, reads)| (*cure, *reads));
            let cures = cures.chain([left]).filter(|(_, reads)| *reads > 0);
            CauseRow {
                cause: blame.cause,
                fault: blame.fault.clone(),
                reads: row.reads,
                cures: cures.map(|(cure, reads)| CureRow { cure, reads }).collect(),
                witnesses: row.witnesses.clone(),
            }
        };
        Measured::Known(Figures {
            reads: self.reads,
            rows: self.rows.iter().map(row).collect(),
        })
    }
}

impl Causes {
    fn label(&mut self, read: &Operation, missed: &[(OperationId, Duration)]) {
        self.reads += 1;
        let (blame, node) = self.evidence.label(read, missed);
        let row = self.rows.entry(blame.clone()).or_default();
        row.reads += 1;
        if row.witnesses.len() < WITNESSES {
            row.witnesses.push(read.id);
        }
        let newest = missed.iter().max_by_key(|(_, finish)| *finish);
        if let (Some(node), Some((write, _))) = (node, newest) {
            let place = (node, read.key.clone());
            let lacking = self.lacking.entry(place).or_default();
            *lacking.entry(*write).or_default().entry(blame).or_default() += 1;
        }
    }

    /// What a replica lacked may be among what it holds now.
    fn cure(&mut self, judge: &Judge, stored: &Stored) {
        let place = (stored.node, stored.key.clone());
        let Some(lacking) = self.lacking.get_mut(&place) else {
            return;
        };
        for version in &stored.versions {
            // What only tells what is held has brought nothing.
            let brings = |write: &OperationId| {
                judge.brings(*version, *write) && Cure::by(stored, write == version).is_some()
            };
            for (write, reads) in lacking.extract_if(.., |write, _| brings(write)) {
                let Some(cure) = Cure::by(stored, write == *version) else {
                    continue;
                };
                for (blame, reads) in reads {
                    if let Some(row) = self.rows.get_mut(&blame) {
                        *row.cured.entry(cure).or_default() += reads;
                    }
                }
            }
        }
        if lacking.is_empty() {
            self.lacking.remove(&place);
        }
    }
}

const WITNESSES: usize = 5;
