//! Siblings per read: how many versions the load's answered reads returned.

use super::{Metric, Phased, Run, Seen};
use crate::figures::SiblingCount;
use crate::tally::{Shares, Tally, shares};
use std::collections::BTreeMap;

#[derive(Default)]
pub(crate) struct Siblings {
    versions: BTreeMap<u64, u64>,
    several: Phased<Tally>,
}

impl Metric for Siblings {
    type Figures = (Vec<SiblingCount>, Shares);

    fn observe(&mut self, seen: &Seen<'_>) {
        if let Some((read, place)) = seen.answered_read() {
            let versions = read.versions.len() as u64;
            *self.versions.entry(versions).or_default() += 1;
            self.several.at(place.phase).add(place.block, versions > 1);
        }
    }

    fn report(&self, run: &Run<'_>) -> Self::Figures {
        let counts = self.versions.iter();
        let counts = counts.map(|(&versions, &reads)| SiblingCount { versions, reads });
        (
            counts.collect(),
            shares(&self.several.all(run), run.seed, "siblings"),
        )
    }
}
