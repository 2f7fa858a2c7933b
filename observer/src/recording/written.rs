//! Writes a recording as others read it: `history.edn` for Jepsen's and Knossos' tools, `history.jsonl` for everybody else's.
//!
//! What is of unknown outcome is `:info`, never `:fail`, and comes at the end. Nil stands as `:not-found` in EDN, where a read of
//! nil would match anything.

use super::format::NOT_FOUND;
use super::{Call, Recorded, Recording, Value};
use serde_json::{Value as Json, json};
use std::fmt::{Display, Formatter, Result as Formatted};
use std::io::{self, Write};
use tidemark_proto::event::Outcome;

/// Writes a line of EDN for every invocation and every return, in the order of their times.
///
/// # Errors
/// It cannot be written.
pub fn write_edn(recording: &Recording, mut out: impl Write) -> io::Result<()> {
    let operations = &recording.operations;
    let both = |(place, operation): (usize, &Recorded)| {
        [
            (operation.start, place, false),
            (operation.end, place, true),
        ]
    };
    // At one time a process returns from one operation before it begins the next.
    let mut steps: Vec<_> = operations.iter().enumerate().flat_map(both).collect();
    steps.sort_unstable();
    let mut last = 0;
    for (time, place, is_end) in steps {
        let operation = &operations[place];
        let Recorded { process, key, .. } = operation;
        let (step, call) = match (is_end, operation.outcome) {
            (false, _) => ("invoke", asked(&operation.call)),
            (_, Outcome::Ok) => ("ok", operation.call.clone()),
            (_, Outcome::Failed) => ("fail", asked(&operation.call)),
            (_, Outcome::Unknown) => ("info", asked(&operation.call)),
        };
        // What never returned is told of at the end.
        last = if time == u64::MAX { last } else { time };
        let (function, value) = (call.function(), Edn(&call));
        writeln!(
            out,
            "{{:process {process}, :type :{step}, :f :{function}, :key {key:?}, :value {value}, :time {last}}}"
        )?;
    }
    out.flush()
}

/// Writes a line of JSON for every operation, in the order of their starts.
///
/// # Errors
/// It cannot be written.
pub fn write_jsonl(recording: &Recording, mut out: impl Write) -> io::Result<()> {
    for operation in &recording.operations {
        let mut row = match &operation.name {
            Some(name) => json!({ "operation": **name }),
            None => json!({}),
        };
        row["process"] = operation.process.into();
        row["key"] = (*operation.key).into();
        row["f"] = operation.call.function().into();
        match &operation.call {
            Call::Read(None) => {}
            Call::Read(Some(value))
            | Call::Write(value)
            | Call::Append(value)
            | Call::Add(value) => {
                row["value"] = json(value);
            }
            Call::Cas(from, to) => row["value"] = json!([json(from), json(to)]),
        }
        row["start_ns"] = operation.start.into();
        if operation.outcome != Outcome::Unknown {
            row["end_ns"] = operation.end.into();
        }
        row["outcome"] = json!(operation.outcome);
        writeln!(out, "{row}")?;
    }
    out.flush()
}

/// A call before it is known what it reads.
fn asked(call: &Call) -> Call {
    match call {
        Call::Read(_) => Call::Read(None),
        call => call.clone(),
    }
}

/// A call's value in EDN.
struct Edn<'a>(&'a Call);

impl Display for Edn<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Formatted {
        match self.0 {
            Call::Read(None) => f.write_str("nil"),
            Call::Read(Some(value))
            | Call::Write(value)
            | Call::Append(value)
            | Call::Add(value) => write_value(value, f),
            Call::Cas(from, to) => {
                f.write_str("[")?;
                write_value(from, f)?;
                f.write_str(" ")?;
                write_value(to, f)?;
                f.write_str("]")
            }
        }
    }
}

fn write_value(value: &Value, f: &mut Formatter<'_>) -> Formatted {
    match value {
        Value::Nil => f.write_str(NOT_FOUND),
        value => value.fmt(f),
    }
}

fn json(value: &Value) -> Json {
    match value {
        Value::Nil => Json::Null,
        Value::Integer(number) => (*number).into(),
        Value::Text(text) => (**text).into(),
        Value::List(values) => values.iter().map(json).collect(),
    }
}
