//! One operation a line, as JSON: `{"process":0,"key":"x","f":"write","value":3,"start_ns":0,"end_ns":10,"outcome":"ok"}`.
//!
//! `outcome` is ok, failed or unknown; what is unknown needs no `end_ns`. A read without `value` returned nobody knows what, one of
//! null returned nothing. A cas has `[from, to]`. `operation`, if it is there, is a name of its own that no other line has.
//! Other fields are passed over.

use super::entry::{call, name, too_early};
use super::lines::Lines;
use super::{Format, RecordingError};
use crate::recording::{Recorded, Recording, Times, Value};
use serde::Deserialize;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::io::BufRead;
use tidemark_proto::event::Outcome;

pub(super) const FORMAT: Format = Format {
    name: "jsonl",
    about: "an operation a line: {\"process\":0,\"key\":\"x\",\"f\":\"write\",\"value\":3,\"start_ns\":0,\"end_ns\":10,\"outcome\":\"ok\"}",
    model: "register",
    looks_like: |head| head.trim_start().starts_with("{\""),
    read,
};

#[derive(Deserialize)]
struct Row {
    #[serde(default)]
    operation: Option<String>,
    process: u64,
    #[serde(default)]
    key: Option<Json>,
    f: String,
    /// None if it is not there, which is not the same as null.
    #[serde(default, deserialize_with = "there")]
    value: Option<Json>,
    start_ns: u64,
    #[serde(default)]
    end_ns: Option<u64>,
    outcome: Outcome,
}

fn there<'de, D: serde::Deserializer<'de>>(json: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(json).map(Some)
}

fn read(input: &mut dyn BufRead) -> Result<Recording, RecordingError> {
    let mut lines = Lines::new(input);
    let mut operations = Vec::new();
    let mut names: BTreeMap<String, u64> = BTreeMap::new();
    while let Some(line) = lines.next()? {
        if line.text.trim().is_empty() {
            continue;
        }
        let number = line.number;
        let row: Row = serde_json::from_str(line.text).map_err(|error| {
            let what = match error.is_eof() {
                true => format!("the line ends within its operation: {error}"),
                false => format!("it is no operation: {error}"),
            };
            RecordingError::new(number, what)
        })?;
        if let Some(name) = &row.operation
            && let Some(before) = names.insert(name.clone(), number)
        {
            let what = format!("operation {name:?} stands on line {before} already");
            return Err(RecordingError::new(number, what));
        }
        operations.push(recorded(number, row)?);
    }
    operations.sort_by_key(|operation: &Recorded| operation.start);
    Ok(Recording {
        operations,
        times: Times::Nanoseconds,
    })
}

fn recorded(line: u64, row: Row) -> Result<Recorded, RecordingError> {
    let value = row.value.map(value_of);
    let operation = Recorded {
        line,
        name: row.operation.map(Into::into),
        process: row.process,
        key: row.key.map(value_of).as_ref().map(name).unwrap_or_default(),
        call: call(line, &row.f, value)?,
        start: row.start_ns,
        end: match (row.outcome, row.end_ns) {
            (Outcome::Unknown, _) => u64::MAX,
            (_, Some(end)) => end,
            (_, None) => {
                let what = "it has no end_ns, and its outcome is not unknown";
                return Err(RecordingError::new(line, what));
            }
        },
        outcome: row.outcome,
    };
    match operation.end < operation.start {
        true => Err(too_early(&operation)),
        false => Ok(operation),
    }
}

fn value_of(json: Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::String(text) => Value::Text(text.into()),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::Integer(number),
            None => Value::Text(number.to_string().into()),
        },
        Json::Array(values) => Value::List(values.into_iter().map(value_of).collect()),
        other @ (Json::Bool(_) | Json::Object(_)) => Value::Text(other.to_string().into()),
    }
}
