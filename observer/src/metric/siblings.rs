//! Siblings per read: how many versions the load's answered reads returned, and for each key the last of them.

use super::{Metric, Phased, Run, Seen};
use crate::figures::{SiblingCount, Spread};
use crate::spread::{Distribution, ONE};
use crate::tally::{Shares, Tally, shares};
use bytes::Bytes;
use std::collections::BTreeMap;

#[derive(Default)]
pub(crate) struct Siblings {
    versions: BTreeMap<u64, u64>,
    several: Phased<Tally>,
    /// How many versions the last read of each key returned.
    last: BTreeMap<Bytes, u64>,
}

/// How many versions reads returned.
pub(crate) struct Versions {
    pub(crate) counts: Vec<SiblingCount>,
    /// Which reads returned several.
    pub(crate) several: Shares,
    /// Of the last reads of all keys.
    pub(crate) at_end: Option<Spread>,
}

impl Metric for Siblings {
    type Figures = Versions;

    fn observe(&mut self, seen: &Seen<'_>) {
        if let Some((read, place)) = seen.answered_read() {
            let versions = read.versions.len() as u64;
            *self.versions.entry(versions).or_default() += 1;
            self.several.at(place.phase).add(place.block, versions > 1);
            match self.last.get_mut(&read.key) {
                Some(last) => *last = versions,
                None => drop(self.last.insert(read.key.clone(), versions)),
            }
        }
    }

    fn report(&self, run: &Run<'_>) -> Versions {
        let counts = self.versions.iter();
        let counts = counts.map(|(&versions, &reads)| SiblingCount { versions, reads });
        let mut at_end = Distribution::default();
        self.last
            .values()
            .for_each(|versions| at_end.add(*versions));
        Versions {
            counts: counts.collect(),
            several: shares(&self.several.all(run), run.seed, "siblings"),
            at_end: at_end.spread(ONE),
        }
    }
}
