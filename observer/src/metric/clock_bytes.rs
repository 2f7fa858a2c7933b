//! Clock size: how many bytes the contexts have that come back with the load's answers.
//!
//! An answer without a context, as a store without clocks gives it, is not counted. It is what clients must carry, and about
//! what each stored version carries.
//!
//! Reference: N. Preguiça et al., “Dotted version vectors”, arXiv:1011.5808 (2010), §5, which compares clocks by their size.

use super::{Metric, Run, Seen};
use crate::figures::Spread;
use crate::spread::{Distribution, ONE};
use tidemark_proto::event::Outcome;

#[derive(Default)]
pub(crate) struct ClockBytes {
    sizes: Distribution,
}

impl Metric for ClockBytes {
    type Figures = Option<Spread>;

    fn observe(&mut self, seen: &Seen<'_>) {
        if let Some((operation, _)) = seen.load()
            && operation.outcome == Outcome::Ok
            && operation.context_bytes > 0
        {
            self.sizes.add(u64::from(operation.context_bytes));
        }
    }

    fn report(&self, _: &Run<'_>) -> Option<Spread> {
        self.sizes.spread(ONE)
    }
}
