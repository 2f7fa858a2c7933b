//! Reads the rows of one table, and the cells of a row by their columns' names.

use super::cell;
use bytes::Bytes;
use csv::{ByteRecord, Reader, ReaderBuilder};
use serde::Deserialize;
use std::fmt::Display;
use std::io::{self, Read};
use std::str::FromStr;
use std::time::Duration;
use tidemark_proto::id::Actor;

/// A file that is no table of a run, and where it is not.
#[derive(Debug, thiserror::Error)]
#[error("{file}:{line}: {what}")]
pub struct HistoryError {
    file: &'static str,
    line: u64,
    what: String,
}

impl HistoryError {
    /// The line, and what is wrong there.
    pub(crate) fn place(self) -> (u64, String) {
        (self.line, self.what)
    }
}

/// The rows of one table; a last row that was cut short is not among them.
pub(super) struct Rows<R> {
    file: &'static str,
    columns: &'static [&'static str],
    reader: Reader<LastByte<R>>,
    /// The row after the one given last: whether it is whole shows when it was the last.
    ahead: Option<ByteRecord>,
    truncated: bool,
}

impl<R: Read> Rows<R> {
    /// The rows of `file`, which has these columns.
    pub(super) fn new(
        input: R,
        file: &'static str,
        columns: &'static [&'static str],
    ) -> Result<Self, HistoryError> {
        let mut rows = Self {
            file,
            columns,
            reader: ReaderBuilder::new()
                .has_headers(false)
                .flexible(true)
                .from_reader(LastByte { input, last: b'\n' }),
            ahead: None,
            truncated: false,
        };
        rows.ahead = rows.record()?;
        match rows.record_after()? {
            Some(header) if header.iter().ne(columns.iter().map(|name| name.as_bytes())) => {
                Err(HistoryError {
                    file,
                    line: 1,
                    what: format!("its columns are not {}", columns.join(",")),
                })
            }
            _ => Ok(rows),
        }
    }

    /// Whether a last row was dropped.
    pub(super) fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// That the last row was not cut short, once all rows have been read.
    pub(super) fn whole(&self) -> Result<(), HistoryError> {
        match self.truncated {
            false => Ok(()),
            true => Err(HistoryError {
                file: self.file,
                line: self.reader.position().line(),
                what: "the file ends within this row".to_owned(),
            }),
        }
    }

    /// The next row; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<Row>, HistoryError> {
        let Some(record) = self.record_after()? else {
            return Ok(None);
        };
        let row = Row {
            file: self.file,
            columns: self.columns,
            record,
        };
        if row.record.len() != self.columns.len() {
            let (has, needs) = (row.record.len(), self.columns.len());
            return Err(row.error(format!("it has {has} cells, the table has {needs} columns")));
        }
        Ok(Some(row))
    }

    /// Takes the record that was read ahead and reads the next.
    fn record_after(&mut self) -> Result<Option<ByteRecord>, HistoryError> {
        let next = match self.ahead {
            Some(_) => self.record()?,
            None => None,
        };
        let record = std::mem::replace(&mut self.ahead, next);
        let is_whole = |record: &ByteRecord| {
            self.reader.get_ref().last == b'\n' && record.len() == self.columns.len()
        };
        if self.ahead.is_none() && record.as_ref().is_some_and(|record| !is_whole(record)) {
            self.truncated = true;
            return Ok(None);
        }
        Ok(record)
    }

    fn record(&mut self) -> Result<Option<ByteRecord>, HistoryError> {
        let mut record = ByteRecord::new();
        match self.reader.read_byte_record(&mut record) {
            Ok(there_is_one) => Ok(there_is_one.then_some(record)),
            Err(error) => Err(HistoryError {
                file: self.file,
                line: self.reader.position().line(),
                what: error.to_string(),
            }),
        }
    }
}

/// One row of a table.
pub(super) struct Row {
    file: &'static str,
    columns: &'static [&'static str],
    record: ByteRecord,
}

impl Row {
    /// Its line in the file.
    pub(super) fn line(&self) -> u64 {
        self.record.position().map_or(0, csv::Position::line)
    }

    /// That something is wrong with it.
    pub(super) fn error(&self, what: impl Display) -> HistoryError {
        HistoryError {
            file: self.file,
            line: self.line(),
            what: what.to_string(),
        }
    }

    /// The text in a column.
    pub(super) fn text(&self, column: &str) -> Result<&str, HistoryError> {
        let index = self.columns.iter().position(|name| *name == column);
        let cell = index.and_then(|index| self.record.get(index));
        let text = cell.map(std::str::from_utf8);
        match text {
            Some(Ok(text)) => Ok(text),
            Some(Err(error)) => Err(self.error(format_args!("{column} is not text: {error}"))),
            None => Err(self.error(format_args!("there is no column {column}"))),
        }
    }

    /// What a column holds.
    pub(super) fn value<T: FromStr<Err: Display>>(&self, column: &str) -> Result<T, HistoryError> {
        self.parse(column, self.text(column)?)
    }

    /// What a column holds, or nothing.
    pub(super) fn maybe<T: FromStr<Err: Display>>(
        &self,
        column: &str,
    ) -> Result<Option<T>, HistoryError> {
        match self.text(column)? {
            "" => Ok(None),
            text => self.parse(column, text).map(Some),
        }
    }

    /// The values that a column lists.
    pub(super) fn list<T: FromStr<Err: Display>>(
        &self,
        column: &str,
    ) -> Result<Vec<T>, HistoryError> {
        let words = self.text(column)?.split_ascii_whitespace();
        words.map(|text| self.parse(column, text)).collect()
    }

    /// The variant that a column names.
    pub(super) fn word<'a, T: Deserialize<'a>>(&'a self, column: &str) -> Result<T, HistoryError> {
        T::deserialize(cell::word(self.text(column)?))
            .map_err(|error| self.error(format_args!("{column}: {error}")))
    }

    /// The time that a column holds in nanoseconds.
    pub(super) fn time(&self, column: &str) -> Result<Duration, HistoryError> {
        self.value(column).map(Duration::from_nanos)
    }

    /// The 64 bits that a column holds in hex.
    pub(super) fn hex(&self, column: &str) -> Result<u64, HistoryError> {
        let text = self.text(column)?;
        u64::from_str_radix(text, 16)
            .map_err(|error| self.error(format_args!("{column} {text:?}: {error}")))
    }

    /// The key that the row is about.
    pub(super) fn key(&self) -> Result<Bytes, HistoryError> {
        let text = self.text("key")?;
        cell::key(text).ok_or_else(|| self.error(format_args!("key {text:?} is not hex")))
    }

    /// The entries of the clock that the row holds.
    pub(super) fn clock(&self) -> Result<Vec<(Actor, u64)>, HistoryError> {
        let words = self.text("clock")?.split_ascii_whitespace();
        words
            .map(|text| {
                cell::entry(text).ok_or_else(|| {
                    self.error(format_args!(
                        "clock: {text:?} is no entry; write it like n1:3"
                    ))
                })
            })
            .collect()
    }

    fn parse<T: FromStr<Err: Display>>(&self, column: &str, text: &str) -> Result<T, HistoryError> {
        text.parse()
            .map_err(|error| self.error(format_args!("{column} {text:?}: {error}")))
    }
}

/// Remembers the last byte that was read.
struct LastByte<R> {
    input: R,
    last: u8,
}

impl<R: Read> Read for LastByte<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        if let Some(last) = buffer[..count].last() {
            self.last = *last;
        }
        Ok(count)
    }
}
