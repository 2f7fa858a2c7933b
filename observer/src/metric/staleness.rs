//! t- and k-staleness of the load's reads, in both views of [`crate::judge`].
//!
//! *t-staleness*: the read's start minus the finish of the first complete write that makes it stale. *k-staleness*: how many
//! complete writes it misses. Both are given of the stale reads, in the multi-value view.
//!
//! Reference: W. Golab, X. Li, M. Shah, PODC 2011; P. Bailis et al., VLDB 2012, for k- and t-staleness.

use super::{Metric, Phased, Run, Seen};
use crate::figures::{Rate, Spread};
use crate::judge::Verdict;
use crate::spread::{Distribution, MS, ONE};
use crate::tally::{Tally, shares};

#[derive(Default)]
pub(crate) struct Staleness {
    phases: Phased<Reads>,
    nothing_written: u64,
    unmatched: u64,
    at_least: u64,
}

#[derive(Clone, Default)]
struct Reads {
    multi_value: Tally,
    single_value: Tally,
    concurrent: u64,
    t: Distribution,
    k: Distribution,
}

/// How stale the reads of a phase were.
pub(crate) struct StaleReads {
    pub(crate) multi_value: Rate,
    pub(crate) single_value: Rate,
    pub(crate) concurrent: u64,
    pub(crate) t_ms: Option<Spread>,
    pub(crate) k: Option<Spread>,
}

/// How stale reads were in all phases, in each, and when.
pub(crate) struct StaleShares {
    pub(crate) whole: StaleReads,
    pub(crate) phases: Vec<StaleReads>,
    pub(crate) over_time: Vec<Tally>,
    pub(crate) design_effect: f64,
    /// Reads that no complete write preceded.
    pub(crate) nothing_written: u64,
    /// Reads that returned what no operation wrote.
    pub(crate) unmatched: u64,
    /// Reads that hang on what is beyond the judge's horizon.
    pub(crate) at_least: u64,
}

impl Metric for Staleness {
    type Figures = StaleShares;

    fn observe(&mut self, seen: &Seen<'_>) {
        let Some((_, place)) = seen.answered_read() else {
            return;
        };
        match seen.verdict {
            None => {}
            Some(Verdict::NothingWritten) => self.nothing_written += 1,
            Some(Verdict::Unmatched) => self.unmatched += 1,
            Some(Verdict::Judged(judgement)) => {
                let reads = self.phases.at(place.phase);
                self.at_least += u64::from(judgement.is_at_least);
                reads.concurrent += u64::from(judgement.concurrent);
                reads
                    .single_value
                    .add(place.block, judgement.single_value.is_some());
                reads
                    .multi_value
                    .add(place.block, judgement.multi_value.is_some());
                if let Some(staleness) = judgement.multi_value {
                    reads.t.add_time(staleness.t);
                    reads.k.add(staleness.k);
                }
            }
        }
    }

    fn report(&self, run: &Run<'_>) -> StaleShares {
        let reads = self.phases.all(run);
        let over_time: Vec<Tally> = reads
            .iter()
            .map(|reads| reads.multi_value.clone())
            .collect();
        let single: Vec<Tally> = reads
            .iter()
            .map(|reads| reads.single_value.clone())
            .collect();
        let multi_value = shares(&over_time, run.seed, "stale");
        let single_value = shares(&single, run.seed, "stale single-value");
        let k = Distribution::merged(reads.iter().map(|reads| &reads.k));
        let phases = reads.iter().enumerate().map(|(phase, reads)| StaleReads {
            multi_value: multi_value.parts[phase],
            single_value: single_value.parts[phase],
            concurrent: reads.concurrent,
            t_ms: reads.t.spread(MS),
            k: reads.k.spread(ONE),
        });
        StaleShares {
            whole: StaleReads {
                multi_value: multi_value.whole,
                single_value: single_value.whole,
                concurrent: reads.iter().map(|reads| reads.concurrent).sum(),
                t_ms: self.t().spread(MS),
                k: k.spread(ONE),
            },
            phases: phases.collect(),
            over_time,
            design_effect: multi_value.design_effect,
            nothing_written: self.nothing_written,
            unmatched: self.unmatched,
            at_least: self.at_least,
        }
    }
}

impl Staleness {
    /// The t-staleness of the stale reads of all phases.
    pub(crate) fn t(&self) -> Distribution {
        Distribution::merged(self.phases.values().iter().map(|reads| &reads.t))
    }
}
