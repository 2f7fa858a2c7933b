//! Reads the rows of one table, and the cells of a row by their columns.

use super::cell;
use bytes::Bytes;
use csv::{ByteRecord, Reader, ReaderBuilder};
use serde::Deserialize;
use std::fmt::Display;
use std::io::{self, Read};
use std::str::FromStr;
use std::time::Duration;
use tidemark_proto::id::Actor;
use xxhash_rust::xxh3::xxh3_64;

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
    /// The row given last.
    record: ByteRecord,
    /// The row after it, if there is one: whether a row is whole shows when it was the last.
    ahead: ByteRecord,
    is_ahead: bool,
    truncated: bool,
    keys: Keys,
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
                .buffer_capacity(BUFFER)
                .from_reader(LastByte { input, last: b'\n' }),
            record: ByteRecord::new(),
            ahead: ByteRecord::new(),
            is_ahead: true,
            truncated: false,
            keys: Keys::default(),
        };
        rows.read_ahead()?;
        let has_header = rows.advance()?;
        let header = rows.record.iter();
        if has_header && header.ne(columns.iter().map(|name| name.as_bytes())) {
            return Err(HistoryError {
                file,
                line: 1,
                what: format!("its columns are not {}", columns.join(",")),
            });
        }
        Ok(rows)
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
    pub(super) fn next(&mut self) -> Result<Option<Row<'_>>, HistoryError> {
        if !self.advance()? {
            return Ok(None);
        }
        let row = Row {
            file: self.file,
            columns: self.columns,
            record: &self.record,
            keys: &mut self.keys,
        };
        if row.record.len() != self.columns.len() {
            let (has, needs) = (row.record.len(), self.columns.len());
            return Err(row.error(format!("it has {has} cells, the table has {needs} columns")));
        }
        Ok(Some(row))
    }

    /// Takes the record that was read ahead and reads the next; whether there was one.
    fn advance(&mut self) -> Result<bool, HistoryError> {
        std::mem::swap(&mut self.record, &mut self.ahead);
        if !self.is_ahead {
            return Ok(false);
        }
        self.read_ahead()?;
        let is_whole =
            self.reader.get_ref().last == b'\n' && self.record.len() == self.columns.len();
        if !self.is_ahead && !is_whole {
            self.truncated = true;
            return Ok(false);
        }
        Ok(true)
    }

    fn read_ahead(&mut self) -> Result<(), HistoryError> {
        match self.reader.read_byte_record(&mut self.ahead) {
            Ok(there_is_one) => {
                self.is_ahead = there_is_one;
                Ok(())
            }
            Err(error) => Err(HistoryError {
                file: self.file,
                line: self.reader.position().line(),
                what: error.to_string(),
            }),
        }
    }
}

/// A column of a table, by its place; it is looked up once, when this is compiled.
#[derive(Clone, Copy)]
pub(super) struct Column(usize);

impl Column {
    /// The column with a name, which must be among these.
    pub(super) const fn of(columns: &[&str], name: &str) -> Self {
        let mut place = 0;
        while place < columns.len() {
            if is_same(columns[place].as_bytes(), name.as_bytes()) {
                return Self(place);
            }
            place += 1;
        }
        panic!("the table has no such column")
    }
}

const fn is_same(one: &[u8], other: &[u8]) -> bool {
    let mut place = 0;
    while place < one.len() && place < other.len() {
        if one[place] != other[place] {
            return false;
        }
        place += 1;
    }
    one.len() == other.len()
}

/// One row of a table.
pub(super) struct Row<'a> {
    file: &'static str,
    columns: &'static [&'static str],
    record: &'a ByteRecord,
    keys: &'a mut Keys,
}

impl Row<'_> {
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
    pub(super) fn text(&self, column: Column) -> Result<&str, HistoryError> {
        let cell = self.record.get(column.0).unwrap_or_default();
        std::str::from_utf8(cell)
            .map_err(|error| self.error(format_args!("{} is not text: {error}", self.name(column))))
    }

    /// What a column holds.
    pub(super) fn value<T: FromStr<Err: Display>>(
        &self,
        column: Column,
    ) -> Result<T, HistoryError> {
        self.parse(column, self.text(column)?)
    }

    /// What a column holds, or nothing.
    pub(super) fn maybe<T: FromStr<Err: Display>>(
        &self,
        column: Column,
    ) -> Result<Option<T>, HistoryError> {
        match self.text(column)? {
            "" => Ok(None),
            text => self.parse(column, text).map(Some),
        }
    }

    /// The values that a column lists.
    pub(super) fn list<T: FromStr<Err: Display>>(
        &self,
        column: Column,
    ) -> Result<Vec<T>, HistoryError> {
        let words = self.text(column)?.split_ascii_whitespace();
        words.map(|text| self.parse(column, text)).collect()
    }

    /// The variant that a column names.
    pub(super) fn word<'b, T: Deserialize<'b>>(
        &'b self,
        column: Column,
    ) -> Result<T, HistoryError> {
        T::deserialize(cell::word(self.text(column)?))
            .map_err(|error| self.error(format_args!("{}: {error}", self.name(column))))
    }

    /// The time that a column holds in nanoseconds.
    pub(super) fn time(&self, column: Column) -> Result<Duration, HistoryError> {
        self.value(column).map(Duration::from_nanos)
    }

    /// The 64 bits that a column holds in hex.
    pub(super) fn hex(&self, column: Column) -> Result<u64, HistoryError> {
        let text = self.text(column)?;
        u64::from_str_radix(text, 16)
            .map_err(|error| self.error(format_args!("{} {text:?}: {error}", self.name(column))))
    }

    /// The key that a column holds.
    pub(super) fn key(&mut self, column: Column) -> Result<Bytes, HistoryError> {
        let cell = self.record.get(column.0).unwrap_or_default();
        if let Some(key) = self.keys.get(cell) {
            return Ok(key);
        }
        let text = self.text(column)?;
        let key =
            cell::key(text).ok_or_else(|| self.error(format_args!("key {text:?} is not hex")))?;
        self.keys
            .keep(self.record.get(column.0).unwrap_or_default(), &key);
        Ok(key)
    }

    /// The entries of the clock that a column holds.
    pub(super) fn clock(&self, column: Column) -> Result<Vec<(Actor, u64)>, HistoryError> {
        let words = self.text(column)?.split_ascii_whitespace();
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

    fn name(&self, column: Column) -> &'static str {
        self.columns[column.0]
    }

    fn parse<T: FromStr<Err: Display>>(
        &self,
        column: Column,
        text: &str,
    ) -> Result<T, HistoryError> {
        text.parse()
            .map_err(|error| self.error(format_args!("{} {text:?}: {error}", self.name(column))))
    }
}

/// The keys that were read last: a key that comes again is not stored again.
struct Keys {
    /// Each in its place by a hash: the cell, and the key that it holds.
    slots: Vec<(Bytes, Bytes)>,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            slots: vec![(Bytes::new(), Bytes::new()); KEYS_KEPT],
        }
    }
}

impl Keys {
    fn place(&self, cell: &[u8]) -> usize {
        xxh3_64(cell) as usize % self.slots.len()
    }

    fn get(&self, cell: &[u8]) -> Option<Bytes> {
        let (kept, key) = &self.slots[self.place(cell)];
        (kept == cell && !cell.is_empty()).then(|| key.clone())
    }

    fn keep(&mut self, cell: &[u8], key: &Bytes) {
        let place = self.place(cell);
        let kept = if cell == key {
            key.clone()
        } else {
            Bytes::copy_from_slice(cell)
        };
        self.slots[place] = (kept, key.clone());
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

/// How much of a file is read at a time, in bytes.
const BUFFER: usize = 1 << 18;
const KEYS_KEPT: usize = 1 << 12;
