//! A set: what is read are the elements that were added, in any order.

use super::{ANYTHING, Admitted, Entry, Object, Pending};
use crate::recording::{Call, Value};
use foldhash::fast::FixedState;
use std::collections::{BTreeMap, HashMap};

pub(super) const ENTRY: Entry = Entry {
    name: "set",
    about: "what is read are the elements that were added, in any order",
    functions: &["read", "add"],
    initial: || Value::List(Vec::new()),
    begins: Admitted {
        words: "a list",
        admits: |value| matches!(value, Value::List(_)),
    },
    takes: ANYTHING,
    reads_what_was_written: false,
    pending: Pending::WhenRead,
    object,
};

/// A state is a set of elements, by its number.
struct Set {
    calls: Vec<Access>,
    /// The call that adds an element, by the element's number.
    adds: BTreeMap<u32, u32>,
    states: Vec<Elements>,
    numbers: HashMap<Elements, u32, FixedState>,
    bytes: usize,
}

enum Access {
    /// What was read; none: no list.
    Read(Option<Elements>),
    Add(u32),
}

/// The elements whose bits are set, by their numbers; the last word is not zero.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
struct Elements(Vec<u64>);

/// The elements that there are, with their numbers.
#[derive(Default)]
struct Numbers<'a>(BTreeMap<&'a Value, u32>);

fn object(initial: &Value, calls: &[&Call]) -> Box<dyn Object> {
    let mut numbers = Numbers::default();
    // Elements are numbered in the order of their adds, so that the sets of the beginning are short.
    let mut adds = BTreeMap::new();
    for (call, access) in (0..).zip(calls) {
        if let Call::Add(element) = access {
            adds.insert(numbers.number(element), call);
        }
    }
    let beginning = numbers.elements(initial).unwrap_or_default();
    let accesses = calls.iter().map(|access| match access {
        Call::Read(Some(value)) => Access::Read(numbers.elements(value)),
        Call::Add(element) => Access::Add(numbers.number(element)),
        Call::Read(None) | Call::Write(_) | Call::Cas(..) | Call::Append(_) => {
            unreachable!("the model admits no {access}")
        }
    });
    let calls = accesses.collect();
    Box::new(Set {
        calls,
        adds,
        bytes: 0,
        states: vec![beginning.clone()],
        numbers: HashMap::from_iter([(beginning, 0)]),
    })
}

impl Object for Set {
    fn step(&mut self, state: u32, call: u32) -> Option<u32> {
        let elements = &self.states[state as usize];
        match &self.calls[call as usize] {
            Access::Read(read) => (read.as_ref() == Some(elements)).then_some(state),
            Access::Add(element) if elements.has(*element) => Some(state),
            Access::Add(element) => {
                let mut elements = elements.clone();
                elements.add(*element);
                if let Some(state) = self.numbers.get(&elements) {
                    return Some(*state);
                }
                let state = self.states.len() as u32;
                self.bytes += 2 * (size_of_val(&*elements.0) + size_of::<Elements>());
                self.states.push(elements.clone());
                self.numbers.insert(elements, state);
                Some(state)
            }
        }
    }

    fn may_lead(&mut self, state: u32, read: u32) -> bool {
        match &self.calls[read as usize] {
            Access::Read(Some(read)) => self.states[state as usize].is_within(read),
            Access::Read(None) => false,
            Access::Add(_) => true,
        }
    }

    fn help(&mut self, state: u32, read: u32) -> Vec<u32> {
        let Access::Read(Some(read)) = &self.calls[read as usize] else {
            return Vec::new();
        };
        let missing = read.without(&self.states[state as usize]);
        let adds = missing.map(|element| self.adds.get(&element).copied());
        adds.collect::<Option<_>>().unwrap_or_default()
    }

    fn only_reads(&self, call: u32) -> bool {
        matches!(self.calls[call as usize], Access::Read(_))
    }

    fn bytes(&self) -> usize {
        self.bytes
    }
}

impl<'a> Numbers<'a> {
    fn number(&mut self, element: &'a Value) -> u32 {
        let next = self.0.len() as u32;
        *self.0.entry(element).or_insert(next)
    }

    fn elements(&mut self, value: &'a Value) -> Option<Elements> {
        match value {
            Value::List(values) => Some(values.iter().map(|value| self.number(value)).collect()),
            Value::Nil | Value::Integer(_) | Value::Text(_) => None,
        }
    }
}

impl Elements {
    fn add(&mut self, element: u32) {
        let word = element as usize / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (element % 64);
    }

    fn has(&self, element: u32) -> bool {
        let word = self.0.get(element as usize / 64);
        word.is_some_and(|word| word >> (element % 64) & 1 == 1)
    }

    fn is_within(&self, other: &Self) -> bool {
        self.0.len() <= other.0.len() && self.0.iter().zip(&other.0).all(|(a, b)| a & !b == 0)
    }

    /// The elements that the other has not.
    fn without<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = u32> + 'a {
        (0..self.0.len() as u32 * 64).filter(|element| self.has(*element) && !other.has(*element))
    }
}

impl FromIterator<u32> for Elements {
    fn from_iter<I: IntoIterator<Item = u32>>(numbers: I) -> Self {
        let mut elements = Self::default();
        for number in numbers {
            elements.add(number);
        }
        elements
    }
}
