//! A register that can also be compared and set: the new value is taken if the old one is there. A cas that failed did
//! not find it, and did nothing.

use super::{ANYTHING, Entry, Object, Pending};
use crate::recording::{Call, Value};
use std::collections::{BTreeMap, BTreeSet};

pub(super) const ENTRY: Entry = Entry {
    name: "cas-register",
    about: "a register that also takes a value if another is there",
    functions: &["read", "write", "cas"],
    initial: || Value::Nil,
    begins: ANYTHING,
    takes: ANYTHING,
    reads_what_was_written: true,
    pending: Pending::Anywhere,
    object,
};

/// A state is a value, by its number.
struct CasRegister {
    calls: Vec<Access>,
    /// The values that a read returned or a cas may look for.
    looked_for: BTreeSet<u32>,
}

#[derive(Clone, Copy)]
enum Access {
    Read(u32),
    Write(u32),
    Cas(u32, u32),
}

fn object(initial: &Value, calls: &[&Call]) -> Box<dyn Object> {
    let mut numbers = BTreeMap::from([(initial, 0)]);
    let mut number = |value| {
        let next = numbers.len() as u32;
        *numbers.entry(value).or_insert(next)
    };
    let accesses = calls.iter().map(|access| match access {
        Call::Read(Some(value)) => Access::Read(number(value)),
        Call::Write(value) => Access::Write(number(value)),
        Call::Cas(from, to) => Access::Cas(number(from), number(to)),
        Call::Read(None) | Call::Append(_) | Call::Add(_) => {
            unreachable!("the model admits no {access}")
        }
    });
    let calls: Vec<_> = accesses.collect();
    let looked_for = calls.iter().filter_map(|access| match access {
        Access::Read(value) | Access::Cas(value, _) => Some(*value),
        Access::Write(_) => None,
    });
    Box::new(CasRegister {
        looked_for: looked_for.collect(),
        calls,
    })
}

impl Object for CasRegister {
    fn step(&mut self, state: u32, call: u32) -> Option<u32> {
        match self.calls[call as usize] {
            Access::Read(value) => (value == state).then_some(state),
            Access::Write(value) => Some(value),
            Access::Cas(from, to) => (from == state).then_some(to),
        }
    }

    fn is_noticed(&self, call: u32) -> bool {
        match self.calls[call as usize] {
            Access::Read(_) => true,
            Access::Write(value) | Access::Cas(_, value) => self.looked_for.contains(&value),
        }
    }

    fn overwrites(&self, call: u32) -> bool {
        matches!(self.calls[call as usize], Access::Write(_))
    }

    fn only_reads(&self, call: u32) -> bool {
        matches!(self.calls[call as usize], Access::Read(_))
    }

    fn bytes(&self) -> usize {
        self.calls.len() * size_of::<Access>() + self.looked_for.len() * 2 * size_of::<u32>()
    }
}
