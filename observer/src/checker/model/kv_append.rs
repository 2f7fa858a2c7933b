//! A text of a key-value store, which is written as a whole or has something put to its end.

use super::{Admitted, Entry, Object, Pending};
use crate::recording::{Call, Value};
use foldhash::fast::FixedState;
use std::collections::HashMap;
use std::sync::Arc;

pub(super) const ENTRY: Entry = Entry {
    name: "kv-append",
    about: "a text that is written as a whole or has something put to its end",
    functions: &["read", "write", "append"],
    initial: || Value::Text("".into()),
    begins: TEXT,
    takes: TEXT,
    reads_what_was_written: false,
    pending: Pending::Anywhere,
    object,
};

const TEXT: Admitted = Admitted {
    words: "a text",
    admits: |value| matches!(value, Value::Text(_)),
};

/// A state is a text, by its number: how it came about. One text that comes about in two ways has two numbers; a search
/// looks twice then, and errs in nothing.
struct Text {
    calls: Vec<Access>,
    states: Vec<State>,
    /// The state that a piece makes of another, or of nothing.
    numbers: HashMap<(Option<u32>, u32), u32, FixedState>,
    /// Whether a state's text is the beginning of what a read returned.
    begins: HashMap<(u32, u32), bool, FixedState>,
}

enum Access {
    /// What was read; none: no text.
    Read(Option<Arc<str>>),
    Write(Arc<str>),
    Append(Arc<str>),
}

struct State {
    /// What was there before its last piece was put to the end; none: nothing.
    before: Option<u32>,
    piece: Arc<str>,
    length: usize,
}

fn object(initial: &Value, calls: &[&Call]) -> Box<dyn Object> {
    let text = |value: &Value| match value {
        Value::Text(text) => Some(text.clone()),
        Value::Nil | Value::Integer(_) | Value::List(_) => None,
    };
    let expect = |value| text(value).expect("the model admits texts only");
    let accesses = calls.iter().map(|access| match access {
        Call::Read(Some(value)) => Access::Read(text(value)),
        Call::Write(value) => Access::Write(expect(value)),
        Call::Append(value) => Access::Append(expect(value)),
        Call::Read(None) | Call::Cas(..) | Call::Add(_) => {
            unreachable!("the model admits no {access}")
        }
    });
    let piece = expect(initial);
    let beginning = State {
        before: None,
        length: piece.len(),
        piece,
    };
    Box::new(Text {
        calls: accesses.collect(),
        states: vec![beginning],
        numbers: HashMap::default(),
        begins: HashMap::default(),
    })
}

impl Text {
    /// The state that the piece of a call makes of another, or of nothing.
    fn put(&mut self, before: Option<u32>, call: u32, piece: Arc<str>) -> u32 {
        let next = self.states.len() as u32;
        let state = *self.numbers.entry((before, call)).or_insert(next);
        if state == next {
            let length = before.map_or(0, |before| self.states[before as usize].length);
            self.states.push(State {
                before,
                length: length + piece.len(),
                piece,
            });
        }
        state
    }

    /// Whether a state's text is the beginning of what a read returned.
    fn is_beginning(&mut self, state: u32, read: u32) -> bool {
        let Access::Read(Some(text)) = &self.calls[read as usize] else {
            return false;
        };
        // Down to a state of which it is known, and up again.
        let mut unknown = Vec::new();
        let mut known = true;
        let mut at = Some(state);
        while let Some(state) = at {
            if let Some(begins) = self.begins.get(&(state, read)) {
                known = *begins;
                break;
            }
            unknown.push(state);
            at = self.states[state as usize].before;
        }
        for state in unknown.into_iter().rev() {
            let State { piece, length, .. } = &self.states[state as usize];
            let stands = text.as_bytes().get(length - piece.len()..*length);
            known = known && stands == Some(piece.as_bytes());
            self.begins.insert((state, read), known);
        }
        known
    }
}

impl Object for Text {
    fn step(&mut self, state: u32, call: u32) -> Option<u32> {
        match &self.calls[call as usize] {
            Access::Read(Some(text)) => {
                let is_as_long = text.len() == self.states[state as usize].length;
                (is_as_long && self.is_beginning(state, call)).then_some(state)
            }
            Access::Read(None) => None,
            Access::Write(text) => {
                let text = text.clone();
                Some(self.put(None, call, text))
            }
            Access::Append(text) => {
                let text = text.clone();
                Some(self.put(Some(state), call, text))
            }
        }
    }

    fn may_lead(&mut self, state: u32, read: u32) -> bool {
        self.is_beginning(state, read)
    }

    fn overwrites(&self, call: u32) -> bool {
        matches!(self.calls[call as usize], Access::Write(_))
    }

    fn only_reads(&self, call: u32) -> bool {
        matches!(self.calls[call as usize], Access::Read(_))
    }

    fn bytes(&self) -> usize {
        self.states.len() * (size_of::<State>() + ENTRY_BYTES) + self.begins.len() * ENTRY_BYTES
    }
}

/// About what an entry of a map takes.
const ENTRY_BYTES: usize = 32;
