//! Gaps: what of a run was not written down, by whom it was reported, and when the observer was down.

use super::{Metric, Run, Seen};
use crate::figures::GapFigures;
use std::collections::BTreeMap;
use tidemark_proto::event::{Event, Gap};

/// The gaps of each source, laid together.
#[derive(Default)]
pub(crate) struct Gaps {
    sources: BTreeMap<String, (u64, Gap)>,
}

impl Metric for Gaps {
    type Figures = Vec<GapFigures>;

    fn observe(&mut self, seen: &Seen<'_>) {
        let Event::Gap(gap) = seen.event else {
            return;
        };
        let first = || {
            let none = Gap {
                count: 0,
                ..(**gap).clone()
            };
            (0, none)
        };
        let (times, whole) = self.sources.entry(gap.source.clone()).or_insert_with(first);
        *times += 1;
        whole.from = whole.from.min(gap.from);
        whole.until = whole.until.max(gap.until);
        whole.count = whole.count.saturating_add(gap.count);
    }

    fn report(&self, _: &Run<'_>) -> Vec<GapFigures> {
        let gaps = self.sources.values();
        gaps.map(|(times, whole)| GapFigures {
            source: whole.source.clone(),
            times: *times,
            from_s: whole.from.as_secs_f64(),
            until_s: whole.until.as_secs_f64(),
            missing: whole.count,
        })
        .collect()
    }
}
