//! Writes events into the tables of a run.

use super::cell::{Clock, Key, List, Maybe, Nanoseconds, Word};
use super::{COLUMNS, FILES};
use std::fmt::Display;
use std::io::{self, Write};
use std::time::Duration;
use tidemark_proto::event::{Event, FaultSpan, Operation, Passage};
use tidemark_proto::upkeep::Upkeep;

/// Writes every event into its table.
pub struct Tables<W: Write> {
    tables: [Table<W>; FILES.len()],
}

impl<W: Write> Tables<W> {
    /// Tables over empty files, in the order of [`FILES`](super::FILES).
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn new(files: [W; FILES.len()]) -> io::Result<Self> {
        let mut resumed = Self::resume(files);
        for (table, columns) in resumed.tables.iter_mut().zip(COLUMNS) {
            table.csv.write_record(columns)?;
        }
        Ok(resumed)
    }

    /// Tables over files that have rows already: what is added goes on after them.
    #[must_use]
    pub fn resume(files: [W; FILES.len()]) -> Self {
        Self {
            tables: files.map(Table::over),
        }
    }

    /// What the tables are written to, in the order of [`FILES`](super::FILES).
    pub fn writers(&self) -> impl Iterator<Item = &W> {
        self.tables.iter().map(|table| table.csv.get_ref())
    }

    /// Adds one event; it is in the file after the next [`Tables::flush`] at the latest.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write(&mut self, event: &Event) -> io::Result<()> {
        let [ops, events, fates, faults, upkeep] = &mut self.tables;
        let at = Nanoseconds(event.at());
        match event {
            Event::Returned(operation) => ops.operation(operation),
            Event::Fate(passage) => fates.passage(passage),
            Event::Fault(span) => faults.span(span),
            Event::Upkeep(done) => upkeep.upkeep(done),
            Event::Invoked(invocation) => events.flat(Flat {
                at,
                event: "invoked",
                operation: &invocation.id,
                method: &Word(&invocation.kind),
                key: &Key(&invocation.key),
                word: &Word(&invocation.purpose),
                intended: &Nanoseconds(invocation.intended),
                context_from: &Maybe(&invocation.context_from),
                ..BLANK
            }),
            Event::Placed { key, nodes } => events.flat(Flat {
                event: "placed",
                node: &List(nodes),
                key: &Key(key),
                ..BLANK
            }),
            Event::Stored(stored) => events.flat(Flat {
                at,
                event: "stored",
                operation: &stored.operation,
                node: &stored.node,
                method: &stored.method,
                key: &Key(&stored.key),
                versions: &List(&stored.versions),
                digest: &format_args!("{:016x}", stored.digest),
                ..BLANK
            }),
            Event::Sent {
                operation,
                from,
                to,
                method,
                k,
                ..
            } => events.flat(Flat {
                at,
                event: "sent",
                operation,
                node: from,
                to,
                method,
                k,
                ..BLANK
            }),
            Event::Received {
                operation,
                from,
                to,
                method,
                ..
            } => events.flat(Flat {
                at,
                event: "received",
                operation,
                node: from,
                to,
                method,
                ..BLANK
            }),
            Event::Refused {
                node,
                operation,
                reason,
                ..
            } => events.flat(Flat {
                at,
                event: "refused",
                operation,
                node,
                word: reason,
                ..BLANK
            }),
            Event::Machine { node, change, .. } => events.flat(Flat {
                at,
                event: "machine",
                node,
                word: &Word(change),
                ..BLANK
            }),
            Event::Milestone { milestone, .. } => events.flat(Flat {
                at,
                event: "milestone",
                word: &Word(milestone),
                ..BLANK
            }),
            Event::Gap(gap) => events.flat(Flat {
                at,
                event: "gap",
                k: &gap.count,
                word: &gap.source,
                intended: &Nanoseconds(gap.from),
                ..BLANK
            }),
        }
    }

    /// Hands all that was written to the files.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.tables
            .iter_mut()
            .try_for_each(|table| table.csv.flush())
    }
}

struct Table<W: Write> {
    csv: csv::Writer<W>,
    cell: Vec<u8>,
}

impl<W: Write> Table<W> {
    fn over(file: W) -> Self {
        Self {
            csv: csv::Writer::from_writer(file),
            cell: Vec::new(),
        }
    }

    fn row(&mut self, cells: &[&dyn Display]) -> io::Result<()> {
        for cell in cells {
            self.cell.clear();
            write!(self.cell, "{cell}")?;
            self.csv.write_field(&self.cell)?;
        }
        Ok(self.csv.write_record(None::<&[u8]>)?)
    }

    fn operation(&mut self, operation: &Operation) -> io::Result<()> {
        self.row(&[
            &operation.id,
            &Word(&operation.purpose),
            &Word(&operation.kind),
            &Key(&operation.key),
            &Nanoseconds(operation.intended),
            &Nanoseconds(operation.invoked),
            &Nanoseconds(operation.returned),
            &Word(&operation.outcome),
            &operation.status,
            &operation.asked,
            &Maybe(&operation.coordinator),
            &List(&operation.answered),
            &List(&operation.versions),
            &Maybe(&operation.context_from),
            &Clock(&operation.clock),
            &operation.context_bytes,
            &operation.value_bytes,
            &operation.attempts,
        ])
    }

    fn passage(&mut self, passage: &Passage) -> io::Result<()> {
        self.row(&[
            &Nanoseconds(passage.at),
            &passage.from,
            &passage.to,
            &passage.method,
            &Word(&passage.direction),
            &passage.k,
            &passage.size,
            &Word(&passage.verdict),
            &Nanoseconds(passage.intended),
            &Maybe(&passage.achieved.map(Nanoseconds)),
            &passage.rules,
            &passage.faulty,
        ])
    }

    fn span(&mut self, span: &FaultSpan) -> io::Result<()> {
        self.row(&[
            &span.name,
            &span.kind,
            &Nanoseconds(span.from),
            &Nanoseconds(span.until),
            &span.about,
            &Maybe(&span.series.map(|(from, _)| Nanoseconds(from))),
            &Maybe(&span.series.map(|(_, until)| Nanoseconds(until))),
        ])
    }

    fn upkeep(&mut self, upkeep: &Upkeep) -> io::Result<()> {
        self.row(&[
            &Nanoseconds(upkeep.at),
            &upkeep.node,
            &Word(&upkeep.chore),
            &Maybe(&upkeep.peer),
            &upkeep.operation,
            &Key(&upkeep.key),
            &upkeep.count,
            &upkeep.bytes,
        ])
    }

    fn flat(&mut self, row: Flat<'_>) -> io::Result<()> {
        self.row(&[
            &row.at,
            &row.event,
            row.operation,
            row.node,
            row.to,
            row.method,
            row.k,
            row.key,
            row.versions,
            row.digest,
            row.word,
            row.intended,
            row.context_from,
        ])
    }
}

/// A row of `events.csv`.
struct Flat<'a> {
    at: Nanoseconds,
    event: &'a str,
    operation: &'a dyn Display,
    node: &'a dyn Display,
    to: &'a dyn Display,
    method: &'a dyn Display,
    k: &'a dyn Display,
    key: &'a dyn Display,
    versions: &'a dyn Display,
    digest: &'a dyn Display,
    word: &'a dyn Display,
    intended: &'a dyn Display,
    context_from: &'a dyn Display,
}

const BLANK: Flat<'static> = Flat {
    at: Nanoseconds(Duration::ZERO),
    event: "",
    operation: &"",
    node: &"",
    to: &"",
    method: &"",
    k: &"",
    key: &"",
    versions: &"",
    digest: &"",
    word: &"",
    intended: &"",
    context_from: &"",
};
