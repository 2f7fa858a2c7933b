//! Some of a key's operations in an order, of which the first that is left is wanted.

use super::Links;

/// Operations in an order.
pub(super) struct Order {
    line: Links,
    /// The operation at each place.
    numbers: Vec<u32>,
    /// The place of each operation; 0: it is none of these.
    places: Vec<u32>,
}

impl Order {
    /// Of so many operations some, which are given in their order.
    pub(super) fn new(count: usize, numbers: Vec<u32>) -> Self {
        let mut places = vec![0; count];
        for (place, number) in (1..).zip(&numbers) {
            places[*number as usize] = place;
        }
        Self {
            line: Links::all(numbers.len()),
            numbers,
            places,
        }
    }

    /// The first that is left.
    pub(super) fn first(&self) -> Option<u32> {
        let place = self.line.after(0) as usize;
        (place > 0).then(|| self.numbers[place - 1])
    }

    pub(super) fn take_out(&mut self, number: u32) {
        let place = self.places[number as usize];
        if place > 0 {
            self.line.take_out(place);
        }
    }

    /// Puts back what was taken out last of what is out.
    pub(super) fn put_back(&mut self, number: u32) {
        let place = self.places[number as usize];
        if place > 0 {
            self.line.put_back(place);
        }
    }
}
