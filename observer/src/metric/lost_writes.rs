//! Lost writes: acknowledged, and at the end held nowhere, nor superseded by what is held or by a delete.
//!
//! What a node holds is what it last said it stored; after a restart, what it then says. Superseding is by the ancestry
//! of [`crate::judge`], in the multi-value view. A delete is lost only if what it deleted is held.
//!
//! What is lost together is no independent loss: the interval of the share resamples the blocks of time in which writes began.
//! Of those beyond the judge's horizon it is not known when that was: they count where the measured time begins.
//!
//! A lost write was *overwritten unseen* if something is held that is not older than it: its place was taken, and who took
//! it had not seen the write.

use super::{Metric, Run, Seen};
use crate::figures::{LostWrites as Figures, Measured};
use crate::tally::{Tally, shares};
use tidemark_proto::event::{Detail, Event, Kind, Outcome};

#[derive(Default)]
pub(crate) struct LostWrites {
    /// Acknowledged writes, by when they began.
    acknowledged: Tally,
}

impl Metric for LostWrites {
    type Figures = Measured<Figures>;

    fn observe(&mut self, seen: &Seen<'_>) {
        if let Event::Returned(write) = seen.event
            && write.kind != Kind::Get
            && write.outcome == Outcome::Ok
        {
            let block = seen.phases.block(write.invoked);
            self.acknowledged.add(block, false);
        }
    }

    fn report(&self, run: &Run<'_>) -> Measured<Figures> {
        if let Some(reason) = run.lacks(Detail::Arrivals) {
            return Measured::Missing(reason);
        }
        let mut lost_writes = self.acknowledged.clone();
        let mut overwritten_writes = self.acknowledged.clone();
        let mut mark = |block, overwritten| {
            lost_writes.mark(block);
            if overwritten {
                overwritten_writes.mark(block);
            }
        };
        let (mut examples, mut overwritten_examples) = (Vec::new(), Vec::new());
        for key in run.judge.keys() {
            let held = run.holdings.versions(key);
            let (lost, forgotten) = run.judge.lost(key, &held);
            (0..forgotten).for_each(|_| mark(0, !held.is_empty()));
            for lost in lost {
                mark(run.block(lost.begun), lost.overwritten);
                let name = format!("{} of {}", lost.write, String::from_utf8_lossy(key));
                if lost.overwritten && overwritten_examples.len() < EXAMPLES {
                    overwritten_examples.push(name.clone());
                }
                if examples.len() < EXAMPLES {
                    examples.push(name);
                }
            }
        }
        Measured::Known(Figures {
            lost: shares(&[lost_writes], run.seed, "lost writes").whole,
            overwritten: shares(&[overwritten_writes], run.seed, "overwritten").whole,
            examples,
            overwritten_examples,
        })
    }
}

const EXAMPLES: usize = 10;
