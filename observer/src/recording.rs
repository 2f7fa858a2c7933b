//! A recording: a history's operations, whoever wrote them down and in whatever file, as the checkers take them.
//!
//! It knows of a store only what its clients saw. Keys and values are what the file calls them; a checker's model says which
//! functions it knows and what they mean.

mod events;
pub mod format;
mod run;
mod written;

pub use run::Run;
pub use written::{write_edn, write_jsonl};

use std::collections::BTreeSet;
use std::fmt::{Display, Formatter, Result as Formatted};
use std::sync::Arc;
use tidemark_proto::event::Outcome;

/// The operations of a history.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// In the order of their starts.
    pub operations: Vec<Recorded>,
    /// What its times are.
    pub times: Times,
}

/// What the times of a recording are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// Nanoseconds since some moment.
    Nanoseconds,
    /// Places in the file: they say what was before what, and not for how long.
    Order,
}

/// One operation of a client.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// Where it begins in its file; lines count from 1.
    pub line: u64,
    /// What it is called, where it has a name: `c3.17`.
    pub name: Option<Arc<str>>,
    /// Who asked for it. A process asks for one thing after the other.
    pub process: u64,
    /// Of which object.
    pub key: Arc<str>,
    /// What was asked for and, of a read, what came back.
    pub call: Call,
    /// When it was invoked.
    pub start: u64,
    /// When it returned; [`u64::MAX`] if its outcome is unknown: it may have taken effect at any time after its start, or
    /// never.
    pub end: u64,
    /// What came of it.
    pub outcome: Outcome,
}

/// What an operation asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// What is there, and what came back; none: that is not known, and anything may have.
    Read(Option<Value>),
    /// Be this from now on.
    Write(Value),
    /// If it is the first, be the second from now on.
    Cas(Value, Value),
    /// Have this at the end from now on.
    Append(Value),
    /// A number to a counter, an element to a set.
    Add(Value),
}

/// What a register or one of its fellows may hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// Nothing.
    Nil,
    /// A number.
    Integer(i64),
    /// A text.
    Text(Arc<str>),
    /// Several values: what a set is read as.
    List(Vec<Value>),
}

impl Recording {
    /// The first read of a register's value that nothing in the recording writes, whatever became of the write, and that is
    /// not the initial one: its line, and the value.
    #[must_use]
    pub fn never_written(&self, initial: &Value) -> Option<(u64, &Value)> {
        let mut written = BTreeSet::new();
        for Recorded { key, call, .. } in &self.operations {
            if let Call::Write(value) | Call::Cas(_, value) = call {
                written.insert((key, value));
            }
        }
        let is_known = |key, value| value == initial || written.contains(&(key, value));
        let mut answered = self.operations.iter().filter(|o| o.outcome == Outcome::Ok);
        answered.find_map(
            |Recorded {
                 line, key, call, ..
             }| {
                let value = match call {
                    Call::Read(Some(value)) if !is_known(key, value) => value,
                    Call::Read(_)
                    | Call::Write(_)
                    | Call::Cas(..)
                    | Call::Append(_)
                    | Call::Add(_) => return None,
                };
                let strange = match value {
                    Value::List(siblings) => siblings.iter().find(|value| !is_known(key, value)),
                    value => Some(value),
                };
                strange.map(|value| (*line, value))
            },
        )
    }
}

impl Recorded {
    /// What it wrote, if it is a write that may have taken effect.
    pub(crate) fn written(&self) -> Option<&Value> {
        match &self.call {
            Call::Write(value) if self.outcome != Outcome::Failed => Some(value),
            Call::Read(_) | Call::Write(_) | Call::Cas(..) | Call::Append(_) | Call::Add(_) => None,
        }
    }

    /// What it returned, if it is a read of which that is known.
    pub(crate) fn returned(&self) -> Option<&Value> {
        match &self.call {
            Call::Read(Some(value)) if self.outcome == Outcome::Ok => Some(value),
            Call::Read(_) | Call::Write(_) | Call::Cas(..) | Call::Append(_) | Call::Add(_) => None,
        }
    }
}

impl Call {
    /// The functions, as recordings call them.
    pub const FUNCTIONS: [&str; 5] = ["read", "write", "cas", "append", "add"];

    /// The name of its function.
    #[must_use]
    pub fn function(&self) -> &'static str {
        let place = match self {
            Self::Read(_) => 0,
            Self::Write(_) => 1,
            Self::Cas(..) => 2,
            Self::Append(_) => 3,
            Self::Add(_) => 4,
        };
        Self::FUNCTIONS[place]
    }
}

impl Value {
    /// Whether it stands for several values that were read of a register at once: one of them at least was written.
    pub(crate) fn is_siblings(&self, is_written: impl Fn(&Self) -> bool) -> bool {
        match self {
            Self::List(values) => values.len() > 1 && values.iter().any(is_written),
            Self::Nil | Self::Integer(_) | Self::Text(_) => false,
        }
    }
}

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> Formatted {
        match self {
            Self::Nil => f.write_str("nil"),
            Self::Integer(number) => number.fmt(f),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::List(values) => {
                f.write_str("[")?;
                for (index, value) in values.iter().enumerate() {
                    let space = if index > 0 { " " } else { "" };
                    write!(f, "{space}{value}")?;
                }
                f.write_str("]")
            }
        }
    }
}

impl Display for Call {
    fn fmt(&self, f: &mut Formatter<'_>) -> Formatted {
        f.write_str(self.function())?;
        match self {
            Self::Read(None) => f.write_str(" ?"),
            Self::Read(Some(value))
            | Self::Write(value)
            | Self::Append(value)
            | Self::Add(value) => {
                write!(f, " {value}")
            }
            Self::Cas(from, to) => write!(f, " {from} {to}"),
        }
    }
}
