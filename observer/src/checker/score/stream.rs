//! Γ and Δ of one register while it is written and read: operations are fed as they return.
//!
//! Of a value no more is kept than its zone, three times, and where that is: a late read of an old value changes what it
//! would have changed off-line, however long ago everything else of it was over. What is to be told is computed when it is
//! asked for.

use super::super::budget::{Budget, Doubt};
use super::super::zones::Zone;
use super::spread;
use foldhash::fast::FixedState;
use std::collections::HashMap;

/// Γ and Δ of one register.
#[derive(Clone)]
pub struct Stream {
    /// Of the initial value first.
    zones: Vec<Zone>,
    /// The place of each value's zone.
    places: HashMap<u64, u32, FixedState>,
}

/// What they are so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scores {
    /// How many values there are: those written and acknowledged or read, and the initial one if it was read.
    pub values: u64,
    /// Those whose Γ is above 0, in the order of the values' numbers; none: the initial value.
    pub positive: Vec<(Option<u64>, u64)>,
    /// The greatest Γ, in nanoseconds.
    pub gamma: u64,
    /// Δ, in nanoseconds.
    pub delta: u64,
    /// How many values were read that nobody wrote, or before their write started. They count for nothing else.
    pub impossible: u64,
}

impl Default for Stream {
    fn default() -> Self {
        Self {
            zones: vec![Zone::INITIAL],
            places: HashMap::default(),
        }
    }
}

impl Stream {
    /// A write of a value, which is its alone, returned; without an end, its outcome is unknown. Times are in nanoseconds.
    pub fn write(&mut self, value: u64, start: u64, end: Option<u64>) {
        let end = end.map_or(u64::MAX, |end| end.saturating_add(1));
        let zone = self.zone(Some(value));
        zone.write_start = start.saturating_add(1);
        zone.greatest_start = zone.greatest_start.max(zone.write_start);
        zone.least_finish = zone.least_finish.min(end);
    }

    /// A read returned a value, or none: the initial one.
    pub fn read(&mut self, value: Option<u64>, start: u64, end: u64) {
        let zone = self.zone(value);
        zone.greatest_start = zone.greatest_start.max(start.saturating_add(1));
        zone.least_finish = zone.least_finish.min(end.saturating_add(1));
    }

    /// Γ and Δ of all that was fed.
    ///
    /// # Errors
    /// The budget was not enough.
    pub fn scores(&self, budget: &mut Budget<'_>) -> Result<Scores, Doubt> {
        let mut scores = Scores::default();
        let mut values = vec![None; self.zones.len()];
        for (value, place) in &self.places {
            values[*place as usize] = Some(*value);
        }
        let mut zones = Vec::with_capacity(self.zones.len());
        for (value, zone) in values.into_iter().zip(&self.zones) {
            budget.spend(1)?;
            let is_told = zone.least_finish < u64::MAX;
            if is_told && zone.least_finish < zone.write_start {
                scores.impossible += 1;
            } else if is_told {
                zones.push((value, *zone));
            }
        }
        zones.sort_by_key(|(value, zone)| (zone.least_finish, *value));
        let (values, zones): (Vec<_>, Vec<_>) = zones.into_iter().unzip();
        let spread = spread(&zones, budget)?;
        scores.values = zones.iter().filter(|zone| zone.is_told()).count() as u64;
        scores.positive = values
            .into_iter()
            .zip(spread.gammas)
            .filter(|(_, gamma)| *gamma > 0)
            .collect();
        scores.positive.sort_unstable();
        scores.gamma = scores
            .positive
            .iter()
            .map(|(_, gamma)| *gamma)
            .max()
            .unwrap_or(0);
        scores.delta = spread.delta;
        Ok(scores)
    }

    /// About how many bytes it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.zones.capacity() * size_of::<Zone>() + self.places.capacity() * BYTES_OF_A_PLACE
    }

    fn zone(&mut self, value: Option<u64>) -> &mut Zone {
        let next = self.zones.len() as u32;
        let place = value.map_or(0, |value| *self.places.entry(value).or_insert(next));
        if place == next {
            self.zones.push(Zone {
                write_start: u64::MAX,
                least_finish: u64::MAX,
                greatest_start: 0,
            });
        }
        &mut self.zones[place as usize]
    }
}

/// A value, its place, and a byte of the map.
const BYTES_OF_A_PLACE: usize = size_of::<(u64, u32)>() + 1;
