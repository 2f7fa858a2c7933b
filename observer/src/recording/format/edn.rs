//! Histories of Jepsen and Knossos in EDN.
//!
//! An operation is a map, `{:process 0, :type :invoke, :f :write, :value 3}`, or a tuple of the same, `[0 :invoke :write 3]`; tagged or not. They
//! stand one after the other or in one vector or list, with comments. `:type` is `:invoke`, then `:ok` (it took effect), `:fail` (it
//! did not) or `:info` (it may have, at any time after its invocation). `:key` names the object; so does the first of a pair
//! in `:value`, as in Jepsen's independent keys: `[x 3]`, of a cas `[x [1 2]]`. A read of nil matches anything; one of
//! `:not-found` is of nil. With `:time` in nanoseconds everywhere, those are the times, else the order is. What `:process`
//! is not a number of (`:nemesis`) is passed over, and so are fields that are not named here.
//!
//! Reference: Kingsbury, Jepsen, `jepsen.history`; Knossos, `knossos.op`.

use super::entry::{Dialect, Entry, Pairs, Step, name};
use super::form::{Forms, value_of};
use super::lines::Lines;
use super::{Format, RecordingError};
use crate::recording::{Recording, Value};
use clojure_reader::edn::Edn;
use std::io::BufRead;

pub(super) const FORMAT: Format = Format {
    name: "edn",
    about: "maps or tuples of Jepsen and Knossos: {:process 0, :type :invoke, :f :write, :value 3}",
    model: "register",
    looks_like: |head| {
        let head = head.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
        head.starts_with(['[', '(', '#', ';']) || head.starts_with('{') && head.contains(":process")
    },
    read,
};

/// Reads operations in EDN.
pub(super) fn read(input: &mut dyn BufRead) -> Result<Recording, RecordingError> {
    let text = Lines::new(input).rest()?;
    let mut forms = Forms::new(&text);
    let mut pairs = Pairs::new(Dialect::Edn);
    while let Some((line, form)) = forms.next()? {
        if let Some(entry) = entry(line, &form)? {
            pairs.add(entry)?;
        }
    }
    pairs.recording()
}

/// What an operation's form says; none if nobody's process said it.
fn entry(line: u64, form: &Edn<'_>) -> Result<Option<Entry>, RecordingError> {
    let error = |what: String| Err(RecordingError::new(line, what));
    let fields = match form {
        Edn::Tagged(_, form) => return entry(line, form),
        Edn::Map(map) => FIELDS.map(|name| map.get(&Edn::Key(name.into()))),
        Edn::Vector(tuple) | Edn::List(tuple) if (3..=5).contains(&tuple.len()) => {
            let at = |place| tuple.get(place);
            [at(0), at(1), at(2), at(3), None, at(4)]
        }
        other => return error(format!("{other} is no operation: a map or a tuple is")),
    };
    let [process, step, function, value, key, time] = fields;
    let process = match process {
        Some(Edn::Int(process)) if *process >= 0 => process.unsigned_abs(),
        Some(Edn::Key(_)) => return Ok(None),
        Some(other) => return error(format!(":process {other} is no number from 0")),
        None => return error("it has no :process".to_owned()),
    };
    let word = |name: &str, form: Option<&Edn<'_>>| match form {
        Some(Edn::Key(word) | Edn::Str(word) | Edn::Symbol(word)) => Ok(word.as_ref().to_owned()),
        Some(other) => Err(RecordingError::new(
            line,
            format!("{name} {other} is no word"),
        )),
        None => Err(RecordingError::new(line, format!("it has no {name}"))),
    };
    let step = word(":type", step)?;
    let Some(step) = Step::of(&step) else {
        return error(format!(
            ":type is {step:?}; it is one of :invoke, :ok, :fail, :info"
        ));
    };
    let time = match time {
        None | Some(Edn::Nil) => None,
        Some(Edn::Int(time)) if *time >= 0 => Some(time.unsigned_abs()),
        Some(other) => return error(format!(":time {other} is no number of nanoseconds")),
    };
    Ok(Some(Entry {
        line,
        process,
        step,
        function: word(":f", function)?,
        key: key.map(|key| name(&value_of(key))),
        value: value.map_or(Value::Nil, value_of),
        time,
    }))
}

/// What an operation's map may have, in the order of a tuple.
const FIELDS: [&str; 6] = ["process", "type", "f", "value", "key", "time"];
