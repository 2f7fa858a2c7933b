//! What Jepsen prints while it runs: `INFO  jepsen.util - 0 :invoke :cas [1 2]`, with tabs before what has a colon or a bracket.
//!
//! An object begins as nil, and a read of nil returned that. `:fail :read :timed-out` is a read of which nobody knows what it
//! returned; a `:fail` of anything else did not take effect; `:info` may have, and so may what is open at the end, at any time after
//! its call. All other lines are passed over.
//!
//! Reference: Kingsbury, Jepsen, `jepsen.util/log-op`; the logs of etcd in Porcupine's `test_data/jepsen/`.

use super::entry::{Dialect, Entry, Pairs, Step};
use super::form::value;
use super::lines::{Line, Lines};
use super::{Format, RecordingError};
use crate::recording::Recording;
use std::io::BufRead;

pub(super) const FORMAT: Format = Format {
    name: "jepsen-log",
    about: "lines that Jepsen logs: INFO  jepsen.util - 0\t:invoke\t:cas\t[1 2]",
    model: "cas-register",
    looks_like: |head| head.lines().any(|line| rest(line).is_some()),
    read,
};

fn read(input: &mut dyn BufRead) -> Result<Recording, RecordingError> {
    let mut lines = Lines::new(input);
    let mut pairs = Pairs::new(Dialect::Log);
    while let Some(line) = lines.next()? {
        if let Some(entry) = entry(&line)? {
            pairs.add(entry)?;
        }
    }
    pairs.recording()
}

/// What a line says; none if it is not about a process's operation.
fn entry(line: &Line<'_>) -> Result<Option<Entry>, RecordingError> {
    let error = |what: String| Err(RecordingError::new(line.number, what));
    let Some(rest) = rest(line.text) else {
        let is_cut = !line.is_whole && !line.text.is_empty() && MARK.starts_with(line.text);
        return if is_cut {
            error(CUT.to_owned())
        } else {
            Ok(None)
        };
    };
    let fields: Vec<&str> = rest.splitn(4, '\t').map(str::trim).collect();
    let [process, step, function, rest] = fields[..] else {
        return match line.is_whole {
            true => Ok(None),
            false => error(CUT.to_owned()),
        };
    };
    let (Ok(process), Some(step)) = (process.parse(), step.strip_prefix(':').and_then(Step::of))
    else {
        return Ok(None);
    };
    let Some(function) = function.strip_prefix(':') else {
        return error(format!(
            "{function:?} is no function: it is written like :read"
        ));
    };
    // Jepsen may say after a tab what went wrong.
    let text = rest.split('\t').next().unwrap_or_default();
    let value = match value(text) {
        Ok(value) => value,
        Err(_) if !line.is_whole => return error(CUT.to_owned()),
        Err(RecordingError { what, .. }) => return error(what),
    };
    Ok(Some(Entry {
        line: line.number,
        process,
        step,
        function: function.to_owned(),
        key: None,
        value,
        time: None,
    }))
}

/// What stands in a line of the log after who logs it.
fn rest(line: &str) -> Option<&str> {
    let (before, rest) = line.split_once(MARK_END)?;
    before.trim_start().starts_with("INFO").then_some(rest)
}

const MARK: &str = "INFO  jepsen.util - ";
const MARK_END: &str = "jepsen.util - ";
const CUT: &str = "the file ends within this line";
