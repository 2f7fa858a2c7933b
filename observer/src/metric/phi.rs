//! φ-consistency: the share of instants at which all replicas of a key held the same of it.
//!
//! The instants are those at which answered reads of the load return, and the key is the one that was read, so that a key counts as
//! often as it is asked for. Replicas hold the same if their versions and clocks are equal, or none holds any of it.
//!
//! Departs from the paper, which sends a probe to every replica at about one time: what replicas hold is known here from
//! what they noted as they stored it, at the very instant, and without a load of its own.
//!
//! Reference: H. Lu et al., “Existential consistency: measuring and understanding consistency at Facebook”, SOSP 2015, §6
//! (φ(P)-consistency).

use super::{Metric, Phased, Run, Seen};
use crate::figures::Rate;
use crate::tally::{Tally, shares};

#[derive(Default)]
pub(crate) struct Phi {
    instants: Phased<Tally>,
}

impl Metric for Phi {
    type Figures = Rate;

    fn observe(&mut self, seen: &Seen<'_>) {
        let Some((read, place)) = seen.answered_read() else {
            return;
        };
        if let Some(key) = seen.holdings.of(&read.key) {
            let mut digests = key.replicas.iter().map(|node| {
                let held = key.held(*node);
                held.map(|held| held.digest)
            });
            let first = digests.next();
            let agree = digests.all(|digest| Some(digest) == first);
            self.instants.at(place.phase).add(place.block, agree);
        }
    }

    fn report(&self, run: &Run<'_>) -> Rate {
        shares(&self.instants.all(run), run.seed, "φ").whole
    }
}
