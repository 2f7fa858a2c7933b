//! A register: what is read is what was written last.

use super::{ANYTHING, Entry, Object, Pending};
use crate::recording::{Call, Value};
use std::collections::BTreeMap;

pub(super) const ENTRY: Entry = Entry {
    name: "register",
    about: "what is read is what was written last",
    functions: &["read", "write"],
    initial: || Value::Nil,
    begins: ANYTHING,
    takes: ANYTHING,
    reads_what_was_written: true,
    pending: Pending::WhenRead,
    object,
};

/// A state is a value, by its number.
struct Register {
    calls: Vec<Access>,
    /// The call that writes a value, by the value's number.
    writes: BTreeMap<u32, u32>,
}

#[derive(Clone, Copy)]
enum Access {
    Read(u32),
    Write(u32),
}

fn object(initial: &Value, calls: &[&Call]) -> Box<dyn Object> {
    let mut numbers = BTreeMap::from([(initial, INITIAL)]);
    let mut number = |value| {
        let next = numbers.len() as u32;
        *numbers.entry(value).or_insert(next)
    };
    let mut writes = BTreeMap::new();
    let accesses = (0..).zip(calls).map(|(call, access)| match access {
        Call::Read(Some(value)) => Access::Read(number(value)),
        Call::Write(value) => {
            let value = number(value);
            writes.insert(value, call);
            Access::Write(value)
        }
        Call::Read(None) | Call::Cas(..) | Call::Append(_) | Call::Add(_) => {
            unreachable!("the model admits no {access}")
        }
    });
    let calls = accesses.collect();
    Box::new(Register { calls, writes })
}

impl Object for Register {
    fn step(&mut self, state: u32, call: u32) -> Option<u32> {
        match self.calls[call as usize] {
            Access::Read(value) => (value == state).then_some(state),
            Access::Write(value) => Some(value),
        }
    }

    fn help(&mut self, _state: u32, read: u32) -> Vec<u32> {
        match self.calls[read as usize] {
            Access::Read(value) => self.writes.get(&value).copied().into_iter().collect(),
            Access::Write(_) => Vec::new(),
        }
    }

    fn is_possible(&self, read: u32) -> bool {
        match self.calls[read as usize] {
            Access::Read(value) => value == INITIAL || self.writes.contains_key(&value),
            Access::Write(_) => true,
        }
    }

    fn overwrites(&self, call: u32) -> bool {
        !self.only_reads(call)
    }

    fn only_reads(&self, call: u32) -> bool {
        matches!(self.calls[call as usize], Access::Read(_))
    }

    fn bytes(&self) -> usize {
        self.calls.len() * (size_of::<Access>() + 2 * size_of::<(u32, u32)>())
    }
}

/// The number of the value that is there at the beginning.
const INITIAL: u32 = 0;
