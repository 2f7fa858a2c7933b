//! The share of the load's answered reads of which the judge says something, of those of which it could say it.

use super::{Metric, Phased, Run, Seen};
use crate::figures::Rate;
use crate::judge::{Judgement, Verdict};
use crate::tally::{Tally, shares};
use tidemark_proto::event::Operation;
use tidemark_proto::id::OperationId;

/// A share of reads by what the judge says of each.
pub(crate) struct ReadShare {
    name: &'static str,
    /// Whether it is so; none: it could not be.
    says: fn(&Operation, &Judgement) -> Option<bool>,
    reads: Phased<Tally>,
    witnesses: Vec<OperationId>,
}

impl ReadShare {
    pub(super) fn new(
        name: &'static str,
        says: fn(&Operation, &Judgement) -> Option<bool>,
    ) -> Self {
        Self {
            name,
            says,
            reads: Phased::default(),
            witnesses: Vec::new(),
        }
    }
}

impl ReadShare {
    /// The first reads of which it is so.
    pub(crate) fn witnesses(&self) -> Vec<String> {
        self.witnesses.iter().map(OperationId::to_string).collect()
    }
}

impl Metric for ReadShare {
    type Figures = Rate;

    fn observe(&mut self, seen: &Seen<'_>) {
        if let Some((read, place)) = seen.answered_read()
            && let Some(Verdict::Judged(judgement)) = &seen.verdict
            && let Some(is_so) = (self.says)(read, judgement)
        {
            self.reads.at(place.phase).add(place.block, is_so);
            if is_so && self.witnesses.len() < WITNESSES {
                self.witnesses.push(read.id);
            }
        }
    }

    fn report(&self, run: &Run<'_>) -> Rate {
        shares(&self.reads.all(run), run.seed, self.name).whole
    }
}

const WITNESSES: usize = 5;
