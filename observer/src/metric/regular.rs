//! K-regular and Δ-regular shares: how many reads would be regular if they were allowed to be so many writes, or so long, behind.
//!
//! A read of the load that could have been stale is *K-regular* iff it missed fewer than K complete writes, and *Δ-regular* iff
//! it missed none that had been complete for longer than Δ, both in the single-value view; 1-regular and 0-regular is fresh.
//! A write that overlaps the read may be returned or not.
//!
//! Reference: P. Bailis et al., “Quantifying eventual consistency with PBS”, CACM 57 (2014), §2, after L. Lamport, “On
//! interprocess communication”, 1986 (regular registers).

use super::{Metric, Phased, Run, Seen};
use crate::figures::Regular as Figures;
use crate::judge::Verdict;
use crate::tally::{Tally, shares};
use std::time::Duration;

#[derive(Default)]
pub(crate) struct Regular {
    k: [Phased<Tally>; K.len()],
    delta: [Phased<Tally>; DELTA_MS.len()],
}

impl Metric for Regular {
    type Figures = Figures;

    fn observe(&mut self, seen: &Seen<'_>) {
        let (Some((_, place)), Some(Verdict::Judged(judgement))) =
            (seen.answered_read(), seen.verdict)
        else {
            return;
        };
        let stale = judgement.single_value;
        for (bound, reads) in K.iter().zip(&mut self.k) {
            let is_regular = stale.is_none_or(|stale| stale.k < *bound);
            reads.at(place.phase).add(place.block, is_regular);
        }
        for (bound, reads) in DELTA_MS.iter().zip(&mut self.delta) {
            let bound = Duration::from_millis(*bound);
            let is_regular = stale.is_none_or(|stale| stale.t <= bound);
            reads.at(place.phase).add(place.block, is_regular);
        }
    }

    fn report(&self, run: &Run<'_>) -> Figures {
        let rate =
            |name: &str, reads: &Phased<Tally>| shares(&reads.all(run), run.seed, name).whole;
        let k = K.iter().zip(&self.k);
        let delta = DELTA_MS.iter().zip(&self.delta);
        Figures {
            k: k.map(|(k, reads)| (*k, rate("k-regular", reads))).collect(),
            delta_ms: delta
                .map(|(ms, reads)| (*ms, rate("Δ-regular", reads)))
                .collect(),
        }
    }
}

const K: [u64; 5] = [1, 2, 3, 5, 10];
const DELTA_MS: [u64; 4] = [1, 10, 100, 1_000];
