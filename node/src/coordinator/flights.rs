//! A table of requests in flight, each under a number that is never given twice, and the alarms that they wait for.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;
use tidemark_proto::id::OperationId;

/// Values under numbers; a number is a slot and how often it has been used.
pub(super) struct Flights<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    /// Deadlines and other alarms of live numbers, and of some that are gone; the first is always live.
    alarms: BinaryHeap<Reverse<(Duration, u64)>>,
}

/// What an alarm is for.
#[derive(Debug, PartialEq)]
pub(super) enum Due<T> {
    /// Something is to be looked at.
    Alarm(u64),
    /// Its time is up: it is no longer in flight.
    Deadline(T),
}

struct Slot<T> {
    generation: u32,
    deadline: Duration,
    value: Option<(OperationId, T)>,
}

impl<T> Default for Flights<T> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            alarms: BinaryHeap::new(),
        }
    }
}

impl<T> Flights<T> {
    /// All that is in flight.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        let values = self.slots.iter().filter_map(|slot| slot.value.as_ref());
        values.map(|(_, value)| value)
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Numbers are never 0.
    pub(super) fn insert(&mut self, deadline: Duration, operation: OperationId, value: T) -> u64 {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                generation: 0,
                deadline,
                value: None,
            });
            u32::try_from(self.slots.len() - 1).expect("the limit on requests is a u32")
        });
        let slot = &mut self.slots[index as usize];
        slot.generation = slot.generation.wrapping_add(1).max(1);
        slot.deadline = deadline;
        slot.value = Some((operation, value));
        let number = u64::from(slot.generation) << 32 | u64::from(index);
        self.alarms.push(Reverse((deadline, number)));
        number
    }

    /// Sets alarms for one that is in flight; they are forgotten with it.
    pub(super) fn wake(&mut self, number: u64, alarms: impl IntoIterator<Item = Duration>) {
        if self.get(number).is_some() {
            self.alarms
                .extend(alarms.into_iter().map(|at| Reverse((at, number))));
        }
    }

    /// The numbers in flight.
    pub(super) fn numbers(&self) -> Vec<u64> {
        let number = |(index, slot): (usize, &Slot<T>)| {
            let number = u64::from(slot.generation) << 32 | index as u64;
            slot.value.as_ref().map(|_| number)
        };
        self.slots.iter().enumerate().filter_map(number).collect()
    }

    /// What is in flight under a number, if it still is.
    pub(super) fn get(&mut self, number: u64) -> Option<&mut T> {
        let slot = self.slots.get_mut(index(number))?;
        let is_live = slot.is(number);
        let (_, value) = slot.value.as_mut().filter(|_| is_live)?;
        Some(value)
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
        self.forget_the_gone();
        Some(value)
    }

    /// The earliest alarm, if it is due.
    pub(super) fn pop_due(&mut self, now: Duration) -> Option<Due<T>> {
        let Reverse((time, number)) = *self.alarms.peek()?;
        if time > now {
            return None;
        }
        if time >= self.slots[index(number)].deadline {
            return self.remove(number).map(Due::Deadline);
        }
        self.alarms.pop();
        self.forget_the_gone();
        Some(Due::Alarm(number))
    }

    pub(super) fn next_alarm(&self) -> Option<Duration> {
        self.alarms.peek().map(|Reverse((time, _))| *time)
    }

    /// Takes off the alarms of numbers that are no longer in flight, down to one that is.
    fn forget_the_gone(&mut self) {
        while let Some(Reverse((_, first))) = self.alarms.peek()
            && !self.slots[index(*first)].is(*first)
        {
            self.alarms.pop();
        }
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
    fn the_alarm_is_the_earliest_of_those_still_in_flight() {
        let ms = Duration::from_millis;
        let mut flights = Flights::default();
        let numbers = [3, 1, 4].map(|at| flights.insert(ms(at), operation(at), at));
        flights.wake(numbers[2], [ms(2), ms(9)]);
        flights.remove(numbers[1]);
        flights.wake(numbers[1], [ms(1)]);
        assert_eq!(flights.numbers(), [numbers[0], numbers[2]]);
        assert_eq!(flights.next_alarm(), Some(ms(2)));
        assert_eq!(flights.pop_due(ms(1)), None);
        assert_eq!(flights.pop_due(ms(5)), Some(Due::Alarm(numbers[2])));
        assert_eq!(flights.pop_due(ms(5)), Some(Due::Deadline(3)));
        assert_eq!(flights.pop_due(ms(5)), Some(Due::Deadline(4)));
        assert_eq!(
            (flights.pop_due(Duration::MAX), flights.next_alarm()),
            (None, None)
        );
    }
}
