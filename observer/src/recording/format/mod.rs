//! The files that recordings stand in: the seam of formats. One file a format; a line of the list is all that the command
//! line, its errors and its tables know of it.

mod edn;
mod entry;
mod form;
mod jepsen_log;
mod jsonl;
mod lines;
mod ops_csv;
mod porcupine_kv;

pub(super) use entry::NOT_FOUND;
pub use form::value;

use super::Recording;
use crate::history::HistoryError;
use std::fmt::Display;
use std::io::{BufRead, Cursor, Read as _};

/// A format as the list has it. Its name is its file's name.
#[derive(Debug)]
pub struct Format {
    /// What `--format` takes.
    pub name: &'static str,
    /// One sentence for tables.
    pub about: &'static str,
    /// The model that such files are checked against unless it is said.
    pub model: &'static str,
    /// Whether a file that begins so is likely to be of this format.
    pub looks_like: fn(&str) -> bool,
    read: fn(&mut dyn BufRead) -> Result<Recording, RecordingError>,
}

/// A file that is no recording, and where it is not.
#[derive(Debug, thiserror::Error)]
#[error("{line}: {what}")]
pub struct RecordingError {
    /// Lines count from 1.
    pub line: u64,
    /// What is wrong there.
    pub what: String,
}

/// Every format. Who is asked first guesses first.
pub const FORMATS: [Format; 5] = [
    ops_csv::FORMAT,
    jepsen_log::FORMAT,
    porcupine_kv::FORMAT,
    edn::FORMAT,
    jsonl::FORMAT,
];

/// The names of all formats.
pub fn names() -> impl Iterator<Item = &'static str> {
    FORMATS.iter().map(|format| format.name)
}

/// Reads a recording, in a format or in the one that its beginning looks like; tells which.
///
/// # Errors
/// It looks like none, or it is not what it looks like: then nothing of it is given.
pub fn read(
    mut input: impl BufRead,
    format: Option<&'static Format>,
) -> Result<(Recording, &'static Format), RecordingError> {
    let mut head = Vec::new();
    let read = input.by_ref().take(HEAD).read_to_end(&mut head);
    read.map_err(|error| RecordingError::new(1, error))?;
    let format = match format {
        Some(format) => format,
        None => guess(&String::from_utf8_lossy(&head))?,
    };
    let recording = (format.read)(&mut Cursor::new(head).chain(input))?;
    if recording.operations.is_empty() {
        let what = format!("there is no operation in it, read as {}", format.name);
        return Err(RecordingError::new(1, what));
    }
    Ok((recording, format))
}

fn guess(head: &str) -> Result<&'static Format, RecordingError> {
    if head.trim().is_empty() {
        return Err(RecordingError::new(1, "the file is empty"));
    }
    let format = FORMATS.iter().find(|format| (format.looks_like)(head));
    format.ok_or_else(|| {
        let names = names().collect::<Vec<_>>().join(", ");
        let what = format!("it looks like none of the formats; say which it is: {names}");
        RecordingError::new(1, what)
    })
}

impl From<HistoryError> for RecordingError {
    fn from(error: HistoryError) -> Self {
        let (line, what) = error.place();
        Self { line, what }
    }
}

impl RecordingError {
    pub(super) fn new(line: u64, what: impl Display) -> Self {
        let what = what.to_string();
        Self { line, what }
    }
}

/// So much of a file is looked at to guess its format.
const HEAD: u64 = 1 << 16;
