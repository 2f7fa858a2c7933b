//! What is written down twice, when it begins and when it returns, and how both become one operation.

use super::RecordingError;
use crate::recording::{Call, Recorded, Recording, Times, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use tidemark_proto::event::Outcome;

/// One line about an operation: that it began, or what came of it.
pub(super) struct Entry {
    pub(super) line: u64,
    pub(super) process: u64,
    pub(super) step: Step,
    pub(super) function: String,
    /// Of which object, where the file says it apart from the value.
    pub(super) key: Option<Arc<str>>,
    pub(super) value: Value,
    /// In nanoseconds, where the file tells.
    pub(super) time: Option<u64>,
}

/// What an entry says has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Invoked,
    Returned(Outcome),
}

/// What a format has beside the words of its entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// A read of nil is one of nobody knows what, and an object may be named in a pair with the value.
    Edn,
    /// There is one object, and a read of nil found it so.
    Log,
}

/// Makes operations of entries, in the order of the file.
pub(super) struct Pairs {
    dialect: Dialect,
    operations: Vec<Recorded>,
    /// When each began and returned by its entries' times.
    times: Vec<[Option<u64>; 2]>,
    /// The place of what a process waits for, and whether its object was named in a pair.
    open: BTreeMap<u64, (usize, bool)>,
    entries: u64,
}

impl Step {
    /// The step that a word of Jepsen's stands for.
    pub(super) fn of(word: &str) -> Option<Self> {
        match word {
            "invoke" => Some(Self::Invoked),
            "ok" => Some(Self::Returned(Outcome::Ok)),
            "fail" => Some(Self::Returned(Outcome::Failed)),
            "info" => Some(Self::Returned(Outcome::Unknown)),
            _ => None,
        }
    }
}

impl Pairs {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            operations: Vec::new(),
            times: Vec::new(),
            open: BTreeMap::new(),
            entries: 0,
        }
    }

    pub(super) fn add(&mut self, entry: Entry) -> Result<(), RecordingError> {
        self.entries += 1;
        match entry.step {
            Step::Invoked => self.begin(entry),
            Step::Returned(outcome) => self.end(entry, outcome),
        }
    }

    fn begin(&mut self, entry: Entry) -> Result<(), RecordingError> {
        let (line, process) = (entry.line, entry.process);
        let (pair, value) = match entry.key {
            None if self.dialect == Dialect::Edn => pair(&entry.function, entry.value),
            _ => (None, entry.value),
        };
        let was_paired = pair.is_some();
        let key = entry.key.or(pair.as_ref().map(name)).unwrap_or_default();
        let call = self.call(line, &entry.function, value)?;
        let place = self.operations.len();
        if let Some((open, _)) = self.open.insert(process, (place, was_paired)) {
            let what = format!(
                "process {process} invokes {call}, but what it invoked on line {} has not returned",
                self.operations[open].line
            );
            return Err(RecordingError::new(line, what));
        }
        self.times.push([entry.time, None]);
        self.operations.push(Recorded {
            line,
            name: None,
            process,
            key,
            // What was read is known when it returns.
            call: match call {
                Call::Read(_) => Call::Read(None),
                call => call,
            },
            start: self.entries,
            end: u64::MAX,
            outcome: Outcome::Unknown,
        });
        Ok(())
    }

    fn end(&mut self, entry: Entry, outcome: Outcome) -> Result<(), RecordingError> {
        let Entry { line, process, .. } = entry;
        let error = |what: String| Err(RecordingError::new(line, what));
        let Some((place, was_paired)) = self.open.remove(&process) else {
            let function = entry.function;
            return error(format!(
                "process {process} returns from {function}, but has invoked nothing"
            ));
        };
        let (pair, value) = match was_paired {
            true => pair(&entry.function, entry.value),
            false => (None, entry.value),
        };
        let key = entry.key.or(pair.as_ref().map(name));
        let function = function(line, &entry.function)?;
        let operation = &self.operations[place];
        let asked = (operation.call.function(), &operation.key);
        if function != asked.0 || key.as_ref().is_some_and(|key| key != asked.1) {
            let of = |key: &str| match key {
                "" => String::new(),
                key => format!(" of {key}"),
            };
            return error(format!(
                "process {process} returns from {function}{}, but on line {} it invoked {}{}",
                of(&key.unwrap_or_default()),
                operation.line,
                asked.0,
                of(asked.1),
            ));
        }
        // Only what was read is news; beside a failure there may stand its reason.
        let read = match (outcome, &operation.call) {
            (Outcome::Ok, Call::Read(_)) => Some(self.call(line, &entry.function, value)?),
            _ => None,
        };
        let operation = &mut self.operations[place];
        operation.outcome = outcome;
        if outcome != Outcome::Unknown {
            operation.end = self.entries;
            self.times[place][1] = entry.time;
        }
        if let Some(read) = read {
            operation.call = read;
        }
        Ok(())
    }

    /// What a function called with a value asks for, or a read that returned it.
    fn call(&self, line: u64, function: &str, value: Value) -> Result<Call, RecordingError> {
        let is_known = self.dialect == Dialect::Log || value != Value::Nil;
        call(line, function, is_known.then(|| settle(value)))
    }

    /// The recording; what has not returned may take effect at any time. Its times are those of the file if every entry
    /// has one.
    pub(super) fn recording(mut self) -> Result<Recording, RecordingError> {
        let is_timed = |(times, operation): (&[Option<u64>; 2], &Recorded)| {
            times[0].is_some() && (times[1].is_some() || operation.end == u64::MAX)
        };
        if !self.times.iter().zip(&self.operations).all(is_timed) {
            return Ok(Recording {
                operations: self.operations,
                times: Times::Order,
            });
        }
        for (times, operation) in self.times.into_iter().zip(&mut self.operations) {
            operation.start = times[0].unwrap_or(operation.start);
            operation.end = times[1].unwrap_or(operation.end);
            if operation.end < operation.start {
                return Err(too_early(operation));
            }
        }
        self.operations.sort_by_key(|operation| operation.start);
        Ok(Recording {
            operations: self.operations,
            times: Times::Nanoseconds,
        })
    }
}

/// That an operation returns before it begins.
pub(super) fn too_early(operation: &Recorded) -> RecordingError {
    let Recorded { start, end, .. } = operation;
    let what = format!("it returns at {end} ns, before it is invoked at {start} ns");
    RecordingError::new(operation.line, what)
}

/// What a function called with a value asks for; none: with none, or what a read returned is not known.
pub(super) fn call(line: u64, name: &str, value: Option<Value>) -> Result<Call, RecordingError> {
    let function = function(line, name)?;
    if function == "read" {
        return Ok(Call::Read(value));
    }
    let value = match value {
        Some(value) => value,
        None if name.starts_with("inc") => Value::Integer(1),
        None => Value::Nil,
    };
    match function {
        "write" => Ok(Call::Write(value)),
        "append" => Ok(Call::Append(value)),
        "add" => Ok(Call::Add(value)),
        _ => match value {
            Value::List(values) if values.len() == 2 => {
                let [from, to] = <[Value; 2]>::try_from(values).expect("there are two");
                Ok(Call::Cas(from, to))
            }
            value => {
                let what = format!("a cas takes two values, [from to], not {value}");
                Err(RecordingError::new(line, what))
            }
        },
    }
}

/// The function that a name stands for, one of [`Call::FUNCTIONS`].
fn function(line: u64, name: &str) -> Result<&'static str, RecordingError> {
    match name {
        "read" | "get" | "r" => Ok("read"),
        "write" | "put" | "w" => Ok("write"),
        "cas" => Ok("cas"),
        "append" => Ok("append"),
        "add" | "inc" | "increment" => Ok("add"),
        _ => {
            let what = format!(
                "there is no function {name:?}; there are read (get), write (put), cas, append, add (inc)"
            );
            Err(RecordingError::new(line, what))
        }
    }
}

/// The object and the rest of a value that is a pair, as Jepsen's independent keys have it; else the whole value. A cas has
/// two values without an object, and a pair of which the second is a list with one.
fn pair(function: &str, value: Value) -> (Option<Value>, Value) {
    match value {
        Value::List(values)
            if values.len() == 2 && (function != "cas" || matches!(values[1], Value::List(_))) =>
        {
            let [key, value] = <[Value; 2]>::try_from(values).expect("there are two");
            (Some(key), value)
        }
        value => (None, value),
    }
}

/// The name of the object that a value names.
pub(super) fn name(key: &Value) -> Arc<str> {
    match key {
        Value::Text(text) => text.clone(),
        other => other.to_string().into(),
    }
}

/// A value with nil where it says that there certainly is nothing.
fn settle(value: Value) -> Value {
    match value {
        Value::Text(text) if *text == *NOT_FOUND => Value::Nil,
        value => value,
    }
}

/// Nothing, certainly, where a plain nil would mean that a value is not known.
pub(in crate::recording) const NOT_FOUND: &str = ":not-found";
