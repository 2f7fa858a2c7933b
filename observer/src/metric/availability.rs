//! Availability: ok, failed and unknown among the operations of the load.

use super::{Metric, Phased, Run, Seen};
use crate::figures::Rate;
use crate::tally::{Tally, shares};
use tidemark_proto::event::{Kind, Outcome};

#[derive(Default)]
pub(crate) struct Availability {
    phases: Phased<Counts>,
}

#[derive(Clone, Default)]
struct Counts {
    /// By outcome: ok, failed, unknown.
    outcomes: [u64; 3],
    all: Tally,
    reads: Tally,
    writes: Tally,
}

/// What clients were served in a phase.
pub(crate) struct Served {
    pub(crate) outcomes: [u64; 3],
    pub(crate) availability: Rate,
    pub(crate) reads: Rate,
    pub(crate) writes: Rate,
}

/// What clients were served in all phases, in each, and when.
pub(crate) struct ServedShares {
    pub(crate) whole: Served,
    pub(crate) phases: Vec<Served>,
    pub(crate) over_time: Vec<Tally>,
    pub(crate) design_effect: f64,
}

impl Metric for Availability {
    type Figures = ServedShares;

    fn observe(&mut self, seen: &Seen<'_>) {
        let Some((operation, place)) = seen.load() else {
            return;
        };
        let counts = self.phases.at(place.phase);
        counts.outcomes[operation.outcome as usize] += 1;
        let is_ok = operation.outcome == Outcome::Ok;
        counts.all.add(place.block, is_ok);
        match operation.kind {
            Kind::Get => counts.reads.add(place.block, is_ok),
            Kind::Put | Kind::Delete => counts.writes.add(place.block, is_ok),
        }
    }

    fn report(&self, run: &Run<'_>) -> ServedShares {
        let counts = self.phases.all(run);
        let tallies = |part: fn(&Counts) -> &Tally| -> Vec<Tally> {
            counts.iter().map(|counts| part(counts).clone()).collect()
        };
        let over_time = tallies(|counts| &counts.all);
        let all = shares(&over_time, run.seed, "availability");
        let reads = shares(
            &tallies(|counts| &counts.reads),
            run.seed,
            "reads available",
        );
        let writes = shares(
            &tallies(|counts| &counts.writes),
            run.seed,
            "writes available",
        );
        let phases = counts.iter().enumerate().map(|(phase, counts)| Served {
            outcomes: counts.outcomes,
            availability: all.parts[phase],
            reads: reads.parts[phase],
            writes: writes.parts[phase],
        });
        ServedShares {
            whole: Served {
                outcomes: [0, 1, 2]
                    .map(|outcome| counts.iter().map(|counts| counts.outcomes[outcome]).sum()),
                availability: all.whole,
                reads: reads.whole,
                writes: writes.whole,
            },
            phases: phases.collect(),
            over_time,
            design_effect: all.design_effect,
        }
    }
}
