//! The lines of a file, none of them longer than a limit.

use super::RecordingError;
use std::io::{BufRead, Read as _};

/// A file, line by line.
pub(super) struct Lines<'a> {
    input: &'a mut dyn BufRead,
    number: u64,
    line: Vec<u8>,
}

/// One line of a file.
pub(super) struct Line<'a> {
    /// From 1.
    pub(super) number: u64,
    /// Without its end.
    pub(super) text: &'a str,
    /// Whether it has an end: if not, it is the last, and may have been cut short.
    pub(super) is_whole: bool,
}

impl<'a> Lines<'a> {
    pub(super) fn new(input: &'a mut dyn BufRead) -> Self {
        Self {
            input,
            number: 0,
            line: Vec::new(),
        }
    }

    /// The next line; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<Line<'_>>, RecordingError> {
        self.number += 1;
        self.line.clear();
        let number = self.number;
        let mut input = (&mut *self.input).take(LIMIT + 1);
        let read = input.read_until(b'\n', &mut self.line);
        let read = read.map_err(|error| RecordingError::new(number, error))?;
        if read as u64 > LIMIT {
            let what = format!("a line of more than {} MiB", LIMIT >> 20);
            return Err(RecordingError::new(number, what));
        }
        if read == 0 {
            return Ok(None);
        }
        let text = std::str::from_utf8(&self.line).map_err(|error| {
            RecordingError::new(number, format_args!("it is not text in UTF-8: {error}"))
        })?;
        let whole = text.strip_suffix('\n');
        let text = whole.unwrap_or(text);
        Ok(Some(Line {
            number,
            text: text.strip_suffix('\r').unwrap_or(text),
            is_whole: whole.is_some(),
        }))
    }

    /// All lines that are left, as they stand.
    pub(super) fn rest(mut self) -> Result<String, RecordingError> {
        let mut rest = String::new();
        while let Some(line) = self.next()? {
            rest.push_str(line.text);
            rest.push('\n');
        }
        Ok(rest)
    }
}

/// The longest line that is taken, in bytes: a whole history may stand on one.
const LIMIT: u64 = 64 << 20;
