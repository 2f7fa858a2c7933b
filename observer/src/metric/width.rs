//! Divergence width: how many distinct versions the replicas of a key held at an instant, all together.
//!
//! The instants are those of [`super::phi`]. One is agreement, or a write that has only reached some who held nothing; two
//! is a write on its way, or siblings that all hold; what is more, replicas that have gone different ways.

use super::{Metric, Run, Seen};
use crate::figures::Spread;
use crate::spread::{Distribution, ONE};
use smallvec::SmallVec;
use tidemark_proto::id::OperationId;

#[derive(Default)]
pub(crate) struct Width {
    widths: Distribution,
}

impl Metric for Width {
    type Figures = Option<Spread>;

    fn observe(&mut self, seen: &Seen<'_>) {
        let Some((read, _)) = seen.answered_read() else {
            return;
        };
        if let Some(key) = seen.holdings.of(&read.key) {
            let held = key.replicas.iter().filter_map(|node| key.held(*node));
            let versions = held.flat_map(|held| held.versions.iter().copied());
            let mut distinct: SmallVec<[OperationId; 8]> = versions.collect();
            distinct.sort_unstable();
            distinct.dedup();
            self.widths.add(distinct.len() as u64);
        }
    }

    fn report(&self, _: &Run<'_>) -> Option<Spread> {
        self.widths.spread(ONE)
    }
}
