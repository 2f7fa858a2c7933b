//! Lost writes: acknowledged, and at the end held nowhere, nor superseded by what is held or by a delete.
//!
//! What a node holds is what it last said it stored; after a restart, what it then says. Superseding is by the ancestry
//! of [`crate::judge`], in the multi-value view. A delete is lost only if what it deleted is held.
//!
//! A lost write was *overwritten unseen* if something is held that is not older than it: its place was taken, and who took
//! it had not seen the write.

use super::{Metric, Run, Seen};
use crate::figures::{LostWrites as Figures, Measured};
use crate::tally::deflated;
use bytes::Bytes;
use smallvec::SmallVec;
use std::collections::BTreeMap;
use tidemark_proto::event::{Detail, Event, MachineChange};
use tidemark_proto::id::{NodeId, OperationId};

#[derive(Default)]
pub(crate) struct LostWrites {
    held: BTreeMap<Bytes, SmallVec<[Holding; 3]>>,
}

struct Holding {
    node: NodeId,
    versions: SmallVec<[OperationId; 1]>,
}

impl Metric for LostWrites {
    type Figures = Measured<Figures>;

    fn observe(&mut self, seen: &Seen<'_>) {
        match seen.event {
            Event::Stored(stored) => {
                let holdings = self.held.entry(stored.key.clone()).or_default();
                holdings.retain(|holding| holding.node != stored.node);
                if !stored.versions.is_empty() {
                    holdings.push(Holding {
                        node: stored.node,
                        versions: SmallVec::from_slice(&stored.versions),
                    });
                }
            }
            Event::Machine {
                node,
                change: MachineChange::Restarted | MachineChange::RestartedEmpty,
                ..
            } => {
                for holdings in self.held.values_mut() {
                    holdings.retain(|holding| holding.node != *node);
                }
            }
            _ => {}
        }
    }

    fn report(&self, run: &Run<'_>) -> Measured<Figures> {
        if let Some(reason) = run.lacks(Detail::Arrivals) {
            return Measured::Missing(reason);
        }
        let (mut count, mut overwritten) = (0, 0);
        let mut examples = Vec::new();
        for key in run.judge.keys() {
            let holdings = self.held.get(key).into_iter().flatten();
            let held: Vec<OperationId> = holdings
                .flat_map(|holding| holding.versions.iter().copied())
                .collect();
            let (lost, forgotten) = run.judge.lost(key, &held);
            count += forgotten;
            overwritten += if held.is_empty() { 0 } else { forgotten };
            for lost in lost {
                count += 1;
                overwritten += u64::from(lost.overwritten);
                if examples.len() < EXAMPLES {
                    let write = lost.write;
                    examples.push(format!("{write} of {}", String::from_utf8_lossy(key)));
                }
            }
        }
        Measured::Known(Figures {
            lost: deflated((count, run.judge.acknowledged()), 1.0),
            overwritten: deflated((overwritten, run.judge.acknowledged()), 1.0),
            examples,
        })
    }
}

const EXAMPLES: usize = 10;
