//! Orders of a register's writes in which every read returns one of the k latest values.

use super::super::budget::{Budget, Doubt};
use super::super::zones::Zone;
use foldhash::fast::FixedState;
use smallvec::SmallVec;
use std::collections::HashMap;

/// Whether these zones' writes, in this order, explain what was read if a read may return any of the k latest values.
///
/// A write takes effect as early as it can: after the one before it, after its own start, and after the last read of the
/// value that is too old from then on. It must not be later than the first end of an operation with its value.
pub(super) fn explains(order: impl Iterator<Item = Zone> + Clone, k: usize) -> bool {
    let mut too_old = order.clone();
    let mut time = 0;
    for (place, zone) in order.enumerate() {
        time = time.max(zone.write_start);
        if place >= k {
            let old = too_old.next().expect("it is k writes behind");
            time = time.max(old.greatest_start);
        }
        if time > zone.least_finish {
            return false;
        }
    }
    true
}

/// Looks for an order that explains these zones with this k; none: it was not found within some steps.
pub(super) fn search(
    zones: &[Zone],
    k: usize,
    budget: &mut Budget<'_>,
) -> Result<Option<bool>, Doubt> {
    let mut search = Search {
        zones,
        k,
        placed: vec![false; zones.len()],
        order: Vec::new(),
        seen: HashMap::default(),
        steps: 0,
    };
    search.run(budget)
}

struct Search<'a> {
    zones: &'a [Zone],
    k: usize,
    placed: Vec<bool>,
    /// The zones that are placed, each with the time of its write.
    order: Vec<(usize, u64)>,
    /// The least time at which the same zones were placed, with the same ones last.
    seen: HashMap<Place, u64, FixedState>,
    steps: usize,
}

/// Which zones are placed, as bits, and the last ones.
type Place = (Vec<u64>, SmallVec<[u32; 8]>);

impl Search<'_> {
    fn run(&mut self, budget: &mut Budget<'_>) -> Result<Option<bool>, Doubt> {
        let mut candidate = 0;
        loop {
            budget.spend(1 + self.zones.len() / 8)?;
            self.steps += 1;
            if self.order.len() == self.zones.len() {
                return Ok(Some(true));
            }
            if self.steps > MOST_STEPS.min(MOST_LOOKS / self.zones.len()) {
                return Ok(None);
            }
            candidate = match self.next(candidate) {
                Some((next, time)) => {
                    self.placed[next] = true;
                    self.order.push((next, time));
                    if self.is_new(time) {
                        0
                    } else {
                        self.take_back().expect("one was placed") + 1
                    }
                }
                None => match self.take_back() {
                    Some(last) => last + 1,
                    None => return Ok(Some(false)),
                },
            };
            let words = self.zones.len().div_ceil(64) + self.k / 2 + 8;
            budget.hold(self.seen.len() * words * size_of::<u64>())?;
        }
    }

    /// The next zone, from a candidate on, that can be placed so that the others still can, and the time of its write.
    fn next(&self, candidate: usize) -> Option<(usize, u64)> {
        let too_old = self.order.len().checked_sub(self.k);
        let old = too_old.map_or(0, |place| self.zones[self.order[place].0].greatest_start);
        let now = self.order.last().map_or(0, |(_, time)| *time).max(old);
        let left = || (0..self.zones.len()).filter(|place| !self.placed[*place]);
        // All that is left has to be placed from that time on.
        let latest = left().map(|place| self.zones[place].least_finish).min()?;
        left()
            .filter(|place| *place >= candidate)
            .map(|place| (place, now.max(self.zones[place].write_start)))
            .find(|(_, time)| *time <= latest)
    }

    /// Takes note of where the search is; tells whether it has not been there at this time or earlier.
    fn is_new(&mut self, time: u64) -> bool {
        let mut placed = vec![0_u64; self.zones.len().div_ceil(64)];
        for (place, _) in &self.order {
            placed[place / 64] |= 1 << (place % 64);
        }
        let last = self.order.iter().rev().take(self.k);
        let last = last.map(|(place, _)| *place as u32).collect();
        let least = self.seen.entry((placed, last)).or_insert(u64::MAX);
        let is_new = time < *least;
        *least = time.min(*least);
        is_new
    }

    fn take_back(&mut self) -> Option<usize> {
        let (last, _) = self.order.pop()?;
        self.placed[last] = false;
        Some(last)
    }
}

/// How many steps a search takes at most, and how many zones it looks at for them, about: small parts are searched to the
/// end, and great ones do not use up the budget.
const MOST_STEPS: usize = 20_000;
const MOST_LOOKS: usize = 2_000_000;
