//! Γ, Δ and k of one register while it is written and read: operations are fed as they return.
//!
//! Of a value no more is kept than its zone and its number. What is to be told is computed when it is asked for.
//!
//! *Retiring*: values that nobody will use again are told of once more, and forgotten. That changes nothing where all that
//! overlaps a value is forgotten with it or was over before: no zone's first end ever moves but to a time before
//! every operation to come. Of other values Γ is at least what is told; so are Δ and k of the register.
//!
//! *Not found*: a read that found nothing may have met any delete that had begun when it returned. It is counted for the one whose
//! zone grows least by it: of which the first end is the last, or that nothing has shown so far. If no operation on any value had
//! ended when it began, nothing need have been written.

use super::super::budget::{Budget, Doubt};
use super::super::report::SmallestK;
use super::super::zones::Zone;
use super::atomicity::{Search, smallest_k};
use super::{Spread, spread};
use foldhash::fast::FixedState;
use std::collections::HashMap;

/// Γ, Δ and k of one register.
#[derive(Clone)]
pub struct Stream {
    /// The initial one first, once there is any.
    values: Vec<Value>,
    /// The place of each value; none as long as they are few.
    places: Option<HashMap<u64, u32, FixedState>>,
    /// The deletes that a read to come may be counted for: all that nothing has shown, and the best of the others.
    deletes: Vec<u64>,
    /// The first end of an operation on any value but the initial one.
    first_end: u64,
    /// What was told of values that are forgotten.
    delta: u64,
    k: SmallestK,
    impossible: u64,
    has_forgotten: bool,
    /// The last start of an operation when values were retired last.
    retired_until: u64,
    /// With how many values that is done, at least and next.
    fewest: usize,
    retire_at: usize,
}

/// What they are so far, without the values that were retired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scores {
    /// The values that were written and acknowledged or read, and the initial one if it was read, by their numbers.
    pub values: Vec<Score>,
    /// Δ, in nanoseconds.
    pub delta: u64,
    /// The smallest k; of a great one only a bound.
    pub k: SmallestK,
    /// How many values were read that nobody wrote, or before their write started. They count for nothing else.
    pub impossible: u64,
}

/// What one value comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Score {
    /// Its number; none: the initial one.
    pub value: Option<u64>,
    /// When its write began, in nanoseconds.
    pub begun: u64,
    /// Γ, in nanoseconds.
    pub gamma: u64,
    /// What overlaps it is not over: Γ may be more.
    pub is_at_least: bool,
}

/// A value's zone; [`u64::MAX`] and 0 stand for what has not happened. Times are one later than they were told.
#[derive(Clone, Copy)]
struct Value {
    /// None: the initial one.
    number: Option<u64>,
    write_start: u64,
    least_finish: u64,
    /// The last start of a read.
    last_read: u64,
    /// The greatest Γ so far, with values that are forgotten.
    gamma: u64,
}

impl Default for Stream {
    fn default() -> Self {
        Self::retiring_at(FEW)
    }
}

impl Stream {
    /// Looks for values to retire as soon as it has so many.
    #[must_use]
    pub fn retiring_at(values: usize) -> Self {
        Self {
            values: Vec::new(),
            places: None,
            deletes: Vec::new(),
            first_end: u64::MAX,
            delta: 0,
            k: SmallestK::Is(1),
            impossible: 0,
            has_forgotten: false,
            retired_until: 0,
            fewest: values,
            retire_at: values,
        }
    }

    /// A write of a value, which is its alone, began, or returned with success; without an end, its outcome is not known.
    /// Times are in nanoseconds.
    pub fn write(&mut self, value: u64, start: u64, end: Option<u64>) {
        let end = end.map_or(u64::MAX, |end| end.saturating_add(1));
        let value = self.value(Some(value));
        value.write_start = start.saturating_add(1);
        value.least_finish = value.least_finish.min(end);
        self.first_end = self.first_end.min(end);
    }

    /// As [`Stream::write`], of a delete, which has a number like a value.
    pub fn delete(&mut self, number: u64, start: u64, end: Option<u64>) {
        let is_new = self.find(number).is_none();
        self.write(number, start, end);
        if is_new {
            self.deletes.push(number);
        }
    }

    /// A write or a delete failed: it has not happened. What found nothing because of it is counted for another delete.
    pub fn fail(&mut self, number: u64) {
        let Some(place) = self.find(number) else {
            return;
        };
        let value = &mut self.values[place];
        value.write_start = u64::MAX;
        let Some(delete) = self.deletes.iter().position(|delete| *delete == number) else {
            return;
        };
        let (last_read, first_end) = (value.last_read, value.least_finish);
        (value.last_read, value.least_finish) = (0, u64::MAX);
        self.deletes.remove(delete);
        if last_read > 0 {
            self.find_nothing(last_read, first_end);
        }
    }

    /// A read returned a value.
    pub fn read(&mut self, value: u64, start: u64, end: u64) {
        let end = end.saturating_add(1);
        self.value(Some(value)).read(start.saturating_add(1), end);
        self.first_end = self.first_end.min(end);
    }

    /// A read found nothing.
    pub fn read_nothing(&mut self, start: u64, end: u64) {
        self.find_nothing(start.saturating_add(1), end.saturating_add(1));
    }

    /// Whether a value is known, and not forgotten.
    #[must_use]
    pub fn knows(&self, value: u64) -> bool {
        self.find(value).is_some()
    }

    /// Whether values were retired: a read that finds nothing never written would have changed what was told of them.
    #[must_use]
    pub fn has_forgotten(&self) -> bool {
        self.has_forgotten
    }

    /// Forgets the values for which `is_over` holds and that were not used since this was done last, if there are so many
    /// that it is time; tells of them.
    ///
    /// # Errors
    /// The budget was not enough.
    pub fn retire(
        &mut self,
        is_over: impl Fn(u64) -> bool,
        budget: &mut Budget<'_>,
    ) -> Result<Vec<Score>, Doubt> {
        if self.values.len() < self.retire_at {
            return Ok(Vec::new());
        }
        let told = self.judge(budget)?;
        for (place, gamma) in told.places.iter().zip(&told.spread.gammas) {
            let value = &mut self.values[*place];
            value.gamma = value.gamma.max(*gamma);
        }
        self.delta = self.delta.max(told.spread.delta);
        self.k = self.k.and(told.k);
        let best = self.best_delete(u64::MAX);
        let until = self.retired_until;
        let is_kept = |value: &Value| {
            value.zone().greatest_start > until
                || (value.number).is_none_or(|number| Some(number) == best || !is_over(number))
        };
        let (kept, forgotten): (Vec<_>, Vec<_>) = self.values.iter().copied().partition(is_kept);
        let ends = kept.iter().filter(|value| value.is_in_use(until));
        let first_end = ends.map(|value| value.least_finish).min();
        self.impossible += forgotten.iter().filter(|it| it.is_impossible()).count() as u64;
        self.has_forgotten |= !forgotten.is_empty();
        self.deletes
            .retain(|delete| !forgotten.iter().any(|value| value.number == Some(*delete)));
        self.values = kept;
        self.places = None;
        self.retired_until = (self.values.iter())
            .map(|value| value.zone().greatest_start)
            .fold(until, u64::max);
        self.retire_at = self.fewest.max(2 * self.values.len());
        let forgotten = forgotten.iter().filter(|value| value.is_told());
        Ok(forgotten.map(|value| value.score(first_end)).collect())
    }

    /// Γ, Δ and k of all that was fed, but for Γ of values that were retired.
    ///
    /// # Errors
    /// The budget was not enough.
    pub fn scores(&self, budget: &mut Budget<'_>) -> Result<Scores, Doubt> {
        let told = self.judge(budget)?;
        let mut values = Vec::with_capacity(told.places.len());
        for (place, gamma) in told.places.iter().zip(&told.spread.gammas) {
            let mut value = self.values[*place];
            value.gamma = value.gamma.max(*gamma);
            if value.zone().is_told() {
                values.push(value.score(None));
            }
        }
        budget.sort(&mut values, |score| *score)?;
        let impossible = self.values.iter().filter(|value| value.is_impossible());
        Ok(Scores {
            values,
            delta: self.delta.max(told.spread.delta),
            k: self.k.and(told.k),
            impossible: self.impossible + impossible.count() as u64,
        })
    }

    /// About how many bytes it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let places = self.places.as_ref().map_or(0, |places| places.capacity());
        self.values.capacity() * size_of::<Value>() + places * BYTES_OF_A_PLACE
    }

    fn judge(&self, budget: &mut Budget<'_>) -> Result<Told, Doubt> {
        let is_told = |place: &usize| self.values[*place].is_told();
        let mut places: Vec<usize> = (0..self.values.len()).filter(is_told).collect();
        budget.sort(&mut places, |place| {
            let value = self.values[*place];
            (value.least_finish, value.number)
        })?;
        let zones: Vec<Zone> = (places.iter())
            .map(|place| self.values[*place].zone())
            .collect();
        Ok(Told {
            spread: spread(&zones, budget)?,
            k: smallest_k(&zones, Search::Never, budget)?,
            places,
        })
    }

    /// A read found nothing; times are one later.
    fn find_nothing(&mut self, start: u64, end: u64) {
        let best = self.best_delete(end);
        let delete = best.filter(|_| self.first_end < start);
        self.value(delete).read(start, end);
        if delete.is_none() {
            return;
        }
        self.first_end = self.first_end.min(end);
        let best = self.best_shown();
        let values = std::mem::take(&mut self.deletes);
        self.deletes = (values.into_iter())
            .filter(|delete| Some(*delete) == best || self.end(*delete) == u64::MAX)
            .collect();
    }

    /// The delete, begun until then, whose first end is the last; of several, the one that began last.
    fn best_delete(&self, until: u64) -> Option<u64> {
        let deletes = self.deletes.iter().filter_map(|delete| {
            let value = self.values[self.find(*delete)?];
            (value.write_start <= until).then_some((value.least_finish, value.write_start, *delete))
        });
        deletes.max().map(|(_, _, delete)| delete)
    }

    /// The same of those that something has shown.
    fn best_shown(&self) -> Option<u64> {
        let shown = self.deletes.iter().copied();
        let shown = shown.filter(|delete| self.end(*delete) < u64::MAX);
        shown.max_by_key(|delete| self.end(*delete))
    }

    fn end(&self, number: u64) -> u64 {
        self.find(number)
            .map_or(u64::MAX, |place| self.values[place].least_finish)
    }

    fn find(&self, number: u64) -> Option<usize> {
        match &self.places {
            Some(places) => places.get(&number).map(|place| *place as usize),
            None => (self.values.iter()).rposition(|value| value.number == Some(number)),
        }
    }

    fn value(&mut self, number: Option<u64>) -> &mut Value {
        if self.values.is_empty() {
            self.values.reserve_exact(2);
            self.values.push(Value::INITIAL);
        }
        let Some(number) = number else {
            return &mut self.values[0];
        };
        if let Some(place) = self.find(number) {
            return &mut self.values[place];
        }
        let place = self.values.len();
        self.values.push(Value::of(number));
        if let Some(places) = &mut self.places {
            places.insert(number, place as u32);
        } else if place > FEW {
            let places = (0..).zip(&self.values);
            let places = places.filter_map(|(place, value)| Some((value.number?, place)));
            self.places = Some(places.collect());
        }
        &mut self.values[place]
    }
}

/// What the values come to of which anybody can tell.
struct Told {
    /// Where they stand, in the order of their first ends.
    places: Vec<usize>,
    spread: Spread,
    k: SmallestK,
}

impl Value {
    /// Before anybody read it.
    const INITIAL: Self = Self {
        number: None,
        write_start: 0,
        least_finish: 0,
        last_read: 0,
        gamma: 0,
    };

    fn of(number: u64) -> Self {
        Self {
            number: Some(number),
            write_start: u64::MAX,
            least_finish: u64::MAX,
            last_read: 0,
            gamma: 0,
        }
    }

    fn read(&mut self, start: u64, end: u64) {
        self.last_read = self.last_read.max(start);
        self.least_finish = self.least_finish.min(end);
    }

    fn zone(&self) -> Zone {
        let write_start = Some(self.write_start).filter(|start| *start < u64::MAX);
        Zone {
            write_start: self.write_start,
            least_finish: self.least_finish,
            greatest_start: self.last_read.max(write_start.unwrap_or(0)),
        }
    }

    fn is_impossible(&self) -> bool {
        self.least_finish < self.write_start
    }

    /// Whether an operation has shown that it was there, and it can have been.
    fn is_told(&self) -> bool {
        self.least_finish < u64::MAX && !self.is_impossible()
    }

    /// Whether it has a zone that may grow: the initial value is kept without.
    fn is_in_use(&self, since: u64) -> bool {
        self.least_finish < u64::MAX && (self.number.is_some() || self.last_read > since)
    }

    /// What it comes to, if a zone that may still grow has its first end then.
    fn score(&self, first_end: Option<u64>) -> Score {
        let until = self.zone().greatest_start;
        Score {
            value: self.number,
            begun: self.write_start.saturating_sub(1),
            gamma: self.gamma,
            is_at_least: first_end.is_some_and(|end| end < until),
        }
    }
}

/// So many values are looked through rather than looked up.
const FEW: usize = 32;
/// A number, its place, and a byte of the map.
const BYTES_OF_A_PLACE: usize = size_of::<(u64, u32)>() + 1;
