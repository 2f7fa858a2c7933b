//! Calls and returns of a key's operations in the order of their times, as lists from which operations are taken out and
//! put back, last out first in.

use crate::checker::budget::{Budget, Doubt};

/// An operation that took effect for certain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Definite {
    /// Its index in the recording.
    pub(super) index: usize,
    /// The number of its call.
    pub(super) call: u32,
    pub(super) start: u64,
    pub(super) end: u64,
}

/// One thing that is seen of an operation, which is named by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Call(u32),
    Return(u32),
}

/// What is left of the operations.
pub(super) struct Events {
    events: Vec<Event>,
    /// All events, by their places from 1.
    line: Links,
    /// The place of each operation's call and return.
    places: Vec<(u32, u32)>,
    /// How many operations are left.
    left: usize,
}

/// A doubly linked list of the places 1, 2, …; 0 is before the first and after the last.
pub(super) struct Links {
    next: Vec<u32>,
    previous: Vec<u32>,
}

impl Events {
    /// Of operations in the order of their starts. What begins when another returns is concurrent with it.
    pub(super) fn new(operations: &[Definite], budget: &mut Budget<'_>) -> Result<Self, Doubt> {
        let numbered = || (0_u32..).zip(operations);
        let calls = numbered().map(|(number, of)| (of.start, false, number));
        let returns = numbered().map(|(number, of)| (of.end, true, number));
        let mut order: Vec<_> = calls.chain(returns).collect();
        budget.sort(&mut order, |event| *event)?;
        let mut places = vec![(0, 0); operations.len()];
        for (place, (_, is_return, number)) in (1..).zip(&order) {
            let of = &mut places[*number as usize];
            *(if *is_return { &mut of.1 } else { &mut of.0 }) = place;
        }
        let event = |(_, is_return, number)| match is_return {
            true => Event::Return(number),
            false => Event::Call(number),
        };
        Ok(Self {
            line: Links::all(order.len()),
            events: order.into_iter().map(event).collect(),
            places,
            left: operations.len(),
        })
    }

    /// The place of the first event that is left; 0: none is.
    pub(super) fn first(&self) -> u32 {
        self.line.after(0)
    }

    pub(super) fn after(&self, place: u32) -> u32 {
        self.line.after(place)
    }

    /// The event at a place that is not 0.
    pub(super) fn at(&self, place: u32) -> Event {
        self.events[place as usize - 1]
    }

    pub(super) fn place_of_call(&self, number: u32) -> u32 {
        self.places[number as usize].0
    }

    /// Where an operation returns: later returns have greater places.
    pub(super) fn place_of_return(&self, number: u32) -> u32 {
        self.places[number as usize].1
    }

    pub(super) fn left(&self) -> usize {
        self.left
    }

    /// The operation that returns first of those left, looking on from a place.
    pub(super) fn first_return(&self, mut place: u32) -> Option<u32> {
        while place != 0 {
            if let Event::Return(number) = self.at(place) {
                return Some(number);
            }
            place = self.line.after(place);
        }
        None
    }

    pub(super) fn take_out(&mut self, number: u32) {
        let (call, r#return) = self.places[number as usize];
        self.line.take_out(call);
        self.line.take_out(r#return);
        self.left -= 1;
    }

    /// Puts back what was taken out last of what is out.
    pub(super) fn put_back(&mut self, number: u32) {
        let (call, r#return) = self.places[number as usize];
        self.line.put_back(r#return);
        self.line.put_back(call);
        self.left += 1;
    }

    pub(super) fn bytes(&self) -> usize {
        self.events.len() * (size_of::<Event>() + 3 * size_of::<u32>())
    }
}

impl Links {
    pub(super) fn all(count: usize) -> Self {
        let count = count as u32;
        Self {
            next: (1..=count).chain([0]).collect(),
            previous: [count].into_iter().chain(0..count).collect(),
        }
    }

    pub(super) fn after(&self, place: u32) -> u32 {
        self.next[place as usize]
    }

    pub(super) fn take_out(&mut self, place: u32) {
        let (previous, next) = (self.previous[place as usize], self.next[place as usize]);
        self.next[previous as usize] = next;
        self.previous[next as usize] = previous;
    }

    pub(super) fn put_back(&mut self, place: u32) {
        let (previous, next) = (self.previous[place as usize], self.next[place as usize]);
        self.next[previous as usize] = place;
        self.previous[next as usize] = place;
    }
}
