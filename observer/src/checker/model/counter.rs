//! A counter: what is read is the sum of what was added.

use super::{Admitted, Entry, Object, Pending};
use crate::recording::{Call, Value};
use std::collections::BTreeMap;

pub(super) const ENTRY: Entry = Entry {
    name: "counter",
    about: "what is read is the sum of what was added",
    functions: &["read", "add"],
    initial: || Value::Integer(0),
    begins: INTEGER,
    takes: INTEGER,
    reads_what_was_written: false,
    pending: Pending::Anywhere,
    object,
};

const INTEGER: Admitted = Admitted {
    words: "an integer",
    admits: |value| matches!(value, Value::Integer(_)),
};

/// A state is a sum, by its number. Sums are wider than what is added: they never overflow.
struct Counter {
    calls: Vec<Access>,
    sums: Vec<i128>,
    numbers: BTreeMap<i128, u32>,
    only_grows: bool,
}

enum Access {
    /// What was read, if it was an integer at all.
    Read(Option<i128>),
    Add(i128),
}

fn object(initial: &Value, calls: &[&Call]) -> Box<dyn Object> {
    let integer = |value: &Value| match value {
        Value::Integer(number) => Some(i128::from(*number)),
        Value::Nil | Value::Text(_) | Value::List(_) => None,
    };
    let expect = |value| integer(value).expect("the model admits integers only");
    let accesses = calls.iter().map(|access| match access {
        Call::Read(Some(value)) => Access::Read(integer(value)),
        Call::Add(value) => Access::Add(expect(value)),
        Call::Read(None) | Call::Write(_) | Call::Cas(..) | Call::Append(_) => {
            unreachable!("the model admits no {access}")
        }
    });
    let calls: Vec<_> = accesses.collect();
    let sum = expect(initial);
    Box::new(Counter {
        only_grows: calls
            .iter()
            .all(|access| !matches!(access, Access::Add(number) if *number < 0)),
        calls,
        sums: vec![sum],
        numbers: BTreeMap::from([(sum, 0)]),
    })
}

impl Object for Counter {
    fn step(&mut self, state: u32, call: u32) -> Option<u32> {
        let sum = self.sums[state as usize];
        match self.calls[call as usize] {
            Access::Read(read) => (read == Some(sum)).then_some(state),
            Access::Add(number) => {
                let next = self.sums.len() as u32;
                let state = *self.numbers.entry(sum + number).or_insert(next);
                if state == next {
                    self.sums.push(sum + number);
                }
                Some(state)
            }
        }
    }

    fn may_lead(&mut self, state: u32, read: u32) -> bool {
        match self.calls[read as usize] {
            Access::Read(Some(sum)) => !self.only_grows || self.sums[state as usize] <= sum,
            Access::Read(None) => false,
            Access::Add(_) => true,
        }
    }

    fn only_reads(&self, call: u32) -> bool {
        matches!(self.calls[call as usize], Access::Read(_))
    }

    fn bytes(&self) -> usize {
        self.calls.len() * size_of::<Access>() + self.sums.len() * 4 * size_of::<i128>()
    }
}
