//! How far a register is from linearizable: Γ and Δ in time, k in versions.

pub(super) mod atomicity;
mod order;
pub(super) mod stream;

use super::budget::{Budget, Doubt};
use super::zones::Zone;

/// Γ and Δ of one register.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spread {
    /// Γ of the value of each zone, in their order.
    pub(crate) gammas: Vec<u64>,
    /// Δ.
    pub(crate) delta: u64,
}

/// Γ and Δ, from zones in the order of their first ends.
///
/// For two zones a and b of which one at least is forward, χ(a, b) = min(s_a − f_b, s_b − f_a), and Γ of a value is the
/// greatest χ with any other. Δ is the greatest of these minima where s_a − f_b is taken only if the write of a starts no
/// later than f_b, and the other way round. Nothing can come before the initial value, however much it is stretched.
///
/// Both are found without looking at pairs. Over the zones in their order, s_a − f_b falls, and s_b − f_a rises if the
/// greatest s_b so far is taken: the minimum is greatest where they cross. Where one choice is taken away, the other is at
/// least χ; it is taken away if f_b lies before the write of a, and then the greatest s_b decides. So Δ is the greatest of
/// Γ and of these.
///
/// Reference: Golab, Li and Shah, Analyzing consistency properties for fun and profit, PODC 2011, §4 (χ, Δ); Golab et al.,
/// Client-centric benchmarking of eventual consistency for cloud storage systems, ICDCS 2014, §3 (Γ).
pub(crate) fn spread(zones: &[Zone], budget: &mut Budget<'_>) -> Result<Spread, Doubt> {
    let all = Peaks::new(zones, |_| true, budget)?;
    let forward = Peaks::new(zones, Zone::is_forward, budget)?;
    let mut spread = Spread::default();
    for (place, zone) in zones.iter().enumerate() {
        budget.spend(2)?;
        let others = if zone.is_forward() { &all } else { &forward };
        spread.gammas.push(others.gamma(place, zone));
        let late = all.before(zone.write_start);
        let late = late.map_or(0, |peak| stretch(peak.without(place), zone.least_finish));
        spread.delta = spread.delta.max(late);
    }
    spread.delta = spread.gammas.iter().copied().fold(spread.delta, u64::max);
    Ok(spread)
}

/// Of some zones in the order of their first ends, up to which one which last starts are the greatest.
struct Peaks(Vec<Peak>);

struct Peak {
    least_finish: u64,
    /// The greatest start so far, and the place of its zone.
    greatest: (u64, usize),
    /// The greatest start of another zone; 0: there is none.
    second: u64,
}

impl Peaks {
    fn new(
        zones: &[Zone],
        counts: impl Fn(&Zone) -> bool,
        budget: &mut Budget<'_>,
    ) -> Result<Self, Doubt> {
        let (mut greatest, mut second) = ((0, usize::MAX), 0);
        let mut peaks = Vec::new();
        for (place, zone) in zones.iter().enumerate().filter(|(_, zone)| counts(zone)) {
            budget.spend(1)?;
            if zone.greatest_start >= greatest.0 {
                second = greatest.0;
                greatest = (zone.greatest_start, place);
            } else {
                second = second.max(zone.greatest_start);
            }
            peaks.push(Peak {
                least_finish: zone.least_finish,
                greatest,
                second,
            });
        }
        Ok(Self(peaks))
    }

    /// The greatest χ of a zone with one of these.
    fn gamma(&self, place: usize, zone: &Zone) -> u64 {
        let falling = |peak: &Peak| stretch(zone.greatest_start, peak.least_finish);
        let rising = |peak: &Peak| stretch(peak.without(place), zone.least_finish);
        let crossing = self.0.partition_point(|peak| falling(peak) >= rising(peak));
        let before = self.0[..crossing].last().map_or(0, rising);
        before.max(self.0.get(crossing).map_or(0, falling))
    }

    /// At the last of those whose first end lies before a time.
    fn before(&self, time: u64) -> Option<&Peak> {
        let count = self.0.partition_point(|peak| peak.least_finish < time);
        self.0[..count].last()
    }
}

impl Peak {
    /// The greatest start of another zone than that at a place.
    fn without(&self, place: usize) -> u64 {
        if self.greatest.1 == place {
            self.second
        } else {
            self.greatest.0
        }
    }
}

/// By how much a start has to be moved to lie no later than an end. There is no zone without a start; and nothing can be
/// moved before the initial value, which was there before all.
fn stretch(start: u64, end: u64) -> u64 {
    match (start, end) {
        (0, _) => 0,
        (_, 0) => u64::MAX,
        (start, end) => start.saturating_sub(end),
    }
}
