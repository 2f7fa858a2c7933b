//! Messages and bytes an operation: all that the network took in the measured time, over the load's operations.
//!
//! It is all of the traffic between nodes, gossip, hints and sweeps as well as what operations send, so that what makes
//! reads fresher in the background is paid for too. What freshness costs is told between the cells of a sweep
//! ([`crate::sweep::Price`]): a run alone has nothing to be fresher than.

use super::{Metric, Run, Seen};
use crate::figures::{Cost as Figures, Measured};
use tidemark_proto::event::{Detail, Event};

#[derive(Default)]
pub(crate) struct Cost {
    operations: u64,
    messages: u64,
    bytes: u64,
}

impl Metric for Cost {
    type Figures = Measured<Figures>;

    fn observe(&mut self, seen: &Seen<'_>) {
        self.operations += u64::from(seen.load().is_some());
        if let Event::Fate(passage) = seen.event
            && seen.phases.place(passage.at).is_some()
        {
            self.messages += 1;
            self.bytes += u64::from(passage.size);
        }
    }

    fn report(&self, run: &Run<'_>) -> Measured<Figures> {
        match run.lacks(Detail::All) {
            Some(reason) => Measured::Missing(reason),
            None => Measured::Known(Figures {
                operations: self.operations,
                messages: self.messages,
                bytes: self.bytes,
            }),
        }
    }
}
