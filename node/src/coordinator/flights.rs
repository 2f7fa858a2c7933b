//! A table of requests in flight, each under a number that is never given twice, ordered by deadline.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;
use tidemark_proto::id::OperationId;

/// Values under numbers; a number is a slot and how often it has been used.
pub(super) struct Flights<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    /// Deadlines of live numbers, and of some that are gone; the first is always live.
    deadlines: BinaryHeap<Reverse<(Duration, u64)>>,
}

struct Slot<T> {
    generation: u32,
    value: Option<(OperationId, T)>,
}

impl<T> Default for Flights<T> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            deadlines: BinaryHeap::new(),
        }
    }
}

impl<T> Flights<T> {
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Numbers are never 0.
    pub(super) fn insert(&mut self, deadline: Duration, operation: OperationId, value: T) -> u64 {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                generation: 0,
                value: None,
            });
            u32::try_from(self.slots.len() - 1).expect("the limit on requests is a u32")
        });
        let slot = &mut self.slots[index as usize];
        slot.generation = slot.generation.wrapping_add(1).max(1);
        slot.value = Some((operation, value));
        let number = u64::from(slot.generation) << 32 | u64::from(index);
        self.deadlines.push(Reverse((deadline, number)));
        number
    }

    /// What is in flight under a number, if it still is, for the same operation.
    pub(super) fn find(&mut self, number: u64, operation: OperationId) -> Option<&mut T> {
        let slot = self
            .slots
            .get_mut(index(number))
            .filter(|slot| slot.is(number))?;
        slot.value
            .as_mut()
            .filter(|(owner, _)| *owner == operation)
            .map(|(_, value)| value)
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<T> {
        let slot = self
            .slots
            .get_mut(index(number))
            .filter(|slot| slot.is(number))?;
        let (_, value) = slot.value.take()?;
        self.free.push(index(number) as u32);
        while let Some(Reverse((_, first))) = self.deadlines.peek()
            && !self.slots[index(*first)].is(*first)
        {
            self.deadlines.pop();
        }
        Some(value)
    }

    /// Removes one whose deadline has come, the earliest first.
    pub(super) fn pop_overdue(&mut self, now: Duration) -> Option<T> {
        let Reverse((deadline, number)) = *self.deadlines.peek()?;
        (deadline <= now).then(|| self.remove(number)).flatten()
    }

    pub(super) fn next_deadline(&self) -> Option<Duration> {
        self.deadlines
            .peek()
            .map(|Reverse((deadline, _))| *deadline)
    }
}

impl<T> Slot<T> {
    fn is(&self, number: u64) -> bool {
        self.value.is_some() && u64::from(self.generation) == number >> 32
    }
}

/// The slot is the number's lower half.
fn index(number: u64) -> usize {
    (number as u32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidemark_proto::id::NodeId;

    fn operation(sequence: u64) -> OperationId {
        OperationId::new(NodeId::client(1), sequence)
    }

    #[test]
    fn a_late_answer_finds_nothing_though_its_slot_is_in_use_again() {
        let mut flights = Flights::default();
        let old = flights.insert(Duration::from_millis(5), operation(1), 'a');
        assert_eq!(flights.remove(old), Some('a'));
        let new = flights.insert(Duration::from_millis(9), operation(2), 'b');
        assert_eq!(flights.find(old, operation(1)), None);
        assert_eq!(
            flights.find(new, operation(1)),
            None,
            "the operation must match too"
        );
        assert_eq!(flights.find(new, operation(2)), Some(&mut 'b'));
        assert_eq!((flights.len(), flights.remove(old)), (1, None));
    }

    #[test]
    fn the_alarm_is_that_of_the_earliest_still_in_flight() {
        let mut flights = Flights::default();
        let numbers =
            [3, 1, 2].map(|ms| flights.insert(Duration::from_millis(ms), operation(ms), ms));
        flights.remove(numbers[1]);
        assert_eq!(flights.next_deadline(), Some(Duration::from_millis(2)));
        assert_eq!(flights.pop_overdue(Duration::from_millis(1)), None);
        assert_eq!(flights.pop_overdue(Duration::from_millis(5)), Some(2));
        assert_eq!(flights.pop_overdue(Duration::from_millis(5)), Some(3));
        assert_eq!(
            (flights.pop_overdue(Duration::MAX), flights.next_deadline()),
            (None, None)
        );
    }
}
