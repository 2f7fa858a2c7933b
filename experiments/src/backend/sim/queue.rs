//! What happens next: a queue by time, in which what was put in first comes out first among equals.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;
use tidemark_proto::time::nanoseconds;

/// Happenings by time.
pub(super) struct Queue<T> {
    heap: BinaryHeap<Reverse<(u64, u64, u32)>>,
    /// The heap moves numbers; what they stand for stays where it is.
    slots: Vec<Option<T>>,
    free: Vec<u32>,
    pushed: u64,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self {
            heap: BinaryHeap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            pushed: 0,
        }
    }
}

impl<T> Queue<T> {
    pub(super) fn push(&mut self, at: Duration, happening: T) {
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(happening);
                slot
            }
            None => {
                self.slots.push(Some(happening));
                u32::try_from(self.slots.len() - 1).expect("fewer happenings than 2^32 at once")
            }
        };
        self.pushed += 1;
        self.heap
            .push(Reverse((nanoseconds(at), self.pushed, slot)));
    }

    pub(super) fn pop(&mut self) -> Option<(Duration, T)> {
        let Reverse((at, _, slot)) = self.heap.pop()?;
        self.free.push(slot);
        let happening = self.slots[slot as usize].take()?;
        Some((Duration::from_nanos(at), happening))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_comes_first_and_equals_in_the_order_of_their_coming() {
        let mut queue = Queue::default();
        for (at, name) in [(5, 'c'), (1, 'a'), (5, 'd'), (1, 'b')] {
            queue.push(Duration::from_nanos(at), name);
        }
        assert_eq!(queue.pop(), Some((Duration::from_nanos(1), 'a')));
        queue.push(Duration::from_nanos(5), 'e');
        let rest: Vec<char> = std::iter::from_fn(|| queue.pop().map(|(_, name)| name)).collect();
        assert_eq!(rest, ['b', 'c', 'd', 'e']);
    }
}
