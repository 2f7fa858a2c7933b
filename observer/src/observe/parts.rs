//! The parts of the figures that several metrics make together: phases, bins of time, and what is left out.

use crate::figures::{Excluded, PhaseFigures, Rate, TimeBin};
use crate::metric::availability::{Served, ServedShares};
use crate::metric::exposure::Touches;
use crate::metric::staleness::{StaleReads, StaleShares};
use crate::phases::Phase;
use crate::tally::{BLOCK, Tally, deflated};
use std::time::Duration;

pub(super) fn excluded(counts: &[(&str, u64)]) -> Vec<Excluded> {
    let counts = counts.iter().filter(|(_, count)| *count > 0);
    let excluded = counts.map(|(what, count)| Excluded {
        what: (*what).to_owned(),
        count: *count,
    });
    excluded.collect()
}

pub(super) fn phase(
    span: &Phase,
    served: &Served,
    stale: &StaleReads,
    siblings: Rate,
    touches: &Touches,
) -> PhaseFigures {
    let [ok, failed, unknown] = served.outcomes;
    PhaseFigures {
        name: span.name.clone(),
        from_s: span.from.as_secs_f64(),
        until_s: span.until.as_secs_f64(),
        fault: span.fault,
        operations: ok + failed + unknown,
        ok,
        failed,
        unknown,
        availability: served.availability,
        reads_available: served.reads,
        writes_available: served.writes,
        reads: stale.multi_value.of,
        stale: stale.multi_value,
        stale_single_value: stale.single_value,
        concurrent: stale.concurrent,
        t_staleness_ms: stale.t_ms,
        k_staleness: stale.k,
        siblings,
        messages: touches.messages.clone(),
        messages_touched: touches.messages_touched.clone(),
        operations_touched: touches.operations_touched.clone(),
    }
}

/// The measured time in equal bins, each of whole blocks: half a second, or a sixtieth if that is longer.
pub(super) fn over_time(whole: &Phase, served: &ServedShares, stale: &StaleShares) -> Vec<TimeBin> {
    let length = whole.until - whole.from;
    let blocks = |time: Duration| {
        u32::try_from(time.as_nanos().div_ceil(BLOCK.as_nanos())).unwrap_or(u32::MAX)
    };
    let width = blocks(length / 60).max(2);
    let bin = |first: u32| {
        let rate = |parts: &[Tally], design_effect| {
            let sums = parts
                .iter()
                .map(|part| part.sum(first..first.saturating_add(width)));
            let sum = sums.fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
            deflated(sum, design_effect)
        };
        let availability = rate(&served.over_time, served.design_effect);
        TimeBin {
            from_s: (whole.from + BLOCK * first).as_secs_f64(),
            until_s: (whole.from + BLOCK * (first + width))
                .min(whole.until)
                .as_secs_f64(),
            operations: availability.of,
            availability,
            stale: rate(&stale.over_time, stale.design_effect),
        }
    };
    (0..blocks(length))
        .step_by(width as usize)
        .map(bin)
        .collect()
}
