//! False concurrency: a read returned two versions side by side although the writer of one had read the other.
//!
//! A read of the load with siblings counts iff one of its versions is a causal ancestor of another by the contexts that clients
//! used: the store kept, or could not tell, what had been superseded. The opportunities are the reads with siblings.
//!
//! Reference: N. Preguiça et al., “Dotted version vectors”, arXiv:1011.5808 (2010), §3, for clocks that tell too little.

use super::{Metric, Phased, Run, Seen};
use crate::figures::Rate;
use crate::tally::{Tally, shares};

#[derive(Default)]
pub(crate) struct FalseConcurrency {
    reads: Phased<Tally>,
    witnesses: Vec<String>,
}

impl Metric for FalseConcurrency {
    /// The share, and the first reads.
    type Figures = (Rate, Vec<String>);

    fn observe(&mut self, seen: &Seen<'_>) {
        let Some((read, place)) = seen.answered_read() else {
            return;
        };
        if read.versions.len() < 2 {
            return;
        }
        let pairs = read.versions.iter().flat_map(|newer| {
            let others = read.versions.iter();
            others.map(move |older| (*newer, *older))
        });
        let found = pairs
            .into_iter()
            .find(|(newer, older)| seen.judge.supersedes(*newer, *older));
        self.reads.at(place.phase).add(place.block, found.is_some());
        if let Some((newer, older)) = found
            && self.witnesses.len() < WITNESSES
        {
            let read = read.id;
            self.witnesses
                .push(format!("{read} returned {newer} beside {older}"));
        }
    }

    fn report(&self, run: &Run<'_>) -> Self::Figures {
        let rate = shares(&self.reads.all(run), run.seed, "false concurrency").whole;
        (rate, self.witnesses.clone())
    }
}

const WITNESSES: usize = 5;
