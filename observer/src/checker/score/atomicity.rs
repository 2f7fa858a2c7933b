//! The smallest k of k-atomicity: every read returns one of the k latest values.
//!
//! Overlapping forward zones are one chunk, together with the backward zones within it. Chunks follow one after the
//! other, and what is in none of them fits in between: each chunk can be looked at by itself.
//!
//! Two is told in O(n log n). Of two overlapping zones each has an operation that ends before one of the other starts, so
//! that whichever write comes first, a read of its value follows the second one: they are neighbours, and the
//! forward zones of a chunk are a path. In the order of their first ends they are that path, but for the first two, which may
//! have to change places. A backward zone within the chunk cannot stand between neighbours: at most one is first, and one
//! last. For a greater k orders are tried, and then searched for.
//!
//! Reference: Golab, Hurwitz and Li, On the k-atomicity-verification problem, ICDCS 2013, §5 (FZF: forward zones first).

use super::super::budget::{Budget, Doubt};
use super::super::report::SmallestK;
use super::super::zones::Zone;
use super::order::{explains, search};

/// What is done if the orders that are tried do not tell the smallest k.
#[derive(Clone, Copy)]
pub(in crate::checker) enum Search {
    /// Other orders are searched for, within some steps.
    Short,
    /// Nothing: a bound is given.
    Never,
}

/// The smallest k of zones in the order of their first ends.
pub(in crate::checker) fn smallest_k(
    zones: &[Zone],
    effort: Search,
    budget: &mut Budget<'_>,
) -> Result<SmallestK, Doubt> {
    let mut smallest = SmallestK::Is(1);
    for chunk in chunks(zones, budget)? {
        budget.spend(8 * chunk.forward.len())?;
        smallest = smallest.and(chunk.smallest_k(effort, budget)?);
    }
    Ok(smallest)
}

/// Overlapping forward zones and the backward ones within them, both in the order of their first ends.
#[derive(Default)]
struct Chunk {
    forward: Vec<Zone>,
    backward: Vec<Zone>,
    until: u64,
}

fn chunks(zones: &[Zone], budget: &mut Budget<'_>) -> Result<Vec<Chunk>, Doubt> {
    let mut chunks: Vec<Chunk> = Vec::new();
    for zone in zones.iter().filter(|zone| zone.is_forward()) {
        budget.spend(1)?;
        if chunks
            .last()
            .is_none_or(|chunk| chunk.until <= zone.least_finish)
        {
            chunks.push(Chunk::default());
        }
        let chunk = chunks.last_mut().expect("one was pushed");
        chunk.forward.push(*zone);
        chunk.until = chunk.until.max(zone.greatest_start);
    }
    for zone in zones.iter().filter(|zone| !zone.is_forward()) {
        budget.spend(1)?;
        let began =
            chunks.partition_point(|chunk| chunk.forward[0].least_finish < zone.greatest_start);
        let chunk = chunks[..began].last_mut();
        if let Some(chunk) = chunk.filter(|chunk| zone.least_finish < chunk.until) {
            chunk.backward.push(*zone);
        }
    }
    Ok(chunks)
}

impl Chunk {
    fn smallest_k(&self, effort: Search, budget: &mut Budget<'_>) -> Result<SmallestK, Doubt> {
        if self.forward.len() == 1 && self.backward.is_empty() {
            return Ok(SmallestK::Is(1));
        }
        if self.is_two_atomic() {
            return Ok(SmallestK::Is(2));
        }
        let mut zones = [&*self.forward, &*self.backward].concat();
        let least = least(&zones, budget)?.max(3);
        let mut most = zones.len();
        let orders: [fn(&Zone) -> u64; 3] = [
            |zone| zone.least_finish,
            |zone| zone.write_start,
            |zone| zone.greatest_start,
        ];
        for order in orders {
            zones.sort_by_key(order);
            // What a k explains, a greater one does.
            let mut none = least - 1;
            while none + 1 < most {
                budget.spend(zones.len())?;
                let k = none.midpoint(most);
                let explains = explains(zones.iter().copied(), k);
                *(if explains { &mut most } else { &mut none }) = k;
            }
        }
        let searched = match effort {
            Search::Short => least..most,
            Search::Never if least < most => return Ok(SmallestK::AtLeast(least as u64)),
            Search::Never => most..most,
        };
        for k in searched {
            match search(&zones, k, budget)? {
                Some(true) => return Ok(SmallestK::Is(k as u64)),
                Some(false) => {}
                None => return Ok(SmallestK::AtLeast(k as u64)),
            }
        }
        Ok(SmallestK::Is(most as u64))
    }

    /// Whether every read may have returned one of the two latest values.
    fn is_two_atomic(&self) -> bool {
        let mut swapped = self.forward.clone();
        if swapped.len() > 1 {
            swapped.swap(0, 1);
        }
        let ends: Vec<[Option<Zone>; 2]> = match *self.backward {
            [] => vec![[None, None]],
            [one] => vec![[Some(one), None], [None, Some(one)]],
            [one, other] => vec![[Some(one), Some(other)], [Some(other), Some(one)]],
            _ => return false,
        };
        let mut orders = [&self.forward, &swapped]
            .into_iter()
            .flat_map(|middle| ends.iter().map(move |ends| (middle, *ends)));
        orders.any(|(middle, [first, last])| {
            let order = first.into_iter().chain(middle.iter().copied()).chain(last);
            explains(order, 2)
        })
    }
}

/// A k below which no order explains these zones. Writes that certainly came after another one and before a read of its
/// value make that read so old: those whose value had an end before that read, but for those that started before the
/// first end of its own.
fn least(zones: &[Zone], budget: &mut Budget<'_>) -> Result<usize, Doubt> {
    let mut ends: Vec<u64> = zones.iter().map(|zone| zone.least_finish).collect();
    let mut starts: Vec<u64> = zones.iter().map(|zone| zone.write_start).collect();
    budget.sort(&mut ends, |end| *end)?;
    budget.sort(&mut starts, |start| *start)?;
    let mut least = 1;
    for zone in zones {
        budget.spend(1)?;
        let ended = ends.partition_point(|end| *end < zone.greatest_start);
        let started = starts.partition_point(|start| *start <= zone.least_finish);
        least = least.max(1 + ended.saturating_sub(started));
    }
    Ok(least)
}

impl SmallestK {
    /// That of a whole from those of its parts.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Is(k), Self::Is(other)) => Self::Is(k.max(other)),
            (Self::Is(k) | Self::AtLeast(k), Self::Is(other) | Self::AtLeast(other)) => {
                Self::AtLeast(k.max(other))
            }
        }
    }
}
